"""A cast refuses what it would have to round, cut or guess."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import SchemaProperty

from data_contracts.rows.casting import cast_of, identifier, literal, shown, sql_type

UTC = dt.UTC


def cast(value: Any, given_type: str, logical: str, physical: str | None = None, **options: Any) -> Any:
    column = SchemaProperty(name="x", logicalType=logical, physicalType=physical, logicalTypeOptions=options)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Pacific/Auckland'")  # the session's zone must not matter
        connection.execute(f"CREATE TABLE t (x {given_type})")
        connection.execute("INSERT INTO t VALUES (?)", [value])
        given_type = str(connection.execute("DESCRIBE t").fetchall()[0][1])
        row = connection.execute(f"SELECT {cast_of(column, given_type)}::VARCHAR FROM t").fetchone()
    return row[0] if row else None


@pytest.mark.parametrize(
    ("value", "given_type", "logical", "physical", "found"),
    [
        ("12", "VARCHAR", "integer", "INTEGER", "12"),
        ("1.5", "VARCHAR", "integer", "INTEGER", None),
        ("9007199254740993", "VARCHAR", "integer", "BIGINT", "9007199254740993"),  # 2^53 + 1: no double holds it
        ("3000000000", "VARCHAR", "integer", "INTEGER", None),
        (2.0, "DOUBLE", "integer", "INTEGER", "2"),
        (2.5, "DOUBLE", "integer", "INTEGER", None),
        (float("nan"), "DOUBLE", "integer", "INTEGER", None),
        (Decimal("2.50"), "DECIMAL(5,2)", "integer", "INTEGER", None),
        (300, "BIGINT", "integer", "TINYINT", None),
        (True, "BOOLEAN", "integer", "INTEGER", None),
        (True, "BOOLEAN", "number", None, None),
        (1, "INTEGER", "boolean", None, "true"),
        (2, "INTEGER", "boolean", None, None),
        (1.0, "DOUBLE", "boolean", None, None),
        (1, "INTEGER", "string", None, None),
        ("2026-03-02 10:00:00", "VARCHAR", "date", None, None),
        ("2026-03-02", "VARCHAR", "date", None, "2026-03-02"),
        (dt.datetime(2026, 3, 2), "TIMESTAMP", "date", None, "2026-03-02"),
        (dt.datetime(2026, 3, 2, 1), "TIMESTAMP", "date", None, None),
        (dt.datetime(2026, 3, 2, 1), "TIMESTAMP", "timestamp", None, None),
        ("2026-03-02T07:00:00Z", "VARCHAR", "timestamp", None, "2026-03-02 20:00:00+13"),
        ("2026-03-02T07:00:00.5+05:30", "VARCHAR", "timestamp", None, "2026-03-02 14:30:00.5+13"),
        ("2026-03-02T07:00:00", "VARCHAR", "timestamp", None, None),
        ("1772434800", "VARCHAR", "timestamp", None, None),
        ("07:30:00", "VARCHAR", "time", None, "07:30:00"),
    ],
)
def test_a_value_is_cast_exactly_or_not_at_all(
    value: Any, given_type: str, logical: str, physical: str | None, found: str | None
) -> None:
    assert cast(value, given_type, logical, physical) == found


def test_a_default_time_zone_settles_an_instant() -> None:
    zone = {"defaultTimezone": "Europe/London"}
    assert cast("2026-07-02T07:00:00", "VARCHAR", "timestamp", **zone) == "2026-07-02 18:00:00+12"
    assert cast(dt.datetime(2026, 7, 2, 7), "TIMESTAMP", "timestamp", **zone) == "2026-07-02 18:00:00+12"


@settings(deadline=None)
@given(st.text())
def test_text_survives_quoting(text: str) -> None:
    if "\0" in text:
        return
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {literal(text)} AS {identifier(text or 'x')}")
        assert found.description[0][0] == (text or "x")
        assert found.fetchall() == [(text,)]


@pytest.mark.parametrize("physical", ["x; DROP TABLE t", "BLAH", "DECIMAL(99,1)", "INTEGER)"])
def test_what_is_no_type_is_none(physical: str) -> None:
    assert sql_type(SchemaProperty(name="x", logicalType="string", physicalType=physical)) is None


def test_values_are_shown_short_and_in_utc() -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Pacific/Auckland'")
        found = [
            connection.execute(f"SELECT {shown(expression)}").fetchall()[0][0]
            for expression in ("'abc'", "NULL::INTEGER", "1.5", "TIMESTAMPTZ '2026-03-02 07:00:00Z'", "repeat('x', 99)")
        ]
    assert found == ["'abc'", "NULL", "1.5", "2026-03-02T07:00:00Z", "'" + "x" * 60 + "'"]
