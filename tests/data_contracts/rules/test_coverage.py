"""Nothing that a contract declares is silently left out: every rule stands once in the report, executed or with its reason."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import (
    DataQuality,
    EnumValue,
    OpenDataContractStandard,
    Relationship,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
)

from data_contracts.contract import Contract, contracts, example_of, load_contract, parse_contract
from data_contracts.gate import CheckReport, check, check_file
from data_contracts.rules.coverage import DESCRIBES, RULES, coverage_of, declared_rules
from data_contracts.rules.translate import contract_rules
from data_contracts.standard.faults import METRICS, OPERATORS, TYPE_OPTIONS
from data_contracts.standard.option_faults import RANGE_OPTIONS

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
SPEC = importlib.util.find_spec("open_data_contract_standard")
assert SPEC and SPEC.origin
STANDARD: dict[str, Any] = json.loads((Path(SPEC.origin).parent / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.validators.validator_for(STANDARD)(STANDARD)

OPTIONS: dict[str, dict[str, list[Any]]] = {
    "string": {"minLength": [0, 2], "maxLength": [3], "pattern": ["^a"], "format": ["email", "uuid", "password", "odd"]},
    "integer": {
        "minimum": [0],
        "maximum": [9],
        "exclusiveMinimum": [0],
        "exclusiveMaximum": [9],
        "multipleOf": [2, 0.5],
        "format": ["i8", "i64", "u128"],
    },
    "number": {
        "minimum": [0.5],
        "maximum": [9],
        "exclusiveMinimum": [0],
        "exclusiveMaximum": [9],
        "multipleOf": [0.1],
        "format": ["f32", "f64"],
    },
    "date": {
        **{key: ["2026-01-31"] for key in RANGE_OPTIONS},
        "format": ["yyyy-MM-dd", "QQQ"],
    },
    "time": {
        **{key: ["06:30:00"] for key in RANGE_OPTIONS},
        "format": ["HH:mm"],
        "timezone": [True, False],
        "defaultTimezone": ["Etc/UTC"],
    },
    "timestamp": {
        **{key: ["2026-01-31T06:30:00Z", "2026-01-31T06:30:00"] for key in RANGE_OPTIONS},
        "format": ["yyyy-MM-dd HH:mm", "QQQ"],
        "timezone": [True, False],
        "defaultTimezone": ["Pacific/Auckland"],
    },
    "boolean": {},
    "object": {"minProperties": [0], "maxProperties": [5], "required": [["a"]]},
    "array": {"minItems": [0], "maxItems": [2], "uniqueItems": [True, False]},
    "map": {},
    "vector": {
        "dimensions": [2],
        "elementType": ["float32", "float64", "int8", "uint8", "float16", "bfloat16", "binary"],
        "distanceMetric": ["cosine"],
        "embeddingModel": ["m"],
        "embeddingModelVersion": ["1"],
        "normalized": [True, False],
    },
}
"""Every option of the standard with values it allows."""
ENUMS = {"string": ["a", "b"], "integer": [1, 2], "number": [0.5], "boolean": [True], "date": ["2026-01-31"]}
SERVICE_LEVELS = (
    *("availability", "throughput", "errorRate", "generalAvailability", "endOfSupport", "endOfLife", "retention"),
    *("frequency", "latency", "timeToDetect", "timeToNotify", "timeToRepair", "freshness", "completeness", "ours"),
)
DIMENSIONS = ("accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness")
ABOUT = {
    "id": "an_id",
    "description": "words",
    "businessName": "Name",
    "deprecated": False,
    "synonyms": [{"synonym": "other"}],
    "authoritativeDefinitions": [{"url": "https://example.org", "type": "glossary"}],
    "tags": ["t"],
    "customProperties": [{"property": "ours", "value": 1}],
}
ABOUT_A_PROPERTY = {
    **ABOUT,
    "physicalName": "p",
    "primaryKeyPosition": 1,
    "partitioned": True,
    "partitionKeyPosition": 1,
    "classification": "public",
    "encryptedName": "e",
    "transformSourceObjects": ["o"],
    "transformLogic": "sum(x)",
    "transformDescription": "words",
    "examples": [1],
    "criticalDataElement": True,
    "semanticType": "dimension",
}
Drawn = tuple[dict[str, Any], list[str]]


def some(draw: st.DrawFn, given: dict[str, Any]) -> dict[str, Any]:
    """Some entries of a mapping."""
    return {key: value for key, value in given.items() if draw(st.booleans())}


def quality(draw: st.DrawFn, path: str) -> Drawn:
    kind = draw(st.sampled_from(["library", "sql", "text", "custom", None]))
    rule: dict[str, Any] = {"type": kind} if kind else {}
    bounds: dict[str, Any] = {operator: [0, 5] if "Between" in operator else 1 for operator in OPERATORS}
    operator = draw(st.sampled_from(OPERATORS))
    limits = {operator: bounds[operator]}
    if kind in ("library", None):
        metric = draw(st.sampled_from(METRICS))
        arguments = {"validValues": ["a"]}, {"pattern": "a"}, {"missingValues": [""]}, {"properties": ["key"]}, {"odd": 1}
        rule |= {"metric": metric, **limits}
        if draw(st.booleans()):
            rule["arguments"] = draw(st.sampled_from(arguments))
        base = metric
    elif kind == "sql":
        rule |= {"query": "SELECT count(*) FROM ${table}", **limits}
        base = "sql"
    elif kind == "custom":
        expectation = {"type": "expect_table_row_count_to_be_between", "kwargs": {"minValue": 0}}
        rows = {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE false"}}
        rule["engine"] = draw(st.sampled_from(["greatExpectations", "great-expectations", "soda"]))
        rule["implementation"] = draw(st.sampled_from(["words", expectation, rows]))
        base = "custom"
    else:
        base = "text"
    rule |= some(
        draw,
        {
            "name": draw(st.sampled_from(["own", "value.type", "sla.retention"])),
            "id": "q",
            "businessImpact": "operational",
            "description": "Words.",
            "dimension": draw(st.sampled_from(DIMENSIONS)),
            "method": "reconciliation",
            "schedule": "0 20 * * *",
            "scheduler": "cron",
            "severity": draw(st.sampled_from(["info", "warning", "error", "odd"])),
            "tags": ["t"],
            "unit": draw(st.sampled_from(["rows", "percent", "odd"])),
            "authoritativeDefinitions": ABOUT["authoritativeDefinitions"],
            "customProperties": ABOUT["customProperties"],
        },
    )
    return rule, [rule.get("name") or (f"{path}.{base}" if path else base)]


def link(draw: st.DrawFn, path: str) -> Drawn:
    to = draw(st.sampled_from(["others.key", "things.key", "nowhere.x", "schema/others/properties/key"]))
    given: dict[str, Any] = {"to": to} | some(draw, {"id": "a_link", "type": "foreignKey"})
    if not path:
        given["from"] = "things.key"
    if draw(st.booleans()):
        given["customProperties"] = [{"property": "testbed.severity", "value": "should"}]
    return given, [given.get("id") or (f"{path}.relationships" if path else "relationships")]


def property_of(draw: st.DrawFn, path: str, depth: int) -> Drawn:
    """A property with any of the standard's keys, and the names of the rules it declares; `path` is its place."""
    is_column = depth == 0
    kind = draw(st.sampled_from([*OPTIONS] if depth < 2 else ["string", "integer"]))  # its JSON Schema needs one of them
    given: dict[str, Any] = {"logicalType": kind}
    if draw(st.integers(0, 3)) == 0:
        given["physicalType"] = draw(
            st.sampled_from({"integer": ["BIGINT", "UHUGEINT"], "array": ["JSON"]}.get(kind, ["VARCHAR"]))
        )
    names = [f"{path}.type"] if is_column else []
    given |= some(draw, ABOUT_A_PROPERTY)
    is_measure = is_column and draw(st.integers(0, 9)) == 0
    if is_measure:
        given["semanticType"] = "measure"
    is_required, is_key = (draw(st.integers(0, 3)) == 0 for _ in range(2))
    given |= {"required": is_required, "primaryKey": is_key}
    if is_column and not is_measure:
        names += [f"{path}.required"] if is_required or is_key else []
        names += ["primary_key"] if is_key else []
    else:
        names += [f"{path}.required"] if is_required else []
        names += [f"{path}.primaryKey"] if is_key else []
    if draw(st.integers(0, 3)) == 0:
        given["unique"] = True
        names.append(f"{path}.unique")
    options = some(draw, {key: draw(st.sampled_from(values)) for key, values in OPTIONS[kind].items()})
    if kind == "vector":
        options["dimensions"] = 2
    if options:
        given["logicalTypeOptions"] = options
        names += [f"{path}.{option}" for option in options]
    if kind in ENUMS and draw(st.booleans()):
        given["enum"] = [{"value": value, "label": "l"} for value in ENUMS[kind]]
        names.append(f"{path}.enum")
    for key, make in (("quality", quality), ("relationships", link)):
        made = [make(draw, path) for _ in range(draw(st.integers(0, 2)))]
        if made:
            given[key] = [entry for entry, _ in made]
            names += [name for _, declared in made for name in declared]
    if kind == "object" and draw(st.booleans()):
        inner, declared = property_of(draw, f"{path}.a", depth + 1)
        given["properties"] = [{"name": "a", **inner}]
        names += declared
    if kind == "array" and draw(st.booleans()):
        given["items"], declared = property_of(draw, f"{path}.items", depth + 1)
        names += declared
    if kind == "map":
        key, of_key = property_of(draw, f"{path}.key", 2)
        value, of_value = property_of(draw, f"{path}.value", depth + 1)
        given["map"] = {"key": key, "value": value}
        names += [*of_key, *of_value]
    return given, names


@st.composite
def declared_contracts(draw: st.DrawFn) -> tuple[dict[str, Any], Counter[str]]:
    """A contract of the standard, and how often each name of a rule is declared in it."""
    column, names = property_of(draw, "value", 0)
    table: dict[str, Any] = {
        "name": "things",
        "properties": [{"name": "value", **column}, {"name": "key", "logicalType": "string"}],
        **some(draw, {**ABOUT, "physicalType": "table", "logicalType": "object", "context": "words", "physicalName": "t"}),
    }
    names.append("key.type")
    for key, make in (("quality", quality), ("relationships", link)):
        made = [make(draw, "") for _ in range(draw(st.integers(0, 2)))]
        if made:
            table[key] = [entry for entry, _ in made]
            names += [name for _, declared in made for name in declared]
    document: dict[str, Any] = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "things",
        "version": "1.0.0",
        "schema": [table],
    }
    levels = draw(st.lists(st.sampled_from(SERVICE_LEVELS), max_size=3))
    if levels:
        document["slaProperties"] = [
            {"property": level, "value": draw(st.sampled_from([1, "2026-01-31", None, True]))}
            | some(draw, {"unit": "d", "element": "things.value", "driver": "regulatory", "schedule": "x", "valueExt": 2})
            for level in levels
        ]
        names += [f"sla.{level}" for level in levels]
    private = some(draw, {"testbed.small_count": 10, "testbed.round_to": 5, "testbed.forbidden_columns": ["face"]})
    if private:
        document["customProperties"] = [{"property": key, "value": value} for key, value in private.items()]
        names += [f"privacy.{key.removeprefix('testbed.')}" for key in private]
    if names.count("primary_key") > 1:
        names.remove("primary_key")
    return document, Counter(names)


def judge(contract: Contract, others: dict[str, str] | None = None) -> CheckReport:
    with duckdb.connect() as connection:
        columns = ", ".join(f'NULL::VARCHAR AS "{name}"' for name in contract.column_names)
        connection.execute(f"CREATE TEMP TABLE things AS SELECT {columns} FROM range(2)")
        connection.execute("CREATE TEMP TABLE other_things AS SELECT 'a' AS key")
        return check(connection, "things", contract, accepted="good", quarantined="bad", now=NOW, others=others)


def assert_all_are_accounted_for(report: CheckReport, declared: Counter[str]) -> None:
    """Each declared rule once, under its own name or with a number; beside them only what the gate adds by itself."""
    found = [result.rule for result in report.rules]
    assert len(found) == len(set(found))
    added = [name for name in found if name.endswith(".finite")]
    assert len(found) - len(added) == declared.total()
    for name, times in declared.items():
        numbered = [other for other in found if other == name or other.removeprefix(f"{name}_").isdecimal()]
        assert len(numbered) == times, (name, times, found)
    for result in report.rules:
        assert result.status in ("passed", "failed", "skipped") and result.reason
        assert "report this" not in result.reason
    counted = coverage_of(report.rules)
    assert counted.declared == len(found) == counted.executed + len(counted.skipped)


PHASES = (Phase.explicit, Phase.generate)  # a contract that fails says enough; making it smaller takes minutes


@settings(
    max_examples=40, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(drawn=declared_contracts(), with_others=st.booleans())
def test_every_declared_rule_is_in_the_report_once(drawn: tuple[dict[str, Any], Counter[str]], with_others: bool) -> None:
    document, declared = drawn
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []  # it is a contract of the standard
    contract = parse_contract(json.dumps(document), "things.odcs.yaml")
    assert Counter(declared_rules(contract)) == declared
    assert_all_are_accounted_for(judge(contract, {"others": "other_things"} if with_others else None), declared)


@pytest.mark.parametrize("name", contracts())
def test_every_rule_of_the_projects_contracts_is_in_the_report_once(name: str) -> None:
    contract = load_contract(name)
    with duckdb.connect() as connection:
        report = check_file(connection, example_of(name), contract, now=NOW)
    assert report.passed
    assert_all_are_accounted_for(report, Counter(declared_rules(contract)))
    in_words = [rule.name for rule in contract.quality if rule.type == "text"]
    assert list(coverage_of(report.rules).skipped) == in_words  # all else is executed


def test_the_coverage_of_a_report_can_be_shown() -> None:
    report = check_file(duckdb.connect(), example_of("open_counts"), load_contract("open_counts"), now=NOW)
    found = coverage_of(report.rules)
    assert str(found) == f"{found.executed} of {found.declared} rules executed, 1 skipped"
    assert found.to_dict() == {
        "declared": found.declared,
        "executed": found.executed,
        "skipped": {"public_interest": "a rule in words is for people to judge"},
    }


def test_a_rule_that_no_code_makes_is_reported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_contracts.rules.translate.privacy_rules", lambda contract: iter(()))
    contract = load_contract("open_counts")
    rules = contract_rules(contract, dict.fromkeys(contract.column_names, "VARCHAR"))
    forgotten = [rule for rule in rules if "nothing executes it" in str(rule.skipped)]
    assert {rule.name for rule in forgotten} == {"privacy.small_count", "privacy.round_to", "privacy.forbidden_columns"}
    assert all(rule.severity == "must" for rule in forgotten)  # so that the check fails


QUALITY = ("DataQuality", "DataQualityLibrary", "DataQualitySql", "DataQualityCustom")


@pytest.mark.parametrize(
    ("level", "model", "definitions"),
    [
        ("property", SchemaProperty, ("SchemaBaseProperty", "SchemaElement", "SchemaItemProperty")),
        ("object", SchemaObject, ("SchemaObject", "SchemaElement")),
        ("quality", DataQuality, QUALITY),
        ("relationship", Relationship, ("RelationshipBase",)),
        ("service level", ServiceLevelAgreementProperty, ("ServiceLevelAgreementProperty",)),
        ("enum value", EnumValue, ("EnumValue",)),
    ],
)
def test_every_key_of_the_standard_declares_a_rule_or_describes(level: str, model: Any, definitions: tuple[str, ...]) -> None:
    known = {*RULES[level], *DESCRIBES[level]}
    assert set(RULES[level]).isdisjoint(DESCRIBES[level])
    assert known == {field.alias or name for name, field in model.model_fields.items()}
    by_schema = {key for name in definitions for key in STANDARD["$defs"][name].get("properties", {})}
    assert by_schema <= known


def test_every_part_of_the_standards_schema_is_judged_here() -> None:
    """A definition that a later version adds has to be looked at before this passes."""
    judged = {*QUALITY, "SchemaBaseProperty", "SchemaElement", "SchemaItemProperty", "SchemaObject", "RelationshipBase"}
    judged |= {"ServiceLevelAgreementProperty", "EnumValue"}
    about = {"Server", "SupportItem", "Pricing", "TeamMember", "Team", "Role", "Synonym", "CustomProperty"}  # say who and where
    assert {name for name, shape in STANDARD["$defs"].items() if "properties" in shape} == judged | about


def test_every_key_of_a_contract_declares_rules_or_describes() -> None:
    known = {*RULES["contract"], *DESCRIBES["contract"]}
    assert known == {field.alias or name for name, field in OpenDataContractStandard.model_fields.items()}
    assert known == set(STANDARD["properties"])


def test_the_generator_uses_every_option_type_metric_and_operator_of_the_standard() -> None:
    base = STANDARD["$defs"]["SchemaBaseProperty"]
    assert set(OPTIONS) == set(base["properties"]["logicalType"]["enum"])
    for branch in base["allOf"]:
        options = branch.get("then", {}).get("properties", {}).get("logicalTypeOptions", {}).get("properties")
        if options:
            kinds = [part["properties"]["logicalType"]["const"] for part in branch["if"].get("anyOf", [branch["if"]])]
            for kind in kinds:
                assert set(OPTIONS[kind]) == set(options) == set(TYPE_OPTIONS[kind])
    assert set(METRICS) == set(STANDARD["$defs"]["DataQualityLibrary"]["properties"]["metric"]["enum"])
    operators = {entry["required"][0] for entry in STANDARD["$defs"]["DataQualityOperators"]["oneOf"]}
    assert set(OPERATORS) == operators
    used = {*ABOUT_A_PROPERTY, *("name", "physicalType", "logicalType", "logicalTypeOptions", "required", "unique", "map")}
    used |= {"primaryKey", "enum", "quality", "relationships", "properties", "items"}
    assert used == set(SchemaProperty.model_fields)
