"""Readings that a listener has put into the lake, as they are kept for a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics.lake import Connection, QueryError
from analytics.sensing.readings import SourceError, quoted


def live_readings(connection: Connection, source: str, *, table: str, mapping: Mapping[str, Any] | None = None) -> None:
    """Create `table` with what a feed has brought so far.

    Args:
        connection: Where the table is made.
        source: Path of a Parquet file with the columns of `readings.COLUMNS`.
        table: Name of the table to create.
        mapping: What the feed's messages mean, for whoever listens; what they brought is readings already.

    Raises:
        SourceError: The file is no Parquet file.
    """
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS FROM read_parquet(?)", [source])
    except QueryError:
        raise SourceError(f"{source}: found no Parquet file; expected readings from the lake; choose another format") from None
