"""Part the rows of a batch: accepted ones as the contract wants them, refused ones as they came, with every reason."""

from __future__ import annotations

import duckdb

from data_contracts.contract import ContractError
from data_contracts.rows.batch import Batch, drop
from data_contracts.rows.casting import identifier, literal, plain, sql_type
from data_contracts.rules.rule import BATCH, RAW, ROW, ROW_ORDER, TWICE

AGREEMENT = "expected the same number; write the rule so that it finds the same rows each time"


def part_rows(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    counted: dict[str, int],
    twice: dict[str, str],
    *,
    accepted: str,
    quarantined: str,
    copied: bool,
) -> None:
    """Create the two tables.

    The quarantine is one pass over the batch for the rules that were found broken, and none where no rule was. Accepted
    are the rows that are not in it.

    Args:
        connection: The connection that sees the batch.
        batch: The rows and the rules.
        counted: How many rows break each rule, by name.
        twice: The table a rule about keys is written over, by name of the rule.
        accepted: Name of the table for rows that broke no rule.
        quarantined: Name of the table for the others.
        copied: Whether `accepted` is to be a table of its own, not a view.
    """
    prepared: list[str] = []
    refused, view, is_read = f"__refused_of_{accepted}", identifier(batch.name), False
    try:
        conditions = _conditions(connection, batch, counted, twice, prepared)
        reasons = {rule.name: rule.reason for rule in batch.rules}
        names = [f"CASE WHEN {condition} THEN {literal(name)} END" for name, condition in conditions.items()]
        texts = [f"CASE WHEN {condition} THEN {reasons[name]} END" for name, condition in conditions.items()]
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(quarantined)} AS SELECT {ROW}, {ROW_ORDER}::BIGINT AS source_row, "
            f"list_filter([{', '.join(names)}]::VARCHAR[], lambda x: x IS NOT NULL) AS rules, "
            f"list_filter([{', '.join(texts)}]::VARCHAR[], lambda x: x IS NOT NULL) AS reasons, "
            f"{_as_it_came(batch)} AS row FROM {view} WHERE {' OR '.join(conditions.values()) or 'false'}"
        )
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(refused)} AS "
            f"SELECT {ROW} + {batch.first - 1} AS {ROW} FROM temp.{identifier(quarantined)}"
        )
        connection.execute(f"ALTER TABLE temp.{identifier(quarantined)} DROP COLUMN {ROW}")
        others = f"{batch.row_id} NOT IN (SELECT {ROW} FROM temp.{identifier(refused)})" if conditions else "true"
        select = f"SELECT {batch.columns} FROM {batch.source} WHERE {others}"
        drop(connection, accepted)
        if copied:
            connection.execute(f"CREATE TEMP TABLE {identifier(accepted)} AS {select}")
        else:
            connection.execute(f"CREATE TEMP VIEW {identifier(accepted)} AS {select} AND {_unchanged(batch, accepted)}")
            is_read = bool(conditions)
    finally:
        for name in prepared if is_read else (*prepared, refused):
            drop(connection, name)


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
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    counted: dict[str, int],
    twice: dict[str, str],
    prepared: list[str],
) -> dict[str, str]:
    """SQL condition of each rule that is broken; those that need other rows are answered into a table first."""
    found: dict[str, str] = {}
    for i, rule in enumerate(batch.rules):
        if not counted.get(rule.name):
            continue
        found[rule.name] = f"({rule.failing})"
        if rule.prepare is None:
            continue
        name = f"{batch.name}_rule_{i}"
        over = rule.prepare.replace(BATCH, identifier(batch.name))
        rows = over.replace(TWICE, identifier(twice[rule.name])) if rule.keys else over
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {rows}")
        prepared.append(name)
        found[rule.name] = f"{ROW} IN (SELECT {ROW} FROM temp.{identifier(name)})"
    return found


def _unchanged(batch: Batch, accepted: str) -> str:
    """SQL condition that stops with an error where the rows read are no longer those that were judged."""
    fault = (
        f"{accepted}: the table it was judged from has changed; expected {batch.rows} rows as judged; "
        "judge it again, or ask for a copy"
    )
    last = f"coalesce(max({batch.row_id}), {batch.first - 1}) = {batch.first + batch.rows - 1}"
    same = f"count(*) = {batch.rows} AND {last}"
    return f"(SELECT CASE WHEN {same} THEN true ELSE error({literal(fault)}) END FROM {batch.source})"


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
