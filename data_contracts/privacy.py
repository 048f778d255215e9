"""Privacy as rules of a contract: no small count leaves, and what leaves is rounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb

from data_contracts.casting import identifier, table
from data_contracts.contract import Contract, ContractError
from data_contracts.rules import Rule, row_rule

ROUNDS_AT_MOST = 1_000


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
) -> None:
    """Turn counts into what a contract allows to be published.

    A count below `testbed.small_count` is withheld (primary suppression). Where totals are published as well, a group with
    one withheld cell would give it away, so the smallest other cell of the group is withheld too (complementary
    suppression), until no group has a single one. What remains is rounded to `testbed.round_to`, never to less than the
    smallest count allowed. A count that was not measured stays empty and is not called withheld.

    Args:
        connection: Connection that sees the table.
        relation: Name of the table, with the contract's columns; the column that says whether a count is withheld is
            written anew and may be missing.
        contract: The contract of the published data.
        into: Name of the temporary table to create, with the contract's columns.
        totals: For each total that is published or known: the columns that its cells have in common.

    Raises:
        ContractError: The contract has no privacy rules, or the table does not fit it.

    Source:
        Threshold of 10 as the ONS Longitudinal Study and UK LLC; rounding to base 5 after suppression.
    """
    custom = contract.custom
    keys = ("testbed.small_count", "testbed.round_to", "testbed.count_column", "testbed.suppressed_column")
    missing = [key for key in keys if key not in custom]
    if missing:
        raise ContractError(f"{contract.id}: {', '.join(missing)} missing; expected privacy rules; add them before publishing")
    count, withheld = str(custom["testbed.count_column"]), str(custom["testbed.suppressed_column"])
    small, base = int(custom["testbed.small_count"]), int(custom["testbed.round_to"])
    given = [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {table(relation)}").fetchall()]
    forbidden = [name for name in given if name in custom.get("testbed.forbidden_columns", ())]
    lacking = [name for name in contract.column_names if name not in given and name != withheld]
    if forbidden or lacking:
        faults = [f"column '{name}' is forbidden" for name in forbidden] + [f"column '{name}' is missing" for name in lacking]
        raise ContractError(f"{relation}: {'; '.join(faults)}; expected the columns of {contract.id}; correct the table")
    unknown = {name for group in totals for name in group} - set(given)
    if unknown:
        raise ContractError(f"totals name columns {sorted(unknown)}; expected columns of {relation}; correct the totals")
    cells, value = f"__cells_{contract.id}", identifier(count)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {identifier(cells)} AS SELECT *, row_number() OVER () AS __row, "
        f"coalesce({value} < {small}, false) AS __withheld FROM {table(relation)}"
    )
    try:
        _withhold_complements(connection, cells, value, totals)
        least = -(-small // base) * base
        rounded = f"greatest(({value} + {base // 2}) // {base} * {base}, {least})"
        chosen = {count: f"CASE WHEN NOT __withheld AND {value} IS NOT NULL THEN {rounded} END", withheld: "__withheld"}
        columns = ", ".join(f"{chosen.get(name, identifier(name))} AS {identifier(name)}" for name in contract.column_names)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS SELECT {columns} FROM {identifier(cells)} ORDER BY __row"
        )
    finally:
        connection.execute(f"DROP TABLE IF EXISTS temp.{identifier(cells)}")


def _withhold_complements(
    connection: duckdb.DuckDBPyConnection, cells: str, value: str, totals: Sequence[tuple[str, ...]]
) -> None:
    """Withhold one more cell in every group of a published total that has exactly one, until there is no such group."""
    for _ in range(ROUNDS_AT_MOST if totals else 0):
        changed = 0
        for group in totals:
            keys = ", ".join(identifier(name) for name in group) or "true"
            row = connection.execute(
                f"UPDATE {identifier(cells)} SET __withheld = true WHERE __row IN ("
                f"SELECT arg_min(__row, ({value}, __row)) FILTER (NOT __withheld) FROM {identifier(cells)} "
                f"WHERE {value} IS NOT NULL GROUP BY {keys} HAVING count_if(__withheld) = 1)"
            ).fetchone()
            changed += int(row[0]) if row else 0
        if not changed:
            return
