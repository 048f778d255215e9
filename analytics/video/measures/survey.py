"""What else is measured while lines are counted: zones, turning counts, speeds and a heat map."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.video.measures.heatmap import Cell, HeatMap
from analytics.video.measures.lines import Crossing, Line
from analytics.video.measures.speed import GroundPlane, Speed, speed_between
from analytics.video.measures.turning import turning_counts
from analytics.video.measures.zones import Zone, ZoneCounter, occupancy, parse_zone
from analytics.video.source import SourceError

if TYPE_CHECKING:
    from analytics.video.counts import Counts
    from analytics.video.tracking.track import Track

_SPEED_S = 2.0  # how far back from a line the speed on the ground is taken [s]


@dataclass(frozen=True)
class Stretch:
    """Two lines whose distance along the road was measured.

    Attributes:
        first: Name of one line.
        second: Name of the other line.
        distance_m: Distance. [m]
        error_m: Standard deviation of the distance. [m]
    """

    first: str
    second: str
    distance_m: float
    error_m: float


def parse_stretch(text: str, lines: Sequence[Line]) -> Stretch:
    """Read `LINE,LINE,METRES[,ERROR_METRES]`.

    Raises:
        SourceError: The text has another form, or names a line that is not counted.
    """
    parts = [part.strip() for part in text.split(",")]
    names = [line.name for line in lines]
    form = "LINE,LINE,METRES[,ERROR_METRES]"
    if len(parts) not in (3, 4):
        raise SourceError(f"speed: found '{text}'; expected {form}; name two lines and their distance")
    for name in parts[:2]:
        if name not in names or parts[0] == parts[1]:
            raise SourceError(f"speed: found '{text}'; expected two of the lines {', '.join(names)}; correct it")
    try:
        metres, error = float(parts[2]), float(parts[3]) if len(parts) == 4 else 0.0
    except ValueError:
        metres = math.nan
    if not (math.isfinite(metres) and metres > 0 and math.isfinite(error) and error >= 0):
        raise SourceError(f"speed: found '{text}'; expected {form} with numbers above 0; correct it")
    return Stretch(parts[0], parts[1], metres, error)


def parse_ground(points: Sequence[str]) -> GroundPlane | None:
    """Read four or more points `x,y,X,Y`: pixels on the picture, metres on the ground; None where none is given.

    Raises:
        SourceError: A point is not four finite numbers, or the points do not make a plane.
    """
    pixels, metres = [], []
    for text in points:
        try:
            x, y, east, north = (float(part) for part in text.split(","))
        except ValueError:
            x = math.nan
        if not math.isfinite(x) or not all(math.isfinite(value) for value in (y, east, north)):
            raise SourceError(f"ground: found '{text}'; expected x,y,X,Y in pixels and metres; correct the point")
        pixels.append((x, y))
        metres.append((east, north))
    return GroundPlane(pixels, metres) if points else None


class Survey:
    """Measures what was asked for besides crossings; it is told of every frame and every crossing."""

    def __init__(
        self,
        lines: Sequence[Line],
        *,
        zones: Sequence[str] = (),
        turning: bool = False,
        stretches: Sequence[str] = (),
        ground: Sequence[str] = (),
        heatmap: bool = False,
    ) -> None:
        """Read what is wanted.

        Args:
            lines: The lines that are counted.
            zones: Zones as `NAME=x1,y1,x2,y2,x3,y3,...[@WIDTHxHEIGHT]`.
            turning: Whether to count movements from line to line.
            stretches: Pairs of lines as `LINE,LINE,METRES[,ERROR_METRES]`.
            ground: Points as `x,y,X,Y`, for the speed at each line.
            heatmap: Whether to count in cells.

        Raises:
            SourceError: One of them has another form or names something unknown.
        """
        self._lines = {line.name: line for line in lines}
        self._wanted_zones = tuple(parse_zone(text) for text in zones)
        ZoneCounter(self._wanted_zones)  # names that are given twice are refused before anything is counted
        self._turning = turning
        self._stretches = tuple(parse_stretch(text, lines) for text in stretches)
        self._plane = parse_ground(ground)
        self._wants_heat = heatmap
        self._zones: tuple[Zone, ...] = ()
        self._counter: ZoneCounter | None = None
        self._heat: HeatMap | None = None
        self._speeds: list[tuple[str, Speed]] = []

    def start(self, size: tuple[int, int]) -> None:
        """Fit zones and cells to the source's pictures."""
        self._zones = tuple(zone.fit(size) for zone in self._wanted_zones)
        self._counter = ZoneCounter(self._zones) if self._zones else None
        self._heat = HeatMap(size) if self._wants_heat else None

    def see(self, tracks: Sequence[Track], frame: int) -> None:
        """Take the living tracks of a frame in."""
        if self._counter is not None:
            self._counter.update(tracks, frame)
        if self._heat is not None:
            self._heat.update(tracks)

    def crossed(self, event: Crossing, track: Track) -> None:
        """Take a crossing in."""
        if self._plane is not None:
            points = [point for point in track.history if point.time_s >= event.time_s - _SPEED_S]
            speed = self._plane.speed(event.track_id, event.road_user, points)
            if speed is not None:
                self._speeds.append((event.line, speed))

    def cells(self, small_count: int) -> Iterator[Cell]:
        """The heat map, see `HeatMap.cells`."""
        if self._heat is not None:
            yield from self._heat.cells(small_count=small_count)

    def document(self, counts: Counts) -> dict[str, Any]:
        """What was measured, under the names of `testbed count --json`; only what was asked for."""
        found: dict[str, Any] = {}
        if self._counter is not None:
            visits = self._counter.visits()
            end_s = max(counts.video_s, 1e-9)
            found["zones"] = [
                {
                    "zone": zone.name,
                    "road_user": road_user,
                    "entries": seen.entries,
                    "exits": seen.exits,
                    "mean_occupancy": seen.mean,
                    "peak_occupancy": seen.peak,
                    "mean_dwell_s": seen.mean_dwell_s,
                }
                for zone in self._zones
                for road_user in counts.road_users
                for seen in [occupancy(visits, zone.name, 0.0, end_s, None if road_user == "any" else road_user)]
            ]
        if self._turning:
            turned = turning_counts(counts.events, list(self._lines))
            found["turning"] = {
                "sections": list(turned.sections),
                "movements": [
                    {"origin": origin, "destination": destination, "road_user": road_user, "crossings": number}
                    for (origin, destination, road_user), number in turned.movements.items()
                ],
                "unfinished": [
                    {"section": section, "road_user": road_user, "crossings": number}
                    for (section, road_user), number in turned.unfinished.items()
                ],
                "finished_share": turned.finished_share,
            }
        if self._stretches or self._plane is not None:
            fitted = {line.name: line for line in counts.lines}
            found["speeds"] = [
                {"at": f"{one.first} to {one.second}", **_shown(speed)}
                for one in self._stretches
                for speed in speed_between(
                    counts.events, fitted[one.first], fitted[one.second], one.distance_m, distance_error_m=one.error_m
                )
            ] + [{"at": line, **_shown(speed)} for line, speed in self._speeds]
        return found


def _shown(speed: Speed) -> dict[str, Any]:
    """A speed without its track."""
    return {
        "road_user": speed.road_user,
        "time_s": round(speed.time_s, 3),
        "speed_kmh": round(speed.speed_kmh, 2),
        "lower_kmh": round(speed.lower_kmh, 2),
        "upper_kmh": None if speed.upper_kmh is None else round(speed.upper_kmh, 2),
    }
