"""Relationships between contracts: foreign keys, executed where the table they point to is at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
from open_data_contract_standard.model import Relationship

from data_contracts.contract import Contract, ContractError
from data_contracts.rows.casting import FRACTIONS, INTEGERS, identifier, literal, shown, sql_type, table
from data_contracts.rules.rule import BATCH, PREPARED, ROW, Rule
from data_contracts.standard.faults import custom_of
from data_contracts.standard.severity import severity_of


@dataclass(frozen=True)
class OtherTable:
    """A table that relationships may point to.

    Attributes:
        relation: Its name in the connection, quoted for SQL.
        columns: Type of each of its columns, by name.
    """

    relation: str
    columns: dict[str, str]


def look_up(connection: duckdb.DuckDBPyConnection, others: Mapping[str, str] | None) -> dict[str, OtherTable]:
    """Find the tables that relationships may point to.

    Args:
        connection: The connection that sees them.
        others: Table or view of each other dataset, by `contract.table` or by the table's name in its contract alone.

    Returns:
        The tables with their columns.

    Raises:
        ContractError: There is no such table.
    """
    found: dict[str, OtherTable] = {}
    for name, relation in (others or {}).items():
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM {table(relation)}").fetchall()
        except duckdb.CatalogException as error:
            raise ContractError(f"{relation}: no such table; expected one to look '{name}' up in; check the name") from error
        found[name] = OtherTable(table(relation), {str(column): str(kind) for column, kind, *_ in described})
    return found


def relationship_rules(contract: Contract, others: Mapping[str, OtherTable]) -> Iterator[Rule]:
    """A rule for each relationship of a contract: a key that is given is there in the other table.

    Args:
        contract: The contract.
        others: The tables at hand; a relationship to the contract's own table needs none.

    Yields:
        Rules named `<column>.relationships`, or by the id of the relationship.
    """
    for column in contract.columns:
        for link in column.relationships or ():
            yield _link_rule(contract, f"{column.name}.relationships", link, [str(column.name)], others)
    for link in contract.relationships:
        keys = [_own_column(contract, reference) for reference in _references(link.from_)]
        yield _link_rule(contract, "relationships", link, keys, others)


def _link_rule(
    contract: Contract, name: str, link: Relationship, keys: list[str | None], others: Mapping[str, OtherTable]
) -> Rule:
    name = str(link.id or name)
    targets = [_parts(reference) for reference in _references(link.to)]
    severity = severity_of(custom_of(link.customProperties).get("testbed.severity"))
    words = f"{', '.join(map(str, keys))} is in {' and '.join('.'.join(part) for part in targets)}"
    rule = Rule(name, severity, words)

    def skipped(why: str) -> Rule:
        return Rule(name, severity, words, skipped=why)

    if link.type not in (None, "foreignKey"):
        return skipped(f"type '{link.type}' is not executed; expected foreignKey")
    if None in keys or not keys:
        return skipped(f"from is {link.from_!r}; expected columns of {contract.id}")
    if len(keys) != len(targets) or len({tuple(part[:-1]) for part in targets}) != 1:
        return skipped(f"to is {link.to!r}; expected {len(keys)} columns of one table")
    if any(len(part) != 2 for part in targets):
        return skipped(f"to is {link.to!r}; expected table.column; a column inside another is not looked up")
    owner, columns = targets[0][0], [part[1] for part in targets]
    if owner in (contract.id, contract.table_name):
        kinds = {str(column.name): str(sql_type(column)) for column in contract.columns}
        other: OtherTable | None = OtherTable(BATCH, kinds)
    else:
        other = next((others[key] for key in others if owner == key or owner in key.split(".")), None)
    if other is None:
        return skipped(f"table '{owner}' was not given; give it to look up {', '.join(columns)}")
    missing = [column for column in columns if column not in other.columns]
    if missing:
        return skipped(f"table '{owner}' has no column {', '.join(missing)}; expected the columns of its contract")
    own = {str(column.name): sql_type(column) for column in contract.columns}
    pairs = [
        _same(f"b.{identifier(str(key))}", own[str(key)], f"o.{identifier(column)}", other.columns[column])
        for key, column in zip(keys, columns, strict=True)
    ]
    given = " AND ".join(f"b.{identifier(str(key))} IS NOT NULL" for key in keys)
    chosen = ", ".join(identifier(column) for column in columns)
    looked_up = f"(SELECT DISTINCT {chosen} FROM {other.relation})"
    lost = f"SELECT b.{ROW} FROM {BATCH} AS b ANTI JOIN {looked_up} AS o ON {' AND '.join(pairs)} WHERE {given}"
    values = " || ', ' || ".join(shown(identifier(str(key))) for key in keys)
    expected = f", expected a value that is in {owner}.{', '.join(columns)}"
    return Rule(
        name,
        severity,
        rule.description,
        PREPARED,
        f"{literal(', '.join(map(str, keys)) + ' is ')} || {values} || {literal(expected)}",
        f"(SELECT count(*) FROM ({lost}))",
        prepare=lost,
    )


def _same(one: str, kind: str | None, other: str, other_kind: str) -> str:
    """SQL condition that two keys are the same; keys of unlike types are compared as their text."""
    numbers = (*INTEGERS, *FRACTIONS)
    alike = kind == other_kind or (str(kind).split("(")[0] in numbers and other_kind.split("(")[0] in numbers)
    return f"{one} = {other}" if alike else f"{one}::VARCHAR = {other}::VARCHAR"


def _references(given: Any) -> list[str]:
    return [str(part) for part in given] if isinstance(given, list) else [str(given)] if given is not None else []


def _parts(reference: str) -> list[str]:
    """Table and column of a reference, in the standard's short form `table.column` or its long one with `/`."""
    if "/" not in reference:
        return reference.split(".")
    path = re.sub(r"^.*#", "", reference).strip("/").split("/")
    return [name for section, name in zip(path[::2], path[1::2], strict=False) if section in ("schema", "properties")]


def _own_column(contract: Contract, reference: str) -> str | None:
    """The column of this contract that a reference means: by name, or in the long form by id."""
    parts = _parts(reference)
    if not parts or len(parts) > 2:
        return None
    for column in contract.columns:
        if parts[-1] in (column.name, column.id):
            return str(column.name)
    return None
