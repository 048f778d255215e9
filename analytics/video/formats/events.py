"""Crossings that other tools have written, counted per interval into our contract."""

from __future__ import annotations

import bz2
import csv
import io
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.video.formats.detections import ROAD_USERS
from analytics.video.formats.exports import OPEN_DATA_CAM_HEADER
from analytics.video.measures.lines import Crossing, Line
from analytics.video.source import SourceError

if TYPE_CHECKING:
    from analytics.lake import Connection

_DIRECTIONS = {"leftright_topbottom", "rightleft_bottomtop"}
_KNOWN = {"pedestrian", "cyclist", "car", "van", "lorry", "bus", "motorcycle"}


@dataclass(frozen=True)
class Event:
    """One crossing as another tool wrote it down.

    Attributes:
        at: Instant, in UTC.
        line: Name of the line.
        direction: Name of the direction.
        road_user: Class in our words; `any` where it has none.
    """

    at: datetime
    line: str
    direction: str
    road_user: str


def read_events(path: str) -> list[Event]:
    """Read crossings from OpenDataCam's counter CSV or OTAnalytics' events (JSON, plain or bz2), in order of time.

    OTAnalytics' events have a direction vector; with the section's coordinates it becomes `to_right` or `to_left`, as
    seen along the section from its first point to its last.

    Raises:
        SourceError: The file is missing, is in neither format, or a row of it cannot be read.
    """
    file = Path(path)
    if not file.is_file():
        raise SourceError(f"{path}: found 'no such file'; expected a file of events; check the path")
    data = file.read_bytes()
    try:
        text = (bz2.decompress(data) if data.startswith(b"BZh") else data).decode("utf-8-sig")
    except (OSError, ValueError):
        raise SourceError(f"{path}: found 'neither text nor bz2'; expected OpenDataCam CSV or OTAnalytics JSON") from None
    events = _ot_analytics(path, text) if text.lstrip().startswith("{") else _open_data_cam(path, text)
    return sorted(events, key=lambda event: event.at)


def _open_data_cam(path: str, text: str) -> list[Event]:
    reader = csv.DictReader(io.StringIO(text))
    if not set(OPEN_DATA_CAM_HEADER) <= set(reader.fieldnames or ()):
        found = ",".join(reader.fieldnames or ())[:80]
        raise SourceError(f"{path}: the columns are '{found}'; expected {','.join(OPEN_DATA_CAM_HEADER)}; correct the file")
    events = []
    for number, row in enumerate(reader, 2):
        direction = row["CountingDirection"]
        try:
            at = datetime.fromisoformat(row["Timestamp"])
        except (TypeError, ValueError):
            at = None
        if at is None or at.tzinfo is None or direction not in _DIRECTIONS or not row["Counter area"]:
            raise SourceError(
                f"{path}: row {number} is '{row['Timestamp']}, {row['Counter area']}, {direction}'; expected an instant with "
                f"its zone, an area and one of {', '.join(sorted(_DIRECTIONS))}; correct the file"
            )
        events.append(Event(at.astimezone(UTC), row["Counter area"], direction, _road_user(row["ObjectClass"])))
    return events


def _ot_analytics(path: str, text: str) -> list[Event]:
    try:
        document = json.loads(text)
        sections = {
            str(section["id"]): [(float(point["x"]), float(point["y"])) for point in section["coordinates"]]
            for section in document["sections"]
        }
        given: list[dict[str, Any]] = list(document["events"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise SourceError(f"{path}: found 'no sections and events'; expected OTAnalytics JSON; export it again") from None
    events = []
    for number, row in enumerate(given, 1):
        try:
            (ax, ay), (bx, by) = sections[str(row["section_id"])][0], sections[str(row["section_id"])][-1]
            vx, vy = (float(value) for value in row["direction_vector"])
            at = datetime.fromtimestamp(float(row.get("interpolated_occurrence", row["occurrence"])), UTC)
            turn = (bx - ax) * vy - (by - ay) * vx
            if not math.isfinite(turn):
                raise ValueError
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, OSError):
            raise SourceError(
                f"{path}: event {number} is '{json.dumps(row)[:80]}'; expected section_id of a section, occurrence and "
                "direction_vector; correct the file"
            ) from None
        direction = "to_right" if turn > 0 else "to_left"
        events.append(Event(at, str(row["section_id"]), direction, _road_user(str(row.get("road_user_type", "")))))
    return events


def _road_user(name: str) -> str:
    """Our word for another tool's class."""
    ours = ROAD_USERS.get(name, name)
    return ours if ours in _KNOWN else "any"


def count_events(
    connection: Connection,
    source: str,
    *,
    table: str,
    site_id: str,
    started_at: datetime,
    ended_at: datetime,
    interval_s: int = 900,
) -> None:
    """Count another tool's crossings per interval into a table of the contract `counts_by_interval`.

    Such a file does not say when its camera was watching: without `started_at` and `ended_at` nobody could tell an
    hour without traffic from an hour without a camera. Every class that occurs has its rows, and `any` holds all.

    Args:
        connection: Where the table is created; an existing one is replaced.
        source: File of events, see `read_events`.
        table: Name of the table.
        site_id: Site that the camera observes.
        started_at: When the camera began to watch, with a time zone.
        ended_at: When it ceased to watch, with a time zone.
        interval_s: Length of an interval. [s]

    Raises:
        SourceError: The file or a parameter cannot be used, or an event lies outside the time that was watched.
    """
    from analytics.video.count import write_intervals
    from analytics.video.counts import ANY, Counts

    if started_at.tzinfo is None or ended_at.tzinfo is None or not started_at < ended_at or interval_s < 1:
        raise SourceError(
            f"{source}: watched from '{started_at}' to '{ended_at}' in intervals of {interval_s} s; expected two instants "
            "with a time zone, the first before the second, and 1 s or more; correct them"
        )
    events = read_events(source)
    for event in events:
        if not started_at <= event.at < ended_at:
            raise SourceError(
                f"{source}: an event is at '{event.at.isoformat()}'; expected {started_at.isoformat()} to "
                f"{ended_at.isoformat()}; correct started_at and ended_at"
            )
    named = dict.fromkeys(sorted({event.line for event in events}), ("to_right", "to_left"))
    for event in events:
        if event.direction in _DIRECTIONS:
            named[event.line] = ("leftright_topbottom", "rightleft_bottomtop")
    watched_s = (ended_at - started_at).total_seconds()
    counts = Counts(
        source=source,
        lines=tuple(Line(name, 0.0, 0.0, 1.0, 0.0, *directions) for name, directions in named.items()),
        road_users=(ANY, *sorted({event.road_user for event in events} - {ANY})),
        detector="events",
        events=tuple(
            Crossing(event.line, event.direction, event.road_user, index, (event.at - started_at).total_seconds(), -1)
            for index, event in enumerate(events)
        ),
        frames=0,
        frame_rate=0.0,
        video_s=watched_s,
        declared_s=watched_s,
        wall_s=0.0,
        uptime=1.0,
    )
    write_intervals(connection, counts, table=table, site_id=site_id, started_at=started_at, interval_s=interval_s)
