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

from data_contracts.contract import Contract, ContractError, load_contract, parse_contract
from data_contracts.gate import CheckReport, RuleResult, check, check_file
from data_contracts.rows.quarantine import require_agreement

HOURLY = load_contract("counts_hourly")
HEADER = (
    "source_row BIGINT, site_id VARCHAR, road_user VARCHAR, interval_start_at TIMESTAMPTZ, "
    "crossings INTEGER, coverage DOUBLE, flags VARCHAR"
)


def hourly(connection: duckdb.DuckDBPyConnection, rows: int = 20) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE counts ({HEADER})")
    connection.execute(
        "INSERT INTO counts SELECT i + 1, 'mill_lane', 'car', TIMESTAMPTZ '2026-03-02 00:00:00Z' + INTERVAL (i) HOUR, "
        "100 + i, 1.0, NULL "
        f"FROM range({rows}) AS r(i)"
    )


def judge(connection: duckdb.DuckDBPyConnection, contract: Contract = HOURLY, relation: str = "counts") -> CheckReport:
    return check(connection, relation, contract, accepted="good", quarantined="bad")


def rule(report: CheckReport, name: str) -> RuleResult:
    return next(result for result in report.rules if result.rule == name)


def contract_with(column: str, quality: str = "", custom: str = "") -> Contract:
    return parse_contract(
        f"""
apiVersion: v3.1.0
kind: DataContract
id: things
version: 1.0.0
status: active
customProperties: [{custom}]
schema:
  - name: things
    properties:
      - {{name: value, {column}}}
    quality: [{quality}]
""",
        "things.odcs.yaml",
    )


def judge_values(contract: Contract, values: list[Any], kind: str = "VARCHAR") -> tuple[CheckReport, list[Any]]:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE things (value {kind})")
        if values:
            connection.executemany("INSERT INTO things VALUES (?)", [[value] for value in values])
        report = judge(connection, contract, "things")
        return report, connection.execute("SELECT source_row, rules, reasons, row FROM bad ORDER BY 1").fetchall()


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


@pytest.mark.parametrize(
    ("kind", "good", "bad", "reason"),
    [
        ("integer", ["1", "-2", "3.0", None], "abc", "value is 'abc', expected integer"),
        ("integer", ["1"], "1.5", "value is '1.5', expected integer"),
        ("number", ["1", "2.5", "1e3"], "2,5", "value is '2,5', expected number"),
        ("boolean", ["true", "false"], "maybe", "value is 'maybe', expected boolean"),
        ("date", ["2026-03-02"], "2026-02-30", "value is '2026-02-30', expected date"),
        (
            "timestamp",
            ["2026-03-02T07:00:00Z", "2026-03-02 07:00:00+01:00"],
            "2026-03-02T07:00:00",
            "expected timestamp with its offset",
        ),
        ("timestamp", ["2026-03-02T07:00:00Z"], "2026-03-02", "expected timestamp with its offset from UTC"),
    ],
)
def test_a_value_of_the_wrong_type_refuses_its_row(kind: str, good: list[str], bad: str, reason: str) -> None:
    report, refused = judge_values(contract_with(f"logicalType: {kind}"), [*good, bad])
    assert (report.accepted, report.quarantined) == (len(good), 1)
    assert refused[0][0] == len(good) + 1
    assert refused[0][1] == ["value.type"]
    assert reason in refused[0][2][0]
    assert json.loads(refused[0][3]) == {"value": bad}


def test_an_instant_without_offset_needs_a_default_time_zone() -> None:
    contract = contract_with("logicalType: timestamp, logicalTypeOptions: {defaultTimezone: Etc/UTC}")
    report, _ = judge_values(contract, ["2026-03-02T07:00:00"])
    assert report.accepted == 1


@pytest.mark.parametrize(
    ("quality", "values", "status"),
    [
        ("{metric: rowCount, mustBe: 3}", ["1", "2", "3"], "passed"),
        ("{metric: rowCount, mustBeGreaterThan: 3}", ["1", "2", "3"], "failed"),
        ("{metric: rowCount, mustBeBetween: [3, 5]}", ["1", "2", "3"], "failed"),  # the standard's words: > and <
        ("{metric: rowCount, mustNotBeBetween: [3, 5]}", ["1", "2", "3"], "passed"),
        ("{metric: duplicateValues, arguments: {properties: [value]}, mustBe: 0}", ["1", "1"], "failed"),
        (
            "{metric: duplicateValues, arguments: {properties: [value]}, mustBeLessThan: 60, unit: percent}",
            ["1", "1"],
            "passed",
        ),
        ("{metric: duplicateValues, arguments: {properties: [other]}, mustBe: 0}", ["1"], "skipped"),
        ("{type: sql, name: top, query: 'SELECT max(value) FROM ${table}', mustBeLessThan: 5}", ["1", "4"], "passed"),
        ("{type: sql, name: top, query: 'SELECT max(value) FROM ${table}', mustBeLessThan: 5}", ["1", "5"], "failed"),
        ("{type: sql, name: top, query: 'SELECT max(value) FROM ${table}', mustBeLessThan: 5}", [None], "failed"),  # no value
        ("{type: text, name: words, description: be nice}", ["1"], "skipped"),
        ("{type: custom, name: soda, engine: soda, implementation: x}", ["1"], "skipped"),
        ("{metric: nullValues, mustBe: 0}", ["1"], "skipped"),
    ],
)
def test_rules_about_the_table(quality: str, values: list[str], status: str) -> None:
    report, _ = judge_values(contract_with("logicalType: integer", quality), values)
    assert report.rules[-1].status == status
    severity = "should" if "text" in quality else "must"
    assert report.rules[-1].severity == severity
    assert report.passed == (status == "passed" or severity == "should")


@pytest.mark.parametrize(
    ("quality", "status"),
    [
        ("expect_column_values_to_be_between, kwargs: {column: value, min_value: 0, max_value: 9}", "passed"),
        ("expect_column_mean_to_be_between, kwargs: {column: value, min_value: 5, max_value: 9}", "failed"),
        ("expect_table_row_count_to_be_between, kwargs: {min_value: 1}", "passed"),
        ("expect_column_values_to_match_regex, kwargs: {column: value, regex: x}", "skipped"),  # not on DuckDB
        ("expect_the_moon, kwargs: {}", "skipped"),
        ("expect_column_values_to_be_between, kwargs: {column: 7}", "skipped"),
    ],
)
def test_expectations_run_as_they_stand(quality: str, status: str) -> None:
    text = f"{{type: custom, name: own, engine: greatExpectations, implementation: {{type: {quality}}}}}"
    report, _ = judge_values(contract_with("logicalType: integer", text), ["1", "2", "3"])
    assert rule(report, "own").status == status
    assert rule(report, "own").failed_rows is None
    assert report.passed == (status == "passed")
    assert rule(report, "value.type").status == "passed"  # one rule's trouble is not another's


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("SELECT * FROM {batch} WHERE value > 2", [3]),
        ("select * from {batch} where value % 2 = 1 and ':x' <> '%y'", [1, 3]),
        ("SELECT * FROM {batch} WHERE value > (SELECT avg(value) FROM {batch})", [3]),
        ("SELECT * FROM {batch} QUALIFY row_number() OVER (ORDER BY value DESC) = 1", [3]),
        ("SELECT * FROM {batch} WHERE value > 0 ORDER BY value LIMIT 1", [1]),
    ],
)
def test_custom_queries_quarantine_the_rows_they_find(query: str, refused: list[int]) -> None:
    quality = json.dumps(
        {
            "type": "custom",
            "name": "own",
            "engine": "greatExpectations",
            "implementation": {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": query}},
        }
    )
    report, rows = judge_values(contract_with("logicalType: integer", quality), [1, 2, 3], "INTEGER")
    assert [row[0] for row in rows] == refused
    assert rule(report, "own").failed_rows == len(refused)


@pytest.mark.parametrize("query", ["SELECT nothing FROM ${table}", "SELECT value FROM ${table}", "SELECT 'x'::INTEGER"])
def test_sql_that_does_not_run_is_the_contracts_fault(query: str) -> None:
    quality = json.dumps({"type": "sql", "name": "own", "query": query, "mustBe": 0})
    with pytest.raises(ContractError, match="rule 'own': its SQL does not run"):
        judge_values(contract_with("logicalType: integer", quality), [1, 2], "INTEGER")


def test_a_rule_that_changes_its_mind_is_found_out() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TEMP TABLE good AS SELECT 1; CREATE TEMP TABLE bad AS SELECT ['own'] AS rules FROM range(3)")
        names = {"accepted": "good", "quarantined": "bad"}
        assert require_agreement(connection, 4, {"own": 3}, **names) == (1, 3)
        with pytest.raises(ContractError, match="expected the same number"):
            require_agreement(connection, 4, {"own": 2}, **names)
        with pytest.raises(ContractError, match="are not the 5 rows judged"):
            require_agreement(connection, 5, {"own": 3}, **names)


def test_an_optional_column_may_be_empty_within_a_limit() -> None:
    contract = contract_with("logicalType: integer, quality: [{metric: nullValues, mustBeLessThan: 50, unit: percent}]")
    report, refused = judge_values(contract, ["1", "2", None])
    assert report.passed and not refused
    report, refused = judge_values(contract, ["1", None])
    assert not report.passed and not refused


def test_an_empty_table_breaks_no_row_rule() -> None:
    report, _ = judge_values(contract_with("logicalType: integer, required: true"), [])
    assert report.passed and report.rows == 0


def test_refused_instants_are_written_in_utc_whatever_the_session() -> None:
    texts = []
    for zone in ("UTC", "Pacific/Auckland"):
        with duckdb.connect() as connection:
            connection.execute(f"SET TimeZone = '{zone}'")
            hourly(connection, 2)
            connection.execute("UPDATE counts SET crossings = -1, interval_start_at = '2026-03-02 00:00:00Z'")
            judge(connection)
            texts.append(connection.execute("SELECT * FROM bad ORDER BY 1").fetchall())
    assert texts[0] == texts[1]
    assert '"interval_start_at":"2026-03-02T00:00:00.000000Z"' in texts[0][0][3]


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
            "primary_key": None not in key and key in seen,
        }
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
