"""The NowCast: an index for the hour that has just passed, from weighted hours of which the newest count most."""

from __future__ import annotations

import datetime

from analytics.lake import Connection
from analytics.sensing.indices.averages import ENOUGH, TICKS, Wanted, hours_in_ticks
from analytics.sensing.indices.tables import IndexTable, NowcastTable
from analytics.sensing.readings import quoted

NEWEST, NEEDED = 3, 2
"""Of so many newest hours so many must be measured."""


def nowcast_values(
    connection: Connection,
    hourly: str,
    cast: NowcastTable,
    scale: IndexTable,
    *,
    table: str,
    timezone: str,
    newest: datetime.datetime | None,
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
        table: Table to create, as `averages.period_values` does; a row for each hour that, or whose two predecessors, were
            measured.
        timezone: IANA name of the local clock.
        newest: The last hour there may be a row of, so that sites that fell silent have none of hours to come.

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
    window_h = max(one.hours for one in cast.pollutants)
    c = [f"c{i}" for i in range(window_h)]
    lags = ", ".join(f"CASE WHEN {i} < window_h THEN lag(c, {i}) OVER w END AS c{i}" for i in range(window_h))
    known = " + ".join(f"({one} IS NOT NULL)::INTEGER" for one in c)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
        WITH measured AS (
            SELECT site_id, observed_property, hour_at, greatest(ticks, 0)::DOUBLE AS c, flags
            FROM {hours} WHERE coverage >= {ENOUGH}
        ), grid AS (
            SELECT site_id, observed_property, unnest(generate_series(first_at, last_at, INTERVAL 1 HOUR)) AS hour_at
            FROM (
                SELECT site_id, observed_property, min(hour_at) AS first_at,
                       least(max(hour_at) + to_hours({NEWEST - 1}), ?::TIMESTAMPTZ) AS last_at
                FROM measured GROUP BY ALL
            )
        ), seen AS (
            SELECT site_id, observed_property, hour_at, {lags}, r.* EXCLUDE (observed_property),
                   string_agg(flags, ',') OVER (w ROWS {window_h - 1} PRECEDING) AS said
            FROM grid LEFT JOIN measured USING (site_id, observed_property, hour_at) JOIN {rules} r USING (observed_property)
            WINDOW w AS (PARTITION BY site_id, observed_property ORDER BY hour_at)
        ), weighed AS (
            SELECT *, {known} AS known, {" + ".join(known.split(" + ")[:NEWEST])} AS of_newest,
                   CASE WHEN greatest({", ".join(c)}) = 0 THEN 1.0
                        ELSE greatest(least({", ".join(c)}) / greatest({", ".join(c)}), least_weight) END AS w
            FROM seen
        )
        SELECT site_id, observed_property, statistic, hour_at AS period_start_at, 3600 AS period_s,
               of_newest >= least({NEEDED}, window_h) AS is_enough,
               CASE WHEN is_enough THEN round(CASE WHEN w = 0 THEN coalesce({", ".join(c)})  -- all weight is the newest's
                    ELSE ({" + ".join(f"pow(w, {i}) * coalesce(c{i}, 0)" for i in range(window_h))})
                       / ({" + ".join(f"pow(w, {i}) * (c{i} IS NOT NULL)::INTEGER" for i in range(window_h))})
                    END)::HUGEINT // pow(10, {TICKS} - decimals)::HUGEINT END AS number,
               decimals, unit, known / window_h AS coverage,
               nullif(concat_ws(',', array_to_string(list_sort(list_distinct(string_split(said, ','))), ','),
                                CASE WHEN is_surrogate THEN 'surrogate' END), '') AS flags
        FROM weighed WHERE of_newest > 0
        """,
        [newest],
    )
    for name in (hours, rules):
        connection.execute(f"DROP TABLE {name}")
