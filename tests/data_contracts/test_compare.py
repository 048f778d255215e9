"""A new version's differences are found, and put on the side that they break."""

from __future__ import annotations

import pytest

from data_contracts.compare import Change, compare
from data_contracts.contract import contracts, load_contract, parse_contract

OLD = """
apiVersion: v3.1.0
kind: DataContract
id: readings
version: 1.0.0
status: active
customProperties: [{property: testbed.small_count, value: 10}]
schema:
  - name: readings
    properties:
      - {name: site_id, description: the site, logicalType: string, required: true}
      - name: road_user
        logicalType: string
        quality: [{metric: invalidValues, arguments: {validValues: [car, bus]}, mustBe: 0}]
      - {name: crossings, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 100}}
    quality:
      - {name: rows, metric: rowCount, mustBeGreaterThan: 10}
      - {name: nulls, type: sql, query: "SELECT count(*) FROM ${table}", mustBeLessThan: 5}
slaProperties: [{property: retention, value: 1, unit: y}]
"""


def changes(before: str, after: str) -> list[Change]:
    assert before in OLD
    old, new = parse_contract(OLD, "old"), parse_contract(OLD.replace(before, after, 1), "new")
    return compare(old, new)


@pytest.mark.parametrize("name", contracts())
def test_a_contract_does_not_differ_from_itself(name: str) -> None:
    assert compare(load_contract(name), load_contract(name)) == []


@pytest.mark.parametrize(
    ("before", "after", "what", "breaks"),
    [
        (
            "      - {name: site_id, description: the site, logicalType: string, required: true}\n",
            "",
            "removed",
            {"producer", "consumer"},
        ),
        ("name: site_id", "name: place_id", "renamed to 'place_id'", {"producer", "consumer"}),
        (
            "    quality:\n      - {name: rows",
            "      - {name: more, logicalType: string}\n    quality:\n      - {name: rows",
            "added",
            {"producer"},
        ),
        (
            "logicalType: integer",
            "logicalType: string, logicalTypeOptions: {}, tags: [x]} #",
            "type was",
            {"producer", "consumer"},
        ),
        ("logicalType: integer", "logicalType: number", "type was integer", {"consumer"}),
        ("required: true", "required: false", "no longer required", {"consumer"}),
        ("required: true", "required: true, unique: true", "now unique", {"producer"}),
        ("[car, bus]", "[car]", "value 'bus' is no longer allowed", {"producer"}),
        ("[car, bus]", "[car, bus, van]", "value 'van' is now allowed", {"consumer"}),
        ("maximum: 100", "maximum: 50", "maximum was 100, is 50", {"producer"}),
        ("maximum: 100", "maximum: 500", "maximum was 100, is 500", {"consumer"}),
        ("minimum: 0", "minimum: 1", "minimum was 0, is 1", {"producer"}),
        ("minimum: 0, ", "", "minimum was 0, is not stated", {"consumer"}),
        ("mustBeGreaterThan: 10", "mustBeGreaterThan: 20", "limits were", {"producer"}),
        ("mustBeLessThan: 5", "mustBeLessThan: 9", "limits were", {"consumer"}),
        ("mustBeLessThan: 5", "mustBe: 5", "limits were", {"producer", "consumer"}),
        ("SELECT count(*)", "SELECT count(1)", "asks for something else", {"producer", "consumer"}),
        ("mustBeGreaterThan: 10", "mustBeGreaterThan: 10, severity: warning", "now a 'should' rule", {"consumer"}),
        ("      - {name: rows, metric: rowCount, mustBeGreaterThan: 10}\n", "", "removed", {"consumer"}),
        ("value: 10", "value: 5", "was 10, is 5", {"producer", "consumer"}),
        ("value: 1, unit: y", "value: 2, unit: y", "was [(1, 'y')], is [(2, 'y')]", {"producer", "consumer"}),
        ("required: true", "required: true, primaryKey: true", "was (), is (site_id)", {"producer"}),
    ],
)
def test_a_change_is_found_on_both_sides(before: str, after: str, what: str, breaks: set[str]) -> None:
    found = [change for change in changes(before, after) if change.what.startswith(what)]
    assert {change.side for change in found} == {"producer", "consumer"}
    assert {change.side for change in found if change.breaks} == breaks


def test_a_description_or_a_version_changes_nothing() -> None:
    assert changes("description: the site", "description: the place") == []
    assert changes("version: 1.0.0", "version: 1.0.1") == []


def test_a_change_reads_as_one_line() -> None:
    change = next(change for change in changes("maximum: 100", "maximum: 50") if change.breaks)
    assert str(change) == "producer: column 'crossings': maximum was 100, is 50; breaks"
