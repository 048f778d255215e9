"""Readings come into order; what came twice or late is said, nothing is dropped."""

from __future__ import annotations

from analytics.lake import memory
from analytics.sensing.judge import prepare
from analytics.sensing.readings import Reading, write_readings


def prepared(rows: list[tuple[int, str, float]]) -> dict[int, str | None]:
    readings = [Reading(n, "a", "pm25", at, 60, str(value), "µg/m³") for n, at, value in rows]
    with memory() as connection:
        write_readings(connection, readings, table="read")
        connection.execute(
            "CREATE TEMP TABLE received AS SELECT * REPLACE (interval_start_at::TIMESTAMPTZ AS interval_start_at, "
            "value::DOUBLE AS value) FROM read"
        )
        prepare(connection, "received", table="prepared")
        return dict(connection.execute("SELECT source_row, flags FROM prepared").fetchall())


def test_duplicates_conflicts_and_late_rows_are_flagged_and_kept() -> None:
    flags = prepared(
        [
            (1, "2026-03-01T10:00:00Z", 5.0),
            (2, "2026-03-01T10:02:00Z", 6.0),
            (3, "2026-03-01T10:01:00Z", 7.0),
            (4, "2026-03-01T11:00:00+01:00", 5.0),
            (5, "2026-03-01T10:02:00Z", 9.0),
            (6, "2026-03-01T10:03:00Z", 9.0),
        ]
    )
    assert flags == {1: None, 2: None, 3: "out_of_order", 4: "duplicate,out_of_order", 5: "conflict", 6: None}


def test_no_rows_are_no_error() -> None:
    assert prepared([]) == {}
