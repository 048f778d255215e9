"""Read a file into a table without losing or changing a value: CSV and JSON as text, Parquet in its own types."""

from __future__ import annotations

import glob
import tempfile
from pathlib import Path

import duckdb
import numpy as np

from data_contracts.contract import ContractError
from data_contracts.rows.casting import identifier, literal
from data_contracts.rows.lines import LONGEST_LINE, header_of, part_lines

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LONGEST_HEADER = 1_000_000
MOST_COLUMNS = 2_000
DEEPEST_JSON = 100
ROWS_PER_BYTE = 100
BLOCK_BYTES = 1_000_000
LINES = "__lines"
REJECTS, SCAN = "__csv_rejects", "__csv_scan"
LINE_RULE = "file.lines"


def read_file(connection: duckdb.DuckDBPyConnection, path: Path, *, into: str) -> int:
    """Read a CSV, Parquet or JSON file.

    A line of a CSV file that is no row (too few or too many fields, not UTF-8, a quote that is never closed, too long) costs no
    other row: the table then has a column `source_row`, each row's place in the file, and the lines refused are in a
    temporary table of their own, for `quarantine_lines`.

    Args:
        connection: Connection to read into.
        path: The file; its kind is told by its name.
        into: Name of the temporary table to create, rows in the order of the file.

    Returns:
        Number of lines refused.

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
    try:
        if not path.is_file():
            found = "not a file" if path.exists() else "no such file"
            raise ContractError(f"{path}: {found}; expected a table in a file; check the path")
        if path.suffix.lower() not in kinds:
            raise ContractError(f"{path}: named '{path.suffix}'; expected one of {', '.join(kinds)}; convert the file")
        if not path.stat().st_size:
            raise ContractError(f"{path}: the file is empty; expected a table with a header; send it again")
        return kinds[path.suffix.lower()](connection, path, into)
    except duckdb.Error as error:
        raise ContractError(f"{path}: {_first_line(error)}; expected a readable table; correct the file") from error
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror}); expected a readable file; check the path") from error


def quarantine_lines(connection: duckdb.DuckDBPyConnection, staged: str, *, quarantined: str) -> None:
    """Move the lines that a file's reading refused into the quarantine.

    Args:
        connection: The connection the file was read into.
        staged: Name of the table it was read into.
        quarantined: Name of the gate's table of refused rows.
    """
    connection.execute(
        f"INSERT INTO temp.{identifier(quarantined)} (source_row, rules, reasons, row) "
        f"SELECT source_row, [{literal(LINE_RULE)}], [fault], row::JSON FROM temp.{identifier(staged + LINES)}"
    )


def _csv(connection: duckdb.DuckDBPyConnection, path: Path, into: str) -> int:
    """Nothing about a CSV file's shape is guessed but the delimiter, which the header shows."""
    header = header_of(path, DELIMITERS, LONGEST_HEADER)
    if isinstance(header, str):
        raise ContractError(f"{path}: {header}")
    delimiter, names = header
    if len(names) > MOST_COLUMNS:
        raise ContractError(f"{path}: has {len(names)} columns; expected at most {MOST_COLUMNS}; send those of the contract")
    options = f"auto_detect = false, delim = {literal(delimiter)}, quote = '\"', escape = '\"', compression = 'none'"
    columns = dict.fromkeys(names, "VARCHAR")
    watched = f"header = true, {options}, store_rejects = true, rejects_table = '{REJECTS}', rejects_scan = '{SCAN}'"
    try:
        _create(connection, into, _read_csv(path, columns, watched))
        row = connection.execute(f"SELECT count(*) FROM temp.{REJECTS}").fetchone()
        if row and not row[0]:
            return 0
    except duckdb.InvalidInputException:
        pass  # line ends of two kinds, which the other way reads
    finally:
        for left in (
            f"TABLE IF EXISTS temp.{REJECTS}",
            f"TABLE IF EXISTS temp.{SCAN}",
            "TYPE IF EXISTS temp.main.csv_error_type",
        ):
            connection.execute(f"DROP {left}")
    with tempfile.TemporaryDirectory() as folder:
        rows, refused = Path(folder, "rows.csv"), Path(folder, "refused.jsonl")
        count = part_lines(path, delimiter, len(names), rows, refused)
        numbered = {"source_row": "BIGINT", **columns} if "source_row" not in names else {"__place": "BIGINT", **columns}
        chosen = "*" if "source_row" not in names else "* EXCLUDE (__place)"
        wide = f"header = false, {options}, new_line = '\\n', max_line_size = {2 * LONGEST_LINE}"
        _create(connection, into, _read_csv(rows, numbered, wide, chosen))
        described = "{source_row: 'BIGINT', fault: 'VARCHAR', row: 'VARCHAR'}"
        text = f"SELECT * FROM read_json({_quoted(refused)}, columns = {described}, format = 'newline_delimited')"
        _create(connection, into + LINES, text)
    return count


def _read_csv(path: Path, columns: dict[str, str], options: str, chosen: str = "*") -> str:
    described = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns.items())
    return f"SELECT {chosen} FROM read_csv({_quoted(path)}, {options}, columns = {{{described}}})"


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path, into: str) -> int:
    row = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({_quoted(path)})").fetchone()
    rows, size = int(row[0]) if row else 0, path.stat().st_size
    if rows > ROWS_PER_BYTE * size:
        raise ContractError(f"{path}: names {rows} rows in {size} bytes; expected a table of measured values; correct the file")
    _create(connection, into, f"SELECT * FROM read_parquet({_quoted(path)})")
    return 0


def _json(connection: duckdb.DuckDBPyConnection, path: Path, into: str) -> int:
    """A JSON file: a list of records, or one record a line."""
    if not _is_shallow(path):
        raise ContractError(
            f"{path}: is nested deeper than {DEEPEST_JSON} levels; expected records of values; correct the file"
        )
    detecting = "sample_size = -1, maximum_depth = 2, field_appearance_threshold = 0, compression = 'uncompressed'"
    detected = f"read_json({_quoted(path)}, {detecting})"
    names = [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {detected}").fetchall()]
    if names == ["json"]:
        raise ContractError(f"{path}: holds no records; expected a list of records or one a line; correct the file")
    if len(names) > MOST_COLUMNS:
        raise ContractError(f"{path}: has {len(names)} columns; expected at most {MOST_COLUMNS}; send those of the contract")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    _create(
        connection, into, f"SELECT * FROM read_json({_quoted(path)}, columns = {{{columns}}}, compression = 'uncompressed')"
    )
    return 0


def _is_shallow(path: Path) -> bool:
    """Whether no value is nested deeper than allowed: DuckDB's recursion over the structure of a deeper one ends the process.

    Texts end with their line, as JSON demands, so that an unclosed one hides nothing that follows; and depth is counted from
    the lowest level before, so that brackets closed too often hide nothing either.
    """
    level = lowest = quotes = 0
    cut = False
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            plain = (b"_" + block[1:] if cut else block).replace(b"\\\\", b"__").replace(b'\\"', b"__")
            cut = plain.endswith(b"\\")
            signs = np.frombuffer(plain, dtype=np.uint8)
            counted = quotes + np.cumsum(signs == ord('"'))
            before = np.maximum.accumulate(np.where(signs == ord("\n"), counted, 0))
            inside = (counted - before) & 1
            steps = np.isin(signs, (ord("["), ord("{"))).astype(np.int64) - np.isin(signs, (ord("]"), ord("}")))
            levels = level + np.cumsum(steps * (1 - inside))
            lows = np.minimum.accumulate(np.minimum(levels, lowest))
            if int((levels - lows).max()) > DEEPEST_JSON:
                return False
            level, lowest, quotes = int(levels[-1]), int(lows[-1]), int(inside[-1])
    return True


def _create(connection: duckdb.DuckDBPyConnection, name: str, select: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {select}")


def _quoted(path: Path) -> str:
    return literal(glob.escape(str(path)))


def _first_line(error: duckdb.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
