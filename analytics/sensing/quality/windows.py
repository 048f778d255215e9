"""The tests that look at a stretch of time: flat line and attenuated signal, as ioos_qc runs them, row by row.

Both are decided for most readings by blocks of rows. A block that lies wholly in a reading's window and does vary shows that
the window varies; only readings of which no block shows it are looked at one by one. What differs from ioos_qc, and why:

- a flat line is not evaluated (2) where a sensor measures less often than `suspect_s`: a window of one value is always flat;
- an attenuated signal needs readings of `min_s`, by default half the window: one value never varies;
- a sensor that measures more often than once a second is judged by fractions of a second.
"""

from __future__ import annotations

from analytics.lake import Connection

BLOCKS = 16
"""So many blocks a window has where only the attenuated signal is judged."""


def take_pace(connection: Connection) -> None:
    """Append how often each sensor of `judging_chunk` measures to `judging_pace`, and how long its windows are in rows.

    Columns: `sensor`, `rows`, `cadence_s` (the median time step; whole seconds, as ioos_qc has it, from 1 s on), `centre`
    (the mean value), `flat_rows` and `flat_fail_rows` (a window is so many rows and the reading itself), `block_rows`,
    `least` (rows that an attenuated signal needs).
    """
    connection.execute(
        f"""
        INSERT INTO judging_pace
        WITH gaps AS (
            SELECT sensor, gap_ms::BIGINT AS gap_ms, count(*) AS n, sum(value) AS total, count(value) AS given
            FROM judging_chunk WHERE place IS NOT NULL GROUP BY 1, 2
        ), ordered AS (
            SELECT sensor, gap_ms, sum(n) OVER (PARTITION BY sensor ORDER BY gap_ms) AS upto,
                   sum(n) OVER (PARTITION BY sensor) AS gaps
            FROM gaps WHERE gap_ms IS NOT NULL
        ), middle AS (
            SELECT sensor, (min(gap_ms) FILTER (upto >= (gaps + 1) // 2) + min(gap_ms) FILTER (upto >= gaps // 2 + 1)) / 2 AS ms
            FROM ordered GROUP BY sensor
        ), pace AS (
            SELECT sensor, sum(n)::BIGINT AS rows, CASE WHEN any_value(ms) >= 1000 THEN any_value(ms) // 1000
                   ELSE nullif(any_value(ms), 0) / 1000 END AS cadence_s,
                   sum(total) / nullif(sum(given), 0) AS centre
            FROM gaps LEFT JOIN middle USING (sensor) GROUP BY sensor
        ), counted AS (
            SELECT sensor, rows, cadence_s, centre, nullif(floor(flat_suspect_s / cadence_s), 0)::BIGINT AS flat_rows,
                   floor(flat_fail_s / cadence_s)::BIGINT AS flat_fail_rows,
                   ceil(vary_us / 1e6 / cadence_s / {BLOCKS})::BIGINT AS vary_rows,
                   CASE WHEN vary_min_s < cadence_s THEN 1 ELSE floor(vary_min_s / cadence_s) END::BIGINT AS least
            FROM pace JOIN judging_limits USING (sensor)
        )
        SELECT sensor, rows, cadence_s, centre, flat_rows, flat_fail_rows,
               coalesce((flat_rows + 1) // 2, vary_rows) AS block_rows, least
        FROM counted
        """
    )


def judge_stretches(connection: Connection) -> None:
    """Judge the readings of `judging_chunk` by the stretch of time before them.

    Appends to `judging_flat` and `judging_vary`: `sensor`, `place` and `flag` of those readings that are not simply good.
    """
    connection.execute(_DOUBTFUL)
    row = connection.execute("SELECT bool_or(is_flat), bool_or(is_even) FROM judging_doubtful").fetchone()
    assert row is not None
    if row[0]:
        connection.execute(_FLAT)
    if row[1]:
        ranges = connection.execute(
            "SELECT 1 FROM judging_limits SEMI JOIN judging_doubtful USING (sensor) WHERE vary_is_range LIMIT 1"
        ).fetchone()
        connection.execute(_VARY.format(spread=_RANGE if ranges else _STD))
    connection.execute("DROP TABLE judging_doubtful")


_DOUBTFUL = """
    CREATE OR REPLACE TEMP TABLE judging_doubtful AS
    WITH blocks AS (
        SELECT c.sensor, place // block_rows AS block, any_value(block_rows) AS block_rows, any_value(flat_rows) AS flat_rows,
               any_value(flat_fail_rows) AS flat_fail_rows, any_value(least) AS least, max(place) AS last_place,
               epoch_us(min(interval_start_at)) AS first_us, epoch_us(max(interval_start_at)) AS last_us,
               count(value) AS n, max(value) - min(value) AS spread,
               coalesce(sum(value - centre), 0) AS total, coalesce(sum((value - centre) * (value - centre)), 0) AS squares
        FROM judging_chunk c JOIN judging_pace USING (sensor)
        WHERE place IS NOT NULL AND block_rows IS NOT NULL GROUP BY 1, 2
    ), limited AS (
        SELECT b.*, flat_below, vary_suspect, vary_is_range, vary_us FROM blocks b JOIN judging_limits USING (sensor)
    ), seen AS (
        SELECT *, lag(spread) OVER by_place AS spread_before, sum(n) OVER inside - n AS n_inside,
               sum(total) OVER inside - total AS total_inside, sum(squares) OVER inside - squares AS squares_inside,
               sum(n) OVER around + block_rows AS n_around, count(*) OVER around AS vary_blocks
        FROM limited
        WINDOW by_place AS (PARTITION BY sensor ORDER BY first_us),
               inside AS (PARTITION BY sensor ORDER BY first_us
                          RANGE BETWEEN greatest(coalesce(vary_us, 0) - (last_us - first_us) - 1, 0) PRECEDING AND CURRENT ROW),
               around AS (PARTITION BY sensor ORDER BY first_us RANGE BETWEEN coalesce(vary_us, 0) PRECEDING AND CURRENT ROW)
    ), told AS (
        SELECT *, flat_rows IS NOT NULL AND last_place >= flat_rows AND (spread_before >= flat_below) IS NOT TRUE AS is_flat,
               vary_suspect IS NOT NULL AND (vary_is_range OR NOT (n_inside >= least
                   AND squares_inside - total_inside * total_inside / n_inside
                       > vary_suspect * vary_suspect * n_around * (1 + 1e-6) + 1e-9 * squares_inside)) AS is_even
        FROM seen
    )
    SELECT sensor, block, block_rows, is_flat, is_even, ceil(flat_fail_rows / block_rows)::BIGINT AS flat_blocks, vary_blocks
    FROM told WHERE is_flat OR is_even
"""
"""Blocks some of whose readings may be flat or may vary too little: no block that lies in all their windows varies enough."""

_FLAT = """
    INSERT INTO judging_flat
    WITH wanted AS (
        SELECT sensor, block - back AS block, bool_or(back = 0) AS is_doubtful
        FROM (SELECT *, unnest(range(flat_blocks + 1)) AS back FROM judging_doubtful WHERE is_flat)
        WHERE block >= back GROUP BY 1, 2
    ), placed AS (
        SELECT c.*, place // block_rows AS block, rows, flat_rows, flat_fail_rows
        FROM judging_chunk c JOIN judging_pace USING (sensor)
    ), spreads AS (
        SELECT c.sensor, place, value, is_doubtful, rows, flat_rows, flat_fail_rows, flat_below,
               max(value) OVER few - min(value) OVER few AS spread, max(value) OVER many - min(value) OVER many AS long_spread
        FROM placed c JOIN wanted USING (sensor, block) JOIN judging_limits USING (sensor)
        WINDOW few AS (PARTITION BY sensor ORDER BY place ROWS BETWEEN flat_rows PRECEDING AND CURRENT ROW),
               many AS (PARTITION BY sensor ORDER BY place ROWS BETWEEN flat_fail_rows PRECEDING AND CURRENT ROW)
    )
    SELECT sensor, place, CASE WHEN place >= flat_fail_rows AND long_spread < flat_below THEN 4 ELSE 3 END
    FROM spreads WHERE is_doubtful AND value IS NOT NULL AND place >= flat_rows AND spread < flat_below AND rows >= 3
"""
_STD = "stddev_pop(value) OVER past"
_RANGE = f"""CASE WHEN NOT vary_is_range THEN {_STD}
                 WHEN count(value) OVER past = count(*) OVER past THEN max(value) OVER past - min(value) OVER past END"""
_VARY = """
    INSERT INTO judging_vary
    WITH wanted AS (
        SELECT sensor, block - back AS block, bool_or(back = 0) AS is_doubtful
        FROM (SELECT *, unnest(range(vary_blocks + 1)) AS back FROM judging_doubtful WHERE is_even)
        WHERE block >= back GROUP BY 1, 2
    ), placed AS (
        SELECT c.*, place // block_rows AS block, least FROM judging_chunk c JOIN judging_pace USING (sensor)
    ), spreads AS (
        SELECT c.sensor, place, value, is_doubtful, c.least, vary_suspect, vary_fail, count(value) OVER past AS n,
               {spread} AS spread
        FROM placed c JOIN wanted USING (sensor, block) JOIN judging_limits USING (sensor)
        WINDOW past AS (PARTITION BY sensor ORDER BY epoch_us(interval_start_at)
                        RANGE BETWEEN vary_us - 1 PRECEDING AND CURRENT ROW)
    )
    SELECT sensor, place, CASE WHEN n < least OR spread IS NULL THEN 2 WHEN spread < vary_fail THEN 4 ELSE 3 END
    FROM spreads WHERE is_doubtful AND value IS NOT NULL AND (n < least OR spread IS NULL OR spread < vary_suspect)
"""
