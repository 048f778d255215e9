"""Contracts with several tables, any id, physical names, and keys inside columns."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from data_contracts.compare import compare
from data_contracts.contract import Contract, ContractError, parse_contract
from data_contracts.gate import check
from data_contracts.lint import lint
from data_contracts.rows.readmit import Repair, apply_repairs
from data_contracts.rules.coverage import declared_rules

CUSTOMERS = {"name": "customers", "properties": [{"name": "id", "logicalType": "integer", "unique": True}]}
WHO = {"name": "who", "logicalType": "integer", "relationships": [{"to": "customers.id"}]}
AT = {"name": "at", "logicalType": "date"}


def shop(*properties: dict[str, Any], customers: dict[str, Any] = CUSTOMERS, **top: Any) -> Contract:
    document = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": "shop", "version": "1.0.0", **top}
    document["schema"] = [{"name": "orders", "physicalName": "orders_v1", "properties": list(properties)}, customers]
    return parse_contract(json.dumps(document), "shop.odcs.yaml")


def refused(contract: Contract, rows: str, **others: str) -> list[Any]:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE given AS {rows}")
        connection.execute("CREATE TABLE customers AS SELECT unnest(['1', '2', '3.5']) AS id")
        check(connection, "given", contract, accepted="good", quarantined="bad", others=others)
        return connection.execute("SELECT source_row, unnest(rules) FROM bad ORDER BY ALL").fetchall()


def test_a_table_has_to_be_chosen_and_is_named_in_the_report() -> None:
    contract = shop(WHO)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE customers AS SELECT 1 AS id")
        with pytest.raises(ContractError, match="holds 2 tables; expected one of orders, customers; name it"):
            check(connection, "customers", contract, accepted="good", quarantined="bad")
        report = check(connection, "customers", contract.of("customers"), accepted="good", quarantined="bad")
    assert (report.contract, report.passed) == ("shop.customers", True)
    assert contract.of("orders_v1").table_name == "orders"
    with pytest.raises(ContractError, match=r"table 'order' is not in the contract; .* did you mean 'orders'"):
        contract.of("order")


@pytest.mark.parametrize("name", ["customers", "shop.customers"])
def test_tables_of_one_contract_are_looked_up(name: str) -> None:
    rows = "SELECT unnest([1, 2, 3, NULL]) AS who"  # '3.5' is no customer 3
    assert refused(shop(WHO).of("orders"), rows, **{name: "customers"}) == [(3, "who.relationships")]


def test_a_service_level_is_of_the_table_its_element_is_in() -> None:
    levels = [{"property": name, "value": 1, "element": element} for name, element in (("retention", "orders.at"),)]
    contract = shop(AT, slaProperties=[*levels, {"property": "endOfLife", "value": "2030-01-01"}])
    declared = {one.table_name: [name for name in declared_rules(one) if name.startswith("sla.")] for one in contract.tables}
    assert declared == {"orders": ["sla.retention", "sla.endOfLife"], "customers": ["sla.endOfLife"]}


def test_every_table_is_compared_and_linted() -> None:
    wider = {"name": "customers", "properties": [{"name": "id", "logicalType": "number", "unique": True}]}
    found = compare(shop(WHO), shop(WHO, customers=wider))
    assert {(change.where, change.side, change.breaks) for change in found} == {
        ("table 'customers', column 'id'", "consumer", True),
        ("table 'customers', column 'id'", "producer", False),
    }
    gone = compare(shop(WHO), shop(WHO, customers={**CUSTOMERS, "name": "clients"}))
    assert ("table 'customers'", "removed", True) in {(one.where, one.what, one.breaks) for one in gone}
    assert any("table 'orders', column 'who' has no description" in line for line in lint(shop(WHO)))


def test_faults_name_their_table_and_tables_their_own_name() -> None:
    with pytest.raises(ContractError) as raised:
        shop({"name": "who", "logicalType": "text"}, customers={**CUSTOMERS, "name": "orders"})
    said = str(raised.value)
    assert "table 'orders', column 'who': logicalType is 'text'" in said and "expected a name of its own" in said


@pytest.mark.parametrize(
    ("written", "source", "name"),
    [
        ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "parking spaces.odcs.yaml", "parking_spaces"),
        ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "<text>", "parking_2"),
        ("urn:city:parking", "a.yaml", "a"),
        ("parking", "other.odcs.yaml", "parking"),
    ],
)
def test_any_id_is_taken_and_the_name_is_a_plain_one(written: str, source: str, name: str) -> None:
    schema = [{"name": "spaces", "properties": [AT]}]
    document = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": written, "name": "Parking 2", "version": "1"}
    contract = parse_contract(json.dumps({**document, "schema": schema}), source)
    assert contract.id == name
    assert compare(contract, parse_contract(json.dumps({**document, "schema": schema}), "new.yaml")) == []


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_columns_may_come_under_their_physical_names(kind: str) -> None:
    contract = shop({"name": "number", "physicalName": "NR", "logicalType": "integer", "required": True}).of("orders")
    with duckdb.connect() as connection:
        connection.execute(f"CREATE {kind} given AS SELECT unnest(['1', 'x', '3']) AS NR")
        report = check(connection, "given", contract, accepted="good", quarantined="bad")
        assert connection.execute("FROM good").fetchall() == [(1,), (3,)] and report.quarantined == 1
        assert connection.execute("SELECT row::VARCHAR FROM bad").fetchall() == [('{"number":"x"}',)]
        mended = [Repair(2, '{"number":"x"}', '{"number":"2"}')]
        assert apply_repairs(connection, "given", contract, mended, into="mended") == []
        assert connection.execute("SELECT NR FROM mended").fetchall() == [("1",), ("2",), ("3",)]
        connection.execute("CREATE TABLE both_names AS SELECT 1 AS number, 2 AS NR")
        with pytest.raises(ContractError, match="column 'NR' is not in shop"):
            check(connection, "both_names", contract, accepted="good", quarantined="bad")


def test_keys_inside_columns_are_looked_up_and_told_apart() -> None:
    key = {"name": "id", "logicalType": "integer", "relationships": [{"to": "customers.id"}]}
    field = {"name": "who", "logicalType": "object", "properties": [{**key, "unique": True}]}
    items = {"name": "all", "logicalType": "array", "items": {"logicalType": "array", "items": key}}
    contract = shop(field, items).of("orders")
    rows = (
        "SELECT * FROM (VALUES ({'id': 1}, [[1, 2], [2]]), ({'id': 9}, [[1], NULL]), ({'id': 1}, [[8, 7], [7]]), "
        '(NULL, NULL)) AS v(who, "all")'
    )
    assert refused(contract, rows, customers="customers") == [
        (2, "who.id.relationships"),
        (3, "all.items.items.relationships"),
        (3, "who.id.unique"),
    ]


def test_of_two_tables_of_the_same_name_the_contract_has_to_be_named() -> None:
    contract = shop({**WHO, "relationships": [{"to": "sites.id"}]}).of("orders")
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE given AS SELECT 1 AS who; CREATE TABLE a AS SELECT 1 AS id")
        both = {"north.sites": "a", "south.sites": "a"}
        report = check(connection, "given", contract, accepted="good", quarantined="bad", others=both)
    (link,) = [rule for rule in report.rules if rule.rule == "who.relationships"]
    assert link.status == "skipped" and "table 'sites' is north.sites and south.sites" in link.reason and not report.passed


def test_a_forbidden_column_is_refused_under_its_physical_name_too() -> None:
    custom = [{"property": "testbed.forbidden_columns", "value": ["plate"]}]
    contract = shop({"name": "car", "physicalName": "plate", "logicalType": "string"}, customProperties=custom).of("orders")
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE given AS SELECT 'AB 12' AS plate")
        with pytest.raises(ContractError, match="column 'plate' is forbidden by shop"):
            check(connection, "given", contract, accepted="good", quarantined="bad")
