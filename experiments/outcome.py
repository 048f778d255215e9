"""From accepted counts to the panel that a method compares: weekly mean day totals per site, where enough was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.lake import Connection
from experiments.pilot import Pilot

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
        treated: Mean day total over the treated sites, shape `(t,)`. [crossings/day]
        controls: Mean day totals, shape `(t, n)`. [crossings/day]
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
    """Build the panel of a pilot from hourly counts.

    A day counts for a site when at least `outcome.min_day_coverage` of its hours were measured (23, 24 or 25 hours by
    the local clock); its total is scaled to the whole day. A site is used when enough days count in every period.

    Args:
        connection: Holds the counts.
        table: Table with `site_id`, `road_user`, `interval_start_at`, `crossings`, `coverage`.
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
            SELECT site_id, local_at::DATE AS day, sum({pilot.outcome.column}) AS total,
                   sum(round(coverage * 3600)::BIGINT) / 3600 AS measured_h
            FROM hourly WHERE {wanted} GROUP BY ALL
        )
        SELECT site_id, day, is_after, period, total / measured_h * ({expected}) AS total
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
            reason = "counted nobody at all in a whole period; no ratio can be taken"
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
