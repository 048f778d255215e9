"""Repaired rows: judge them again by their contract, and put them in the place of the rows they were made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from data_contracts.contract import Contract, ContractError
from data_contracts.gate import check
from data_contracts.rows.batch import arrived_as
from data_contracts.rows.casting import identifier, literal, plain, sql_type, table

JUDGED, GOOD, BAD = "__repaired", "__repaired_accepted", "__repaired_refused"


@dataclass(frozen=True)
class Repair:
    """A refused row and what was made of it.

    Attributes:
        source_row: Line or number of the row in its source.
        original: The row as it came, JSON, as the quarantine keeps it.
        repaired: The row that takes its place, JSON in the contract's types.
    """

    source_row: int
    original: str
    repaired: str


@dataclass(frozen=True)
class Judged:
    """One repaired row after the gate.

    Attributes:
        repaired: The row in the contract's types, JSON; None where it was refused again.
        reasons: Why it was refused again.
    """

    repaired: str | None
    reasons: tuple[str, ...] = ()


def judge_repairs(
    connection: duckdb.DuckDBPyConnection, contract: Contract, rows: Sequence[dict[str, str | None]]
) -> tuple[list[Judged], dict[str, Any]]:
    """Judge repaired rows by their contract, each as the gate judges any row.

    What a contract asks of a whole delivery (a number of rows, a share) is asked when the rows enter the next run.

    Args:
        connection: A connection to work in.
        contract: The contract that refused the rows.
        rows: Text of each row's values by column; columns the contract does not name are left out.

    Returns:
        What became of each row, in order, and the gate's report.

    Raises:
        ContractError: The rows lack a column.
    """
    names = contract.column_names
    given = {name for row in rows for name in row}
    missing = [name for name in names if name not in given]
    if missing:
        raise ContractError(f"{contract.id}: column '{missing[0]}' is missing; expected {', '.join(names)}; add it to the file")
    columns, marks = ", ".join(f"{identifier(name)} VARCHAR" for name in names), ", ".join("?" * len(names))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {JUDGED} ({columns})")
    connection.executemany(f"INSERT INTO {JUDGED} VALUES ({marks})", [[row.get(name) for name in names] for row in rows])
    report = check(connection, JUDGED, contract, accepted=GOOD, quarantined=BAD).to_dict()
    typed = [(str(column.name), sql_type(column) or "") for column in contract.columns]
    as_json = ", ".join(f"{literal(name)}, {plain(identifier(name), kind)}" for name, kind in typed)
    kept = iter(connection.execute(f"SELECT json_object({as_json})::VARCHAR FROM {GOOD}").fetchall())
    reasons: dict[str, list[tuple[str, ...]]] = {}
    for text, why in connection.execute(f"SELECT row::VARCHAR, reasons FROM {BAD} ORDER BY source_row").fetchall():
        reasons.setdefault(_canonical(json.loads(text), names), []).append(tuple(why))
    found = []
    for row in reversed(rows):  # of twins the gate refuses the later ones
        refused = reasons.get(_canonical(row, names))
        found.append(Judged(None, refused.pop()) if refused else Judged(""))
    found = [Judged(str(next(kept)[0])) if one.repaired is not None else one for one in reversed(found)]
    for name in (JUDGED, GOOD, BAD):
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")
    return found, report


def apply_repairs(
    connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, repairs: Sequence[Repair], *, into: str
) -> list[Repair]:
    """Put repaired rows in the place of the rows they were made from; all others stay as they are, in their order.

    A row is found by its line or number in the source and by its values. One that is no longer delivered is not found.

    Args:
        connection: Connection that sees the table.
        relation: Table of rows as they came.
        contract: The contract they are to be judged by.
        repairs: Repaired rows.
        into: Name of the temporary table to create, with the table's columns.

    Returns:
        The repairs whose row was not found; the others were applied.
    """
    given = {str(r[0]): str(r[1]) for r in connection.execute(f"DESCRIBE SELECT * FROM {table(relation)}").fetchall()}
    renamed = arrived_as(list(given), contract)
    came_as = {renamed.get(name, name): name for name in given}
    shared = {came_as[name]: name for name in contract.column_names if name in came_as}
    as_it_came = (
        f"json_object({', '.join(f'{literal(n)}, {plain(identifier(came), given[came])}' for came, n in shared.items())})"
    )
    number = identifier("source_row") if "source_row" in given else "__number"
    connection.execute("CREATE OR REPLACE TEMP TABLE __repairs (source_row BIGINT, original VARCHAR, repaired JSON)")
    if repairs:
        connection.executemany(
            "INSERT INTO __repairs VALUES (?, ?, ?)", [[r.source_row, r.original, r.repaired] for r in repairs]
        )
    chosen = ", ".join(
        f"CASE WHEN r.repaired IS NULL THEN t.{identifier(n)} ELSE "
        f"CAST(json_extract_string(r.repaired, {literal('$.' + json.dumps(shared[n]))}) AS {kind}) END AS {identifier(n)}"
        if n in shared and n != "source_row"
        else f"t.{identifier(n)}"
        for n, kind in given.items()
    )
    numbered = f"(SELECT *, row_number() OVER () AS __number FROM {table(relation)})"
    described = f"(SELECT *, TRY_CAST({number} AS BIGINT) AS __row_of, ({as_it_came})::VARCHAR AS __came FROM {numbered})"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS SELECT {chosen} FROM {described} t "
        "LEFT JOIN __repairs r ON r.source_row = t.__row_of AND r.original = t.__came ORDER BY t.__number"
    )
    lost = connection.execute(
        f"FROM __repairs r ANTI JOIN {described} t ON r.source_row = t.__row_of AND r.original = t.__came "
        "SELECT r.source_row, r.original, r.repaired::VARCHAR ORDER BY ALL"
    ).fetchall()
    connection.execute("DROP TABLE temp.__repairs")
    return [Repair(*row) for row in lost]


def _canonical(row: dict[str, Any], names: tuple[str, ...]) -> str:
    return json.dumps([row.get(name) for name in names])
