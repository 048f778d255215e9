"""Readings that a listener has put into the lake, as they are kept for a run."""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.readings import quoted


def live_readings(connection: Connection, source: str, *, table: str) -> None:
    """Create `table` with what a feed has brought so far.

    Args:
        connection: Where the table is made.
        source: Path of a Parquet file with the columns of `readings.COLUMNS`.
        table: Name of the table to create.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS FROM read_parquet(?)", [source])
