"""Rules of one column: a value that breaks one refuses its row, a rule about the table refuses none."""

from __future__ import annotations

import json

import duckdb
import pytest

from data_contracts.contract import ContractError
from data_contracts.rows.quarantine import require_agreement
from tests.data_contracts.conftest import contract_with, hourly, judge, judge_values, rule


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
        ("{type: sql, name: top, query: 'SELECT max(value) FROM Things', mustBeLessThan: 5}", ["1", "5"], "failed"),
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
