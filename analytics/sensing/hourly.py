"""Judged readings -> one value per site, observed property and hour, with how much of the hour was measured."""

from __future__ import annotations

from typing import Any

from analytics.lake import Connection
from analytics.sensing.judge import CONFLICT, DUPLICATE, judged
from analytics.sensing.quality.thresholds import load_thresholds
from analytics.sensing.readings import quoted


def sense_hourly(
    connection: Connection,
    readings: str,
    *,
    table: str,
    timezone: str,
    thresholds: dict[str, Any] | None = None,
    coordinates: dict[str, list[float]] | None = None,
    groups: dict[str, list[str]] | None = None,
) -> None:
    """Turn readings as received into rows of contract `hourly_readings`.

    Readings that failed a test (4), are missing (9) or came a second time are left out; suspect ones (3) are in, and the hour
    says so. An hour without any reading left has no row. Readings longer than an hour are left out.

    Args:
        connection: Holds the readings.
        readings: Table of contract `sensor_readings`.
        table: Table to create.
        timezone: IANA name of the local clock, for what is usual at an hour of the day.
        thresholds: What differs from `quality/thresholds.yaml`, see `load_thresholds`.
        coordinates: Site -> latitude and longitude, for the neighbour test. [degree]
        groups: Name -> sites that are neighbours of each other.

    Raises:
        SourceError: A property, a unit, a threshold, a place or the time zone is unknown or wrong.
    """
    limits = load_thresholds(thresholds)
    with judged(connection, readings, limits, timezone=timezone, coordinates=coordinates or {}, groups=groups or {}) as series:
        coverage = "coalesce(coverage, 1)" if "coverage" in series.kept else "1"
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
            WITH kept AS (
                SELECT site_id, observed_property, unit, hourly, date_trunc('hour', interval_start_at) AS interval_start_at,
                       raw * factor + zero AS value, qc, {coverage} * coalesce(nullif(interval_s, 0), cadence_s, 0) AS measured_s,
                       qc NOT IN (4, 9) AND coalesce(note, 0) & {DUPLICATE | CONFLICT} = 0 AS is_used,
                       coalesce(note, 0) & {CONFLICT} > 0 AS is_odd
                FROM judging_judged JOIN judging_series s USING (series) JOIN judging_pace p ON p.sensor = s.sensor
                WHERE coalesce(interval_s, 0) <= 3600
            )
            SELECT site_id, observed_property, interval_start_at,
                   CASE any_value(hourly)
                        WHEN 'sum' THEN sum(value) FILTER (is_used)
                        WHEN 'energy' THEN 10 * log10(avg(10 ** (value / 10)) FILTER (is_used))
                        WHEN 'direction' THEN (degrees(atan2(avg(sin(radians(value))) FILTER (is_used),
                                                             avg(cos(radians(value))) FILTER (is_used))) + 360) % 360
                        WHEN 'max' THEN max(value) FILTER (is_used)
                        WHEN 'min' THEN min(value) FILTER (is_used)
                        ELSE avg(value) FILTER (is_used) END AS value,
                   any_value(unit) AS unit, (count(*) FILTER (is_used))::INTEGER AS readings,
                   least(1.0, sum(round(measured_s)::BIGINT) FILTER (is_used) / 3600) AS coverage,
                   concat_ws(',', CASE WHEN bool_or(is_used AND qc = 3) THEN 'suspect' END,
                             CASE WHEN bool_or(qc = 4) THEN 'partly_failed' END,
                             CASE WHEN bool_or(is_odd) THEN 'conflict' END) AS flags,
                   $version AS thresholds_version
            FROM kept GROUP BY site_id, observed_property, interval_start_at HAVING count(*) FILTER (is_used) > 0
            """,
            {"version": limits.version},
        )
