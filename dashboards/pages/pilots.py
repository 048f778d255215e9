"""One pilot for citizens: what was asked, what came out and how sure that is, and everything needed to doubt it."""

from __future__ import annotations

import html
from datetime import UTC, datetime

import streamlit as st

from dashboards import disclosure, evidence, figures, language, layout, queries
from dashboards.language import Words
from dashboards.queries import Run
from experiments.pilot import Pilot
from experiments.pilot import Words as Citizens


def main() -> None:
    """Choose a pilot and show it."""
    say, snapshot = layout.begin("pilots")
    found = queries.runs(snapshot)
    if not found:
        st.info(f"**{say('no_runs')}** {say('no_lake_hint')}", icon=":material/rocket_launch:")
        st.stop()
    run = queries.shown(found, choose(found, say))
    assert run is not None
    pilot = queries.pilot_file(run.pilot_id)
    newest = next(other for other in found if other.pilot_id == run.pilot_id)
    title, code = language.choose(run.document["title"], say.language)
    st.html(f'<h2 class="tb-pilot"{layout.lang(code)}>{html.escape(title)}</h2>')
    show_answer(run, newest, pilot, say)
    show_deviations(run, say)
    show_facts(run, say)
    evidence.show_weeks(run, snapshot, say)
    evidence.show_intervals(run, pilot, snapshot, say)
    evidence.show_certainty(run, say)
    evidence.show_groups(run, say)
    figures.show_figures(run, pilot, snapshot, say)
    show_care(run, pilot, say)
    evidence.show_sites(run, pilot, snapshot, say)
    evidence.show_refused(run, snapshot, say)
    show_money(run, pilot, say)
    show_privacy(pilot, say)
    show_open_data(run, pilot, snapshot, say)


def choose(found: list[Run], say: Words) -> str:
    """The pilot that the reader chose, in the address as well so that it can be sent to somebody."""
    titles = {run.pilot_id: language.choose(run.document["title"], say.language)[0] for run in found}
    ids, asked = list(titles), st.query_params.get("pilot")
    if asked is not None and asked not in titles:
        st.warning(layout.plain(say("unknown_pilot", pilot=asked)))
    chosen = st.selectbox(
        say("choose_pilot"),
        ids,
        index=ids.index(asked) if asked in titles else 0,
        format_func=titles.__getitem__,
        key=f"pilot_{say.language}",
        on_change=lambda: st.query_params.update(pilot=st.session_state[f"pilot_{say.language}"]),
    )
    return str(chosen)


def show_answer(run: Run, newest: Run, pilot: Pilot | None, say: Words) -> None:
    """The question, and the answer with its uncertainty."""
    asks = run.plan.get("asks") or (pilot.asks if pilot else "")
    st.html(
        f'<p class="tb-p"><strong>{html.escape(say("question") + say("colon"))}</strong> '
        f"<span{layout.lang('en')}>{html.escape(asks)}</span></p>"
    )
    if newest.status == "stopped":
        day = say.day(newest.published_at)
        more = say("stopped_now_text" if newest is not run else "stopped_only", day=day)
        st.error(f"**{say('stopped_now')}.** {more} {layout.plain(newest.document['answer'])}", icon=":material/block:")
    sentence, code = language.answer(run.document, say)
    rule, rule_code = language.rule(run.plan.get("succeeds_if", {}), run.document["rule"], say)
    text = say("rule_before", rule=rule)
    layout.answer(run.document["verdict"], sentence, code, layout.paragraph(text, "tb-quiet", rule_code), say)


def show_deviations(run: Run, say: Words) -> None:
    """What changed since the plan was locked; nothing where nothing did."""
    changes = run.document["deviations"]
    if not changes:
        return
    st.warning(f"**{say('deviations')}.** {say('deviations_text', count=len(changes))}", icon=":material/edit_note:")
    rows = [
        {
            say("field"): layout.plain(change["field"]),
            say("locked"): layout.plain(change["locked"] or say("none")),
            say("found"): layout.plain(change["found"] or say("none")),
        }
        for change in changes
    ]
    with st.expander(say("deviations_show")):
        layout.table(rows, say("deviations"))


def show_facts(run: Run, say: Words) -> None:
    """The figures at a glance."""
    document, effect, items = run.document, run.document["effect"], []
    what = language.observed(document, say)
    if effect is not None:
        signed = effect["relative"] is not None
        digits = 1 if what or not signed else 0
        ends = [say.number(effect[end], digits, signed=signed) for end in ("estimate", "lower", "upper")]
        if signed:
            change = [say.percent(effect[f"relative{end}"], signed=True) for end in ("", "_lower", "_upper")]
            items.append((say("fact_change"), change[0], say.span(change[1], change[2])))
        if what:
            items.append((say(what[2]), f"{ends[0]} {what[1]}", say.span(ends[1], ends[2])))
        else:
            items.append((say("fact_people" if signed else "fact_flow"), ends[0], say.span(ends[1], ends[2])))
    if document["uptime"] is not None:
        name, of = ("fact_uptime_sensors", "fact_of_hours") if what else ("fact_uptime", "fact_of_time")
        items.append((say(name), say.percent(document["uptime"], 1), say(of)))
    if document["weeks"]:
        left_out = say("fact_weeks_dropped", count=say.number(document["weeks_dropped"]))
        items.append((say("fact_weeks"), say.number(document["weeks"]), left_out))
    if document["sites"]:
        used = {role: sum(s["is_used"] for s in document["sites"] if s["role"] == role) for role in ("treated", "control")}
        unused = sum(not s["is_used"] for s in document["sites"])
        items.append((say("fact_sites"), say("fact_sites_value", **used), say("fact_sites_note", **used, unused=unused)))
    note = say("fact_rows_note", count=say.number(document["quarantined"]))
    layout.facts([*items, (say("fact_rows"), say.number(document["rows"]), note)])


def show_care(run: Run, pilot: Pilot | None, say: Words) -> None:
    """What else happened, and what the method cannot separate."""
    if pilot is None:
        return
    st.subheader(say("care"), anchor=False)
    if pilot.what_else_happened:
        st.markdown(f"#### {say('what_else')}")
        layout.listing(pilot.what_else_happened, "en")
    if pilot.cannot_separate:
        st.markdown(f"#### {say('cannot_separate')}")
        layout.text(pilot.cannot_separate, code="en")


def show_money(run: Run, pilot: Pilot | None, say: Words) -> None:
    """Costs and benefits with their uncertainty; nothing where the pilot gives no money."""
    money = run.document["benefit"]
    if money is None:
        return
    st.subheader(say("money"), anchor=False)
    layout.text(
        say(
            "money_answer",
            share=say.percent(money["p_npv_positive"]),
            bcr=say.number(money["bcr"], 2),
            bcr_biased=say.number(money["bcr_with_optimism_bias"], 2),
            category=say(f"category_{money['category']}"),
        )
    )
    told = say("money_text", years=money["horizon_years"], currency=money["currency"], draws=say.number(money["draws"]))
    layout.text(told, "tb-p tb-quiet")
    columns = [say("low"), say("middle"), say("high")]
    layout.table(
        [
            {say("money_item"): say(f"money_{word}")} | dict(zip(columns, map(say.number, money[key]), strict=True))
            for word, key in (("costs", "cost"), ("benefits", "benefit"), ("net", "npv"))
        ],
        say("money"),
        figures=columns,
    )
    if pilot is None:
        return
    columns[1] = say("money_likely")
    with st.expander(say("money_source")):
        layout.table(
            [
                {
                    say("money_item"): layout.plain(item.name),
                    **dict(zip(columns, map(say.number, (item.low, item.likely, item.high)), strict=True)),
                    say("money_per"): say(f"per_{item.per}"),
                    say("money_source"): layout.plain(item.source),
                }
                for item in (*pilot.costs, *pilot.benefits)
            ],
            say("money_source"),
            figures=columns,
        )


def show_privacy(pilot: Pilot | None, say: Words) -> None:
    """What is collected of people, and what is not."""
    st.subheader(say("privacy"), anchor=False)
    if pilot is None:
        layout.text(say("no_file"))
        return
    told: tuple[Citizens, str] = language.choose(pilot.citizens, say.language)
    citizens, code = told
    layout.cards(
        [
            (say("why"), citizens.why, code),
            (say("collected"), citizens.what_we_collect, code),
            (say("not_collected"), citizens.what_we_do_not, code),
        ]
    )
    days = pilot.privacy.retention_days
    items = [
        say("personal_data" if pilot.privacy.personal_data else "no_personal_data"),
        say("retention", days=say.number(days)) if days else say("retention_none"),
    ]
    layout.text(f"{'. '.join(items)}. {say('legal_basis')}{say('colon')} {pilot.privacy.legal_basis}.", "tb-p tb-quiet")


def budget_words(account: disclosure.Account, say: Words) -> str:
    """What a pilot has spent of its privacy budget, in words."""
    left = max(0.0, account.budget.total - account.spent)
    figures = {"spent": account.spent, "total": account.budget.total, "left": left}
    return say("budget_words", releases=account.releases, **{name: say.number(value, 1) for name, value in figures.items()})


def show_open_data(run: Run, pilot: Pilot | None, snapshot: int, say: Words) -> None:
    """Open data, who answers for the pilot, and where the figures come from."""
    st.subheader(say("open_data"), anchor=False)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # one instant a day: what is read is kept
    counts = disclosure.open_counts(snapshot, run.run_id, today)
    readings = disclosure.open_readings(snapshot, run.run_id, today)
    attribution = (pilot.attribution or pilot.owner.team) if pilot is not None else run.source
    if not counts and not readings:
        layout.text(say("open_data_none"))
    for kind, data, text, button in (
        ("open_counts", counts, "open_data_text", "download_open"),
        ("open_readings", readings, "open_readings_text", "download_open_readings"),
    ):
        if data:
            layout.text(say(text, attribution=attribution))
            st.download_button(
                say(button),
                data,
                f"{run.pilot_id}_{kind}.csv",
                "text/csv",
                key="csv_open" if kind == "open_counts" else "csv_open_readings",
                icon=":material/download:",
                on_click="ignore",
            )
    for account in disclosure.accounts(snapshot):
        if account.pilot_id == run.pilot_id:
            layout.text(budget_words(account, say))
    if pilot is not None:
        st.markdown(f"#### {say('contact')}")
        layout.text(f"{pilot.owner.team} · {pilot.owner.contact}", code="en")
    st.markdown(f"#### {say('provenance')}")
    layout.provenance(
        {
            say("prov_run"): run.run_id,
            say("prov_plan"): run.plan_hash,
            say("prov_snapshot"): str(run.snapshot_id) if run.snapshot_id is not None else say("none"),
            say("prov_code"): run.code_version,
            say("prov_mlflow"): run.mlflow_run_id or say("none"),
            say("prov_published"): f"{run.published_at:%Y-%m-%d %H:%M} UTC",
            say("prov_source"): run.source,
        }
    )


main()
