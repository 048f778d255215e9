"""The NowCast: an index for the hour that has just passed, from weighted hours of which the newest count most."""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.indices.averages import ENOUGH, TICKS, Wanted, hours_in_ticks
from analytics.sensing.indices.tables import IndexTable, NowcastTable
from analytics.sensing.readings import quoted

NEWEST, NEEDED = 3, 2
"""Of so many newest hours so many must be measured."""


def nowcast_values(
    connection: Connection, hourly: str, cast: NowcastTable, scale: IndexTable, *, table: str, timezone: str
) -> None:
    """The NowCast of every hour, for all sites at once.

    Hours c_0 (newest) to c_(n-1) weigh w^i, where w = max(c_min / c_max, least weight); missing hours are left out and the
    others keep their exponent. Where c_max is 0, w is 1. Negative hours count as 0. The result is rounded to nine decimals,
    which takes the noise of binary fractions away, and then truncated as the index says.

    Args:
        connection: Holds the hours.
        hourly: Table of contract `hourly_readings`.
        cast: Hours and least weight of each pollutant.
        scale: The index whose breakpoints are used; it gives unit and decimals.
        table: Table to create, as `averages.period_values` does; a row for each hour, up to the newest of all sites, that
            or whose two predecessors were measured.
        timezone: IANA name of the local clock.

    Raises:
        SourceError: The time zone or a unit is unknown.

    Source:
        EPA, NowCast for particles (nepis P100X0J6); ozone: the surrogate in use until 2019.
    """
    of = {(one.observed_property, one.statistic): one for one in scale.pollutants}
    rows = [
        (one.observed_property, one.statistic, one.hours, one.least_weight, one.is_surrogate, found.unit, found.decimals)
        for one in cast.pollutants
        for found in (of[one.observed_property, one.statistic],)
    ]
    hours, rules = quoted(f"{table}_hours"), quoted(f"{table}_rules")
    wanted = [Wanted(name, statistic, unit) for name, statistic, _, _, _, unit, _ in rows]
    hours_in_ticks(connection, hourly, wanted, table=f"{table}_hours", timezone=timezone)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {rules} (observed_property VARCHAR, statistic VARCHAR, window_h INTEGER, "
        "least_weight DOUBLE, is_surrogate BOOLEAN, unit VARCHAR, decimals INTEGER)"
    )
    connection.executemany(f"INSERT INTO {rules} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
        WITH measured AS (
            SELECT site_id, observed_property, hour_at, greatest(ticks, 0)::DOUBLE AS c, flags
            FROM {hours} WHERE coverage >= {ENOUGH}
        ), reaching AS (
            SELECT site_id, observed_property, hour_at + to_hours(i) AS period_start_at, i, c, flags, r.*
                   EXCLUDE (observed_property)
            FROM measured JOIN {rules} r USING (observed_property), range(48) t(i)
            WHERE i < window_h AND hour_at + to_hours(i) <= (SELECT max(hour_at) FROM measured)
        ), gathered AS (
            SELECT site_id, observed_property, period_start_at, any_value(statistic) AS statistic, any_value(unit) AS unit,
                   any_value(decimals) AS decimals, any_value(is_surrogate) AS is_surrogate,
                   count(*) / any_value(window_h) AS coverage, list(struct_pack(i, c)) AS hours, arg_min(c, i) AS newest,
                   count(*) FILTER (i < least({NEWEST}, window_h)) >= least({NEEDED}, any_value(window_h)) AS is_enough,
                   CASE WHEN max(c) = 0 THEN 1.0 ELSE greatest(min(c) / max(c), any_value(least_weight)) END AS w,
                   string_agg(DISTINCT flags, ',' ORDER BY flags) AS flags
            FROM reaching GROUP BY site_id, observed_property, period_start_at
            HAVING count(*) FILTER (i < {NEWEST}) > 0
        ), cast_now AS (
            SELECT *, CASE WHEN w = 0 THEN newest  -- all weight is the newest hour's
                           ELSE list_sum(list_transform(hours, lambda h: pow(w, h.i) * h.c))
                                / list_sum(list_transform(hours, lambda h: pow(w, h.i))) END AS ticks
            FROM gathered
        )
        SELECT site_id, observed_property, statistic, period_start_at, 3600 AS period_s,
               CASE WHEN is_enough THEN round(ticks)::HUGEINT // pow(10, {TICKS} - decimals)::HUGEINT END AS number,
               decimals, unit, coverage, is_enough,
               nullif(concat_ws(',', flags, CASE WHEN is_surrogate THEN 'surrogate' END), '') AS flags
        FROM cast_now
        """
    )
    for name in (hours, rules):
        connection.execute(f"DROP TABLE {name}")
