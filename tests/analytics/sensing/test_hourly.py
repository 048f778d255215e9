"""Hours are what their property makes of readings; failures are left out, suspects are in, and both are said."""

from __future__ import annotations

from typing import Any

import pytest

from analytics.lake import memory
from analytics.sensing.hourly import sense_hourly
from analytics.sensing.options import JudgeOptions
from analytics.sensing.readings import Reading, SourceError, write_readings


def hours(rows: list[tuple[str, str, str, float | None, float | None, str]], **params: Any) -> list[tuple[Any, ...]]:
    """Rows of site, property, instant, length in seconds, value, unit."""
    with memory() as connection:
        connection.execute(
            "CREATE TABLE r (source_row BIGINT, site_id VARCHAR, observed_property VARCHAR, interval_start_at TIMESTAMPTZ, "
            "interval_s DOUBLE, value DOUBLE, unit VARCHAR, coverage DOUBLE, flags VARCHAR)"
        )
        for number, row in enumerate(rows, 1):
            connection.execute("INSERT INTO r VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", [number, *row])
        sense_hourly(connection, "r", table="h", timezone="UTC", options=JudgeOptions(**params))
        return connection.execute(
            "SELECT observed_property, strftime(interval_start_at, '%H:%M'), round(value, 4), unit, readings, "
            "round(coverage, 3), flags FROM h ORDER BY 1, 2"
        ).fetchall()


def at(minutes: int) -> str:
    return f"2026-03-01T{10 + minutes // 60:02}:{minutes % 60:02}:00Z"


def test_each_property_becomes_an_hour_in_its_own_way() -> None:
    found = hours(
        [
            *(("a", "pm25", at(n * 15), 900, value, "ug/m3") for n, value in enumerate((4.0, 6.0, 5.0, 9.0))),
            *(("a", "noise_laeq", at(n * 30), 1800, value, "dBA") for n, value in enumerate((60.0, 70.0))),
            *(("a", "wind_direction", at(n * 30), 1800, value, "degree") for n, value in enumerate((350.0, 30.0))),
            *(("a", "pedestrian", at(n * 15), 900, value, "count") for n, value in enumerate((3.0, 0.0, 7.0))),
        ]
    )
    assert found == [
        ("noise_laeq", "10:00", 67.4036, "dBA", 2, 1.0, None),  # 10 lg((10^6 + 10^7) / 2)
        ("pedestrian", "10:00", 10.0, "count", 3, 0.75, None),
        ("pm25", "10:00", 6.0, "ug/m3", 4, 1.0, None),
        ("wind_direction", "10:00", 10.0, "degree", 2, 1.0, None),
    ]


def test_failures_are_left_out_and_suspects_are_in() -> None:
    tests = {"pm25": {"gross_range": {"fail": [0, 100], "suspect": [0, 50]}, "spike": None, "rate_of_change": None}}
    rows = [
        ("a", "pm25", at(n * 20), None, value, "ug/m3") for n, value in enumerate((10.0, 900.0, 20.0, 60.0, 1.0, -9.0, 999.0))
    ]
    assert hours(rows, thresholds=tests) == [
        ("pm25", "10:00", 15.0, "ug/m3", 2, 0.667, "failed"),
        ("pm25", "11:00", 30.5, "ug/m3", 2, 0.667, "failed,suspect"),
    ]


def test_units_are_brought_together_and_repeated_readings_count_once() -> None:
    rows = [
        ("a", "temperature", at(0), 1800, 20.0, "degC"),
        ("a", "temperature", at(30), 1800, 86.0, "degF"),
        ("a", "temperature", at(30), 1800, 86.0, "degF"),
        ("a", "temperature", at(0), 1800, 99.0, "degC"),
    ]
    assert hours(rows, thresholds={"temperature": {"spike": None, "rate_of_change": None}}) == [
        ("temperature", "10:00", 25.0, "degC", 2, 1.0, "failed")
    ]


def test_readings_longer_than_an_hour_are_an_error_of_one_line() -> None:
    with pytest.raises(SourceError, match=r"a: readings of pm25 last 86400 s; expected 3600 s or less"):
        hours([("a", "pm25", at(0), 86400, 5.0, "ug/m3")])


def test_no_readings_make_no_hours() -> None:
    assert hours([]) == []


def test_a_count_of_a_time_in_which_nothing_was_measured_is_no_hour() -> None:
    rows = [
        Reading(n, "a", "car", f"2026-03-01T{n:02}:00:00Z", 3600.0, "0", "count", coverage)
        for n, coverage in ((1, 0.0), (2, 1.0))
    ]
    with memory() as connection:
        write_readings(connection, rows, table="read")
        connection.execute(
            "CREATE TEMP TABLE received AS SELECT * REPLACE (interval_start_at::TIMESTAMPTZ AS interval_start_at, "
            "value::DOUBLE AS value) FROM read"
        )
        sense_hourly(connection, "received", table="hours", timezone="UTC")
        assert connection.execute("SELECT hour(interval_start_at AT TIME ZONE 'UTC'), value FROM hours").fetchall() == [
            (2, 0.0)
        ]
