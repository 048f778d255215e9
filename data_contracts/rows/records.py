"""Part the lines of a JSON-lines file: those that are records from those that are not, none lost.

DuckDB reads good files alone and fast. Only where a line is no record does this module go through the file. It holds lines to
JSON as the standard (RFC 8259) has it: DuckDB alone also reads NaN, and a comma too many.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from data_contracts.rows.lines import BLOCK_BYTES, BOM, physical_lines, refusal

DEEPEST_JSON = 100
PLACE = "__place"
WORDS: dict[type, str] = {list: "a list", bool: "a truth value", float: "a number", str: "a text"}


class Record(list[tuple[str, Any]]):
    """An object of JSON: its names, which may stand twice, and their values."""


def part_records(path: Path, rows: Path, refused: Path, *, most: int) -> tuple[int, list[str]]:
    """Write the records of a JSON-lines file to one file, and the lines that are no records to another.

    Args:
        path: The file.
        rows: File to write: the records as they stand, each with its place before its values, under `PLACE`.
        refused: File to write: what `data_contracts.rows.lines.refusal` makes of each other line that is not empty.
        most: Most names that are looked for; a file with more is not read to its end.

    Returns:
        Number of refused lines, and the names of the records' values in the order in which they first appear.
    """
    names: dict[str, str] = {}
    count = place = 0
    with rows.open("wb") as good, refused.open("w", encoding="utf-8") as bad:
        for line in physical_lines(path):
            text = line.text.strip(b" \t\r")
            if not text and line.fault is None:
                continue
            place += 1
            fault = line.fault or _fault(text, names)
            if len(names) > most:
                break
            if fault is None:
                inside = text[1:].lstrip()
                good.write(b'{"%s": %d%s%s\n' % (PLACE.encode(), place, b"" if inside == b"}" else b", ", inside))
            else:
                count += 1
                bad.write(refusal(place, line.number, text, fault))
    return count, list(names.values())


def is_by_line(path: Path) -> bool:
    """Whether a JSON file holds one record a line: its name says so, or half the lines at its beginning are records.

    Args:
        path: The file. Where its name says so and its first line opens a list, its second line tells: behind a list that the
            first line closes nothing can follow, and so it is a line that is no record.
    """
    with path.open("rb") as file:
        block = file.read(BLOCK_BYTES).removeprefix(BOM)
        is_whole = not file.read(1)
    *lines, last = block.split(b"\n" if b"\n" in block else b"\r")
    lines = [line for line in (*lines, *([last] if is_whole else ())) if line.strip()]
    is_named = path.suffix.lower() in (".jsonl", ".ndjson")
    if is_named and (block.lstrip()[:1] != b"[" or (len(lines) > 1 and _parsed(lines[0])[1] is None)):
        return True
    records = sum(line.lstrip()[:1] == b"{" and isinstance(_parsed(line)[0], Record) for line in lines)
    return 2 * records >= max(len(lines), 1)


def is_closed(path: Path) -> bool:
    """Whether a JSON file that opens a list also ends it: DuckDB takes a list that is cut behind a comma for a whole one."""
    with path.open("rb") as file:
        opens = file.read(BLOCK_BYTES).lstrip()[:1] == b"["
        file.seek(max(0, path.stat().st_size - BLOCK_BYTES))
        return not opens or file.read().rstrip()[-1:] == b"]"


def is_shallow(file: BinaryIO) -> bool:
    """Whether no value is nested deeper than allowed: DuckDB's recursion over the structure of a deeper one ends the process.

    Texts end with their line, as JSON demands, so that an unclosed one hides nothing that follows; and depth is counted from
    the lowest level before, so that brackets closed too often hide nothing either.

    Args:
        file: The JSON text.
    """
    level = lowest = quotes = 0
    cut = False
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


def _fault(text: bytes, names: dict[str, str]) -> str | None:
    """What is wrong with a line and what is valid; None for a record, whose names are then added, by their lower case."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 at its byte {error.start + 1}; expected UTF-8"
    if text.count(b"[") + text.count(b"{") > DEEPEST_JSON and not is_shallow(io.BytesIO(text)):
        return f"is nested deeper than {DEEPEST_JSON} levels; expected a record of values"
    record, fault = _parsed(text)
    if fault:
        return f"is not JSON ({fault}); expected a record of values"
    if not isinstance(record, Record):
        return f"is {WORDS.get(type(record), 'nothing')}; expected a record of values"
    spelled: dict[str, str] = {}
    for name, _ in record:
        if not name:
            return "has a value without a name; expected a name for each"
        if name.lower() in spelled:
            return f"names {name!r} twice; expected each name once"
        if names.get(name.lower(), name) != name:
            return f"names {name!r} and a line before it {names[name.lower()]!r}; expected one spelling"
        spelled[name.lower()] = name
    names |= spelled
    return None


def _parsed(text: bytes) -> tuple[Any, str | None]:
    """A line's value, and what is wrong where it is not JSON."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=Record, parse_constant=_no_number, parse_int=float)
        if b"\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half of a pair of surrogates is no character
    except json.JSONDecodeError as error:
        return None, f"{error.msg.removesuffix(' at')} at its character {error.colno}"
    except UnicodeEncodeError:
        return None, "it holds half a character"
    except (ValueError, RecursionError) as error:
        return None, str(error)
    return value, None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")
