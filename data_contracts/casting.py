"""Write SQL: quoted names and values, the type of a contract's column, and a cast that refuses instead of rounding."""

from __future__ import annotations

import re
from typing import Any

import duckdb
from open_data_contract_standard.model import SchemaProperty

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
SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
INTEGERS = (*SIGNED, *("U" + name for name in SIGNED))
FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
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
    declared = column.physicalType or LOGICAL_TO_SQL.get(str(column.logicalType))
    if declared is None or not re.fullmatch(r"[A-Za-z][\w ]*(\(\s*\d+\s*(,\s*\d+\s*)?\))?(\[\])*", declared):
        return None
    try:
        return str(duckdb.sqltype(declared))
    except duckdb.Error:
        return None


def type_words(column: SchemaProperty) -> str:
    """What a column's type asks for, in the words of messages."""
    if sql_type(column) == INSTANT and not (column.logicalTypeOptions or {}).get("defaultTimezone"):
        return "timestamp with its offset from UTC"
    return str(column.logicalType or column.physicalType)


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
