"""Who rides on a rendered street and when: cyclists, cars, vans and buses, at real speeds, none through another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.video.street.layout import DEPTH, Lane, Layout

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Kind:
    """A kind of vehicle, its rider included.

    Attributes:
        length: [m]
        width: [m]
        height: [m]
        speed: Mean, standard deviation, least and greatest speed. [km/h]
        share: Share among the motor vehicles.
    """

    length: float
    width: float
    height: float
    speed: tuple[float, float, float, float]
    share: float


KINDS: dict[str, Kind] = {
    "cyclist": Kind(1.78, 0.0, 1.75, (17.5, 3.0, 12.0, 25.0), 0.0),
    "car": Kind(4.3, 1.8, 1.45, (36.0, 7.0, 20.0, 50.0), 0.72),
    "van": Kind(5.3, 2.0, 2.2, (34.0, 6.0, 20.0, 50.0), 0.18),
    "bus": Kind(11.5, 2.5, 3.0, (30.0, 5.0, 20.0, 45.0), 0.1),
}
"""Each road user that rides, by the word that the contracts have for it."""
_GAP_M = 2.5  # least distance between two vehicles [m]
_MARGIN_M = 0.5  # how far outside the picture a vehicle begins and ends [m]
_EARLY_S = 15.0  # traffic begins so long before the first frame [s]
_PAINTS: tuple[Colour, ...] = (
    (235, 235, 235),
    (40, 40, 42),
    (120, 122, 125),
    (180, 182, 186),
    (130, 60, 30),
    (35, 35, 170),
    (60, 110, 60),
    (70, 150, 190),
)


@dataclass(frozen=True)
class Vehicle:
    """One vehicle of the scene, with whoever rides it: a path on the ground and a look.

    Attributes:
        id: Identity, after those of the people.
        first_frame: Frame of the first row of `path`.
        path: Ground point in each frame, midway between the wheels, shape `(n, 2)`. [px]
        turned: How far the wheels have turned in each frame, shape `(n,)`. [rad]
        road_user: One of `KINDS`.
        metre: Pixels that a metre takes where it rides. [px/m]
        heading: 1 towards the right edge of the picture, -1 towards the left.
        speed_kmh: [km/h]
        colours: BGR of the body (of a cyclist's skin, top and trousers).
    """

    id: int
    first_frame: int
    path: npt.NDArray[np.float64]
    turned: npt.NDArray[np.float64]
    road_user: str
    metre: float
    heading: int
    speed_kmh: float
    colours: tuple[Colour, ...]

    def box(self, row: int) -> tuple[float, float, float, float]:
        """Box x1, y1, x2, y2 around what is drawn for a row of the path; it may reach beyond the picture [px]."""
        kind = KINDS[self.road_user]
        x, y = self.path[row].tolist()
        half = kind.length / 2 * self.metre
        return x - half, y - (kind.height + DEPTH * kind.width) * self.metre, x + half, y

    def parts(self, row: int) -> tuple[tuple[float, float, float, float], tuple[float, float, float, float]]:
        """Boxes of a cyclist as a network sees one: the person, and the bicycle [px]."""
        x1, y1, x2, y2 = self.box(row)
        x, m = (x1 + x2) / 2, self.metre
        back, front = (-0.4, 0.5) if self.heading > 0 else (-0.5, 0.4)
        return (x + back * m, y1, x + front * m, y2 - 0.1 * m), (x1, y2 - 1.05 * m, x2, y2)


def plan_traffic(
    rng: np.random.Generator,
    layout: Layout,
    size: tuple[int, int],
    frame_rate: float,
    seconds: float,
    cyclists_per_minute: float,
    vehicles_per_minute: float,
    first_id: int,
) -> list[Vehicle]:
    """Lay out everyone who rides, lane by lane.

    Args:
        rng: Where chance comes from.
        layout: The street.
        size: Width and height of a frame. [px]
        frame_rate: Frames per second. [1/s]
        seconds: Length of the scene. [s]
        cyclists_per_minute: Cyclists who set out in a minute, both ways together. [1/min]
        vehicles_per_minute: Cars, vans and buses, the same; those who would come too close wait. [1/min]
        first_id: Identity of the first.
    """
    planned: list[Vehicle] = []
    for lane in layout.lanes:
        per_minute = (cyclists_per_minute if lane.is_for_cycling else vehicles_per_minute) / 2
        if per_minute <= 0:
            continue
        metre = layout.metre(lane.row, size[1])
        for road_user, enter_s, speed_ms, way_m in _order(rng, lane, per_minute, size[0] / metre, seconds):
            number = first_id + len(planned)
            vehicle = _ride(rng, number, lane, road_user, enter_s, speed_ms, way_m, metre, size, frame_rate, seconds)
            if len(vehicle.path):
                planned.append(vehicle)
    return planned


def _order(
    rng: np.random.Generator, lane: Lane, per_minute: float, picture_m: float, seconds: float
) -> list[tuple[str, float, float, float]]:
    """Road user, instant of setting out, speed and length of the way of each vehicle of a lane, so that none meet.

    Both ends of two ways are kept apart in time by what the slower needs for the gap; in between distances change evenly.
    """
    names = ["cyclist"] if lane.is_for_cycling else [name for name in KINDS if name != "cyclist"]
    longest = max(KINDS[name].length for name in names)
    way_m = picture_m + longest + 2 * _MARGIN_M
    slowest = min(KINDS[name].speed[2] for name in names) / 3.6
    found: list[tuple[str, float, float, float]] = []
    wanted_s, entered_s, left_s, before_m = -_EARLY_S, -math.inf, -math.inf, 0.0
    while True:
        wanted_s += rng.exponential(60.0 / per_minute)
        shares = [KINDS[name].share for name in names]
        road_user = names[0] if len(names) == 1 else str(rng.choice(names, p=np.array(shares) / sum(shares)))
        kind = KINDS[road_user]
        mean, spread, least, most = kind.speed
        speed = float(np.clip(rng.normal(mean, spread), least, most)) / 3.6
        gap_s = ((before_m + kind.length) / 2 + _GAP_M) / slowest
        enter_s = max(wanted_s, entered_s + gap_s)
        leave_s = max(enter_s + way_m / speed, left_s + gap_s)
        enter_s = max(enter_s, leave_s - way_m / (least / 3.6))  # rather waits than creeps
        if enter_s >= seconds:
            return found
        found.append((road_user, enter_s, way_m / (leave_s - enter_s), way_m))
        entered_s, left_s, before_m = enter_s, leave_s, kind.length


def _ride(
    rng: np.random.Generator,
    number: int,
    lane: Lane,
    road_user: str,
    enter_s: float,
    speed_ms: float,
    way_m: float,
    metre: float,
    size: tuple[int, int],
    frame_rate: float,
    seconds: float,
) -> Vehicle:
    """One path at the frame rate, from outside one side of the picture to outside the other."""
    first = max(0, math.ceil(enter_s * frame_rate))
    end = min(round(seconds * frame_rate), math.floor((enter_s + way_m / speed_ms) * frame_rate) + 1)
    gone_m = (np.arange(first, max(first, end)) / frame_rate - enter_s) * speed_ms
    before_m = (way_m - size[0] / metre) / 2
    x = (gone_m - before_m) * metre
    x = x if lane.heading > 0 else size[0] - x
    if road_user == "cyclist":
        skin = [(150, 180, 224), (105, 140, 198), (64, 92, 141), (45, 60, 85)][int(rng.integers(4))]
        top, trousers = ((int(b), int(g), int(r)) for b, g, r in (rng.integers(15, 245, 3), rng.integers(10, 120, 3)))
        colours: tuple[Colour, ...] = (skin, top, trousers)
    else:
        colours = (_PAINTS[int(rng.integers(len(_PAINTS)))],)
    return Vehicle(
        id=number,
        first_frame=first,
        path=np.column_stack([x, np.full(len(x), lane.row * size[1])]),
        turned=gone_m / 0.34,
        road_user=road_user,
        metre=metre,
        heading=lane.heading,
        speed_kmh=3.6 * speed_ms,
        colours=colours,
    )
