"""Relationships between contracts: foreign keys, executed where the table they point to is at hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
from open_data_contract_standard.model import Relationship, SchemaProperty

from data_contracts.contract import Contract, ContractError
from data_contracts.rows.casting import FRACTIONS, INTEGERS, identifier, literal, shown, sql_type, table
from data_contracts.rules.places import Place, column_place
from data_contracts.rules.rule import BATCH, PREPARED, ROW, Rule
from data_contracts.standard.faults import custom_of, parts_of
from data_contracts.standard.severity import Severity, severity_of


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


@dataclass(frozen=True)
class Target:
    """What a relationship points to.

    Attributes:
        contract: Name of the other contract's file, where the reference has one.
        table: Name (in the long form: id) of the table.
        columns: Names of its columns.
    """

    contract: str | None
    table: str
    columns: tuple[str, ...]

    def best_of(self, names: Iterable[str]) -> list[str]:
        """Those of some names (`contract.table`, `table`, `contract`) that mean this table best; several where they tie."""
        ranks: dict[int, list[str]] = {}
        for name in names:
            contract, _, table_name = name.rpartition(".")
            is_table = self.table == table_name
            is_it = [is_table and self.contract == contract, is_table, self.table == contract, self.contract == table_name]
            if any(is_it):
                ranks.setdefault(is_it.index(True), []).append(name)
        return ranks[min(ranks)] if ranks else []


def targets_of(contract: Contract) -> list[Target]:
    """The tables that a contract's relationships point to, but for its own: those that a check of it needs.

    Args:
        contract: The contract.

    Returns:
        Each once, in the contract's order, with all columns that are looked up in it.
    """
    found: dict[tuple[str | None, str], Target] = {}
    links = [link for column in contract.columns for link in _links_in(column)]
    for link in (*links, *contract.relationships):
        target = _target(contract, link)
        if target is not None and not _is_own(contract, target):
            key = (target.contract, target.table)
            known = found[key].columns if key in found else ()
            found[key] = Target(*key, tuple(dict.fromkeys((*known, *target.columns))))
    return list(found.values())


def relationship_rules(contract: Contract, given: dict[str, str], others: Mapping[str, OtherTable]) -> Iterator[Rule]:
    """A rule for each relationship of a contract's columns and of its table: a key that is given is there in the other table.

    Args:
        contract: The contract.
        given: Type of each column as it came, by name.
        others: The tables at hand; a relationship to the contract's own table needs none.

    Yields:
        Rules named `<column>.relationships`, or by the id of the relationship.
    """
    for column in contract.columns:
        yield from place_rules(contract, column_place(column, given), others)
    for link in contract.relationships:
        names = [_own_column(contract, reference) for reference in _references(link.from_)]
        if None in names or not names:
            found = f"from is {link.from_!r}; expected columns of {contract.table_name}"
            yield Rule(str(link.id or "relationships"), _severity(link), _words(link, names), skipped=found)
        else:
            columns = {str(column.name): column for column in contract.columns}
            places = [column_place(columns[str(name)], given) for name in names]
            yield _link_rule(contract, "relationships", link, places, others)


def place_rules(contract: Contract, place: Place, others: Mapping[str, OtherTable]) -> Iterator[Rule]:
    """A rule for each relationship that starts at one property, a column or one inside a column.

    Args:
        contract: The contract.
        place: Where the property stands; of a list, each item is looked up.
        others: The tables at hand.

    Yields:
        Rules named `<place>.relationships`, or by the id of the relationship.
    """
    for link in place.column.relationships or ():
        yield _link_rule(contract, f"{place.name}.relationships", link, [place], others)


def _link_rule(
    contract: Contract, name: str, link: Relationship, places: list[Place], others: Mapping[str, OtherTable]
) -> Rule:
    name, severity, keys = str(link.id or name), _severity(link), ", ".join(place.name for place in places)
    words = _words(link, [place.name for place in places])

    def skipped(why: str) -> Rule:
        return Rule(name, severity, words, skipped=why)

    if link.type not in (None, "foreignKey"):
        return skipped(f"type '{link.type}' is not executed; expected foreignKey")
    targets = [_parts(reference) for reference in _references(link.to)]
    if len(places) != len(targets) or len({tuple(part[:-1]) for part in targets}) != 1:
        return skipped(f"to is {link.to!r}; expected {len(places)} columns of one table")
    target = _target(contract, link)
    if target is None:
        return skipped(f"to is {link.to!r}; expected table.column; a column inside another is not looked up")
    if _is_own(contract, target):
        other = OtherTable(BATCH, {str(column.name): str(sql_type(column)) for column in contract.columns})
    else:
        known = target.best_of(others)
        if len(known) > 1:
            return skipped(f"table '{target.table}' is {' and '.join(known)}; expected one; name its contract in 'to'")
        if not known:
            return skipped(
                f"table '{target.table}' was not given to look up {', '.join(target.columns)}; give it: "
                f"--with {target.table}=FILE by hand, a feed or a published table of that contract in a pilot"
            )
        other = others[known[0]]
    missing = [column for column in target.columns if column not in other.columns]
    if missing:
        return skipped(f"table '{target.table}' has no column {', '.join(missing)}; expected the columns of its contract")
    pairs = [
        _same(f"b.__key_{i}", place.kind, f"o.{identifier(column)}", other.columns[column])
        for i, (place, column) in enumerate(zip(places, target.columns, strict=True))
    ]
    given = " AND ".join(f"b.__key_{i} IS NOT NULL" for i in range(len(places)))
    chosen = ", ".join(identifier(column) for column in target.columns)
    looked_up = f"(SELECT DISTINCT {chosen} FROM {other.relation})"
    once = "DISTINCT " if places[0].lists else ""
    lost = f"SELECT {once}b.{ROW} FROM {_keys(places)} AS b ANTI JOIN {looked_up} AS o ON {' AND '.join(pairs)} WHERE {given}"
    values = " || ', ' || ".join(shown(place.outer) for place in places)
    expected = f", expected a value that is in {target.table}.{', '.join(target.columns)}"
    reason = f"{literal(keys + ' is ')} || {values} || {literal(expected)}"
    return Rule(name, severity, words, PREPARED, reason, f"(SELECT count(*) FROM ({lost}))", prepare=lost)


def _keys(places: list[Place]) -> str:
    """SQL of the keys of each row: one row for each item, where the key is in a list."""
    source = BATCH
    for values, item in places[0].lists:
        source = f"(SELECT {ROW}, unnest({values}) AS {item} FROM {source})"
    keys = ", ".join(f"{place.expression} AS __key_{i}" for i, place in enumerate(places))
    return f"(SELECT {ROW}, {keys} FROM {source})"


def _same(one: str, kind: str | None, other: str, other_kind: str) -> str:
    """SQL condition that two keys are the same; a key that came as text is read as the type of the one that looks for it."""
    numbers = (*INTEGERS, *FRACTIONS)
    if kind == other_kind or (str(kind).split("(")[0] in numbers and other_kind.split("(")[0] in numbers):
        return f"{one} = {other}"
    if other_kind == "VARCHAR" and kind not in (None, "HUGEINT", "UHUGEINT"):
        exact = "DECIMAL(38, 9)" if kind in INTEGERS else kind  # '1.4' is not 1
        return f"{one} = TRY_CAST({other} AS {exact})"
    return f"{one}::VARCHAR = {other}::VARCHAR"


def _severity(link: Relationship) -> Severity:
    return severity_of(custom_of(link.customProperties).get("testbed.severity"))


def _words(link: Relationship, keys: list[Any]) -> str:
    return f"{', '.join(map(str, keys))} is in {' and '.join('.'.join(_parts(to)) for to in _references(link.to))}"


def _links_in(column: SchemaProperty) -> Iterator[Relationship]:
    yield from column.relationships or ()
    for _, part in parts_of(column):
        yield from _links_in(part)


def _references(given: Any) -> list[str]:
    return [str(part) for part in given] if isinstance(given, list) else [str(given)] if given is not None else []


def _target(contract: Contract, link: Relationship) -> Target | None:
    """What a relationship points to; None where that is no column of a table."""
    references = _references(link.to)
    parts = [_parts(reference) for reference in references]
    if not parts or any(len(part) != 2 for part in parts):
        return None
    file = re.match(r"(?:.*/)?([^/#]+?)(?:\.odcs)?\.ya?ml#", references[0])
    name, columns = parts[0][0], [part[1] for part in parts]
    if file is None or file[1] == contract.id:
        for one in contract.tables:  # the long form names ids
            if name in (one.table_name, one.schema.id):
                columns = [_own_column(one, reference) or column for reference, column in zip(references, columns, strict=True)]
                name = one.table_name
                return Target(contract.id if len(contract.tables) > 1 else None, name, tuple(columns))
    return Target(file[1] if file else None, name, tuple(columns))


def _is_own(contract: Contract, target: Target) -> bool:
    if target.contract not in (None, contract.id):
        return False
    return target.table == contract.table_name or (target.table == contract.id and len(contract.tables) == 1)


def _parts(reference: str) -> list[str]:
    """Table and column of a reference, in the standard's short form `table.column` or its long one with `/`."""
    if "/" not in reference:
        return reference.split(".")
    path = re.sub(r"^.*#", "", reference).strip("/").split("/")
    return [name for section, name in zip(path[::2], path[1::2], strict=False) if section in ("schema", "properties")]


def _own_column(contract: Contract, reference: str) -> str | None:
    """The column of a contract's table that a reference means: by name, or in the long form by id."""
    parts = _parts(reference)
    if not parts or len(parts) > 2:
        return None
    for column in contract.columns:
        if parts[-1] in (column.name, column.id):
            return str(column.name)
    return None
