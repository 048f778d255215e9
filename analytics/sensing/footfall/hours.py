"""Hourly footfall counters: from cells as written to hours that exist, with what is wrong with each said in `flags`.

What real counter files do, and what is done about it here:

- days that begin at 06:00, so that the hours before it belong to the next calendar day;
- dates mislabelled while the order of the rows is right: the order and the hour decide;
- three ways to meet the spring clock change: a zero in the hour that does not exist, a gap, or the old clock kept until
  an empty or missing row; the last is moved by one hour, the first is flagged `nonexistent_hour`;
- the autumn's repeated hour summed into one row: flagged `doubled_hour`;
- a dead sensor stored as zeros: flagged `stuck_zero`;
- gaps filled with copies of earlier days: flagged `copied_day`.
"""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.quality.copies import find_copies
from analytics.sensing.quality.dead import find_dead
from analytics.sensing.quality.findings import Finding, write_findings
from analytics.sensing.quality.grid import load_series
from analytics.sensing.readings import SourceError, check_timezone, quoted

KEPT_CLOCK_DAYS = 14
"""How far after a spring clock change the empty or missing row that ends a kept old clock is looked for. [d]"""


def count_footfall(
    connection: Connection,
    readings: str,
    *,
    table: str,
    timezone: str,
    day_starts_at_hour: int = 0,
) -> None:
    """Turn raw hourly readings into rows of contract `counts_hourly`.

    No row is dropped and no count is changed: what is wrong with an hour stands in `flags`, and the contract decides.

    Args:
        connection: Holds the readings.
        readings: Table with `source_row`, `site_id`, `date_label`, `hour_label`, `crossings`, ordered by `source_row`.
        table: Table to create: `source_row`, `site_id`, `road_user`, `interval_start_at` (UTC; null when the hour never
            was), `crossings`, `coverage` (0 to 1) and `flags` (comma-separated, null when there are none).
        timezone: IANA name of the local clock the labels were written by.
        day_starts_at_hour: Hour at which the file's day begins; earlier hours belong to the next calendar day. [h]

    Raises:
        SourceError: An hour label has no hour, the rows are in no order of time, or the time zone is unknown.
    """
    _instants(connection, readings, timezone, day_starts_at_hour)
    _not_measured(connection, timezone)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
        SELECT source_row, site_id, 'pedestrian' AS road_user, interval_start_at, crossings, 1.0::DOUBLE AS coverage,
               nullif(concat_ws(',', CASE WHEN nonexistent THEN 'nonexistent_hour' END,
                                     CASE WHEN doubled THEN 'doubled_hour' END, f.kinds), '') AS flags
        FROM footfall_hours h
        LEFT JOIN (
            SELECT source_row, h.site_id, string_agg(DISTINCT kind, ',' ORDER BY kind DESC) AS kinds
            FROM footfall_hours h JOIN footfall_faults f
                 ON h.site_id = f.site_id AND h.interval_start_at >= f.start_at AND h.interval_start_at < f.end_at
            GROUP BY ALL
        ) f USING (source_row, site_id)
        ORDER BY source_row, site_id
        """
    )
    for name in ("footfall_clock", "footfall_hours", "footfall_faults"):
        connection.execute(f"DROP TABLE {name}")


def _instants(connection: Connection, readings: str, timezone: str, day_starts_at_hour: int) -> None:
    """Make `footfall_hours`: each reading with its UTC hour, from the order of the rows and the hour labels."""
    check_timezone(connection, timezone)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE footfall_clock AS
        WITH labels AS (
            SELECT source_row, any_value(date_label) AS date_label, any_value(hour_label) AS hour_label,
                   try_cast(regexp_extract(any_value(hour_label), '^(\\d{{1,2}}):', 1) AS INTEGER) AS hour,
                   count(crossings) = 0 AS is_empty, coalesce(max(crossings), 0) > 0 AS has_people
            FROM {quoted(readings)} GROUP BY source_row
        ), labelled AS (
            SELECT *, try_cast(date_label AS TIMESTAMP) + to_hours(hour)
                      + to_days(CASE WHEN hour < {int(day_starts_at_hour)} THEN 1 ELSE 0 END) AS labelled_at,
                   coalesce((hour - lag(hour) OVER w + 24) % 24, 0) AS passed_h
            FROM labels WINDOW w AS (ORDER BY source_row)
        )
        SELECT source_row, hour_label, is_empty, has_people, passed_h, labelled_at,
               first(labelled_at) OVER (ORDER BY source_row)
                   + to_hours((sum(passed_h) OVER (ORDER BY source_row))::BIGINT) AS wall_at
        FROM labelled
        """
    )
    row = connection.execute(
        "SELECT count(*), count(labelled_at), count(*) FILTER (labelled_at IS DISTINCT FROM wall_at), "
        "arg_min(hour_label, source_row) FILTER (labelled_at IS NULL), "
        "min(source_row) FILTER (labelled_at IS NULL) FROM footfall_clock"
    ).fetchone()
    assert row is not None
    rows, labelled, differing, label, line = row
    if labelled < rows:
        raise SourceError(
            f"row {line}: the date and hour '{label}' cannot be read; expected a date as 2024-06-30 and an hour as "
            "6:00-6:59; correct the file"
        )
    if differing > max(24, rows // 100):
        raise SourceError(
            f"{differing} of {rows} hours are not where the order of the rows puts them; expected rows in order of "
            "time; sort the file or check day_starts_at_hour"
        )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE footfall_hours AS
        WITH clock AS (
            SELECT *, wall_at AT TIME ZONE $zone AS at_utc,
                   (wall_at AT TIME ZONE $zone) AT TIME ZONE $zone <> wall_at AS is_skipped,
                   ((wall_at AT TIME ZONE $zone) - INTERVAL 1 HOUR) AT TIME ZONE $zone = wall_at
                   OR ((wall_at AT TIME ZONE $zone) + INTERVAL 1 HOUR) AT TIME ZONE $zone = wall_at AS is_repeated
            FROM footfall_clock
        ), kept AS (
            SELECT s.source_row AS first_row, min(e.source_row) - 1 AS last_row
            FROM clock s JOIN clock e ON (e.is_empty OR e.passed_h > 1) AND e.source_row > s.source_row
                 AND e.wall_at <= s.wall_at + to_days({KEPT_CLOCK_DAYS})
            WHERE s.is_skipped AND s.has_people GROUP BY s.source_row
        ), placed AS (
            SELECT clock.*, k.first_row IS NOT NULL AS is_late
            FROM clock LEFT JOIN kept k ON clock.source_row BETWEEN k.first_row AND k.last_row
        )
        SELECT r.source_row, r.site_id, dense_rank() OVER (ORDER BY r.source_row) AS step, r.crossings,
               CASE WHEN p.is_skipped AND NOT p.is_late THEN NULL
                    WHEN p.is_late THEN (p.wall_at + INTERVAL 1 HOUR) AT TIME ZONE $zone
                    ELSE p.at_utc - CASE WHEN p.is_repeated AND (p.at_utc - INTERVAL 1 HOUR) AT TIME ZONE $zone
                                              = p.wall_at THEN INTERVAL 1 HOUR ELSE INTERVAL 0 HOUR END
               END AS interval_start_at,
               p.wall_at, p.is_skipped AND NOT p.is_late AS nonexistent, p.is_repeated AS doubled
        FROM {quoted(readings)} r JOIN placed p USING (source_row)
        """,
        {"zone": timezone},
    )


def _not_measured(connection: Connection, timezone: str) -> None:
    """Make `footfall_faults`: stretches of each site that are dead or copied, as `analytics.sensing.quality` finds them."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP VIEW footfall_measured AS
        SELECT site_id, 'pedestrian' AS observed_property, interval_start_at, 3600.0 AS interval_s, crossings::DOUBLE AS value,
               1.0 AS coverage
        FROM footfall_hours
        """
    )
    networks, _ = load_series(connection, "footfall_measured", timezone=timezone)
    findings = list[Finding]()
    for series in networks:
        dead = find_dead(series).findings
        findings += [one for one in dead if one.kind == "stuck_zero"] + find_copies(series.without_findings(dead)).findings
    write_findings(connection, findings, "footfall_faults")
    connection.execute("DROP VIEW footfall_measured")
