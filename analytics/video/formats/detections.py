"""Detections that other tools have written: read, followed and counted like our own."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analytics.video.detect import Detections
from analytics.video.source import SourceError

if TYPE_CHECKING:
    from analytics.video.counts import Counts
    from analytics.video.measures.lines import Crossing, Line
    from analytics.video.tracking.track import Track

ROAD_USERS = {
    "person": "pedestrian",
    "bicycle": "cyclist",
    "bicyclist": "cyclist",
    "motorbike": "motorcycle",
    "motorcyclist": "motorcycle",
    "truck": "lorry",
    "delivery_van": "van",
}
"""Our word for the road users of COCO, OpenDataCam and OpenTrafficCam, where they have another."""
_SURE = 0.3
_BIRTH = 0.4
_MOST_BOXES = 10_000  # in one frame; more is a broken file


def read_detections(path: str) -> Iterator[tuple[int, Detections]]:
    """Read detections frame by frame, from 0 on, also the frames without any.

    Two formats are recognised: OpenDataCam's lines of JSON (`x`, `y` is the box centre, `prob` in percent), and MOT
    Challenge rows (`frame, id, left, top, width, height, score, ...`, frames from 1).

    Raises:
        SourceError: The file is missing, or a line is in neither format or has numbers that are not finite.
    """
    file = Path(path)
    if not file.is_file():
        raise SourceError(f"{path}: found 'no such file'; expected a file of detections; check the path")
    with file.open(encoding="utf-8", errors="replace") as stream:
        first = stream.readline().lstrip()
        stream.seek(0)
        rows = _open_data_cam(path, stream) if first.startswith("{") else _mot(path, stream)
        expected = 0
        for frame, boxes, scores, labels in rows:
            for empty in range(expected, frame):
                yield empty, _detections([], [], [])
            expected = frame + 1
            yield frame, _detections(boxes, scores, labels)
        if expected == 0:
            raise SourceError(f"{path}: found 'no detections'; expected at least one frame; check the file")


_Row = tuple[int, list[list[float]], list[float], list[str]]


def _open_data_cam(path: str, stream: Iterator[str]) -> Iterator[_Row]:
    last = -1
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            frame = int(given["frame"])
            found = given["detections"]
            boxes = [[d["x"] - d["w"] / 2, d["y"] - d["h"] / 2, d["x"] + d["w"] / 2, d["y"] + d["h"] / 2] for d in found]
            scores = [float(d["prob"]) / 100 for d in found]
            labels = [ROAD_USERS.get(str(d["name"]), str(d["name"])) for d in found]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _broken(path, number, line, "frame and detections of x, y, w, h, prob and name") from error
        if frame <= last or frame - last > 1_000_000 or not _finite(boxes, scores):
            raise _broken(path, number, line, "later frames and finite numbers")
        last = frame
        yield frame, boxes, scores, labels


def _mot(path: str, stream: Iterator[str]) -> Iterator[_Row]:
    by_frame: dict[int, tuple[list[list[float]], list[float], list[str]]] = {}
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            frame, _, left, top, wide, tall, score = (float(part) for part in line.split(",")[:7])
        except ValueError:
            raise _broken(path, number, line, "frame, id, left, top, width, height and score") from None
        if not (math.isfinite(frame) and 1 <= frame <= 10_000_000) or not _finite([[left, top, wide, tall]], [score]):
            raise _broken(path, number, line, "frames from 1 on and finite numbers")
        boxes, scores, labels = by_frame.setdefault(int(frame) - 1, ([], [], []))
        boxes.append([left, top, left + wide, top + tall])
        scores.append(score)
        labels.append("any")
    for index in sorted(by_frame):
        yield index, *by_frame[index]


def _broken(path: str, number: int, line: str, expected: str) -> SourceError:
    return SourceError(f"{path}: line {number} is '{line.strip()[:60]}'; expected {expected}; correct the file")


def _finite(boxes: Sequence[Sequence[float]], scores: Sequence[float]) -> bool:
    return len(boxes) <= _MOST_BOXES and all(math.isfinite(value) for row in (*boxes, scores) for value in row)


def _detections(boxes: list[list[float]], scores: list[float], labels: list[str]) -> Detections:
    return Detections(np.array(boxes, dtype=np.float32).reshape(-1, 4), np.array(scores, dtype=np.float32), tuple(labels))


def count_detections(
    path: str,
    lines: Sequence[Line],
    *,
    size: tuple[int, int],
    frame_rate: float,
    road_users: Sequence[str] = ("any",),
    tracker: str = "own",
    anchor: str = "foot",
    on_frame: Callable[[int, int | None, Sequence[Track]], None] | None = None,
    on_crossing: Callable[[Crossing, Track], None] | None = None,
) -> Counts:
    """Count from detections that another tool has written; no picture is needed.

    Args:
        path: File of detections, see `read_detections`.
        lines: Lines, in pixels of a picture of `size` or of the size they name.
        size: Width and height of the picture in which the boxes lie. [px]
        frame_rate: Frames per second. [1/s]
        road_users: Classes to count; `any` counts all together.
        tracker: Name of the tracker.
        anchor: Point of a box that is counted.
        on_frame: Called after each frame with its index, None, and the living tracks.
        on_crossing: Called for each crossing with its track.

    Raises:
        SourceError: The file, a line, the tracker or the frame rate cannot be used.
    """
    from analytics.video.counting import Counting
    from analytics.video.counts import Counts
    from analytics.video.tracking.trackers import make_tracker

    if not (math.isfinite(frame_rate) and 0.1 <= frame_rate <= 1000):
        raise SourceError(f"{path}: frame rate is '{frame_rate}'; expected 0.1 to 1000 per second; correct the frame rate")
    began = time.perf_counter()
    lines = [line.fit(size) for line in lines]
    follow = make_tracker(tracker, frame_rate=frame_rate, sure_score=_SURE, birth_score=_BIRTH, anchor=anchor)
    counting = Counting(None, lines, follow=follow, on_crossing=on_crossing)
    frames = 0
    for index, detections in read_detections(path):
        tracks = counting.take(detections, index / frame_rate, index, size[1])
        frames = index + 1
        if on_frame is not None:
            on_frame(index, None, tracks)
    return Counts(
        source=path,
        lines=tuple(lines),
        road_users=tuple(road_users),
        detector="detections",
        events=counting.events(),
        frames=frames,
        frame_rate=frame_rate,
        video_s=frames / frame_rate,
        declared_s=frames / frame_rate,
        wall_s=time.perf_counter() - began,
        uptime=1.0,
        size=size,
    )
