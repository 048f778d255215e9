"""Quality rules of the standard as SQL: library metrics, SQL queries, Great Expectations, and rules in words."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import yaml
from open_data_contract_standard.model import DataQuality

from data_contracts.contract import Contract
from data_contracts.rows.casting import FRACTIONS, INTEGERS, is_of_type, literal
from data_contracts.rules.places import Place
from data_contracts.rules.readonly import SAFE_TABLE, brings_sql, require_condition, require_select
from data_contracts.rules.rule import (
    BATCH,
    NONE_ALLOWED,
    PREPARED,
    ROW,
    Limit,
    Rule,
    count_of,
    keeps,
    said,
    unique_inside_rule,
    unique_rule,
    unlike,
)
from data_contracts.standard.faults import OPERATORS, PlainLoader, custom_of
from data_contracts.standard.severity import severity_of_rule

ARGUMENTS = {
    "nullValues": (),
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
    "rowCount": (),
}
"""Arguments of each metric that are executed: those of the standard."""
BETWEEN = {
    "mustBeBetween": "mustBeBetween is read in the standard's words: greater than {} and less than {}, both ends left out",
    "mustNotBeBetween": "mustNotBeBetween is read as the opposite of the standard's words: {} or less, or {} or more",
}
_SELECT_WHERE = re.compile(r"\s*select\s+\*\s+from\s+\{batch\}\s+where\s+(.*?)[;\s]*$", re.IGNORECASE | re.DOTALL)


def quality_rule(contract: Contract, place: Place | None, rule: DataQuality) -> Rule:
    """A quality rule, ready to be executed or with the reason why it is not.

    Args:
        contract: The contract.
        place: Where the property stands that the rule is about; None for a rule about the table.
        rule: The rule as the contract has it.

    Returns:
        The rule; its limits are those of its operators, no failing row where it has none.

    Raises:
        ContractError: Its SQL is not one that may be executed.
    """
    prefix = f"{place.name}." if place else ""
    name = rule.name or prefix + str(rule.metric or rule.rule or rule.type)
    limits = _limits(rule)
    words = [(rule.description or name).rstrip(".")]
    words += [BETWEEN[operator].format(*bound) for operator, bound in limits if operator in BETWEEN]
    bare = Rule(name, severity_of_rule(rule), "; ".join(words), limits=limits or NONE_ALLOWED, unit=rule.unit or "rows")
    kind = rule.type or "library"
    if kind == "text":
        return replace(bare, skipped="a rule in words is for people to judge")
    if kind == "sql":
        return _query_rule(bare, place, str(rule.query), contract.table_name)
    if bare.unit not in ("rows", "percent"):
        return replace(bare, skipped=f"unit {rule.unit!r} is not executed; expected rows or percent")
    if kind == "custom":
        return _custom_rule(bare, place, rule, has_limits=bool(limits))
    metric, arguments = str(rule.metric or rule.rule), dict(rule.arguments or {})
    if metric not in ARGUMENTS:
        return replace(bare, skipped=f"metric {metric!r} is not executed")
    unknown = sorted(set(arguments) - set(ARGUMENTS[metric]))
    if unknown:
        expected = " or ".join(ARGUMENTS[metric]) or "none"
        return replace(bare, skipped=f"arguments {unknown} are not executed; expected {expected}")
    return _library_rule(contract, bare, place, metric, arguments)


def _library_rule(contract: Contract, bare: Rule, place: Place | None, metric: str, arguments: dict[str, Any]) -> Rule:
    if metric == "rowCount":
        if bare.unit == "percent":
            return replace(bare, skipped="a number of rows is no percentage; expected unit rows")
        return replace(bare, measure="count(*)")
    if metric == "duplicateValues":
        return _duplicates(contract, bare, place, arguments.get("properties"))
    if place is None:
        return replace(bare, skipped=f"{metric} is a rule for a column; put it under one")
    spelled, column = place.expression, place.column
    if metric == "invalidValues":
        if not arguments:
            return replace(bare, skipped="arguments [] are not executed; expected validValues or pattern")
        parts, words = [], []
        if "validValues" in arguments:
            parts.append(not_in(place, arguments["validValues"]))
            words.append("one of " + ", ".join(str(value) for value in arguments["validValues"]))
        if "pattern" in arguments:
            parts.append(unlike(spelled if place.kind == "VARCHAR" else f"{spelled}::VARCHAR", str(arguments["pattern"])))
            words.append(f"text like {arguments['pattern']}")
        return _limited(bare, place, " OR ".join(parts), " and ".join(words))
    failing = f"{spelled} IS NULL"
    listed = arguments.get("missingValues") or []
    if not isinstance(listed, list):
        return replace(bare, skipped=f"missingValues is {str(listed)[:60]!r}; expected a list of values")
    words = [str(value) for value in listed if value is not None]
    if words:
        failing = f"({failing} OR {spelled}::VARCHAR IN ({', '.join(literal(word) for word in words)}))"
    if not (column.required or column.primaryKey) and bare.limits != NONE_ALLOWED:
        return replace(bare, measure=count_of(place.any_of(failing)))  # it may be empty: only how often is limited
    return _limited(bare, place, failing, "a value")


def _limited(bare: Rule, place: Place, condition: str, expected: str) -> Rule:
    """A rule about values. Where its limits ask for failing rows (`mustBeGreaterThan: 3`) a row cannot break it alone."""
    failing = place.any_of(condition)
    if not keeps(bare.limits, 0):
        return replace(bare, measure=count_of(failing))
    reason = said(place.name, place.outer if place.lists else place.expression, expected)
    return replace(bare, failing=failing, measure=count_of(failing), reason=reason)


def _duplicates(contract: Contract, bare: Rule, place: Place | None, named: Any) -> Rule:
    if place is not None and place.lists:
        return replace(bare, skipped="items of lists are not compared between rows; within a list uniqueItems does")
    properties = [named] if isinstance(named, str) else named
    keys = tuple(str(key) for key in properties or ([place.column.name] if place else []))
    unknown = set(keys) - set(contract.column_names)
    is_inside = place is not None and not place.is_column and not properties
    if (not keys or unknown) and not is_inside:
        return replace(bare, skipped=f"names columns {sorted(unknown)}; expected columns of the contract")
    if place is not None and is_inside:
        unique = unique_inside_rule(bare.name, place.name, place.expression)
    else:
        unique = unique_rule(bare.name, keys)
    unique = replace(unique, severity=bare.severity, description=bare.description, limits=bare.limits, unit=bare.unit)
    return unique if keeps(bare.limits, 0) else replace(unique, failing=None, prepare=None)


def not_in(place: Place, values: list[Any]) -> str:
    """SQL condition of a value that is not one of those listed; an empty value never is.

    Args:
        place: Where the value stands.
        values: The values as the contract has them; values of another type count as their text.

    Returns:
        The condition.
    """
    given = [value for value in values if value is not None]  # NOT IN (NULL) is never true
    kind, spelled = str(place.kind), place.expression
    if kind.split("(")[0] in (*INTEGERS, *FRACTIONS):
        alike = all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
    elif kind == "BOOLEAN":
        alike = all(isinstance(value, bool) for value in given)
    else:
        alike = kind == "VARCHAR" or (place.kind is not None and all(is_of_type(str(value), kind) for value in given))
    if kind == "VARCHAR" or not alike:
        given = [value if isinstance(value, str) else str(value) for value in given]
    if not alike:  # values of another type are compared as their text
        spelled = f"{spelled}::VARCHAR"
    return f"{spelled} NOT IN ({', '.join(literal(value) for value in given)})"


def _query_rule(bare: Rule, place: Place | None, query: str, table: str) -> Rule:
    if place is not None and place.lists:
        return replace(bare, skipped="a query about the items of a list is not executed; put it under the column")
    spelled = place.expression if place else "${column}"
    text = query.replace("${column}", spelled)
    text = re.sub(r"\$?\{\s*(property|field|column)\s*\}", lambda _: spelled, text)
    text = re.sub(r"\$?\{\s*(table|object|model|schema|batch)\s*\}", BATCH, text).strip().rstrip(";").strip()
    text = re.sub(rf'(?i)\b(from|join)(\s+)("?){re.escape(table)}\3(?![\w."])', rf"\1\2{BATCH}", text)  # by its own name
    require_select(text.replace(BATCH, SAFE_TABLE), bare.name)
    return replace(bare, measure=f"({text})", unit="value")


def _custom_rule(bare: Rule, place: Place | None, rule: DataQuality, *, has_limits: bool) -> Rule:
    if re.sub(r"[^a-z]", "", str(rule.engine).lower()) not in ("greatexpectations", "gx"):
        return replace(bare, skipped=f"engine '{rule.engine}' is not executed; expected greatExpectations")
    written = _implementation(rule.implementation)
    if written is None:
        return replace(bare, skipped="implementation is text; expected type and kwargs of one expectation")
    kind = str(written.get("type") or written.get("expectation_type") or "")
    named = written.get("kwargs") or {}
    if not isinstance(named, dict):
        return replace(bare, skipped=f"kwargs is {str(named)[:60]!r}; expected the arguments of one expectation by name")
    arguments = {_snake(str(key)): value for key, value in named.items()}
    if kind != "unexpected_rows_expectation":
        if brings_sql(arguments) or "query" in kind:
            return replace(bare, skipped=f"expectation '{kind}' brings SQL of its own; expected a rule of type sql")
        if has_limits:
            return replace(bare, skipped=f"limits of expectation '{kind}' belong into its kwargs, such as mostly")
        if place is not None and place.is_column and kind.startswith("expect_column_"):
            arguments.setdefault("column", str(place.column.name))
        return replace(bare, expectation=(kind, arguments))
    query = str(arguments.get("unexpected_rows_query", ""))
    reason = literal((rule.description or bare.name).rstrip("."))
    simple = _SELECT_WHERE.fullmatch(query)
    if simple and require_condition(simple[1], bare.name):
        found = replace(bare, failing=f"({simple[1]})", measure=count_of(f"({simple[1]})"), reason=reason)
    else:
        require_select(query.replace(BATCH, SAFE_TABLE), bare.name)
        later = f"SELECT DISTINCT judged.{ROW} FROM ({query.strip().rstrip(';')}) AS judged"
        found = replace(bare, failing=PREPARED, prepare=later, measure=f"(SELECT count(*) FROM ({later}))", reason=reason)
    return found if keeps(bare.limits, 0) else replace(found, failing=None, prepare=None)


def _implementation(given: Any) -> dict[str, Any] | None:
    """An implementation as a mapping; the standard allows text, which is YAML where it is one expectation."""
    if isinstance(given, str):
        try:
            given = yaml.load(given, Loader=PlainLoader)
        except (yaml.YAMLError, RecursionError):
            return None
    return given if isinstance(given, dict) else None


def _snake(name: str) -> str:
    """`minValue`, as the standard's examples write it, is `min_value` in Great Expectations."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), name)


def _limits(rule: DataQuality) -> tuple[Limit, ...]:
    own = [(operator, getattr(rule, operator)) for operator in OPERATORS if getattr(rule, operator) is not None]
    prefixed = {name.removeprefix("testbed."): value for name, value in custom_of(rule.customProperties).items()}
    return tuple(own) + tuple((operator, prefixed[operator]) for operator in OPERATORS if operator in prefixed)
