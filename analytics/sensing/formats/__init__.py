"""Readers of the field's formats: each turns one source into a raw table, row by row, judging nothing."""

from __future__ import annotations

from collections.abc import Callable

from analytics.sensing.formats.live import live_readings
from analytics.sensing.formats.ngsi import ngsi
from analytics.sensing.formats.openaq import openaq
from analytics.sensing.formats.sensor_community import sensor_community
from analytics.sensing.formats.sensorthings import sensorthings
from analytics.sensing.formats.tabular import tabular
from analytics.sensing.formats.telraam import telraam
from analytics.sensing.formats.waggle import waggle
from analytics.sensing.formats.wide_hourly import wide_hourly_csv
from analytics.sensing.network.sent import rendered_network

READERS: dict[str, Callable[..., None]] = {
    "wide_hourly_csv": wide_hourly_csv,
    "tabular": tabular,
    "sensorthings": sensorthings,
    "openaq": openaq,
    "sensor_community": sensor_community,
    "telraam": telraam,
    "ngsi": ngsi,
    "waggle": waggle,
    "live_readings": live_readings,
    "rendered_network": rendered_network,
}
"""Readers by the name a pilot file calls them: functions `(connection, source, *, table, **params)` that create `table`.
`wide_hourly_csv` leaves what contract `footfall_readings` judges, all others what `sensor_readings` judges."""
