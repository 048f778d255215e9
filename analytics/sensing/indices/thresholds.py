"""Limit values over years, and episodes above alert and information thresholds.

A year that was measured too little is judged only where more data could not change the answer: exceedances that were seen
are exceedances. Values are compared unrounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from analytics.lake import Connection
from analytics.sensing.indices.averages import ENOUGH, TICKS, Wanted, period_values
from analytics.sensing.indices.batches import site_batches
from analytics.sensing.indices.tables import Limit, LimitsTable, Threshold, ThresholdsTable, table_of
from analytics.sensing.readings import quoted

SOURCE_OF = {"mean_year": "hour", "peak_season": "max_8h"}
"""What a year's value is made of."""
SEASON_MONTHS = 6


def limit_exceedances(connection: Connection, readings: str, *, table: str, limits: str, timezone: str) -> None:
    """Judge every local calendar year of every site by limit, target or guideline values.

    Args:
        connection: Holds the hours.
        readings: Table of contract `hourly_readings`.
        table: Table to create, one row per site, limit and year: `site_id`, `index_id`, `index_version`, `level`,
            `observed_property`, `statistic`, `year`, `limit_value`, `unit`, `value` (mean of the year, the percentile, else
            the highest), `exceedances` (hours or days above; null for a mean), `allowed`, `periods` (measured), `coverage`
            (of the year), `is_exceeded` (null where too little was measured to tell), `flags`.
        limits: Id of a table: `who_2021`, `eu_2024_2881`, `eu_until_2030`.
        timezone: IANA name of the local clock.

    Raises:
        SourceError: The table, the time zone or a unit is unknown.
    """
    asked = table_of(limits, LimitsTable)
    _write_levels(connection, asked.limits, table=f"{table}_limits")
    pairs = {(one.observed_property, SOURCE_OF.get(one.statistic, one.statistic)): one.unit for one in asked.limits}
    wanted = [Wanted(name, statistic, unit) for (name, statistic), unit in pairs.items()]
    for write in site_batches(connection, readings, table=f"{table}_batch"):
        period_values(connection, f"{table}_batch", wanted, table=f"{table}_values", timezone=timezone)
        connection.execute(
            write.format(quoted(table)) + _JUDGED.format(limits=quoted(f"{table}_limits"), values=quoted(f"{table}_values")),
            {"zone": timezone, "id": asked.id, "version": asked.version, "enough": asked.year_coverage},
        )
    for name in ("limits", "values"):
        connection.execute(f"DROP TABLE {quoted(f'{table}_{name}')}")


def threshold_episodes(connection: Connection, readings: str, *, table: str, thresholds: str, timezone: str) -> None:
    """Find the runs of consecutive hours or days above alert and information thresholds.

    Args:
        connection: Holds the hours.
        readings: Table of contract `hourly_readings`.
        table: Table to create, one row per episode that is long enough: `site_id`, `index_id`, `index_version`, `level`,
            `observed_property`, `statistic`, `threshold`, `unit`, `start_at`, `end_at` (UTC), `periods`, `highest`.
        thresholds: Id of a table: `eu_2024_2881_thresholds`.
        timezone: IANA name of the local clock.

    Raises:
        SourceError: The table, the time zone or a unit is unknown.
    """
    asked = table_of(thresholds, ThresholdsTable)
    _write_levels(connection, asked.thresholds, table=f"{table}_limits")
    pairs = {(one.observed_property, one.statistic): one.unit for one in asked.thresholds}
    wanted = [Wanted(name, statistic, unit) for (name, statistic), unit in pairs.items()]
    for write in site_batches(connection, readings, table=f"{table}_batch"):
        period_values(connection, f"{table}_batch", wanted, table=f"{table}_values", timezone=timezone)
        connection.execute(
            write.format(quoted(table)) + _EPISODES.format(limits=quoted(f"{table}_limits"), values=quoted(f"{table}_values")),
            {"zone": timezone, "id": asked.id, "version": asked.version},
        )
    for name in ("limits", "values"):
        connection.execute(f"DROP TABLE {quoted(f'{table}_{name}')}")


def _write_levels(connection: Connection, levels: Sequence[Limit | Threshold], *, table: str) -> None:
    """Levels in whole ticks."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {quoted(table)} (place INTEGER, level VARCHAR, observed_property VARCHAR, "
        "statistic VARCHAR, made_of VARCHAR, above HUGEINT, unit VARCHAR, allowed INTEGER, percentile INTEGER, "
        "mean_of_years INTEGER, consecutive INTEGER)"
    )
    rows = []
    for place, one in enumerate(levels):
        rules = (one.allowed, one.percentile, one.mean_of_years, 1) if isinstance(one, Limit) else (0, None, 1, one.consecutive)
        made_of = SOURCE_OF.get(one.statistic, one.statistic)
        above = int(one.above * Decimal(10) ** TICKS)
        rows.append((place, one.level, one.observed_property, one.statistic, made_of, above, one.unit, *rules))
    connection.executemany(f"INSERT INTO {quoted(table)} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


_JUDGED = f"""
    WITH valued AS (
        SELECT site_id, observed_property, statistic AS made_of, number, year(period_start_at AT TIME ZONE $zone) AS year,
               date_trunc('month', period_start_at AT TIME ZONE $zone)::DATE AS month
        FROM {{values}} WHERE number IS NOT NULL
    ), months AS (
        SELECT site_id, observed_property, month, sum(number)::DOUBLE AS total, count(*) AS days
        FROM valued WHERE made_of = 'max_8h' GROUP BY ALL
        HAVING count(*) >= {ENOUGH} * day(last_day(month))
    ), seasons AS (
        SELECT site_id, observed_property, (month + to_months(ahead::INTEGER))::DATE AS last_month,
               sum(total) / sum(days) AS mean
        FROM months, range({SEASON_MONTHS}) t(ahead) GROUP BY ALL HAVING count(*) = {SEASON_MONTHS}
    ), peaks AS (
        SELECT site_id, observed_property, year(last_month) AS year, max(mean) AS peak FROM seasons GROUP BY ALL
    ), counted AS (
        SELECT v.site_id, v.year, l.place, count(*) AS periods, max(number) AS highest, avg(number::DOUBLE) AS mean,
               count(*) FILTER (number > above) AS exceedances,
               list(number ORDER BY number) FILTER (percentile IS NOT NULL) AS ordered
        FROM valued v JOIN {{limits}} l USING (observed_property, made_of) GROUP BY ALL
    ), of_year AS (
        SELECT c.*, l.* EXCLUDE (place), peak,
               (epoch(make_timestamp(c.year + 1, 1, 1, 0, 0, 0) AT TIME ZONE $zone)
                - epoch(make_timestamp(c.year, 1, 1, 0, 0, 0) AT TIME ZONE $zone)) / 3600 AS hours,
               least(1.0, periods / CASE WHEN made_of = 'hour' THEN hours ELSE round(hours / 24) END) AS coverage,
               coverage >= $enough AND (statistic <> 'peak_season' OR peak IS NOT NULL) AS is_enough,
               CASE WHEN percentile IS NOT NULL THEN ordered[(percentile * periods + 99) // 100]::DOUBLE
                    WHEN statistic = 'peak_season' THEN peak
                    WHEN allowed IS NULL THEN round(mean) ELSE highest::DOUBLE END AS value,
               coalesce(allowed, CASE WHEN percentile IS NOT NULL
                                      THEN (round(hours / 24) * (100 - percentile))::BIGINT // 100 END) AS may_be
        FROM counted c JOIN {{limits}} l USING (place)
        LEFT JOIN peaks p ON p.site_id = c.site_id AND p.year = c.year AND p.observed_property = l.observed_property
    ), over_years AS (
        SELECT *, avg(exceedances) FILTER (is_enough) OVER recent AS mean_exceedances, count(*) FILTER (is_enough) OVER recent
               AS years FROM of_year
        WINDOW recent AS (PARTITION BY site_id, place, mean_of_years ORDER BY year RANGE BETWEEN 2 PRECEDING AND CURRENT ROW)
    )
    SELECT site_id, $id AS index_id, $version AS index_version, level, observed_property, statistic, year,
           above / 1e{TICKS} AS limit_value, unit, value / 1e{TICKS} AS value,
           CASE WHEN may_be IS NOT NULL THEN exceedances END AS exceedances, may_be AS allowed, periods, coverage,
           CASE WHEN mean_of_years > 1 THEN mean_exceedances > may_be
                WHEN allowed IS NOT NULL AND exceedances > may_be THEN true
                WHEN is_enough AND allowed IS NULL THEN value > above
                WHEN is_enough THEN false
                WHEN percentile IS NOT NULL AND exceedances > may_be THEN true END AS is_exceeded,
           nullif(concat_ws(',', CASE WHEN NOT is_enough THEN 'too_little_data' END,
                                 CASE WHEN mean_of_years > 1 THEN 'mean_of_' || years || '_years' END), '') AS flags
    FROM over_years ORDER BY site_id, year, place
"""

_EPISODES = f"""
    WITH above AS (
        SELECT v.site_id, l.*, period_start_at, period_s, number,
               CASE WHEN l.statistic = 'hour' THEN epoch(period_start_at)::BIGINT // 3600
                    ELSE (period_start_at AT TIME ZONE $zone)::DATE - DATE '1970-01-01' END AS step
        FROM {{values}} v JOIN {{limits}} l USING (observed_property, statistic)
        WHERE number > above
    ), runs AS (
        SELECT *, step - row_number() OVER (PARTITION BY site_id, place ORDER BY step) AS run FROM above
    )
    SELECT site_id, $id AS index_id, $version AS index_version, level, observed_property, statistic,
           any_value(above) / 1e{TICKS} AS threshold, any_value(unit) AS unit, min(period_start_at) AS start_at,
           max(period_start_at + to_seconds(period_s)) AS end_at, count(*) AS periods, max(number) / 1e{TICKS} AS highest
    FROM runs GROUP BY site_id, place, level, observed_property, statistic, run
    HAVING count(*) >= any_value(consecutive) ORDER BY site_id, start_at, place
"""
