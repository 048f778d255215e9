"""Judged readings -> one value for each site, observed property and hour, with how much of the hour was measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analytics.lake import Connection
from analytics.sensing.calibration.apply import apply_calibration
from analytics.sensing.judge import DUPLICATE, judged
from analytics.sensing.options import AS_USUAL, JudgeOptions
from analytics.sensing.quality.faults import find_faults
from analytics.sensing.quality.series import Chunk, Series
from analytics.sensing.readings import SourceError, quoted

HOUR_S = 3600
"""Seconds of an hour. [s]"""
VALUES = {
    "mean": ("round(sum(raw), 6)", "0.0"),
    "sum": ("round(sum(raw), 6)", "0.0"),
    "energy": ("sum(power(10, (raw * factor + zero) / 10))", "0.0"),
    "direction": ("sum(sin(radians(raw * factor + zero)))", "sum(cos(radians(raw * factor + zero)))"),
    "max": ("max(raw * factor + zero)", "0.0"),
    "min": ("min(raw * factor + zero)", "0.0"),
}
"""What is gathered of a series in an hour, as two numbers. Sums are rounded beyond what sensors resolve: the order in which
threads add is not always the same."""
RESULTS = {
    "mean": "sum(first * factor + n * zero) / sum(n)",
    "sum": "sum(first * factor + n * zero)",
    "energy": "round(10 * log10(sum(first) / sum(n)), 6)",
    "direction": "round(degrees(atan2(sum(first), sum(second))) + 360, 6) % 360",
    "max": "max(first)",
    "min": "min(first)",
}
"""How what was gathered becomes the value of the hour: `Property.hourly` -> SQL."""


def sense_hourly(
    connection: Connection,
    readings: str,
    *,
    table: str,
    timezone: str,
    options: JudgeOptions = AS_USUAL,
    search_faults: bool = True,
    calibration: str | dict[str, Any] | None = None,
) -> None:
    """Judge readings and turn them into rows of contract `hourly_readings`.

    A reading belongs to the hour it begins in. Readings that failed, are missing or came again, and those of a time of which
    nothing was measured (coverage 0), are left out; suspect ones are in, and the hour says so (`suspect`; `failed` where some
    were left out). An hour without a reading has no row.

    Args:
        connection: Holds the readings.
        readings: Table of contract `sensor_readings`.
        table: Table to create: `site_id`, `observed_property`, `interval_start_at` (UTC), `value` (mean, energy mean of
            levels, sum of counts, mean direction, as the property has it), `unit`, `readings`, `coverage` (share of the hour
            that was measured, 0 to 1, from the length of the readings or how often the sensor usually measures), `flags`,
            `thresholds_version`.
        timezone: IANA name of the local clock, for what is usual at an hour of the day.
        options: How readings are judged.
        search_faults: Whether the hours are searched for what real networks do (dead sensors, copied days, clocks that are
            wrong), see `find_faults`; the kinds of what is found stand in `flags`.
        calibration: Name of a calibration to apply to the hours, see `apply_calibration`.

    Raises:
        SourceError: A property, a unit, a threshold, a place, a calibration or the time zone is unknown or wrong, or readings
            are longer than an hour.
    """
    with judged(connection, readings, timezone=timezone, options=options) as (series, chunks):
        aggregate_hours(connection, series, chunks, options.limits.version, table=table)
    if search_faults:
        _flag_faults(connection, table, timezone)
    if calibration is not None:
        apply_calibration(connection, table, calibration=calibration)


def _flag_faults(connection: Connection, table: str, timezone: str) -> None:
    """Complete the flags of hours with the kinds of faults they lie in."""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW hours_searched AS SELECT *, {HOUR_S}.0 AS interval_s FROM {quoted(table)}")
    find_faults(connection, "hours_searched", table="hours_found", timezone=timezone)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE hours_flagged AS SELECT * EXCLUDE (interval_s) FROM hours_found_flags "
        "ORDER BY site_id, observed_property, interval_start_at"  # the same rows have the same numbers in every run
    )
    for kind, name in (("VIEW", "hours_found_flags"), ("VIEW", "hours_searched"), ("TABLE", "hours_found_edges")):
        connection.execute(f"DROP {kind} {name}")
    connection.execute(f"DROP TABLE {quoted(table)}; DROP TABLE hours_found")
    connection.execute(f"ALTER TABLE hours_flagged RENAME TO {quoted(table)}")


def aggregate_hours(connection: Connection, series: Series, chunks: Iterable[Chunk], version: str, *, table: str) -> None:
    """Make rows of contract `hourly_readings` of what `judged` holds.

    Args:
        connection: Within `judged`.
        series: What `judged` gave.
        chunks: Its chunks, each judged.
        version: Version of the thresholds.
        table: Table to create.

    Raises:
        SourceError: Readings are longer than an hour.
    """
    long = connection.execute(
        f"SELECT site_id, observed_property, interval_s FROM judging_series WHERE interval_s > {HOUR_S} ORDER BY ALL LIMIT 1"
    ).fetchone()
    if long is not None:
        raise SourceError(
            f"{long[0]}: readings of {long[1]} last {long[2]:g} s; expected {HOUR_S} s or less to make hours of; "
            "use analytic judge_readings"
        )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {quoted(table)} (site_id VARCHAR, observed_property VARCHAR, "
        "interval_start_at TIMESTAMPTZ, value DOUBLE, unit VARCHAR, readings INTEGER, coverage DOUBLE, flags VARCHAR, "
        "thresholds_version VARCHAR)"
    )
    for chunk in chunks:
        kinds = connection.execute(
            "SELECT DISTINCT hourly FROM judging_series WHERE series BETWEEN ? AND ? ORDER BY 1", [chunk.first, chunk.last]
        ).fetchall()
        for (kind,) in kinds:
            connection.execute(_hours(str(kind), series, alone=len(kinds) == 1, table=table), {"version": version})


def _hours(kind: str, series: Series, *, alone: bool, table: str) -> str:
    """SQL that appends the hours of all properties of one kind: first each series by itself, then the sensors."""
    first, second = VALUES[kind]
    unit = "" if alone and "factor" not in first else "JOIN judging_series s USING (series)"
    own = "" if alone else f"WHERE s.hourly = '{kind}'"
    length = "coalesce(r.coverage, 1)" if "coverage" in series.kept else "1"
    was_measured = "AND r.coverage IS DISTINCT FROM 0" if "coverage" in series.kept else ""
    said = "string_agg(DISTINCT said, ',')" if "flags" in series.kept else "NULL::VARCHAR"
    return f"""
        INSERT INTO {quoted(table)}
        WITH used AS (
            SELECT r.* REPLACE (CASE WHEN qc < 4 AND (note IS NULL OR note < {DUPLICATE}) {was_measured} THEN raw END AS raw),
                   epoch_us(interval_start_at) // {HOUR_S * 1_000_000} AS hour, {length} AS length
            FROM judging_judged r
        ), gathered AS (
            SELECT series, hour, {first} AS first, {second} AS second, count(raw) AS n,
                   sum(length) FILTER (raw IS NOT NULL) AS measured, max(qc) FILTER (raw IS NOT NULL) AS worst,
                   bool_or(qc = 4) AS has_failed, {said} AS said
            FROM used {unit} {own} GROUP BY series, hour
        ), hours AS (
            SELECT sensor, hour, any_value(site_id) AS site_id, any_value(observed_property) AS observed_property,
                   any_value(unit) AS unit, {RESULTS[kind]} AS value, sum(n)::INTEGER AS readings,
                   least(1, sum(measured * coalesce(nullif(interval_s, 0), cadence_s, 0)) / {HOUR_S}) AS coverage,
                   max(worst) AS worst, bool_or(has_failed) AS has_failed, string_agg(said, ',') AS said
            FROM gathered JOIN judging_series USING (series) JOIN judging_pace USING (sensor)
            GROUP BY sensor, hour
        )
        SELECT site_id, observed_property, make_timestamptz(hour * {HOUR_S * 1_000_000}), value, unit, readings, coverage,
               nullif(concat_ws(',', array_to_string(list_sort(list_distinct(string_split(nullif(said, ''), ','))), ','),
                                CASE WHEN has_failed THEN 'failed' END, CASE WHEN worst = 3 THEN 'suspect' END), ''),
               $version
        FROM hours WHERE readings > 0 ORDER BY site_id, observed_property, hour
    """
