"""How the rendered street and its people look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from analytics.video.street.layout import PLAZA, Layout

Light = Literal["day", "dusk", "rain", "crowd"]
Image = npt.NDArray[np.uint8]

GAIN: dict[Light, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "dusk": (0.52, 0.42, 0.40),
    "rain": (0.74, 0.72, 0.70),
    "crowd": (1.0, 1.0, 1.0),
}
"""How bright blue, green and red are in each light, relative to day."""
_SUBPIXEL = 4  # fractional bits of drawn coordinates


@dataclass(frozen=True)
class Person:
    """One person of the scene: a path on the ground and a look.

    Attributes:
        id: Identity, from 1.
        first_frame: Frame of the first row of `path`.
        path: Ground point in each frame, shape `(n, 2)`. [px]
        height: Height of the body in each frame, shape `(n,)`. [px]
        stride: Phase of the step in each frame, shape `(n,)`. [rad]
        colours: BGR of skin, top, trousers.
        build: Width of the body relative to the usual.
        road_user: The word that the contracts have for people on foot.
    """

    road_user: ClassVar[str] = "pedestrian"

    id: int
    first_frame: int
    path: npt.NDArray[np.float64]
    height: npt.NDArray[np.float64]
    stride: npt.NDArray[np.float64]
    colours: tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]
    build: float

    def box(self, row: int) -> tuple[float, float, float, float]:
        """Box x1, y1, x2, y2 around what is drawn for a row of the path; it may reach beyond the picture [px]."""
        (x, y), tall = self.path[row], self.height[row]
        half = half_width(tall, self.build)
        return x - half, y - tall, x + half, y


def half_width(tall: float, build: float) -> float:
    """Half the width of a person's box, in pixels."""
    return 0.19 * tall * build


def in_light(colour: Sequence[float], light: Light) -> tuple[float, ...]:
    """A colour of day as it looks in a light; BGR."""
    lift = 40 if light == "rain" else 0
    share = 0.75 if lift else 1.0
    return tuple(min(255.0, part * gain * share + lift) for part, gain in zip(colour, GAIN[light], strict=True))


def draw_person(image: Image, person: Person, row: int, light: Light, shade: float) -> None:
    """Draw one person and the cast shadow; the lower foot stands on the ground point."""
    import cv2

    x, y = person.path[row]
    tall, phase = person.height[row], person.stride[row]
    half = half_width(tall, person.build)
    skin, top, trousers = (in_light(colour, light) for colour in person.colours)
    one = 1 << _SUBPIXEL

    def at(right: float, up: float) -> tuple[int, int]:
        return round((x + right * half) * one), round((y - up * tall) * one)

    _shadow(image, x, y, tall, half, shade)
    swing = math.sin(phase)
    limb = max(2, round(0.38 * half))
    raised = 0.03 * abs(math.cos(phase))
    for leg in (-1.0, 1.0):
        up = limb / 2 / tall + (raised if leg * math.cos(phase) > 0 else 0.0)
        cv2.line(image, at(0.15 * leg, 0.5), at(0.15 * leg + 0.55 * leg * swing, up), trousers, limb, cv2.LINE_AA, _SUBPIXEL)
    body = [at(-0.5, 0.83), at(0.5, 0.83), at(0.42, 0.46), at(-0.42, 0.46)]
    cv2.fillConvexPoly(image, np.array(body, dtype=np.int32), top, cv2.LINE_AA, _SUBPIXEL)
    for arm in (-1.0, 1.0):
        hand = at(0.55 * arm - 0.45 * arm * swing, 0.48)
        cv2.line(image, at(0.5 * arm, 0.8), hand, top, max(1, limb * 2 // 3), cv2.LINE_AA, _SUBPIXEL)
    cv2.circle(image, at(0.0, 0.925), round(0.07 * tall * one), skin, -1, cv2.LINE_AA, _SUBPIXEL)


def _shadow(image: Image, x: float, y: float, tall: float, half: float, shade: float) -> None:
    """Darken the ground beside the feet, to the lower right as under an afternoon sun."""
    reach, drop = 0.75 * tall, 0.12 * tall
    corners = [
        (x - 0.5 * half, y),
        (x + 0.3 * half, y - 0.2 * half),
        (x + reach, y + drop - 0.35 * half),
        (x + reach + 0.3 * half, y + drop),
        (x + reach, y + drop + 0.2 * half),
    ]
    darken(image, np.array(corners), shade, (x - half, y - 0.3 * half, x + reach + half, y + drop + half))


def darken(image: Image, corners: npt.NDArray[np.float64], shade: float, around: tuple[float, float, float, float]) -> None:
    """Multiply a convex part of a picture with a factor below 1.

    Args:
        image: The picture, which is changed.
        corners: Corners of the part, shape `(n, 2)`. [px]
        shade: The factor.
        around: A box x1, y1, x2, y2 that holds the part. [px]
    """
    import cv2

    left, upper = max(0, int(around[0])), max(0, int(around[1]))
    right, lower = min(image.shape[1], int(around[2])), min(image.shape[0], int(around[3]))
    if right <= left or lower <= upper:
        return
    mask = np.zeros((lower - upper, right - left), dtype=np.uint8)
    one = 1 << _SUBPIXEL
    cv2.fillConvexPoly(mask, ((corners - (left, upper)) * one).astype(np.int32), 255, cv2.LINE_AA, _SUBPIXEL)
    part = image[upper:lower, left:right]
    cv2.copyTo(cv2.convertScaleAbs(part, None, shade, 0.0), mask, part)


def draw_street(width: int, height: int, rng: np.random.Generator, layout: Layout = PLAZA) -> Image:
    """A street without people: house fronts, pavement slabs with texture, a kerb and a road."""
    import cv2

    image = np.empty((height, width, 3), dtype=np.float32)
    wall, kerb, near = round(0.26 * height), *(round(row * height) for row in layout.carriageway)
    image[:wall] = (120, 135, 150)
    image[wall:] = (168, 172, 176)
    image[kerb:near] = (104, 102, 100)
    x = 0
    while x < width:
        front = int(rng.integers(width // 9, width // 5))
        image[: wall - 6, x : x + front] = rng.uniform(90, 190) + rng.uniform(-30, 30, 3)
        for column in range(x + front // 6, x + front - front // 4, max(8, front // 4)):
            for row in range(wall // 8, wall - wall // 4, max(8, wall // 3)):
                glass = (slice(row, row + wall // 5), slice(column, column + front // 7))
                image[glass] = rng.uniform(40, 110) + np.array((18, 8, 0))
        x += front
    for slab in range(9):
        row = wall + round((kerb - wall) * (slab / 9) ** 1.3)
        image[row : row + 2] *= 0.88
    for column in range(-width, 2 * width, max(24, width // 14)):
        centre = width / 2
        cv2.line(image, (round(centre + (column - centre) * 0.6), wall), (column, kerb), (146, 150, 154), 1, cv2.LINE_AA)
    image[kerb : kerb + 6] = (190, 194, 196)
    if layout.lanes:
        _mark_lanes(image, near, layout)
    for scale, strength in ((1, 6.0), (6, 7.0), (40, 8.0)):
        grain = rng.normal(0.0, strength, (height // scale + 2, width // scale + 2)).astype(np.float32)
        image += cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def _mark_lanes(image: npt.NDArray[np.float32], near: int, layout: Layout) -> None:
    """Paint the lines between lanes, dashed in the middle, and the kerb and the slabs of the near pavement."""
    height, width = image.shape[:2]
    for behind, lane in zip(layout.lanes, layout.lanes[1:], strict=False):
        row = round((behind.row + 0.015) * height)
        dash = width // 24 if lane.heading != behind.heading else width
        for left in range(0, width, 2 * dash):
            image[row : row + 2, left : left + dash] = (200, 204, 206)
    image[near - 5 : near] = (190, 194, 196)
    for slab in range(1, 7):
        row = near + round((height - near) * (slab / 7) ** 1.2)
        image[row : row + 2] *= 0.88
