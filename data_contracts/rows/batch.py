"""Rows under judgement: a numbered view of a table with its columns in the contract's types, made without copying a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from data_contracts.contract import Contract
from data_contracts.rows.casting import cast_of, identifier, literal, sql_type, table
from data_contracts.rules.rule import BATCH, PREPARED, RAW, ROW, ROW_ORDER, TWICE, Rule

SOURCE_ROW = "source_row"
KEYS_AT_ONCE = 10_000_000  # a pass over as many keys takes about 0.3 GB; more keys take more passes


@dataclass(frozen=True)
class Batch:
    """Rows under judgement.

    Attributes:
        name: The view that the rules are written over.
        contract: The contract.
        given: Type of each column as it came, by name.
        rules: The contract's rules.
        source: The table that the view reads, with its database and schema, quoted for SQL.
        rows: How many rows it has.
        first: The least row id of the table; the others follow without a gap.
        row_id: Name of the row id.
        is_private: Whether the table is the gate's own copy.
    """

    name: str
    contract: Contract
    given: dict[str, str]
    rules: tuple[Rule, ...]
    source: str
    rows: int
    first: int
    row_id: str
    is_private: bool

    @property
    def columns(self) -> str:
        """SQL of the contract's columns in its types, read from the source."""
        return ", ".join(self._typed(str(column.name)) for column in self.contract.columns)

    def _typed(self, name: str) -> str:
        column = next(column for column in self.contract.columns if column.name == name)
        if sql_type(column) in (None, self.given[name]):
            return identifier(name)
        return f"{cast_of(column, self.given[name])} AS {identifier(name)}"


def open_batch(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    contract: Contract,
    given: dict[str, str],
    rules: tuple[Rule, ...],
    *,
    private: str,
    renamed: Mapping[str, str],
) -> Batch:
    """Create the view that rules are written over; see `data_contracts.rules.rule`.

    A table of DuckDB numbers its rows by itself, so that it is read where it lies, by all threads. Anything else (a view,
    which may give its rows in another order each time, a table with deleted rows) is copied first.

    Args:
        connection: Connection that sees the relation.
        relation: Name of the table or view.
        contract: The contract.
        given: Type of each column of the relation, by name.
        rules: The contract's rules.
        private: Name of the temporary table to copy rows to, where they have to be.
        renamed: The contract's name of each column that came under another; see `arrived_as`.

    Returns:
        The batch.
    """
    row_id = "__rowid" if "rowid" in {name.lower() for name in given} else "rowid"
    source = base_table(connection, relation) if row_id == "rowid" else None
    numbers = _numbers(connection, source, row_id) if source else None
    is_private = numbers is None
    if source is None or numbers is None:
        source = f"temp.{identifier(private)}"
        came_as = {name: came for came, name in renamed.items()}
        chosen = ", ".join(
            f"{identifier(came_as.get(name, name))} AS {identifier(name)}"
            for name in given
            if name in contract.column_names or name == SOURCE_ROW
        )
        chosen += "" if row_id == "rowid" else f", row_number() OVER () - 1 AS {row_id}"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(private)} AS SELECT {chosen} FROM {table(relation)}")
        numbers = _numbers(connection, source, row_id) or (0, 0)
    elif renamed:
        names = ", ".join(f"{identifier(came)} AS {identifier(name)}" for came, name in renamed.items())
        source = f"(SELECT {row_id}, * RENAME ({names}) FROM {source})"
    name, (first, rows) = f"__batch_{contract.id}", numbers
    batch = Batch(name, contract, given, rules, source, rows, first, row_id, is_private)
    number = f"{row_id} + {1 - first}"
    order = f"coalesce(TRY_CAST({SOURCE_ROW} AS BIGINT), {number})" if SOURCE_ROW in given else number
    came = "".join(
        f"{identifier(str(column.name))} AS {identifier(RAW + str(column.name))}, "
        for column in contract.columns
        if sql_type(column) not in (None, given[str(column.name)])
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS "
        f"SELECT {batch.columns}, {came}{number} AS {ROW}, {order} AS {ROW_ORDER} FROM {source}"
    )
    return batch


def arrived_as(columns: Sequence[str], contract: Contract) -> dict[str, str]:
    """Columns that came under their `physicalName` in the place of their `name`.

    Args:
        columns: Names of the columns as they came.
        contract: The contract.

    Returns:
        The contract's name of each, by the name it came under. Where both names are there, the column is the one of its name.
    """
    found: dict[str, str] = {}
    for column in contract.columns:
        name, physical = str(column.name), column.physicalName
        if name not in columns and physical in columns and physical not in contract.column_names:
            found.setdefault(str(physical), name)
    return found


def narrow_keys(connection: duckdb.DuckDBPyConnection, batch: Batch, made: list[str]) -> dict[str, str]:
    """Find the few rows whose key may be there twice, for each rule that asks for it.

    Equal keys have equal hashes, so a row whose hash is alone has a key of its own. Sorting numbers takes a third of the
    time of grouping keys and less memory, and hashes part into passes of bounded memory. The keys of the rows found, among
    them a few that only share most of a hash, are then compared by the rule itself. A row that breaks a rule of its own, or an
    earlier rule about keys, is not compared: what is refused anyway keeps no key, and so no good row is lost to it.

    Args:
        connection: Connection that sees the batch.
        batch: The rows.
        made: Names of the temporary tables made are added here.

    Returns:
        Name of the table with the rows found (`__row`, `__source_row` and the key), by rule.
    """
    found: dict[str, str] = {}
    view = identifier(batch.name)
    alone = [one.failing.replace(BATCH, view) for one in batch.rules if one.failing not in (None, PREPARED) and not one.skipped]
    broken = [f"({condition}) IS TRUE" for condition in alone]
    for i, rule in enumerate(batch.rules):
        if not rule.keys or rule.skipped:
            continue
        keys = ", ".join(identifier(column) for column in rule.keys)
        given = " AND ".join(f"{identifier(column)} IS NOT NULL" for column in rule.keys)
        numbers, rows = f"{batch.name}_numbers_{i}", f"{batch.name}_keys_{i}"
        made += [numbers, rows]
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(numbers)} ({ROW} BIGINT)")
        for suspects in _alike(connection, batch, keys, given):
            connection.register("__suspects", {ROW: suspects})
            try:
                connection.execute(f"INSERT INTO temp.{identifier(numbers)} SELECT {ROW} FROM __suspects")
            finally:
                connection.unregister("__suspects")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(rows)} AS SELECT {ROW}, {ROW_ORDER}, {keys} FROM {view} "
            f"WHERE {ROW} IN (SELECT {ROW} FROM temp.{identifier(numbers)})"
            + (f" AND NOT ({' OR '.join(broken)})" if broken and rule.prepare else "")
        )
        if rule.prepare:
            broken.append(f"{ROW} IN ({rule.prepare.replace(TWICE, identifier(rows))})")
        found[rule.name] = rows
    return found


def _alike(connection: duckdb.DuckDBPyConnection, batch: Batch, keys: str, given: str) -> Iterator[npt.NDArray[np.int64]]:
    """Numbers of the rows whose key has the hash of another row's: its upper bits, the lower ones hold the number itself."""
    low = (1 << batch.rows.bit_length()) - 1
    high = (1 << 64) - 1 - low
    passes = -(-batch.rows // KEYS_AT_ONCE)
    for one in range(passes):
        part = f" AND hash({keys}) % {passes} = {one}" if passes > 1 else ""
        query = f"SELECT hash({keys}) & {high}::UBIGINT | {ROW}::UBIGINT AS packed FROM {identifier(batch.name)}"
        packed = np.ma.getdata(connection.execute(f"{query} WHERE {given}{part}").fetchnumpy()["packed"])
        packed.sort()
        same = packed[1:] ^ packed[:-1] <= np.uint64(low)
        if same.any():
            either = np.append(same, False) | np.append(False, same)
            yield (packed[either] & np.uint64(low)).astype(np.int64)


def base_table(connection: duckdb.DuckDBPyConnection, relation: str) -> str | None:
    """The table of DuckDB's own that a name stands for.

    Args:
        connection: Connection that sees it.
        relation: The name, perhaps with database and schema before it.

    Returns:
        Its database, schema and name, quoted for SQL; None for a view, or a table kept in another system.
    """
    *places, name = relation.split(".")
    found = connection.execute(
        f"""
        SELECT database_name, schema_name, name, is_view, database_name = 'temp' AS is_temporary,
            database_name = current_database() AND schema_name = current_schema() AS is_current
        FROM (
            SELECT database_name, schema_name, table_name AS name, false AS is_view FROM duckdb_tables()
            UNION ALL SELECT database_name, schema_name, view_name, true FROM duckdb_views()
        ) JOIN (SELECT database_name, type FROM duckdb_databases()) USING (database_name)
        WHERE type = 'duckdb' AND lower(name) = lower({literal(name)})
        ORDER BY is_temporary DESC
        """
    ).fetchall()
    for database, schema, spelled, is_view, *is_in_reach in found:
        exact = places in ([schema], [database], [database, schema])
        if exact or (not places and any(is_in_reach)):
            return None if is_view else ".".join(identifier(part) for part in (database, schema, spelled))
    return None


def drop(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop a temporary table or view, where there is one."""
    kind = "VIEW" if is_temporary_view(connection, name) else "TABLE"
    connection.execute(f"DROP {kind} IF EXISTS temp.{identifier(name)}")


def is_temporary_view(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a name is that of a temporary view."""
    query = f"SELECT count(*) FROM duckdb_views() WHERE database_name = 'temp' AND lower(view_name) = lower({literal(name)})"
    return bool(connection.execute(query).fetchall()[0][0])


def _numbers(connection: duckdb.DuckDBPyConnection, source: str, row_id: str) -> tuple[int, int] | None:
    """The least row id and the number of rows; None where there are gaps."""
    query = f"SELECT coalesce(min({row_id}), 0), coalesce(max({row_id}), -1), count(*) FROM {source}"
    first, last, rows = connection.execute(query).fetchall()[0]
    return (first, rows) if last - first + 1 == rows else None
