"""The tests that look at a reading and the ones before and after it: one pass over all sensors, each in order of time.

Gross range, spike and rate of change follow IOOS's QARTOD manuals as the library ioos_qc runs them, row by row: a test is not
evaluated (2) beside a missing value or at an end of the series, except the rate of change, which is then good (1). Flags: 1
good, 2 not evaluated, 3 suspect, 4 fail, 9 missing. What differs from ioos_qc, and why:

- fractions of a second count, where ioos_qc cuts time steps to whole seconds and divides by 0;
- a value that came again for the same instant takes no part: its neighbours in time are those of the first;
- a missing value is always 9, in the climatology test and in series of fewer than 3 values too.
"""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.quality.climatology import CLIMATOLOGY
from analytics.sensing.quality.neighbours import NEIGHBOUR
from analytics.sensing.quality.series import LIMITS, Chunk

TESTS = ("gross_range", "spike", "rate_of_change", "flat_line", "attenuated_signal", "climatology", "neighbour")
"""The tests, in the order of their flags."""

GROSS_RANGE = """
    CASE WHEN raw IS NULL OR isnan(raw) THEN 9 WHEN fail_low IS NULL THEN 2
         WHEN value IS NULL OR value < fail_low OR value > fail_high THEN 4
         WHEN value < suspect_low OR value > suspect_high THEN 3 ELSE 1 END
"""
SPIKE = """
    CASE WHEN value IS NULL THEN 9
         WHEN before IS NULL OR after IS NULL OR coalesce(spike_suspect, spike_fail) IS NULL THEN 2
         WHEN {stands_out} > spike_fail THEN 4 WHEN {stands_out} > spike_suspect THEN 3 ELSE 1 END
"""
AVERAGE = "abs(value - (before + after) / 2)"
DIFFERENTIAL = f"""
    CASE WHEN NOT spike_is_step THEN {AVERAGE}
         WHEN (value - before) * (after - value) < 0 THEN least(abs(value - before), abs(after - value)) ELSE 0 END
"""
RATE = "abs(value - before) / (gap_us / 1e6)"
RATE_OF_CHANGE = f"""
    CASE WHEN value IS NULL THEN 9 WHEN rate_suspect IS NULL THEN 2
         WHEN {RATE} > rate_fail THEN 4 WHEN {RATE} > rate_suspect THEN 3 ELSE 1 END
"""
ODD = 4096
"""The mark of a reading that came again, or before the value before it."""
MARKS = {"gross_range": 1, "spike": 16, "rate_of_change": 256}
"""Where a test's flag stands in a reading's marks: few columns are quicker to write than many."""


def judge_neighbours_in_time(
    connection: Connection,
    chunk: Chunk,
    *,
    table: str,
    kept: tuple[str, ...],
    timezone: str | None,
    neighbours: bool,
    is_ordered: bool,
    noted: bool,
) -> None:
    """Judge the readings of a chunk by themselves and by those beside them.

    Args:
        connection: Holds what `take_series` made.
        chunk: The sensors.
        table: Table to create: `series`, `source_row`, `interval_start_at`, `raw`, `place` (in order of time from 0; null where
            it takes no part), `gap_ms` (since the value before), `marks` (see `MARKS` and `ODD`), what is kept, and `note`,
            `climatology` and `neighbour` where they are there.
        kept: Which of `coverage` and `flags` are kept.
        timezone: IANA name of the local clock, where `judging_usual` is there.
        neighbours: Whether `judging_nearby` is there.
        is_ordered: Whether the order of the rows is that in which readings came.
        noted: Whether `judging_notes` is there; what came again then takes no part.
    """
    again = ", n.note, coalesce(n.note >= 2, false) AS is_again" if noted else ""
    is_again = "is_again" if noted else "false"
    notes = "LEFT JOIN judging_notes n ON n.sensor = s.sensor AND n.source_row = r.source_row" if noted else ""
    rest = "".join(f", {name}" for name in kept)
    local_at = f", r.interval_start_at AT TIME ZONE '{timezone}' AS local_at" if timezone else ""
    usual = "LEFT JOIN judging_usual u ON u.sensor = w.sensor AND u.month = month(local_at) AND u.hour = hour(local_at)"
    near = "LEFT JOIN judging_nearby m ON m.sensor = w.sensor AND m.bucket = epoch_us(interval_start_at) // near_us"
    turned = "source_row < lag(source_row) OVER w" if is_ordered else "false"
    limits, shared = _limits(connection, chunk)
    steps = shared is None or shared["spike_is_step"]
    spike = SPIKE.format(stands_out=DIFFERENTIAL if steps else AVERAGE)
    marks = (
        f"(CASE WHEN {is_again} THEN 2 ELSE {spike} END)::USMALLINT * 16 + ({GROSS_RANGE})::USMALLINT"
        f" + (CASE WHEN {is_again} THEN 2 ELSE {RATE_OF_CHANGE} END)::USMALLINT * 256"
    )
    if shared is not None and not noted and not steps:
        marks = f"CASE WHEN {_all_good(shared)} THEN {_good_marks(shared)}::USMALLINT ELSE {marks} END"
    more = f", ({CLIMATOLOGY})::TINYINT AS climatology" if timezone else ""
    more += f", ({NEIGHBOUR})::TINYINT AS neighbour" if neighbours else ""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {table} AS
        WITH taken AS (
            SELECT s.sensor, r.series, r.source_row, r.interval_start_at, r.raw,
                   CASE WHEN isfinite(r.raw) THEN r.raw * s.factor + s.zero END AS value{rest}{local_at}{again}
            FROM judging_rows r JOIN judging_series s ON s.series = r.series {notes}
            WHERE r.series BETWEEN {chunk.first} AND {chunk.last}
        ), w AS (
            SELECT *, lag(value) OVER w AS before, lead(value) OVER w AS after, row_number() OVER w AS row_place,
                   epoch_us(interval_start_at) - epoch_us(lag(interval_start_at) OVER w) AS gap_us,
                   {turned} AS is_turned
            FROM taken WINDOW w AS (PARTITION BY sensor{", is_again" if noted else ""} ORDER BY interval_start_at)
        ), limited AS ({limits})
        SELECT series, source_row, interval_start_at, raw{rest}{", note" if noted else ""},
               CASE WHEN NOT {is_again} THEN (row_place - 1)::UINTEGER END AS place,
               CASE WHEN gap_us IS NOT NULL THEN least(gap_us // 1000, 4294967295) END::UINTEGER AS gap_ms,
               ({marks} + CASE WHEN gap_us = 0 OR is_turned THEN {ODD} ELSE 0 END)::USMALLINT AS marks{more}
        FROM limited w {usual if timezone else ""} {near if neighbours else ""}
        """
    )


def _limits(connection: Connection, chunk: Chunk) -> tuple[str, dict[str, object] | None]:
    """SQL that puts thresholds beside rows, as constants where all sensors share them; and those constants."""
    found = connection.execute(
        f"SELECT DISTINCT {', '.join(LIMITS)} FROM judging_limits "
        "SEMI JOIN (SELECT sensor FROM judging_series WHERE series BETWEEN ? AND ?) USING (sensor)",
        [chunk.first, chunk.last],
    ).fetchall()
    if len(found) > 1:
        return "SELECT w.*, l.* EXCLUDE (sensor) FROM w JOIN judging_limits l ON l.sensor = w.sensor", None
    shared = dict(zip(LIMITS, found[0], strict=True))
    constants = ", ".join(f"{'NULL' if value is None else value}::{LIMITS[name]} AS {name}" for name, value in shared.items())
    return f"SELECT *, {constants} FROM w", shared


def _all_good(shared: dict[str, object]) -> str:
    """SQL that is true of most readings: in range, no spike, no step, none missing."""
    tests = ["isfinite(raw)"]
    tests += [f"value >= {end}" for end in ("fail_low", "suspect_low") if shared[end] is not None]
    tests += [f"value <= {end}" for end in ("fail_high", "suspect_high") if shared[end] is not None]
    tests += [f"{AVERAGE} <= {most}" for most in ("spike_suspect", "spike_fail") if shared[most] is not None][:1]
    tests += [f"{RATE} <= rate_suspect"] if shared["rate_suspect"] is not None else []
    return " AND ".join(tests)


def _good_marks(shared: dict[str, object]) -> int:
    """The marks of a reading that is good, or not evaluated, by each test."""
    gross, rate = (1 if shared[name] is not None else 2 for name in ("fail_low", "rate_suspect"))
    spike = 1 if shared["spike_suspect"] is not None or shared["spike_fail"] is not None else 2
    return gross + spike * 16 + rate * 256
