"""A map of a pilot's sites that needs no map service: an SVG drawing at the right proportions, with names beside it."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dashboards.charts import BLUE, ORANGE

METRES_PER_DEGREE = 111_195.0
"""Along a meridian, on a sphere of mean radius 6371 km."""
ROUND_METRES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000)
TOGETHER_M = 1.0
"""Sites nearer to each other than this are one mark."""


@dataclass(frozen=True)
class Spot:
    """One site on the map.

    Attributes:
        number: Its number in the table.
        name: Its name.
        latitude: WGS 84. [degrees]
        longitude: WGS 84. [degrees]
        kind: `treated`, `control` or `unused`.
    """

    number: int
    name: str
    latitude: float
    longitude: float
    kind: str


@dataclass(frozen=True)
class _Mark:
    x: float
    y: float
    kind: str
    label: str


def draw(
    spots: Sequence[Spot],
    alt: str,
    *,
    width: int = 720,
    height: int = 520,
    named: bool = True,
    metres: str = "{count} m",
    ink: str = "#31333F",
) -> str:
    """Draw the sites; names stand in a column on either side, joined to their marks by thin lines, and never overlap.

    Args:
        spots: The sites; at least one.
        alt: What the map shows, for those who do not see it.
        width: Width of the drawing, which scales to its place. [px]
        height: Height of the drawing. [px]
        named: Whether names are written beside numbers.
        metres: Text of the scale bar.
        ink: Colour of text and lines.

    Returns:
        An SVG element.
    """
    side = width * (0.34 if named else 0.19)
    marks, scale = _place(spots, (side, 34.0, width - side, height - 44.0), named)
    middle = sorted(mark.x for mark in marks)[len(marks) // 2]
    left = [mark for mark in marks if mark.x < middle]
    right = [mark for mark in marks if mark.x >= middle]
    size = 13 if named else 15
    inside = [_labels(left, side - 26, "end", height, size), _labels(right, width - side + 26, "start", height, size)]
    inside += [_shape(mark) for mark in sorted(marks, key=lambda mark: mark.kind == "treated")]
    length = max((m for m in ROUND_METRES if m * scale <= width * 0.25), default=ROUND_METRES[0])
    x0, y0 = 12.0, height - 14.0
    bar = (
        f'<path d="M{x0} {y0 - 5}v5h{length * scale:.1f}v-5" fill="none" stroke="currentColor" stroke-width="1.2"/>'
        f'<text x="{x0 + length * scale + 6:.1f}" y="{y0}" font-size="12">{html.escape(metres.format(count=length))}</text>'
        f'<g transform="translate({width - 20} {height - 20})"><path d="M0 8V-9M-5 -3L0 -11L5 -3" fill="none" '
        'stroke="currentColor" stroke-width="1.5"/><text y="-15" font-size="12" text-anchor="middle">N</text></g>'
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg" '
        f'role="img" font-family="Arial, Helvetica, sans-serif" fill="{ink}" color="{ink}">'
        f"<title>{html.escape(alt)}</title>{''.join(inside)}{bar}</svg>"
    )


def _place(spots: Sequence[Spot], box: tuple[float, float, float, float], named: bool) -> tuple[list[_Mark], float]:
    """Marks within a box at equal scale both ways, and that scale in pixels per metre."""
    x0, y0, x1, y1 = box
    middle = sum(spot.latitude for spot in spots) / len(spots)
    east = [METRES_PER_DEGREE * math.cos(math.radians(middle)) * spot.longitude for spot in spots]
    north = [METRES_PER_DEGREE * spot.latitude for spot in spots]
    wide, tall = max(max(east) - min(east), TOGETHER_M), max(max(north) - min(north), TOGETHER_M)
    scale = min((x1 - x0) / wide, (y1 - y0) / tall, 5.0)
    cx, cy = (max(east) + min(east)) / 2, (max(north) + min(north)) / 2
    groups: dict[tuple[int, int, str], list[Spot]] = {}
    at: dict[tuple[int, int, str], tuple[float, float]] = {}
    for spot, e, n in zip(spots, east, north, strict=True):
        key = (round(e / TOGETHER_M), round(n / TOGETHER_M), spot.kind)
        groups.setdefault(key, []).append(spot)
        at.setdefault(key, ((x0 + x1) / 2 + (e - cx) * scale, (y0 + y1) / 2 - (n - cy) * scale))
    marks, seen = [], dict.fromkeys({key[:2] for key in groups}, 0)
    for key, group in groups.items():
        x, y = at[key]
        numbers = ", ".join(str(spot.number) for spot in group)
        names = " / ".join(dict.fromkeys(spot.name for spot in group)) if len(group) == 1 else _common(group)
        marks.append(_Mark(x + 13 * seen[key[:2]], y, key[2], f"{numbers} · {names}" if named else numbers))
        seen[key[:2]] += 1
    return marks, scale


def _common(group: Sequence[Spot]) -> str:
    """The words that the names of a group begin with, else all names."""
    words = [spot.name.split() for spot in group]
    shared = [first[0] for first in zip(*words, strict=False) if len(set(first)) == 1]
    return " ".join(shared) or " / ".join(spot.name for spot in group)


def _labels(marks: Sequence[_Mark], x: float, anchor: str, height: float, size: int) -> str:
    """Labels in a column, in order of their marks and at least a line apart, each joined to its mark."""
    if not marks:
        return ""
    line, ordered = size + 7.0, sorted(marks, key=lambda mark: (mark.y, mark.x))
    line = min(line, (height - 60) / len(ordered))
    heights = [max(mark.y, 18.0) for mark in ordered]
    for i, (above, here) in enumerate(pairwise(list(heights)), start=1):
        heights[i] = max(here, max(heights[i - 1], above) + line)
    lowest = height - 40.0
    for i in range(len(heights) - 1, -1, -1):
        heights[i] = min(heights[i], lowest)
        lowest = heights[i] - line
    towards = 5 if anchor == "end" else -5
    style = {"treated": ' font-weight="600"', "control": "", "unused": ' opacity="0.6"'}
    return "".join(
        f'<path d="M{x + towards:.1f} {y:.1f}H{x + 3.2 * towards:.1f}L{mark.x:.1f} {mark.y:.1f}" fill="none" '
        f'stroke="currentColor" stroke-width="0.8" opacity="0.3"/>'
        f'<text x="{x:.1f}" y="{y + size * 0.35:.1f}" font-size="{size}" text-anchor="{anchor}"{style[mark.kind]}>'
        f"{html.escape(mark.label)}</text>"
        for mark, y in zip(ordered, heights, strict=True)
    )


def _shape(mark: _Mark) -> str:
    at = f'transform="translate({mark.x:.1f} {mark.y:.1f})"'
    if mark.kind == "treated":
        return f'<circle {at} r="7.5" fill="{BLUE[False]}" stroke="#fff" stroke-width="1.5"/>'
    if mark.kind == "control":
        return f'<path {at} d="M0 -7L7 0L0 7L-7 0Z" fill="{ORANGE[False]}" stroke="#fff" stroke-width="1.2"/>'
    return f'<path {at} d="M-5 -5L5 5M-5 5L5 -5" stroke="currentColor" opacity="0.6" stroke-width="2" fill="none"/>'
