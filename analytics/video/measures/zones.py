"""Zones: who enters and leaves a polygon, how many are in it, and how long they stay."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from analytics.video.measures.ground import CountedTrack, GroundPoint, scale_to, split_size
from analytics.video.measures.lines import HYSTERESIS, HYSTERESIS_PX, points_between
from analytics.video.source import SourceError

_FORM = "NAME=x1,y1,x2,y2,x3,y3,...[@WIDTHxHEIGHT]"
_LEAST_PX = 1.0


@dataclass(frozen=True)
class Zone:
    """A polygon on the picture.

    Attributes:
        name: Name of the zone.
        points: Corners in order, at least three, without the first again at the end. [px]
        size: Width and height of the picture on which the zone was drawn; None where it is that of the source. [px]
    """

    name: str
    points: tuple[tuple[float, float], ...]
    size: tuple[float, float] | None = None

    def fit(self, size: tuple[float, float]) -> Zone:
        """The zone on a picture of another size.

        Raises:
            SourceError: The picture on which the zone was drawn has another shape.
        """
        if self.size is None:
            return self
        across, down = scale_to(f"zone {self.name}", self.size, size)
        return Zone(self.name, tuple((x * across, y * down) for x, y in self.points))

    def depth(self, x: float, y: float) -> float:
        """Distance of a point from the border in pixels: positive inside, negative outside."""
        inside = False
        nearest = math.inf
        for (ax, ay), (bx, by) in self.sides():
            if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
                inside = not inside
            dx, dy = bx - ax, by - ay
            share = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)))
            nearest = min(nearest, math.hypot(x - ax - share * dx, y - ay - share * dy))
        return nearest if inside else -nearest

    def sides(self) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
        """The sides of the polygon, each as two corners."""
        yield from pairwise((*self.points, self.points[0]))


def parse_zone(text: str) -> Zone:
    """Read a zone from `NAME=x1,y1,x2,y2,x3,y3,...[@WIDTHxHEIGHT]`.

    Raises:
        SourceError: The text has another form, has fewer than three corners, a coordinate that is no finite number,
            the same corner twice in a row, or sides that cross each other.
    """
    rest, size = split_size(text, "zone")
    name, equals, listed = rest.partition("=")
    name = name.strip()
    parts = [part.strip() for part in listed.split(",")]
    if not equals or not name or len(parts) < 6 or len(parts) % 2:
        raise SourceError(f"zone: found '{text}'; expected {_FORM}; give at least three corners")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        raise SourceError(f"zone {name}: coordinates are '{listed}'; expected numbers; write {_FORM}") from None
    if not all(math.isfinite(value) for value in values):
        raise SourceError(f"zone {name}: coordinates are '{listed}'; expected finite numbers; correct the zone")
    zone = Zone(name, tuple(zip(values[::2], values[1::2], strict=True)), size)
    sides = list(zone.sides())
    if any(one == two for one, two in sides):
        raise SourceError(f"zone {name}: a corner follows itself in '{listed}'; expected different corners; remove one")
    for first in range(len(sides)):
        for second in range(first + 2, len(sides)):
            if (first, second) != (0, len(sides) - 1) and _cross(*sides[first], *sides[second]):
                raise SourceError(f"zone {name}: sides cross in '{listed}'; expected corners in order; put them in order")
    return zone


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float]) -> bool:
    """Whether two segments share a point."""

    def turn(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0


@dataclass(frozen=True)
class Visit:
    """One road user was in one zone.

    Attributes:
        zone: Name of the zone.
        road_user: Class of the road user.
        track_id: Track; unique within one count only.
        from_s: When it came in, or was first seen inside. [s]
        to_s: When it went out, or was last seen inside. [s]
        is_entry: Whether it was seen to come in across the border.
        is_exit: Whether it was seen to go out across the border.
    """

    zone: str
    road_user: str
    track_id: int
    from_s: float
    to_s: float
    is_entry: bool
    is_exit: bool


@dataclass
class _Stay:
    """What the counter remembers of one track at one zone."""

    point: GroundPoint
    depth: float
    side: int = 0
    first_s: float = 0.0
    met_s: float = math.nan
    since_s: float | None = None
    is_entry: bool = False


class ZoneCounter:
    """Follows tracks in and out of zones.

    A track is inside when its ground point lies deeper in the zone than a twentieth of its height, and outside when it
    lies as far beyond the border; in between it stays what it was, so that a point that jitters on the border counts
    once. One that appears inside or ends inside has no entry or no exit, yet counts for occupancy.
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        """Start counting.

        Raises:
            SourceError: Two zones have the same name.
        """
        names = [zone.name for zone in zones]
        for name in names:
            if names.count(name) > 1:
                raise SourceError(f"zone {name}: given '{names.count(name)}' times; expected different names; rename one")
        self._zones = tuple(zones)
        self._stays: dict[int, list[_Stay]] = {}
        self._road_users: dict[int, str] = {}
        self._visits: list[Visit] = []
        self._visitors: set[int] = set()

    def update(self, tracks: Sequence[CountedTrack], frame: int) -> None:
        """Follow the tracks up to a frame; one that is absent from a call is over."""
        for track in tracks:
            self._road_users[track.id] = track.road_user
            known = self._stays.get(track.id)
            last = known[0].point.frame if known else -1
            for point in points_between(track, last, frame):
                self._step(track.id, point)
        for gone in self._stays.keys() - {track.id for track in tracks}:
            ended = list(self._present(gone))
            self._visits += ended
            del self._stays[gone]
            if gone not in self._visitors and not ended:
                del self._road_users[gone]

    def visits(self) -> tuple[Visit, ...]:
        """Every visit so far, also those that go on, in order of their beginning, with the class the whole track voted for."""
        going_on = [visit for number in self._stays for visit in self._present(number)]
        visits = [replace(visit, road_user=self._road_users[visit.track_id]) for visit in (*self._visits, *going_on)]
        return tuple(sorted(visits, key=lambda visit: (visit.from_s, visit.zone, visit.track_id)))

    def _present(self, track_id: int) -> Iterator[Visit]:
        """Visits of a track that has not been seen to leave."""
        for zone, stay in zip(self._zones, self._stays[track_id], strict=True):
            if stay.since_s is not None:
                road_user = self._road_users[track_id]
                yield Visit(zone.name, road_user, track_id, stay.since_s, stay.point.time_s, stay.is_entry, False)

    def _step(self, track_id: int, point: GroundPoint) -> None:
        stays = self._stays.get(track_id)
        if stays is None:
            stays = [_Stay(point, zone.depth(point.x, point.y), first_s=point.time_s) for zone in self._zones]
            self._stays[track_id] = stays
        band = max(_LEAST_PX, HYSTERESIS * point.tall) if point.tall > 0 else HYSTERESIS_PX
        for zone, stay in zip(self._zones, stays, strict=True):
            depth = zone.depth(point.x, point.y)
            if (stay.depth > 0) != (depth > 0):
                share = stay.depth / (stay.depth - depth)
                stay.met_s = stay.point.time_s + share * (point.time_s - stay.point.time_s)
            if abs(depth) >= band:
                side = 1 if depth > 0 else -1
                if side > stay.side:
                    stay.is_entry = stay.side < 0
                    stay.since_s = stay.met_s if stay.is_entry else stay.first_s
                elif side < stay.side and stay.since_s is not None:
                    road_user = self._road_users.get(track_id, "")
                    self._visits.append(Visit(zone.name, road_user, track_id, stay.since_s, stay.met_s, stay.is_entry, True))
                    self._visitors.add(track_id)
                    stay.since_s = None
                stay.side = side
            stay.point, stay.depth = point, depth


@dataclass(frozen=True)
class Occupancy:
    """What happened in one zone over a span of time.

    Attributes:
        entries: Road users that came in across the border.
        exits: Road users that went out across the border.
        mean: Mean number inside.
        peak: Largest number inside at once.
        mean_dwell_s: Mean length of the visits that began and ended at the border in this span; None without any. [s]
    """

    entries: int
    exits: int
    mean: float
    peak: int
    mean_dwell_s: float | None


def occupancy(visits: Sequence[Visit], zone: str, start_s: float, end_s: float, road_user: str | None = None) -> Occupancy:
    """Sum up the visits to one zone.

    Args:
        visits: Visits, see `ZoneCounter.visits`.
        zone: Name of the zone.
        start_s: From here. [s]
        end_s: To before here, later than `start_s`. [s]
        road_user: Class to look at; all by default.
    """
    chosen = [visit for visit in visits if visit.zone == zone and road_user in (None, visit.road_user)]
    inside_s = sum(max(0.0, min(visit.to_s, end_s) - max(visit.from_s, start_s)) for visit in chosen)
    changes = sorted(
        change
        for visit in chosen
        if visit.to_s > start_s and visit.from_s < end_s
        for change in ((max(visit.from_s, start_s), 1), (visit.to_s, -1))
        if change[0] < end_s
    )
    peak = present = 0
    for _, change in changes:
        present += change
        peak = max(peak, present)
    left = [visit for visit in chosen if visit.is_exit and start_s <= visit.to_s < end_s]
    whole = [visit.to_s - visit.from_s for visit in left if visit.is_entry]
    return Occupancy(
        entries=sum(visit.is_entry and start_s <= visit.from_s < end_s for visit in chosen),
        exits=len(left),
        mean=inside_s / (end_s - start_s),
        peak=peak,
        mean_dwell_s=sum(whole) / len(whole) if whole else None,
    )
