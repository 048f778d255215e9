"""Speed on the ground, each with the interval that its errors leave."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.video.measures.ground import GroundPoint
from analytics.video.measures.lines import Crossing, Line
from analytics.video.source import SourceError

GROUND_ERROR = 0.06
"""Standard deviation of a detected ground point. [body heights]"""
_Z95 = 1.96
_KMH = 3.6
_MEMORY_S = 0.5  # errors of ground points closer in time than this go together [s]


@dataclass(frozen=True)
class Speed:
    """Speed of one road user.

    Attributes:
        track_id: Track; unique within one count only.
        road_user: Class of the road user.
        time_s: When it was measured. [s]
        speed_kmh: Speed. [km/h]
        lower_kmh: Lower end of its 95 percent interval. [km/h]
        upper_kmh: Upper end of its 95 percent interval; None where the errors leave it open. [km/h]
    """

    track_id: int
    road_user: str
    time_s: float
    speed_kmh: float
    lower_kmh: float
    upper_kmh: float | None


def speed_between(
    events: Sequence[Crossing], first: Line, second: Line, distance_m: float, *, distance_error_m: float = 0.0
) -> list[Speed]:
    """Speed of every road user that crossed two lines one after the other, in either order.

    The time between the lines is uncertain by the error of the ground point over the speed at which it passes each
    line on the picture; the distance by the error of its measurement. Both enter as one standard deviation.

    Args:
        events: Crossings, in order of time.
        first: One line.
        second: The other line.
        distance_m: Distance between the lines along the road. [m]
        distance_error_m: Standard deviation of that distance. [m]

    Raises:
        SourceError: The distance is not above 0, or its error is negative.
    """
    if not (math.isfinite(distance_m) and distance_m > 0 and distance_error_m >= 0):
        raise SourceError(f"speed: distance is '{distance_m:g}'; expected more than 0 metres; measure it along the road")
    lines = {first.name: first, second.name: second}
    before: dict[int, Crossing] = {}
    found = []
    for event in sorted(events, key=lambda event: event.time_s):
        if event.line not in lines:
            continue
        earlier = before.get(event.track_id)
        before[event.track_id] = event
        if earlier is None or earlier.line == event.line or event.time_s <= earlier.time_s:
            continue
        lapse = event.time_s - earlier.time_s
        error = math.hypot(_time_error(earlier, lines[earlier.line]), _time_error(event, lines[event.line]))
        slowness = lapse / distance_m
        spread = slowness * math.hypot(error / lapse, distance_error_m / distance_m)
        fastest = slowness - _Z95 * spread
        found.append(
            Speed(
                event.track_id,
                event.road_user,
                event.time_s,
                _KMH / slowness,
                _KMH / (slowness + _Z95 * spread),
                _KMH / fastest if fastest > 0 else None,
            )
        )
    return found


def _time_error(event: Crossing, line: Line) -> float:
    """Standard deviation of the instant of a crossing. [s]."""
    dx, dy = line.x2 - line.x1, line.y2 - line.y1
    across = abs(event.vx * dy - event.vy * dx) / math.hypot(dx, dy)
    if not across > 0 or event.tall <= 0:
        return 0.0 if event.tall <= 0 else math.inf
    return GROUND_ERROR * event.tall / across


class GroundPlane:
    """The map from the picture to the ground, from four or more points measured in both.

    Source:
        Homography by the direct linear transformation (Hartley and Zisserman, Multiple View Geometry, 4.1), solved by
        least squares for more than four points.
    """

    def __init__(
        self,
        pixels: Sequence[tuple[float, float]],
        metres: Sequence[tuple[float, float]],
        *,
        pixel_error: float = 1.0,
        metre_error: float = 0.02,
    ) -> None:
        """Fit the map.

        Args:
            pixels: Points on the picture. [px]
            metres: The same points on the ground, in any plane coordinates. [m]
            pixel_error: Standard deviation of the points on the picture. [px]
            metre_error: Standard deviation of the points on the ground. [m]

        Raises:
            SourceError: There are fewer than four points or not as many of each, or three of four lie on one line.
        """
        if len(pixels) != len(metres) or len(pixels) < 4:
            raise SourceError(f"ground: found '{len(pixels)} and {len(metres)} points'; expected four of each; measure more")
        self._pixels, self._metres = np.asarray(pixels, np.float64), np.asarray(metres, np.float64)
        self._pixel_error, self._metre_error = pixel_error, metre_error
        self._map = _homography(self._pixels, self._metres)
        if not np.isfinite(self._map).all():
            raise SourceError("ground: found 'three points on one line'; expected four corners; measure other points")

    def to_metres(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Points of the picture on the ground, shape `(n, 2)`. [m]."""
        return _apply(self._map, np.asarray(points, np.float64).reshape(-1, 2))

    def speed(self, track_id: int, road_user: str, points: Sequence[GroundPoint]) -> Speed | None:
        """Mean speed along a piece of track: the slope of a straight line through its positions on the ground.

        The interval holds the errors of the ground points (those close in time go together) and of the measured
        points, each carried through the map.

        Args:
            track_id: Track.
            road_user: Its class.
            points: Ground points; None is returned for fewer than three, or without time between them.
        """
        if len(points) < 3 or points[-1].time_s <= points[0].time_s:
            return None
        times = np.array([point.time_s for point in points])
        pixels = np.array([(point.x, point.y) for point in points])
        weights = (times - times.mean()) / ((times - times.mean()) ** 2).sum()
        velocity = weights @ self.to_metres(pixels)
        value = float(np.hypot(*velocity))
        along = velocity / value if value > 0 else np.array([1.0, 0.0])
        variance = sum(change * change for change in self._by_measured_points(pixels, weights, along))
        per_memory = min(float(len(points)), max(1.0, _MEMORY_S * (len(points) - 1) / (times[-1] - times[0])))
        sizes = GROUND_ERROR * np.array([point.tall for point in points])
        for step in ((1.0, 0.0), (0.0, 1.0)):
            moved = (self.to_metres(pixels + step) - self.to_metres(pixels)) @ along  # metres for one pixel
            variance += per_memory * float(((weights * moved * sizes) ** 2).sum())
        spread = _Z95 * math.sqrt(variance)
        return Speed(
            track_id,
            road_user,
            float(times[-1]),
            _KMH * value,
            _KMH * max(0.0, value - spread),
            _KMH * (value + spread),
        )

    def _by_measured_points(
        self, pixels: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], along: npt.NDArray[np.float64]
    ) -> Iterator[float]:
        """How much the speed changes when each measured coordinate changes by its standard deviation. [m/s]."""
        straight = float(weights @ self.to_metres(pixels) @ along)
        for given, error in ((self._pixels, self._pixel_error), (self._metres, self._metre_error)):
            for place in np.ndindex(given.shape):
                kept = given[place]
                given[place] = kept + error
                changed = _apply(_homography(self._pixels, self._metres), pixels)
                given[place] = kept
                yield float(weights @ changed @ along) - straight


def _homography(pixels: npt.NDArray[np.float64], metres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The 3x3 matrix that maps pixels to metres; not a number where the points leave it open."""
    into, out = _near_origin(pixels), _near_origin(metres)
    rows = []
    for (x, y), (u, v) in zip(_apply(into, pixels), _apply(out, metres), strict=True):
        rows.append([-x, -y, -1, 0, 0, 0, u * x, u * y, u])
        rows.append([0, 0, 0, -x, -y, -1, v * x, v * y, v])
    _, sizes, directions = np.linalg.svd(np.array(rows))
    if sizes[7] < 1e-6 * sizes[0]:
        return np.full((3, 3), math.nan)
    return np.asarray(np.linalg.inv(out) @ directions[-1].reshape(3, 3) @ into, dtype=np.float64)


def _near_origin(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The shift and scale that bring points around the origin, at a distance of about one, for precision."""
    centre = points.mean(axis=0)
    scale = 1.0 / max(1e-12, float(np.abs(points - centre).mean()))
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1]])


def _apply(matrix: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Map points, shape `(n, 2)`."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:], dtype=np.float64)
