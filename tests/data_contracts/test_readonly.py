"""SQL of a contract reads the judged rows and nothing else."""

from __future__ import annotations

import pytest

from data_contracts.contract import ContractError
from data_contracts.readonly import require_condition, require_select


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM __batch",
        "WITH big AS (SELECT * FROM __batch WHERE x > 1) SELECT count(*) FROM big",
        "SELECT max(x) FROM __batch WHERE x IN (SELECT unnest([1, 2]))",
        "SELECT count(*) FROM __batch a JOIN __batch b USING (x)",
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
