"""Counting in a video: from a source and lines to crossings, also per interval in a table."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from analytics.video.lines import Crossing, GroundPoint, Line, LineCounter, parse_line
from analytics.video.source import Source, SourceError, open_source
from analytics.video.sources.coverage import Loss, overlap_s
from analytics.video.sources.streams import is_stream, public_name

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.lake import Connection
    from analytics.video.detect import Detections, Detector
    from analytics.video.source import Frame, Image
    from analytics.video.track import Track
    from analytics.video.trackers import AnyTracker

__all__ = [
    "ANY",
    "Counts",
    "Crossing",
    "GroundPoint",
    "Line",
    "LineCounter",
    "count_crossings",
    "count_source",
    "parse_line",
]

ANY = "any"
"""The road user that stands for all."""
_PRIME_S = 12.0  # length of the start from which a detector learns the empty street [s]
_PRIME_FRAMES = 24
_BIRTH = 0.1  # how much surer than any other box one must be to begin a track
_DOUBTFUL = 1 / 3  # share of the detector's lowest score down to which a box may continue a track


@dataclass(frozen=True)
class Counts:
    """What was counted in one source.

    Attributes:
        source: Name of the source.
        lines: Lines that were counted.
        road_users: Road users asked for.
        detector: Name of the detector.
        events: Every crossing, in order of time, with the class that its whole track voted for.
        frames: Frames read.
        frame_rate: Frames per second. [1/s]
        video_s: Length of what was read. [s]
        declared_s: Length that the source declares; the same where it declares none. [s]
        wall_s: Time that counting took. [s]
        uptime: Share of the declared time that was observed, 0 to 1.
        frames_lost: Frames that the source declares and that could not be read.
        losses: Stretches that were not observed, and why.
        size: Width and height of a frame. [px]
    """

    source: str
    lines: tuple[Line, ...]
    road_users: tuple[str, ...]
    detector: str
    events: tuple[Crossing, ...]
    frames: int
    frame_rate: float
    video_s: float
    declared_s: float
    wall_s: float
    uptime: float
    frames_lost: int = 0
    losses: tuple[Loss, ...] = ()
    size: tuple[int, int] = (0, 0)

    def cells(self) -> Iterator[tuple[str, str, str]]:
        """Every line, direction and road user asked for."""
        for line in self.lines:
            for direction in (line.to_right, line.to_left):
                for road_user in self.road_users:
                    yield line.name, direction, road_user

    def tally(self, start_s: float = 0.0, end_s: float = math.inf) -> dict[tuple[str, str, str], int]:
        """Crossings of every line, direction and road user asked for, also where there were none.

        Args:
            start_s: Count from here. [s]
            end_s: Count to before here. [s]
        """
        counted: Counter[tuple[str, str, str]] = Counter()
        for event in self.events:
            if start_s <= event.time_s < end_s:
                for road_user in {event.road_user, ANY}:
                    counted[event.line, event.direction, road_user] += 1
        return {cell: counted[cell] for cell in self.cells()}

    def seen_s(self, start_s: float, end_s: float) -> float:
        """How much of a stretch of the source's time was observed [s]."""
        within_s = max(0.0, min(end_s, self.declared_s) - max(0.0, start_s))
        return max(0.0, within_s - overlap_s(self.losses, start_s, end_s))


class Counting:
    """Finds, follows and counts in frames that are given one at a time, from a file or as they come from a camera."""

    def __init__(
        self,
        find: Detector | None,
        lines: Sequence[Line],
        *,
        tracker: str = "own",
        anchor: str = "foot",
        frame_rate: float = 10.0,
        follow: AnyTracker | None = None,
        on_crossing: Callable[[Crossing, Track], None] | None = None,
    ) -> None:
        """Start without tracks.

        A detector whose scores are confidences is asked for doubtful boxes too: they can continue a track, not begin
        one.

        Args:
            find: The detector; None where detections are given to `take`.
            lines: Lines with different names, in pixels of the source.
            tracker: Name of the tracker, see `trackers.make_tracker`.
            anchor: Point of a box that is counted: `foot` or `centre`.
            frame_rate: Frames per second of the source. [1/s]
            follow: The tracker itself, instead of its name.
            on_crossing: Called for each crossing with its track.

        Raises:
            SourceError: Two lines have the same name, or the tracker or the anchor is unknown.
        """
        from analytics.video.detect import Scored
        from analytics.video.trackers import make_tracker

        sure_score = birth_score = 0.0
        if isinstance(find, Scored):
            sure_score, birth_score = find.min_score, find.min_score + _BIRTH
        self._find = find
        self._on_crossing = on_crossing
        self._tracker = follow or make_tracker(
            tracker, frame_rate=frame_rate, sure_score=sure_score, birth_score=birth_score, anchor=anchor
        )
        self._counter = LineCounter(lines)
        self._tracks: list[Track] = []
        self._events: list[Crossing] = []
        self._voted: dict[int, str] = {}

    def see(self, frame: Frame) -> list[Track]:
        """Take the next frame in; returns the living tracks."""
        assert self._find is not None
        found = _find_doubtful_too(self._find, frame.image)
        if not found.is_fresh:
            return self._tracks
        return self.take(found, frame.time_s, frame.index, frame.image.shape[0])

    def take(self, detections: Detections, time_s: float, index: int, height: float) -> list[Track]:
        """Take the detections of the next frame in; returns the living tracks.

        Args:
            detections: What was found in the frame.
            time_s: Time of the frame. [s]
            index: Index of the frame.
            height: Height of the picture. [px]
        """
        tracks = self._tracks = self._tracker.update(detections, time_s, index, height=height)
        for event in self._counter.update(tracks, index):
            self._events.append(event)
            self._voted[event.track_id] = event.road_user
            if self._on_crossing is not None:
                self._on_crossing(event, next(track for track in tracks if track.id == event.track_id))
        self._voted.update((track.id, track.road_user) for track in tracks if track.id in self._voted)
        return tracks

    def events(self) -> tuple[Crossing, ...]:
        """Every crossing so far, in order of time, each with the class its whole track has voted for."""
        events = [replace(event, road_user=self._voted[event.track_id]) for event in self._events]
        return tuple(sorted(events, key=lambda event: (event.time_s, event.line, event.track_id)))

    def drain(self, before_s: float) -> list[Crossing]:
        """Crossings before an instant, with the class voted for so far; they are forgotten, so that memory stays flat."""
        drained = [event for event in self.events() if event.time_s < before_s]
        self._events = [event for event in self._events if event.time_s >= before_s]
        waiting = {event.track_id for event in self._events}
        self._voted = {track: road_user for track, road_user in self._voted.items() if track in waiting}
        return drained


def count_source(
    source: str,
    lines: Sequence[Line],
    *,
    detector: str = "motion",
    road_users: Sequence[str] = (ANY,),
    frame_rate: float | None = None,
    on_frame: Callable[[int, int | None, Sequence[Track]], None] | None = None,
    preview: str | None = None,
    tracker: str = "own",
    anchor: str = "foot",
    on_start: Callable[[tuple[int, int]], None] | None = None,
    on_crossing: Callable[[Crossing, Track], None] | None = None,
    watch: Callable[[Frame, Sequence[Track]], None] | None = None,
    filled: str | None = None,
    models: Path | None = None,
    gate: str = "off",
    tiling: int = 1,
    class_agnostic: bool = False,
) -> Counts:
    """Count the crossings of lines in a video, frame by frame; no frame is kept or written.

    Args:
        source: Path of a video, or a rendered scene (see `source.open_source`).
        lines: Lines with different names.
        detector: `motion` (knows only the road user `any`), or the path of an ONNX model.
        road_users: Classes to count; `any` counts all together.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]
        on_frame: Called after each frame with its index, the number of frames declared (or None) and the living tracks.
        preview: Path of a video to write, with lines, boxes and paths on blank ground.
        tracker: `own`, or `bytetrack`, `ocsort` or `botsort` of the library `trackers`.
        anchor: Point of a box that is counted: `foot` (where it touches the ground) or `centre`.
        on_start: Called once with the width and height of the frames, before the first is counted. [px]
        on_crossing: Called for each crossing with its track.
        watch: Called after each frame with the frame and the living tracks; it must not keep the picture.
        filled: Warning that stands in every picture; with it the preview is the video itself with road users painted over.
        models: Folder of installed models, by whose names the detector may be called.
        gate: `motion` lets a network look only where and when something moves.
        tiling: Tiles across the frame at which a network looks besides the whole; 1 for none.
        class_agnostic: Take whatever a network detects as a road user of class `any`.

    Raises:
        SourceError: The source, a line, the detector or a road user cannot be used.
    """
    from analytics.video.blur import FilledWriter
    from analytics.video.detect import make_detector
    from analytics.video.privacy import PreviewWriter, forbid_core_dumps

    if is_stream(source):
        raise SourceError(f"{public_name(source)}: found 'a stream'; expected a recording; follow it with an interval instead")
    if filled is not None and preview is None:
        raise SourceError(f"{source}: found 'filled without a preview'; expected a file to write; add --preview FILE.mp4")
    began = time.perf_counter()
    forbid_core_dumps()
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(source, frame_rate=frame_rate))
        lines = [line.fit(opened.size) for line in lines]
        for line in lines:
            check_inside(line, opened.size)
        find = make_detector(
            detector,
            frame_rate=opened.frame_rate,
            models=models,
            gate=gate,
            tiling=tiling,
            class_agnostic=class_agnostic,
        )
        check_road_users(road_users, detector, find)
        writer = painter = None
        if preview is not None and filled is not None:
            painter = stack.enter_context(FilledWriter(preview, opened.size, opened.frame_rate, lines, filled))
        elif preview is not None:
            writer = stack.enter_context(PreviewWriter(preview, opened.size, opened.frame_rate, lines))
        _prime(find, opened)
        if on_start is not None:
            on_start(opened.size)
        counting = Counting(find, lines, tracker=tracker, anchor=anchor, frame_rate=opened.frame_rate, on_crossing=on_crossing)
        for frame in opened:
            tracks = counting.see(frame)
            if writer is not None:
                writer.write(tracks)
            if painter is not None:
                painter.write(frame, tracks)
            if watch is not None:
                watch(frame, tracks)
            if on_frame is not None:
                on_frame(frame.index, opened.frames, tracks)
        return Counts(
            source=source,
            lines=tuple(lines),
            road_users=tuple(road_users),
            detector=detector,
            events=counting.events(),
            frames=opened.frames_read,
            frame_rate=opened.frame_rate,
            video_s=opened.read_s,
            declared_s=max(opened.read_s, opened.declared_s or 0.0),
            wall_s=time.perf_counter() - began,
            uptime=opened.uptime,
            frames_lost=opened.frames_lost,
            losses=opened.losses,
            size=opened.size,
        )


def count_crossings(
    connection: Connection,
    source: str,
    *,
    table: str,
    site_id: str,
    started_at: datetime,
    lines: Sequence[str | Mapping[str, object]],
    interval_s: int = 15,
    detector: str = "motion",
    road_users: Sequence[str] = (ANY,),
    frame_rate: float | None = None,
    tracker: str = "own",
    anchor: str = "foot",
    gate: str = "off",
    tiling: int = 1,
    class_agnostic: bool = False,
) -> None:
    """Count crossings per interval into a table of the contract `counts_by_interval`.

    Every line, direction, road user and interval has a row, also at 0 crossings. `uptime` is the share of the
    interval that was observed; where it is 0, `crossings` is NULL: nothing measured is not zero. `lower` and `upper`
    are NULL until audited.

    Args:
        connection: Where the table is created; an existing one is replaced.
        source: Path of a video, or a rendered scene.
        table: Name of the table.
        site_id: Site that the camera observes.
        started_at: Instant of the first frame, with a time zone.
        lines: Lines as `NAME=x1,y1,x2,y2[,name_to_right,name_to_left][@WIDTHxHEIGHT]`, as mappings (see
            `lines.read_line`), or YAML files that were drawn.
        interval_s: Length of an interval. Intervals lie on the clock (quarter hours, minutes) where a whole number of
            them makes a day; otherwise the first starts at `started_at`. [s]
        detector: `motion`, or the path of an ONNX model.
        road_users: Classes to count.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]
        tracker: Name of the tracker, see `trackers.make_tracker`.
        anchor: Point of a box that is counted: `foot` or `centre`.
        gate: `motion` lets a network look only where and when something moves.
        tiling: Tiles across the frame at which a network looks besides the whole; 1 for none.
        class_agnostic: Take whatever a network detects as a road user of class `any`.

    Raises:
        SourceError: A parameter, the source, a line or the detector cannot be used.
    """
    if started_at.tzinfo is None:
        raise SourceError(
            f"{source}: started_at is '{started_at}'; expected an instant with a time zone; add one, such as +00:00"
        )
    if interval_s < 1:
        raise SourceError(f"{source}: interval_s is '{interval_s}'; expected 1 or more; correct it")
    if not lines:
        raise SourceError(f"{source}: lines is '[]'; expected at least 1 line; add NAME=x1,y1,x2,y2")
    from analytics.video.drawn import lines_of

    counts = count_source(
        source,
        lines_of(lines),
        detector=detector,
        road_users=road_users,
        frame_rate=frame_rate,
        tracker=tracker,
        anchor=anchor,
        gate=gate,
        tiling=tiling,
        class_agnostic=class_agnostic,
    )
    write_intervals(connection, counts, table=table, site_id=site_id, started_at=started_at, interval_s=interval_s)


def write_intervals(
    connection: Connection, counts: Counts, *, table: str, site_id: str, started_at: datetime, interval_s: int
) -> None:
    """Write counts per interval into a table of the contract `counts_by_interval`, see `count_crossings`."""
    rows = []
    early_s = started_at.timestamp() % interval_s if 86400 % interval_s == 0 else 0.0
    for index in range(max(1, math.ceil((counts.declared_s + early_s) / interval_s - 1e-9))):
        start_s, end_s = index * interval_s - early_s, (index + 1) * interval_s - early_s
        uptime = min(1.0, round(counts.seen_s(start_s, end_s) / interval_s, 9))
        start_at = (started_at + timedelta(seconds=start_s)).astimezone(UTC)
        for (line, direction, road_user), crossings in counts.tally(start_s, end_s).items():
            measured = crossings if uptime > 0 else None
            rows.append((site_id, line, direction, road_user, start_at, interval_s, measured, None, None, uptime))
    write_rows(connection, rows, table=table)


def write_rows(connection: Connection, rows: Sequence[tuple[object, ...]], *, table: str) -> None:
    """Create a table of the contract `counts_by_interval` from its rows; an existing one is replaced."""
    quoted = '"' + table.replace('"', '""') + '"'
    connection.execute(
        f"CREATE OR REPLACE TABLE {quoted} (site_id VARCHAR, line VARCHAR, direction VARCHAR, road_user VARCHAR, "
        "interval_start_at TIMESTAMPTZ, interval_s INTEGER, crossings INTEGER, "
        "lower INTEGER, upper INTEGER, uptime DOUBLE)"
    )
    connection.executemany(f"INSERT INTO {quoted} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _find_doubtful_too(find: Detector, image: Image) -> Detections:
    """Detect in a picture; a detector whose scores are confidences tells boxes of lower score than otherwise, too."""
    from analytics.video.detect import Scored

    if not isinstance(find, Scored):
        return find(image)
    usual = find.min_score
    find.min_score = usual * _DOUBTFUL
    try:
        return find(image)
    finally:
        find.min_score = usual


def _prime(find: Detector, source: Source) -> None:
    """Let a detector that learns the empty street see pictures of the first seconds before counting starts."""
    from analytics.video.motion import MotionDetector

    if not isinstance(find, MotionDetector):
        return
    available = max(1, round(_PRIME_S * source.frame_rate))
    if source.frames is not None:
        available = min(available, source.frames)
    step = max(1, available // _PRIME_FRAMES)

    def pictures() -> Iterator[Image]:
        for frame in islice(source, 0, available, step):
            yield frame.image

    find.prime(pictures(), seconds=available / source.frame_rate)


def check_inside(line: Line, size: tuple[int, int]) -> None:
    """Refuse a line that nothing in the picture can cross."""
    width, height = size
    outside = (
        max(line.x1, line.x2) < 0
        or min(line.x1, line.x2) > width
        or max(line.y1, line.y2) < 0
        or min(line.y1, line.y2) > height
    )
    if outside:
        ends = f"{line.x1:g},{line.y1:g},{line.x2:g},{line.y2:g}"
        raise SourceError(f"line {line.name}: '{ends}' lies outside; expected a line in {width}x{height}; correct the line")


def check_road_users(road_users: Sequence[str], detector: str, find: Detector) -> None:
    """Refuse a class that the detector cannot tell."""
    known = (ANY, *getattr(find, "road_users", ()))
    if not road_users:
        raise SourceError(f"{detector}: road users are '[]'; expected at least one of {', '.join(known)}; add one")
    for road_user in road_users:
        if road_user not in known:
            raise SourceError(f"{detector}: road user '{road_user}' is unknown; expected one of {', '.join(known)}; choose one")
        if list(road_users).count(road_user) > 1:
            raise SourceError(f"{detector}: road user '{road_user}' is given 'twice'; expected once; remove one")
