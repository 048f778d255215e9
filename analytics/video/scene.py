"""A rendered street whose truth is known: people walk, stand and meet, and every crossing is known by construction.

The street stands in for a camera in demos, in tests and as the sealed reference of vendor tasks. Geometry follows a
fixed camera above a pavement: a person's height grows with the distance of the feet from the horizon. Where cyclists or
vehicles are asked for, the street is seen from further away and has a carriageway with cycle lanes between two pavements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import numpy as np
import numpy.typing as npt

from analytics.video.drawing import GAIN, Image, Light, Person, draw_person, draw_street
from analytics.video.measures.lines import Crossing, GroundPoint, Line, LineCounter
from analytics.video.source import SourceError
from analytics.video.street.layout import PLAZA, ROAD, Layout
from analytics.video.street.traffic import Vehicle, plan_traffic
from analytics.video.street.trees import Tree, draw_tree, plant
from analytics.video.street.vehicles import draw_vehicle
from analytics.video.street.walkers import plan_people

__all__ = ["LIGHTS", "Light", "Person", "Scene", "Vehicle", "street"]

LIGHTS: tuple[Light, ...] = get_args(Light)

_PEOPLE_PER_MINUTE: dict[Light, float] = {"day": 14.0, "dusk": 10.0, "rain": 8.0, "crowd": 30.0}
_NOISE_SD: dict[Light, float] = {"day": 2.5, "dusk": 5.0, "rain": 3.5, "crowd": 2.5}


@dataclass(frozen=True)
class Scene:
    """A street with people, rendered frame by frame from its seed.

    Attributes:
        seed: Seed of everything random.
        seconds: Length. [s]
        width: Width of a frame. [px]
        height: Height of a frame. [px]
        frame_rate: Frames per second. [1/s]
        light: One of `LIGHTS`.
        people: Everyone who walks, in order of identity.
        traffic: Everyone who rides, after them.
        trees: Trees whose leaves move.
        layout: How the street is divided.
    """

    seed: int
    seconds: float
    width: int
    height: int
    frame_rate: float
    light: Light
    people: tuple[Person, ...] = field(repr=False)
    traffic: tuple[Vehicle, ...] = field(default=(), repr=False)
    trees: tuple[Tree, ...] = field(default=(), repr=False)
    layout: Layout = field(default=PLAZA, repr=False)

    @property
    def everyone(self) -> tuple[Person | Vehicle, ...]:
        """Who walks and who rides."""
        return (*self.people, *self.traffic)

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return max(1, round(self.seconds * self.frame_rate))

    def frames(self) -> Iterator[Image]:
        """Every frame in order, BGR, shape `(height, width, 3)`, each a new array."""
        for index in range(self.frame_count):
            yield self.frame(index)

    def frame(self, index: int) -> Image:
        """The frame with an index, BGR; the same bytes whenever it is asked for."""
        import cv2

        background, shade = self._still
        image = background.copy()
        for tree in self.trees:
            draw_tree(image, tree, index / self.frame_rate, self.light)
        for one, row in sorted(self._present(index), key=lambda item: float(item[0].path[item[1], 1])):
            if isinstance(one, Vehicle):
                draw_vehicle(image, one, row, self.light, shade)
            else:
                draw_person(image, one, row, self.light, shade)
        drift = 1.0 + (0.03 if self.light != "dusk" else 0.01) * math.sin(2 * math.pi * index / self.frame_rate / 47.0)
        cv2.convertScaleAbs(image, image, drift, 0.0)
        rng = np.random.default_rng((self.seed, index))
        spare = self._noise[0].shape[0] - self.height
        top, left = (int(value) for value in rng.integers(0, spare, 2))
        window = (slice(top, top + self.height), slice(left, left + self.width))
        cv2.add(image, self._noise[0][window], image)
        cv2.subtract(image, self._noise[1][window], image)
        if self.light == "rain":
            cv2.add(image, self._noise[2 + index % 3][window], image)
        return image

    def truth_boxes(self, frame_index: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], tuple[str, ...]]:
        """Who is in a frame: everyone whose ground point lies inside the picture.

        Args:
            frame_index: Index of the frame, from 0.

        Returns:
            Identities `(n,)`, boxes `(n, 4)` as x1, y1, x2, y2 that may reach beyond the picture and whose bottom
            centre is the ground point, and the road-user class of each.
        """
        ids, boxes, classes = [], [], []
        for one, row in self._present(frame_index):
            x, y = one.path[row]
            if 0 <= x < self.width and 0 <= y < self.height:
                ids.append(one.id)
                boxes.append(one.box(row))
                classes.append(one.road_user)
        return np.array(ids, dtype=np.int64), np.array(boxes, dtype=np.float32).reshape(-1, 4), tuple(classes)

    def crossings(self, lines: Sequence[Line]) -> list[Crossing]:
        """Every crossing of the lines, exact by construction, with the class of who crossed.

        The counting rule of `lines.LineCounter` is applied to the ground points of everyone drawn while they are
        inside the picture.
        """
        counter = LineCounter(lines)
        found: list[Crossing] = []
        for one in self.everyone:
            for row, (x, y) in enumerate(one.path.tolist()):
                frame = one.first_frame + row
                if 0 <= x < self.width and 0 <= y < self.height and frame < self.frame_count:
                    point = GroundPoint(frame, frame / self.frame_rate, x, y)
                    found += counter.step(one.id, one.road_user, point)
        return sorted(found, key=lambda crossing: (crossing.time_s, crossing.line, crossing.track_id))

    def _present(self, index: int) -> list[tuple[Person | Vehicle, int]]:
        """Everyone who has a row of their path in a frame, with that row."""
        second = int(index / self.frame_rate)
        return [
            (one, index - one.first_frame)
            for one in self._by_second.get(second, ())
            if 0 <= index - one.first_frame < len(one.path)
        ]

    @cached_property
    def _by_second(self) -> dict[int, list[Person | Vehicle]]:
        seconds: dict[int, list[Person | Vehicle]] = {}
        for one in self.everyone:
            first = int(one.first_frame / self.frame_rate)
            last = int((one.first_frame + len(one.path)) / self.frame_rate)
            for second in range(first, last + 1):
                seconds.setdefault(second, []).append(one)
        return seconds

    @cached_property
    def _still(self) -> tuple[Image, float]:
        """The empty street in this light, and how much darker a cast shadow is."""
        rng = np.random.default_rng((self.seed, 1))
        image = draw_street(self.width, self.height, rng, self.layout).astype(np.float32)
        image *= np.array(GAIN[self.light], dtype=np.float32)
        if self.light == "dusk":
            rows, columns = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
            for share in (0.2, 0.75):
                distance = ((columns - share * self.width) / self.width) ** 2 + (rows / self.height - 0.45) ** 2
                image += np.exp(-distance * 18)[..., None] * np.array((18, 45, 60), dtype=np.float32)
        if self.light == "rain":
            image = image * 0.75 + 40
        shade = {"day": 0.62, "crowd": 0.68, "dusk": 0.9, "rain": 0.92}[self.light]
        return np.clip(image, 0, 255).astype(np.uint8), shade

    @cached_property
    def _noise(self) -> list[Image]:
        """Layers to add, to subtract and, in rain, three of streaks; larger than a frame, cut at random."""
        import cv2

        rng = np.random.default_rng((self.seed, 2))
        shape = (self.height + 64, self.width + 64, 3)
        noise = rng.normal(0.0, _NOISE_SD[self.light], shape).round()
        layers = [np.clip(noise, 0, 255).astype(np.uint8), np.clip(-noise, 0, 255).astype(np.uint8)]
        for _ in range(3 if self.light == "rain" else 0):
            streaks = np.zeros(shape, dtype=np.uint8)
            for x, y, length in rng.integers((0, 0, 10), (shape[1], shape[0], 28), (260, 3)).tolist():
                cv2.line(streaks, (x, y), (x - length // 6, y + length), (30, 30, 30), 1)
            layers.append(streaks)
        return layers


def street(
    seed: int,
    seconds: float,
    *,
    width: int = 768,
    height: int = 576,
    frame_rate: float = 7.0,
    light: str = "day",
    people_per_minute: float | None = None,
    cyclists_per_minute: float | None = None,
    vehicles_per_minute: float | None = None,
    trees: int = 0,
) -> Scene:
    """Plan a street: who walks and rides where and when, all from the seed.

    People enter at either side and walk across the picture; some stand for a while, some turn back, some go in pairs,
    and some meet and stop beside each other. Where cyclists or vehicles are asked for, even 0 of them, people keep to the
    pavements of a road; each lane has its own traffic, at 12 to 25 km/h on bicycles and 20 to 50 km/h in cars.

    Args:
        seed: Seed of everything random.
        seconds: Length. [s]
        width: Width of a frame. [px]
        height: Height of a frame. [px]
        frame_rate: Frames per second. [1/s]
        light: `day`, `dusk`, `rain` or `crowd` (day with many people).
        people_per_minute: People who enter in a minute on average; by default it depends on the light. [1/min]
        cyclists_per_minute: Cyclists who ride through in a minute; None and no vehicles for a street without a road. [1/min]
        vehicles_per_minute: Cars, vans and buses, the same. [1/min]
        trees: Trees whose leaves move in the wind.

    Raises:
        SourceError: A parameter is outside its range.

    Example:
        >>> street(7, 10).frame_count
        70
    """
    name = f"scene:street?seed={seed}"
    if light not in LIGHTS:
        raise SourceError(f"{name}: light is '{light}'; expected one of {', '.join(LIGHTS)}; choose one of these")
    people = _PEOPLE_PER_MINUTE[light] if people_per_minute is None else people_per_minute
    limits = {
        "seed": (seed, 0, 2**63 - 1),
        "seconds": (seconds, 0.1, 86_400),
        "width": (width, 160, 3840),
        "height": (height, 120, 2160),
        "frame_rate": (frame_rate, 1, 60),
        "people_per_minute": (people, 0, 120),
        "cyclists_per_minute": (cyclists_per_minute or 0.0, 0, 60),
        "vehicles_per_minute": (vehicles_per_minute or 0.0, 0, 60),
        "trees": (trees, 0, 20),
    }
    for parameter, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise SourceError(f"{name}: {parameter} is '{value}'; expected {low} to {high}; correct the scene's parameters")
    layout = PLAZA if cyclists_per_minute is None and vehicles_per_minute is None else ROAD
    size = (width, height)
    pairs = 0.3 if light == "crowd" else 0.15
    walking = plan_people(np.random.default_rng((seed, 0)), layout, size, frame_rate, seconds, people, pairs)
    riding = plan_traffic(
        np.random.default_rng((seed, 3)),
        layout,
        size,
        frame_rate,
        seconds,
        cyclists_per_minute or 0.0,
        vehicles_per_minute or 0.0,
        len(walking) + 1,
    )
    planted = plant(np.random.default_rng((seed, 4)), layout, size, trees)
    return Scene(seed, seconds, width, height, frame_rate, light, tuple(walking), tuple(riding), planted, layout)
