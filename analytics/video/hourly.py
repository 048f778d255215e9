"""Hourly counts of a site from its video, for the contract `counts_hourly`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from analytics.video.count import count_source
from analytics.video.counts import Counts
from analytics.video.measures.lines import Crossing, read_line
from analytics.video.options import AS_USUAL, CountOptions
from analytics.video.source import SourceError

if TYPE_CHECKING:
    from analytics.lake import Connection

_HOUR_S = 3600


def count_crossings_hourly(
    connection: Connection,
    source: str,
    *,
    table: str,
    site_id: str,
    started_at: datetime,
    lines: Sequence[str | Mapping[str, object]],
    options: CountOptions = AS_USUAL,
) -> None:
    """Count the road users of a site per hour of the clock into a table of the contract `counts_hourly`.

    A road user counts once, in the hour of its first crossing, however many lines it crosses. `coverage` is the share
    of the hour that was observed; an hour of which nothing was observed has no row.

    Args:
        connection: Where the table is created; an existing one is replaced.
        source: Path of a video, or a rendered scene.
        table: Name of the table.
        site_id: Site that the camera observes.
        started_at: Instant of the first frame, with a time zone.
        lines: Lines, as for `count_crossings`.
        options: Detector, road users, tracker and the like.

    Raises:
        SourceError: A parameter, the source, a line or the detector cannot be used.
    """
    if started_at.tzinfo is None:
        raise SourceError(
            f"{source}: started_at is '{started_at}'; expected an instant with a time zone; add one, such as +00:00"
        )
    if not lines:
        raise SourceError(f"{source}: lines is '[]'; expected at least 1 line; add NAME=x1,y1,x2,y2")
    read = [read_line(line) for line in lines]
    counts = count_source(source, read, options)
    rows = [(site_id, *row) for row in hourly_rows(counts, started_at)]
    quoted = '"' + table.replace('"', '""') + '"'
    connection.execute(
        f"CREATE OR REPLACE TABLE {quoted} (site_id VARCHAR, road_user VARCHAR, interval_start_at TIMESTAMPTZ, "
        "crossings INTEGER, coverage DOUBLE, flags VARCHAR)"
    )
    if rows:
        connection.executemany(f"INSERT INTO {quoted} VALUES (?, ?, ?, ?, ?, NULL)", rows)


def hourly_rows(counts: Counts, started_at: datetime) -> list[tuple[str, datetime, int, float]]:
    """Road user, start of the hour, number and coverage of every hour of which something was observed.

    Args:
        counts: What was counted.
        started_at: Instant of the first frame, with a time zone.
    """
    first: dict[int, Crossing] = {}
    for event in counts.events:
        first.setdefault(event.track_id, event)
    once = replace(counts, events=tuple(sorted(first.values(), key=lambda event: event.time_s)))
    early_s = started_at.timestamp() % _HOUR_S
    rows = []
    for index in range(max(1, math.ceil((counts.video_s + early_s) / _HOUR_S - 1e-9))):
        start_s, end_s = index * _HOUR_S - early_s, (index + 1) * _HOUR_S - early_s
        seen_s = min(counts.video_s, end_s) - max(0.0, start_s)
        if seen_s <= 0:
            continue
        start_at = (started_at + timedelta(seconds=start_s)).astimezone(UTC)
        tally = once.tally(start_s, end_s)
        for road_user in counts.road_users:
            number = sum(value for (_, _, kind), value in tally.items() if kind == road_user)
            rows.append((road_user, start_at, number, min(1.0, seen_s / _HOUR_S)))
    return rows
