"""Read a file into a table without losing or changing a value: CSV and JSON as text, Parquet in its own types."""

from __future__ import annotations

import glob
import tempfile
from pathlib import Path

import duckdb

from data_contracts.contract import ContractError
from data_contracts.rows.casting import identifier, literal
from data_contracts.rows.lines import BOM, LONGEST_LINE, header_of, part_lines
from data_contracts.rows.records import DEEPEST_JSON, PLACE, is_by_line, is_closed, is_shallow, part_records

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LONGEST_HEADER = 1_000_000
MOST_COLUMNS = 2_000
ROWS_PER_BYTE = 100
LINES = "__lines"
REJECTS, SCAN = "__csv_rejects", "__csv_scan"
LINE_RULE = "file.lines"
LINES_OF_JSON = "compression = 'uncompressed', format = 'newline_delimited'"
LOOSE_JSON = r"(?i)[:,\[]\s*-?(nan|inf)|,\s*[\]}]"
"""What DuckDB takes for JSON and the standard does not; also found in texts, where it costs only time."""


def read_file(connection: duckdb.DuckDBPyConnection, path: Path, *, into: str) -> int:
    """Read a CSV, Parquet or JSON file.

    A line of a CSV file that is no row (too few or too many fields, not UTF-8, a quote that is never closed, too long), or of a
    JSON-lines file that is no record, costs no other row: the table then has a column `source_row`, each row's place in the
    file, and the lines refused are in a temporary table of their own, for `quarantine_lines`.

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
        _keep_refused(connection, refused, into)
    return count


def _read_csv(path: Path, columns: dict[str, str], options: str, chosen: str = "*") -> str:
    return f"SELECT {chosen} FROM read_csv({_quoted(path)}, {options}, columns = {_described(columns)})"


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path, into: str) -> int:
    row = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({_quoted(path)})").fetchone()
    rows, size = int(row[0]) if row else 0, path.stat().st_size
    if rows > ROWS_PER_BYTE * size:
        raise ContractError(f"{path}: names {rows} rows in {size} bytes; expected a table of measured values; correct the file")
    _create(connection, into, f"SELECT * FROM read_parquet({_quoted(path)})")
    return 0


def _json(connection: duckdb.DuckDBPyConnection, path: Path, into: str) -> int:
    """A JSON file: one record a line, or one document, a list of records, which is read or refused as a whole."""
    by_line = is_by_line(path)
    with path.open("rb") as file:
        is_marked = file.read(len(BOM)) == BOM
        file.seek(0)
        shallow = is_shallow(file)
    if not by_line:
        if is_marked:
            raise ContractError(f"{path}: begins with a byte order mark; expected JSON without one; save it as plain UTF-8")
        if not shallow:
            deep = f"is nested deeper than {DEEPEST_JSON} levels; expected records of values; correct the file"
            raise ContractError(f"{path}: {deep}")
        if not is_closed(path):
            raise ContractError(f"{path}: the list of records has no end; expected ']' behind the last; send the file again")
    names = _names_of(connection, path, by_line=by_line) if shallow and not is_marked else None
    if names is None:
        return _json_by_line(connection, path, into)
    _require_records(path, names)
    columns, options = _described(dict.fromkeys(names, "VARCHAR")), _json_options(by_line=by_line)
    _create(connection, into, f"SELECT * FROM read_json({_quoted(path)}, columns = {columns}, {options})")
    return 0


def _json_by_line(connection: duckdb.DuckDBPyConnection, path: Path, into: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        rows, refused = Path(folder, "rows.jsonl"), Path(folder, "refused.jsonl")
        count, names = part_records(path, rows, refused, most=MOST_COLUMNS)
        _require_records(path, names)
        columns = _described({PLACE: "BIGINT", **dict.fromkeys(names, "VARCHAR")})
        chosen = f"{PLACE} AS source_row, * EXCLUDE ({PLACE})" if "source_row" not in names else f"* EXCLUDE ({PLACE})"
        _create(connection, into, f"SELECT {chosen} FROM read_json({_quoted(rows)}, columns = {columns}, {LINES_OF_JSON})")
        _keep_refused(connection, refused, into)
    return count


def _names_of(connection: duckdb.DuckDBPyConnection, path: Path, *, by_line: bool) -> list[str] | None:
    """The names in the records of a JSON file that DuckDB may read as it is; None where a line of it has to be refused.

    Raises:
        ContractError: A file that is not read by lines has something to be refused.
    """
    lowered = "list_transform(json_keys(json), lambda k: lower(k))"
    faults = [
        "json IS NULL OR json_type(json) <> 'OBJECT'",
        *([f"strlen(json) > {LONGEST_LINE}"] if by_line else []),
        f"len({lowered}) > len(list_distinct({lowered}))",
        f"regexp_matches(json, {literal(LOOSE_JSON)})",
    ]
    tolerant = ", ignore_errors = true" if by_line else ""
    objects = f"read_json_objects({_quoted(path)}, {_json_options(by_line=by_line)}{tolerant})"
    query = f"SELECT json_keys(json) AS names, bool_or({' OR '.join(faults)}) FROM {objects} GROUP BY ALL LIMIT {MOST_COLUMNS}"
    try:
        found = connection.execute(query).fetchall()
    except duckdb.Error:
        if by_line:
            return None
        raise
    names = {name: None for some, _ in sorted(found, key=lambda row: (-len(row[0] or ()), row[0] or ())) for name in some or ()}
    is_whole = len(found) < MOST_COLUMNS and "" not in names and len({name.lower() for name in names}) == len(names)
    if is_whole and not any(is_odd for _, is_odd in found):
        return list(names)
    if by_line:
        return None
    _require_records(path, list(names))
    strict = "expected a list of records, each name once in one spelling, no NaN, no comma too many"
    raise ContractError(f"{path}: holds something that is no record of JSON; {strict}; correct the file")


def _json_options(*, by_line: bool) -> str:
    return LINES_OF_JSON if by_line else "compression = 'uncompressed'"


def _require_records(path: Path, names: list[str]) -> None:
    if not names:
        raise ContractError(f"{path}: holds no records; expected a list of records or one a line; correct the file")
    if len(names) > MOST_COLUMNS:
        raise ContractError(f"{path}: has {len(names)} columns; expected at most {MOST_COLUMNS}; send those of the contract")


def _keep_refused(connection: duckdb.DuckDBPyConnection, refused: Path, into: str) -> None:
    described = _described({"source_row": "BIGINT", "fault": "VARCHAR", "row": "VARCHAR"})
    _create(connection, into + LINES, f"SELECT * FROM read_json({_quoted(refused)}, columns = {described}, {LINES_OF_JSON})")


def _described(columns: dict[str, str]) -> str:
    return "{" + ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns.items()) + "}"


def _create(connection: duckdb.DuckDBPyConnection, name: str, select: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS {select}")


def _quoted(path: Path) -> str:
    return literal(glob.escape(str(path)))


def _first_line(error: duckdb.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
