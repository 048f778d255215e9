"""Live counting: a stream is followed, and each interval leaves as soon as nothing more can happen in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

from analytics.video.counting import Counting, check_inside
from analytics.video.counts import ANY
from analytics.video.measures.lines import Line, parse_line
from analytics.video.options import AS_USUAL, CountOptions
from analytics.video.source import SourceError
from analytics.video.sources.streams import LATEST_S, PATIENCE_S, Stream, open_stream, public_name

if TYPE_CHECKING:
    from analytics.video.detect import Detector
    from analytics.video.source import Image

GRACE_S = 2.0
"""An interval stays open for so long after its end: a crossing is known only once its track is confirmed and has left
the line, and a road user may be hidden for 1.6 s in between. [s]"""
WARM_UP_S = 12.0
"""Length of the start in which the motion detector learns the street; nothing is counted in it. [s]"""
_WARM_UP_FRAMES = 24
_LOOK_S = 0.2

Cell = tuple[str, str, str]


@dataclass(frozen=True)
class Interval:
    """What was counted in one interval of the wall clock.

    Attributes:
        start_at: Its start, a whole multiple of its length in UTC.
        interval_s: Its length. [s]
        crossings: Crossings of each line, direction and road user; None where nothing was observed.
        uptime: Share of it that was observed, 0 to 1.
        frames: Frames looked at since the interval before.
        frames_dropped: Frames that came since then and were not looked at, because counting did not keep up.
        late: Crossings of an earlier interval among `crossings`: they were known only after that had left.
    """

    start_at: datetime
    interval_s: int
    crossings: dict[Cell, int | None]
    uptime: float
    frames: int
    frames_dropped: int
    late: int

    def rows(self, site_id: str) -> list[tuple[object, ...]]:
        """Rows of the contract `counts_by_interval`."""
        return [
            (site_id, *cell, self.start_at, self.interval_s, crossings, None, None, self.uptime)
            for cell, crossings in self.crossings.items()
        ]


def follow(
    source: str,
    lines: Sequence[Line],
    options: CountOptions = AS_USUAL,
    *,
    every_s: int = 60,
    warm_up_s: float = WARM_UP_S,
    patience_s: float = PATIENCE_S,
    for_s: float = math.inf,
    stop: Event | None = None,
) -> Iterator[Interval]:
    """Count crossings in a stream until told to stop; no frame is kept or written.

    Args:
        source: Address of a stream, or `camera:0`.
        lines: Lines with different names.
        options: Detector, road users, tracker and the like; the frame rate, where it should not be measured.
        every_s: Length of an interval; intervals start at whole multiples of it in UTC. [s]
        warm_up_s: Length of the start in which `motion` learns the street. [s]
        patience_s: How long the first frame is waited for. [s]
        for_s: How long to follow. [s]
        stop: When set, what has come so far is counted, the interval that is running leaves with the uptime it has, and
            the iterator ends.

    Yields:
        Each interval, once, soon after its end; also one in which nothing was observed.

    Raises:
        SourceError: The stream, a line, the detector or a road user cannot be used.
    """
    from analytics.video.privacy import forbid_core_dumps

    if every_s < 1 or 86400 % every_s:
        raise SourceError(
            f"{public_name(source)}: the interval is '{every_s} s'; expected one that divides a day; try 60, 900 or 3600"
        )
    stop = stop or Event()
    forbid_core_dumps()
    with open_stream(source, frame_rate=options.frame_rate, patience_s=patience_s) as stream:
        for line in lines:
            check_inside(line, stream.size)
        find = options.make_detector(stream.frame_rate)
        until_s = stream.now_s() + for_s
        _warm_up(find, stream, warm_up_s, stop)
        stream.begin()
        cells = [(ln.name, way, user) for ln in lines for way in (ln.to_right, ln.to_left) for user in options.road_users]
        yield from _intervals(stream, options.counting(find, lines, stream.frame_rate), cells, every_s, until_s, stop)


def follow_crossings(
    source: str,
    *,
    site_id: str,
    lines: Sequence[str],
    interval_s: int = 60,
    options: CountOptions = AS_USUAL,
    warm_up_s: float = WARM_UP_S,
    for_s: float,
    stop: Event,
) -> Iterator[list[tuple[object, ...]]]:
    """Follow a stream as a pilot's feed; its parameters are those of `count_crossings`, without `started_at`.

    Args:
        source: Address of a stream, or `camera:0`.
        site_id: Site that the camera observes.
        lines: Lines as `NAME=x1,y1,x2,y2[,name_to_right,name_to_left]`.
        interval_s: Length of an interval. [s]
        options: Detector, road users, tracker and the like; the frame rate, where it should not be measured.
        warm_up_s: Length of the start in which `motion` learns the street. [s]
        for_s: How long to follow. [s]
        stop: Ends it when set.

    Yields:
        The rows of each interval, for the contract `counts_by_interval`.

    Raises:
        SourceError: A parameter, the stream, a line or the detector cannot be used.
    """
    if not lines:
        raise SourceError(f"{public_name(source)}: lines is '[]'; expected at least 1 line; add NAME=x1,y1,x2,y2")
    found = follow(
        source,
        [parse_line(line) for line in lines],
        options,
        every_s=interval_s,
        warm_up_s=warm_up_s,
        for_s=for_s,
        stop=stop,
    )
    return (interval.rows(site_id) for interval in found)


def _intervals(
    stream: Stream, counting: Counting, cells: Sequence[Cell], every_s: int, until_s: float, stop: Event
) -> Iterator[Interval]:
    """Count frame by frame and let each interval go when the stream's time has passed its end by the grace."""
    began_s = stream.started_at.timestamp()
    edge_s = math.nan  # where the open interval starts; the first holds the first frame
    frames = dropped = 0

    def close() -> Interval:
        nonlocal frames, dropped
        end_s = edge_s + every_s
        uptime = min(1.0, round(stream.seen_s(edge_s, end_s) / every_s, 6))
        tally: Counter[Cell] = Counter()
        late = 0
        for event in counting.drain(end_s) if uptime else ():  # what happened unseen waits for an interval that was seen
            late += event.time_s < edge_s
            for road_user in {event.road_user, ANY}:
                tally[event.line, event.direction, road_user] += 1
        since, frames = stream.frames_read - frames, stream.frames_read
        lost, dropped = stream.frames_dropped - dropped, stream.frames_dropped
        start_at = datetime.fromtimestamp(round(began_s + edge_s), UTC)
        counted = {cell: tally[cell] if uptime else None for cell in cells}
        return Interval(start_at, every_s, counted, uptime, since, lost, late)

    while True:
        stopping = stop.is_set() or stream.now_s() >= until_s
        if stopping:
            stream.stop()
        frame = stream.take(0.0 if stopping else _LOOK_S)
        if frame is not None:
            counting.see(frame)
        elif stopping:
            break
        reached_s = frame.time_s if frame is not None else stream.now_s() - LATEST_S
        if math.isnan(edge_s):
            edge_s = math.floor((began_s + max(0.0, reached_s)) / every_s) * every_s - began_s
        while reached_s >= edge_s + every_s + GRACE_S:
            yield close()
            edge_s += every_s
            stream.forget(edge_s)
    while edge_s + every_s <= stream.now_s():
        yield close()
        edge_s += every_s
    if stream.seen_s(edge_s, edge_s + every_s) > 0:
        yield close()


def _warm_up(find: Detector, stream: Stream, warm_up_s: float, stop: Event) -> None:
    """Let a detector that learns the empty street see pictures of the first seconds, before counting starts."""
    from analytics.video.motion.detector import MotionDetector

    if not isinstance(find, MotionDetector):
        return
    images: list[Image] = []
    began_s = stream.now_s()
    while (now_s := stream.now_s() - began_s) < warm_up_s and not stop.is_set():
        frame = stream.take(_LOOK_S)
        if frame is not None and len(images) <= now_s / warm_up_s * _WARM_UP_FRAMES:
            images.append(frame.image)
    find.prime(images)
