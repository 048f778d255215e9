"""The gate parts good rows from bad ones, loses none, and reports on every rule."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract import ContractError, load_contract
from data_contracts.gate import check, check_file
from tests.data_contracts.conftest import HOURLY, contract_with, hourly, judge, rule


def test_good_rows_pass_and_keep_the_contracts_columns() -> None:
    with duckdb.connect() as connection:
        hourly(connection)
        report = judge(connection)
        names = [row[0] for row in connection.execute("DESCRIBE good").fetchall()]
    assert report.passed and report.rows == report.accepted == 20 and report.quarantined == 0
    assert names == list(HOURLY.column_names)


@pytest.mark.parametrize(
    ("change", "broken", "reason"),
    [
        ("site_id = NULL", "site_id.required", "site_id is NULL, expected a value"),
        ("site_id = 'Mill Lane'", "site_id.pattern", "site_id is 'Mill Lane', expected text like ^[a-z0-9_]+$"),
        ("road_user = 'ghost'", "road_user.invalidValues", "road_user is 'ghost', expected one of pedestrian"),
        ("crossings = -4", "crossings.minimum", "crossings is -4, expected 0 or more"),
        ("crossings = 20001", "crossings.maximum", "crossings is 20001, expected 20000 or less"),
        ("crossings = NULL", "crossings.required", "crossings is NULL, expected a value"),
        ("coverage = 1.01", "coverage.maximum", "coverage is 1.01, expected 1 or less"),
        ("coverage = 'nan'", "coverage.finite", "coverage is nan, expected a finite number"),
        (
            "interval_start_at = '2026-03-02 00:00:00Z'",
            "primary_key",
            "site_id, road_user, interval_start_at is 'mill_lane', 'car', 2026-03-02T00:00:00Z",
        ),
        ("flags = 'late,stuck_zero'", "no_stuck_sensor", "a stuck sensor is missing, not zero"),
        ("flags = 'copied_day'", "no_copied_day", "a day copied from another was not measured"),
        ("flags = 'nonexistent_hour'", "hour_exists", "an hour skipped when the clocks go forward"),
    ],
)
def test_a_planted_fault_lands_in_quarantine_under_its_rule(change: str, broken: str, reason: str) -> None:
    with duckdb.connect() as connection:
        hourly(connection)
        connection.execute(f"UPDATE counts SET {change} WHERE source_row = 7")
        report = judge(connection)
        refused = connection.execute("SELECT source_row, rules, reasons FROM bad").fetchall()
    assert (report.accepted, report.quarantined) == (19, 1)
    assert refused[0][0] == 7
    assert broken in refused[0][1]
    assert refused[0][2][refused[0][1].index(broken)].startswith(reason)
    assert rule(report, broken).failed_rows == 1


def test_of_duplicates_the_first_source_row_is_kept() -> None:
    with duckdb.connect() as connection:
        hourly(connection, 3)
        connection.execute("INSERT INTO counts SELECT source_row - 10, * EXCLUDE source_row FROM counts WHERE source_row = 2")
        report = judge(connection)
        refused = connection.execute("SELECT source_row, rules FROM bad").fetchall()
    assert report.accepted == 3
    assert refused == [(2, ["primary_key"])]  # row -8 comes first by its number, though last in the table


def test_a_row_that_is_refused_anyway_takes_no_key_from_a_good_one() -> None:
    with duckdb.connect() as connection:
        hourly(connection, 3)
        connection.execute("INSERT INTO counts SELECT source_row + 10, * EXCLUDE source_row FROM counts")
        connection.execute("UPDATE counts SET crossings = -1 WHERE source_row = 2")
        judge(connection)
        refused = connection.execute("SELECT source_row, rules FROM bad ORDER BY 1").fetchall()
        kept = connection.execute("SELECT count(*), min(crossings) >= 0 FROM good").fetchall()
    assert refused == [(2, ["crossings.minimum"]), (11, ["primary_key"]), (13, ["primary_key"])]
    assert kept == [(3, True)]


def test_a_tolerance_keeps_the_table_but_not_the_rows() -> None:
    with duckdb.connect() as connection:
        hourly(connection)
        connection.execute("UPDATE counts SET flags = 'stuck_zero' WHERE source_row <= 3")
        few = judge(connection)
        connection.execute("UPDATE counts SET flags = 'stuck_zero' WHERE source_row <= 4")
        many = judge(connection)
    assert few.passed and few.quarantined == 3 and rule(few, "no_stuck_sensor").status == "passed"
    assert not many.passed and many.quarantined == 4 and rule(many, "no_stuck_sensor").status == "failed"  # 20 is not below 20


def test_empty_readings_are_refused_within_their_tolerance() -> None:
    contract = load_contract("footfall_readings")
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TEMP TABLE readings AS SELECT i + 1 AS source_row, 'a' AS site_id, '2026-03-02' AS date_label, "
            "'6:00-6:59' AS hour_label, CASE WHEN i >= 3 THEN i::DOUBLE END AS crossings FROM range(10) AS r(i)"
        )
        report = judge(connection, contract, "readings")
    assert report.passed and (report.accepted, report.quarantined) == (7, 3)
    assert rule(report, "crossings.required").failed_rows == rule(report, "crossings.nullValues").failed_rows == 3


def test_the_report_has_the_keys_of_the_interface() -> None:
    with duckdb.connect() as connection:
        hourly(connection)
        report = judge(connection)
    document = json.loads(json.dumps(report.to_dict()))
    assert set(document) == {"contract", "version", "rows", "accepted", "quarantined", "passed", "rules"}
    assert all(set(entry) == {"rule", "severity", "status", "failed_rows", "reason"} for entry in document["rules"])
    found = json.loads(json.dumps(report.expectations))
    assert found["suite_name"] == "counts_hourly"
    executed = [entry for entry in report.rules if entry.status != "skipped"]
    assert found["statistics"]["evaluated_expectations"] == len(executed) + 1  # and the number of rows


def test_the_same_table_gives_the_same_report_to_the_byte() -> None:
    documents = []
    for _ in range(2):
        with duckdb.connect() as connection:
            hourly(connection)
            report = judge(connection)
            documents.append(json.dumps([report.to_dict(), report.expectations]))
    assert documents[0] == documents[1]


def test_tables_are_judged_in_threads() -> None:
    def one(rows: int) -> int:
        with duckdb.connect() as connection:
            hourly(connection, rows)
            return judge(connection).accepted

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(1, 9))) == list(range(1, 9))


def test_a_faulty_rule_leaves_the_callers_transaction_alive() -> None:
    quality = json.dumps({"type": "sql", "name": "own", "query": "SELECT nothing FROM ${table}", "mustBe": 0})
    with duckdb.connect() as connection:
        connection.execute("BEGIN; CREATE TABLE things AS SELECT 1::INTEGER AS value")
        with pytest.raises(ContractError, match="does not run"):
            judge(connection, contract_with("logicalType: integer, physicalType: INTEGER", quality), "things")
        connection.execute("COMMIT")
        assert connection.execute("SELECT * FROM things").fetchall() == [(1,)]


def test_the_callers_connection_is_left_as_it_was() -> None:
    with duckdb.connect() as connection:
        hourly(connection)
        connection.execute("BEGIN")
        judge(connection)
        tables = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
        connection.execute("COMMIT")
        assert tables == {"counts", "good", "bad"}
        assert connection.execute("SELECT count(*) FROM counts").fetchone() == (20,)


def test_a_view_and_a_qualified_name_can_be_judged() -> None:
    with duckdb.connect() as connection:
        hourly(connection)
        connection.execute("CREATE TEMP VIEW seen AS SELECT * FROM counts")
        connection.execute("ATTACH ':memory:' AS other; CREATE TABLE other.main.counts AS FROM counts")
        assert judge(connection, relation="seen").passed
        assert judge(connection, relation="other.main.counts").passed


def test_columns_must_be_the_contracts() -> None:
    with duckdb.connect() as connection:
        hourly(connection)
        connection.execute("ALTER TABLE counts RENAME crossings TO crosings; ALTER TABLE counts ADD COLUMN track_id INTEGER")
        with pytest.raises(ContractError) as raised:
            judge(connection)
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("counts: column 'crossings' is missing") and "did you mean 'crosings'?" in lines[0]
    assert any("column 'track_id' is forbidden by counts_hourly" in line for line in lines)
    with duckdb.connect() as connection, pytest.raises(ContractError, match="no such table"):
        judge(connection)


def test_extra_columns_are_dropped_where_the_contract_says_so() -> None:
    contract = contract_with("logicalType: integer", custom="{property: testbed.extra_columns, value: dropped}")
    with duckdb.connect() as connection:
        connection.execute("CREATE TEMP TABLE things AS SELECT 1 AS value, 2 AS other")
        assert judge(connection, contract, "things").accepted == 1
        assert connection.execute("SELECT * FROM good").fetchall() == [(1,)]


def test_the_three_tables_need_three_names() -> None:
    with duckdb.connect() as connection:
        hourly(connection)
        with pytest.raises(ContractError, match="three names"):
            check(connection, "counts", HOURLY, accepted="counts", quarantined="bad")


SITES = st.sampled_from(["mill_lane", "oak_road", "Bad Site", None])
USERS = st.sampled_from(["car", "cyclist", "ghost", None])
FLAGS = st.sampled_from([None, "", "stuck_zero", "late,copied_day", "nonexistent_hour"])
ROWS = st.lists(
    st.tuples(
        SITES, USERS, st.integers(0, 3), st.integers(-2, 20002), st.sampled_from([0.0, 1.0, 1.5, float("nan"), None]), FLAGS
    ),
    max_size=30,
)


@settings(max_examples=15, deadline=None)
@given(rows=ROWS)
def test_no_row_is_lost_and_each_is_judged_as_by_hand(rows: list[tuple[Any, ...]]) -> None:
    with duckdb.connect() as connection:
        hourly(connection, 0)
        values = [[i + 1, site, user, f"2026-03-02 0{hour}:00:00Z", *rest] for i, (site, user, hour, *rest) in enumerate(rows)]
        if values:
            connection.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        report = judge(connection)
        refused = dict(connection.execute("SELECT source_row, rules FROM bad").fetchall())
    assert report.rows == len(rows) == report.accepted + report.quarantined
    seen: set[tuple[Any, ...]] = set()
    for i, (site, user, hour, crossings, coverage, flags) in enumerate(rows):
        key = (site, user, hour)
        expected = {
            "site_id.required": site is None,
            "site_id.pattern": site == "Bad Site",
            "road_user.required": user is None,
            "road_user.invalidValues": user == "ghost",
            "crossings.minimum": crossings < 0,
            "crossings.maximum": crossings > 20000,
            "coverage.required": coverage is None,
            "coverage.finite": coverage is not None and coverage != coverage,
            "coverage.maximum": coverage is not None and not coverage <= 1,  # DuckDB: NaN is above every number
            "no_stuck_sensor": "stuck_zero" in (flags or ""),
            "no_copied_day": "copied_day" in (flags or ""),
            "hour_exists": "nonexistent_hour" in (flags or ""),
        }
        if not any(expected.values()) and None not in key:  # a row that is refused anyway keeps no key
            expected["primary_key"] = key in seen
            seen.add(key)
        assert set(refused.get(i + 1, [])) == {name for name, broken in expected.items() if broken}


def test_check_file_reads_as_text_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text(
        "site_id,road_user,interval_start_at,crossings,coverage,flags\n"
        "mill_lane,car,2026-03-02T06:00:00Z,abc,1,\n"
        "mill_lane,car,2026-03-02T07:00:00Z,12,1,\n",
        encoding="utf-8",
    )
    with duckdb.connect() as connection:
        report = check_file(connection, path, HOURLY)
        refused = connection.execute("SELECT source_row, reasons FROM quarantined").fetchall()
        path.write_text("site_id\nx\n", encoding="utf-8")
        with pytest.raises(ContractError) as raised:
            check_file(connection, path, HOURLY)
    assert (report.accepted, report.quarantined) == (1, 1)
    assert refused == [
        (
            1,
            [
                "crossings is 'abc', expected integer",
            ],
        )
    ]
    assert str(raised.value).startswith(f"{path}: column 'road_user' is missing")
