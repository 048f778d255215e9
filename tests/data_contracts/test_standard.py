"""Each kind of rule of the standard, with a value that keeps it and one that breaks it."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from data_contracts.contract import Contract, ContractError, parse_contract
from data_contracts.gate import CheckReport, RuleResult, check, check_file

TEXT = "VARCHAR"


def contract_of(column: dict[str, Any], **table: Any) -> Contract:
    document = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "things",
        "version": "1.0.0",
        "schema": [{"name": "things", "properties": [{"name": "value", **column}], **table}],
    }
    return parse_contract(json.dumps(document), "things.odcs.yaml")


def judge(contract: Contract, kind: str, values: list[Any]) -> tuple[CheckReport, list[Any]]:
    """The report, and row number and rules of each refused row; values are SQL expressions."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE things (value {kind})")
        for value in values:
            connection.execute(f"INSERT INTO things VALUES ({value})")
        report = check(connection, "things", contract, accepted="good", quarantined="bad")
        return report, connection.execute("SELECT source_row, rules FROM bad ORDER BY 1").fetchall()


def rule(report: CheckReport, name: str) -> RuleResult:
    (found,) = [result for result in report.rules if result.rule == name]
    return found


def options(kind: str, **given: Any) -> dict[str, Any]:
    return {"logicalType": kind, "logicalTypeOptions": given}


STREET = {"name": "street", "logicalType": "string", "required": True, "logicalTypeOptions": {"maxLength": 5}}
NUMBER = {"name": "number", "logicalType": "integer", "logicalTypeOptions": {"minimum": 1}}
ADDRESS = {"logicalType": "object", "properties": [STREET, NUMBER]}
TAGS = {"logicalType": "array", "items": {"logicalType": "string", "logicalTypeOptions": {"pattern": "^[a-z]+$"}}}
MAP = {
    "logicalType": "map",
    "map": {
        "key": {"logicalType": "string", "logicalTypeOptions": {"minLength": 2}},
        "value": {"logicalType": "integer", "logicalTypeOptions": {"maximum": 9}},
    },
}
BY_NUMBER = {"logicalType": "map", "map": {"key": {"logicalType": "integer"}, "value": {"logicalType": "integer"}}}
ROUTES = {"logicalType": "array", "items": {"logicalType": "object", "properties": [NUMBER]}}
GRID = {"logicalType": "array", "items": {"logicalType": "array", "items": NUMBER}}
KEEPS_OR_BREAKS: list[tuple[dict[str, Any], str, list[str], str, str]] = [
    # property, type as it came, values that keep every rule, a value that breaks one, that rule
    ({"logicalType": "string"}, "INTEGER", ["NULL"], "1", "value.type"),
    ({"logicalType": "time"}, TEXT, ["'06:30:00'", "NULL"], "'25:00'", "value.type"),
    ({"logicalType": "integer", "physicalType": "TINYINT"}, TEXT, ["'127'"], "'128'", "value.type"),
    ({"physicalType": "UUID"}, TEXT, ["'00000000-0000-0000-0000-000000000000'"], "'x'", "value.type"),
    ({"physicalType": "DECIMAL(4,1)"}, TEXT, ["'999.9'"], "'9999.9'", "value.type"),
    ({"logicalType": "string", "required": True}, TEXT, ["'a'", "''"], "NULL", "value.required"),
    ({"required": True}, TEXT, ["'a'"], "NULL", "value.required"),  # no type is declared: as it came
    ({"logicalType": "string", "unique": True}, TEXT, ["'a'", "NULL", "NULL"], "'a'", "value.unique"),
    ({"logicalType": "string", "primaryKey": True}, TEXT, ["'a'", "'b'"], "'a'", "primary_key"),
    (options("integer", minimum=3), "BIGINT", ["3", "NULL"], "2", "value.minimum"),
    (options("integer", maximum=3), "BIGINT", ["3"], "4", "value.maximum"),
    (options("number", exclusiveMinimum=3), "DOUBLE", ["3.1"], "3", "value.exclusiveMinimum"),
    (options("number", exclusiveMaximum=3), "DOUBLE", ["2.9"], "3", "value.exclusiveMaximum"),
    (options("integer", multipleOf=5), "BIGINT", ["-5", "0", "10"], "12", "value.multipleOf"),
    (options("number", multipleOf=0.1), "DOUBLE", ["0.3", "1e6", "-0.7"], "0.35", "value.multipleOf"),
    (options("integer", format="i8"), "BIGINT", ["-128", "127"], "128", "value.format"),
    (options("integer", format="u16"), "BIGINT", ["0", "65535"], "-1", "value.format"),
    (options("integer", format="u64"), "BIGINT", ["9223372036854775807"], "-1", "value.format"),
    (options("number", format="f32"), "DOUBLE", ["3.4e38"], "3.5e38", "value.format"),
    (options("string", minLength=2), TEXT, ["'ab'", "'éé'"], "'a'", "value.minLength"),
    (options("string", maxLength=2), TEXT, ["'éé'"], "'abc'", "value.maxLength"),
    (options("string", pattern="^a+$"), TEXT, ["'aa'"], "'ab'", "value.pattern"),
    (options("string", format="email"), TEXT, ["'a.b@example.org'"], "'a@b'", "value.format"),
    (options("string", format="uuid"), TEXT, ["'00000000-0000-4000-8000-00000000000f'"], "'0-0'", "value.format"),
    (options("string", format="uri"), TEXT, ["'https://example.org/a?b'", "'urn:a:b'"], "'example'", "value.format"),
    (options("string", format="hostname"), TEXT, ["'a-1.example.org'"], "'-a.org'", "value.format"),
    (options("string", format="ipv4"), TEXT, ["'192.168.0.255'"], "'192.168.0.256'", "value.format"),
    (options("string", format="ipv6"), TEXT, ["'2001:db8::1'", "'::'"], "'2001:db8'", "value.format"),
    (options("string", format="byte"), TEXT, ["'YWI='", "''"], "'YWI'", "value.format"),
    (options("date", minimum="2026-01-01"), "DATE", ["'2026-01-01'"], "'2025-12-31'", "value.minimum"),
    (options("date", exclusiveMaximum="2026-01-01"), "DATE", ["'2025-12-31'"], "'2026-01-01'", "value.exclusiveMaximum"),
    (options("time", maximum="09:00:00"), "TIME", ["'09:00:00'"], "'09:00:01'", "value.maximum"),
    (
        options("timestamp", minimum="2026-01-01T00:00:00"),  # without an offset: UTC, the standard's default
        "TIMESTAMPTZ",
        ["'2026-01-01 00:00:00+00'", "'2026-01-01 13:00:00+13'"],
        "'2026-01-01 00:00:00+01'",
        "value.minimum",
    ),
    (options("timestamp", maximum="2026-01-01T00:00:00+13:00"), "TIMESTAMPTZ", ["'2025-12-31 11:00:00Z'"],
     "'2025-12-31 11:00:01Z'", "value.maximum"),
    (options("date", format="dd/MM/yyyy"), TEXT, ["'31/01/2026'"], "'2026-01-31'", "value.format"),
    (options("time", format="HH.mm"), TEXT, ["'06.30'"], "'06:30'", "value.format"),
    (
        options("timestamp", format="dd.MM.yyyy HH:mm", defaultTimezone="Pacific/Auckland"),
        TEXT,
        ["'31.01.2026 06:30'"],
        "'2026-01-31T06:30:00Z'",
        "value.format",
    ),
    (options("timestamp", timezone=True), TEXT, ["'2026-01-31T06:30:00Z'"], "'2026-01-31T06:30:00'", "value.timezone"),
    (
        options("timestamp", timezone=False, defaultTimezone="Etc/UTC"),
        TEXT,
        ["'2026-01-31T06:30:00'"],
        "'2026-01-31T06:30:00Z'",
        "value.timezone",
    ),
    ({"logicalType": "string", "enum": [{"value": "a"}, {"value": "b"}]}, TEXT, ["'a'", "NULL"], "'c'", "value.enum"),
    ({"logicalType": "integer", "enum": [{"value": 1}, {"value": None}]}, "BIGINT", ["1"], "2", "value.enum"),
    ({"logicalType": "string", "enum": [{"value": 1}, {"value": "b"}]}, TEXT, ["'1'"], "'2'", "value.enum"),
    ({"logicalType": "boolean", "enum": [{"value": True}]}, "BOOLEAN", ["true"], "false", "value.enum"),
    (TAGS, TEXT, ["'[\"a\",\"b\"]'", "'[]'", "NULL"], "'a'", "value.type"),
    (TAGS, "VARCHAR[]", ["['a']", "[NULL]"], "['a', 'B']", "value.items.pattern"),
    ({**TAGS, "logicalTypeOptions": {"minItems": 1}}, "VARCHAR[]", ["['a']"], "[]", "value.minItems"),
    ({**TAGS, "logicalTypeOptions": {"maxItems": 1}}, "VARCHAR[]", ["[]"], "['a', 'b']", "value.maxItems"),
    ({**TAGS, "logicalTypeOptions": {"uniqueItems": True}}, "VARCHAR[]", ["['a', 'b']"], "['a', 'a']", "value.uniqueItems"),
    (options("array", uniqueItems=True) | {"physicalType": "JSON"}, "JSON", ["'[1, 2]'"], "'[1, 1]'", "value.uniqueItems"),
    ({"logicalType": "array", "items": {"logicalType": "integer"}}, TEXT, ["'[1, 2]'"], "'[1.5]'", "value.type"),
    ({"logicalType": "array", "items": {"logicalType": "integer"}}, "DOUBLE[]", ["[1.0]"], "[1.5]", "value.type"),
    (ADDRESS, TEXT, ['\'{"street": "Mill", "number": 1}\'', "NULL"], "'Mill'", "value.type"),
    (ADDRESS, "STRUCT(street VARCHAR, number BIGINT)", ["{'street': 'Mill', 'number': NULL}", "NULL"],
     "{'street': NULL, 'number': 1}", "value.street.required"),
    (ADDRESS, "STRUCT(street VARCHAR, number BIGINT)", [], "{'street': 'Mill Lane', 'number': 1}", "value.street.maxLength"),
    (ADDRESS, "STRUCT(street VARCHAR, number BIGINT)", [], "{'street': 'Mill', 'number': 0}", "value.number.minimum"),
    ({**ADDRESS, "logicalTypeOptions": {"minProperties": 2}}, "STRUCT(street VARCHAR, number BIGINT)",
     ["{'street': 'Mill', 'number': 1}", "NULL"], "{'street': 'Mill', 'number': NULL}", "value.minProperties"),
    ({**ADDRESS, "logicalTypeOptions": {"maxProperties": 1}}, "STRUCT(street VARCHAR, number BIGINT)",
     ["{'street': 'Mill', 'number': NULL}"], "{'street': 'Mill', 'number': 1}", "value.maxProperties"),
    ({**ADDRESS, "logicalTypeOptions": {"required": ["number"]}}, "STRUCT(street VARCHAR, number BIGINT)",
     ["{'street': 'Mill', 'number': 1}"], "{'street': 'Mill', 'number': NULL}", "value.required"),
    (options("object", required=["a"]) | {"physicalType": "JSON"}, "JSON", ["'{\"a\": 1}'"], "'{\"b\": 1}'", "value.required"),
    (options("object", maxProperties=1) | {"physicalType": "JSON"}, "JSON", ["'{}'"], "'{\"a\": 1, \"b\": 1}'",
     "value.maxProperties"),
    (MAP, TEXT, ["'{\"ab\": 1}'"], "'{\"ab\": 1.5}'", "value.type"),
    (BY_NUMBER, TEXT, ["'{\"1\": 2}'", "'{1=2}'"], "'{\"a\": 2}'", "value.type"),
    (MAP, "MAP(VARCHAR, BIGINT)", ["MAP {'ab': 9}", "NULL"], "MAP {'ab': 9, 'a': 1}", "value.key.minLength"),
    (MAP, "MAP(VARCHAR, BIGINT)", [], "MAP {'ab': 10}", "value.value.maximum"),
    (ROUTES, "STRUCT(number BIGINT)[]", ["[{'number': 1}]"], "[{'number': 1}, {'number': 0}]", "value.items.number.minimum"),
    (GRID, "BIGINT[][]", ["[[1], [2, 3]]"], "[[1], [2, 0]]", "value.items.items.minimum"),
    (options("vector", dimensions=2), "FLOAT[]", ["[1, 2]"], "[1, 2, 3]", "value.type"),
    (options("vector", dimensions=2) | {"physicalType": "FLOAT[]"}, "FLOAT[]", ["[1, 2]"], "[1]", "value.dimensions"),
    (options("vector", dimensions=2, elementType="uint8"), TEXT, ["'[0, 255]'"], "'[0, 256]'", "value.type"),
    (options("vector", dimensions=1, elementType="int8") | {"physicalType": "DOUBLE[]"}, "DOUBLE[]", ["[-128]"], "[0.5]",
     "value.elementType"),
    (options("vector", dimensions=2, normalized=True), "FLOAT[2]", ["[0.6, 0.8]"], "[1, 1]", "value.normalized"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "kind", "kept", "broken", "name"), KEEPS_OR_BREAKS)
def test_a_value_keeps_or_breaks_a_rule(column: dict[str, Any], kind: str, kept: list[str], broken: str, name: str) -> None:
    report, refused = judge(contract_of(column), kind, [*kept, broken])
    assert [row for row, _ in refused] == [len(kept) + 1]
    assert name in refused[0][1]
    assert rule(report, name).status == "failed" and rule(report, name).failed_rows == 1
    assert not report.passed
    report, refused = judge(contract_of(column), kind, kept)
    assert report.passed and not refused
    assert rule(report, name).status == "passed"


SKIPPED: list[tuple[dict[str, Any], str, str, str, str]] = [
    # property, type as it came, rule, why it is skipped, severity
    ({"logicalType": "array"}, TEXT, "value.type", "no type of DuckDB", "must"),
    (options("vector", dimensions=2, elementType="float16"), TEXT, "value.type", "no type of DuckDB", "must"),
    (options("vector", dimensions=2, elementType="float16"), TEXT, "value.dimensions", "no type of DuckDB", "must"),
    ({"logicalType": "object", "required": True, "quality": [{"metric": "invalidValues", "mustBe": 0, "arguments":
      {"pattern": "a"}}]}, TEXT, "value.invalidValues", "no type of DuckDB", "must"),
    (options("vector", dimensions=2, distanceMetric="cosine"), "FLOAT[2]", "value.distanceMetric", "advice", "should"),
    (options("vector", dimensions=2, embeddingModel="m"), "FLOAT[2]", "value.embeddingModel", "advice", "should"),
    (options("vector", dimensions=2, normalized=False), "FLOAT[2]", "value.normalized", "nothing to check", "should"),
    (options("string", format="password"), TEXT, "value.format", "says how a text is shown", "should"),
    (options("string", format="klingon"), TEXT, "value.format", "not one that is executed", "should"),
    (options("date", format="QQQ"), TEXT, "value.format", "DuckDB cannot read", "must"),
    (options("date", format="dd/MM/yyyy"), "DATE", "value.format", "came as DATE", "should"),
    (options("integer", format="f32"), "BIGINT", "value.format", "not one of type integer", "must"),
    (options("array", minItems=1) | {"physicalType": "VARCHAR"}, TEXT, "value.minItems", "but stored as VARCHAR", "must"),
    ({"logicalType": "array", "items": {"logicalType": "string", "unique": True}}, "VARCHAR[]", "value.items.unique",
     "not compared between rows", "must"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "kind", "name", "why", "severity"), SKIPPED)
def test_what_is_not_executed_says_why(column: dict[str, Any], kind: str, name: str, why: str, severity: str) -> None:
    report, _ = judge(contract_of(column), kind, ["NULL"])
    found = rule(report, name)
    assert (found.status, found.severity, found.failed_rows) == ("skipped", severity, None)
    assert why in found.reason
    if severity == "must":
        assert not report.passed


def test_a_measure_is_no_column() -> None:
    contract = contract_of({"logicalType": "string"})
    total = {"name": "total", "semanticType": "measure", "transformLogic": "sum(value)", "required": True, "unique": True}
    document = contract.document.model_dump(by_alias=True, exclude_none=True)
    document["schema"][0]["properties"].append({**total, **options("number", minimum=0)})
    report, refused = judge(parse_contract(json.dumps(document), "things.odcs.yaml"), TEXT, ["'a'"])
    assert report.passed and not refused
    for name in ("total.type", "total.required", "total.unique", "total.minimum"):
        assert rule(report, name).status == "skipped" and "a measure is computed" in rule(report, name).reason


def library(metric: str, unit: str = "rows", **operators: Any) -> dict[str, Any]:
    arguments = operators.pop("arguments", None)
    return {"metric": metric, "unit": unit, **operators, **({"arguments": arguments} if arguments is not None else {})}


MISSING = {"missingValues": [None, "", "n/a"]}
VALID = {"validValues": ["a", "b"]}
ABOUT_A_COLUMN: list[tuple[dict[str, Any], list[str], list[str]]] = [
    # rule, values that keep it, values that break it
    (library("nullValues", mustBe=0), ["'a'"], ["'a'", "NULL"]),
    (library("nullValues", mustNotBe=1), ["NULL", "NULL"], ["NULL"]),
    (library("nullValues", mustBeLessThan=2), ["NULL"], ["NULL", "NULL"]),
    (library("nullValues", mustBeLessOrEqualTo=1), ["NULL"], ["NULL", "NULL"]),
    (library("nullValues", mustBeGreaterThan=0), ["NULL"], ["'a'"]),
    (library("nullValues", mustBeGreaterOrEqualTo=1), ["NULL"], ["'a'"]),
    (library("nullValues", mustBeBetween=[0, 2]), ["NULL"], ["NULL", "NULL"]),
    (library("nullValues", mustNotBeBetween=[0, 2]), ["NULL", "NULL"], ["NULL"]),
    (library("nullValues", "percent", mustBeLessThan=50), ["'a'", "'a'", "NULL"], ["'a'", "NULL"]),
    (library("missingValues", mustBe=0, arguments=MISSING), ["'a'"], ["'n/a'"]),
    (library("missingValues", mustBe=0, arguments=MISSING), ["'a'"], ["''"]),
    (library("missingValues", "percent", mustBeLessThan=50, arguments=MISSING), ["'a'", "'a'", "''"], ["'a'", "''"]),
    (library("invalidValues", mustBe=0, arguments=VALID), ["'a'", "NULL"], ["'c'"]),
    (library("invalidValues", mustBe=0, arguments={"pattern": "^[ab]$"}), ["'a'", "NULL"], ["'c'"]),
    (library("invalidValues", mustBe=0, arguments={**VALID, "pattern": "^a$"}), ["'a'"], ["'b'"]),
    (library("invalidValues", mustBeLessThan=2, arguments=VALID), ["'c'"], ["'c'", "'c'"]),
    (library("duplicateValues", mustBe=0), ["'a'", "'b'", "NULL", "NULL"], ["'a'", "'a'"]),
    (library("duplicateValues", mustBeGreaterThan=0), ["'a'", "'a'"], ["'a'", "'b'"]),
    (library("duplicateValues", "percent", mustBeLessThan=50), ["'a'", "'b'", "'a'"], ["'a'", "'a'"]),
    (library("duplicateValues", mustBe=0, arguments={"properties": "value"}), ["'a'"], ["'a'", "'a'"]),
    (library("rowCount", mustBe=2), ["'a'", "'a'"], ["'a'"]),
    (library("rowCount", mustBeBetween=[1, 3]), ["'a'", "'a'"], ["'a'", "'a'", "'a'"]),
    ({"rule": "nullValues", "mustBe": 0}, ["'a'"], ["NULL"]),  # the deprecated word for metric
    (
        {"type": "sql", "query": "SELECT count(*) FROM ${table} WHERE ${column} = 'c'", "mustBe": 0, "unit": "things"},
        ["'a'"],
        ["'c'"],
    ),
    ({"type": "sql", "query": "SELECT max(${column}) FROM ${table}", "mustBe": "a"}, ["'a'"], ["'c'"]),
    (
        {"type": "custom", "engine": "great-expectations", "implementation": {
            "type": "expect_column_value_lengths_to_equal", "kwargs": {"value": 1}}},
        ["'a'"],
        ["'ab'"],
    ),
    (
        {"type": "custom", "engine": "greatExpectations", "implementation": {  # as the standard's own example spells it
            "type": "expect_table_row_count_to_be_between", "kwargs": {"minValue": 2, "maxValue": 3}}},
        ["'a'", "'a'"],
        ["'a'"],
    ),
    (
        {"type": "custom", "engine": "greatExpectations",
         "implementation": "type: expect_table_row_count_to_equal\nkwargs: {value: 1}"},
        ["'a'"],
        ["'a'", "'a'"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "kept", "broken"), ABOUT_A_COLUMN)
def test_a_quality_rule_is_kept_or_broken(written: dict[str, Any], kept: list[str], broken: list[str]) -> None:
    contract = contract_of({"logicalType": "string", "quality": [{"name": "own", **written}]})
    for values, status in ((kept, "passed"), (broken, "failed")):
        report, refused = judge(contract, TEXT, values)
        assert rule(report, "own").status == status
        assert len(refused) == (rule(report, "own").failed_rows or 0)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (library("nullValues", mustBe=0, arguments={"filter": "x"}), "arguments ['filter'] are not executed"),
        (library("rowCount", "percent", mustBe=0), "no percentage"),
        (library("nullValues", "bytes", mustBe=0), "unit 'bytes'"),
        ({"type": "custom", "engine": "soda", "implementation": "checks: []"}, "engine 'soda' is not executed"),
        ({"type": "custom", "engine": "greatExpectations", "implementation": "words"}, "implementation is text"),
        ({"type": "text", "description": "be nice", "severity": "critical"}, "for people to judge"),
    ],
)
def test_a_quality_rule_that_is_not_executed_says_why_and_a_must_fails(written: dict[str, Any], why: str) -> None:
    report, _ = judge(contract_of({"logicalType": "string", "quality": [{"name": "own", **written}]}), TEXT, ["'a'"])
    assert rule(report, "own").status == "skipped" and why in rule(report, "own").reason
    assert not report.passed


def test_between_is_read_in_the_standards_words_and_the_report_says_so() -> None:
    for operator, words in (
        ("mustBeBetween", "greater than 1 and less than 3, both ends left out"),
        ("mustNotBeBetween", "1 or less, or 3 or more"),
    ):
        report, _ = judge(contract_of({"quality": [library("rowCount", **{operator: [1, 3]})]}), TEXT, ["'a'"])
        assert words in rule(report, "value.rowCount").reason
        assert rule(report, "value.rowCount").status == ("failed" if operator == "mustBeBetween" else "passed")


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        (None, "must"),
        ("must", "must"),
        ("Error", "must"),
        ("critical", "must"),
        ("high", "must"),
        ("unheard of", "must"),
        ("should", "should"),
        ("INFO", "should"),
        ("warning", "should"),
        ("low", "should"),
        ("medium", "should"),
    ],
)
def test_the_standards_words_for_severity(word: str | None, severity: str) -> None:
    written = library("rowCount", mustBe=0) | ({"severity": word} if word else {})
    report, _ = judge(contract_of({"quality": [written]}), TEXT, ["'a'"])
    assert rule(report, "value.rowCount").severity == severity
    assert report.passed == (severity == "should")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (options("date", minimum="yesterday"), "minimum is 'yesterday'; expected a date such as '2026-01-31'"),
        (options("integer", minimum="1"), "minimum is '1'; expected a number"),
        (options("string", minLength=-1), "minLength is -1; expected a whole number"),
        (options("string", minLength=3, maxLength=2), "minLength 3 is above maxLength 2"),
        (options("integer", multipleOf=0), "multipleOf is 0; expected a number above 0"),
        (options("vector", dimensions=0), "dimensions is 0; expected a whole number, 1 or more"),
        (options("timestamp", defaultTimezone="Mars/Olympus"), "expected a name such as Pacific/Auckland"),
        (options("boolean", minimum=1), "option 'minimum' is unknown for boolean; expected none"),
        (options("object", required="a"), "required is 'a'; expected a list of names"),
        ({"logicalType": "array", "items": options("string", pattern="[")}, "column 'value.items': pattern '['"),
        ({"logicalType": "string", "relationships": [{}]}, "a relationship has no 'to'"),
        ({"logicalType": "string", "relationships": [{"from": "a.b", "to": "c.d"}]}, "a relationship has 'from'"),
        ({"semanticType": "measure"}, "schema holds measures alone"),
    ],
)
def test_what_no_rule_can_be_made_of_is_a_fault(column: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError) as raised:
        contract_of(column)
    assert said in str(raised.value)


def test_nested_values_of_a_json_file_are_judged(tmp_path: Any) -> None:
    path = tmp_path / "things.jsonl"
    path.write_text(
        '{"value": {"street": "Mill", "number": 1}}\n{"value": {"street": "Mill", "number": 0}}\n', encoding="utf-8"
    )
    with duckdb.connect() as connection:
        report = check_file(connection, path, contract_of(ADDRESS))
        assert connection.execute("SELECT value.number FROM accepted").fetchall() == [(1,)]
    assert rule(report, "value.number.minimum").failed_rows == 1
