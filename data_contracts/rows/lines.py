"""Part the lines of a CSV file: those that are rows of the header's columns from those that are not, none lost.

DuckDB reads good files alone and fast. Only where it refuses a line does this module go through the file: DuckDB's own list of
refused lines swallows good ones (everything behind a quote that is never closed, a text in quotes that crosses the border
between two of its threads), and it gives up on files with two kinds of line ends.
"""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LONGEST_LINE = 2_000_000
LONGEST_TEXT = 100_000
LINES_OF_A_ROW = 1_000
BLOCK_BYTES = 1_000_000
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """A row of a file, or a line that is none.

    Attributes:
        number: Number of its first line in the file, from 1.
        text: Its bytes without the end of its last line; of a line that is too long its start.
        fault: What is wrong with it and what is valid; None for a row.
    """

    number: int
    text: bytes
    fault: str | None = None


def part_lines(path: Path, delimiter: str, columns: int, rows: Path, refused: Path) -> int:
    """Write the rows of a CSV file to one file, and the lines that are no rows to another.

    Args:
        path: The file; its first line is the header.
        delimiter: What parts the fields.
        columns: Number of columns of the header.
        rows: File to write: the rows as they stand, each with its number before it; no header.
        refused: File to write: what `refusal` makes of each other line.

    Returns:
        Number of refused lines.
    """
    count = 0
    with rows.open("wb") as good, refused.open("w", encoding="utf-8") as bad:
        for place, line in enumerate(_lines(path, delimiter, columns), start=1):
            if line.fault is None:
                good.write(b"%d%s%s\n" % (place, delimiter.encode(), line.text))
                continue
            count += 1
            bad.write(refusal(place, line.number, line.text, line.fault))
    return count


def refusal(place: int, number: int, text: bytes, fault: str) -> str:
    """What is kept of a line that is no row: one line of JSON, with the line's number and its text as `row`.

    Args:
        place: Its place among all rows and refused lines, from 1.
        number: Its number in the file, from 1.
        text: Its bytes, or their beginning.
        fault: What is wrong with it and what is valid.
    """
    shown = text.decode("utf-8", "backslashreplace")
    shown = shown if len(shown) <= LONGEST_TEXT else shown[:LONGEST_TEXT] + "..."
    row = json.dumps({"line": number, "text": shown})
    return json.dumps({"source_row": place, "fault": f"line {number} {fault}", "row": row}) + "\n"


def _lines(path: Path, delimiter: str, columns: int) -> Iterator[Line]:
    field, between = _field_pattern(delimiter), re.escape(delimiter).encode()
    row, fields = re.compile(b"%s(?:%s%s)*" % (field, between, field)), re.compile(b"(?:\\A|%s)%s" % (between, field))
    following = physical_lines(path)
    next(following, None)
    ahead: deque[Line] = deque()  # read in the search for the end of a text in quotes
    while line := ahead.popleft() if ahead else next(following, None):
        text = line.text.removesuffix(b"\r")
        fault = line.fault or _fault(text)
        if fault:
            yield Line(line.number, text, fault)
        elif b'"' not in text:
            found = text.count(delimiter.encode()) + 1
            if b"\r" in text:
                yield Line(line.number, text, "holds the end of another line; expected line ends of one kind")
            elif text or columns == 1:  # an empty line is no row
                yield Line(line.number, text, None if found == columns else _miscounted(found, columns))
        elif whole := text if row.fullmatch(text) else _whole_row(line.text, ahead, following, row):
            found = len(fields.findall(whole))
            if found != columns and whole != text and _hides_row(whole, delimiter, columns):
                yield Line(line.number, text, f"has stray quotes; expected {columns} fields, texts between two quotes")
                continue
            for _ in range(whole.count(b"\n")):
                ahead.popleft()
            yield Line(line.number, whole, None if found == columns else _miscounted(found, columns))
        else:
            yield Line(line.number, text, f"has stray quotes; expected {columns} fields, texts between two quotes")


def _hides_row(text: bytes, delimiter: str, columns: int) -> bool:
    """Whether a text over several lines, with too few or too many fields, has swallowed a line that is a row by itself."""
    return any(b'"' not in line and line.count(delimiter.encode()) == columns - 1 for line in text.split(b"\n")[1:])


def _whole_row(text: bytes, ahead: deque[Line], following: Iterator[Line], row: re.Pattern[bytes]) -> bytes | None:
    """The row that begins with a text and ends some lines later, which are read ahead; None where it has no such end."""
    parts, quotes, length = [text], text.count(b'"'), len(text)
    while quotes % 2 and len(parts) < LINES_OF_A_ROW and length <= LONGEST_LINE:
        if len(parts) > len(ahead):
            line = next(following, None)
            if line is None:
                return None
            ahead.append(line)
        line = ahead[len(parts) - 1]
        if line.fault or _fault(line.text):
            return None
        parts.append(line.text)
        quotes += line.text.count(b'"')
        length += len(line.text) + 1
    whole = b"\n".join(parts).removesuffix(b"\r")
    return whole if quotes % 2 == 0 and row.fullmatch(whole) else None


def physical_lines(path: Path) -> Iterator[Line]:
    """Each line without its end, a carriage return before it aside; of a line that is too long only the start.

    Args:
        path: The file; its mark of UTF-8 is left out.
    """
    number, dropped, rest = 1, 0, b""
    with path.open("rb") as file:
        block = file.read(BLOCK_BYTES).removeprefix(BOM)
        end = b"\r" if b"\r" in block and b"\n" not in block else b"\n"
        while block:
            first, *others = block.split(end)
            pieces = [rest + first, *others]
            rest = pieces.pop()
            for piece in pieces:
                yield _line(number, piece, dropped)
                number, dropped = number + 1, 0
            if len(rest) > LONGEST_LINE:
                dropped += len(rest) - LONGEST_TEXT
                rest = rest[:LONGEST_TEXT]
            block = file.read(BLOCK_BYTES)
    if rest:
        yield _line(number, rest, dropped)


def _line(number: int, text: bytes, dropped: int) -> Line:
    size = len(text) + dropped
    return Line(number, text, f"has {size} bytes; expected at most {LONGEST_LINE}" if size > LONGEST_LINE else None)


def _fault(text: bytes) -> str | None:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 at its byte {error.start + 1}; expected UTF-8"
    return None


def _miscounted(found: int, columns: int) -> str:
    return f"has {found} field{'s' if found > 1 else ''}; expected {columns}"


def _field_pattern(delimiter: str) -> bytes:
    plain = rf"[^{re.escape(delimiter)}\r\n]"
    return rf'(?:"(?:[^"]|"")*+"|(?!"){plain}*+)'.encode()


def header_of(path: Path, delimiters: dict[str, str], longest: int) -> tuple[str, list[str]] | str:
    """The delimiter and the names of the columns that a CSV file's first line shows, or what is wrong with it.

    Args:
        path: The file.
        delimiters: What may part the names.
        longest: Longest header that is read. [bytes]

    Returns:
        The delimiter and the names; a text where the line is no header.
    """
    try:
        with path.open("rb") as file:
            first = re.split(rb"[\r\n]", file.read(longest + 1).removeprefix(BOM), maxsplit=1)[0]
        header = first.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not UTF-8; expected UTF-8; save the file as UTF-8"
    if len(first) > longest:
        return f"the first line has more than {longest} bytes; expected the names of the columns; correct the file"
    if "\0" in header:
        return "the first line holds NUL bytes; expected UTF-8; save the file as UTF-8"
    delimiter = max(delimiters, key=header.count)
    try:
        names = next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return f"the first line cannot be read ({error}); expected the names of the columns; correct the header"
    if not any(name.strip() for name in names):
        return "the first line is empty; expected the names of the columns; add them"
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 10_000 else []
    return f"column '{twice[0]}' stands twice; expected each name once; correct the header" if twice else (delimiter, names)
