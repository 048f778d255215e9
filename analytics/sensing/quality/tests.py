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
from analytics.sensing.quality.order import DIGIT, MISSING, TESTS, beside
from analytics.sensing.quality.series import LIMITS, Chunk

GROSS_RANGE = """
    CASE WHEN raw IS NULL OR isnan(raw) THEN 9 WHEN fail_low IS NULL THEN 2
         WHEN value IS NULL OR value < fail_low OR value > fail_high THEN 4
         WHEN value < suspect_low OR value > suspect_high THEN 3 ELSE 1 END
"""
SPIKE = """
    CASE WHEN sensor IS NULL THEN 2 WHEN value IS NULL THEN 9
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
    CASE WHEN sensor IS NULL THEN 2 WHEN value IS NULL THEN 9 WHEN rate_suspect IS NULL THEN 2
         WHEN {RATE} > rate_fail THEN 4 WHEN {RATE} > rate_suspect THEN 3 ELSE 1 END
"""
IS_EVALUATED = {
    "gross_range": "fail_low IS NOT NULL",
    "spike": "coalesce(spike_suspect, spike_fail) IS NOT NULL",
    "rate_of_change": "rate_suspect IS NOT NULL",
    "flat_line": "flat_rows IS NOT NULL",
    "attenuated_signal": "least IS NOT NULL",
}
"""Whether a sensor has a test at all: SQL over `judging_limits` and `judging_pace`."""
STRETCHES = ("flat_line", "attenuated_signal")


def take_good(connection: Connection, chunk: Chunk, *, climatology: bool, neighbours: bool) -> None:
    """Append to `judging_good`: `sensor`, `good` (the flags of a reading that is simply good) and `together` (all as one flag).

    Args:
        connection: Holds what `take_series` and `take_pace` made.
        chunk: The sensors.
        climatology: Whether `judging_usual` is there.
        neighbours: Whether `judging_nearby` is there.
    """
    is_evaluated = {
        **IS_EVALUATED,
        "climatology": "sensor IN (SELECT sensor FROM judging_usual)" if climatology else "false",
        "neighbour": "sensor IN (SELECT sensor FROM judging_nearby)" if neighbours else "false",
    }
    good = " + ".join(f"CASE WHEN {is_evaluated[name]} THEN 1 ELSE 2 END * {DIGIT[name]}" for name in TESTS)
    together = " OR ".join(f"({is_evaluated[name]})" for name in TESTS)
    connection.execute(
        f"INSERT INTO judging_good SELECT sensor, {good}, CASE WHEN {together} THEN 1 ELSE 2 END "
        "FROM judging_limits JOIN judging_pace USING (sensor) "
        f"WHERE sensor IN (SELECT sensor FROM judging_series WHERE series BETWEEN {chunk.first} AND {chunk.last})"
    )


def judge_neighbours_in_time(connection: Connection, chunk: Chunk) -> None:
    """Judge the readings of `judging_chunk` by themselves and by those beside them; appends to `judging_marks`.

    Args:
        connection: Holds what `take_series`, `order_rows` and `take_good` made.
        chunk: The sensors.
    """
    limits, shared = _limits(connection, chunk)
    steps = shared is None or shared["spike_is_step"]
    spike = SPIKE.format(stands_out=DIFFERENTIAL if steps else AVERAGE)
    missing = " + ".join([f"{MISSING}", *(f"9 * {DIGIT[name]}" for name in TESTS[3:])])
    again = " + ".join(f"2 * {DIGIT[name]}" for name in STRETCHES)
    places = DIGIT["climatology"]
    rest = (
        f"CASE WHEN value IS NULL THEN {missing} WHEN sensor IS NULL THEN good // {places} * {places} + {again} "
        f"ELSE good // {DIGIT['flat_line']} * {DIGIT['flat_line']} END"
    )
    own = "" if shared is None else f"WHERE ({_is_good(shared)}) IS NOT TRUE"
    connection.execute(
        f"""
        INSERT INTO judging_marks
        WITH beside AS ({beside(connection, COLUMNS)}), odd AS (
            SELECT place, series, beside.sensor, raw, CASE WHEN isfinite(measured) THEN measured END AS value,
                   CASE WHEN sensor_before = beside.sensor AND isfinite(before) THEN before END AS before,
                   CASE WHEN sensor_after = beside.sensor AND isfinite(after) THEN after END AS after,
                   CASE WHEN sensor_before = beside.sensor THEN gap_us END AS gap_us
            FROM beside {own}
        ), limited AS (
            SELECT place, odd.sensor, value, raw, before, after, gap_us, good, {limits}
            FROM odd JOIN judging_series s USING (series) JOIN judging_good g ON g.sensor = s.sensor
                 JOIN judging_limits l ON l.sensor = s.sensor
        ), told AS (
            SELECT place, ({GROSS_RANGE}) + ({spike}) * {DIGIT["spike"]} + ({RATE_OF_CHANGE}) * {DIGIT["rate_of_change"]}
                   + {rest} - good AS marks
            FROM limited
        )
        SELECT place, sum(marks) FROM told WHERE marks <> 0 GROUP BY place -- grouping is done by all threads
        """
    )


COLUMNS = (
    "series", "raw", "measured", "lag(measured) OVER () AS before", "lead(measured) OVER () AS after",
    "epoch_us(interval_start_at) - epoch_us(lag(interval_start_at) OVER ()) AS gap_us",
)  # fmt: skip


def judge_against(connection: Connection, name: str, flag: str, *, table: str, same: str) -> None:
    """Judge the readings of `judging_chunk` by what is usual, or by what is near; appends to `judging_marks`.

    Args:
        connection: Holds what `take_series`, `order_rows` and `take_good` made.
        name: The test.
        flag: SQL of its flag.
        table: What it needs to know, `judging_usual` or `judging_nearby`.
        same: SQL that tells which of its rows belong to a reading.
    """
    connection.execute(
        f"""
        INSERT INTO judging_marks
        WITH told AS (
            SELECT place, ({flag}) - good // {DIGIT[name]} % 16 AS above
            FROM judging_chunk c JOIN judging_series s USING (series) JOIN judging_good g ON g.sensor = s.sensor
                 JOIN judging_limits l ON l.sensor = s.sensor LEFT JOIN {table} m ON m.sensor = s.sensor AND {same}
            WHERE value IS NOT NULL
        )
        SELECT place, above * {DIGIT[name]} FROM told WHERE above <> 0
        """
    )


def _limits(connection: Connection, chunk: Chunk) -> tuple[str, dict[str, object] | None]:
    """SQL of thresholds, as constants where all sensors share them; and those constants."""
    found = connection.execute(
        f"SELECT DISTINCT {', '.join(LIMITS)} FROM judging_limits "
        "SEMI JOIN (SELECT sensor FROM judging_series WHERE series BETWEEN ? AND ?) USING (sensor)",
        [chunk.first, chunk.last],
    ).fetchall()
    if len(found) != 1:
        return "l.* EXCLUDE (sensor)", None
    shared = dict(zip(LIMITS, found[0], strict=True))
    return ", ".join(
        f"{'NULL' if value is None else value}::{LIMITS[name]} AS {name}" for name, value in shared.items()
    ), shared


def _is_good(shared: dict[str, object]) -> str:
    """SQL that is true of most readings: among others of its sensor, in range, no spike, no step, none missing."""

    def given(*names: str) -> list[float]:
        return [float(str(shared[name])) for name in names if shared[name] is not None]

    lows, highs, spikes, rates = (
        given("fail_low", "suspect_low"), given("fail_high", "suspect_high"), given("spike_suspect", "spike_fail"),
        given("rate_suspect", "rate_fail") if shared["rate_suspect"] is not None else [],
    )  # fmt: skip
    tests = ["sensor_before = sensor AND sensor_after = sensor"]
    # NaN is above every number
    tests += [f"value >= {max(lows)} AND value <= {min(highs)}" if lows else "isfinite(value)"]
    if spikes and shared["spike_is_step"]:  # a value that stands out does so from both sides
        tests += [f"abs(value - before) <= {min(spikes)} AND abs(after - value) <= {min(spikes)}"]
    elif spikes:
        tests += [f"{AVERAGE} <= {min(spikes)}"]
    tests += [f"{RATE} <= {min(rates)}"] if rates else []
    return " AND ".join(tests).replace("value", "measured")
