"""Readings as received -> readings in the units they are kept in, each judged by every test of quality.

Nothing is dropped and no value is changed: what is wrong with a reading stands in its flags. All sensors are judged at once, in
SQL, some million readings at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from analytics.lake import Connection
from analytics.sensing.quality.climatology import CLIMATOLOGY, take_usual
from analytics.sensing.quality.neighbours import NEIGHBOUR, take_nearby
from analytics.sensing.quality.order import MISSING, TESTS, order_rows
from analytics.sensing.quality.series import Chunk, Series, check_timezone, drop_series, take_series
from analytics.sensing.quality.tests import judge_against, judge_neighbours_in_time, take_good
from analytics.sensing.quality.thresholds import Thresholds, load_thresholds
from analytics.sensing.quality.windows import judge_stretches, take_pace
from analytics.sensing.readings import quoted

OUT_OF_ORDER, DUPLICATE, CONFLICT = 1, 2, 4
"""What is noted of a reading: it came after a later one; it came again; it came again with another value."""


def judge_readings(
    connection: Connection,
    readings: str,
    *,
    table: str,
    timezone: str,
    thresholds: dict[str, Any] | None = None,
    coordinates: dict[str, list[float]] | None = None,
    groups: dict[str, list[str]] | None = None,
) -> None:
    """Turn readings as received into rows of contract `judged_readings`.

    Args:
        connection: Holds the readings.
        readings: Table of contract `sensor_readings`.
        table: Table to create, with every reading: `value` and `unit` as kept, `raw_value` and `raw_unit` as received, the
            flag of each test (1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing), all flags together (`qc`), `flags`
            (`duplicate`, `conflict`, `out_of_order` and what the source said) and `thresholds_version`.
        timezone: IANA name of the local clock, for what is usual at an hour of the day.
        thresholds: What differs from `quality/thresholds.yaml`, see `load_thresholds`.
        coordinates: Site -> latitude and longitude, for the neighbour test. [degree]
        groups: Name -> sites that are neighbours of each other.

    Raises:
        SourceError: A property, a unit, a threshold, a place or the time zone is unknown or wrong.
    """
    limits = load_thresholds(thresholds)
    with judged(connection, readings, limits, timezone=timezone, coordinates=coordinates or {}, groups=groups or {}) as series:
        rest = {name: f"r.{name}" if name in series.kept else "NULL" for name in ("coverage", "flags")}
        notes = ", ".join(
            f"CASE WHEN note & {bit} > 0 THEN '{word}' END"
            for bit, word in ((DUPLICATE, "duplicate"), (CONFLICT, "conflict"), (OUT_OF_ORDER, "out_of_order"))
        )
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
            SELECT source_row, site_id, observed_property, interval_start_at, interval_s, raw * factor + zero AS value, unit,
                   raw AS raw_value, raw_unit, {rest["coverage"]}::DOUBLE AS coverage, {", ".join(TESTS)}, qc,
                   nullif(concat_ws(',', {rest["flags"]}, {notes}), '') AS flags, $version AS thresholds_version
            FROM judging_judged r JOIN judging_series USING (series)
            """,
            {"version": limits.version},
        )


@contextmanager
def judged(
    connection: Connection,
    readings: str,
    thresholds: Thresholds,
    *,
    timezone: str,
    coordinates: Mapping[str, Sequence[float]],
    groups: Mapping[str, Sequence[str]],
) -> Iterator[Series]:
    """Judged readings in a small form, for as long as they are needed.

    Within, `judging_judged` has `series`, `source_row`, `interval_start_at`, `raw`, the tests' flags, `qc`, `note` and what is
    kept of `coverage` and `flags`; `judging_series` tells what a series is and `judging_pace` how often a sensor measures.

    Args:
        connection: Holds the readings.
        readings: Table or view of contract `sensor_readings`.
        thresholds: The thresholds of all tests.
        timezone: IANA name of the local clock.
        coordinates: Site -> latitude and longitude. [degree]
        groups: Name -> sites that are neighbours of each other.

    Yields:
        What series there are.

    Raises:
        SourceError: A property, a unit, a place or the time zone is unknown or wrong.
    """
    check_timezone(connection, timezone)
    try:
        series = take_series(connection, readings, thresholds)
        usual = take_usual(connection, thresholds, series.observed, timezone)
        nearby = take_nearby(connection, thresholds, series.observed, coordinates=coordinates, groups=groups)
        for table, columns in WORK.items():
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns})")
        for number, chunk in enumerate(series.chunks):
            _order(connection, chunk, number, series)
            judge_ordered(connection, chunk, table=f"judging_odd_{number}", usual=timezone if usual else None, nearby=nearby)
        connection.execute(_judged(connection, series))
        yield series
    finally:
        for view in ("judged", "chunk"):
            connection.execute(f"DROP VIEW IF EXISTS judging_{view}")
        chunks = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE regexp_matches(table_name, '^judging_(rows|odd)_[0-9]+$')"
        ).fetchall()
        for table in [*(name for (name,) in chunks), *WORK, "judging_notes", "judging_usual", "judging_nearby"]:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        drop_series(connection)


WORK = {
    "judging_pace": "sensor UINTEGER, rows BIGINT, first_place BIGINT, cadence_s DOUBLE, centre DOUBLE, flat_rows BIGINT, "
    "flat_fail_rows BIGINT, block_rows BIGINT, least BIGINT, is_odd BOOLEAN",
    "judging_good": "sensor UINTEGER, good BIGINT, together TINYINT",
    "judging_marks": "place BIGINT, marks BIGINT",
}
"""Tables that the tests add to."""


def _order(connection: Connection, chunk: Chunk, number: int, series: Series) -> None:
    """Bring the readings of a chunk into order, and set those that came again aside."""
    order = partial(order_rows, connection, chunk, table=f"judging_rows_{number}", kept=series.kept)
    order(noted=False)
    if take_pace(connection, chunk, is_ordered=series.is_ordered):
        connection.execute(_NOTES)
        order(noted=True)
        take_pace(connection, chunk, is_ordered=series.is_ordered)


def judge_ordered(connection: Connection, chunk: Chunk, *, table: str, usual: str | None = None, nearby: bool = False) -> None:
    """Judge the readings of `judging_chunk` by every test.

    Args:
        connection: Holds what `take_series`, `order_rows` and `take_pace` made, and the tables of `WORK`.
        chunk: The sensors.
        table: Table to create: `place` and `marks` of readings that are not simply good.
        usual: IANA name of the local clock, where `judging_usual` is there.
        nearby: Whether `judging_nearby` is there.
    """
    take_good(connection, chunk, climatology=usual is not None, neighbours=nearby)
    judge_neighbours_in_time(connection, chunk)
    judge_stretches(connection)
    if usual is not None:
        local_at = f"(interval_start_at AT TIME ZONE '{usual}')"
        same = f"m.month = month({local_at}) AND m.hour = hour({local_at})"
        judge_against(connection, "climatology", CLIMATOLOGY, table="judging_usual", same=same)
    if nearby:
        same = "m.bucket = epoch_us(interval_start_at) // near_us"
        judge_against(connection, "neighbour", NEIGHBOUR, table="judging_nearby", same=same)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS "
        f"SELECT place, CASE WHEN max(marks) >= {MISSING} THEN max(marks) - {MISSING} ELSE sum(marks) END::BIGINT AS marks "
        "FROM judging_marks GROUP BY place"
    )
    connection.execute("TRUNCATE judging_marks")


def _judged(connection: Connection, series: Series) -> str:
    """SQL of the view of all judged readings."""
    rows = " UNION ALL BY NAME ".join([_NO_ROWS, *(_rows(connection, number, one) for number, one in enumerate(series.chunks))])
    tests = ", ".join(f"((flags >> {4 * number}) & 15)::TINYINT AS {name}" for number, name in enumerate(TESTS))
    kept = "".join(f", {name}" for name in series.kept)
    return f"""
        CREATE OR REPLACE TEMP VIEW judging_judged AS
        WITH summed AS (SELECT *, good + coalesce(marks, 0) AS flags FROM ({rows})), told AS (SELECT *, {tests} FROM summed)
        SELECT series, source_row, interval_start_at, raw, note{kept.replace(", flags", ", said AS flags")}, {", ".join(TESTS)},
               CASE WHEN marks IS NULL THEN together ELSE ({AGGREGATE})::TINYINT END AS qc
        FROM told
    """


def _rows(connection: Connection, number: int, chunk: Chunk) -> str:
    """SQL of a chunk's readings, with the marks of those that are not simply good; what good ones have is mostly one number."""
    goods = connection.execute(
        "SELECT DISTINCT good, together FROM judging_good SEMI JOIN (SELECT sensor FROM judging_series "
        "WHERE series BETWEEN ? AND ?) USING (sensor)",
        [chunk.first, chunk.last],
    ).fetchall()
    rows = f"FROM judging_rows_{number} c LEFT JOIN judging_odd_{number} o ON o.place = c.rowid"
    if len(goods) == 1:
        return f"SELECT c.*, marks, {goods[0][0]}::BIGINT AS good, {goods[0][1]}::TINYINT AS together {rows}"
    return (
        f"SELECT c.*, marks, good, together {rows} JOIN judging_series s USING (series) "
        "JOIN judging_good g ON g.sensor = s.sensor"
    )


_NO_ROWS = """
    SELECT NULL::UINTEGER AS series, NULL::BIGINT AS source_row, NULL::TIMESTAMPTZ AS interval_start_at, NULL::DOUBLE AS raw,
           NULL::TINYINT AS note, NULL::BIGINT AS marks, NULL::BIGINT AS good, NULL::TINYINT AS together WHERE false
"""
AGGREGATE = f"""
    CASE greatest({", ".join(TESTS)}) WHEN 4 THEN 4 WHEN 3 THEN 3
         WHEN 2 THEN CASE least({", ".join(TESTS)}) WHEN 1 THEN 1 ELSE 2 END
         WHEN 1 THEN 1
         ELSE CASE WHEN 4 IN ({", ".join(TESTS)}) THEN 4 WHEN 3 IN ({", ".join(TESTS)}) THEN 3
                   WHEN 1 IN ({", ".join(TESTS)}) THEN 1 WHEN 2 IN ({", ".join(TESTS)}) THEN 2 ELSE 9 END END
"""
"""All flags together, by the priority of QARTOD's manual: 4, else 3, else 1, else 2, else 9."""

_NOTES = f"""
    CREATE OR REPLACE TEMP TABLE judging_notes AS
    WITH odd AS (
        SELECT sensor, source_row, interval_start_at, value FROM judging_chunk
        SEMI JOIN (FROM judging_pace WHERE is_odd) USING (sensor)
    ), seen AS (
        SELECT sensor, source_row, value, row_number() OVER same AS came, first_value(value) OVER same AS first_value,
               interval_start_at < max(interval_start_at) OVER earlier AS is_late
        FROM odd
        WINDOW same AS (PARTITION BY sensor, interval_start_at ORDER BY source_row),
               earlier AS (PARTITION BY sensor ORDER BY source_row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT sensor, source_row, (CASE WHEN is_late THEN {OUT_OF_ORDER} ELSE 0 END
           + CASE WHEN came = 1 THEN 0 WHEN value IS NOT DISTINCT FROM first_value THEN {DUPLICATE}
                  ELSE {CONFLICT} END)::TINYINT AS note
    FROM seen WHERE is_late OR came > 1
"""
"""Readings that came twice, contradict an earlier one, or came out of order."""
