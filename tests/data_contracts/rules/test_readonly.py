"""SQL of a contract reads the judged rows and nothing else."""

from __future__ import annotations

import re

import duckdb
import pytest

from data_contracts.contract import ContractError, parse_contract
from data_contracts.gate import check
from data_contracts.rules.readonly import require_condition, require_own_functions, require_select


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM __batch",
        "WITH big AS (SELECT * FROM __batch WHERE x > 1) SELECT count(*) FROM big",
        "SELECT max(x) FROM __batch WHERE x IN (SELECT unnest([1, 2]))",
        "SELECT count(*) FROM __batch a JOIN __batch b USING (x)",
        "WITH a AS (SELECT x FROM __batch), b AS (SELECT * FROM a) SELECT count(*) FROM a JOIN b USING (x)",
        "SELECT count(*) FROM generate_series(TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', INTERVAL 1 HOUR) g(t)",
        "SELECT count(*) FROM (SELECT a || '/' || b AS k, row_number() OVER (ORDER BY t) AS n FROM __batch QUALIFY n = 1)",
        "SELECT count(*) FROM __batch WHERE t > now() AND x::DECIMAL(9,2) > 1 AND y LIKE '%a%b' AND extract(hour FROM t) = 3 ;",
        "SELECT max(json_extract_string(x::JSON, '$.a')::INTEGER) /* why */ FROM __batch -- where\n WHERE true",
    ],
)
def test_a_select_over_the_rows_is_fine(query: str) -> None:
    require_select(query, "own")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DROP TABLE __batch", "DROP statement"),
        ("DELETE FROM __batch", "DELETE statement"),
        ("ATTACH 'x.db'", "ATTACH statement"),
        ("COPY __batch TO 'x.csv'", "COPY statement"),
        ("SET threads = 1", "SET statement"),
        ("INSTALL httpfs", "statement"),
        ("SELECT 1; DROP TABLE __batch", "2 statements"),
        ("", "0 statements"),
        ("SELECT * FROM secrets", "reads 'secrets'"),
        ("SELECT * FROM '/etc/passwd'", "reads '/etc/passwd'"),
        ("SELECT * FROM main.__batch", "reads '__batch'"),
        ("SELECT * FROM read_csv('/etc/passwd')", "calls 'read_csv'"),
        ("SELECT (SELECT max(content) FROM read_text('/etc/passwd')) FROM __batch", "calls 'read_text'"),
        ("SELECT * FROM duckdb_settings()", "calls 'duckdb_settings'"),
        ("SELECT FROM WHERE", "cannot be read"),
        ("SELECT (WITH secrets AS (SELECT 1) SELECT 1), (SELECT max(x) FROM secrets)", "reads 'secrets'"),  # out of scope
        ("WITH secrets AS (SELECT * FROM secrets) SELECT count(*) FROM secrets", "reads 'secrets'"),  # itself
        ("WITH RECURSIVE s AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM s) SELECT max(a) FROM s", "recursive"),
        ("SELECT count(*) FROM __batch --", "ends in a comment"),  # it would swallow what follows
        ("FROM (SHOW TABLES)", "show ref"),
        ("SELECT * FROM query('DROP TABLE x')", "calls 'query'"),
        ("SELECT * FROM glob('*')", "calls 'glob'"),
        ("SELECT * FROM information_schema.tables", "reads 'tables'"),
        ("SELECT getenv('HOME')", "calls 'getenv'"),
        ("SELECT current_setting('home_directory')", "calls 'current_setting'"),
        ("SELECT getvariable('x')", "calls 'getvariable'"),
        ("SELECT nextval('counter')", "calls 'nextval'"),
        ("SELECT random()", "calls 'random'"),
        ("SELECT write_log('x')", "calls 'write_log'"),
        ("SELECT sleep_ms(1000)", "calls 'sleep_ms'"),
        ("SELECT pg_catalog.lower('x')", "calls 'pg_catalog.lower'"),
        ("SELECT COLUMNS(c -> getenv(c) = '') FROM __batch", "calls 'getenv'"),
        ("SELECT repeat('x', 1000000000)", "calls 'repeat'"),
        ("SELECT lpad('x', 1000000000, 'y')", "calls 'lpad'"),
        ("SELECT len(range(1000000000))", "calls 'range'"),
        ("SELECT string_agg(x, '') FROM __batch", "calls 'string_agg'"),
        ("SELECT replace(x, 'a', x) FROM __batch", "not written out"),
        ("SELECT x LIKE '%a_%b_%c' FROM __batch", "take forever"),
        ("SELECT x LIKE y FROM __batch", "not written out"),
        ("SELECT x::INTEGER[99999][99999] FROM __batch", "kind ARRAY"),
        ("SELECT 'x'::REGCLASS", "names type 'REGCLASS'"),
        ("SELECT x COLLATE de FROM __batch", "collates by 'de'"),
        ("SELECT $1", "holds parameter"),
        ("SELECT * FROM __batch TABLESAMPLE 5%", "a sample"),
        (
            "WITH a AS (SELECT x||x||x||x||x AS x FROM __batch), b AS (SELECT x||x||x||x||x AS x FROM a) "
            "SELECT x||x||x||x||x FROM b",
            "100 times",
        ),
        ("SELECT * FROM __batch, LATERAL (SELECT * FROM secrets)", "reads 'secrets'"),
        ("SELECT x FROM __batch ORDER BY getenv('HOME')", "calls 'getenv'"),
        ("SELECT x FROM __batch LIMIT (SELECT count(*) FROM secrets)", "reads 'secrets'"),
        ("SELECT x = ANY(SELECT x FROM secrets) FROM __batch", "reads 'secrets'"),
        ("SELECT sum(x) OVER (ORDER BY getenv('HOME')) FROM __batch", "calls 'getenv'"),
        ("SELECT count(*) FILTER (getenv('HOME') = '') FROM __batch", "calls 'getenv'"),
        ("SELECT/**/\"GetEnv\"/* */('HOME')", "calls 'getenv'"),
        ("SELECT \uff47etenv('HOME')", "calls '\uff47etenv'"),  # a letter of full width is no letter of DuckDB's
        ("SELECT getenv\u200b('HOME')", "calls 'getenv'"),  # a blank to DuckDB
        ("SELECT system.main.lower('x')", "calls 'system.main.lower'"),
        ("SELECT list_filter(x, lambda y: getenv(y) = '') FROM __batch", "calls 'getenv'"),
        ("WITH w AS (INSERT INTO secrets VALUES (1) RETURNING *) SELECT * FROM w", "cannot be read"),
        ("WITH w AS MATERIALIZED (SELECT * FROM secrets) SELECT 1", "reads 'secrets'"),
        ("PIVOT __batch ON x USING sum(x)", "2 statements"),
        ("SUMMARIZE __batch", "show ref"),
        ("SELECT * FROM __batch AT (VERSION => 1)", "a version"),
        ("SELECT * FROM seq_scan('secrets')", "calls 'seq_scan'"),
        ("SELECT * FROM query_table(['secrets'])", "calls 'query_table'"),
        ("SELECT * FROM repeat_row(1, num_rows = 99999999999)", "calls 'repeat_row'"),
        ("SELECT current_query()", "calls 'current_query'"),
        ("SELECT " + "1 + " * 9_000 + "1", "characters"),
        ("SELECT " + "1 + " * 2_000 + "1", "cannot be read"),
    ],
)
def test_anything_else_is_refused(query: str, said: str) -> None:
    with pytest.raises(ContractError) as raised:
        require_select(query, "own")
    assert said in str(raised.value)
    assert str(raised.value).startswith("rule 'own': ")


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE MACRO lower(x) AS (SELECT max(s) FROM secrets)", "lower"),
        ("CREATE MACRO LOWER(x) AS (SELECT max(s) FROM secrets)", "LOWER"),
        ("CREATE TEMP MACRO upper(x) AS (SELECT max(s) FROM secrets)", "upper"),
        ("CREATE MACRO regexp_matches(x, y) AS false", "regexp_matches"),
        ('CREATE MACRO "+"(x, y) AS x', "+"),
        ("CREATE MACRO range(x) AS TABLE SELECT * FROM secrets", "range"),
    ],
)
def test_a_macro_under_the_name_of_an_allowed_function_is_refused(statement: str, name: str) -> None:
    contract = parse_contract(
        "{apiVersion: v3.1.0, kind: DataContract, id: t, version: 1.0.0, status: active, schema: [{name: t, properties: ["
        "{name: a, logicalType: string}], quality: [{name: own, type: sql, mustBe: 0, "
        "query: \"SELECT count(*) FROM ${table} WHERE lower(a) = 'secret'\"}]}]}",
        "t.odcs.yaml",
    )
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE secrets AS SELECT 'secret' AS s; CREATE TABLE t AS SELECT 'x' AS a")
        connection.execute("CREATE MACRO mine(x) AS x")
        require_own_functions(connection)
        connection.execute(statement)
        with pytest.raises(ContractError, match=f"^database: defines '{re.escape(name)}' anew; expected"):
            check(connection, "t", contract, accepted="good", quarantined="bad")


def test_a_function_of_python_cannot_take_the_name_of_an_allowed_one() -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.CatalogException, match="already exists"):
        connection.create_function("upper", lambda x: "", ["VARCHAR"], "VARCHAR")


def test_a_condition_stands_alone_or_not() -> None:
    assert require_condition("x > 1 AND y LIKE '%)%'", "own")
    assert not require_condition("x > 1 ORDER BY x LIMIT 1", "own")
    assert not require_condition("x) UNION SELECT * FROM __batch WHERE (x", "own")
    with pytest.raises(ContractError, match="calls 'read_text'"):
        require_condition("x IN (SELECT content FROM read_text('/etc/passwd'))", "own")
