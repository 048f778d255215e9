"""Privacy as rules of a contract: no small count leaves, what leaves is rounded, and nothing leaves that is too old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np

from data_contracts.contract import Contract, ContractError
from data_contracts.privacy.suppression import withhold
from data_contracts.rows.casting import identifier, table
from data_contracts.rules.rule import Rule, row_rule
from data_contracts.rules.service_levels import expired

LEAST_SMALL_COUNT = 3
"""No contract may let smaller counts out: statistical agencies use 3, 5 or 10 (OECD Glossary of Statistical Terms)."""
NEEDED = ("testbed.small_count", "testbed.round_to", "testbed.count_column", "testbed.suppressed_column")


@dataclass(frozen=True)
class Total:
    """A total of published counts.

    Attributes:
        of: Columns that its cells have in common, with their values; none for the grand total.
        count: The total, rounded; None where it is withheld.
        suppressed: Whether it is withheld.
    """

    of: dict[str, Any]
    count: int | None
    suppressed: bool


def privacy_rules(contract: Contract) -> Iterator[Rule]:
    """The rules that a contract's privacy properties stand for.

    Args:
        contract: The contract.

    Yields:
        A rule for each of `testbed.small_count`, `testbed.round_to` and `testbed.forbidden_columns`.
    """
    custom = contract.custom
    column = custom.get("testbed.count_column")
    for key, words in (("testbed.small_count", "{} or more, or withheld"), ("testbed.round_to", "a multiple of {}")):
        if key not in custom:
            continue
        name, value = f"privacy.{key.removeprefix('testbed.')}", custom[key]
        if column not in contract.column_names or not isinstance(value, int) or value < 1:
            found = f"{key} is {value!r} for column {column!r}"
            yield Rule(name, skipped=f"{found}; expected a whole number and a column of the contract")
            continue
        spelled = identifier(str(column))
        failing = f"{spelled} < {value}" if key == "testbed.small_count" else f"{spelled} % {value} <> 0"
        yield row_rule(name, str(column), failing, words.format(value))
    if "testbed.forbidden_columns" in custom:
        present = sorted(set(custom["testbed.forbidden_columns"]) & set(contract.column_names))
        yield Rule(
            "privacy.forbidden_columns",
            "must",
            f"none of {', '.join(custom['testbed.forbidden_columns'])} is a column",
            measure=str(len(present)),
        )


def publishable(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    contract: Contract,
    *,
    into: str,
    totals: Sequence[tuple[str, ...]] = (),
    small_count: int = 0,
) -> tuple[Total, ...]:
    """Turn counts into what a contract allows to be published.

    Counts below `testbed.small_count` are withheld, and with them as many others as keep every published total from giving one
    away (see `data_contracts.privacy.suppression`). What remains is rounded to the nearest multiple of `testbed.round_to`,
    never to less than the smallest count allowed. A count that was not measured stays empty and is not called withheld.

    The nearest multiple is chosen because it is unbiased where remainders are spread evenly (base 5: 0, -1, -2, +2, +1 add
    up to 0; a tie, which only even bases know, goes to the even multiple) and the same at each publication: rounding at
    random is unbiased too, but whoever collects several publications could average it away.

    Args:
        connection: Connection that sees the table.
        relation: Name of the table, with the contract's columns; the column that says whether a count is withheld may be
            missing, and what it calls withheld stays so.
        contract: The contract of the published data.
        into: Name of the temporary table to create, with the contract's columns.
        totals: For each family of totals that is published: the columns that its cells have in common; `()` for the
            grand total. These are all totals that are published anywhere, not only beside the counts.
        small_count: The smallest count that may be published, where it is larger than the contract's.

    Returns:
        The totals as they may be published; those that would give a cell away are withheld.

    Raises:
        ContractError: The contract has no privacy rules, the table does not fit it, or a count is negative.

    Source:
        Threshold of 10 as the ONS Longitudinal Study and UK LLC; rounding to base 5 after suppression.
    """
    custom = contract.custom
    _require_fit(connection, relation, contract, totals)
    count, flag = str(custom["testbed.count_column"]), str(custom["testbed.suppressed_column"])
    small, base = max(int(custom["testbed.small_count"]), small_count), int(custom["testbed.round_to"])
    cells, value = f"__cells_{contract.id}", identifier(count)
    before = f" OR {identifier(flag)} AND {value} IS NOT NULL" if flag in _columns(connection, relation) else ""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {identifier(cells)} AS SELECT *, row_number() OVER () AS __row, "
        f"coalesce({value} < {small}{before}, false) AS __withheld FROM {table(relation)}"
    )
    try:
        found = _withhold_complements(connection, cells, value, totals, small, base)
        rounded = _rounded(value, base, small)
        chosen = {count: f"CASE WHEN NOT __withheld AND {value} IS NOT NULL THEN {rounded} END", flag: "__withheld"}
        columns = ", ".join(f"{chosen.get(name, identifier(name))} AS {identifier(name)}" for name in contract.column_names)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS SELECT {columns} FROM {identifier(cells)} ORDER BY __row"
        )
        return found
    finally:
        connection.execute(f"DROP TABLE IF EXISTS temp.{identifier(cells)}")


def retained(connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, *, into: str, now: datetime) -> int:
    """Leave out rows that are older than the contract's retention.

    Args:
        connection: Connection that sees the table.
        relation: Name of the table.
        contract: Its service level `retention` names a column of instants or days; without one, every row is kept.
        into: Name of the temporary table to create.
        now: The instant that counts as now.

    Returns:
        How many rows were left out.

    Raises:
        ContractError: The retention cannot be read.
    """
    given = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {table(relation)}").fetchall()}
    limits = [level for level in contract.sla if level.property == "retention"]
    kept = " AND ".join(f"NOT coalesce({expired(contract, given, level, now)}, false)" for level in limits) or "true"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS FROM {table(relation)} WHERE {kept}")
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM {table(relation)}) - (SELECT count(*) FROM {identifier(into)})"
    ).fetchone()
    return int(row[0]) if row else 0


def kept_rows(connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract) -> bool:
    """Whether every row of a table keeps the contract's privacy rules; a quick look before rows leave by another way.

    Args:
        connection: Connection that sees the table.
        relation: Name of the table.
        contract: A contract with privacy rules.

    Returns:
        Whether no count is small, not rounded, negative or there although it is withheld, and the columns are the contract's.
    """
    if set(_columns(connection, relation)) != set(contract.column_names):
        return False
    custom = contract.custom
    value, flag = (identifier(str(custom[f"testbed.{name}_column"])) for name in ("count", "suppressed"))
    small, base = int(custom["testbed.small_count"]), int(custom["testbed.round_to"])
    row = connection.execute(
        f"SELECT count(*) FROM {table(relation)} WHERE {value} < {small} OR {value} % {base} <> 0 OR "
        f"({flag} AND {value} IS NOT NULL)"
    ).fetchone()
    return row == (0,)


def _require_fit(
    connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, totals: Sequence[tuple[str, ...]]
) -> None:
    custom = contract.custom
    missing = [key for key in NEEDED if key not in custom]
    if missing:
        raise ContractError(f"{contract.id}: {', '.join(missing)} missing; expected privacy rules; add them before publishing")
    count, flag = str(custom["testbed.count_column"]), str(custom["testbed.suppressed_column"])
    if not isinstance(custom["testbed.small_count"], int) or custom["testbed.small_count"] < LEAST_SMALL_COUNT:
        raise ContractError(
            f"{contract.id}: testbed.small_count is {custom['testbed.small_count']!r}; expected {LEAST_SMALL_COUNT} or more, "
            "below which nobody publishes; correct the contract"
        )
    given = _columns(connection, relation)
    forbidden = [name for name in given if name in custom.get("testbed.forbidden_columns", ())]
    lacking = [name for name in contract.column_names if name not in given and name != flag]
    if forbidden or lacking:
        faults = [f"column '{name}' is forbidden" for name in forbidden] + [f"column '{name}' is missing" for name in lacking]
        raise ContractError(f"{relation}: {'; '.join(faults)}; expected the columns of {contract.id}; correct the table")
    unknown = {name for group in totals for name in group} - set(given)
    if unknown:
        raise ContractError(f"totals name columns {sorted(unknown)}; expected columns of {relation}; correct the totals")
    row = connection.execute(f"SELECT min({identifier(count)}) FROM {table(relation)}").fetchone()
    if row and row[0] is not None and row[0] < 0:
        raise ContractError(f"{relation}: {count} is {row[0]}; expected 0 or more; correct the table")


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {table(relation)}").fetchall()]


def _rounded(value: str, base: int, small: int) -> str:
    """SQL expression of a count rounded to the nearest multiple, a tie to the even one, and to what may be shown at least."""
    least = -(-small // base) * base
    rest, whole = f"2 * ({value} % {base})", f"{value} // {base}"
    up = f"({rest} > {base} OR ({rest} = {base} AND ({whole}) % 2 = 1))::INTEGER"
    return f"greatest((({whole}) + {up}) * {base}, {least})"


def _withhold_complements(
    connection: duckdb.DuckDBPyConnection,
    cells: str,
    value: str,
    totals: Sequence[tuple[str, ...]],
    small: int,
    base: int,
) -> tuple[Total, ...]:
    """Withhold what published totals would give away; returns the totals as they may be published."""
    if not totals:
        return ()
    numbers = ", ".join(
        f"dense_rank() OVER (ORDER BY {', '.join(identifier(name) for name in family)}) - 1" if family else "0"
        for family in totals
    )
    rows = connection.execute(
        f"SELECT __row, {value}, __withheld, {numbers} FROM {identifier(cells)} WHERE {value} IS NOT NULL"
    ).fetchall()
    if not rows:
        return ()
    table_of = np.array([[int(item) for item in row] for row in sorted(rows)], dtype=np.int64)
    families = [np.unique(table_of[:, 3 + i], return_inverse=True)[1].astype(np.int64) for i in range(len(totals))]
    found = withhold(table_of[:, 1], families, small, before=table_of[:, 2].astype(bool))
    connection.execute(
        f"UPDATE {identifier(cells)} SET __withheld = true WHERE __row IN (SELECT unnest(?::BIGINT[]))",
        [table_of[found.cells, 0].tolist()],
    )
    listed: list[Total] = []
    for family, hidden in zip(totals, found.totals, strict=True):
        keys = ", ".join(identifier(name) for name in family)
        groups = connection.execute(
            f"SELECT {f'{keys}, ' if keys else ''}{_rounded(f'sum({value})', base, small)}::BIGINT FROM {identifier(cells)} "
            f"WHERE {value} IS NOT NULL {f'GROUP BY {keys} ORDER BY {keys}' if keys else ''}"
        ).fetchall()
        for row, flag in zip(groups, hidden.tolist(), strict=True):
            listed.append(Total(dict(zip(family, row, strict=False)), None if flag else int(row[-1]), bool(flag)))
    return tuple(listed)
