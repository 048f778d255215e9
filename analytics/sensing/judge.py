"""Readings as received -> readings in the units they are kept in, each judged by every test of quality.

Nothing is dropped and no value is changed: what is wrong with a reading stands in its flags. All sensors are judged at once, in
SQL, some million readings at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from analytics.lake import Connection
from analytics.sensing.options import AS_USUAL, JudgeOptions
from analytics.sensing.quality.climatology import CLIMATOLOGY, take_usual
from analytics.sensing.quality.neighbours import NEIGHBOUR, take_nearby
from analytics.sensing.quality.order import MISSING, TESTS, order_rows
from analytics.sensing.quality.series import Chunk, Series, drop_series, take_series
from analytics.sensing.quality.tests import judge_against, judge_neighbours_in_time, take_good
from analytics.sensing.quality.windows import judge_stretches, take_pace
from analytics.sensing.readings import check_timezone, quoted

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
    with judged(connection, readings, timezone=timezone, options=options) as (series, chunks):
        coverage, said = ("coverage" if "coverage" in series.kept else "NULL", "said" if "flags" in series.kept else "NULL")
        notes = ", ".join(
            f"CASE WHEN note & {bit} > 0 THEN '{word}' END"
            for bit, word in ((DUPLICATE, "duplicate"), (CONFLICT, "conflict"), (OUT_OF_ORDER, "out_of_order"))
        )
        for number, _ in enumerate(chunks):
            into = f"INSERT INTO {quoted(table)}" if number else f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS"
            connection.execute(
                f"""
                {into}
                SELECT source_row, site_id, observed_property, interval_start_at, interval_s, raw * factor + zero AS value,
                       unit, raw AS raw_value, raw_unit, {coverage}::DOUBLE AS coverage, {", ".join(TESTS)}, qc,
                       nullif(concat_ws(',', {said}, {notes}), '') AS flags, $version AS thresholds_version
                FROM judging_judged r JOIN judging_series USING (series)
                """,
                {"version": options.limits.version},
            )


@contextmanager
def judged(
    connection: Connection, readings: str, *, timezone: str, options: JudgeOptions = AS_USUAL
) -> Iterator[tuple[Series, Iterator[Chunk]]]:
    """Judged readings in a small form, a chunk of whole sensors at a time.

    While a chunk is at hand, `judging_judged` has its `series`, `source_row`, `interval_start_at`, `raw`, the tests' flags,
    `qc`, `note` and what is kept of `coverage` and of the source's flags (`said`); `judging_series` tells what a series is and
    `judging_pace` how often a sensor measures.

    Args:
        connection: Holds the readings.
        readings: Table or view of contract `sensor_readings`.
        timezone: IANA name of the local clock.
        options: How readings are judged.

    Yields:
        What series there are, and their chunks, each judged when it is asked for; at least one.

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
        yield series, _judge(connection, series, usual=timezone if usual else None, nearby=nearby)
    finally:
        for view in ("judged", "chunk"):
            connection.execute(f"DROP VIEW IF EXISTS judging_{view}")
        for table in (*WORK, "judging_notes", "judging_usual", "judging_nearby"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        drop_series(connection)


NO_CHUNK = Chunk(0, -1, frozenset())
"""What is judged where there are no readings."""
WORK = {
    "judging_ordered": "sensor UINTEGER, series UINTEGER, source_row BIGINT, interval_start_at TIMESTAMPTZ, raw DOUBLE",
    "judging_pace": "sensor UINTEGER, rows BIGINT, first_place BIGINT, cadence_s DOUBLE, flat_rows BIGINT, "
    "flat_fail_rows BIGINT, block_rows BIGINT, least BIGINT, is_odd BOOLEAN",
    "judging_good": "sensor UINTEGER, good BIGINT, together TINYINT",
    "judging_marks": "place BIGINT, marks BIGINT",
    "judging_odd": "place BIGINT, marks BIGINT",
}
"""Tables of the chunk at hand, and those that the tests add to."""


def _judge(connection: Connection, series: Series, *, usual: str | None, nearby: bool) -> Iterator[Chunk]:
    """Judge one chunk after the other."""
    for chunk in series.chunks or (NO_CHUNK,):
        is_noted = _order(connection, chunk, series)
        judge_ordered(connection, chunk, usual=usual, nearby=nearby)
        show_judged(connection, chunk, series.kept, noted=is_noted)
        yield chunk


def _order(connection: Connection, chunk: Chunk, series: Series) -> bool:
    """Bring the readings of a chunk into order, and set those that came again aside; returns whether anything is noted."""
    order_rows(connection, chunk, kept=series.kept, noted=False)
    if not take_pace(connection, chunk, is_ordered=series.is_ordered):
        return False
    connection.execute(_NOTES)
    order_rows(connection, chunk, kept=series.kept, noted=True)
    take_pace(connection, chunk, is_ordered=series.is_ordered)
    return True


def judge_ordered(connection: Connection, chunk: Chunk, *, usual: str | None = None, nearby: bool = False) -> None:
    """Judge the readings of `judging_chunk` by every test; makes `judging_odd` of those that are not simply good.

    Args:
        connection: Holds what `take_series`, `order_rows` and `take_pace` made, and the tables of `WORK`.
        chunk: The sensors.
        usual: IANA name of the local clock, where `judging_usual` is there.
        nearby: Whether `judging_nearby` is there.
    """
    take_good(connection, chunk, climatology=usual is not None, neighbours=nearby)
    judge_neighbours_in_time(connection, chunk)
    judge_stretches(connection, chunk)
    if usual is not None:
        local_at = f"(interval_start_at AT TIME ZONE '{usual}')"
        same = f"m.month = month({local_at}) AND m.hour = hour({local_at})"
        judge_against(connection, "climatology", CLIMATOLOGY, table="judging_usual", same=same)
    if nearby:
        same = "m.bucket = epoch_us(interval_start_at) // near_us"
        judge_against(connection, "neighbour", NEIGHBOUR, table="judging_nearby", same=same)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE judging_odd AS SELECT place, CASE WHEN max(marks) >= $missing "
        "THEN max(marks) - $missing ELSE sum(marks) END::BIGINT AS marks FROM judging_marks GROUP BY place",
        {"missing": MISSING},
    )
    connection.execute("TRUNCATE judging_marks")


def show_judged(connection: Connection, chunk: Chunk, kept: tuple[str, ...], *, noted: bool) -> None:
    """Make `judging_judged` of a chunk that is judged; what good readings have is mostly the same for all sensors.

    Args:
        connection: Holds what `judge_ordered` made.
        chunk: The sensors.
        kept: Which of `coverage` and `flags` are kept.
        noted: Whether there are notes.
    """
    goods = connection.execute(
        "SELECT DISTINCT good, together FROM judging_good "
        "SEMI JOIN (SELECT sensor FROM judging_series WHERE series BETWEEN ? AND ?) USING (sensor)",
        [chunk.first, chunk.last],
    ).fetchall()
    good, together, more = "good", "together", "JOIN judging_series s USING (series) JOIN judging_good g ON g.sensor = s.sensor"
    if len(goods) == 1:
        good, together, more = f"{goods[0][0]}::BIGINT", f"{goods[0][1]}::TINYINT", ""
    tests = ", ".join(f"((flags >> {4 * number}) & 15)::TINYINT AS {name}" for number, name in enumerate(TESTS))
    rest = "".join(", said" if name == "flags" else f", {name}" for name in kept)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW judging_judged AS
        WITH summed AS (
            SELECT series, source_row, interval_start_at, raw, {"note" if noted else "NULL::TINYINT AS note"}{rest}, marks,
                   {together} AS together, {good} + coalesce(marks, 0) AS flags
            FROM judging_ordered c LEFT JOIN judging_odd o ON o.place = c.rowid {more}
        ), told AS (SELECT * EXCLUDE (flags), {tests} FROM summed)
        SELECT * EXCLUDE (marks, together),
               CASE WHEN marks IS NULL THEN together ELSE ({AGGREGATE})::TINYINT END AS qc
        FROM told
    """
    )


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
