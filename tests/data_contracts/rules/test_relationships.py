"""A key that is given is there in the table it points to."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from data_contracts.contract import Contract, ContractError, parse_contract
from data_contracts.gate import CheckReport, RuleResult, check, check_file

COLUMNS = [
    {"name": "site_id", "id": "site_id_id", "logicalType": "string"},
    {"name": "line", "logicalType": "integer"},
    {"name": "parent", "logicalType": "string"},
]


def contract_of(column: int | None = None, **link: Any) -> Contract:
    properties: list[dict[str, Any]] = [dict(entry) for entry in COLUMNS]
    table: dict[str, Any] = {"name": "counts", "properties": properties}
    (properties[column] if column is not None else table)["relationships"] = [link]
    document = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "counts", "version": "1.0.0", "schema": [table]}
    return parse_contract(json.dumps(document), "counts.odcs.yaml")


def judge(contract: Contract, rows: str, **others: str) -> tuple[CheckReport, list[Any]]:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE counts AS SELECT * FROM (VALUES {rows}) AS v(site_id, line, parent)")
        connection.execute("CREATE TEMP TABLE places AS SELECT * FROM (VALUES ('mill', 1), ('oak', 2)) AS v(site_id, line)")
        connection.execute("CREATE TEMP VIEW as_text AS SELECT site_id, line::VARCHAR AS line FROM places")
        report = check(connection, "counts", contract, accepted="good", quarantined="bad", others=others)
        return report, connection.execute("SELECT source_row, rules, reasons FROM bad ORDER BY 1").fetchall()


def link(report: CheckReport, name: str = "site_id.relationships") -> RuleResult:
    return next(result for result in report.rules if result.rule == name)


@pytest.mark.parametrize(
    "to", ["sites.site_id", "schema/sites/properties/site_id", "other.odcs.yaml#/schema/sites/properties/site_id"]
)
@pytest.mark.parametrize("key", ["sites", "sites.sites"])
def test_a_foreign_key_is_looked_up(to: str, key: str) -> None:
    contract = contract_of(0, to=to)
    report, refused = judge(contract, "('mill', 1::BIGINT, NULL), (NULL, 1, NULL), ('oak', 2, NULL)", **{key: "places"})
    assert report.passed and not refused and link(report).status == "passed"
    report, refused = judge(contract, "('mill', 1::BIGINT, NULL), ('elm', 1, NULL), ('elm', 2, NULL)", **{key: "places"})
    assert not report.passed and link(report).failed_rows == 2
    assert [row[0] for row in refused] == [2, 3]
    assert refused[0][2] == ["site_id is 'elm', expected a value that is in sites.site_id"]


def test_without_the_other_table_it_is_skipped_and_a_must_fails() -> None:
    report, refused = judge(contract_of(0, to="sites.site_id"), "('elm', 1::BIGINT, NULL)")
    assert not report.passed and not refused
    assert link(report).status == "skipped" and "table 'sites' was not given" in link(report).reason
    should = [{"property": "testbed.severity", "value": "should"}]
    report, _ = judge(contract_of(0, to="sites.site_id", customProperties=should), "('elm', 1::BIGINT, NULL)")
    assert report.passed and link(report).severity == "should"


@pytest.mark.parametrize("source", [["counts.site_id", "counts.line"], ["schema/counts/properties/site_id_id", "counts.line"]])
@pytest.mark.parametrize("other", ["places", "as_text"])
def test_a_key_of_two_columns_is_looked_up_as_one(source: list[str], other: str) -> None:
    contract = contract_of(**{"id": "place", "from": source, "to": ["sites.site_id", "sites.line"]})
    rows = "('mill', 1::BIGINT, NULL), ('oak', 1, NULL), ('elm', NULL, NULL)"
    _, refused = judge(contract, rows, sites=other)
    assert [row[:2] for row in refused] == [(2, ["place"])]  # both are known, but not together; a key with a gap is none
    assert "site_id, line is 'oak', 1" in refused[0][2][0]


def test_a_table_may_point_to_itself() -> None:
    contract = contract_of(2, to="counts.site_id")
    report, refused = judge(contract, "('a', 1::BIGINT, NULL), ('b', 1, 'a'), ('c', 1, 'z')")
    assert [row[0] for row in refused] == [3] and link(report, "parent.relationships").failed_rows == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"to": "sites.place"}, "no column place"),
        ({"to": ["sites.site_id", "sites.line"]}, "expected 1 columns of one table"),
        ({"to": "sites.site_id.name"}, "inside another is not looked up"),
        ({"to": "sites.site_id", "type": "partOf"}, "type 'partOf' is not executed"),
    ],
)
def test_what_cannot_be_looked_up_says_why(given: dict[str, Any], why: str) -> None:
    report, _ = judge(contract_of(0, **given), "('mill', 1::BIGINT, NULL)", sites="places")
    assert link(report).status == "skipped" and why in link(report).reason


def test_columns_of_another_table_cannot_be_where_it_starts() -> None:
    contract = contract_of(**{"from": "counts.nothing", "to": "sites.site_id"})
    report, _ = judge(contract, "('mill', 1::BIGINT, NULL)", sites="places")
    assert "expected columns of counts" in link(report, "relationships").reason


def test_a_table_that_is_not_there_is_the_callers_mistake() -> None:
    with pytest.raises(ContractError, match="no such table; expected one to look 'sites' up in"):
        judge(contract_of(0, to="sites.site_id"), "('mill', 1::BIGINT, NULL)", sites="nowhere")


def test_a_file_can_be_looked_up_too(tmp_path: Any) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("site_id,line,parent\nmill,1,\nelm,1,\n", encoding="utf-8")
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE places AS SELECT 'mill' AS site_id")
        report = check_file(connection, path, contract_of(0, to="sites.site_id"), others={"sites": "main.places"})
    assert link(report).failed_rows == 1
