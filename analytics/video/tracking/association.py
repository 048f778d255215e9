"""What a tracker knows of each road user, and which box it takes for which of them."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from analytics.video.measures.ground import GroundPoint

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2. [px]"""
_HISTORY = 64  # points kept of a track; the counter reads them every frame
ERROR = 0.08  # how far a detected ground point lies off [body lengths]
_SPEED = 0.8  # how fast a road user may be when first seen [body lengths/s]
_GATE = 0.25  # how far from its prediction a road user may be found [body lengths]
_GATE_YOUNG = 0.25  # added while its speed is hardly known [body lengths]
_GATE_HIDDEN = 0.4  # added for each second hidden, up to one [body lengths]
_GATE_SHORT, _GATE_TALL = math.exp(-0.4), math.exp(0.4)  # how much a height may change
_WEIGHT_SIZE = 0.25  # body lengths that a factor of e in height is worth


@dataclass(slots=True)
class Track:
    """One road user as followed so far.

    Attributes:
        id: Identity, unique within one tracker.
        box: Latest box x1, y1, x2, y2, predicted where the road user is hidden. [px]
        history: Ground points (bottom centre) of the frames in which it was seen, oldest first.
        missed_s: Time since it was last seen. [s]
        votes: Sum of scores of each class.
        score: Score of the box in which it was last seen.
    """

    id: int
    box: Box
    history: deque[GroundPoint] = field(default_factory=lambda: deque(maxlen=_HISTORY))
    missed_s: float = 0.0
    votes: dict[str, float] = field(default_factory=dict)
    score: float = 0.0

    @property
    def road_user(self) -> str:
        """Class by vote over the whole track."""
        return next(iter(self.votes)) if len(self.votes) == 1 else max(sorted(self.votes), key=lambda label: self.votes[label])

    @property
    def label(self) -> str:
        """The same as `road_user`."""
        return self.road_user


@dataclass(slots=True)
class State:
    """Constant-velocity Kalman state of one track; both axes share one covariance, in units of its length."""

    track: Track
    x: float
    y: float
    wide: float
    tall: float
    length: float
    vx: float = 0.0
    vy: float = 0.0
    p_xx: float = ERROR**2
    p_xv: float = 0.0
    p_vv: float = _SPEED**2
    hits: int = 1
    seen: int = -1
    missed_s: float = 0.0
    established: bool = False
    moved: bool = False
    began_x: float = 0.0
    began_y: float = 0.0

    def box(self) -> Box:
        """The box as predicted or corrected."""
        return (self.x - self.wide / 2, self.y - self.tall, self.x + self.wide / 2, self.y)


def assign(
    group: list[State], centres: list[float], boxes: list[Box], round_of: list[int], number: int
) -> list[tuple[State, int]]:
    """Pair tracks with boxes at the least total cost, within a gate.

    A track and a box that have no other choice are a pair; costs are reckoned only where several compete.

    Args:
        group: Tracks.
        centres: Horizontal centres of the boxes, ascending. [px]
        boxes: All boxes, from left to right. [px]
        round_of: The round in which each box is offered.
        number: The round.

    Returns:
        Pairs of a track and the place of a box.
    """
    options: list[list[int]] = []
    count = len(boxes)
    wanted = [0] * count
    for state in group:
        x, y, tall = state.x, state.y, state.tall
        gate = _GATE if state.missed_s == 0.0 else _GATE + _GATE_HIDDEN * min(1.0, state.missed_s)
        reach = (gate + _GATE_YOUNG if state.hits < 3 else gate) * state.length
        near: list[int] = []
        place = bisect_left(centres, x - reach)
        while place < count and centres[place] <= x + reach:
            if round_of[place] == number:
                _, top, _, foot = boxes[place]
                if _GATE_SHORT * tall <= foot - top <= _GATE_TALL * tall:
                    dy, dy_top = foot - y, top - y + tall
                    if dy_top * dy_top < dy * dy:
                        dy = dy_top
                    dx = centres[place] - x
                    if dx * dx + dy * dy <= reach * reach:
                        near.append(place)
                        wanted[place] += 1
            place += 1
        options.append(near)
    pairs: list[tuple[State, int]] = []
    contested: list[int] = []
    for row, near in enumerate(options):
        if len(near) == 1 and wanted[near[0]] == 1:
            pairs.append((group[row], near[0]))
        elif near:
            contested.append(row)
    if contested:
        from scipy.optimize import linear_sum_assignment

        cost = np.full((len(contested), count), 1e3)
        for row, index in enumerate(contested):
            for place in options[index]:
                cost[row, place] = _cost(group[index], boxes[place])
        rows, places = linear_sum_assignment(cost)
        pairs += [
            (group[contested[row]], place)
            for row, place in zip(rows.tolist(), places.tolist(), strict=True)
            if cost[row, place] < 1e3
        ]
    return pairs


def _cost(state: State, box: Box) -> float:
    """How badly a box fits a track: by the distance of its foot or its top, by its size and by its overlap."""
    x1, y1, x2, y2 = box
    x, y, tall, half = state.x, state.y, state.tall, state.wide / 2
    dy = min(abs(y2 - y), abs(y1 - y + tall))
    distance = math.hypot((x1 + x2) / 2 - x, dy) / state.length
    both = max(0.0, min(x2, x + half) - max(x1, x - half)) * max(0.0, min(y2, y) - max(y1, y - tall))
    overlap = both / ((x2 - x1) * (y2 - y1) + 2 * half * tall - both)
    return distance + _WEIGHT_SIZE * abs(math.log((y2 - y1) / tall)) + 1.0 - overlap
