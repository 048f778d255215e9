"""Analytics: how raw signals become contract-shaped tables.

`ANALYTICS` names every analytic a pilot file may call. Each is a function `(connection, source, *, table, **params)` that
creates `table`; `source` is a table when the feed has a reader, else the source's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from analytics.sensing.footfall.hours import count_footfall
from analytics.sensing.footfall.totals import total_footfall
from analytics.sensing.hourly import sense_hourly
from analytics.sensing.indices.aqi import air_quality_index
from analytics.sensing.indices.noise import noise_indicators
from analytics.sensing.judge import judge_readings
from analytics.video.count import count_crossings
from analytics.video.formats.events import count_events
from analytics.video.hourly import count_crossings_hourly
from analytics.video.live import follow_crossings

ANALYTICS: dict[str, Callable[..., None]] = {
    "air_quality_index": air_quality_index,
    "count_crossings": count_crossings,
    "count_crossings_hourly": count_crossings_hourly,
    "count_events": count_events,
    "count_footfall": count_footfall,
    "judge_readings": judge_readings,
    "sense_hourly": sense_hourly,
    "noise_indicators": noise_indicators,
    "total_footfall": total_footfall,
}
"""Analytics by the name a pilot file calls them."""

FOLLOWERS: dict[str, Callable[..., Iterator[list[tuple[object, ...]]]]] = {"count_crossings": follow_crossings}
"""Analytics that can follow a stream, by the same name: functions `(source, *, for_s, stop, **params)` that yield the rows
of each interval soon after its end."""
