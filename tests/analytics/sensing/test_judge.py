"""Every reading is judged and kept; what came twice or late is said and takes no part in the tests of the others."""

from __future__ import annotations

from typing import Any

import pytest

from analytics.lake import memory
from analytics.sensing import judge
from analytics.sensing.judge import judge_readings
from analytics.sensing.options import JudgeOptions
from analytics.sensing.quality import series
from analytics.sensing.readings import SourceError

COLUMNS = "source_row, qc, spike, flags"


def judged(rows: list[tuple[int, str, float | None]], columns: str = COLUMNS, **params: Any) -> list[tuple[Any, ...]]:
    """Rows of source row, instant and value of one sensor of particles."""
    with memory() as connection:
        connection.execute(
            "CREATE TABLE received (source_row BIGINT, site_id VARCHAR, observed_property VARCHAR, "
            "interval_start_at TIMESTAMPTZ, interval_s DOUBLE, value DOUBLE, unit VARCHAR, coverage DOUBLE, flags VARCHAR)"
        )
        if rows:
            connection.executemany("INSERT INTO received VALUES (?, 'a', 'PM2.5', ?, 60, ?, 'mg/m3', NULL, NULL)", rows)
        judge_readings(connection, "received", table="judged", timezone="UTC", options=JudgeOptions(**params))
        found = connection.execute(f"SELECT {columns} FROM judged ORDER BY source_row").fetchall()
        left = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        assert {name for (name,) in left} == {"received", "judged"}
        return found


TWICE_AND_LATE = [
    (1, "2026-03-01T10:00:00Z", 0.005),
    (2, "2026-03-01T10:02:00Z", 0.006),
    (3, "2026-03-01T10:01:00Z", 0.007),
    (4, "2026-03-01T11:00:00+01:00", 0.005),
    (5, "2026-03-01T10:02:00Z", 0.9),
    (6, "2026-03-01T10:03:00Z", 0.009),
]


def test_duplicates_conflicts_and_late_rows_are_flagged_and_take_no_part() -> None:
    assert judged(TWICE_AND_LATE, thresholds={"pm25": {"rate_of_change": None}}) == [
        (1, 1, 2, None),
        (2, 1, 1, None),
        (3, 1, 1, "out_of_order"),
        (4, 1, 2, "duplicate,out_of_order"),
        (5, 3, 2, "conflict"),
        (6, 1, 2, None),
    ]


def test_the_order_of_rows_changes_no_flag_of_a_test() -> None:
    minutes = [(n, f"2026-03-01T{10 + n // 60}:{n % 60:02}:00Z", 0.001 * (n * n % 17)) for n in range(1, 90)]
    columns = "interval_start_at, gross_range, spike, rate_of_change, flat_line, attenuated_signal, qc"
    in_order = judged(minutes, columns)
    backwards = judged([(91 - n, when, value) for n, when, value in minutes], columns)
    assert sorted(in_order) == sorted(backwards)


def test_values_are_kept_in_one_unit_and_as_received() -> None:
    columns = "value, unit, raw_value, raw_unit, observed_property, interval_s, gross_range, qc, thresholds_version"
    found = judged([(1, "2026-03-01T10:00:00Z", 0.6), (2, "2026-03-01T10:01:00Z", None)], columns)
    assert found[0][:-1] == (pytest.approx(600), "ug/m3", 0.6, "mg/m3", "pm25", 60, 3, 3)
    assert found[1][:-1] == (None, "ug/m3", None, "mg/m3", "pm25", 60, 9, 9)
    changed = judged([(1, "2026-03-01T10:00:00Z", 0.6)], columns, thresholds={"pm25": {"gross_range": None}})
    assert changed[0][-2] == 1
    assert changed[0][-1].startswith(found[0][-1] + "+")


def test_sensors_are_judged_alike_in_one_chunk_or_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    def network() -> list[tuple[Any, ...]]:
        with memory() as connection:
            connection.execute(
                "CREATE TABLE received AS SELECT i + 1 AS source_row, 'site_' || i % 7 AS site_id, "
                "'pm25' AS observed_property, "
                "TIMESTAMPTZ '2026-01-01' + to_minutes(i // 7 * 10) AS interval_start_at, "
                "CASE WHEN i % 7 = 3 THEN 5 ELSE hash(i) % 1000 / 10.0 END AS value, 'ug/m3' AS unit FROM range(2100) r(i)"
            )
            judge_readings(connection, "received", table="judged", timezone="UTC")
            return connection.execute("FROM judged ORDER BY source_row").fetchall()

    at_once = network()
    monkeypatch.setattr(series, "CHUNK_ROWS", 500)
    assert network() == at_once
    assert {row[at_once[0].index("pm25") - 1] for row in at_once if 4 in row[-10:-2]} >= {"site_3"}


def test_no_rows_are_no_error() -> None:
    assert judged([]) == []


def test_an_unknown_time_zone_is_an_error_of_one_line() -> None:
    with pytest.raises(SourceError, match=r"timezone 'Mars' is unknown; expected an IANA name"), memory() as connection:
        judge_readings(connection, "received", table="judged", timezone="Mars")


def test_all_flags_together_follow_the_manuals_priority() -> None:
    with memory() as connection:
        for flags, together in (((1, 3, 4, 9, 2, 2, 2), 4), ((1, 3, 2, 2, 2, 9, 1), 3), ((2, 1, 2, 9, 2, 2, 2), 1),
                                ((2, 9, 2, 2, 2, 2, 2), 2), ((9,) * 7, 9)):  # fmt: skip
            columns = ", ".join(f"{flag} AS {name}" for flag, name in zip(flags, judge.TESTS, strict=True))
            assert connection.execute(f"SELECT {judge.AGGREGATE} FROM (SELECT {columns})").fetchall() == [(together,)]
