"""The evidence for a pilot's answer: figures over time, their uncertainty, the sites and the rows that were refused."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards import charts, disclosure, language, layout, queries, site_map
from dashboards.audits import show_audits
from dashboards.charts import Band
from dashboards.language import Words
from dashboards.queries import Run
from experiments.pilot import Pilot

KINDS = ("treated", "control", "unused")


def show_weeks(run: Run, snapshot: int, say: Words) -> None:
    """Counted and expected, week by week."""
    weeks = disclosure.outcomes(snapshot, run.run_id)
    if not weeks:
        return
    what = language.observed(run.document, say)
    about = {"what": say(what[2]) + say("colon") + " " + what[0], "unit": what[1]} if what else {}
    kind = "_readings" if what else ""
    st.subheader(say(f"over_time{kind}"), anchor=False)
    layout.text(say(f"over_time{kind}_text", level=say.percent(run.document["effect"]["level"]), **about))
    digits, found = (1, "measured_values") if what else (0, "counted")
    after = [week for week in weeks if week["is_after"]]
    before = [week for week in weeks if not week["is_after"]]

    def mean(rows: list[dict[str, Any]], name: str) -> str:
        return say.number(sum(row[name] for row in rows) / len(rows), digits) if rows else say("none")

    said = say(
        f"over_time{kind}_alt",
        **about,
        weeks=len(weeks),
        before=mean(before, "treated"),
        counted=mean(after, "treated"),
        expected=mean(after, "counterfactual"),
        low=mean(after, "lower"),
        high=mean(after, "upper"),
    )
    st.altair_chart(charts.over_time(weeks, say, dark=layout.is_dark(), measured=what and f"{what[0]}, {what[1]}"), alt=said)
    show_naive(run, weeks, say)
    with st.expander(say("show_table")):
        rows = [
            {
                say("week"): week["period_start"].isoformat(),
                say("period"): say("after" if week["is_after"] else "before"),
                say(found): say.number(week["treated"], digits),
                say("expected"): say.number(week["counterfactual"], digits),
                say("low"): say.number(week["lower"], digits) if week["is_after"] else "",
                say("high"): say.number(week["upper"], digits) if week["is_after"] else "",
            }
            for week in weeks
        ]
        layout.table(rows, said, figures=[say(name) for name in (found, "expected", "low", "high")])
    layout.download(f"{run.pilot_id}_weeks.csv", charts.weeks_table(weeks), say("download_table"), "csv_weeks")


def show_intervals(run: Run, pilot: Pilot | None, snapshot: int, say: Words) -> None:
    """Counts of short intervals and whether the camera delivered, for a pilot that compares nothing."""
    found = disclosure.intervals(snapshot, run.run_id, pilot.privacy.small_count if pilot is not None else 0)
    if found is None:
        return
    zone = ZoneInfo(run.plan.get("timezone", "UTC"))
    counts = [{**row, "start": f"{row['start_at'].astimezone(zone):%H:%M:%S}"} for row in found.counts]
    st.subheader(say("counts_title"), anchor=False)
    layout.text(say("counts_text", interval=found.interval_s, shown=found.shown_s))
    (st.info if found.audited else st.warning)(say("audited" if found.audited else "not_audited"), icon=":material/fact_check:")
    show_audits(run, say)
    live = any(
        "://" in source["name"] or source["name"].startswith(("stream:", "camera:")) for source in run.document["sources"]
    )
    st.caption(say("audit_hint", audited="VIDEO --lines FILE.yaml --site SITE" if live else run.pilot_id))

    def said(row: dict[str, Any]) -> str:
        if row["crossings"] is not None:
            return say.number(row["crossings"])
        return say("withheld") if row["suppressed"] else say("not_measured")

    spoken = "; ".join(f"{row['start']} {row['line']}: {said(row)}" for row in counts)
    st.altair_chart(charts.columns(counts, say, dark=layout.is_dark()), alt=say("counts_alt", shown=found.shown_s, rows=spoken))
    layout.table(
        [
            {
                say("start"): layout.plain(row["start"]),
                say("line"): layout.plain(row["line"]),
                say("crossings"): said(row),
                say("uptime"): say.percent(row["coverage"]),
            }
            for row in counts
        ],
        say("counts_title"),
        figures=[say("crossings"), say("uptime")],
    )
    kept = ("site_id", "line", "start_at", "crossings", "suppressed", "coverage")
    rows = [{name: row[name] for name in kept} for row in counts]
    layout.download(f"{run.pilot_id}_intervals.csv", rows, say("download_table"), "csv_intervals")
    st.markdown(f"#### {say('uptime_title')}")
    shares = [{"start": f"{r['start_at'].astimezone(zone):%H:%M:%S}", "uptime": r["uptime"]} for r in found.uptime]
    values = [row["uptime"] for row in shares]
    low, mean = say.percent(min(values)), say.percent(sum(values) / len(values), 1)
    alt = say("uptime_alt", interval=found.interval_s, low=low, mean=mean)
    st.altair_chart(charts.shares(shares, say, dark=layout.is_dark()), alt=alt)
    with st.expander(say("show_table")):
        rows = [{say("start"): layout.plain(r["start"]), say("uptime"): say.percent(r["uptime"])} for r in shares]
        layout.table(rows, alt, figures=[say("uptime")])


def show_naive(run: Run, weeks: list[dict[str, Any]], say: Words) -> None:
    """What before and after alone would have said, beside the effect."""
    effect = run.document["effect"]
    means = [[row["treated"] for row in weeks if bool(row["is_after"]) is after] for after in (False, True)]
    if not effect or effect["relative"] is None or not all(means) or not sum(means[0]):
        return
    before, after = (sum(values) / len(values) for values in means)
    own, low, high = (say.percent(effect[key], signed=True) for key in ("relative", "relative_lower", "relative_upper"))
    layout.text(say("naive_before_after", naive=say.percent(after / before - 1, signed=True), own=own, low=low, high=high))


def bands(run: Run, say: Words) -> list[Band]:
    """The pilot's effect, that of other methods, and what refused rows would have made of it."""
    document = run.document
    named = [(say("this_method"), document["effect"], "own")]
    named += [(say("other_method", method=say(f"method_{e['method']}")), e, "other") for e in document["beside"]]
    named += [(say("naive"), document["naive"], "naive")]
    return [
        Band(name, effect["relative"], effect["relative_lower"], effect["relative_upper"], kind)
        for name, effect, kind in named
        if effect is not None and effect["relative"] is not None
    ]


def band_table(rows: list[Band], name: str, say: Words) -> list[dict[str, str]]:
    """Figures with their intervals for a table."""
    return [
        {
            say(name): layout.plain(row.name),
            say("change"): say.percent(row.middle, signed=True),
            say("low"): say.percent(row.low, signed=True),
            say("high"): say.percent(row.high, signed=True),
        }
        for row in rows
    ]


def show_certainty(run: Run, say: Words) -> None:
    """How sure the answer is: other methods, the naive figures, and how the comparison was made."""
    rows = bands(run, say)
    if not rows:
        return
    st.subheader(say("how_sure"), anchor=False)
    layout.text(say("how_sure_text"))
    alt = say("how_sure_alt", rows=charts.summary(rows, say))
    st.altair_chart(charts.intervals(rows, say, dark=layout.is_dark()), alt=alt)
    with st.expander(say("show_table")):
        layout.table(band_table(rows, "method", say), alt, figures=[say("change"), say("low"), say("high")])
    st.markdown(f"#### {say('notes')}")
    layout.listing(run.document["effect"]["notes"], "en")


def show_groups(run: Run, say: Words) -> None:
    """The effect by group, so that a good mean does not hide a worse night."""
    groups = run.document["groups"]
    measured = [group for group in groups if group["relative"] is not None]
    if not measured:
        return
    st.subheader(say("groups"), anchor=False)
    what = language.observed(run.document, say)
    layout.text(say("groups_text_readings" if what else "groups_text"))
    names = {group["group"]: say.get(f"group_{group['group']}", group["group"]) for group in groups}
    rows = [Band(names[g["group"]], g["relative"], g["lower"], g["upper"]) for g in measured]
    alt = say("groups_alt", rows=charts.summary(rows, say))
    st.altair_chart(charts.intervals(rows, say, dark=layout.is_dark()), alt=alt)
    columns = [say("change"), say("low"), say("high"), say("p_adjusted"), say("share_of_groups" if what else "share")]
    missing = say("not_measured")

    def cell(value: float | None, *, signed: bool = True) -> str:
        return missing if value is None else say.percent(value, signed=signed)

    layout.table(
        [
            {
                say("group"): layout.plain(names[g["group"]]),
                columns[0]: cell(g["relative"]),
                columns[1]: cell(g["lower"]),
                columns[2]: cell(g["upper"]),
                columns[3]: missing if g["p_adjusted"] is None else say.number(g["p_adjusted"], 2),
                columns[4]: cell(g["share"], signed=False),
            }
            for g in groups
        ],
        alt,
        figures=columns,
    )


def show_sites(run: Run, pilot: Pilot | None, snapshot: int, say: Words) -> None:
    """Where: a map without a map service, and every site with what it was used for."""
    sites = run.document["sites"]
    places = pilot.sites.places if pilot is not None else {}
    if not sites:
        return
    st.subheader(say("where"), anchor=False)
    kinds = {site["site_id"]: site["role"] if site["is_used"] else "unused" for site in sites}
    numbers = {site["site_id"]: number for number, site in enumerate(sites, start=1)}
    names = {id_: places[id_].name if id_ in places else id_ for id_ in kinds}
    spots = [
        site_map.Spot(numbers[id_], names[id_], places[id_].latitude, places[id_].longitude, kind)
        for id_, kind in kinds.items()
        if id_ in places
    ]
    if spots:
        alt = say("where_alt", **{kind: sum(spot.kind == kind for spot in spots) for kind in KINDS})
        metres, ink = say("map_metres", count="{count}"), charts.INK[layout.is_dark()]
        wide = site_map.draw(spots, alt, metres=metres, ink=ink)
        narrow = site_map.draw(spots, alt, width=360, height=420, named=False, metres=metres, ink=ink)
        with st.container(key="map_wide"):
            st.image(wide, alt=alt, width="stretch")
        with st.container(key="map_narrow"):
            st.image(narrow, alt=alt, width="stretch")
        layout.legend({kind: say(f"map_{kind}") for kind in KINDS})
    else:
        layout.text(say("no_places"), "tb-quiet")
    stuck = queries.refused_by_site(snapshot, run.run_id)
    weights = (run.document["effect"] or {}).get("weights", {})
    rows, unused = [], []
    for site in sites:
        id_, reason = site["site_id"], ""
        if not site["is_used"]:
            hours = stuck.get(id_, {}).get("no_stuck_sensor")
            reason = site_reason(site, run, say) + (f"; {say('site_stuck', count=say.number(hours))}" if hours else "")
            unused.append(f"{numbers[id_]} · {names[id_]} ({say('map_' + site['role'])}){say('colon')} {reason}")
        rows.append(
            {
                "": str(numbers[id_]),
                say("site"): layout.plain(names[id_]),
                say("role"): say(f"map_{site['role']}"),
                say("weight"): say.percent(weights[id_]) if id_ in weights else "",
                say("measured"): say.percent(site["coverage"]),
                say("why_not"): layout.plain(reason),
            }
        )
    if unused:
        st.markdown(f"#### {say('unused_title')}")
        layout.listing(unused)
    with st.expander(say("show_table")):
        layout.table(rows, say("where"), figures=[say("weight"), say("measured")])


def site_reason(site: dict[str, Any], run: Run, say: Words) -> str:
    """Why a site was not used, in the reader's language where the reason has a known form."""
    if say.language == language.FALLBACK:
        return str(site["reason"])
    needed = run.plan.get("outcome", {}).get("min_period_coverage")
    if not site["coverage"] and not site["reason"].startswith("measured"):
        return say("site_never")
    return say("site_reason", share=say.percent(site["coverage"]), needed=say.percent(needed)) if needed else site["reason"]


def show_refused(run: Run, snapshot: int, say: Words) -> None:
    """Rows that were refused and why, and what the figures would have been with them."""
    rows = queries.refused(snapshot, run.run_id)
    if not rows:
        return
    document = run.document
    naive, own = document["naive"], document["effect"]
    st.subheader(say("naive_title" if naive else "refused_title"), anchor=False)
    if naive and own and naive["relative"] is not None:

        def shown(effect: dict[str, Any]) -> tuple[str, str]:
            ends = (say.percent(effect[f"relative_{end}"], signed=True) for end in ("lower", "upper"))
            return say.percent(effect["relative"], signed=True), say.span(*ends)

        (naive_figure, naive_ends), (figure, ends) = shown(naive), shown(own)
        told = say(
            "naive_text",
            count=say.number(document["quarantined"]),
            naive=naive_figure,
            naive_interval=naive_ends,
            own=figure,
            own_interval=ends,
        )
        layout.text(told if naive["is_conclusive"] else f"{told} {say('naive_failed')}")
    layout.text(say("refused_text"))
    table = [
        {
            say("reason"): layout.plain(say.get(f"rule_name_{row['rule']}", row["reason"])),
            say("rows"): say.number(row["rows"]),
        }
        for row in rows
    ]
    layout.table(table, say("refused_title"), figures=[say("rows")])
