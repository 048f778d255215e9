"""The tests that look at a stretch of time: flat line and attenuated signal, as ioos_qc runs them, row by row.

Both are decided for most readings by blocks of rows. A block that lies wholly in a reading's window and does vary shows that
the window varies; only readings of which no block shows it are looked at one by one. What differs from ioos_qc, and why:

- a flat line is not evaluated (2) where a sensor measures less often than `suspect_s`: a window of one value is always flat;
- an attenuated signal needs readings of `min_s`, by default half the window: one value never varies;
- a sensor that measures more often than once a second is judged by fractions of a second.
"""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.quality.order import DIGIT, beside
from analytics.sensing.quality.series import Chunk

BLOCKS = 16
"""So many blocks a window has where only the attenuated signal is judged."""


def take_pace(connection: Connection, chunk: Chunk, *, is_ordered: bool) -> bool:
    """Append to `judging_pace` how often each sensor of `judging_chunk` measures, and how long its windows are in rows.

    Columns: `sensor`, `rows`, `first_place`, `cadence_s` (the median time step; whole seconds, as ioos_qc has it, from 1 s on),
    `flat_rows` and `flat_fail_rows` (a window is so many rows and the reading itself), `block_rows`, `least` (rows that an
    attenuated signal needs), `is_odd` (readings came twice, or after later ones).

    Args:
        connection: Holds what `order_rows` made.
        chunk: The sensors; what was known of them is replaced.
        is_ordered: Whether the order of `source_row` is that in which readings came.

    Returns:
        Whether any sensor is odd.
    """
    columns = [
        "epoch_us(interval_start_at) - epoch_us(lag(interval_start_at) OVER ()) AS gap_us",
        f"{'source_row < lag(source_row) OVER ()' if is_ordered else 'false'} AS is_turned",
    ]
    own = f"sensor IN (SELECT sensor FROM judging_series WHERE series BETWEEN {chunk.first} AND {chunk.last})"
    connection.execute(f"DELETE FROM judging_pace WHERE {own}")
    connection.execute(_PACE.format(beside=beside(connection, columns)))
    return connection.execute(f"SELECT 1 FROM judging_pace WHERE is_odd AND {own} LIMIT 1").fetchone() is not None


_PACE = f"""
    INSERT INTO judging_pace
    WITH gaps AS (
        SELECT sensor, CASE WHEN sensor_before = sensor THEN gap_us // 1000 END AS gap_ms, count(*) AS n,
               min(place) AS first_place, bool_or(sensor_before = sensor AND (gap_us = 0 OR is_turned)) AS is_odd
        FROM ({{beside}}) WHERE sensor IS NOT NULL GROUP BY 1, 2
    ), ordered AS (
        SELECT sensor, gap_ms, sum(n) OVER (PARTITION BY sensor ORDER BY gap_ms) AS upto,
               sum(n) OVER (PARTITION BY sensor) AS gaps
        FROM gaps WHERE gap_ms IS NOT NULL
    ), middle AS (
        SELECT sensor, (min(gap_ms) FILTER (upto >= (gaps + 1) // 2) + min(gap_ms) FILTER (upto >= gaps // 2 + 1)) / 2 AS ms
        FROM ordered GROUP BY sensor
    ), pace AS (
        SELECT sensor, sum(n)::BIGINT AS rows, min(first_place) AS first_place, bool_or(is_odd) AS is_odd,
               CASE WHEN any_value(ms) >= 1000 THEN any_value(ms) // 1000 ELSE nullif(any_value(ms), 0) / 1000 END AS cadence_s
        FROM gaps LEFT JOIN middle USING (sensor) GROUP BY sensor
    ), counted AS (
        SELECT sensor, rows, first_place, coalesce(is_odd, false) AS is_odd, cadence_s,
               nullif(floor(flat_suspect_s / cadence_s), 0)::BIGINT AS flat_rows,
               floor(flat_fail_s / cadence_s)::BIGINT AS flat_fail_rows,
               ceil(vary_us / 1e6 / cadence_s / {BLOCKS})::BIGINT AS vary_rows,
               CASE WHEN vary_min_s < cadence_s THEN 1 ELSE floor(vary_min_s / cadence_s) END::BIGINT AS least
        FROM pace JOIN judging_limits USING (sensor)
    )
    SELECT sensor, rows, first_place, cadence_s, flat_rows, flat_fail_rows,
           coalesce((flat_rows + 1) // 2, vary_rows) AS block_rows, least, is_odd
    FROM counted
"""


def judge_stretches(connection: Connection, chunk: Chunk) -> None:
    """Judge the readings of `judging_chunk` by the stretch of time before them; appends to `judging_marks`.

    Args:
        connection: Holds what `order_rows` and `take_pace` made.
        chunk: The sensors.
    """
    row = connection.execute(
        "SELECT count(DISTINCT coalesce(block_rows, 0)), any_value(block_rows) FROM judging_pace WHERE sensor IN "
        f"(SELECT sensor FROM judging_series WHERE series BETWEEN {chunk.first} AND {chunk.last})"
    ).fetchone()
    assert row is not None
    paced = f"(SELECT *, {row[1] or 'NULL::BIGINT'} AS block_rows FROM judging_chunk)"
    if row[0] > 1:
        paced = "judging_chunk JOIN (SELECT sensor, block_rows FROM judging_pace) USING (sensor)"
    connection.execute(_DOUBTFUL.format(paced=paced))
    row = connection.execute(
        "SELECT bool_or(is_flat), bool_or(few_rows > 0), bool_or(is_even) FROM judging_doubtful"
    ).fetchone()
    assert row is not None
    is_flat, is_few, is_even = row
    if is_flat:
        connection.execute(_FLAT)
    if is_few:
        connection.execute(_FEW)
    if is_even:
        ranges = connection.execute(
            "SELECT 1 FROM judging_limits SEMI JOIN judging_doubtful USING (sensor) WHERE vary_is_range LIMIT 1"
        ).fetchone()
        connection.execute(_VARY.format(spread=_RANGE if ranges else _STD))
    connection.execute("DROP TABLE judging_doubtful")


_DOUBTFUL = """
    CREATE OR REPLACE TEMP TABLE judging_doubtful AS
    WITH blocks AS (
        SELECT sensor, place // block_rows AS block, min(place) AS first_place, count(*) AS rows,
               epoch_us(min(interval_start_at)) AS first_us, epoch_us(max(interval_start_at)) AS last_us,
               count(value) AS n, max(value) - min(value) AS spread,
               coalesce(sum(value), 0) AS total, coalesce(sum(value * value), 0) AS squares
        FROM {paced} WHERE sensor IS NOT NULL AND block_rows IS NOT NULL GROUP BY 1, 2
    ), limited AS (
        SELECT b.*, block_rows, flat_rows, flat_fail_rows, least, b.first_place + b.rows - 1 - p.first_place AS last_row,
               flat_below, vary_suspect, vary_is_range, vary_us
        FROM blocks b JOIN judging_pace p USING (sensor) JOIN judging_limits USING (sensor)
    ), seen AS (
        SELECT *, lag(spread) OVER by_place AS spread_before, sum(n) OVER inside - n AS n_inside,
               count(*) OVER inside = row_number() OVER by_place AS is_start,
               sum(total) OVER inside - total AS total_inside, sum(squares) OVER inside - squares AS squares_inside,
               sum(n) OVER around
               + CASE WHEN count(*) OVER around = row_number() OVER by_place THEN 0 ELSE block_rows END AS n_most,
               count(*) OVER around AS vary_blocks
        FROM limited
        WINDOW by_place AS (PARTITION BY sensor ORDER BY first_us),
               inside AS (PARTITION BY sensor ORDER BY first_us
                          RANGE BETWEEN greatest(coalesce(vary_us, 0) - (last_us - first_us) - 1, 0) PRECEDING AND CURRENT ROW),
               around AS (PARTITION BY sensor ORDER BY first_us RANGE BETWEEN coalesce(vary_us, 0) PRECEDING AND CURRENT ROW)
    ), varying AS (
        SELECT *, (NOT vary_is_range AND squares_inside - total_inside * total_inside / n_inside
                   > vary_suspect * vary_suspect * n_most * (1 + 1e-6) + 1e-9 * squares_inside) IS TRUE AS varies
        FROM seen
    ), told AS (
        SELECT *, flat_rows IS NOT NULL AND last_row >= flat_rows AND (spread_before >= flat_below) IS NOT TRUE AS is_flat,
               CASE WHEN vary_suspect IS NULL THEN 0 WHEN n_most < least THEN rows
                    WHEN varies AND is_start AND n = rows THEN greatest(0, least(rows, least - n_inside - 1)) END AS few_rows,
               varies AND n_inside >= least AS is_varying
        FROM varying
    )
    SELECT sensor, block, first_place, block_rows, is_flat, coalesce(few_rows, 0)::BIGINT AS few_rows,
           few_rows IS NULL AND NOT is_varying AS is_even, ceil(flat_fail_rows / block_rows)::BIGINT AS flat_blocks, vary_blocks
    FROM told WHERE is_flat OR few_rows > 0 OR few_rows IS NULL AND NOT is_varying
"""
"""Blocks some of whose readings may be flat, have too few in their window (the first `few_rows`), or may vary too little: no
block that lies in all their windows varies enough."""
_FEW = f"""
    INSERT INTO judging_marks
    SELECT unnest(range(first_place, first_place + few_rows)), {DIGIT["attenuated_signal"]} FROM judging_doubtful
"""
_PLACED = """
    placed AS (
        SELECT sensor, place, value, interval_start_at, place // block_rows AS block, place - first_place AS row, rows,
               flat_rows, flat_fail_rows, least
        FROM judging_chunk JOIN judging_pace USING (sensor)
    )
"""
_FLAT = f"""
    INSERT INTO judging_marks
    WITH wanted AS (
        SELECT sensor, block - back AS block, bool_or(back = 0) AS is_doubtful
        FROM (SELECT *, unnest(range(flat_blocks + 1)) AS back FROM judging_doubtful WHERE is_flat)
        GROUP BY 1, 2
    ), {_PLACED}, spreads AS (
        SELECT place, row, value, is_doubtful, rows, flat_rows, flat_fail_rows, flat_below,
               max(value) OVER few - min(value) OVER few AS spread, max(value) OVER many - min(value) OVER many AS long_spread
        FROM placed c JOIN wanted USING (sensor, block) JOIN judging_limits USING (sensor)
        WINDOW few AS (PARTITION BY sensor ORDER BY place ROWS BETWEEN flat_rows PRECEDING AND CURRENT ROW),
               many AS (PARTITION BY sensor ORDER BY place ROWS BETWEEN flat_fail_rows PRECEDING AND CURRENT ROW)
    )
    SELECT place, CASE WHEN row >= flat_fail_rows AND long_spread < flat_below THEN 3 ELSE 2 END * {DIGIT["flat_line"]}
    FROM spreads WHERE is_doubtful AND value IS NOT NULL AND row >= flat_rows AND spread < flat_below AND rows >= 3
"""
_STD = "stddev_pop(value) OVER past"
_RANGE = f"""CASE WHEN NOT vary_is_range THEN {_STD}
                 WHEN count(value) OVER past = count(*) OVER past THEN max(value) OVER past - min(value) OVER past END"""
_VARY = f"""
    INSERT INTO judging_marks
    WITH wanted AS (
        SELECT sensor, block - back AS block, bool_or(back = 0) AS is_doubtful
        FROM (SELECT *, unnest(range(vary_blocks + 1)) AS back FROM judging_doubtful WHERE is_even)
        GROUP BY 1, 2
    ), {_PLACED}, spreads AS (
        SELECT place, value, is_doubtful, least, vary_suspect, vary_fail, count(value) OVER past AS n, {{spread}} AS spread
        FROM placed JOIN wanted USING (sensor, block) JOIN judging_limits USING (sensor)
        WINDOW past AS (PARTITION BY sensor ORDER BY epoch_us(interval_start_at)
                        RANGE BETWEEN vary_us - 1 PRECEDING AND CURRENT ROW)
    ), told AS (
        SELECT place, CASE WHEN n < least OR spread IS NULL THEN 1 WHEN spread < vary_fail THEN 3
                           WHEN spread < vary_suspect THEN 2 END AS above
        FROM spreads WHERE is_doubtful AND value IS NOT NULL
    )
    SELECT place, above * {DIGIT["attenuated_signal"]} FROM told WHERE above IS NOT NULL
"""
