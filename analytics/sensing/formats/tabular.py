"""Tables of any layout: CSV and Parquet, long or wide, by a mapping that the pilot file gives.

Files that DuckDB reads by itself stay in DuckDB from the file to the table, whatever their size, and their numbers and
instants get their types on the way. Only where one cannot be read do both columns stay text, so that the contract refuses
its row and no other, and only where a line is no row, or the encoding another, are lines looked at one by one.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass

from analytics.lake import Connection, QueryError
from analytics.sensing.formats.documents import UNREADABLE
from analytics.sensing.formats.instants import DOUBLED, WRITTEN, instants, literal
from analytics.sensing.formats.mapping import Cells, Column, Columns, Fixed, Stamps
from analytics.sensing.formats.rows import FAULT, PLACE, header_of, stage_rows
from analytics.sensing.formats.texts import head_of, require_file
from analytics.sensing.readings import SourceError, check_timezone, named, quoted, site_id_of

EXPECTED = "a CSV or Parquet table of readings"
OPTIONAL = ("interval_s", "coverage", "flags")
"""Columns of the shape of readings that a table without a mapping need not have."""
FAILURES = (QueryError, UnicodeDecodeError)
"""How DuckDB says that it cannot read something; the second where its message cuts a character in two."""
POINTED = " (a point where decimal commas are expected)"


@dataclass(frozen=True)
class Table:
    """A table and how its columns are readings.

    Attributes:
        source: Path of the file, for messages.
        kinds: DuckDB type of each column by its name.
        columns: Which column is what.
        stamps: How instants are written.
        cells: How cells are written.
        timezone: Clock of instants without an offset.
    """

    source: str
    kinds: dict[str, str]
    columns: Columns
    stamps: Stamps
    cells: Cells
    timezone: str | None


def tabular(
    connection: Connection,
    source: str,
    *,
    table: str,
    columns: Columns | None = None,
    stamps: Stamps | None = None,
    cells: Cells | None = None,
    timezone: str | None = None,
) -> None:
    """Read a table as received.

    Args:
        connection: Where the table is made.
        source: Path of a CSV or Parquet file; its kind is told by its content.
        table: Name of the table to create; see `analytics.sensing.readings.COLUMNS`. `value` and `interval_start_at` are
            numbers and instants where all of them can be read, else text.
        columns: Which column is what; those of `COLUMNS` by their own names where None.
        stamps: How instants are written.
        cells: How cells are written.
        timezone: IANA name of the clock of instants without an offset; without it they stay as they are. The second pass
            of an hour that a clock repeats is told from the first by the order of rows; both get the flag `doubled_hour`.
            An hour that the clock left out stays as written, with the flag `nonexistent_hour`.

    Raises:
        SourceError: The file is missing or no table, or lacks a column.
    """
    path = require_file(source, EXPECTED)
    check_timezone(connection, timezone or "UTC")
    stamps, cells = stamps or Stamps(), cells or Cells()
    if head_of(path).startswith(b"PAR1"):
        relation = f"SELECT * FROM read_parquet({literal(glob.escape(source))})"
        try:
            kinds = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE {relation}").fetchall()}
            _create(connection, relation, _table(source, kinds, columns, stamps, cells, timezone), table, first=1)
        except FAILURES as error:
            said = str(error).splitlines()[0]
            raise SourceError(f"{source}: not a readable Parquet file ({said}); expected {EXPECTED}; write it again") from None
        return
    header = header_of(path, cells, whole=False)
    mapped = _table(source, dict.fromkeys(header.names, "VARCHAR"), columns, stamps, cells, timezone)
    if header.encoding == "utf-8-sig":
        described = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header.names)
        relation = (
            f"SELECT * FROM read_csv({literal(glob.escape(source))}, auto_detect = false, header = true, compression = 'none', "
            f"delim = {literal(header.delimiter)}, quote = '\"', escape = '\"', columns = {{{described}}})"
        )
        try:
            _create(connection, relation, mapped, table, first=2)
            return
        except FAILURES:
            pass  # a line is no row, or the encoding another
    header = header_of(path, cells)
    mapped = _table(source, dict.fromkeys(header.names, "VARCHAR"), columns, stamps, cells, timezone)
    staged = f"{table}_lines"
    try:
        stage_rows(connection, path, header, into=staged)
        rows = f"SELECT * EXCLUDE ({FAULT}) FROM {quoted(staged)} WHERE {FAULT} IS NULL"
        is_whole = connection.execute(f"SELECT count({FAULT}) FROM {quoted(staged)}").fetchall() == [(0,)]
        _create(connection, rows, mapped, table, first=None, typed=is_whole)
        connection.execute(
            f"INSERT INTO {quoted(table)} BY NAME SELECT {PLACE} AS source_row, {FAULT} AS value, '{UNREADABLE}' AS flags "
            f"FROM {quoted(staged)} WHERE {FAULT} IS NOT NULL"
        )
    finally:
        connection.execute(f"DROP TABLE IF EXISTS {quoted(staged)}")


def _table(
    source: str, kinds: dict[str, str], columns: Columns | None, stamps: Stamps, cells: Cells, timezone: str | None
) -> Table:
    """The table with the full names of its columns.

    Raises:
        SourceError: A column is missing, or the mapping contradicts itself.
    """
    faults: list[str] = []
    is_said = columns is not None
    columns = columns or Columns.model_validate({name: name for name in OPTIONAL if name in kinds})

    def full(name: str) -> str:
        found = [name] if name in kinds else [one for one in kinds if one.startswith(f"{name} ")]
        if len(found) != 1:
            faults.append(name)
        return found[0] if found else name

    def part(given: str | Fixed | None) -> str | Fixed | None:
        return full(given) if isinstance(given, str) else given

    time = [full(name) for name in ([columns.time] if isinstance(columns.time, str) else columns.time)]
    changed: dict[str, object] = {"time": time, "site": part(columns.site)}
    changed |= {name: part(getattr(columns, name)) for name in ("interval_s", "coverage")}
    if columns.values is None:
        changed |= {name: part(getattr(columns, name)) for name in ("value", "property", "unit", "flags")}
    else:
        changed["values"] = {
            full(name): one.model_copy(update={"flags": part(one.flags)}) for name, one in columns.values.items()
        }
    if faults:
        there, asked = named(", ".join(kinds), 200), ", ".join(repr(named(name)) for name in faults)
        missing = "the columns of the mapping; correct the mapping"
        unsaid = "these columns, or a mapping; say which column is what (--mapping, or reader_params of the feed)"
        raise SourceError(f"{source}: column {asked} is not among {there}; expected {missing if is_said else unsaid}")
    if stamps.stamp == "end" and stamps.interval_s is None and columns.interval_s is None:
        raise SourceError(f"{source}: stamps name the end of intervals of unknown length; expected interval_s; add it")
    if columns.values is not None:
        series = [(one.site, one.property) for one in columns.values.values()]
        if len(set(series)) < len(series):
            raise SourceError(f"{source}: two columns are the same property at the same site; expected one; give each a site")
    return Table(source, kinds, columns.model_copy(update=changed), stamps, cells, timezone)


def _create(connection: Connection, relation: str, given: Table, table: str, *, first: int | None, typed: bool = True) -> None:
    """Create the table with typed columns, or, where something cannot be read, with text.

    Args:
        connection: Where the table is made.
        relation: A selection of the columns of `given.kinds`, as they are or as text.
        given: The table.
        table: Name of the table to create.
        first: Number of the first row; None where `PLACE` numbers them.
        typed: Whether to try types at all; rows of text are to follow where not.

    Raises:
        QueryError: The relation cannot be read.
    """
    name = quoted(table)
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {_select(relation, given, first, strict=typed)}")
    except FAILURES:
        if not typed:
            raise
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {_select(relation, given, first, strict=False)}")
    sites = [
        str(row[0]) for row in connection.execute(f"SELECT DISTINCT site_id FROM {name} WHERE site_id NOT NULL").fetchall()
    ]
    ids = {site: site_id_of(site) for site in sites if site_id_of(site) != site}
    if ids:
        renamed = quoted(f"{table}_sites")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {renamed} AS SELECT unnest($sites) AS site, unnest($ids) AS id",
            {"sites": list(ids), "ids": list(ids.values())},
        )
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT t.* REPLACE (coalesce(id, site_id) AS site_id) "
            f"FROM {name} t LEFT JOIN {renamed} ON site = site_id"
        )
        connection.execute(f"DROP TABLE {renamed}")
    if given.timezone is not None and given.stamps.offset is None:
        later = "interval_start_at::TIMESTAMPTZ + INTERVAL 1 HOUR"
        is_text = connection.execute(f"SELECT interval_start_at FROM {name} LIMIT 0").description[0][1] == "VARCHAR"
        connection.execute(
            f"UPDATE {name} SET interval_start_at = {WRITTEN.format(later) if is_text else later} WHERE rowid IN ("
            f"SELECT rowid FROM {name} WHERE contains(flags, '{DOUBLED}') QUALIFY row_number() OVER "
            "(PARTITION BY site_id, observed_property, interval_start_at ORDER BY source_row) = 2)"
        )


def _select(relation: str, given: Table, first: int | None, *, strict: bool) -> str:
    columns, stamps, cells = given.columns, given.stamps, given.cells
    place = PLACE if first is None else f"row_number() OVER () + {first - 1}"
    time = [quoted(name) for name in columns.time]
    kind = given.kinds[columns.time[0]] if len(time) == 1 else "VARCHAR"
    length = _number(_text(columns.interval_s), strict) if columns.interval_s else _double(stamps.interval_s)
    stamp = f"trim({time[0]}::VARCHAR)" if len(time) == 1 else f"concat_ws(' ', {', '.join(time)})"
    shared = (
        f"{place} AS source_row, {stamp} AS stamp, {length} AS interval_s, TRY_CAST({length} AS DOUBLE) AS length, "
        f"{_number(_text(columns.coverage), strict) if columns.coverage else 'NULL::DOUBLE'} AS coverage, "
    )
    if columns.values is None:
        value = _value(_text(columns.value), cells)
        names = {"site_id": columns.site, "observed_property": columns.property, "unit": columns.unit, "said": columns.flags}
        rest = ", ".join(f"{_text(part)} AS {name}" for name, part in names.items())
        rows = f"SELECT {shared}{value} AS value, {rest} FROM ({relation})"
        dropped = _is_missing("value", cells)
    else:
        cell = ", ".join(_cell(name, one, columns, cells) for name, one in columns.values.items())
        rows = f"SELECT * EXCLUDE (cell), unnest(cell) FROM (SELECT {shared}unnest([{cell}]) AS cell FROM ({relation}))"
        dropped = f"value IS NULL OR {_is_missing('value', cells)}"
    found = instants(stamps, given.timezone, kind)
    rows = f"(SELECT * FROM ({rows}) WHERE NOT coalesce({dropped}, false))"
    for step in found.steps:
        rows = "(" + step.replace("{}", rows) + ")"
    if strict:
        bad = "error('an instant cannot be read')"
        at = f"CASE WHEN stamp IS NOT NULL AND ({found.at}) IS NULL THEN {bad} ELSE {found.at} END"
    else:
        at = "stamp" if found.is_as_written else f"coalesce({WRITTEN.format(f'({found.at})')}, stamp)"
    fine = f" AND trim(said) NOT IN ({', '.join(map(literal, cells.fine))})" if cells.fine else ""
    flags = f"nullif(concat_ws(',', CASE WHEN trim(said) <> ''{fine} THEN 'source_' || trim(said) END, {found.flags}), '')"
    return (
        f"SELECT source_row, site_id, observed_property, {at} AS interval_start_at, interval_s, "
        f"{_number('value', strict)} AS value, unit, coverage, {flags} AS flags FROM {rows}"
    )


def _cell(name: str, one: Column, columns: Columns, cells: Cells) -> str:
    """SQL of what stands in one column of a wide table."""
    site = literal(one.site) if one.site is not None else _text(columns.site)
    return (
        f"{{'value': {_value(_text(name), cells)}, 'site_id': {site}, 'observed_property': {literal(one.property)}, "
        f"'unit': {literal(one.unit)}, 'said': {_text(one.flags)}}}"
    )


def _value(text: str, cells: Cells) -> str:
    if cells.decimal == ".":
        return text
    return f"CASE WHEN contains({text}, '.') THEN {text} || {literal(POINTED)} ELSE replace({text}, ',', '.') END"


def _is_missing(value: str, cells: Cells) -> str:
    if not cells.missing:
        return "false"
    numbers = [str(number) for code in cells.missing if (number := _finite(code)) is not None]
    same = f"coalesce(trim({value}), '') IN ({', '.join(map(literal, cells.missing))})"
    return same + (f" OR TRY_CAST({value} AS DOUBLE) IN ({', '.join(numbers)})" if numbers else "")


def _finite(code: str) -> float | None:
    try:
        number = float(code.replace(",", "."))
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _text(part: str | Fixed | None) -> str:
    """SQL of a column or of a fixed value as text."""
    if part is None:
        return "NULL::VARCHAR"
    return literal(part.fixed) if isinstance(part, Fixed) else f"{quoted(part)}::VARCHAR"


def _number(text: str, strict: bool) -> str:
    return f"CAST({text} AS DOUBLE)" if strict else text


def _double(number: float | None) -> str:
    return "NULL::DOUBLE" if number is None else f"{number!r}::DOUBLE"
