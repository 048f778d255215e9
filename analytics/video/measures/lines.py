"""Lines, and what a crossing is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError

from analytics.video.measures.ground import CountedTrack, GroundPoint, scale_to, split_size
from analytics.video.source import SourceError

__all__ = ["CountedTrack", "Crossing", "GroundPoint", "Line", "LineCounter", "parse_line", "read_line"]

HYSTERESIS_PX = 4.0
"""Half width of the band around a line in which a point belongs to neither side, where no body height is known. [px]"""
HYSTERESIS = 0.05
"""The same where the height of the road user's box is known: what a detected ground point jitters by. [body heights]"""
_LEAST_PX = 1.0


@dataclass(frozen=True)
class Line:
    """A counting line with a name for each direction.

    Looking along it from its first point to its second, a crossing from the left side to the right is `to_right`, the
    other `to_left`. On a screen (y grows downwards) a line drawn from top to bottom is therefore crossed
    `to_right` by whoever walks from the right edge of the picture towards the left edge.

    Attributes:
        name: Name of the line.
        x1: First point, horizontal. [px]
        y1: First point, vertical, downwards. [px]
        x2: Second point, horizontal. [px]
        y2: Second point, vertical, downwards. [px]
        to_right: Name of the direction from the left side to the right side.
        to_left: Name of the other direction.
        size: Width and height of the picture on which the line was drawn; None where it is that of the source. [px]
    """

    name: str
    x1: float
    y1: float
    x2: float
    y2: float
    to_right: str = "to_right"
    to_left: str = "to_left"
    size: tuple[float, float] | None = None

    def fit(self, size: tuple[float, float]) -> Line:
        """The line on a picture of another size.

        Args:
            size: Width and height of the source's pictures. [px]

        Raises:
            SourceError: The picture on which the line was drawn has another shape, so that the line would not fit.
        """
        if self.size is None:
            return self
        across, down = scale_to(f"line {self.name}", self.size, size)
        ends = (self.x1 * across, self.y1 * down, self.x2 * across, self.y2 * down)
        return Line(self.name, *ends, self.to_right, self.to_left)

    def side(self, x: float, y: float) -> float:
        """Signed distance of a point from the endless line, in pixels: positive on the right side.

        The reversed line gives exactly the negated value.
        """
        ax, ay, dx, dy, sign, length = self._frame
        return sign * (dx * (y - ay) - dy * (x - ax)) / length

    def is_beside(self, x: float, y: float) -> bool:
        """Whether a point lies beside the line, not beyond one of its ends."""
        ax, ay, dx, dy, _, _ = self._frame
        return 0.0 <= (x - ax) * dx + (y - ay) * dy <= dx * dx + dy * dy

    @cached_property
    def _frame(self) -> tuple[float, float, float, float, float, float]:
        """One end, the way from it to the other end, the sign of that way, and its length.

        The two ends are taken in a fixed order, so that rounding does not depend on which came first.
        """
        first, second = (self.x1, self.y1), (self.x2, self.y2)
        (ax, ay), (bx, by), sign = (first, second, 1.0) if first <= second else (second, first, -1.0)
        return ax, ay, bx - ax, by - ay, sign, math.hypot(bx - ax, by - ay)


def parse_line(text: str) -> Line:
    """Read a line from `NAME=x1,y1,x2,y2[,name_to_right,name_to_left][@WIDTHxHEIGHT]`.

    The coordinates are pixels of a picture of that size; without it, of the source.

    Raises:
        SourceError: The text has another form, a coordinate is not a finite number, or the two points coincide.

    Example:
        >>> parse_line("gate=250,0,250,576,westbound,eastbound").to_left
        'eastbound'
    """
    form = "NAME=x1,y1,x2,y2[,name_to_right,name_to_left]"
    text, size = split_size(text, "line")
    name, equals, rest = text.partition("=")
    parts = [part.strip() for part in rest.split(",")]
    name = name.strip()
    if not equals or not name or len(parts) not in (4, 6) or not all(parts):
        raise SourceError(f"line: found '{text}'; expected {form}; give four coordinates and, if you like, two directions")
    try:
        x1, y1, x2, y2 = (float(part) for part in parts[:4])
    except ValueError:
        raise SourceError(
            f"line {name}: coordinates are '{','.join(parts[:4])}'; expected four numbers; write {form}"
        ) from None
    if not all(math.isfinite(value) for value in (x1, y1, x2, y2)):
        raise SourceError(f"line {name}: coordinates are '{','.join(parts[:4])}'; expected finite numbers; correct the line")
    if (x1, y1) == (x2, y2):
        raise SourceError(f"line {name}: both points are '{parts[0]},{parts[1]}'; expected two points; correct the line")
    if len(parts) == 6:
        if parts[4] == parts[5]:
            raise SourceError(f"line {name}: both directions are '{parts[4]}'; expected two names; rename one")
        return Line(name, x1, y1, x2, y2, parts[4], parts[5], size)
    return Line(name, x1, y1, x2, y2, size=size)


class LineForm(BaseModel):
    """A line as a pilot file writes it.

    Attributes:
        name: Name of the line.
        points: Its two ends, each as x and y. [px]
        size: Width and height of the picture on which it was drawn; that of the source where it is left out. [px]
        to_right: Name of the direction from its left side to its right side, looking from the first end to the second.
        to_left: Name of the other direction.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    points: tuple[tuple[FiniteFloat, FiniteFloat], tuple[FiniteFloat, FiniteFloat]]
    size: tuple[PositiveInt, PositiveInt] | None = None
    to_right: str = Field(default="to_right", min_length=1)
    to_left: str = Field(default="to_left", min_length=1)


def read_line(given: str | Mapping[str, object]) -> Line:
    """Read a line from text, see `parse_line`, or from a mapping with the fields of `LineForm`.

    Raises:
        SourceError: It has another form, the two ends coincide, or the directions are the same.
    """
    if isinstance(given, str):
        return parse_line(given)
    try:
        form = LineForm.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SourceError(
            f"line {given.get('name', '')}: '{place}' is wrong: {first['msg']}; expected name and two points; correct it"
        ) from None
    (x1, y1), (x2, y2) = form.points
    if (x1, y1) == (x2, y2) or form.to_right == form.to_left:
        raise SourceError(f"line {form.name}: found 'the same twice'; expected two ends and two directions; correct one")
    return Line(form.name, x1, y1, x2, y2, form.to_right, form.to_left, form.size)


@dataclass(frozen=True)
class Crossing:
    """One road user crossed one line.

    Attributes:
        line: Name of the line.
        direction: Name of the direction.
        road_user: Class of the road user.
        track_id: Track that crossed; unique within one count only.
        time_s: Instant at which the ground point met the line, interpolated between frames. [s]
        frame: Index of the first frame on the other side.
        x: Where the line was met, horizontal. [px]
        y: Where the line was met, vertical, downwards. [px]
        vx: Speed at the line to the right. [px/s]
        vy: Speed at the line downwards. [px/s]
        tall: Height of the road user's box there; 0 where it is not known. [px]
    """

    line: str
    direction: str
    road_user: str
    track_id: int
    time_s: float
    frame: int
    x: float = math.nan
    y: float = math.nan
    vx: float = math.nan
    vy: float = math.nan
    tall: float = 0.0


def points_between(track: CountedTrack, last: int, frame: int) -> list[GroundPoint]:
    """Ground points of a track after one frame and up to another, oldest first."""
    fresh = []
    for point in reversed(track.history):
        if point.frame <= last:
            break
        if point.frame <= frame:
            fresh.append(point)
    return fresh[::-1]


@dataclass
class _Passage:
    """What the counter remembers of one track at one line."""

    point: GroundPoint
    distance: float
    side: int = 0
    met_at_s: float = math.nan
    met_frame: int = -1
    met_inside: bool = False
    met_x: float = math.nan
    met_y: float = math.nan
    vx: float = math.nan
    vy: float = math.nan


class LineCounter:
    """Counts crossings of lines by tracks.

    A track has crossed when its ground point has been far enough away from the line on one side and later as far on
    the other side, where far enough is a twentieth of the road user's height, and when it last met the line between
    the two end points. A point that jitters on the line therefore counts once, one that walks round an end not at
    all, and one that really walks back and forth each time.
    """

    def __init__(self, lines: Sequence[Line], *, hysteresis_px: float | None = None) -> None:
        """Start counting.

        Args:
            lines: Lines with different names.
            hysteresis_px: Half width of the band around a line inside which a point belongs to no side; by default
                a twentieth of the height of the road user. [px]

        Raises:
            SourceError: Two lines have the same name.
        """
        names = [line.name for line in lines]
        for name in names:
            if names.count(name) > 1:
                raise SourceError(f"line {name}: given '{names.count(name)}' times; expected different names; rename one")
        self._lines = tuple(lines)
        self._hysteresis_px = hysteresis_px
        self._passages: dict[int, list[_Passage]] = {}

    def update(self, tracks: Sequence[CountedTrack], frame: int) -> list[Crossing]:
        """Count what the tracks did up to a frame.

        A track that is absent from one call is over: its memory is dropped.

        Args:
            tracks: Every living track. Points of their histories that were seen before are skipped.
            frame: Index of the frame; later points wait for a later call.

        Returns:
            The crossings completed since the last call, in order of the instants at which the lines were met.
        """
        found: list[Crossing] = []
        for track in tracks:
            known = self._passages.get(track.id)
            last = known[0].point.frame if known else -1
            for point in points_between(track, last, frame):
                found += self.step(track.id, track.road_user, point)
        alive = {track.id for track in tracks}
        for gone in self._passages.keys() - alive:
            del self._passages[gone]
        return sorted(found, key=lambda crossing: (crossing.time_s, crossing.line, crossing.track_id))

    def step(self, track_id: int, road_user: str, point: GroundPoint) -> list[Crossing]:
        """Advance one track by one ground point and return the crossings this completes."""
        passages = self._passages.get(track_id)
        if passages is None:
            passages = [_Passage(point, line.side(point.x, point.y)) for line in self._lines]
            self._passages[track_id] = passages
        found = []
        band = self._hysteresis_px
        if band is None:
            band = max(_LEAST_PX, HYSTERESIS * point.tall) if point.tall > 0 else HYSTERESIS_PX
        for line, passage in zip(self._lines, passages, strict=True):
            distance = line.side(point.x, point.y)
            if passage.distance * distance < 0 or (passage.distance == 0) != (distance == 0):
                share = passage.distance / (passage.distance - distance)
                before = passage.point
                x, y = before.x + share * (point.x - before.x), before.y + share * (point.y - before.y)
                passage.met_at_s = before.time_s + share * (point.time_s - before.time_s)
                passage.met_frame = point.frame
                passage.met_inside = line.is_beside(x, y)
                passage.met_x, passage.met_y = x, y
                lapse = point.time_s - before.time_s
                if lapse > 0:
                    passage.vx, passage.vy = (point.x - before.x) / lapse, (point.y - before.y) / lapse
            if abs(distance) >= band:
                side = 1 if distance > 0 else -1
                if passage.side == -side and passage.met_inside:
                    direction = line.to_right if side > 0 else line.to_left
                    met = (passage.met_at_s, passage.met_frame, passage.met_x, passage.met_y, passage.vx, passage.vy)
                    found.append(Crossing(line.name, direction, road_user, track_id, *met, point.tall))
                passage.side = side
            passage.point, passage.distance = point, distance
        return found
