"""SQL of a contract reads the judged rows and nothing else."""

from __future__ import annotations

import pytest

from data_contracts.contract import ContractError
from data_contracts.rules.readonly import require_condition, require_select


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
        ("SELECT " + "1 + " * 9_000 + "1", "characters"),
        ("SELECT " + "1 + " * 2_000 + "1", "cannot be read"),
    ],
)
def test_anything_else_is_refused(query: str, said: str) -> None:
    with pytest.raises(ContractError) as raised:
        require_select(query, "own")
    assert said in str(raised.value)
    assert str(raised.value).startswith("rule 'own': ")


def test_a_condition_stands_alone_or_not() -> None:
    assert require_condition("x > 1 AND y LIKE '%)%'", "own")
    assert not require_condition("x > 1 ORDER BY x LIMIT 1", "own")
    assert not require_condition("x) UNION SELECT * FROM __batch WHERE (x", "own")
    with pytest.raises(ContractError, match="calls 'read_text'"):
        require_condition("x IN (SELECT content FROM read_text('/etc/passwd'))", "own")
