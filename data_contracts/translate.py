"""Translate a contract into rules: everything it declares is executed, or says why not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from open_data_contract_standard.model import DataQuality, SchemaProperty

from data_contracts.casting import identifier, literal, sql_type, type_words
from data_contracts.contract import Contract
from data_contracts.faults import OPERATORS, custom_of
from data_contracts.privacy import privacy_rules
from data_contracts.readonly import SAFE_TABLE, require_condition, require_select
from data_contracts.rules import (
    BATCH,
    NONE_ALLOWED,
    PREPARED,
    RAW,
    ROW,
    Limit,
    Rule,
    Severity,
    count_of,
    row_rule,
    said,
    unique_rule,
    unlike,
    values_rule,
)

_SELECT_WHERE = re.compile(r"\s*select\s+\*\s+from\s+\{batch\}\s+where\s+(.*?)[;\s]*$", re.IGNORECASE | re.DOTALL)


def contract_rules(contract: Contract, given: dict[str, str]) -> tuple[Rule, ...]:
    """Every rule a contract declares, for a relation of given columns.

    Args:
        contract: The contract.
        given: Type of each column of the relation to be judged, by name, as it came.

    Returns:
        The rules, in the contract's order, with unique names.

    Raises:
        ContractError: A rule's SQL is not one that may be executed.
    """
    found: list[Rule] = []
    for column in contract.columns:
        found += _column_rules(contract, column, given)
    found += _key_rules(contract)
    for rule in contract.quality:
        found.append(_quality_rule(contract, None, rule))
    found += privacy_rules(contract)
    for level in contract.sla:
        unit = f" {level.unit}" if level.unit else ""
        found.append(
            Rule(
                f"sla.{level.property}",
                "should",
                level.description or f"{level.property} is {level.value}{unit}",
                skipped="service levels are declared but not measured by the gate",
            )
        )
    return tuple(_unique_names(found))


def _column_rules(contract: Contract, column: SchemaProperty, given: dict[str, str]) -> Iterator[Rule]:
    name, spelled = str(column.name), identifier(str(column.name))
    options = dict(column.logicalTypeOptions or {})
    kind = sql_type(column)
    raw = identifier(RAW + name)
    if kind is None:
        yield Rule(f"{name}.type", skipped=f"logicalType {column.logicalType} has no type of DuckDB; name its physicalType")
        return
    failing = "false" if given[name] == kind else f"{raw} IS NOT NULL AND {spelled} IS NULL"
    reason = said(name, spelled if given[name] == kind else raw, type_words(column))
    yield Rule(f"{name}.type", "must", f"{name} is {type_words(column)}", failing, reason, count_of(failing))
    quality = [_quality_rule(contract, column, rule) for rule in column.quality or ()]
    if column.required or column.primaryKey:
        failing = f"{spelled} IS NULL" if given[name] == kind else f"{raw} IS NULL"
        rule = Rule(f"{name}.required", "must", f"{name} is given", failing, said(name, "NULL", "a value"), count_of(failing))
        tolerance = next((other for other in quality if other.name.endswith((".nullValues", ".missingValues"))), None)
        yield (replace(rule, limits=tolerance.limits, unit=tolerance.unit, severity=tolerance.severity) if tolerance else rule)
    if column.unique:
        yield unique_rule(f"{name}.unique", (name,))
    if kind in ("DOUBLE", "FLOAT"):
        yield row_rule(f"{name}.finite", name, f"NOT isfinite({spelled})", "a finite number")
    yield from _option_rules(column, name, spelled, options)
    if column.enum:
        yield values_rule(f"{name}.enum", name, [entry.value for entry in column.enum])
    yield from quality
    if column.relationships:
        yield Rule(f"{name}.relationships", skipped="relationships between contracts need both tables; the gate sees one")


def _option_rules(column: SchemaProperty, name: str, spelled: str, options: dict[str, Any]) -> Iterator[Rule]:
    comparisons = {
        "minimum": ("<", "{} or more"),
        "maximum": (">", "{} or less"),
        "exclusiveMinimum": ("<=", "more than {}"),
        "exclusiveMaximum": (">=", "less than {}"),
    }
    for key, value in options.items():
        rule = f"{name}.{key}"
        if key in comparisons:
            sign, words = comparisons[key]
            bound = literal(value)
            if column.logicalType in ("date", "timestamp", "time"):
                bound += f"::{sql_type(column)}"
            yield row_rule(rule, name, f"{spelled} {sign} {bound}", words.format(value))
        elif key == "multipleOf":
            yield row_rule(rule, name, f"{spelled} % {literal(value)} <> 0", f"a multiple of {value}")
        elif key == "minLength":
            yield row_rule(rule, name, f"length({spelled}) < {int(value)}", f"at least {value} characters")
        elif key == "maxLength":
            yield row_rule(rule, name, f"length({spelled}) > {int(value)}", f"at most {value} characters")
        elif key == "pattern":
            yield row_rule(rule, name, unlike(spelled, str(value)), f"text like {value}")
        elif key not in ("timezone", "defaultTimezone"):
            yield Rule(rule, skipped=f"option {key} is not executed")


def _key_rules(contract: Contract) -> Iterator[Rule]:
    if contract.primary_key:
        yield unique_rule("primary_key", contract.primary_key)


def _quality_rule(contract: Contract, column: SchemaProperty | None, rule: DataQuality) -> Rule:
    prefix = f"{column.name}." if column else ""
    name = rule.name or prefix + str(rule.metric or rule.rule or rule.type)
    limits = _limits(rule)
    severity: Severity = "should" if str(rule.severity).lower() in ("should", "info", "warning", "low", "medium") else "must"
    bare = Rule(name, severity, (rule.description or name).rstrip("."), limits=limits or NONE_ALLOWED, unit=rule.unit or "rows")
    if bare.unit not in ("rows", "percent"):
        return replace(bare, skipped=f"unit {rule.unit!r} is not executed; expected rows or percent")
    match rule.type or "library":
        case "text":
            stated: Severity = "must" if str(rule.severity).lower() in ("must", "error", "critical", "high") else "should"
            return replace(bare, severity=stated, skipped="a rule in words is for people to judge")
        case "sql":
            return _query_rule(bare, column, str(rule.query))
        case "custom":
            return _custom_rule(bare, rule, has_limits=bool(limits))
        case _:
            return _library_rule(contract, bare, column, rule)


def _library_rule(contract: Contract, bare: Rule, column: SchemaProperty | None, rule: DataQuality) -> Rule:
    metric, arguments = rule.metric or rule.rule, dict(rule.arguments or {})
    if metric == "rowCount":
        return replace(bare, measure="count(*)")
    if metric == "duplicateValues":
        keys = tuple(arguments.get("properties") or ([column.name] if column else []))
        unknown = set(keys) - set(contract.column_names)
        if not keys or unknown:
            return replace(bare, skipped=f"names columns {sorted(unknown)}; expected columns of the contract")
        unique = unique_rule(bare.name, keys)
        return replace(unique, severity=bare.severity, description=bare.description, limits=bare.limits, unit=bare.unit)
    if column is None:
        return replace(bare, skipped=f"{metric} is a rule for a column; put it under one")
    name, spelled = str(column.name), identifier(str(column.name))
    if metric in ("nullValues", "missingValues"):
        failing = f"{spelled} IS NULL"
        words = [value for value in arguments.get("missingValues", ()) if value is not None]
        if metric == "missingValues" and words:
            failing = f"({failing} OR {spelled}::VARCHAR IN ({', '.join(literal(str(word)) for word in words)}))"
        if not (column.required or column.primaryKey) and bare.limits != NONE_ALLOWED:
            return replace(bare, measure=count_of(failing))  # the column may be empty: only how often is limited
        return replace(bare, failing=failing, measure=count_of(failing), reason=said(name, spelled, "a value"))
    if metric == "invalidValues":
        if set(arguments) - {"validValues", "pattern"} or not arguments:
            found = f"arguments {sorted(arguments)} are not executed"
            return replace(bare, skipped=f"{found}; expected validValues or pattern")
        parts, words = [], []
        if "validValues" in arguments:
            values = values_rule(bare.name, name, arguments["validValues"])
            parts.append(str(values.failing))
            words.append("one of " + ", ".join(str(value) for value in arguments["validValues"]))
        if "pattern" in arguments:
            parts.append(unlike(spelled, str(arguments["pattern"])))
            words.append(f"text like {arguments['pattern']}")
        failing = " OR ".join(parts)
        return replace(bare, failing=failing, measure=count_of(failing), reason=said(name, spelled, " and ".join(words)))
    return replace(bare, skipped=f"metric {metric!r} is not executed")


def _query_rule(bare: Rule, column: SchemaProperty | None, query: str) -> Rule:
    text = query.replace("${column}", identifier(str(column.name)) if column else "${column}")
    text = re.sub(r"\$?\{\s*(property|field)\s*\}", lambda _: identifier(str(column.name)) if column else "${column}", text)
    text = re.sub(r"\$?\{\s*(table|object|model|schema|batch)\s*\}", BATCH, text).strip().rstrip(";").strip()
    require_select(text.replace(BATCH, SAFE_TABLE), bare.name)
    return replace(bare, measure=f"({text})", unit="value")


def _custom_rule(bare: Rule, rule: DataQuality, *, has_limits: bool) -> Rule:
    if re.sub(r"[^a-z]", "", str(rule.engine).lower()) != "greatexpectations":
        return replace(bare, skipped=f"engine '{rule.engine}' is not executed; expected greatExpectations")
    if not isinstance(rule.implementation, dict):
        return replace(bare, skipped="implementation is text; expected type and kwargs of one expectation")
    kind = str(rule.implementation.get("type") or rule.implementation.get("expectation_type") or "")
    arguments = dict(rule.implementation.get("kwargs") or {})
    if kind != "unexpected_rows_expectation":
        if has_limits:
            return replace(bare, skipped=f"limits of expectation '{kind}' belong into its kwargs, such as mostly")
        return replace(bare, expectation=(kind, arguments))
    query = str(arguments.get("unexpected_rows_query", ""))
    reason = literal(bare.description)
    simple = _SELECT_WHERE.fullmatch(query)
    if simple and require_condition(simple[1], bare.name):
        return replace(bare, failing=f"({simple[1]})", measure=count_of(f"({simple[1]})"), reason=reason)
    require_select(query.replace(BATCH, SAFE_TABLE), bare.name)
    later = f"SELECT DISTINCT {ROW} FROM ({query.strip().rstrip(';')})"
    return replace(bare, failing=PREPARED, prepare=later, measure=f"(SELECT count(*) FROM ({later}))", reason=reason)


def _limits(rule: DataQuality) -> tuple[Limit, ...]:
    own = [(operator, getattr(rule, operator)) for operator in OPERATORS if getattr(rule, operator) is not None]
    prefixed = {name.removeprefix("testbed."): value for name, value in custom_of(rule.customProperties).items()}
    return tuple(own) + tuple((operator, prefixed[operator]) for operator in OPERATORS if operator in prefixed)


def _unique_names(rules: list[Rule]) -> Iterator[Rule]:
    seen: dict[str, int] = {}
    for rule in rules:
        seen[rule.name] = seen.get(rule.name, 0) + 1
        yield rule if seen[rule.name] == 1 else replace(rule, name=f"{rule.name}_{seen[rule.name]}")
