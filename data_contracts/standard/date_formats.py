"""Formats of days, times and instants: the standard writes them as Java's DateTimeFormatter, DuckDB as strptime."""

from __future__ import annotations

import re

FIELDS = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "yy": "%y",
    "uu": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%-m",
    "dd": "%d",
    "d": "%-d",
    "DDD": "%j",
    "EEEE": "%A",
    "EEE": "%a",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "SSS": "%g",
    "SSSSSS": "%f",
    "SSSSSSSSS": "%n",
    "a": "%p",
    "xxx": "%z",
    "xx": "%z",
    "x": "%z",
    "VV": "%Z",
}
"""Letters of DateTimeFormatter with what DuckDB calls the same."""
_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+|'")


def strptime_format(pattern: str) -> str | None:
    """A format of Java's DateTimeFormatter as DuckDB's strptime reads it.

    Args:
        pattern: Such as `dd/MM/yyyy HH:mm`; text in single quotes stands for itself.

    Returns:
        Such as `%d/%m/%Y %H:%M`; None where a part of it has no counterpart.

    Source:
        ODCS 3.2, `logicalTypeOptions.format`, which names JDK DateTimeFormatter.

    Example:
        >>> strptime_format("yyyy-MM-dd'T'HH:mm")
        '%Y-%m-%dT%H:%M'
    """
    found, end = [], 0
    for token in _TOKEN.finditer(pattern):
        if token.start() != end:
            return None
        end, text = token.end(), token[0]
        if token[1] is not None:
            found.append((token[1].replace("''", "'") or "'").replace("%", "%%"))
        elif text[0].isalpha():
            if text not in FIELDS:
                return None
            found.append(FIELDS[text])
        elif set(text) & set("[]{}#'"):  # optional parts and reserved signs
            return None
        else:
            found.append(text.replace("%", "%%"))
    return "".join(found) if end == len(pattern) and found else None
