"""The standard's `logicalTypeOptions` as rules: bounds, lengths, patterns, formats, items, fields and vectors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from data_contracts.rows.casting import BITS, FRACTIONS, INSTANT, INTEGERS, literal
from data_contracts.rules.places import Place
from data_contracts.rules.rule import Rule, count_of, unlike
from data_contracts.standard.date_formats import strptime_format

COMPARISONS = {
    "minimum": ("<", "{} or more"),
    "maximum": (">", "{} or less"),
    "exclusiveMinimum": ("<=", "more than {}"),
    "exclusiveMaximum": (">=", "less than {}"),
}
FORMATS = {
    "email": r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$",
    "uuid": r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.\-]*:[^\s]+$",
    "hostname": r"^([A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?)*$",
    "ipv4": r"^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$",
    "ipv6": r"^(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|(([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*)?)::"
    r"(([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*)?))$",
    "byte": r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
}
"""Formats of a text that the standard gives as examples, as patterns."""
OFFSET = r"(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$"
LARGEST_FLOAT = 3.4028234663852886e38
ADVICE = ("distanceMetric", "embeddingModel", "embeddingModelVersion")


def stored_otherwise(place: Place) -> str | None:
    """Why the options of a property's logical type cannot be executed on its physical one; None where they can."""
    kind, logical = str(place.kind), place.column.logicalType
    fits = {
        "string": kind == "VARCHAR",
        "integer": kind.split("(")[0] in (*INTEGERS, *FRACTIONS),
        "number": kind.split("(")[0] in (*INTEGERS, *FRACTIONS),
        "date": kind == "DATE" or kind.startswith("TIMESTAMP"),
        "time": kind.startswith("TIME") and not kind.startswith("TIMESTAMP"),
        "timestamp": kind == "DATE" or kind.startswith("TIMESTAMP"),
        "object": kind == "JSON" or kind.startswith(("STRUCT(", "MAP(")),
        "array": kind == "JSON" or kind.endswith("]"),
        "vector": kind.endswith("]"),
    }
    if place.kind is None or fits.get(str(logical), True):
        return None
    return f"{place.name} is declared as {logical} but stored as {place.kind}"


def option_rules(place: Place) -> Iterator[Rule]:
    """A rule for each option of a property's logical type.

    Args:
        place: Where the property stands.

    Yields:
        Rules named `<place>.<option>`, in the contract's order.
    """
    for key, value in (place.column.logicalTypeOptions or {}).items():
        otherwise = stored_otherwise(place)
        yield place.skipped(key, otherwise) if otherwise else _option_rule(place, key, value)


def _option_rule(place: Place, key: str, value: Any) -> Rule:
    spelled, kind = place.expression, str(place.kind)
    if key in COMPARISONS:
        sign, words = COMPARISONS[key]
        return place.rule(key, f"{spelled} {sign} {_bound(place, value)}", words.format(value))
    match key:
        case "multipleOf":
            return place.rule(key, _no_multiple(spelled, kind, value), f"a multiple of {value}")
        case "minLength":
            return place.rule(key, f"length({spelled}) < {int(value)}", f"at least {value} characters")
        case "maxLength":
            return place.rule(key, f"length({spelled}) > {int(value)}", f"at most {value} characters")
        case "pattern":
            return place.rule(key, unlike(spelled, str(value)), f"text like {value}")
        case "format":
            return _format_rule(place, str(value))
        case "timezone" | "defaultTimezone":
            return _zone_rule(place, key, value)
        case "minItems" | "maxItems" | "uniqueItems":
            return _items_rule(place, key, value)
        case "minProperties" | "maxProperties" | "required":
            return _fields_rule(place, key, value)
        case "dimensions":
            return place.rule(key, f"len({spelled}) <> {int(value)}", f"{value} numbers")
        case "elementType":
            return place.rule(key, _element_range(spelled, kind, str(value)), f"numbers of type {value}")
        case "normalized":
            if not value:
                return place.skipped(key, "says that the vectors may have any length; nothing to check", "should")
            number = f"{spelled}::{kind.split('[')[0]}[]"
            return place.rule(
                key, f"abs(list_sum(list_transform({number}, lambda y: y * y)) - 1) > 0.001", "a vector of length 1"
            )
    why = "advice for those who search the vectors" if key in ADVICE else f"option {key} is not executed"
    return place.skipped(key, why, "should" if key in ADVICE else "must")


def _bound(place: Place, value: Any) -> str:
    bound = literal(value)
    if place.column.logicalType not in ("date", "timestamp", "time"):
        return bound
    if place.column.logicalType == "timestamp" and place.kind == INSTANT:
        at = datetime.fromisoformat(str(value))
        if at.tzinfo is not None:
            return f"{literal(at.astimezone(UTC).isoformat(' '))}::{INSTANT}"
        zone = (place.column.logicalTypeOptions or {}).get("defaultTimezone", "Etc/UTC")  # the standard's own default
        return f"timezone({literal(zone)}, {literal(at.isoformat(' '))}::TIMESTAMP)"
    return f"{bound}::{place.kind}"


def _no_multiple(spelled: str, kind: str, value: Any) -> str:
    if kind in INTEGERS and float(value) == int(value):
        return f"{spelled} % {int(value)} <> 0"
    ratio = f"({spelled}::DOUBLE / {literal(float(value))})"  # 0.3 is three times 0.1, whatever its last bits
    return f"abs({ratio} - round({ratio})) > 1e-9 * greatest(1, abs({ratio}))"


def _format_rule(place: Place, shape: str) -> Rule:
    kind, spelled, logical = str(place.kind), place.expression, place.column.logicalType
    if logical == "string":
        if shape in FORMATS:
            words = {"byte": "base64", "uri": "a URI"}.get(shape, f"text of format {shape}")
            return place.rule("format", unlike(spelled, FORMATS[shape]), words)
        hint = "says how a text is shown" if shape == "password" else "is not one that is executed"
        known = f"; those executed are {', '.join(FORMATS)}"
        return place.skipped("format", f"format {shape} {hint}{known}", "should")
    if logical in ("integer", "number"):
        found = _range_of(spelled, kind, shape) if shape.startswith("f") == (logical == "number") else None
        if found is None:
            return place.skipped("format", f"format {shape} is not one of type {logical}")
        return place.rule("format", found, f"a number of format {shape}")
    if logical in ("date", "time", "timestamp"):
        read = strptime_format(shape)
        if read is None:
            return place.skipped("format", f"format {shape} has a part that DuckDB cannot read")
        if place.given != "VARCHAR" or kind == "VARCHAR":
            return place.skipped("format", f"format is for text; {place.name} came as {place.given or kind}", "should")
        failing = f"{place.raw} IS NOT NULL AND try_strptime({place.raw}, {literal(read)}) IS NULL"
        return place.rule("format", failing, f"text like {shape}", shown=place.raw)
    return place.skipped("format", f"format is not an option of {logical}")


def _range_of(spelled: str, kind: str, shape: str) -> str | None:
    """SQL condition of a number that does not fit a Rust number type; only what the column's own type does not ensure."""
    if shape in ("f32", "f64"):
        return f"abs({spelled}) > {literal(LARGEST_FLOAT)}" if shape == "f32" and kind == "DOUBLE" else "false"
    found = re.fullmatch(r"([iu])(8|16|32|64|128)", shape)
    if found is None:
        return None
    signed, bits = found[1] == "i", int(found[2])
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    own = BITS.get(kind.removeprefix("U"))
    if own is None:  # not an integer in DuckDB, such as DECIMAL(38,0) or DOUBLE
        return f"{spelled} < {literal(float(low))} OR {spelled} > {literal(float(high))}"
    own_low, own_high = (0, 2**own - 1) if kind.startswith("U") else (-(2 ** (own - 1)), 2 ** (own - 1) - 1)
    parts = [f"{spelled} < {low}"] if low > own_low else []
    parts += [f"{spelled} > {high}"] if high < own_high else []
    return " OR ".join(parts) or "false"


def _zone_rule(place: Place, key: str, value: Any) -> Rule:
    if place.kind != INSTANT and place.column.logicalType == "timestamp":
        return place.skipped(key, f"{place.name} is stored as {place.kind}, which has no time zone", "should")
    if not place.is_column or place.column.logicalType != "timestamp":
        return place.skipped(key, "time zones are executed for columns of instants only", "should")
    text, came = place.given == "VARCHAR", str(place.given)
    if key == "defaultTimezone":
        failing = f"{place.raw} IS NOT NULL AND {place.expression} IS NULL"
        words = f"{place.name} without an offset is read as local time in {value}"
        return Rule(f"{place.name}.{key}", "must", words, measure=count_of(failing))
    if text:
        offset = f"regexp_matches({place.raw}, {literal(r':[0-9]{2}([.][0-9]+)?[ ]*' + OFFSET)})"
        expected = "an instant with its offset from UTC" if value else "an instant without offset from UTC"
        return place.rule(key, f"NOT {offset}" if value else offset, expected, shown=place.raw)
    if value:
        return place.rule(key, "false" if came == INSTANT else f"{place.raw} IS NOT NULL", "an instant", shown=place.raw)
    return place.skipped(key, f"{place.name} came as {came}; how it was written can no longer be seen", "should")


def _items_rule(place: Place, key: str, value: Any) -> Rule:
    kind, spelled = str(place.kind), place.expression
    length = f"json_array_length({spelled})" if kind == "JSON" else f"len({spelled})"
    if key != "uniqueItems":
        sign, words = ("<", "at least") if key == "minItems" else (">", "at most")
        return place.rule(key, f"{length} {sign} {int(value)}", f"{words} {value} items")
    if not value:
        return place.skipped(key, "says that items may be there twice; nothing to check", "should")
    items = f"from_json({spelled}, '[\"JSON\"]')" if kind == "JSON" else spelled
    given = f"len(list_filter({items}, lambda y: y IS NOT NULL))"
    return place.rule(key, f"len(list_distinct({items})) < {given}", "a list with each item once")


def _fields_rule(place: Place, key: str, value: Any) -> Rule:
    kind, spelled = str(place.kind), place.expression
    names = [str(field.name) for field in place.column.properties or ()]
    asked = names if kind.startswith("STRUCT(") else [str(name) for name in value] if key == "required" else []
    if kind.startswith("MAP("):
        number, has = f"cardinality({spelled})", f"list_contains(map_keys({spelled}), %s)"
    elif kind == "JSON":
        number, has = f"len(json_keys({spelled}))", f"list_contains(json_keys({spelled}), %s)"
    elif kind.startswith("STRUCT(") and names:
        has = f"struct_extract({spelled}, %s) IS NOT NULL"
        number = " + ".join(f"({has.replace('%s', literal(name))})::INTEGER" for name in names)
    else:
        return place.skipped(key, f"the fields of {place.name} are not named; list its properties")
    conditions = {name: has.replace("%s", literal(name)) for name in asked}
    present = f"{spelled} IS NOT NULL"
    if key == "required":
        lacking = " OR ".join(f"NOT ({conditions.get(str(name), 'false')})" for name in value)
        return place.rule(key, f"{present} AND ({lacking})", f"an object with {', '.join(map(str, value))}")
    sign, words = ("<", "at least") if key == "minProperties" else (">", "at most")
    return place.rule(key, f"{present} AND {number} {sign} {int(value)}", f"an object with {words} {value} fields")


def _element_range(spelled: str, kind: str, element: str) -> str:
    """SQL condition of a vector with a number that its element type cannot hold; DuckDB's own type ensures the rest."""
    bounds = {"int8": (-128, 127), "uint8": (0, 255)}.get(element)
    own = kind.split("[")[0]
    if bounds is None or own in ("TINYINT", "UTINYINT"):
        return "false"
    low, high = bounds
    outside = f"y < {low} OR y > {high} OR y <> trunc(y)"
    return f"len(list_filter({spelled}::{own}[], lambda y: {outside})) > 0"
