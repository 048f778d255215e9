"""Values of `logicalTypeOptions` that no rule could be made of."""

from __future__ import annotations

import datetime
import typing
import zoneinfo
from typing import Any

RANGE_OPTIONS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
COUNT_OPTIONS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "dimensions")
BOUND_EXAMPLES = {"date": "'2026-01-31'", "time": "'06:30:00'", "timestamp": "'2026-01-31T06:30:00Z'"}


def expected_option(logical: str, key: str, value: Any) -> str | None:
    """What an option's value should have been.

    Args:
        logical: Logical type of the property.
        key: The option.
        value: Its value.

    Returns:
        What is valid, as in "expected a number"; None where the value is.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    expected = None
    if key in COUNT_OPTIONS and not (is_number and value == int(value) and value >= (key == "dimensions")):
        expected = "a whole number, 0 or more" if key != "dimensions" else "a whole number, 1 or more"
    elif key == "multipleOf" and not (is_number and value > 0):
        expected = "a number above 0"
    elif key in RANGE_OPTIONS and logical in ("integer", "number") and not is_number:
        expected = "a number"
    elif key in RANGE_OPTIONS and logical in BOUND_EXAMPLES and not _is_moment(str(logical), value):
        expected = f"a {logical} such as {BOUND_EXAMPLES[str(logical)]}"
    elif key == "required" and not isinstance(value, list):
        expected = "a list of names"
    elif key == "defaultTimezone" and not _is_zone(str(value)):
        expected = "a name such as Pacific/Auckland"
    return expected


def is_above(logical: str, low: Any, high: Any) -> bool:
    """Whether two bounds leave nothing between them; an instant without its offset is in UTC."""
    if low is None or high is None:
        return False
    if logical == "timestamp" and _is_moment(logical, low) and _is_moment(logical, high):
        first, last = (datetime.datetime.fromisoformat(str(value)) for value in (low, high))
        return first.replace(tzinfo=first.tzinfo or datetime.UTC) > last.replace(tzinfo=last.tzinfo or datetime.UTC)
    return bool(type(low) is type(high) and low > high)


def _is_moment(logical: str, value: Any) -> bool:
    readers: dict[str, typing.Callable[[str], Any]] = {
        "date": datetime.date.fromisoformat,
        "time": datetime.time.fromisoformat,
        "timestamp": datetime.datetime.fromisoformat,
    }
    try:
        readers[logical](str(value))
    except ValueError:
        return False
    return True


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True
