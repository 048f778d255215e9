"""How many bad rows a delivery may hold, and which of several rows with the same key is the good one."""

from __future__ import annotations

import duckdb
import pytest

from data_contracts.contract import ContractError
from tests.data_contracts.conftest import contract_with, judge, judge_values

AGAIN = """{name: duplicate, metric: duplicateValues, arguments: {properties: [site, value]},
 unit: percent, mustBeLessThan: 60},
{name: conflict, metric: duplicateValues, arguments: {properties: [site]}, unit: percent, mustBeLessThan: 20}"""


@pytest.mark.parametrize(("rows", "passes"), [(6, True), (1, False)])
def test_a_key_rule_leaves_out_what_an_earlier_one_refused(rows: int, passes: bool) -> None:
    contract = contract_with("logicalType: integer}\n      - {name: site, logicalType: string", AGAIN)
    with duckdb.connect() as connection:
        connection.execute("CREATE TEMP TABLE things (value INTEGER, site VARCHAR)")
        connection.execute("INSERT INTO things VALUES (5, 'a'), (7, 'a'), (7, 'a'), (5, 'a')")
        connection.execute(f"INSERT INTO things SELECT i, 'b' || i FROM range({rows}) r(i)")
        report = judge(connection, contract, "things")
        refused = connection.execute("SELECT source_row, rules FROM bad ORDER BY 1").fetchall()
    assert refused == [(2, ["conflict"]), (3, ["duplicate"]), (4, ["duplicate"])]
    assert report.passed is passes and report.accepted == rows + 1


@pytest.mark.parametrize(("good", "passes"), [(99, True), (9, False)])
def test_a_contract_may_tolerate_a_share_of_bad_rows(good: int, passes: bool) -> None:
    tolerant = "{property: testbed.tolerance_percent, value: 5}"
    contract = contract_with("logicalType: integer, required: true, logicalTypeOptions: {maximum: 500}", custom=tolerant)
    report, refused = judge_values(contract, [*range(good), "x"])
    assert report.passed is passes and (report.accepted, report.quarantined) == (good, 1)
    assert [rules for _, rules, *_ in refused] == [["value.type"]]
    assert not judge_values(contract_with("logicalType: integer"), [*range(good), "x"])[0].passed


def test_a_limit_that_a_rule_says_itself_is_kept_to() -> None:
    tolerant, strict = (
        "{property: testbed.tolerance_percent, value: 50}",
        "{metric: invalidValues, arguments: {pattern: a}, mustBe: 0}",
    )
    column = "logicalType: string, logicalTypeOptions: {maxLength: 3}, quality: [" + strict + "]"
    assert judge_values(contract_with(column, custom=tolerant), ["a", "a", "aaaaa"])[0].passed
    assert not judge_values(contract_with(column, custom=tolerant), ["a", "a", "b"])[0].passed


@pytest.mark.parametrize("value", ["0", "101", "true", "few"])
def test_a_tolerance_is_a_share(value: str) -> None:
    with pytest.raises(ContractError, match=r"tolerance_percent is .*expected a number above 0, at most 100"):
        contract_with("logicalType: integer", custom=f"{{property: testbed.tolerance_percent, value: {value}}}")
