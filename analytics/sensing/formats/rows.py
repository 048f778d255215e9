"""Rows of a delimited text file that DuckDB does not read by itself: of another encoding, or with broken lines among them."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from analytics.lake import Connection
from analytics.sensing.formats.mapping import Cells
from analytics.sensing.formats.texts import Line, encoding_of, lines_of, shown
from analytics.sensing.readings import SourceError, quoted

DELIMITERS: tuple[str, ...] = (",", ";", "\t", "|")
MOST_COLUMNS = 2_000
LINES_OF_A_ROW = 100
BATCH_ROWS = 20_000
PLACE, FAULT = "__line", "__fault"
"""Columns that are added: number of the row's line, and the line as it stands where it is no row."""


class Header(NamedTuple):
    """What the first line of a file shows.

    Attributes:
        names: Of the columns, each made different from the others.
        delimiter: What parts the fields.
        encoding: Of the file.
    """

    names: list[str]
    delimiter: str
    encoding: str


def header_of(path: Path, cells: Cells, *, whole: bool = True) -> Header:
    """The header of a file.

    Args:
        path: The file.
        cells: How its cells are written.
        whole: Whether all of the file tells its encoding, or only the beginning.

    Raises:
        SourceError: There is none.
    """
    encoding = {"utf-8": "utf-8-sig", None: encoding_of(path, whole=whole)}.get(cells.encoding, str(cells.encoding))
    first = next(lines_of(path, encoding), Line(1, "", "is empty"))
    wanted = "expected the names of the columns; correct the header, or choose another format"
    if first.fault or not first.text.replace("\t", " ").isprintable():
        raise SourceError(f"{path}: the first line {first.fault or 'holds what cannot be printed'}; {wanted}")
    delimiter: str = cells.delimiter or max(DELIMITERS, key=lambda sign: first.text.count(sign))
    try:
        names = next(csv.reader([first.text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise SourceError(f"{path}: the first line cannot be read ({error}); {wanted}") from None
    if not any(name.strip() for name in names) or len(names) > MOST_COLUMNS:
        raise SourceError(f"{path}: the first line has {len(names)} columns; {wanted}")
    seen: dict[str, int] = {}
    different = []
    for number, name in enumerate((name.strip() or f"column_{place}" for place, name in enumerate(names, 1)), 1):
        key = name.lower()
        different.append(f"{name}_{number}" if key in seen or key in (PLACE, FAULT) else name)
        seen[key] = number
    if len({name.lower() for name in different}) < len(different):
        raise SourceError(f"{path}: columns share a name; {wanted}")
    return Header(different, delimiter, encoding)


def stage_rows(connection: Connection, path: Path, header: Header, *, into: str) -> None:
    """Create a temporary table with every row of a file as text, and a row for every line that is none.

    Args:
        connection: Where the table is made.
        path: The file.
        header: From `header_of`.
        into: Name of the table: `PLACE`, the columns of the header, `FAULT`.
    """
    columns = [PLACE, *header.names, FAULT]
    kinds = ["BIGINT", *["VARCHAR"] * (len(columns) - 1)]
    described = ", ".join(f"{quoted(name)} {kind}" for name, kind in zip(columns, kinds, strict=True))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(into)} ({described})")
    rest = rows_of(path, header)
    while some := list(islice(rest, BATCH_ROWS)):
        arrays = [
            pa.array(column, type=pa.int64() if place == 0 else pa.string())
            for place, column in enumerate(zip(*some, strict=True))
        ]
        connection.register("rows_batch", pa.Table.from_arrays(arrays, names=columns))
        connection.execute(f"INSERT INTO {quoted(into)} FROM rows_batch")
        connection.unregister("rows_batch")


def rows_of(path: Path, header: Header) -> Iterator[Sequence[int | str | None]]:
    """Number of its line, the fields and None of each row; the number, empty fields and the line of each that is none."""
    width = len(header.names)
    nothing = [None] * width
    following = lines_of(path, header.encoding)
    next(following, None)
    ahead: deque[Line] = deque()
    while line := ahead.popleft() if ahead else next(following, None):
        if line.fault is None and not line.text.strip():
            continue
        fields = None if line.fault else _fields(line, header.delimiter, width, ahead, following)
        if fields is None:
            yield [line.number, *nothing, shown(line.text)]
        else:
            yield [line.number, *(field or None for field in fields), None]


def _fields(line: Line, delimiter: str, width: int, ahead: deque[Line], following: Iterator[Line]) -> list[str] | None:
    """The fields of the row that begins with a line, a text in quotes over several lines among them; None where it is none."""
    if '"' not in line.text:
        fields = line.text.split(delimiter)
        return fields if len(fields) == width else None
    parts = [line.text]
    while sum(part.count('"') for part in parts) % 2 and len(parts) < LINES_OF_A_ROW:
        if len(parts) > len(ahead):
            more = next(following, None)
            if more is None:
                break
            ahead.append(more)
        if ahead[len(parts) - 1].fault:
            break
        parts.append(ahead[len(parts) - 1].text)
    try:
        rows = list(csv.reader(["\n".join(parts)], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    if len(rows) != 1 or len(rows[0]) != width:
        return None
    for _ in parts[1:]:
        ahead.popleft()
    return rows[0]
