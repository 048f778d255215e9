"""What was counted in one source."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from analytics.video.measures.lines import Crossing, Line
from analytics.video.sources.coverage import Loss, overlap_s

ANY = "any"
"""The road user that stands for all."""


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
        options: How it was looked and followed, see `identity.OPTIONS`.
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
    options: tuple[tuple[str, object], ...] = ()

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
