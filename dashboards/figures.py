"""What was worked out beside a pilot's answer: air quality indices, limits, episodes, and totals of counters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from analytics.sensing.indices.tables import tables
from dashboards import band_charts, figure_queries, layout
from dashboards.band_charts import band_name
from dashboards.figure_queries import Course
from dashboards.language import UNITS, Words
from dashboards.queries import Run
from experiments.pilot import Pilot

Row = dict[str, Any]
MAIN = ("guideline", "limit value", "target value")
"""Levels that are shown at once; the others are behind a click."""
YEARLY = ("mean_year", "peak_season")
NEWEST = 14
"""So many of the newest days are listed. [d]"""


def show_figures(run: Run, pilot: Pilot | None, snapshot: int, say: Words) -> None:
    """Every figure that a run worked out."""
    zone = str(run.plan.get("timezone") or "UTC")
    places = pilot.sites.places if pilot is not None else {}
    names = {id_: place.name for id_, place in places.items()}
    courses = figure_queries.courses(snapshot, run.run_id, zone)
    if courses:
        st.subheader(say("air_title"), anchor=False)
        layout.text(say("air_text"))
        for course in courses:
            _show_course(course, names, say)
    _show_limits(run, names, snapshot, say)
    _show_episodes(run, names, snapshot, zone, say)
    _show_totals(run, names, snapshot, zone, say)


def _today() -> datetime:
    """One instant a day, so that what is read is kept."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def newest(course: Course) -> Row | None:
    """The worst of the sites' newest indices, of those that are as new as the newest."""
    last = max((row["start_at"] for row in course.newest), default=None)
    return max((row for row in course.newest if row["start_at"] == last), key=lambda row: row["index_value"], default=None)


def told(row: Row, say: Words) -> str:
    """An index with its word."""
    return f"{say.number(row['index_value'])} · {band_name(row['band'], say)}"


def _show_course(course: Course, names: dict[str, str], say: Words) -> None:
    st.markdown(f"#### {layout.plain(say.get(f'table_{course.index_id}', course.title))}")
    worst = newest(course)
    if worst is None:
        layout.text(f"{say('air_never')} {_why(course, say)}")
        return
    at = say.day(worst["day"])
    when = at if course.days[0]["start_at"].hour == 0 and _is_daily(course) else f"{at}, {worst['start_at']:%H:%M}"
    same = [row for row in course.newest if row["start_at"] == worst["start_at"]]
    counts = {name: sum(row["band"] == name for row in same) for name, _, _ in course.bands}
    spread = say.join([f"{count} {band_name(name, say)}" for name, count in counts.items() if count])
    what = say.get(f"property_{worst['observed_property']}", worst["observed_property"])
    unit = UNITS.get(worst["unit"], worst["unit"])
    layout.band_card(
        next(colour for name, colour, last in course.bands if name == worst["band"] and worst["index_value"] <= last),
        told(worst, say),
        say(
            "air_now",
            day=when,
            site=names.get(worst["site_id"], worst["site_id"]),
            what=what,
            value=f"{say.number(worst['value'], 1)} {unit}",
            spread=spread,
        ),
    )
    days = {name: sum(row["band"] == name for row in course.days) for name, _, _ in course.bands}
    said = "; ".join(f"{band_name(name, say)}{say('colon')} {say.number(count)}" for name, count in days.items())
    layout.text(say("air_course" if _is_daily(course) else "air_course_hourly"))
    alt = say("air_alt", rows=said)
    st.altair_chart(band_charts.course(course, names, say, dark=layout.is_dark()), alt=alt)
    shown: dict[str, list[str]] = {}
    for name, colour, _ in course.bands:
        shown.setdefault(name, []).append(colour)
    layout.bands([(band_name(name, say), colours) for name, colours in shown.items()])
    with st.expander(say("show_table")):
        layout.table(
            [
                {
                    say("site"): layout.plain(names.get(site, site)),
                    say("air_newest"): layout.plain(next((told(r, say) for r in course.newest if r["site_id"] == site), "")),
                    **{
                        layout.plain(band_name(name, say)): say.number(
                            sum(row["band"] == name and row["site_id"] == site for row in course.days)
                        )
                        for name in shown
                    },
                }
                for site in sorted({row["site_id"] for row in course.days})
            ],
            alt,
            figures=[layout.plain(band_name(name, say)) for name in shown],
        )
    layout.download(f"{course.index_id}_days.csv", course.days, say("download_table"), f"csv_{course.index_id}")
    notes = [say("air_table", table=course.index_id, version=course.version)]
    if not course.is_of_site:
        notes.append(say("air_one_pollutant"))
    if course.without:
        notes.append(_why(course, say))
    if not course.verified:
        notes.append(say("air_unverified"))
    layout.text(" ".join(notes), "tb-p tb-quiet")


def _is_daily(course: Course) -> bool:
    one = tables().get(course.index_id)
    return getattr(one, "period", "hour") == "day"


def _why(course: Course, say: Words) -> str:
    reasons = say.join([say.get(f"flag_{flag}", flag.replace("_", " ")) for flag in course.why])
    return say("air_without", count=say.number(course.without), all=say.number(course.periods), reasons=reasons)


def limit_words(row: Row, say: Words) -> str:
    """A limit in words."""
    what = say.get(f"property_{row['observed_property']}", row["observed_property"])
    digits = 0 if float(row["limit_value"]).is_integer() else 1
    value = f"{say.number(row['limit_value'], digits)} {UNITS.get(row['unit'], row['unit'])}"
    level = say.get(f"level_{row['level']}", row["level"])
    return f"{level}{say('colon')} {what}, {say('statistic_' + row['statistic'])}, {value}"


def judged(row: Row, say: Words) -> str:
    """What a year says of a limit, over all sites."""
    parts = [say(f"limit_{name}", count=say.number(row[name])) for name in ("exceeded", "kept", "unknown") if row[name]]
    return ", ".join(parts)


def _limit_row(row: Row, names: dict[str, str], say: Words) -> dict[str, str]:
    yearly = row["statistic"] in YEARLY
    unit = UNITS.get(row["unit"], row["unit"])
    found = f"{say.number(row['value'], 1)} {unit}" if yearly else say.number(row["exceedances"])
    return {
        say("limit"): layout.plain(limit_words(row, say)),
        say("limit_found"): layout.plain(found),
        say("limit_allowed"): say("limit_mean") if yearly else say.number(row["allowed"]),
        say("limit_worst"): layout.plain(names.get(row["worst_site"], str(row["worst_site"]))),
        say("limit_judged"): layout.plain(judged(row, say)),
    }


def _show_limits(run: Run, names: dict[str, str], snapshot: int, say: Words) -> None:
    rows = figure_queries.limits(snapshot, run.run_id)
    if not rows:
        return
    st.subheader(say("limits_title", year=str(rows[0]["year"])), anchor=False)
    layout.text(say("limits_text", share=say.percent(max(row["coverage"] for row in rows))))
    for index in dict.fromkeys(row["index_id"] for row in rows):
        own = [row for row in rows if row["index_id"] == index]
        title = say.get(f"table_{index}", tables()[index].title if index in tables() else "")
        st.markdown(f"#### {layout.plain(title)}")
        figures = [say("limit_found"), say("limit_allowed")]
        main = [row for row in own if row["level"] in MAIN] or own
        layout.table([_limit_row(row, names, say) for row in main], title, figures=figures, is_roomy=True)
        others = [row for row in own if row not in main]
        if others:
            with st.expander(say("limits_more")):
                layout.table([_limit_row(row, names, say) for row in others], title, figures=figures, is_roomy=True)
        layout.text(say("limit_table", table=index, version=own[0]["version"]), "tb-p tb-quiet")
    layout.download(
        f"{run.pilot_id}_limit_exceedances.csv",
        figure_queries.exceedances(snapshot, run.run_id),
        say("limits_download"),
        "csv_limits",
    )


def _show_episodes(run: Run, names: dict[str, str], snapshot: int, zone: str, say: Words) -> None:
    if not figure_queries.has_checked(snapshot, run.run_id, "threshold_episodes"):
        return
    st.subheader(say("episodes_title"), anchor=False)
    rows = figure_queries.episodes(snapshot, run.run_id, zone)
    if not rows:
        layout.text(say("episodes_none"))
        return
    layout.text(say("episodes_text"))
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(
            (row["start_at"], row["end_at"], row["observed_property"], row["threshold"], row["statistic"]), []
        ).append(row)

    def cells(first: Row, highest: Row, sites: str, levels: str) -> dict[str, str]:
        what = say.get(f"property_{first['observed_property']}", first["observed_property"])
        unit = UNITS.get(first["unit"], first["unit"])
        return {
            say("episode_level"): layout.plain(
                f"{levels}{say('colon')} {what}, {say('statistic_' + first['statistic'])}, "
                f"{say.number(first['threshold'])} {unit}"
            ),
            say("episode_from"): f"{first['start_at']:%Y-%m-%d %H:%M}",
            say("episode_to"): f"{first['end_at']:%Y-%m-%d %H:%M}",
            say("episode_sites"): layout.plain(sites),
            say("episode_highest"): layout.plain(f"{say.number(highest['highest'], 1)} {unit}"),
        }

    short, every = [], []
    for group in groups.values():
        worst = max(group, key=lambda row: row["highest"])
        sites = sorted({row["site_id"] for row in group})
        levels = " + ".join(say.get(f"level_{level}", level) for level in dict.fromkeys(row["level"] for row in group))
        where = names.get(sites[0], sites[0]) if len(sites) == 1 else say("episode_many", count=len(sites))
        short.append(cells(group[0], worst, where, levels))
    for row in rows:
        every.append(cells(row, row, names.get(row["site_id"], row["site_id"]), say.get(f"level_{row['level']}", row["level"])))
    layout.table(short[:NEWEST], say("episodes_title"), figures=[say("episode_highest")], is_roomy=True)
    with st.expander(say("episodes_all", count=len(rows))):
        layout.table(every, say("episodes_all", count=len(rows)), figures=[say("episode_highest")], is_roomy=True)
    index, version = rows[0]["index_id"], rows[0]["index_version"]
    layout.text(say("limit_table", table=index, version=version), "tb-p tb-quiet")


def total_row(row: Row, say: Words) -> dict[str, str]:
    """A total with its interval for a table."""
    missing = say("withheld") if row["suppressed"] else say("total_too_little")
    has = row["estimate"] is not None
    ends = say("total_whole") if has and row["lower"] == row["upper"] and row["coverage"] >= 1 else ""
    return {
        say("total_from"): row["day"].isoformat() if row["period"] != "year" else str(row["day"].year),
        say("total_total"): say.number(row["estimate"]) if has else missing,
        say("total_interval"): ends or (say.span(say.number(row["lower"]), say.number(row["upper"])) if has else ""),
        say("total_measured"): say.percent(row["coverage"], 1),
    }


def _show_totals(run: Run, names: dict[str, str], snapshot: int, zone: str, say: Words) -> None:
    rows = figure_queries.totals(snapshot, run.run_id, zone, _today())
    if not rows:
        return
    st.subheader(say("totals_title"), anchor=False)
    layout.text(say("totals_text"))
    sites = sorted({row["site_id"] for row in rows})
    treated = [site["site_id"] for site in run.document["sites"] if site["role"] == "treated" and site["site_id"] in sites]
    site = st.selectbox(
        say("totals_site"),
        sites,
        index=sites.index(treated[0]) if treated else 0,
        format_func=lambda id_: names.get(id_, id_),
        key=f"totals_site_{run.pilot_id}_{say.language}",
    )
    own = [row for row in rows if row["site_id"] == site]
    by = {period: [row for row in own if row["period"] == period] for period in ("day", "week", "year")}
    if by["week"]:
        known = [row for row in by["week"] if row["estimate"] is not None]
        figures = sorted(row["estimate"] for row in known) or [0]
        alt = say(
            "totals_alt",
            site=names.get(site, site),
            weeks=len(known),
            low=say.number(figures[0]),
            middle=say.number(figures[len(figures) // 2]),
            high=say.number(figures[-1]),
        )
        st.altair_chart(band_charts.totals(by["week"], say, dark=layout.is_dark()), alt=alt)
    columns = [say("total_total"), say("total_measured")]
    if by["year"]:
        st.markdown(f"#### {say('totals_years')}")
        layout.table([total_row(row, say) for row in by["year"]], say("totals_years"), figures=columns)
    if by["day"]:
        with st.expander(say("totals_days", count=NEWEST)):
            layout.table([total_row(row, say) for row in by["day"][-NEWEST:]], say("totals_title"), figures=columns)
    plain = [{name: value for name, value in row.items() if name != "day"} for row in rows]
    layout.download(f"{run.pilot_id}_open_totals.csv", plain, say("totals_download"), "csv_totals")


def show_side_by_side(counted: list[Run], titles: dict[str, str], snapshot: int, say: Words) -> None:
    """The newest index, limits, episodes and totals of every pilot that has them, for the city's manager."""
    rows = []
    for run in counted:
        zone = str(run.plan.get("timezone") or "UTC")
        title = layout.plain(titles[run.pilot_id])
        for course in figure_queries.courses(snapshot, run.run_id, zone):
            worst = newest(course)
            name = say.get(f"table_{course.index_id}", course.title)
            said = f"{told(worst, say)} ({worst['site_id']}, {worst['day'].isoformat()})" if worst else say("air_never")
            rows.append((title, name, said))
        found = figure_queries.limits(snapshot, run.run_id)
        for index in dict.fromkeys(row["index_id"] for row in found):
            own = [row for row in found if row["index_id"] == index and row["level"] in MAIN]
            for row in own:
                days = (
                    ""
                    if row["statistic"] in YEARLY
                    else f" {say('limit_of', found=row['exceedances'], allowed=row['allowed'])}"
                )
                name = say.get(f"table_{index}", index)
                rows.append((title, f"{name}{say('colon')} {limit_words(row, say)}", f"{judged(row, say)}{days}"))
        if figure_queries.has_checked(snapshot, run.run_id, "threshold_episodes"):
            many = figure_queries.episodes(snapshot, run.run_id, zone)
            last = f", {many[0]['start_at']:%Y-%m-%d}" if many else ""
            rows.append((title, say("episodes_title"), f"{say.number(len(many))}{last}"))
        totals = [
            row
            for row in figure_queries.totals(snapshot, run.run_id, zone, _today())
            if row["period"] == "week" and row["estimate"]
        ]
        if totals:
            last_day = max(row["day"] for row in totals)
            own = [row for row in totals if row["day"] == last_day]
            summed = [sum(row[key] for row in own) for key in ("estimate",)]
            rows.append((title, say("totals_city", day=last_day.isoformat(), sites=len(own)), say.number(summed[0])))
    if not rows:
        return
    st.header(say("figures_city"), anchor=False)
    layout.text(say("figures_city_text"))
    layout.table(
        [
            {say("pilot"): title, say("figures_what"): layout.plain(what), say("figures_found"): layout.plain(said)}
            for title, what, said in rows
        ],
        say("figures_city"),
    )
