"""A rendered street whose truth is known: people walk, stand and meet, and every crossing is known by construction.

The street stands in for a camera in demos, in tests and as the sealed reference of vendor tasks. Geometry follows a
fixed camera above a pavement: a person's height grows with the distance of the feet from the horizon.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import numpy as np
import numpy.typing as npt

from analytics.video.drawing import GAIN, Image, Light, Person, draw_person, draw_street, half_width
from analytics.video.measures.lines import Crossing, GroundPoint, Line, LineCounter
from analytics.video.source import SourceError

__all__ = ["LIGHTS", "Light", "Person", "Scene", "street"]

LIGHTS: tuple[Light, ...] = get_args(Light)

_PEOPLE_PER_MINUTE: dict[Light, float] = {"day": 14.0, "dusk": 10.0, "rain": 8.0, "crowd": 30.0}
_NOISE_SD: dict[Light, float] = {"day": 2.5, "dusk": 5.0, "rain": 3.5, "crowd": 2.5}
_HEIGHT_M = 1.72


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
        people: Everyone who appears, in order of identity.
    """

    seed: int
    seconds: float
    width: int
    height: int
    frame_rate: float
    light: Light
    people: tuple[Person, ...] = field(repr=False)

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
        for person, row in sorted(self._present(index), key=lambda item: float(item[0].path[item[1], 1])):
            draw_person(image, person, row, self.light, shade)
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
        ids, boxes = [], []
        for person, row in self._present(frame_index):
            x, y = person.path[row]
            if not (0 <= x < self.width and 0 <= y < self.height):
                continue
            tall = person.height[row]
            half = half_width(tall, person.build)
            ids.append(person.id)
            boxes.append((x - half, y - tall, x + half, y))
        return (
            np.array(ids, dtype=np.int64),
            np.array(boxes, dtype=np.float32).reshape(-1, 4),
            ("pedestrian",) * len(ids),
        )

    def crossings(self, lines: Sequence[Line]) -> list[Crossing]:
        """Every crossing of the lines, exact by construction.

        The counting rule of `lines.LineCounter` is applied to the ground points of the drawn people while they are
        inside the picture.
        """
        counter = LineCounter(lines)
        found: list[Crossing] = []
        for person in self.people:
            for row, (x, y) in enumerate(person.path.tolist()):
                frame = person.first_frame + row
                if 0 <= x < self.width and 0 <= y < self.height and frame < self.frame_count:
                    point = GroundPoint(frame, frame / self.frame_rate, x, y)
                    found += counter.step(person.id, "pedestrian", point)
        return sorted(found, key=lambda crossing: (crossing.time_s, crossing.line, crossing.track_id))

    def _present(self, index: int) -> list[tuple[Person, int]]:
        """The people who have a row of their path in a frame, with that row."""
        second = int(index / self.frame_rate)
        return [
            (person, index - person.first_frame)
            for person in self._by_second.get(second, ())
            if 0 <= index - person.first_frame < len(person.path)
        ]

    @cached_property
    def _by_second(self) -> dict[int, list[Person]]:
        seconds: dict[int, list[Person]] = {}
        for person in self.people:
            first = int(person.first_frame / self.frame_rate)
            last = int((person.first_frame + len(person.path)) / self.frame_rate)
            for second in range(first, last + 1):
                seconds.setdefault(second, []).append(person)
        return seconds

    @cached_property
    def _still(self) -> tuple[Image, float]:
        """The empty street in this light, and how much darker a cast shadow is."""
        rng = np.random.default_rng((self.seed, 1))
        image = draw_street(self.width, self.height, rng).astype(np.float32) * np.array(GAIN[self.light], dtype=np.float32)
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
) -> Scene:
    """Plan a street: who walks where and when, all from the seed.

    People enter at either side and walk across the picture; some stand for a while, some turn back, some go in pairs,
    and some meet and stop beside each other.

    Args:
        seed: Seed of everything random.
        seconds: Length. [s]
        width: Width of a frame. [px]
        height: Height of a frame. [px]
        frame_rate: Frames per second. [1/s]
        light: `day`, `dusk`, `rain` or `crowd` (day with many people).
        people_per_minute: People who enter in a minute on average; by default it depends on the light. [1/min]

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
    }
    for parameter, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise SourceError(f"{name}: {parameter} is '{value}'; expected {low} to {high}; correct the scene's parameters")
    rng = np.random.default_rng((seed, 0))
    planned: list[Person] = []
    time_s = -15.0 + rng.exponential(60.0 / people) if people else math.inf
    while time_s < seconds:
        together = 1 + int(rng.random() < (0.3 if light == "crowd" else 0.15))
        meets = together == 1 and rng.random() < 0.08
        planned += _walkers(rng, len(planned) + 1, time_s, together, meets, width, height, frame_rate, seconds)
        time_s += rng.exponential(60.0 / people) * together
    return Scene(seed, seconds, width, height, frame_rate, light, tuple(planned))


def _horizon_and_scale(height: int) -> tuple[float, float]:
    """Row of the horizon and body height in pixels per row below it."""
    return -0.35 * height, 0.175


def _walkers(
    rng: np.random.Generator,
    first_id: int,
    start_s: float,
    together: int,
    meets: bool,
    width: int,
    height: int,
    frame_rate: float,
    seconds: float,
) -> list[Person]:
    """One person, a pair side by side, or two who walk towards each other, meet, and go on."""
    lane = rng.uniform(0.36, 0.93)
    heading = 1 if rng.random() < 0.5 else -1
    speed_ms = float(np.clip(rng.normal(1.35, 0.2), 0.8, 2.0))
    stop_at, stop_s = rng.uniform(0.15, 0.85), float(rng.uniform(3, 15))
    kind = rng.random()
    stops, turns = kind < 0.12, 0.12 <= kind < 0.18
    if meets:
        stops, turns = True, False
    people = []
    for member in range(2 if meets else together):
        way = -heading if meets and member else heading
        y = (lane + (0.035 if member else 0.0)) * height
        delay_s = 0.5 * member if not meets else 0.0
        people.append(
            _walker(
                rng,
                first_id + member,
                start_s + delay_s,
                way,
                y,
                speed_ms,
                (stops, turns, 0.97 - stop_at if meets and member else stop_at, stop_s),
                (width, height, frame_rate, seconds),
            )
        )
    return [person for person in people if len(person.path)]


def _walker(
    rng: np.random.Generator,
    person_id: int,
    start_s: float,
    way: int,
    y: float,
    speed_ms: float,
    pause: tuple[bool, bool, float, float],
    frame: tuple[int, int, float, float],
) -> Person:
    """Lay out one path at the frame rate, from outside one side of the picture to outside a side."""
    stops, turns, stop_at, stop_s = pause
    width, height, frame_rate, seconds = frame
    horizon, scale = _horizon_and_scale(height)
    stature = float(np.clip(rng.normal(1.0, 0.06), 0.82, 1.16))
    tall = scale * (y - horizon)
    speed = speed_ms * tall / _HEIGHT_M
    margin = 0.5 * tall
    length = width + 2 * margin
    drift_px = rng.uniform(-0.1, 0.1) * height
    sway_px, sway_s, sway_phase = rng.uniform(0, 0.02) * height, rng.uniform(8, 20), rng.uniform(0, 2 * math.pi)
    first = math.ceil(start_s * frame_rate)
    stop_distance = margin + stop_at * width
    total_s = (2 * stop_distance if turns else length) / speed + (stop_s if stops or turns else 0.0)
    elapsed = np.arange(math.floor(total_s * frame_rate) + 1) / frame_rate + (first / frame_rate - start_s)
    arrive = stop_distance / speed
    walked = speed * elapsed
    if stops or turns:
        walked = speed * (np.minimum(elapsed, arrive) + np.maximum(0.0, elapsed - arrive - stop_s))
    along = np.where(walked > stop_distance, 2 * stop_distance - walked, walked) if turns else walked
    x = -margin + along if way > 0 else width + margin - along
    feet = np.clip(y + drift_px * (x / width - 0.5), 0.33 * height, 0.96 * height) + sway_px * np.sin(
        2 * math.pi * walked / speed / sway_s + sway_phase
    )
    inside = np.arange(len(x)) + first
    keep = (inside >= 0) & (inside < round(seconds * frame_rate)) & (along >= 0) & (along <= length)
    skin = [(150, 180, 224), (105, 140, 198), (64, 92, 141), (45, 60, 85)][int(rng.integers(4))]
    top, trousers = ((int(b), int(g), int(r)) for b, g, r in (rng.integers(15, 245, 3), rng.integers(10, 120, 3)))
    return Person(
        id=person_id,
        first_frame=int(inside[keep][0]) if keep.any() else 0,
        path=np.column_stack([x, feet])[keep],
        height=(stature * scale * (feet - horizon))[keep],
        stride=(2 * math.pi * walked / (0.85 * tall))[keep],
        colours=(skin, top, trousers),
        build=float(rng.uniform(0.85, 1.2)),
    )
