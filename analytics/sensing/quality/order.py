"""The readings of a chunk, sensor after sensor and each in order of time; and what stands before and after each of them.

Once a table lies in this order, window functions without a partition run through it as it is read: what stands beside a reading
costs a tenth of sorting once more. Flags are kept only of readings that are not simply good: `judging_marks` has `place`, where
the reading stands, and `marks`, by how much its flags are above the good ones, each test a digit of base 16; they are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from analytics.lake import Connection
from analytics.sensing.quality.series import Chunk

TESTS = ("gross_range", "spike", "rate_of_change", "flat_line", "attenuated_signal", "climatology", "neighbour")
"""The tests, in the order of their flags."""
DIGIT = {name: 16**number for number, name in enumerate(TESTS)}
"""Where a test's flag stands in a reading's marks."""
MISSING = 2**40
"""Added to the marks of a reading that is missing: what else is said of it does not count."""
CALLED = {"flags": "flags AS said"}
"""What a source said of a reading has another name where tests have flags."""
FEW_ROWS = 200_000
"""Fewer rows are not divided among threads."""


def order_rows(connection: Connection, chunk: Chunk, *, kept: tuple[str, ...], noted: bool) -> None:
    """Make `judging_ordered` of the readings of a chunk, in order, and the view `judging_chunk` of it.

    The table has `series`, `source_row`, `interval_start_at`, `raw`, what is kept (`flags` as `said`), `sensor` and `measured`
    (in the unit kept) where they are not simply another name, and `note` where there are notes. The view has all of `sensor`,
    `measured`, `value` (null where nothing was measured) and `place`, the row's number from 0.

    Args:
        connection: Holds what `take_series` made.
        chunk: The sensors.
        kept: Which of `coverage` and `flags` are kept.
        noted: Whether `judging_notes` is there; what came again stands at the end, has no `sensor` and takes no part.
    """
    row = connection.execute(
        "SELECT bool_and(factor = 1 AND zero = 0), count(*) = count(DISTINCT sensor), coalesce(min(series) - min(sensor), 0) "
        "FROM judging_series WHERE series BETWEEN ? AND ?",
        [chunk.first, chunk.last],
    ).fetchone()
    assert row is not None
    is_plain, is_single, apart = row
    is_named = noted or not is_single
    columns = ["series", "source_row", "interval_start_at", "raw", *(CALLED.get(name, name) for name in kept)]
    if is_named:
        columns.append("CASE WHEN n.note >= 2 THEN NULL ELSE s.sensor END AS sensor" if noted else "s.sensor")
    if not is_plain:
        columns.append("r.raw * s.factor + s.zero AS measured")
    if noted:
        columns.append("n.note")
    series = "" if is_plain and not is_named else "JOIN judging_series s USING (series)"
    notes = "LEFT JOIN judging_notes n ON n.sensor = s.sensor AND n.source_row = r.source_row" if noted else ""
    own = ", ".join(f"r.{name}" if name in ("source_row", "interval_start_at", "raw") else name for name in columns)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE judging_ordered AS
        SELECT {own} FROM judging_rows r {series} {notes} WHERE series BETWEEN {chunk.first} AND {chunk.last}
        ORDER BY {"sensor NULLS LAST" if is_named else "series"}, r.interval_start_at
        """
    )
    sensor = "sensor" if is_named else f"(series - {apart})::UINTEGER"
    measured = "raw" if is_plain else "measured"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW judging_chunk AS SELECT rowid AS place, {sensor} AS sensor, series, source_row, "
        f"interval_start_at, raw, {measured} AS measured, CASE WHEN isfinite({measured}) THEN {measured} END AS value "
        "FROM judging_ordered"
    )


def beside(connection: Connection, columns: Sequence[str]) -> str:
    """SQL of `judging_chunk` with what stands beside each reading: a query to select from.

    Args:
        connection: Holds `judging_chunk`.
        columns: Which columns are wanted besides `place` and `sensor`, such as "lag(value) OVER () AS before". Windows are over
            all rows: those at the ends of a sensor have rows of others beside them, see `sensor_before` and `sensor_after`.
    """
    row = connection.execute("SELECT count(*), current_setting('threads') FROM judging_chunk").fetchone()
    assert row is not None
    rows, parts = int(row[0]), int(row[1]) if row[0] > FEW_ROWS else 1
    edges = [rows * part // parts for part in range(parts + 1)]
    wanted = ", ".join(
        ["place", "sensor", "lag(sensor) OVER () AS sensor_before", "lead(sensor) OVER () AS sensor_after", *columns]
    )
    return " UNION ALL ".join(
        f"(SELECT * FROM (SELECT {wanted} FROM judging_chunk WHERE place BETWEEN {first - 1} AND {end}) "
        f"WHERE place >= {first} AND place < {end})"
        for first, end in pairwise(edges)
    )
