"""JSON as sensor networks send it: one document, or one a line; what was observed is taken out of it, judging nothing.

Numbers are kept as they are written. A line that is no JSON becomes a row that the contract `sensor_readings` refuses; a
document that is none is a `SourceError`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from analytics.lake import Connection
from analytics.sensing.formats.texts import Line, head_of, lines_of, require_file, shown
from analytics.sensing.readings import Reading, SourceError, site_id_of, write_readings
from analytics.sensing.units import property_of

LARGEST_DOCUMENT = 16 * 1024 * 1024
"""Largest file that is one JSON document; a larger one must have a document a line. [bytes]"""
UNREADABLE = "unreadable_line"
"""Flag of a row that stands for a line that cannot be read."""


class Observation(NamedTuple):
    """What one sensor observed at one time.

    Attributes:
        site: The sensor's place, by the name its owner gave it; None where the document does not say.
        at: Start of the interval, as written or ISO 8601.
        values: Name of each observed property, its value as written, its unit as written.
        interval_s: Length of the interval; None where the document does not say. [s]
        coverage: Share of the interval that was measured, 0 to 1; None where the document does not say.
        flags: What the source says about it.
    """

    site: str | None
    at: str | None
    values: Sequence[tuple[str, Any, str | None]]
    interval_s: float | None = None
    coverage: float | None = None
    flags: str | None = None


class Unreadable(NamedTuple):
    """A line that is no document."""

    line: Line


def at_path(document: Any, *path: str | int) -> Any:
    """What stands at a place of a document; None where there is no such place.

    Example:
        >>> at_path({"a": [{"b": "1"}]}, "a", 0, "b")
        '1'
    """
    for step in path:
        if isinstance(step, int) and isinstance(document, list) and len(document) > step:
            document = document[step]
        elif isinstance(step, str) and isinstance(document, dict):
            document = document.get(step)
        else:
            return None
    return document


def written(value: Any) -> str | None:
    """A value of a document as text: numbers as written, objects and lists shortened."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.isascii() and len(value) <= 1000 else shown(value) if len(value) > 1000 else _plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return shown(json.dumps(value))
    except RecursionError:
        return "(nested)"


def number_of(value: Any) -> float | None:
    """A number that a document gives as number or text; None for anything else."""
    try:
        found = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None
    return found if found is not None and abs(found) < float("inf") else None


def share_of(value: Any, whole: float = 1.0) -> float | None:
    """A share, 0 to 1, given as part of `whole`; more than the whole is the whole."""
    found = number_of(value)
    return None if found is None else min(found / whole, 1.0)


def interval_of(text: Any) -> tuple[str | None, float | None]:
    """Start and length [s] of an instant or of an ISO 8601 interval `start/end`; as written where it is neither.

    Example:
        >>> interval_of("2026-03-01T10:00:00Z/2026-03-01T11:00:00Z")
        ('2026-03-01T10:00:00Z', 3600.0)
    """
    stamp = written(text)
    if stamp is None or "/" not in stamp:
        return stamp, None
    start, _, end = stamp.partition("/")
    length = length_of(start, end)
    return (stamp, None) if length is None else (start, length)


def length_of(start: Any, end: Any) -> float | None:
    """Length of the interval between two instants; None where one of them is none or it ends before it begins. [s]."""
    try:
        length = (datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(start))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return length if length >= 0 else None


def documents_of(source: str, expected: str) -> Iterator[Any]:
    """Every document of a file: the file itself, or each of its lines; `Unreadable` for a line that is none.

    Args:
        source: Path of the file.
        expected: What it should hold, for messages.

    Raises:
        SourceError: The file is missing, empty, too large for one document, or no JSON.
    """
    path = require_file(source, expected)
    if has_document_a_line(path):
        for line in lines_of(path, "utf-8-sig"):
            if line.fault is not None:
                yield Unreadable(line)
            elif line.text.strip():
                try:
                    yield parsed(line.text)
                except (ValueError, RecursionError):
                    yield Unreadable(line)
        return
    size = path.stat().st_size
    if size > LARGEST_DOCUMENT:
        raise SourceError(
            f"{source}: one JSON document of {size // 1024**2} MiB; expected at most {LARGEST_DOCUMENT // 1024**2} MiB, or "
            "a document a line; fetch it in pages or as JSON lines"
        )
    try:
        data = path.read_bytes()
        yield parsed(data.decode(json.detect_encoding(data)))
    except RecursionError:
        raise SourceError(f"{source}: nested too deeply; expected {expected}; fetch the file again") from None
    except UnicodeDecodeError as error:
        raise SourceError(f"{source}: byte {error.start} is not UTF-8; expected {expected}; save it as UTF-8") from None
    except ValueError as error:
        said = shown(str(error))
        raise SourceError(f"{source}: not JSON ({said}); expected {expected}; fetch the file again") from None


def is_json(path: Path) -> bool:
    """Whether a file begins as JSON does: with an object or a list."""
    head = head_of(path)[:1000]
    return head.decode(json.detect_encoding(head), "replace").lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def has_document_a_line(path: Path) -> bool:
    """Whether a JSON file holds one document a line: its first line is one, and others follow."""
    found = [line for _, line in zip(range(20), lines_of(path, "utf-8-sig"), strict=False) if line.text.strip()]
    if len(found) < 2:
        return False
    whole = 0
    for line in found:
        try:
            whole += line.text.lstrip()[:1] in "[{" and isinstance(parsed(line.text), dict | list)
        except (ValueError, RecursionError):
            continue
    return 2 * whole >= len(found)


def parsed(text: str) -> Any:
    """A JSON text, its numbers as they are written.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)


def read_documents(
    connection: Connection,
    source: str,
    documents: Iterable[Any],
    observations_of: Callable[[Any], Iterator[Observation]],
    *,
    table: str,
    expected: str,
    site: str | None = None,
    properties: Sequence[str] | None = None,
) -> None:
    """Create `table` with what was observed in some documents.

    Args:
        connection: Where the table is made.
        source: Path of the file, for messages; its name is the site of what names none.
        documents: From `documents_of`.
        observations_of: Takes observations out of a document.
        table: Name of the table to create.
        expected: What the file should hold, for messages.
        site: Site of observations that name none.
        properties: Observed properties to read; others are left out. All where None.

    Raises:
        SourceError: There is no observation in any document.
    """
    wanted = None if properties is None else {property_of(name) or name for name in properties}
    missing = site_id_of(site or Path(source).stem)

    def rows() -> Iterator[Reading]:
        place = readable = 0
        for document in documents:
            if isinstance(document, Unreadable):
                place += 1
                yield Reading(place, None, None, None, None, shown(document.line.text), None, None, UNREADABLE)
                continue
            for one in observations_of(document):
                place, readable = place + 1, readable + 1
                site_id = site_id_of(one.site) if one.site else missing
                for name, value, unit in one.values:
                    ours = property_of(name) or written(name) or None
                    if wanted is None or ours in wanted:
                        text = (written(value), written(unit))
                        yield Reading(place, site_id, ours, written(one.at), one.interval_s, *text, one.coverage, one.flags)
        if not readable:
            raise SourceError(f"{source}: holds no readings; expected {expected}; check the file, or choose another format")

    write_readings(connection, rows(), table=table)


def document_reader(observations_of: Callable[[Any], Iterator[Observation]], expected: str) -> Callable[..., None]:
    """A reader of one format of JSON.

    Args:
        observations_of: Takes observations out of a document.
        expected: What a file should hold, for messages.
    """

    def read(
        connection: Connection, source: str, *, table: str, site: str | None = None, properties: Sequence[str] | None = None
    ) -> None:
        """Read readings as received, into the columns of `analytics.sensing.readings.COLUMNS`.

        Args:
            connection: Where the table is made.
            source: Path of the file: one JSON document, or one a line.
            table: Name of the table to create.
            site: The sensor's place where the file names none; the file's name where None.
            properties: Observed properties to read; all where None.

        Raises:
            SourceError: The file is missing, no JSON, or holds no readings.
        """
        found = documents_of(source, expected)
        read_documents(
            *(connection, source, found, observations_of), table=table, expected=expected, site=site, properties=properties
        )

    return read


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
