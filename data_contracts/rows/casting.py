"""Write SQL: quoted names and values, the type of a contract's column, and a cast that refuses instead of rounding."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import duckdb
from open_data_contract_standard.model import SchemaProperty

from data_contracts.standard.date_formats import strptime_format

LOGICAL_TO_SQL = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}
INSTANT = LOGICAL_TO_SQL["timestamp"]
BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
INTEGERS = (*BITS, *("U" + name for name in BITS))
FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
ELEMENTS = {"float32": "FLOAT", "float64": "DOUBLE", "int8": "TINYINT", "uint8": "UTINYINT"}
"""Element types of a vector that DuckDB has; it has no float16, bfloat16 and bit."""
NESTED = ("STRUCT(", "MAP(")
_WHOLE = re.compile(r"\b(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT))\b")
LONGEST_SHOWN = 60
_OFFSET = r":\d{2}(:\d{2}(\.\d+)?)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$"


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def table(name: str) -> str:
    """A table's name, perhaps with its database and schema before it, quoted for SQL."""
    return ".".join(identifier(part) for part in name.split("."))


def literal(value: Any) -> str:
    """A YAML value as a SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"'{value!r}'::DOUBLE"
    return "'" + str(value).replace("'", "''") + "'"


def sql_type(column: SchemaProperty) -> str | None:
    """DuckDB type of a column.

    Args:
        column: The column of the contract.

    Returns:
        The type in DuckDB's spelling; None where the contract names none that DuckDB has.
    """
    declared = column.physicalType or LOGICAL_TO_SQL.get(str(column.logicalType)) or nested_type(column)
    if declared is None or not re.fullmatch(r'[A-Za-z][\w ,()\[\]"]*', declared):
        return None
    try:
        return str(duckdb.sqltype(declared))
    except duckdb.Error:
        return None


def nested_type(column: SchemaProperty) -> str | None:
    """DuckDB type of a column that holds other values, put together from theirs.

    Args:
        column: The column: an object with properties, an array with items, a map, a vector.

    Returns:
        The type in DuckDB's spelling; None where one of them has none, or what is inside is not said.
    """
    declared = _nested_words(column)
    try:
        return str(duckdb.sqltype(declared)) if declared else None
    except duckdb.Error:
        return None


def _nested_words(column: SchemaProperty) -> str | None:
    options = column.logicalTypeOptions or {}
    match column.logicalType:
        case "array" if column.items is not None:
            inner = sql_type(column.items)
            return f"{inner}[]" if inner else None
        case "object" if column.properties:
            parts = [(str(part.name), sql_type(part)) for part in column.properties]
            return f"STRUCT({', '.join(f'{identifier(n)} {t}' for n, t in parts)})" if all(t for _, t in parts) else None
        case "map" if column.map is not None and column.map.key is not None and column.map.value is not None:
            key, value = sql_type(column.map.key), sql_type(column.map.value)
            return f"MAP({key}, {value})" if key and value else None
        case "vector" if isinstance(options.get("dimensions"), int):
            element = ELEMENTS.get(str(options.get("elementType", "float32")))
            return f"{element}[{options['dimensions']}]" if element else None
    return None


@lru_cache(maxsize=4096)
def is_of_type(text: str, kind: str) -> bool:
    """Whether a text can be read as a type of DuckDB."""
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT TRY_CAST(? AS {kind}) IS NOT NULL", [text]).fetchone()
    return bool(found and found[0])


def is_nested(kind: str) -> bool:
    """Whether a type of DuckDB holds other values."""
    return kind.endswith("]") or kind.startswith(NESTED)


def type_words(column: SchemaProperty) -> str:
    """What a column's type asks for, in the words of messages."""
    if sql_type(column) == INSTANT and not (column.logicalTypeOptions or {}).get("defaultTimezone"):
        return "timestamp with its offset from UTC"
    nested = sql_type(column)
    if nested and is_nested(nested):
        return f"{column.logicalType or 'a value'} of type {nested}"
    pattern = (column.logicalTypeOptions or {}).get("format")
    shape = f" like {pattern}" if column.logicalType in ("date", "time", "timestamp") and pattern else ""
    return str(column.logicalType or column.physicalType) + shape


def cast_of(column: SchemaProperty, given: str) -> str:
    """SQL expression of a column's value in its declared type; NULL for a value that is not of that type.

    Nothing is rounded, cut or guessed on the way: `1.5` is not an integer, and an instant without its offset is refused
    unless the contract names a `defaultTimezone`.

    Args:
        column: The column of the contract, of a type that DuckDB has.
        given: Type of the column as it came.

    Returns:
        The expression over the column's name.
    """
    wanted, value = str(sql_type(column)), identifier(str(column.name))
    tried = f"TRY_CAST({value} AS {wanted})"
    text, source = given == "VARCHAR", given.split("(")[0]
    if given == wanted:
        return value
    if given == '"NULL"':
        return f"NULL::{wanted}"
    if is_nested(wanted):
        return _nested(column, value, wanted, given)
    shaped = _shaped(column, wanted, value) if text else None
    if shaped:
        return shaped
    if wanted in INTEGERS:
        if source in INTEGERS:
            return tried
        number = f"TRY_CAST({value} AS DOUBLE)" if text else value
        whole = f"CASE WHEN {number} = trunc({number}) THEN {tried} END"
        return whole if text or source in FRACTIONS else f"NULL::{wanted}"
    if wanted.split("(")[0] in FRACTIONS:
        return tried if text or source in (*INTEGERS, *FRACTIONS) else f"NULL::{wanted}"
    if wanted == "BOOLEAN" and not text:
        return f"CASE WHEN {value} IN (0, 1) THEN {tried} END" if source in INTEGERS else f"NULL::{wanted}"
    if wanted == INSTANT:
        return _instant(column, value, given)
    if wanted == "DATE" and text:
        return f"CASE WHEN regexp_full_match({value}, '\\s*\\d{{4}}-\\d{{2}}-\\d{{2}}\\s*') THEN {tried} END"
    if wanted == "DATE" and source.startswith("TIMESTAMP"):
        return f"CASE WHEN {value} = date_trunc('day', {value}) THEN {tried} END"
    if wanted == "VARCHAR":
        return tried if source in ("ENUM", "UUID", "JSON") else f"NULL::{wanted}"
    return tried


def _nested(column: SchemaProperty, value: str, wanted: str, given: str) -> str:
    """A value that holds others: refused where a number inside would have to be rounded."""
    wide = _WHOLE.sub("DOUBLE", wanted)

    def cast(source: str) -> str:
        tried = f"TRY_CAST({source} AS {wanted})"
        if wide == wanted:
            return tried
        same = f"TRY_CAST({source} AS {wide}) IS NOT DISTINCT FROM {tried}::{wide}"
        return f"([{tried}])[CASE WHEN {same} THEN 1 END]"  # from a list of one: DuckDB has no CASE for arrays of fixed length

    if given != "VARCHAR" or "MAP(" not in wanted:
        return cast(value)
    maps = re.findall(r"MAP\(([A-Z]+)", wanted)
    json = f"TRY_CAST({value} AS JSON)"
    if all(key == "VARCHAR" for key in maps):
        return f"coalesce({cast(json)}, {cast(value)})"
    if len(maps) > 1 or column.map is None or column.map.key is None:
        return cast(value)
    lost = f"lambda k: TRY_CAST(k AS {sql_type(column.map.key)}) IS NULL"  # DuckDB fails on such a key, also where it tries
    readable = f"len(list_filter(json_keys({json}), {lost})) = 0"
    return f"coalesce(CASE WHEN {readable} THEN {cast(json)} END, {cast(value)})"


def _shaped(column: SchemaProperty, wanted: str, value: str) -> str | None:
    """A day, time or instant written in the contract's own format; None where it names none that can be read."""
    shape = strptime_format(str((column.logicalTypeOptions or {}).get("format") or ""))
    if not shape or column.logicalType not in ("date", "time", "timestamp") or "%" not in shape:
        return None
    read = f"try_strptime({value}, {literal(shape)})"
    if wanted != INSTANT:
        return f"TRY_CAST({read} AS {wanted})"
    if "%z" in shape or "%Z" in shape:
        return f"TRY_CAST({read} AS {INSTANT})"
    zone = (column.logicalTypeOptions or {}).get("defaultTimezone")
    return f"timezone({literal(zone)}, TRY_CAST({read} AS TIMESTAMP))" if zone else f"NULL::{INSTANT}"


def _instant(column: SchemaProperty, value: str, given: str) -> str:
    zone = (column.logicalTypeOptions or {}).get("defaultTimezone")
    local = f"timezone({literal(zone)}, TRY_CAST({value} AS TIMESTAMP))" if zone else f"NULL::{INSTANT}"
    if given == "VARCHAR":
        has_offset = f"regexp_matches({value}, {literal(_OFFSET)})"
        return f"CASE WHEN {has_offset} THEN TRY_CAST({value} AS {INSTANT}) ELSE {local} END"
    return local if given.startswith("TIMESTAMP") else f"NULL::{INSTANT}"


def shown(expression: str) -> str:
    """SQL expression of a value as messages show it: text in quotes, long text cut, nothing as NULL."""
    cut = f"left({expression}::VARCHAR, {LONGEST_SHOWN})"
    utc = f"strftime(timezone('UTC', TRY_CAST({expression}::VARCHAR AS TIMESTAMPTZ)), '%Y-%m-%dT%H:%M:%SZ')"
    cases = f"WHEN 'VARCHAR' THEN '''' || {cut} || '''' WHEN '{INSTANT}' THEN {utc} ELSE {cut}"
    return f"coalesce(CASE typeof({expression}) {cases} END, 'NULL')"


def plain(expression: str, given: str) -> str:
    """SQL expression of a value for JSON, the same in every session: instants in UTC, no NaN that JSON does not know."""
    if given == INSTANT:
        return f"strftime(timezone('UTC', {expression}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if given in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN isfinite({expression}) THEN to_json({expression}) ELSE to_json({expression}::VARCHAR) END"
    return expression
