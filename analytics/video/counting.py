"""Counting frame by frame: find, follow, count; from a file or as frames come from a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from analytics.video.counts import ANY
from analytics.video.measures.lines import Crossing, Line, LineCounter
from analytics.video.source import Source, SourceError

if TYPE_CHECKING:
    from analytics.video.detect import Detections, Detector, Scored
    from analytics.video.source import Frame, Image
    from analytics.video.tracking.track import Track
    from analytics.video.tracking.trackers import AnyTracker

_PRIME_S = 12.0  # length of the start from which a detector learns the empty street [s]
_PRIME_FRAMES = 24
_BIRTH = 0.1  # how much surer than any other box one must be to begin a track
_DOUBTFUL = 1 / 3  # share of the detector's lowest score down to which a box may continue a track


class Counting:
    """Finds, follows and counts in frames that are given one at a time, from a file or as they come from a camera.

    Attributes:
        found: All that the detector found in the latest frame, also what is too doubtful to be followed.
    """

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
        from analytics.video.detect import Detections, Scored
        from analytics.video.tracking.trackers import make_tracker

        self.found = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), ())
        sure_score = birth_score = 0.0
        self._find = find
        if isinstance(find, Scored):
            sure_score, birth_score = find.min_score, find.min_score + _BIRTH
            self._find = partial(_find_doubtful_too, find)
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
        found = self.found = self._find(frame.image)
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


def _find_doubtful_too(find: Scored, image: Image) -> Detections:
    """Detect in a picture, also boxes of lower score than the detector tells otherwise."""
    usual = find.min_score
    find.min_score = usual * _DOUBTFUL
    try:
        return find(image)
    finally:
        find.min_score = usual


def prime(find: Detector, source: Source) -> None:
    """Let a detector that learns the empty street see pictures of the first seconds before counting starts."""
    from analytics.video.motion.detector import MotionDetector

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
