"""Parts of a picture side by side in a smaller one, so that a network looks only where something moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]

_GAP = 8  # between parts, so that nothing seems to reach from one into the next [px]
_SEAM = 1.1  # two parts become one where that needs no more area than this times theirs: a seam costs more than area
_INSIDE = 0.5  # a box of which less than this share lies in its part has its subject elsewhere


@dataclass(frozen=True)
class Part:
    """A rectangle of the picture and where it lies in the mosaic.

    Attributes:
        top: Upper edge in the picture. [px]
        left: Left edge. [px]
        bottom: Lower edge. [px]
        right: Right edge. [px]
        row: Upper edge in the mosaic. [px]
        column: Left edge there. [px]
    """

    top: int
    left: int
    bottom: int
    right: int
    row: int = 0
    column: int = 0


def parts_of(boxes: Float, size: tuple[int, int]) -> list[Part]:
    """Rectangles that hold all boxes; two become one where that needs no more area than both.

    Args:
        boxes: Boxes x1, y1, x2, y2 that are to be looked at, shape `(n, 4)`. [px]
        size: Height and width of the picture. [px]
    """
    rims = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
    rims = np.clip(rims, 0, np.array([size[1], size[0]] * 2)).astype(np.int64)
    rims = rims[((rims[:, 2:] - rims[:, :2]) > 0).all(axis=1)]
    while len(rims) > 1:
        low, high = np.minimum(rims[:, None, :2], rims[None, :, :2]), np.maximum(rims[:, None, 2:], rims[None, :, 2:])
        area = (rims[:, 2:] - rims[:, :2]).prod(axis=1)
        gain = _SEAM * (area[:, None] + area[None]) - (high - low).prod(axis=2)
        np.fill_diagonal(gain, -1)
        first, second = (int(value) for value in np.unravel_index(int(gain.argmax()), gain.shape))
        if gain[first, second] < 0:
            break
        rims[first] = [*low[first, second], *high[first, second]]
        rims = np.delete(rims, second, axis=0)
    return [Part(top, left, bottom, right) for left, top, right, bottom in rims.tolist()]


def covers(boxes: Float, size: tuple[int, int], cell: int = 8) -> float:
    """Share of a picture that boxes cover together, to the nearest cells.

    Args:
        boxes: Boxes x1, y1, x2, y2, shape `(n, 4)`. [px]
        size: Height and width of the picture. [px]
        cell: Side of a cell. [px]
    """
    cells = np.zeros((-(-size[0] // cell), -(-size[1] // cell)), bool)
    for x1, y1, x2, y2 in np.clip(np.rint(boxes / cell), 0, None).astype(int).tolist():
        cells[y1:y2, x1:x2] = True
    return float(cells.mean())


def pack(parts: list[Part], widest: int, step: int) -> tuple[list[Part], tuple[int, int]]:
    """Put parts on shelves, the tallest first, in the width that needs the least area.

    Args:
        parts: The parts.
        widest: Width that the mosaic may have, unless a part is wider. [px]
        step: The mosaic's sides are multiples of this. [px]

    Returns:
        The parts with their places, and height and width of the mosaic. [px]
    """
    ordered = sorted(parts, key=lambda part: (part.top - part.bottom, part.left))
    narrowest = max(part.right - part.left for part in parts)
    best: tuple[list[Part], tuple[int, int]] | None = None
    for width in range(-(-narrowest // step) * step, max(widest, narrowest) + step, step):
        placed, row, column, tall = [], 0, 0, 0
        for part in ordered:
            wide = part.right - part.left
            if column and column + wide > width:
                row, column, tall = row + tall + _GAP, 0, 0
            placed.append(Part(part.top, part.left, part.bottom, part.right, row, column))
            tall = max(tall, part.bottom - part.top)
            column += wide + _GAP
        size = (-(-(row + tall) // step) * step, width)
        if best is None or size[0] * size[1] < best[1][0] * best[1][1]:
            best = placed, size
    assert best is not None
    return best


def compose(picture: Image, parts: list[Part], size: tuple[int, int], pad: int) -> Image:
    """The mosaic: each part at its place, the rest grey."""
    mosaic = np.full((*size, 3), pad, np.uint8)
    for part in parts:
        target = mosaic[
            part.row : part.row + part.bottom - part.top,
            part.column : part.column + part.right - part.left,
        ]
        target[:] = picture[part.top : part.bottom, part.left : part.right]
    return mosaic


def bring_back(boxes: Float, parts: list[Part]) -> tuple[Float, npt.NDArray[np.int64]]:
    """Boxes of the mosaic in the picture, cut to their part.

    Args:
        boxes: Boxes x1, y1, x2, y2 in the mosaic, shape `(n, 4)`. [px]
        parts: The parts with their places.

    Returns:
        Boxes in the picture, and which of the given ones they are: one whose centre lies in no part, or most of which
        lies outside its part, is left out.
    """
    placed = np.array([(p.column, p.row, p.column + p.right - p.left, p.row + p.bottom - p.top) for p in parts], np.float32)
    moved = np.array([(p.left - p.column, p.top - p.row) * 2 for p in parts], np.float32)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2  # parts do not overlap in the mosaic
    within = np.asarray((centre[:, None] >= placed[None, :, :2]) & (centre[:, None] < placed[None, :, 2:]))
    inside = np.asarray(within.all(axis=2))
    home = inside.argmax(axis=1)
    limits = placed[home]
    cut = np.concatenate([np.maximum(boxes[:, :2], limits[:, :2]), np.minimum(boxes[:, 2:], limits[:, 2:])], axis=1)
    area, whole = (cut[:, 2:] - cut[:, :2]).prod(axis=1), (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept = np.flatnonzero(inside.any(axis=1) & (area >= _INSIDE * whole))
    return (cut + moved[home])[kept].astype(np.float32), kept


def is_at_rim(boxes: Float, parts: list[Part], size: tuple[int, int], near: float = 2.0) -> npt.NDArray[np.bool_]:
    """Which boxes end where a part of the picture was cut out, and not at the picture's own edge.

    Args:
        boxes: Boxes in the picture, shape `(n, 4)`. [px]
        parts: The parts.
        size: Height and width of the picture. [px]
        near: What counts as at the edge. [px]
    """
    cut = np.zeros(len(boxes), bool)
    for part in parts:
        inside = (
            (boxes[:, 0] >= part.left) & (boxes[:, 2] <= part.right) & (boxes[:, 1] >= part.top) & (boxes[:, 3] <= part.bottom)
        )
        ends = (part.left > 0) & (boxes[:, 0] <= part.left + near) | (part.right < size[1]) & (boxes[:, 2] >= part.right - near)
        ends |= (part.top > 0) & (boxes[:, 1] <= part.top + near) | (part.bottom < size[0]) & (
            boxes[:, 3] >= part.bottom - near
        )
        cut |= inside & ends
    return cut
