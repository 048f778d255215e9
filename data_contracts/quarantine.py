"""Part the rows of a batch: accepted ones as the contract wants them, refused ones as they came, with every reason."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from data_contracts.casting import identifier, literal, plain, sql_type
from data_contracts.contract import Contract, ContractError
from data_contracts.rules import BATCH, RAW, ROW, ROW_ORDER, Rule

NEVER = ("false", "coalesce(false, false)")
AGREEMENT = "expected the same number; write the rule so that it finds the same rows each time"


@dataclass(frozen=True)
class Batch:
    """Rows under judgement.

    Attributes:
        name: The view that the rules are written over.
        contract: The contract.
        given: Type of each column as it came, by name.
        rules: The contract's rules.
    """

    name: str
    contract: Contract
    given: dict[str, str]
    rules: tuple[Rule, ...]


def part_rows(
    connection: duckdb.DuckDBPyConnection, batch: Batch, counted: dict[str, int], *, accepted: str, quarantined: str
) -> None:
    """Create the two tables.

    The quarantine comes first: where it stays empty, every row is accepted without a second look.

    Args:
        connection: The connection that sees the batch.
        batch: The rows and the rules.
        counted: How many rows break each rule, by name.
        accepted: Name of the table for rows that broke no rule.
        quarantined: Name of the table for the others.
    """
    prepared: list[str] = []
    view = identifier(batch.name)
    try:
        conditions = _conditions(connection, batch, counted, prepared)
        broken = " OR ".join(condition for condition in conditions.values() if condition not in NEVER) or "false"
        reasons = {rule.name: rule.reason for rule in batch.rules}
        names = [f"CASE WHEN {condition} THEN {literal(name)} END" for name, condition in conditions.items()]
        texts = [f"CASE WHEN {condition} THEN {reasons[name]} END" for name, condition in conditions.items()]
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(quarantined)} AS SELECT {ROW_ORDER}::BIGINT AS source_row, "
            f"list_filter([{', '.join(names)}]::VARCHAR[], lambda x: x IS NOT NULL) AS rules, "
            f"list_filter([{', '.join(texts)}]::VARCHAR[], lambda x: x IS NOT NULL) AS reasons, "
            f"{_as_it_came(batch)} AS row FROM {view} WHERE {broken}"
        )
        if not _rows_of(connection, quarantined):
            broken = "false"
        columns = ", ".join(identifier(name) for name in batch.contract.column_names)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(accepted)} AS SELECT {columns} FROM {view} WHERE NOT ({broken})"
        )
    finally:
        for name in prepared:
            connection.execute(f"DROP TABLE IF EXISTS temp.{identifier(name)}")


def require_agreement(
    connection: duckdb.DuckDBPyConnection, rows: int, counted: dict[str, int], *, accepted: str, quarantined: str
) -> tuple[int, int]:
    """Check that the tables hold every row once, and as many under each rule as were counted.

    Great Expectations' counts and the quarantine are two ways to the same numbers.

    Args:
        connection: The connection that sees the tables.
        rows: Rows judged.
        counted: How many rows break each rule, by name.
        accepted: Name of the table of accepted rows.
        quarantined: Name of the table of refused rows.

    Returns:
        The number of accepted and of refused rows.

    Raises:
        ContractError: The numbers differ: a rule did not find the same rows twice.
    """
    kept, refused = _rows_of(connection, accepted), _rows_of(connection, quarantined)
    if kept + refused != rows:
        raise ContractError(f"{kept} rows accepted and {refused} quarantined are not the {rows} rows judged; {AGREEMENT}")
    query = f"SELECT rule, count(*) FROM (SELECT unnest(rules) AS rule FROM {identifier(quarantined)}) GROUP BY rule"
    found = {str(rule): int(count) for rule, count in connection.execute(query).fetchall()}
    for rule, count in counted.items():
        if found.get(rule, 0) != count:
            raise ContractError(f"rule '{rule}': {found.get(rule, 0)} rows quarantined but {count} counted; {AGREEMENT}")
    return kept, refused


def _conditions(
    connection: duckdb.DuckDBPyConnection, batch: Batch, counted: dict[str, int], prepared: list[str]
) -> dict[str, str]:
    """SQL condition of each rule that refuses rows; those that need other rows are answered into a table first."""
    found: dict[str, str] = {}
    for i, rule in enumerate(batch.rules):
        if rule.name not in counted:
            continue
        found[rule.name] = f"coalesce({rule.failing}, false)"
        if rule.prepare is None:
            continue
        if not counted[rule.name]:
            found[rule.name] = "false"
            continue
        name = f"{batch.name}_rule_{i}"
        rows = rule.prepare.replace(BATCH, identifier(batch.name))
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {rows}")
        prepared.append(name)
        found[rule.name] = f"{ROW} IN (SELECT {ROW} FROM {identifier(name)})"
    return found


def _as_it_came(batch: Batch) -> str:
    """SQL expression of a row as JSON, with the values as they came."""
    values = []
    for column in batch.contract.columns:
        name = str(column.name)
        given = batch.given[name]
        spelled = identifier(name if sql_type(column) in (None, given) else RAW + name)
        values.append(f"{literal(name)}, {plain(spelled, given)}")
    return f"json_object({', '.join(values)})"


def _rows_of(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {identifier(name)}").fetchone()
    return int(row[0]) if row else 0
