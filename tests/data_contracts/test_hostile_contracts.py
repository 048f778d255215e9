"""Broken and hostile contracts: each ends in one clear line per fault, in time, and the database stays as it was."""

from __future__ import annotations

import copy
import datetime as dt
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
import yaml

from data_contracts.contract import Contract, ContractError, parse_contract
from data_contracts.gate import check
from data_contracts.rules import deadline

TEXT = """
apiVersion: v3.1.0
kind: DataContract
id: things
version: 1.0.0
status: active
tags: [a]
description: {purpose: p, usage: u}
customProperties: [{property: testbed.personal_data, value: false}, {property: testbed.extra_columns, value: dropped}]
schema:
  - name: things
    physicalType: table
    customProperties: [{property: testbed.small_count, value: 3}, {property: testbed.count_column, value: n},
      {property: testbed.forbidden_columns, value: [track_id]}]
    properties:
      - name: site_id
        logicalType: string
        physicalType: VARCHAR
        required: true
        primaryKey: true
        primaryKeyPosition: 1
        logicalTypeOptions: {minLength: 1, maxLength: 9, pattern: "^[a-z]+$"}
        quality:
          - {metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0, unit: rows, severity: must, description: x}
          - {metric: missingValues, arguments: {missingValues: [x, null]}, mustBe: 0}
      - {name: n, logicalType: integer, logicalTypeOptions: {minimum: 0, maximum: 9, multipleOf: 5}}
      - {name: at, logicalType: timestamp, logicalTypeOptions: {minimum: "2020-01-01T00:00:00Z"}}
    quality:
      - {name: own_rows, metric: rowCount, mustBeGreaterThan: 0}
      - {name: twice, metric: duplicateValues, arguments: {properties: [site_id]}, mustBeLessThan: 5, unit: percent}
      - {name: own, type: sql, query: "SELECT count(*) FROM ${table} WHERE n > 1", mustBeBetween: [0, 5]}
      - {name: gx, type: custom, engine: greatExpectations, implementation: {type: unexpected_rows_expectation,
          kwargs: {unexpected_rows_query: "SELECT * FROM {batch} WHERE n > 8"}}}
      - {name: words, type: text, description: be nice}
slaProperties: [{property: retention, value: 10, unit: y, element: things.at}]
"""
ODD: list[Any] = [
    *(None, True, -1, 0, 10**400, 1.5, float("nan"), float("inf"), "", "x", "a\nb", "'; DROP TABLE kept; --", "\0", "(" * 99),
    *([], [None], [[[]]], ["x", 1], {}, {"a": {"b": 1}}, dt.date(2026, 1, 1), "{batch}", "\u202e", 2**63, "y" * 3_000),
]


def state(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    queries = [
        "SELECT database_name, table_name, sql FROM duckdb_tables() ORDER BY ALL",
        "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
        "SELECT function_name FROM duckdb_functions() WHERE NOT internal ORDER BY ALL",
        "SELECT sequence_name, last_value FROM duckdb_sequences() ORDER BY ALL",
        "SELECT database_name, path FROM duckdb_databases() ORDER BY ALL",
        "SELECT name, value FROM duckdb_settings() ORDER BY ALL",
        "SELECT extension_name, loaded, installed FROM duckdb_extensions() ORDER BY ALL",
        "SELECT * FROM kept",
        "SELECT * FROM things",
    ]
    return [connection.execute(query).fetchall() for query in queries]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"memory_limit": "700MiB"}) as connection:
        connection.execute(
            "CREATE TABLE kept AS SELECT 'secret' AS s; CREATE SEQUENCE counter; CREATE MACRO double(x) AS x * 2"
        )
        connection.execute(
            "CREATE TABLE things AS SELECT 'a' AS site_id, 5::BIGINT AS n, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS at "
            "UNION ALL SELECT 'zz', 7, NULL"
        )
        yield connection


def outcome(connection: duckdb.DuckDBPyConnection, text: str, *, judged: bool = True) -> list[str]:
    """The faults that a contract ends in, by its text or when it judges the table; none where it can be executed."""
    try:
        contract = parse_contract(text, "c.yaml")
        if judged:
            report = check(connection, "things", contract, accepted="good", quarantined="bad")
            assert report.accepted + report.quarantined == report.rows == 2
            connection.execute("DROP TABLE good; DROP TABLE bad")
    except ContractError as error:
        faults = str(error).splitlines()
        assert all(fault.startswith(("c.yaml: ", "rule '", "things: ")) and "; " in fault for fault in faults), faults
        return faults
    return []


def places(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(value, (*place, key))


def changed(place: tuple[Any, ...], odd: Any) -> str:
    document = copy.deepcopy(yaml.safe_load(TEXT))
    node = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = odd
    return str(yaml.safe_dump(document, allow_unicode=True))


PLACES = list(places(yaml.safe_load(TEXT)))
CHANGES_OF_EACH, SEEDS, TEXTS_OF_EACH = 4, range(20), 10
KINDS = ["sql", "rows", "condition"]
LEAST_CONTRACTS = 850


def test_there_are_as_many_contracts_as_are_asked_for() -> None:
    assert CHANGES_OF_EACH * len(PLACES) + TEXTS_OF_EACH * len(SEEDS) + len(KINDS) * len(set(WRITES)) >= LEAST_CONTRACTS


@pytest.mark.parametrize("part", range(8))
def test_a_wrong_value_under_any_key_is_named_or_harmless(connection: duckdb.DuckDBPyConnection, part: int) -> None:
    before = state(connection)
    draw = random.Random(part)
    named = 0
    for i, place in enumerate(PLACES[part::8] * CHANGES_OF_EACH):
        named += bool(outcome(connection, changed(place, draw.choice(ODD)), judged=i % 6 == 0))
    assert named > 20
    assert state(connection) == before


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "a: &a {b: *a}",
        "<<: {id: x}\nid: things",
        "[" * 50_000,
        "{a: " * 50_000,
        "- " * 50_000,
        "a:\n\tb: 1",
        "id: x\nid: y",
        "? [a, b]\n: c",
        "!!python/object/apply:os.system ['true']",
        "!!binary x",
        "!!int ''",
        "!!timestamp x",
        "version: 2026-02-30",
        "version: " + "9" * 5_000,
        "version: 1:99:99",
        "%YAML 9.9\n---\na: 1",
        "a: 1\n---\nb: 2",
        "\0",
        "\ufeff" * 9,
        "\x85\u2028",
        "'unclosed",
        "a: |\n  x\n b: y",
        "1: 2\nnull: 3\ntrue: 4\n1.5: 6",
        "x" * 900_000,
        "a: " + "x" * 900_000,
        "\n".join(f"key_{i}: {i}" for i in range(20_000)),
    ],
)
def test_hostile_yaml_is_refused(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    began = time.monotonic()
    assert outcome(connection, text)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broken_text_is_refused_or_still_a_contract(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(TEXTS_OF_EACH):
        text = list(TEXT)
        for _ in range(draw.randint(1, 4)):
            text[draw.randrange(len(text))] = draw.choice(
                ["", "\t", ":", "{", "]", "'", '"', "&a ", "*a", "#", "\n", "- ", "\0", "|"]
            )
        outcome(connection, "".join(text[: draw.randint(1, len(text))] if draw.random() < 0.3 else text), judged=False)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("minimum: 0, maximum: 9", "minimum: 9, maximum: 0", "minimum 9 is above maximum 0"),
        ("mustBe: 0, unit", "mustBe: 0, mustNotBe: 0, unit", "expected one operator"),
        ("minLength: 1, maxLength: 9", "minLength: 9, maxLength: 1", "minLength"),
        ('pattern: "^[a-z]+$"', 'pattern: "(a{1000}){1000}"', ""),
        ('pattern: "^[a-z]+$"', 'pattern: "(?=a)b"', ""),
        ('pattern: "^[a-z]+$"', 'pattern: "(a+)+$"', ""),
        ('pattern: "^[a-z]+$"', "pattern: '" + "(" * 400 + ")" * 400 + "'", ""),
    ],
)
def test_rules_that_contradict_or_explode_are_named(
    connection: duckdb.DuckDBPyConnection, before: str, after: str, said: str
) -> None:
    assert before in TEXT
    faults = outcome(connection, TEXT.replace(before, after))
    assert not said or any(said in fault for fault in faults)


WRITES = [
    *("DROP TABLE kept", "DELETE FROM kept", "INSERT INTO kept VALUES ('x')", "UPDATE kept SET s = 'x'", "TRUNCATE kept"),
    *("CREATE TABLE x AS SELECT 1", "ALTER TABLE kept RENAME TO x", "ATTACH 'x.db'", "DETACH memory", "USE memory"),
    *("COPY kept TO 'x.csv'", "COPY kept FROM 'x.csv'", "EXPORT DATABASE 'x'", "IMPORT DATABASE 'x'", "LOAD httpfs"),
    *("INSTALL httpfs", "SET threads = 1", "RESET threads", "PRAGMA threads = 1", "CALL pragma_version()", "CHECKPOINT"),
    *("VACUUM", "BEGIN", "ROLLBACK", "PREPARE v AS SELECT 1", "EXECUTE v", "EXPLAIN ANALYZE SELECT 1", "SHOW TABLES"),
    *("SELECT 1; DROP TABLE kept", "SELECT 1 /* */; DROP TABLE kept --", "SELECT 1) FROM things; DROP TABLE kept; --"),
    *("SELECT * FROM kept", "SELECT (SELECT max(s) FROM kept)", "TABLE kept", "SELECT * FROM main.kept", "FROM kept SELECT s"),
    *("SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM 'x.parquet'"),
    *("SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_blob('/etc/*')", "SELECT * FROM glob('/*')"),
    *("SELECT * FROM parquet_scan('x')", "SELECT * FROM 'https://example.org/x.csv'", "SELECT * FROM sniff_csv('x')"),
    *("SELECT * FROM duckdb_secrets()", "SELECT * FROM duckdb_settings()", "SELECT * FROM which_secret('x', 's3')"),
    *("SELECT nextval('counter')", "SELECT setseed(0.5)", "SELECT current_setting('threads')", "SELECT getenv('HOME')"),
    *("SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('kept')", "SELECT double(2)", "SELECT txid_current()"),
    *(
        "SELECT * FROM sqlite_scan('x', 'y')",
        "SELECT * FROM postgres_query('x', 'y')",
        "SELECT * FROM pragma_table_info('kept')",
    ),
    *("SELECT json_execute_serialized_sql('{}')", "SELECT * FROM json_execute_serialized_sql('{}')", "SELECT error('x')"),
    *("SELECT repeat('x', 9999999999)", "SELECT len(range(9999999999))", "SELECT list(x) FROM range(9999999999) r(x)"),
    *("WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x FROM a) SELECT count(*) FROM a", "SELECT $1", "SELECT ?", ""),
    *("SELECT '" + "x" * 30_000 + "'", "SELECT " + "-" * 2_000 + "1"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_sql_that_is_no_reading_of_the_rows_is_refused(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    before = state(connection)
    contract = parse_contract(TEXT, "c.yaml")
    for query in WRITES:
        assert faults_of(connection, contract, kind, query), query
    connection.execute("DROP TABLE IF EXISTS good; DROP TABLE IF EXISTS bad")
    assert state(connection) == before


def faults_of(connection: duckdb.DuckDBPyConnection, contract: Contract, kind: str, query: str) -> str:
    document = contract.document.model_copy(deep=True)
    own, custom = document.schema_[0].quality[2:4]
    if kind == "sql":
        own.query = query
    else:
        text = query if kind == "rows" else f"SELECT * FROM {{batch}} WHERE ({query}) IS NOT NULL"
        custom.implementation = {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": text}}
    hostile = Contract(contract.id, contract.version, contract.source, document)
    try:
        check(connection, "things", hostile, accepted="good", quarantined="bad")
    except ContractError as error:
        assert len(str(error).splitlines()) == 1
        return str(error)
    return ""


@pytest.mark.parametrize(
    "kind", ["expect_query_results_to_match_comparison", "expect_column_values_to_be_between", "unexpected_rows_expectation_x"]
)
def test_sql_in_an_expectation_is_not_executed(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    kwargs = (
        "{column: n, row_condition: '1=1) OR (SELECT true', condition_parser: great_expectations, base_query: DROP TABLE kept}"
    )
    own = f"{{name: gx, type: custom, engine: greatExpectations, implementation: {{type: {kind}, kwargs: {kwargs}}}}}"
    text = TEXT[: TEXT.index("      - {name: gx,")] + f"      - {own}\n"
    report = check(connection, "things", parse_contract(text, "c.yaml"), accepted="good", quarantined="bad")
    assert [rule.status for rule in report.rules if rule.rule == "gx"] == ["skipped"] and not report.passed


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
        "SELECT count(DISTINCT x.range * y.range) FROM range(100000000) x, range(100000000) y",
        "SELECT sum(a.n * b.range) FROM ${table} a, range(100000000000) b ORDER BY 1",
    ],
)
def test_rules_that_do_not_end_are_stopped(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(deadline, "SECONDS", 1.0)
    contract = parse_contract(TEXT, "c.yaml")
    began = time.monotonic()
    said = faults_of(connection, contract, "sql", query)
    assert time.monotonic() - began < 20
    assert "stopped after 1 s" in said or "does not run" in said
    assert connection.execute("SELECT count(*) FROM things").fetchall() == [(2,)]  # the connection goes on


MEASURE = """
import pathlib, sys, duckdb
sys.path.insert(0, sys.argv[2])
from data_contracts.contract import ContractError
from data_contracts.rows.files import read_file
path = pathlib.Path(sys.argv[1])
with duckdb.connect(config={"memory_limit": "400MiB"}) as connection:
    try:
        print(read_file(connection, path, into="t"), connection.execute("SELECT count(*) FROM t").fetchall())
    except ContractError as error:
        print(str(error)[:300])
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.parametrize("kind", ["long line", "many quotes", "deep json", "long json", "parquet bomb", "gzip bomb"])
def test_a_bomb_stays_within_a_gibibyte_and_20_seconds(tmp_path: Any, kind: str) -> None:
    path = tmp_path / {"parquet bomb": "b.parquet", "gzip bomb": "b.csv.gz"}.get(kind, "b.json" if "json" in kind else "b.csv")
    if kind == "parquet bomb":
        duckdb.execute(f"COPY (SELECT 0 AS a FROM range(5000000)) TO '{path}' (COMPRESSION zstd, FORMAT parquet)")
    else:
        block = {"deep json": b'{"a":', "long json": b'{"a": "', "many quotes": b'"a,b\n'}.get(kind, b"x" * 10)
        with path.open("wb") as file:
            file.write(b"" if "json" in kind else b"a,b\n")
            for _ in range(1 if kind == "long json" else 20):
                file.write(block * (1 if kind == "long json" else 5_000 if kind == "many quotes" else 1_000_000))
            file.write(b"x" * 100_000_000 if kind == "long json" else b"\n1,2\n")
    command = [sys.executable, "-c", MEASURE, str(path), "."]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    *said, peak = done.stdout.splitlines()
    assert int(peak) < 1024, (said, peak)
    assert kind != "parquet bomb" or "names 5000000 rows in " in said[0]
    assert "[(1,)]" in said[0] if kind == "long line" else said[0].startswith(f"{path}: ") or "[(" in said[0]
