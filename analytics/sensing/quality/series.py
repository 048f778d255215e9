"""What is judged: every series of a table of readings, and its rows in a form that is small and quick to sort.

A series is what one sensor sends in one unit; a sensor is one observed property at one site. Both get numbers, so that text is
looked at once, and thresholds stand beside the sensor's number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analytics.lake import Connection
from analytics.sensing.quality.thresholds import Tests, Thresholds
from analytics.sensing.readings import quoted
from analytics.sensing.units import conversion, known_property

CHUNK_ROWS = 5_000_000
"""So many readings, of whole sensors, are sorted at once: what bounds the memory."""
SAMPLE_ROWS = 100_000
"""A view, such as of a file, is searched for series so far; only where there are others later it is read once more."""

LIMITS = {
    "fail_low": "DOUBLE", "fail_high": "DOUBLE", "suspect_low": "DOUBLE", "suspect_high": "DOUBLE",
    "spike_suspect": "DOUBLE", "spike_fail": "DOUBLE", "spike_is_step": "BOOLEAN",
    "rate_suspect": "DOUBLE", "rate_fail": "DOUBLE",
    "flat_below": "DOUBLE", "flat_suspect_s": "DOUBLE", "flat_fail_s": "DOUBLE",
    "vary_suspect": "DOUBLE", "vary_fail": "DOUBLE", "vary_is_range": "BOOLEAN", "vary_us": "BIGINT", "vary_min_s": "DOUBLE",
    "near_times": "DOUBLE", "near_floor": "DOUBLE", "near_us": "BIGINT", "near_least": "INTEGER",
}  # fmt: skip
"""Columns of a sensor's thresholds; null where a test is not evaluated."""


@dataclass(frozen=True)
class Chunk:
    """Some sensors that are judged together.

    Attributes:
        first: Number of their first series.
        last: Number of their last series.
        observed: What they observe.
    """

    first: int
    last: int
    observed: frozenset[str]


@dataclass(frozen=True)
class Series:
    """All series of a table of readings.

    Attributes:
        chunks: The chunks they are judged in.
        observed: All that is observed.
        kept: Which of `coverage` and `flags` any reading has.
        is_ordered: Whether readings have a `source_row`; without, nobody can tell whether one came late.
    """

    chunks: tuple[Chunk, ...]
    observed: frozenset[str]
    kept: tuple[str, ...]
    is_ordered: bool


def take_series(connection: Connection, readings: str, thresholds: Thresholds) -> Series:
    """Number the series of some readings and take their rows in.

    Args:
        connection: Holds the readings.
        readings: Table or view of contract `sensor_readings`, which may lack `source_row`, `interval_s`,
            `coverage` and `flags`; a view is read once where its first rows name all series.
        thresholds: The thresholds of all tests.

    Returns:
        What there is. Tables `judging_series` (`series`, `sensor`, `site_id`, `observed_property`, `unit`, `raw_unit`,
        `interval_s`, `factor`, `zero`, `hourly`), `judging_limits` (`sensor` and `LIMITS`) and `judging_rows` (`series`,
        `interval_start_at`, `raw`, `source_row` and what is `kept`) are made.

    Raises:
        SourceError: A property or a unit is unknown.
    """
    there = {str(row[0]) for row in connection.execute(f"DESCRIBE {quoted(readings)}").fetchall()}
    is_file = connection.execute("SELECT 1 FROM duckdb_views() WHERE view_name = ?", [readings]).fetchone() is not None
    sampled = f"(FROM {quoted(readings)} LIMIT {SAMPLE_ROWS})" if is_file and not there & {"coverage", "flags"} else None
    series = _number(connection, sampled or quoted(readings), there, thresholds)
    if not _take_rows(connection, readings, there, series.kept) and sampled is not None:
        series = _number(connection, quoted(readings), there, thresholds)
        _take_rows(connection, readings, there, series.kept)
    rows = connection.execute("SELECT series, sensor, observed_property FROM judging_series ORDER BY series").fetchall()
    counts: dict[int, int] = dict(connection.execute("SELECT series, count(*) FROM judging_taken GROUP BY 1").fetchall())
    return replace(series, chunks=tuple(_chunks(rows, [counts.get(row[0], 0) for row in rows])))


def _number(connection: Connection, source: str, there: set[str], thresholds: Thresholds) -> Series:
    """Make `judging_series` and `judging_limits` of the series in a table or query."""
    interval = "interval_s" if "interval_s" in there else "NULL::DOUBLE"
    counts = ", ".join(f"count({name})" if name in there else "0" for name in ("coverage", "flags"))
    found = connection.execute(
        f"SELECT site_id, observed_property, unit, {interval} AS interval_s, {counts} FROM {source} GROUP BY 1, 2, 3, 4"
    ).fetchall()
    kinds = {
        pair: (known_property(pair[0]), conversion(known_property(pair[0]).name, pair[1]))
        for pair in sorted({(str(row[1]), row[2]) for row in found}, key=str)
    }
    found.sort(key=lambda row: (kinds[str(row[1]), row[2]][0].name, row[0], str(row[1]), str(row[2]), row[3] or 0.0))
    sensors: dict[tuple[str, str], int] = {}
    rows = []
    for number, (site, given, raw_unit, interval_s, *_) in enumerate(found):
        kind, how = kinds[str(given), raw_unit]
        sensor = sensors.setdefault((kind.name, site), len(sensors))
        rows.append(
            (number, sensor, site, given, kind.name, how.unit, raw_unit, interval_s, how.factor, how.offset, kind.hourly)
        )
    _write(
        connection,
        "judging_series",
        "series UINTEGER, sensor UINTEGER, site_id VARCHAR, given VARCHAR, observed_property VARCHAR, unit VARCHAR, "
        "raw_unit VARCHAR, interval_s DOUBLE, factor DOUBLE, zero DOUBLE, hourly VARCHAR",
        rows,
    )
    limits = [(number, *_limits(thresholds.of(name))) for (name, _), number in sensors.items()]
    columns = ", ".join(f"{name} {kind}" for name, kind in LIMITS.items())
    _write(connection, "judging_limits", f"sensor UINTEGER, {columns}", limits)
    kept = tuple(name for place, name in enumerate(("coverage", "flags")) if any(row[4 + place] for row in found))
    return Series((), frozenset(name for name, _ in sensors), kept, "source_row" in there)


def _take_rows(connection: Connection, readings: str, there: set[str], kept: tuple[str, ...]) -> bool:
    """Make `judging_rows`; all columns that name a series are compared. Returns whether each row's series has a number."""
    pairs = {"site_id": "site_id", "observed_property": "given", "unit": "raw_unit"}
    if "interval_s" in there:
        pairs["interval_s"] = "interval_s"
    same = " AND ".join(
        f"r.{ours} {'IS NOT DISTINCT FROM' if ours == 'interval_s' else '='} s.{theirs}" for ours, theirs in pairs.items()
    )
    row = "r.source_row, " if "source_row" in there else ""
    rest = "".join(f", r.{name}" for name in kept)
    # hash the few series, not the readings, whose number is unknown in a file
    connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE judging_taken AS SELECT s.series, {row}r.interval_start_at, r.value AS raw{rest} "
        f"FROM {quoted(readings)} r LEFT JOIN judging_series s ON {same}"
    )
    connection.execute("RESET disabled_optimizers")
    number = "* " if row else "*, rowid + 1 AS source_row "
    connection.execute(f"CREATE OR REPLACE TEMP VIEW judging_rows AS SELECT {number}FROM judging_taken")
    return connection.execute("SELECT 1 FROM judging_taken WHERE series IS NULL LIMIT 1").fetchone() is None


def _chunks(rows: Sequence[tuple[object, ...]], counts: Sequence[int]) -> list[Chunk]:
    """Whole sensors, in the order of their numbers, about `CHUNK_ROWS` readings at a time, if possible of one property."""
    chunks: list[list[int]] = []
    size, last_sensor = 0, None
    for number, row in enumerate(rows):
        enough = CHUNK_ROWS if chunks and row[2] == rows[number - 1][2] else CHUNK_ROWS // 10
        if not chunks or (size >= enough and row[1] != last_sensor):
            chunks.append([])
            size = 0
        chunks[-1].append(number)
        size, last_sensor = size + counts[number], row[1]
    return [Chunk(one[0], one[-1], frozenset(str(rows[number][2]) for number in one)) for one in chunks]


def _limits(tests: Tests) -> tuple[object, ...]:
    gross, spike, rate = tests.gross_range, tests.spike, tests.rate_of_change
    flat, vary, near = tests.flat_line, tests.attenuated_signal, tests.neighbour
    return (
        *(gross.fail if gross else (None, None)),
        *((gross and gross.suspect) or (None, None)),
        *((spike.suspect, spike.fail, spike.method == "differential") if spike else (None, None, None)),
        *((rate.suspect, rate.fail) if rate else (None, None)),
        *((flat.tolerance, float(int(flat.suspect_s)), float(int(flat.fail_s))) if flat else (None, None, None)),
        *((vary.suspect, vary.fail, vary.check == "range") if vary else (None, None, None)),
        *((int(vary.window_s * 1e6), vary.window_s / 2 if vary.min_s is None else vary.min_s) if vary else (None, None)),
        *((near.times, near.floor, near.align_s * 1_000_000, near.at_least) if near else (None, None, None, None)),
    )


def _write(connection: Connection, table: str, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Make a small table of Python rows."""
    import pyarrow as pa

    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({columns})")
    if rows:
        arrays = [pa.array(column) for column in zip(*rows, strict=True)]
        connection.register("judging_batch", pa.Table.from_arrays(arrays, names=[f"c{n}" for n in range(len(arrays))]))
        connection.execute(f"INSERT INTO {table} FROM judging_batch")
        connection.unregister("judging_batch")


def drop_series(connection: Connection) -> None:
    """Forget what `take_series` made."""
    connection.execute("DROP VIEW IF EXISTS judging_rows")
    for table in ("judging_taken", "judging_limits", "judging_series"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
