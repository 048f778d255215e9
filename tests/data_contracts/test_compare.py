"""A new version's differences are found, and put on the side that they break."""

from __future__ import annotations

import pytest

from data_contracts.change import Change
from data_contracts.compare import compare
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


NEWER = """
apiVersion: v3.2.0
kind: DataContract
id: things
version: 1.0.0
schema:
  - name: things
    properties:
      - name: count
        logicalType: integer
        physicalType: INTEGER
        logicalTypeOptions: {multipleOf: 2}
      - name: address
        logicalType: object
        logicalTypeOptions: {required: [street]}
        properties:
          - {name: street, logicalType: string, logicalTypeOptions: {maxLength: 9}}
      - name: tags
        logicalType: array
        logicalTypeOptions: {uniqueItems: false}
        items: {logicalType: string}
      - name: site
        logicalType: string
        enum: [{value: a}, {value: b}]
        relationships: [{to: sites.id}]
        quality:
          - {metric: nullValues, mustBeLessThan: 5}
          - {metric: nullValues, mustBeLessThan: 9, unit: percent}
          - {metric: invalidValues, arguments: {validValues: [a]}, mustBe: 0, severity: info}
slaProperties:
  - {property: freshness, value: 2, unit: d, element: things.at}
  - {property: completeness, value: 90, unit: percent}
"""
BOTH = {"producer", "consumer"}


@pytest.mark.parametrize(
    ("before", "after", "where", "what", "breaks"),
    [
        ("INTEGER", "BIGINT", "column 'count'", "type was", {"consumer"}),  # wider: what was sent still fits
        ("INTEGER", "SMALLINT", "column 'count'", "type was", {"producer"}),  # narrower: what was read still fits
        ("INTEGER", "UINTEGER", "column 'count'", "type was", BOTH),
        ("multipleOf: 2", "multipleOf: 4", "column 'count'", "multipleOf was 2, is 4", {"producer"}),
        ("multipleOf: 2", "multipleOf: 1", "column 'count'", "multipleOf was 2, is 1", {"consumer"}),
        ("multipleOf: 2", "multipleOf: 3", "column 'count'", "multipleOf was 2, is 3", BOTH),
        ("[street]", "[street, number]", "column 'address'", "required was", {"producer"}),
        ("maxLength: 9", "maxLength: 5", "column 'address.street'", "maxLength was 9, is 5", {"producer"}),
        ("name: street, logical", "name: road, logical", "column 'address.street'", "removed", BOTH),
        ("uniqueItems: false", "uniqueItems: true", "column 'tags'", "uniqueItems was False, is True", {"producer"}),
        ("items: {logicalType: string}", "items: {logicalType: integer}", "column 'tags.items'", "type was", BOTH),
        ("{value: b}", "{value: c}", "column 'site'", "value 'b' is no longer allowed", {"producer"}),
        ("{value: b}", "{value: c}", "column 'site'", "value 'c' is now allowed", {"consumer"}),
        ("[{to: sites.id}]", "[]", "column 'site'", "relationship to sites.id removed", {"consumer"}),
        ("sites.id", "places.id", "column 'site'", "relationship to places.id added", {"producer"}),
        ("mustBeLessThan: 9", "mustBeLessThan: 8", "rule 'column 'site'.nullValues (2)'", "limits were", {"producer"}),
        ("severity: info", "severity: error", "rule 'column 'site'.invalidValues'", "now a 'must' rule", {"producer"}),
        ("value: 2,", "value: 1,", "service level 'freshness'", "was [(2, 'd')]", {"producer"}),
        ("value: 2,", "value: 3,", "service level 'freshness'", "was [(2, 'd')]", {"consumer"}),
        ("unit: d", "unit: h", "service level 'freshness'", "was [(2, 'd')]", BOTH),
        ("value: 90", "value: 95", "service level 'completeness'", "was [(90", {"producer"}),
        ("things.at", "things.sent_at", "service level 'freshness'", "element was", BOTH),
    ],
)
def test_newer_parts_of_the_standard_are_compared(before: str, after: str, where: str, what: str, breaks: set[str]) -> None:
    assert before in NEWER
    old, new = parse_contract(NEWER, "old"), parse_contract(NEWER.replace(before, after, 1), "new")
    assert compare(old, old) == []
    found = [change for change in compare(old, new) if change.what.startswith(what) and change.where == where]
    assert {change.side for change in found} == BOTH
    assert {change.side for change in found if change.breaks} == breaks


TABLE = """
apiVersion: v3.1.0
kind: DataContract
id: trips
version: 1.0.0
status: active
customProperties:
  - {property: testbed.publication, value: internal}
  - {property: testbed.extra_columns, value: dropped}
  - {property: testbed.epsilon, value: 0.5}
schema:
  - name: trips
    properties:
      - {name: site_id, logicalType: string, primaryKey: true, primaryKeyPosition: 1, required: true}
      - name: way
        logicalType: string
        physicalName: way_v1
        classification: internal
        logicalTypeOptions: {pattern: "^[a-z]+$"}
      - {name: speed, logicalType: number, customProperties: [{property: unit, value: km/h}]}
    quality:
      - {name: even, type: sql, query: "SELECT count(*) FROM ${table}", mustBeLessThan: 5}
slaProperties:
  - {property: latency, value: 2, unit: h, customProperties: [{property: testbed.severity, value: should}]}
"""
PRODUCER, CONSUMER = {"producer"}, {"consumer"}


@pytest.mark.parametrize(
    ("before", "after", "where", "breaks"),
    [
        ('pattern: "^[a-z]+$"', 'pattern: "^[a-z0-9]+$"', "column 'way'", BOTH),
        ('pattern: "^[a-z]+$"', "", "column 'way'", CONSUMER),
        ("way_v1", "way_v2", "column 'way'", BOTH),
        ("classification: internal", "classification: public", "column 'way'", PRODUCER),
        ("classification: internal", "classification: personal", "column 'way'", CONSUMER),
        ("value: km/h", "value: m/s", "column 'speed'", BOTH),
        ("  - name: trips", "  - name: journeys", "table", BOTH),
        ("value: internal", "value: open", "property 'testbed.publication'", PRODUCER),
        ("value: dropped", "value: refused", "property 'testbed.extra_columns'", PRODUCER),
        ("value: 0.5", "value: 5", "property 'testbed.epsilon'", BOTH),
        ("  - {property: testbed.epsilon, value: 0.5}\n", "", "property 'testbed.epsilon'", CONSUMER),
        ("value: should", "value: must", "service level 'latency'", PRODUCER),
        ("{property: latency, value: 2", "{property: latency, value: 1", "service level 'latency'", PRODUCER),
        ("{property: latency, value: 2", "{property: latency, value: 4", "service level 'latency'", CONSUMER),
        ("primaryKey: true, primaryKeyPosition: 1, ", "", "primary key", CONSUMER),
        ("name: way", "name: way\n        primaryKey: true\n        primaryKeyPosition: 2", "primary key", CONSUMER),
        ("name: even, type: sql", "name: odd, type: sql", "rule 'even'", CONSUMER),
        ("name: even, type: sql", "name: odd, type: sql", "rule 'odd'", PRODUCER),
    ],
)
def test_who_meets_a_change(before: str, after: str, where: str, breaks: set[str]) -> None:
    assert before in TABLE
    old, new = parse_contract(TABLE, "old"), parse_contract(TABLE.replace(before, after, 1), "new")
    assert compare(old, old) == []
    found = [change for change in compare(old, new) if change.where == where]
    assert {change.side for change in found} == BOTH
    assert {change.side for change in found if change.breaks} == breaks
    back = [change for change in compare(new, old) if change.where == where]
    assert {change.side for change in back} == BOTH  # what was done is seen when it is undone
