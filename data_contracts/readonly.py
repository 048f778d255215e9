"""Refuse SQL of a contract that is anything but one SELECT over the rows that are judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import duckdb

from data_contracts.contract import ContractError

SAFE_TABLE = "__batch"
TABLE_FUNCTIONS = ("unnest", "range", "generate_series")


@lru_cache(maxsize=512)
def require_select(query: str, rule: str) -> None:
    """Check that a query is one SELECT that reads only the table `__batch` and its own subqueries.

    Args:
        query: The SQL text, in which the judged rows are called `__batch`.
        rule: Name of the rule, for the message.

    Raises:
        ContractError: The query is something else.
    """
    expected = "expected one SELECT over ${table}; correct the rule"
    connection = duckdb.connect(config={"enable_external_access": False})
    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            found = f"{len(statements)} statements" if len(statements) != 1 else f"{statements[0].type.name} statement"
            raise ContractError(f"rule '{rule}': its SQL holds {found}; {expected}")
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
    except duckdb.Error as error:
        raise ContractError(f"rule '{rule}': its SQL cannot be read ({str(error).splitlines()[0]}); {expected}") from error
    finally:
        connection.close()
    tree = json.loads(row[0]) if row else {"error": True}
    if tree["error"]:
        raise ContractError(f"rule '{rule}': its SQL is not a SELECT that can be checked; {expected}")
    known = {
        SAFE_TABLE,
        *(entry["key"].lower() for node in _nodes(tree) for entry in node.get("cte_map", {}).get("map", [])),
    }
    for node in _nodes(tree):
        name = str(node.get("table_name") or "")
        if node.get("type") == "BASE_TABLE" and (name.lower() not in known or node.get("schema_name")):
            raise ContractError(f"rule '{rule}': its SQL reads '{name}'; {expected}")
        if node.get("type") == "TABLE_FUNCTION" and node["function"].get("function_name") not in TABLE_FUNCTIONS:
            raise ContractError(f"rule '{rule}': its SQL calls '{node['function'].get('function_name')}'; {expected}")


def require_condition(condition: str, rule: str) -> bool:
    """Check that text is one SQL condition over a row of the table `__batch`.

    Args:
        condition: The SQL text.
        rule: Name of the rule, for the message.

    Returns:
        Whether it stands alone as a condition: not where it brings a GROUP BY or a second SELECT of its own.

    Raises:
        ContractError: The text reads or calls what a rule must not.
    """
    try:
        plain = duckdb.extract_statements(f"SELECT ({condition})") and duckdb.extract_statements(f"SELECT [{condition}]")
    except duckdb.ParserException:
        return False
    require_select(f"SELECT * FROM {SAFE_TABLE} WHERE ({condition})", rule)
    return len(plain) == 1


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)
