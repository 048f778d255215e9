"""Overlapping tiles of a frame, so that a network sees far road users larger."""

from __future__ import annotations

OVERLAP = 0.25
"""Share of a tile that it has in common with the next: what is smaller than this is whole in one of them."""


def tiles(size: tuple[int, int], across: int) -> list[tuple[int, int, int, int]]:
    """Cut a frame into tiles of its own shape that overlap.

    Args:
        size: Height and width of the frame. [px]
        across: Tiles across, and as many down.

    Returns:
        Upper, left, lower and right edge of each tile, row by row; together they cover the frame. [px]

    Example:
        >>> tiles((80, 70), 2)
        [(0, 0, 46, 40), (0, 30, 46, 70), (34, 0, 80, 40), (34, 30, 80, 70)]
    """
    rows, columns = _spans(size[0], across), _spans(size[1], across)
    return [(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _spans(length: int, number: int) -> list[tuple[int, int]]:
    """Start and end of equal spans that overlap and cover a length."""
    span = min(length, round(length / (number - OVERLAP * (number - 1))))
    starts = [round(index * (length - span) / max(1, number - 1)) for index in range(number)]
    return [(start, start + span) for start in starts]
