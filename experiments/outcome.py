"""From accepted rows to the panel that a method compares: weekly means of days per site, where enough was measured.

A day of counts is its total; a day of readings, such as concentrations, is the mean of its measured hours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.lake import Connection
from analytics.sensing.units import properties
from experiments.pilot import Pilot

READINGS = "hourly_readings"
"""The contract whose outcome is a value of an observed property, not a count of people."""
RATIOS = ("ug/m3", "mg/m3", "ppm", "mm", "m/s", "km/h", "percent")
"""Units of which a change in percent means something; levels in dB and degrees have no ratio."""

MIN_DAYS_A_WEEK = 4
"""A week counts when at least so many of its days in the period were measured. [d]"""


@dataclass(frozen=True)
class SiteUse:
    """Whether a site's data were good enough to be used.

    Attributes:
        site_id: The site.
        role: `treated` or `control`.
        is_used: Whether it takes part.
        coverage: Smallest share of measured days among the periods, 0 to 1.
        reason: Why it does not take part; empty when it does.
    """

    site_id: str
    role: str
    is_used: bool
    coverage: float
    reason: str


@dataclass(frozen=True)
class Panel:
    """Weekly outcomes of the treated unit and the controls, complete weeks only.

    Attributes:
        weeks: Monday of each week, shape `(t,)`.
        is_after: Whether the week lies after the change, shape `(t,)`.
        treated: Mean day over the treated sites, shape `(t,)`. [crossings/day, or the unit of the readings]
        controls: Mean days, shape `(t, n)`. [crossings/day, or the unit of the readings]
        control_ids: The controls' sites, length n.
        sites: Every site of the pilot and whether it was used.
        weeks_dropped: Weeks left out because a used site was not measured.
    """

    weeks: npt.NDArray[np.datetime64]
    is_after: npt.NDArray[np.bool_]
    treated: npt.NDArray[np.float64]
    controls: npt.NDArray[np.float64]
    control_ids: tuple[str, ...]
    sites: tuple[SiteUse, ...]
    weeks_dropped: int


def panel(connection: Connection, table: str, pilot: Pilot, *, hours: tuple[int, ...] = ()) -> Panel:
    """Build the panel of a pilot from hourly counts or readings.

    A day counts for a site when at least `outcome.min_day_coverage` of its hours were measured (23, 24 or 25 hours by
    the local clock); its total is scaled to the whole day, and a mean is that of what was measured. A site is used when enough
    days count in every period.

    Args:
        connection: Holds the rows.
        table: Table with `site_id`, `interval_start_at`, `coverage`, the outcome's column and those of its `where`.
        pilot: Names sites, periods, outcome and time zone.
        hours: Local hours of the day to look at; all when empty.

    Returns:
        The panel; `treated` has length 0 when no treated or no control site could be used.
    """
    periods = [(False, i, *p) for i, p in enumerate(pilot.before)] + [(True, i, *p) for i, p in enumerate(pilot.after)]
    roles = {**dict.fromkeys(pilot.sites.control, "control"), **dict.fromkeys(pilot.sites.treated, "treated")}
    values = ", ".join(f"({after}, {i}, DATE '{first}', DATE '{last}')" for after, i, first, last in periods)
    where = " AND ".join(f"{column} = ?" for column in pilot.outcome.where) or "true"
    wanted = f"hour(local_at) IN ({', '.join(map(str, hours))})" if hours else "true"
    expected = (
        str(len(hours))
        if hours
        else ("date_diff('hour', day::TIMESTAMP AT TIME ZONE $zone, (day + 1)::TIMESTAMP AT TIME ZONE $zone)")
    )
    whole, scale = f"sum({pilot.outcome.column})", expected
    if is_mean(pilot):
        hour = f"{pilot.outcome.column} * round(coverage * 3600) / 3600"
        whole, scale = f"sum({hour} ORDER BY interval_start_at)", "1"
    parameters: dict[str, object] = {"zone": pilot.timezone, "least": pilot.outcome.min_day_coverage}
    for index, value in enumerate(pilot.outcome.where.values()):
        where = where.replace("?", f"$w{index}", 1)
        parameters[f"w{index}"] = value
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE outcome_days AS
        WITH periods(is_after, period, first_day, last_day) AS (VALUES {values}),
        hourly AS (
            SELECT *, interval_start_at AT TIME ZONE $zone AS local_at FROM {table} WHERE {where}
        ), days AS (
            SELECT site_id, local_at::DATE AS day, {whole} AS total,
                   sum(round(coverage * 3600)::BIGINT) / 3600 AS measured_h
            FROM hourly WHERE {wanted} GROUP BY ALL
        )
        SELECT site_id, day, is_after, period, total / measured_h * ({scale}) AS total
        FROM days JOIN periods ON day BETWEEN first_day AND last_day
        WHERE measured_h >= $least * ({expected})
        """,
        parameters,
    )
    counted, empty = {}, set()
    for site, after, period, days, total in connection.execute(
        "SELECT site_id, is_after, period, count(*), sum(total ORDER BY day) FROM outcome_days GROUP BY ALL"
    ).fetchall():
        counted[str(site), bool(after), int(period)] = int(days)
        if not total:
            empty.add(str(site))
    seen = {str(row[0]) for row in connection.execute(f"SELECT DISTINCT site_id FROM {table}").fetchall()}
    sites = []
    for site, role in sorted(roles.items(), key=lambda item: (item[1] != "treated", item[0])):
        shares = [
            (counted.get((site, after, i), 0) / ((last - first).days + 1), first, last) for after, i, first, last in periods
        ]
        worst, first, last = min(shares)
        used = worst >= pilot.outcome.min_period_coverage and site not in empty
        reason = (
            ""
            if used
            else (
                f"measured on {worst:.0%} of the days from {first} to {last}; at least "
                f"{pilot.outcome.min_period_coverage:.0%} is needed"
            )
        )
        if site in empty:
            reason = f"counted {'nothing' if is_reading(pilot) else 'nobody'} at all in a whole period; no ratio can be taken"
        if site not in seen:
            reason = "no accepted row at all"
        sites.append(SiteUse(site, role, used, worst, reason))
    used_ids = [s.site_id for s in sites if s.is_used]
    weekly = connection.execute(
        f"""
        SELECT date_trunc('week', day)::DATE AS week, is_after, site_id, avg(total ORDER BY day) FROM outcome_days
        WHERE list_contains($used, site_id)
        GROUP BY date_trunc('week', day), is_after, period, site_id HAVING count(*) >= {MIN_DAYS_A_WEEK}
        ORDER BY week, is_after
        """,
        {"used": used_ids},
    ).fetchall()
    connection.execute("DROP TABLE outcome_days")
    weeks = sorted({(row[0], bool(row[1])) for row in weekly})
    position = {site: i for i, site in enumerate(used_ids)}
    grid = np.full((len(weeks), len(used_ids)), np.nan)
    place = {week: i for i, week in enumerate(weeks)}
    for week, after, site, value in weekly:
        grid[place[week, bool(after)], position[str(site)]] = value
    complete = ~np.isnan(grid).any(axis=1)
    treated = [position[s.site_id] for s in sites if s.is_used and s.role == "treated"]
    control = [position[s.site_id] for s in sites if s.is_used and s.role == "control"]
    usable = bool(treated) and bool(control)
    grid = grid[complete] if usable else grid[:0]
    kept = [week for week, whole in zip(weeks, complete, strict=True) if whole] if usable else []
    return Panel(
        weeks=np.array([week for week, _ in kept], dtype="datetime64[D]"),
        is_after=np.array([after for _, after in kept], dtype=bool),
        treated=grid[:, treated].mean(axis=1) if usable else np.empty(0),
        controls=grid[:, control],
        control_ids=tuple(s.site_id for s in sites if s.is_used and s.role == "control"),
        sites=tuple(sites),
        weeks_dropped=int((~complete).sum()),
    )


def is_reading(pilot: Pilot) -> bool:
    """Whether the outcome is what sensors read, not how many people they counted."""
    return pilot.outcome.contract == READINGS


def is_mean(pilot: Pilot) -> bool:
    """Whether a day of the outcome is a mean of its hours, not their total."""
    found = properties().get(pilot.outcome.where.get("observed_property", ""))
    return is_reading(pilot) and (found is None or found.hourly != "sum")


def observed(pilot: Pilot) -> dict[str, str] | None:
    """What an outcome of readings is about: `observed_property`, `unit` and `day` (`mean` or `total`); None for counts."""
    if not is_reading(pilot):
        return None
    name = pilot.outcome.where["observed_property"]
    return {"observed_property": name, "unit": properties()[name].unit, "day": "mean" if is_mean(pilot) else "total"}


def reading_faults(pilot: Pilot) -> list[str]:
    """What is wrong with a pilot whose outcome are readings, beyond what its model finds; nothing for other pilots."""
    if not is_reading(pilot):
        return []
    faults, name = [], pilot.outcome.where.get("observed_property")
    known = sorted(one.name for one in properties().values() if one.unit in RATIOS)
    if name not in known:
        found = f"'{name}'" if name is not None else "missing"
        faults.append(
            f"outcome.where: observed_property is {found}; expected one whose change in percent means something: "
            f"{', '.join(known)}; correct it"
        )
    if pilot.outcome.column != "value":
        faults.append(f"outcome.column is '{pilot.outcome.column}'; expected 'value' for {READINGS}; correct it")
    if pilot.method == "descriptive":
        faults.append(f"method is 'descriptive'; expected synthetic_control or diff_in_diff for {READINGS}; choose one")
    if any(item.per == "extra_crossing" for item in (*pilot.costs, *pilot.benefits)):
        faults.append(f"benefits: per is 'extra_crossing'; expected once or year for {READINGS}; nobody is counted")
    return faults


def measured_share(connection: Connection, table: str, pilot: Pilot) -> float:
    """Share of the hours of all sites and periods that was measured, 0 to 1.

    Args:
        connection: Holds the rows.
        table: Table with `site_id`, `interval_start_at`, `coverage` and the columns of the outcome's `where`.
        pilot: Names sites, periods, outcome and time zone.
    """
    sites = [*pilot.sites.treated, *pilot.sites.control]
    periods = [*pilot.before, *pilot.after]
    spans = ", ".join(f"(DATE '{first}', DATE '{last}')" for first, last in periods)
    where = " AND ".join(f"{column} = ?" for column in pilot.outcome.where) or "true"
    row = connection.execute(
        f"""
        WITH spans AS (
            SELECT first::TIMESTAMP AT TIME ZONE ? AS start_at, (last + 1)::TIMESTAMP AT TIME ZONE ? AS end_at
            FROM (VALUES {spans}) AS given(first, last)
        )
        SELECT (SELECT sum(round(coverage * 3600)::BIGINT) FROM {table} JOIN spans
                ON interval_start_at >= start_at AND interval_start_at < end_at WHERE list_contains(?, site_id) AND {where})
               / (SELECT sum(date_diff('second', start_at, end_at)) * ? FROM spans)
        """,
        [pilot.timezone, pilot.timezone, sites, *pilot.outcome.where.values(), len(sites)],
    ).fetchone()
    return float(row[0] or 0) if row else 0.0
