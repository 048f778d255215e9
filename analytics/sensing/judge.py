"""Readings as received -> readings in the units they are kept in, each judged by every test of quality.

Nothing is dropped and no value is changed: what is wrong with a reading stands in its flags. All sensors are judged at once, in
SQL, some million readings at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from analytics.lake import Connection
from analytics.sensing.options import AS_USUAL, JudgeOptions
from analytics.sensing.quality.climatology import take_usual
from analytics.sensing.quality.neighbours import take_nearby
from analytics.sensing.quality.series import Chunk, Series, check_timezone, drop_series, take_series
from analytics.sensing.quality.tests import MARKS, ODD, TESTS, judge_neighbours_in_time
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
    options: JudgeOptions = AS_USUAL,
) -> None:
    """Turn readings as received into rows of contract `judged_readings`.

    Args:
        connection: Holds the readings.
        readings: Table of contract `sensor_readings`.
        table: Table to create, with every reading: `value` and `unit` as kept, `raw_value` and `raw_unit` as received, the
            flag of each test (1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing), all flags together (`qc`), `flags`
            (`duplicate`, `conflict`, `out_of_order` and what the source said) and `thresholds_version`.
        timezone: IANA name of the local clock, for what is usual at an hour of the day.
        options: How readings are judged.

    Raises:
        SourceError: A property, a unit, a threshold, a place or the time zone is unknown or wrong.
    """
    with judged(connection, readings, timezone=timezone, options=options) as series:
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
            {"version": options.limits.version},
        )


@contextmanager
def judged(connection: Connection, readings: str, *, timezone: str, options: JudgeOptions = AS_USUAL) -> Iterator[Series]:
    """Judged readings in a small form, for as long as they are needed.

    Within, `judging_judged` has `series`, `source_row`, `interval_start_at`, `raw`, the tests' flags, `qc`, `note` and what is
    kept of `coverage` and `flags`; `judging_series` tells what a series is and `judging_pace` how often a sensor measures.

    Args:
        connection: Holds the readings.
        readings: Table or view of contract `sensor_readings`.
        timezone: IANA name of the local clock.
        options: How readings are judged.

    Yields:
        What series there are.

    Raises:
        SourceError: A property, a unit, a threshold, a place or the time zone is unknown or wrong.
    """
    thresholds = options.limits
    check_timezone(connection, timezone)
    try:
        series = take_series(connection, readings, thresholds)
        usual = take_usual(connection, thresholds, series.observed, timezone)
        nearby = take_nearby(connection, thresholds, series.observed, coordinates=options.coordinates, groups=options.groups)
        for table, columns in WORK.items():
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns})")
        for number, chunk in enumerate(series.chunks):
            _judge(connection, chunk, f"judging_chunk_{number}", series, timezone if usual else None, nearby)
        connection.execute(_judged(series))
        yield series
    finally:
        for view in ("judged", "chunk"):
            connection.execute(f"DROP VIEW IF EXISTS judging_{view}")
        chunks = connection.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'judging_chunk_%'").fetchall()
        for table in [*(name for (name,) in chunks), *WORK, "judging_notes", "judging_usual", "judging_nearby"]:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        drop_series(connection)


WORK = {
    "judging_pace": "sensor UINTEGER, rows BIGINT, cadence_s DOUBLE, centre DOUBLE, flat_rows BIGINT, flat_fail_rows BIGINT, "
    "block_rows BIGINT, least BIGINT",
    "judging_flat": "sensor UINTEGER, place UINTEGER, flag TINYINT",
    "judging_vary": "sensor UINTEGER, place UINTEGER, flag TINYINT",
}
"""Tables that each chunk adds to."""


def _judge(connection: Connection, chunk: Chunk, table: str, series: Series, timezone: str | None, nearby: bool) -> None:
    """Judge the readings of a chunk; makes `table` and adds to the tables of `WORK`."""
    judge = partial(
        judge_neighbours_in_time, connection, chunk, table=table, kept=series.kept, timezone=timezone, neighbours=nearby,
        is_ordered=series.is_ordered,
    )  # fmt: skip
    judge(noted=False)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW judging_chunk AS SELECT c.*, sensor, CASE WHEN isfinite(raw) THEN raw * factor + zero END "
        f"AS value FROM {table} c JOIN judging_series USING (series)"
    )
    if connection.execute(f"SELECT 1 FROM {table} WHERE marks >= {ODD} LIMIT 1").fetchone():
        connection.execute(_NOTES)
        judge(noted=True)
    take_pace(connection)
    judge_stretches(connection)


def _judged(series: Series) -> str:
    """SQL of the view of all judged readings."""
    rows = " UNION ALL BY NAME ".join([_NO_ROWS, *(f"FROM judging_chunk_{number}" for number in range(len(series.chunks)))])
    tests = ", ".join(f"(marks // {one} % 16)::TINYINT AS {name}" for name, one in MARKS.items())
    kept = "".join(f", {name}" for name in series.kept)
    is_missing, is_again = "raw IS NULL OR NOT isfinite(raw)", f"note >= {DUPLICATE}"
    return f"""
        CREATE OR REPLACE TEMP VIEW judging_judged AS
        WITH told AS (
            SELECT r.series, source_row, interval_start_at, raw, note, {tests}{kept},
                   (CASE WHEN {is_missing} THEN 9 WHEN {is_again} OR flat_rows IS NULL THEN 2
                         ELSE coalesce(f.flag, 1) END)::TINYINT AS flat_line,
                   (CASE WHEN {is_missing} THEN 9 WHEN {is_again} OR least IS NULL THEN 2
                         ELSE coalesce(v.flag, 1) END)::TINYINT AS attenuated_signal,
                   coalesce(climatology, CASE WHEN {is_missing} THEN 9 ELSE 2 END)::TINYINT AS climatology,
                   coalesce(neighbour, CASE WHEN {is_missing} THEN 9 ELSE 2 END)::TINYINT AS neighbour
            FROM ({rows}) r JOIN judging_series s ON s.series = r.series JOIN judging_pace p ON p.sensor = s.sensor
                 LEFT JOIN judging_flat f ON f.sensor = s.sensor AND f.place = r.place
                 LEFT JOIN judging_vary v ON v.sensor = s.sensor AND v.place = r.place
        )
        SELECT *, ({AGGREGATE})::TINYINT AS qc FROM told
    """


_NO_ROWS = """
    SELECT NULL::UINTEGER AS series, NULL::BIGINT AS source_row, NULL::TIMESTAMPTZ AS interval_start_at, NULL::DOUBLE AS raw,
           NULL::UINTEGER AS place, NULL::USMALLINT AS marks, NULL::TINYINT AS note, NULL::TINYINT AS climatology,
           NULL::TINYINT AS neighbour, NULL::UINTEGER AS gap_ms WHERE false
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
        WHERE sensor IN (SELECT sensor FROM judging_chunk WHERE marks >= {ODD})
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
