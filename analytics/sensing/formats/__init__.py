"""Readers of the field's formats: each turns one source into a raw table, row by row, judging nothing."""

from __future__ import annotations

from collections.abc import Callable

from analytics.sensing.formats.live import live_readings
from analytics.sensing.formats.wide_hourly import wide_hourly_csv

READERS: dict[str, Callable[..., None]] = {"wide_hourly_csv": wide_hourly_csv, "live_readings": live_readings}
"""Readers by the name a pilot file calls them: functions `(connection, source, *, table, **params)` that create `table`."""
