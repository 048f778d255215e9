"""Judging sensor readings: a CSV to flags and hours against DuckDB's own copy of it, and the tests alone against ioos_qc.

    python tests/benchmarks/bench_sensing.py [copy] [qartod]

`copy`: 500 sensors of particles at 1 minute, `BENCH_ROWS` readings (50 million) in one CSV in order of time, as networks write
them: read, converted, every test that has thresholds, a flag of each test for each reading kept, hours made. Against `COPY csv
TO parquet` of the same file with the same threads. One sensor in fifty is stuck for hours, one in fifty is out of range. Peak
memory is that of a process that does our work alone. `qartod`: the five tests that both have, over the same sensors, from
readings in memory, in order of time, to flags in memory. `BENCH_RUNS` (5) runs each, in turn, after one that does not count.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from ratio import compare, report

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

SENSORS = 500
MEMORY = "2500MiB"
"""What DuckDB may take of our work."""


def value_of(sensor: str, minute: str) -> str:
    """SQL of a plausible PM2.5: a day's course, weather, noise, and faults."""
    day = f"(6 * sin({minute} / 229.2) + 5 * sin({minute} / 1900.0 + {sensor}))"
    noise = f"(hash({minute} * 1000 + {sensor}) % 1000 / 1000.0)"
    return (
        f"CASE WHEN {sensor} % 50 = 7 AND {minute} % 7000 < 600 THEN 7.0 "
        f"WHEN {sensor} % 50 = 9 AND {minute} % 900 = 5 THEN 1500 "
        f"ELSE round(14 + {day} + {noise}, 1) END"
    )


def make_csv(path: Path, rows: int) -> None:
    """One reading a line, all sensors of a minute together."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    connection.execute(
        f"COPY (SELECT 'sensor_' || lpad((i % {SENSORS})::VARCHAR, 4, '0') AS site_id, 'pm25' AS observed_property, "
        f"strftime(TIMESTAMP '2026-01-01' + to_minutes(i // {SENSORS}), '%Y-%m-%dT%H:%M:%SZ') AS interval_start_at, "
        f"{value_of(f'(i % {SENSORS})', f'(i // {SENSORS})')} AS value, 'ug/m3' AS unit FROM range({rows}) r(i)) TO '{path}'"
    )
    connection.close()


def hours_of(path: Path) -> int:
    """Our work: how many hours it makes."""
    from analytics.lake import memory
    from analytics.sensing.hourly import sense_hourly

    with memory(MEMORY) as connection:
        connection.execute(
            f"CREATE TEMP VIEW readings AS FROM read_csv('{path}', header = true, columns = {{'site_id': 'VARCHAR', "
            "'observed_property': 'VARCHAR', 'interval_start_at': 'TIMESTAMPTZ', 'value': 'DOUBLE', 'unit': 'VARCHAR'})"
        )
        sense_hourly(connection, "readings", table="hours", timezone="UTC", search_faults=False)
        row = connection.execute("SELECT count(*) FROM hours").fetchone()
        assert row is not None
        return int(row[0])


def copy_of(path: Path) -> None:
    """The rival's work."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"COPY (FROM '{path}') TO '{path.with_suffix('.parquet')}' (FORMAT parquet)")
    connection.close()


def against_copy(rows: int, runs: int) -> None:
    """A CSV to flags and hours, against COPY to Parquet."""
    with tempfile.TemporaryDirectory(prefix="bench-sensing-", dir=os.environ.get("BENCH_FOLDER")) as folder:
        path = Path(folder) / "readings.csv"
        make_csv(path, rows)
        ours, theirs = [], []
        for number in range(runs + 1):
            started = time.perf_counter()
            hours_of(path)
            between = time.perf_counter()
            copy_of(path)
            if number:
                ours.append(between - started)
                theirs.append(time.perf_counter() - between)
        peak = subprocess.run([sys.executable, __file__, "--memory", str(path)], check=True, capture_output=True, text=True)
        extra = {"rows": rows, "sensors": SENSORS, "ours_mib": int(peak.stdout), "memory_target_mib": 4096}
        report(
            "sensing_csv_to_hours", statistics.median(ours), "DuckDB COPY csv TO parquet", statistics.median(theirs),
            target=3, runs=runs, extra=extra,
        )  # fmt: skip


def against_ioos(rows: int, runs: int) -> None:
    """The five tests alone, against ioos_qc: from each sensor's readings in order of time to a flag of each test."""
    import numpy as np
    from ioos_qc import qartod

    from analytics.lake import memory
    from analytics.sensing import judge
    from analytics.sensing.quality.order import order_rows
    from analytics.sensing.quality.thresholds import load_thresholds
    from analytics.sensing.quality.windows import take_pace

    thresholds = load_thresholds()
    tests = thresholds.of("pm25")
    assert tests.gross_range and tests.spike and tests.rate_of_change and tests.flat_line and tests.attenuated_signal
    gross, spike, rate, flat, vary = (
        tests.gross_range, tests.spike, tests.rate_of_change, tests.flat_line, tests.attenuated_signal
    )  # fmt: skip
    with memory(MEMORY) as connection:
        connection.execute(
            f"CREATE TEMP TABLE readings AS SELECT i + 1 AS source_row, 'sensor_' || i % {SENSORS} AS site_id, 'pm25' AS "
            f"observed_property, TIMESTAMPTZ '2026-01-01' + to_minutes(i // {SENSORS}) AS interval_start_at, "
            f"{value_of(f'(i % {SENSORS})', f'(i // {SENSORS})')}::DOUBLE AS value, 'ug/m3' AS unit FROM range({rows}) r(i)"
        )
        series = []
        for number in range(SENSORS):
            found = connection.execute(
                "SELECT value, interval_start_at::TIMESTAMP AS instant FROM readings WHERE site_id = ? ORDER BY instant",
                [f"sensor_{number}"],
            ).fetchnumpy()
            series.append((np.asarray(found["value"]), found["instant"].astype("datetime64[ns]")))
        with judge.judged(connection, "readings", timezone="UTC") as (judged, _):
            (chunk,) = judged.chunks
            order_rows(connection, chunk, kept=(), noted=False)

            def ours() -> None:
                take_pace(connection, chunk, is_ordered=True)
                judge.judge_ordered(connection, chunk)
                judge.show_judged(connection, chunk, (), noted=False)
                connection.execute(
                    "CREATE OR REPLACE TEMP TABLE flags AS SELECT gross_range, spike, rate_of_change, flat_line, "
                    "attenuated_signal FROM judging_judged"
                )

            def theirs() -> None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    for values, instants in series:
                        qartod.gross_range_test(values, gross.fail, gross.suspect)
                        qartod.spike_test(values, spike.suspect, spike.fail)
                        qartod.rate_of_change_test(values, instants, rate.suspect)
                        qartod.flat_line_test(values, instants, int(flat.suspect_s), int(flat.fail_s), flat.tolerance)
                        window_s = int(vary.window_s)
                        qartod.attenuated_signal_test(values, instants, vary.suspect, -1, window_s, min_period=window_s // 2)

            compare(f"sensing_qartod_{rows // 1000}k", ours, "ioos_qc", theirs, target=1 / 15, runs=runs)


def main() -> None:
    """Run what is named, or both."""
    if sys.argv[1:2] == ["--memory"]:
        hours_of(Path(sys.argv[2]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        return
    runs, rows = int(os.environ.get("BENCH_RUNS", "5")), int(os.environ.get("BENCH_ROWS", "50000000"))
    names = sys.argv[1:] or ["copy", "qartod"]
    if "copy" in names:
        against_copy(rows, runs)
    if "qartod" in names:
        against_ioos(min(rows, 5_000_000), runs)


if __name__ == "__main__":
    main()
