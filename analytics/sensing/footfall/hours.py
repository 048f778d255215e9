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

from analytics.lake import Connection, QueryError
from analytics.sensing.readings import SourceError, quoted

STUCK_USUAL_COUNT = 200
"""A run of zeros is a dead sensor when the site's usual counts over the same hours add up to this many people: even at a
twentieth of the usual flow, as in a lockdown, so long a silence has a chance below 1 in 20,000."""
COPY_HOURS = 12
"""So many hours in a row, equal to earlier hours of the same site at the same time of day, are a copy."""
COPY_DISTINCT = 6
"""A copy must have at least this many different values; quiet nights repeat by chance."""
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
    _stuck(connection)
    _copies(connection)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
        SELECT source_row, site_id, 'pedestrian' AS road_user, interval_start_at, crossings, 1.0::DOUBLE AS coverage,
               nullif(concat_ws(',', CASE WHEN nonexistent THEN 'nonexistent_hour' END,
                                     CASE WHEN doubled THEN 'doubled_hour' END,
                                     CASE WHEN z.site_id IS NOT NULL THEN 'stuck_zero' END,
                                     CASE WHEN c.site_id IS NOT NULL THEN 'copied_day' END), '') AS flags
        FROM footfall_hours h
        LEFT JOIN footfall_stuck z USING (site_id, step)
        LEFT JOIN footfall_copies c USING (site_id, step)
        ORDER BY source_row, site_id
        """
    )
    for name in ("footfall_clock", "footfall_hours", "footfall_stuck", "footfall_copies"):
        connection.execute(f"DROP TABLE {name}")


def _instants(connection: Connection, readings: str, timezone: str, day_starts_at_hour: int) -> None:
    """Make `footfall_hours`: each reading with its UTC hour, from the order of the rows and the hour labels."""
    try:
        connection.execute("SELECT now() AT TIME ZONE ?", [timezone])
    except QueryError:
        raise SourceError(
            f"timezone '{timezone}' is unknown; expected an IANA name such as 'Pacific/Auckland'; correct the pilot"
        ) from None
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


def _stuck(connection: Connection) -> None:
    """Make `footfall_stuck`: the hours of every run of zeros that is too long to be a quiet street."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE footfall_stuck AS
        WITH usual AS (
            SELECT site_id, dayofweek(wall_at) AS day, hour(wall_at) AS hour, median(crossings) AS usual
            FROM footfall_hours WHERE crossings > 0 GROUP BY ALL
        ), runs AS (
            SELECT site_id, step, wall_at,
                   step - row_number() OVER (PARTITION BY site_id ORDER BY step) AS run
            FROM footfall_hours WHERE crossings = 0
        ), judged AS (
            SELECT runs.site_id, step, sum(coalesce(usual, 0)) OVER (PARTITION BY runs.site_id, run) AS missed
            FROM runs LEFT JOIN usual
                 ON usual.site_id = runs.site_id AND day = dayofweek(wall_at) AND hour = hour(wall_at)
        )
        SELECT site_id, step FROM judged WHERE missed >= {STUCK_USUAL_COUNT}
        """
    )


def _copies(connection: Connection) -> None:
    """Make `footfall_copies`: the hours that repeat `COPY_HOURS` earlier ones of the same site and time of day."""
    window = f"PARTITION BY site_id ORDER BY step ROWS {COPY_HOURS - 1} PRECEDING"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE footfall_copies AS
        WITH stretches AS (
            SELECT site_id, step, hour(wall_at) AS hour, list(crossings) OVER w AS seen, count(crossings) OVER w AS hours
            FROM footfall_hours WINDOW w AS ({window})
        ), hashed AS (
            SELECT site_id, step, hour, hash(seen) AS mark FROM stretches
            WHERE hours = {COPY_HOURS} AND len(list_distinct(seen)) >= {COPY_DISTINCT}
        ), repeated AS (
            SELECT site_id, step FROM hashed
            QUALIFY step > min(step) OVER (PARTITION BY site_id, hour, mark)
        )
        SELECT DISTINCT site_id, step - back.hours AS step FROM repeated, range({COPY_HOURS}) back(hours)
        """
    )
