"""Readers of the field's formats: each turns one source into a raw table, row by row, judging nothing."""

from __future__ import annotations

from collections.abc import Callable

from analytics.sensing.formats.wide_hourly import wide_hourly_csv
from analytics.sensing.network.sent import rendered_network

READERS: dict[str, Callable[..., None]] = {"rendered_network": rendered_network, "wide_hourly_csv": wide_hourly_csv}
"""Readers by the name a pilot file calls them: functions `(connection, source, *, table, **params)` that create `table`."""
