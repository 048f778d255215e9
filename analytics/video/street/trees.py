"""Trees at the foot of the house fronts, whose leaves move in the wind."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.video.drawing import Image, Light, in_light
from analytics.video.street.layout import Layout

_ROW = 0.27  # where trunks stand [heights of the picture]
_LEAVES = 90
_SUBPIXEL = 4


@dataclass(frozen=True)
class Tree:
    """One tree of the scene.

    Attributes:
        x: Where its trunk stands, across. [px]
        y: Where its trunk stands, down. [px]
        metre: Pixels that a metre takes there. [px/m]
        leaves: Across and height above the ground, radius, and two phases of each tuft, shape `(n, 5)`. [m, m, m, rad, rad]
        greens: BGR of each tuft, shape `(n, 3)`.
        period_s: How long the trunk takes to swing there and back. [s]
    """

    x: float
    y: float
    metre: float
    leaves: npt.NDArray[np.float64]
    greens: npt.NDArray[np.int64]
    period_s: float


def plant(rng: np.random.Generator, layout: Layout, size: tuple[int, int], trees: int) -> tuple[Tree, ...]:
    """Trees at even distances, each somewhat beside its place."""
    width, height = size
    metre = layout.metre(_ROW, height)
    found = []
    for number in range(trees):
        x = (number + 0.5 + rng.uniform(-0.2, 0.2)) * width / trees
        angle, far = rng.uniform(0, 2 * math.pi, _LEAVES), np.sqrt(rng.uniform(0, 1, _LEAVES))
        leaves = np.column_stack(
            [
                1.3 * far * np.cos(angle),
                3.1 + 1.2 * far * np.sin(angle),
                rng.uniform(0.12, 0.3, _LEAVES),
                rng.uniform(0, 2 * math.pi, (_LEAVES, 2)),
            ]
        )
        greens = np.array((40, 95, 60)) + rng.integers(-25, 30, (_LEAVES, 1)) + rng.integers(-8, 9, (_LEAVES, 3))
        found.append(Tree(x, _ROW * height, metre, leaves, greens, float(rng.uniform(2.5, 4.0))))
    return tuple(found)


def draw_tree(image: Image, tree: Tree, time_s: float, light: Light) -> None:
    """Draw one tree as the wind holds it at an instant: gusts swing it as a whole, and every tuft trembles."""
    import cv2

    one = 1 << _SUBPIXEL
    gust = 0.5 + 0.5 * math.sin(2 * math.pi * time_s / 13.0 + tree.x)
    swing = (0.04 + 0.1 * gust) * math.sin(2 * math.pi * time_s / tree.period_s + tree.x)
    foot, fork = (round(tree.x * one), round(tree.y * one)), tree.x + 0.5 * swing * tree.metre
    bark = in_light((50, 62, 75), light)
    thick = max(2, round(0.25 * tree.metre))
    cv2.line(image, foot, (round(fork * one), round((tree.y - 2.4 * tree.metre) * one)), bark, thick, cv2.LINE_AA, _SUBPIXEL)
    across, up, radius, phase, other = tree.leaves.T
    tremble = 0.02 + 0.04 * gust
    across = across + swing * up / 3 + tremble * np.sin(2 * math.pi * time_s / 0.8 + phase)
    up = up + tremble * np.sin(2 * math.pi * time_s / 0.9 + other)
    xs, ys = np.round((tree.x + across * tree.metre) * one).astype(int), np.round((tree.y - up * tree.metre) * one).astype(int)
    radii = np.round(radius * tree.metre * one).astype(int)
    for x, y, r, green in zip(xs.tolist(), ys.tolist(), radii.tolist(), tree.greens.tolist(), strict=True):
        cv2.circle(image, (x, y), r, in_light(green, light), -1, cv2.LINE_AA, _SUBPIXEL)
