"""Read a file into a table without losing or changing a value: CSV and JSON as text, Parquet in its own types."""

from __future__ import annotations

import csv
import glob
from pathlib import Path

import duckdb

from data_contracts.casting import identifier, literal
from data_contracts.contract import ContractError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LONGEST_HEADER = 1_000_000


def read_file(connection: duckdb.DuckDBPyConnection, path: Path, *, into: str) -> None:
    """Read a CSV, Parquet or JSON file.

    Args:
        connection: Connection to read into.
        path: The file; its kind is told by its name.
        into: Name of the temporary table to create, rows in the order of the file.

    Raises:
        ContractError: The file cannot be read as a table.
    """
    kinds = {
        ".csv": _csv,
        ".tsv": _csv,
        ".txt": _csv,
        ".parquet": _parquet,
        ".json": _json,
        ".jsonl": _json,
        ".ndjson": _json,
    }
    if not path.is_file():
        raise ContractError(f"{path}: no such file; expected a table in a file; check the path")
    if path.suffix.lower() not in kinds:
        raise ContractError(f"{path}: named '{path.suffix}'; expected one of {', '.join(kinds)}; convert the file")
    if not path.stat().st_size:
        raise ContractError(f"{path}: the file is empty; expected a table with a header; send it again")
    try:
        select = kinds[path.suffix.lower()](connection, path)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS {select}")
    except duckdb.Error as error:
        raise ContractError(f"{path}: {_first_line(error)}; expected a readable table; correct the file") from error


def _csv(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """SELECT of a CSV file. Nothing about its shape is guessed but the delimiter, which the header shows."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline(LONGEST_HEADER)
    except UnicodeDecodeError as error:
        raise ContractError(f"{path}: byte {error.start} is not UTF-8; expected UTF-8; save the file as UTF-8") from error
    delimiter = max(DELIMITERS, key=header.count)
    names = next(csv.reader([header], delimiter=delimiter), [])
    if not any(name.strip() for name in names):
        raise ContractError(f"{path}: the first line is empty; expected the names of the columns; add them")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ContractError(f"{path}: column '{twice[0]}' stands twice; expected each name once; correct the header")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"SELECT * FROM read_csv({_quoted(path)}, auto_detect = false, header = true, delim = {literal(delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{columns}}})"
    )


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    return f"SELECT * FROM read_parquet({_quoted(path)})"


def _json(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """SELECT of a JSON file: a list of records, or one record a line."""
    found = connection.execute(f"DESCRIBE SELECT * FROM read_json({_quoted(path)}, sample_size = -1)").fetchall()
    names = [str(row[0]) for row in found]
    if names == ["json"]:
        raise ContractError(f"{path}: holds no records; expected a list of records or one a line; correct the file")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return f"SELECT * FROM read_json({_quoted(path)}, columns = {{{columns}}})"


def _quoted(path: Path) -> str:
    return literal(glob.escape(str(path)))


def _first_line(error: duckdb.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
