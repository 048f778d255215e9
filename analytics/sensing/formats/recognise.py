"""Which format a file has, told by its content and never by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from analytics.sensing.formats.documents import Unreadable, documents_of, is_json
from analytics.sensing.formats.mapping import Cells
from analytics.sensing.formats.ngsi import looks_like_ngsi
from analytics.sensing.formats.openaq import looks_like_openaq
from analytics.sensing.formats.rows import header_of
from analytics.sensing.formats.sensor_community import ARCHIVE, UNITS, looks_like_sensor_community
from analytics.sensing.formats.sensorthings import looks_like_sensorthings
from analytics.sensing.formats.telraam import looks_like_telraam
from analytics.sensing.formats.texts import encoding_of, head_of, lines_of, require_file, shown
from analytics.sensing.formats.waggle import looks_like_waggle
from analytics.sensing.readings import SourceError

SIGNS: dict[str, Callable[[Any], bool]] = {
    "sensorthings": looks_like_sensorthings,
    "openaq": looks_like_openaq,
    "sensor_community": looks_like_sensor_community,
    "telraam": looks_like_telraam,
    "ngsi": looks_like_ngsi,
    "waggle": looks_like_waggle,
}
"""How a JSON document of each format is known."""
FORMATS = ("wide_hourly_csv", "tabular", *SIGNS)
MARKS = {b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "a gzip file", b"%PDF": "a PDF document", b"\x89PNG": "a picture"}
LOOKED_AT = 20
"""So many documents of a file with one a line are looked at."""


def recognise(source: str) -> str:
    """The name of the reader for a file.

    Args:
        source: Path of the file.

    Returns:
        A name of `analytics.sensing.formats.READERS`.

    Raises:
        SourceError: The file is missing, of none of the formats, or of several.
    """
    expected = f"one of {', '.join(FORMATS)}"
    path = require_file(source, expected)
    head = head_of(path)
    if head.startswith(b"PAR1"):
        return "tabular"
    mark = next((words for bytes_, words in MARKS.items() if head.startswith(bytes_)), None)
    if mark is not None:
        raise SourceError(f"{source}: this is {mark}; expected {expected}; unpack or convert it")
    found = _of_documents(source, expected) if is_json(path) else _of_columns(path, expected)
    if len(found) == 1:
        return found[0]
    what = f"may be {' or '.join(found)}" if found else "is of no format known here"
    raise SourceError(f"{source}: {what} ({_seen(path)}); expected {expected}; name it with --format")


def _of_documents(source: str, expected: str) -> list[str]:
    found: dict[str, None] = {}
    for number, document in enumerate(documents_of(source, f"JSON of {expected}")):
        if number >= LOOKED_AT:
            break
        if not isinstance(document, Unreadable):
            found |= dict.fromkeys(name for name, is_one in SIGNS.items() if is_one(document))
    return list(found)


def _of_columns(path: Path, expected: str) -> list[str]:
    names = header_of(path, Cells(), whole=False).names
    if len(names) < 2:
        return []
    if set(names) >= ARCHIVE and set(UNITS) & set(names):
        return ["sensor_community"]
    return ["wide_hourly_csv"] if {"date", "hour"} <= set(names) else ["tabular"]


def _seen(path: Path) -> str:
    """What stands at the beginning of a file, for a message."""
    if is_json(path):
        document = next(iter(documents_of(str(path), "JSON")), None)
        one = document[0] if isinstance(document, list) and document else document
        return f"JSON with {', '.join(map(repr, list(one)[:6]))}" if isinstance(one, dict) and one else "JSON without names"
    line = next(lines_of(path, encoding_of(path, whole=False)), None)
    return f"text beginning with '{shown(line.text)[:40]}'" if line else "nothing"
