"""What other counting tools read: OpenDataCam's counter history, OTAnalytics' events, supervision's rows."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

from analytics.video.measures.lines import Crossing, Line

if TYPE_CHECKING:
    from analytics.video.tracking.track import Track

OPEN_DATA_CAM_HEADER = ("Timestamp", "Counter area", "ObjectClass", "UniqueID", "CountingDirection")
SUPERVISION_HEADER = ("x_min", "y_min", "x_max", "y_max", "class_id", "confidence", "tracker_id", "frame")
OPEN_DATA_CAM_CLASSES = {
    "pedestrian": "person",
    "cyclist": "bicycle",
    "motorcycle": "motorbike",
    "lorry": "truck",
    "van": "truck",
}
"""OpenDataCam's word for each of our road users, where it has another."""
OTC_CLASSES = {
    "cyclist": "bicyclist",
    "motorcycle": "motorcyclist",
    "van": "delivery_van",
    "lorry": "truck",
    "any": "other",
}
"""OpenTrafficCam's word for each of our road users, where it has another."""
COCO_CLASSES = {"pedestrian": 0, "cyclist": 1, "car": 2, "motorcycle": 3, "bus": 5, "truck": 7, "lorry": 7, "van": 7}
"""COCO's number of each of our road users; -1 stands for any other."""


def bearing(event: Crossing) -> int | None:
    """Where a road user headed on the picture, clockwise from up; None where it is not known. [degrees]."""
    if not math.isfinite(event.vx + event.vy) or event.vx == event.vy == 0:
        return None
    return round(math.degrees(math.atan2(event.vx, -event.vy))) % 360


def counting_direction(event: Crossing, line: Line) -> str:
    """OpenDataCam's word for a direction: across a steep line left to right, across a flat one top to bottom, or back."""
    steep = abs(line.y2 - line.y1) >= abs(line.x2 - line.x1)
    to_right = event.direction == line.to_right
    # whoever goes to the right side of a line that is drawn downwards goes left on the picture
    forward = to_right != (line.y2 > line.y1) if steep else to_right == (line.x2 > line.x1)
    return "leftright_topbottom" if forward else "rightleft_bottomtop"


def write_open_data_cam_csv(stream: IO[str], events: Sequence[Crossing], lines: Sequence[Line], started_at: datetime) -> None:
    """Write crossings as OpenDataCam's `counter/csv` does.

    Args:
        stream: Where to; opened with `newline=""`.
        events: Crossings.
        lines: The lines that were counted.
        started_at: Instant of the first frame, with a time zone.
    """
    by_name = {line.name: line for line in lines}
    stream.write(",".join(f'"{name}"' for name in OPEN_DATA_CAM_HEADER) + "\n")
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    for event in events:
        road_user = OPEN_DATA_CAM_CLASSES.get(event.road_user, event.road_user)
        direction = counting_direction(event, by_name[event.line])
        writer.writerow([_instant(started_at, event.time_s), event.line, road_user, event.track_id, direction])


def open_data_cam_json(
    events: Sequence[Crossing],
    lines: Sequence[Line],
    started_at: datetime,
    *,
    size: tuple[float, float],
    video_s: float,
    filename: str = "",
) -> dict[str, Any]:
    """Crossings as in OpenDataCam's `counter`: areas with the picture they were drawn on, a summary and every event.

    Args:
        events: Crossings.
        lines: The lines that were counted, in pixels of a picture of `size`.
        started_at: Instant of the first frame, with a time zone.
        size: Width and height of the picture. [px]
        video_s: Length of what was counted. [s]
        filename: Name of the source.
    """
    by_name = {line.name: line for line in lines}
    history, totals = [], {line.name: Counter[str]() for line in lines}
    for event in events:
        road_user = OPEN_DATA_CAM_CLASSES.get(event.road_user, event.road_user)
        totals[event.line].update([road_user, "_total"])
        history.append(
            {
                "frameId": event.frame,
                "timestamp": _instant(started_at, event.time_s),
                "area": event.line,
                "name": road_user,
                "id": event.track_id,
                "bearing": bearing(event),
                "countingDirection": counting_direction(event, by_name[event.line]),
            }
        )
    return {
        "dateStart": _instant(started_at, 0.0),
        "dateEnd": _instant(started_at, video_s),
        "filename": filename,
        "areas": {
            line.name: {
                "name": line.name,
                "type": "bidirectional",
                "location": {
                    "points": [{"x": line.x1, "y": line.y1}, {"x": line.x2, "y": line.y2}],
                    "refResolution": {"w": size[0], "h": size[1]},
                },
            }
            for line in lines
        },
        "counterSummary": {name: {"_total": 0, **total} for name, total in totals.items()},
        "counterHistory": history,
    }


def ot_analytics_json(
    events: Sequence[Crossing], lines: Sequence[Line], started_at: datetime, *, hostname: str, video_name: str
) -> dict[str, Any]:
    """Crossings under the names of OTAnalytics' events, with their sections.

    Args:
        events: Crossings.
        lines: The lines that were counted.
        started_at: Instant of the first frame, with a time zone.
        hostname: Name of the site or camera.
        video_name: Name of the source.
    """
    return {
        "sections": [
            {
                "id": line.name,
                "name": line.name,
                "type": "line",
                "coordinates": [{"x": line.x1, "y": line.y1}, {"x": line.x2, "y": line.y2}],
            }
            for line in lines
        ],
        "events": [
            {
                "road_user_id": str(event.track_id),
                "road_user_type": OTC_CLASSES.get(event.road_user, event.road_user),
                "hostname": hostname,
                "occurrence": started_at.timestamp() + event.time_s,
                "interpolated_occurrence": started_at.timestamp() + event.time_s,
                "frame_number": event.frame + 1,
                "section_id": event.line,
                "event_type": "section-enter",
                "event_coordinate": [_number(event.x), _number(event.y)],
                "direction_vector": [_number(event.vx), _number(event.vy)],
                "video_name": video_name,
            }
            for event in events
        ],
    }


def supervision_rows(tracks: Sequence[Track], frame: int) -> Iterator[tuple[float, float, float, float, int, float, int, int]]:
    """One row of supervision's CSV for each track that is seen in a frame, with the frame's index behind."""
    for track in tracks:
        if track.missed_s == 0:
            x1, y1, x2, y2 = (round(value, 2) for value in track.box)
            yield x1, y1, x2, y2, COCO_CLASSES.get(track.road_user, -1), round(track.score, 4), track.id, frame


def _instant(started_at: datetime, time_s: float) -> str:
    """Instant of a moment of the video as JavaScript writes it, to the millisecond in UTC."""
    moment = (started_at + timedelta(seconds=time_s)).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(value: float) -> float | None:
    """A number that JSON can hold."""
    return round(value, 3) if math.isfinite(value) else None
