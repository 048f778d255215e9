"""Translate a contract into rules: everything it declares is executed, or says why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from data_contracts.contract import Contract
from data_contracts.privacy.publishable import privacy_rules
from data_contracts.rows.casting import nested_type, type_words
from data_contracts.rules.coverage import declared_rules
from data_contracts.rules.options import option_rules
from data_contracts.rules.places import Place, column_place, inside
from data_contracts.rules.quality import not_in, quality_rule
from data_contracts.rules.relationships import OtherTable, place_rules, relationship_rules
from data_contracts.rules.rule import NONE_ALLOWED, Rule, count_of, said, unique_inside_rule, unique_rule
from data_contracts.rules.service_levels import service_level_rules

UNTYPED = "its values have no type of DuckDB; name its physicalType"


def contract_rules(
    contract: Contract,
    given: dict[str, str],
    *,
    now: datetime | None = None,
    others: Mapping[str, OtherTable] | None = None,
) -> tuple[Rule, ...]:
    """Every rule a contract declares, for a relation of given columns.

    Args:
        contract: The contract.
        given: Type of each column of the relation to be judged, by name, as it came.
        now: The instant at which service levels are judged; those that need it are skipped where none is given.
        others: Tables that relationships point to; see `data_contracts.rules.relationships.look_up`.

    Returns:
        The rules, in the contract's order, with unique names.

    Raises:
        ContractError: A rule's SQL is not one that may be executed, or `now` has no time zone.
    """
    found: list[Rule] = []
    for column in contract.columns:
        found += _column_rules(contract, column_place(column, given), others or {})
    for column in contract.measures:
        found += _measure_rules(contract, Place(str(column.name), column, "NULL", None))
    if contract.primary_key:
        found.append(unique_rule("primary_key", contract.primary_key))
    found = [_tolerated(rule, contract.custom.get("testbed.tolerance_percent")) for rule in found]
    found += relationship_rules(contract, given, others or {})
    found += [quality_rule(contract, None, rule) for rule in contract.quality]
    found += privacy_rules(contract)
    found += service_level_rules(contract, given, now)
    forgotten = Counter(declared_rules(contract)) - Counter(rule.name for rule in found)
    found += [Rule(name, skipped="nothing executes it; report this") for name in forgotten.elements()]
    return tuple(_unique_names(found))


def _tolerated(rule: Rule, percent: float | None) -> Rule:
    """The rule with the tolerance of the whole contract, where it judges rows and the contract says no limit of its own."""
    if percent is None or not rule.refuses_rows or rule.limits is not NONE_ALLOWED:
        return rule
    return replace(rule, limits=(("mustBeLessThan", percent),), unit="percent")


def _column_rules(contract: Contract, place: Place, others: Mapping[str, OtherTable]) -> Iterator[Rule]:
    column, name = place.column, place.name
    quality = [quality_rule(contract, place, rule) for rule in column.quality or ()]
    if place.kind is None:
        if column.logicalType or column.physicalType:
            declared = column.logicalType or column.physicalType
            yield place.skipped("type", f"logicalType {declared} has no type of DuckDB; name its physicalType")
        if column.required or column.primaryKey:
            yield place.rule("required", f"{place.expression} IS NULL", "given")
        if column.unique:
            yield unique_rule(f"{name}.unique", (name,))
        for rule in _value_rules(place):
            yield _never(rule, f"{name}: {UNTYPED}")
        for rule, written in zip(quality, column.quality or (), strict=True):
            needs_type = (written.metric or written.rule) == "invalidValues"
            yield _never(rule, f"{name}: {UNTYPED}") if needs_type else rule
        for rule in _rules_inside(contract, place, others):
            yield _never(rule, f"{name}: {UNTYPED}")
        return
    cast = place.given != place.kind
    failing = f"{place.raw} IS NOT NULL AND {place.expression} IS NULL" if cast else "false"
    reason = said(name, place.raw, type_words(column))
    yield Rule(f"{name}.type", "must", f"{name} is {type_words(column)}", failing, reason, count_of(failing))
    if column.required or column.primaryKey:
        failing = f"{place.raw} IS NULL"
        rule = Rule(f"{name}.required", "must", f"{name} is given", failing, said(name, "NULL", "a value"), count_of(failing))
        tolerance = next(
            (
                rule
                for rule, written in zip(quality, column.quality or (), strict=True)
                if (written.metric or written.rule) in ("nullValues", "missingValues") and rule.refuses_rows
            ),
            None,
        )
        yield (replace(rule, limits=tolerance.limits, unit=tolerance.unit, severity=tolerance.severity) if tolerance else rule)
    if column.unique:
        yield unique_rule(f"{name}.unique", (name,))
    yield from _value_rules(place)
    yield from quality
    yield from _rules_inside(contract, place, others)


def _value_rules(place: Place) -> Iterator[Rule]:
    """Rules about single values, at whatever depth."""
    column = place.column
    if place.kind in ("DOUBLE", "FLOAT"):
        yield place.rule("finite", f"NOT isfinite({place.expression})", "a finite number")
    yield from option_rules(place)
    if column.enum:
        values = [entry.value for entry in column.enum]
        yield place.rule("enum", not_in(place, values), f"one of {', '.join(str(value) for value in values)}")


def _rules_inside(contract: Contract, outer: Place, others: Mapping[str, OtherTable]) -> Iterator[Rule]:
    """Rules of the properties inside a property; that they are of their types is part of the column's own type."""
    fits = outer.kind is None or outer.kind == nested_type(outer.column)
    otherwise = None if fits else f"{outer.name} is stored as {outer.kind}, so that what is inside cannot be reached"
    for place in inside(outer):
        column = place.column
        found: list[Rule] = []
        if column.required:
            missing = f"{place.parent} IS NOT NULL AND {place.expression} IS NULL"
            found.append(place.rule("required", missing, "given"))
        if column.unique and place.lists:
            found.append(
                place.skipped("unique", "items of lists are not compared between rows; within a list uniqueItems does")
            )
        elif column.unique:
            found.append(unique_inside_rule(f"{place.name}.unique", place.name, place.expression))
        if column.primaryKey:
            found.append(place.skipped("primaryKey", "a value inside a column is no key of the table"))
        found += _value_rules(place)
        found += [quality_rule(contract, place, rule) for rule in column.quality or ()]
        found += place_rules(contract, place, others)
        found += _rules_inside(contract, place, others)
        yield from (_never(rule, otherwise) for rule in found) if otherwise else found


def _measure_rules(contract: Contract, place: Place) -> Iterator[Rule]:
    """Everything a measure declares; it is computed from the columns and not in the rows."""
    column, why = place.column, "a measure is computed from the columns; it is not in the rows that are judged"
    if column.logicalType or column.physicalType:
        yield place.skipped("type", why, "should")
    for key in ("required", "unique", "primaryKey"):
        if getattr(column, key):
            yield place.skipped(key, why, "should")
    found = [*_value_rules(place), *(quality_rule(contract, place, rule) for rule in column.quality or ())]
    found += [Rule(str(link.id or f"{place.name}.relationships"), skipped=why) for link in column.relationships or ()]
    for rule in (*found, *_rules_inside(contract, place, {})):
        yield replace(_never(rule, why), severity="should")


def _never(rule: Rule, why: str) -> Rule:
    """The rule, not executed; its own reason first, where it has one."""
    return Rule(rule.name, rule.severity, rule.description, limits=rule.limits, unit=rule.unit, skipped=rule.skipped or why)


def _unique_names(rules: list[Rule]) -> Iterator[Rule]:
    taken = {rule.name for rule in rules}
    seen: set[str] = set()
    for rule in rules:
        name, number = rule.name, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{rule.name}_{number}"
        seen.add(name)
        yield rule if name == rule.name else replace(rule, name=name)
