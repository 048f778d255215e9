"""Hours to try indices on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from analytics.lake import Connection

START = datetime(2026, 3, 2, tzinfo=UTC)
Hour = tuple[str, str, datetime, float, str, float, str | None]


def hours(values: Iterable[float | None], observed: str = "pm25", unit: str = "ug/m3", *, site: str = "a") -> list[Hour]:
    """Hours from `START` on; None is an hour without a row."""
    return [
        (site, observed, START + timedelta(hours=n), value, unit, 1.0, None)
        for n, value in enumerate(values)
        if value is not None
    ]


def write_hours(connection: Connection, rows: list[Hour]) -> None:
    """Create `hourly` with the columns that indices read."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE hourly (site_id VARCHAR, observed_property VARCHAR, interval_start_at TIMESTAMPTZ, "
        "value DOUBLE, unit VARCHAR, coverage DOUBLE, flags VARCHAR)"
    )
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        connection.execute(f"INSERT INTO hourly SELECT {', '.join(['unnest(?)'] * 7)}", columns)
