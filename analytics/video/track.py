"""Tracker: keeps the identity of a road user from frame to frame."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from analytics.video.detect import Detections
from analytics.video.lines import GroundPoint

ANCHORS = {"foot": 0.0, "centre": 0.5}
"""Points of a box that can be counted, with their height above its lower edge. [box heights]"""
_HISTORY = 64  # points kept of a track; the counter reads them every frame
_ACCELERATION = 1.0  # how far a walking person departs from constant velocity [body lengths/s2]
_ACCELERATION_BY_SPEED = 0.5  # the same for a vehicle, whose speed on the picture shrinks with its distance [1/s]
_ERROR = 0.08  # how far a detected ground point lies off [body lengths]
_SPEED = 0.8  # how fast a road user may be when first seen [body lengths/s]
_GATE = 0.25  # how far from its prediction a road user may be found [body lengths]
_GATE_YOUNG = 0.25  # added while its speed is hardly known [body lengths]
_GATE_HIDDEN = 0.25  # added for each second hidden, up to one [body lengths]
_GATE_SIZE = 0.4  # largest difference of the logarithms of two heights
_WEIGHT_SIZE = 0.25  # body lengths that a factor of e in height is worth
_CUT = 0.7  # a box below this share of the usual height has its top or its foot hidden
_TWIN = 0.7  # share of the smaller of two boxes that the other covers, where both are on one road user
_MOVED = 0.25  # a road user is reported once it has moved so far [body lengths]


@dataclass(slots=True)
class Track:
    """One road user as followed so far.

    Attributes:
        id: Identity, unique within one tracker.
        box: Latest box x1, y1, x2, y2, predicted where the road user is hidden. [px]
        history: Ground points (bottom centre) of the frames in which it was seen, oldest first.
        missed_s: Time since it was last seen. [s]
        votes: Sum of scores of each class.
    """

    id: int
    box: tuple[float, float, float, float]
    history: deque[GroundPoint] = field(default_factory=lambda: deque(maxlen=_HISTORY))
    missed_s: float = 0.0
    votes: dict[str, float] = field(default_factory=dict)

    @property
    def road_user(self) -> str:
        """Class by vote over the whole track."""
        return max(sorted(self.votes), key=lambda label: self.votes[label])

    @property
    def label(self) -> str:
        """The same as `road_user`."""
        return self.road_user


@dataclass(slots=True)
class _State:
    """Constant-velocity Kalman state of one track; both axes share one covariance, in units of its length."""

    track: Track
    x: float
    y: float
    wide: float
    tall: float
    length: float
    vx: float = 0.0
    vy: float = 0.0
    p_xx: float = _ERROR**2
    p_xv: float = 0.0
    p_vv: float = _SPEED**2
    hits: int = 1
    established: bool = False
    moved: bool = False
    began_x: float = 0.0
    began_y: float = 0.0

    def box(self) -> tuple[float, float, float, float]:
        """The box as predicted or corrected."""
        return (self.x - self.wide / 2, self.y - self.tall, self.x + self.wide / 2, self.y)


class Tracker:
    """Follows boxes by constant velocity and an optimal assignment in each frame, sure boxes before doubtful ones.

    Distances are measured in body lengths (the longer side of the box), so that the same settings serve near and far,
    walkers and lorries, and times in seconds, so that they serve 5 and 30 frames per second. What never moves, such
    as a bollard that looks like a person or a parked car, is not reported; what begins to move is, with the points
    from before.

    Source:
        Boxes of low score in a second round: ByteTrack (Zhang et al., 2022).
    """

    def __init__(
        self,
        *,
        confirm_hits: int = 3,
        hidden_s: float = 1.6,
        sure_score: float = 0.0,
        birth_score: float = 0.0,
        anchor: str = "foot",
    ) -> None:
        """Start without tracks.

        Args:
            confirm_hits: Frames in which a road user must be seen before it is reported; its earlier points are kept.
            hidden_s: How long a road user may be hidden before its track ends. [s]
            sure_score: Boxes below can only continue a track for which no better box was found.
            birth_score: Boxes below begin no track.
            anchor: Which point of a box the histories hold: `foot` (bottom centre, where it touches the ground) or
                `centre`.
        """
        self._raise_by = ANCHORS[anchor]
        self._confirm_hits = confirm_hits
        self._hidden_s = hidden_s
        self._sure_score = sure_score
        self._birth_score = birth_score
        self._states: list[_State] = []
        self._time_s: float | None = None
        self._next_id = 1
        self._frame = -1
        self._height = math.inf

    def update(
        self, detections: Detections, time_s: float, frame: int | None = None, *, height: float = math.inf
    ) -> list[Track]:
        """Take the detections of the next frame in.

        Args:
            detections: What the detector found.
            time_s: Time of the frame, later than that of the last call. [s]
            frame: Index of the frame; by default one more than at the last call.
            height: Height of the picture: whose feet are below it is counted at its lower edge. [px]

        Returns:
            Every confirmed track that has not ended, also one that is hidden at the moment.
        """
        self._frame = self._frame + 1 if frame is None else frame
        self._height = height
        dt = 0.0 if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        states = self._states
        self._predict(dt)
        boxes: list[tuple[float, float, float, float]] = detections.boxes.tolist()
        scores: list[float] = detections.scores.tolist()
        order = sorted(
            (i for i, (x1, y1, x2, y2) in enumerate(boxes) if x2 > x1 and y2 > y1 and math.isfinite(x1 + y1 + x2 + y2)),
            key=lambda i: boxes[i][0] + boxes[i][2],
        )
        sure = [i for i in order if scores[i] >= self._sure_score]
        doubtful = [i for i in order if scores[i] < self._sure_score] if len(sure) < len(order) else []
        labels = detections.labels
        for established, offered in ((True, sure), (False, sure), (True, doubtful), (False, doubtful)):
            if not offered:
                continue
            group = [s for s in states if s.established == established and s.track.history[-1].frame != self._frame]
            taken = set()
            for state, column in _assign(group, boxes, offered):
                taken.add(column)
                self._see(state, boxes[column], labels[column], scores[column], time_s)
            if taken:
                offered[:] = [i for i in offered if i not in taken]
        living = []
        for state in states:
            track = state.track
            if track.history[-1].frame != self._frame:
                track.missed_s = time_s - track.history[-1].time_s
                track.box = state.box()
                if track.missed_s > (self._hidden_s if state.established else min(self._hidden_s, 2.5 * dt)):
                    continue
            living.append(state)
        self._states = living
        for column in sure:
            if scores[column] >= self._birth_score and not self._is_twin(boxes[column]):
                self._begin(boxes[column], labels[column], scores[column], time_s)
        return [state.track for state in self._states if state.moved]

    def _predict(self, dt: float) -> None:
        """Move every track on by a time step."""
        least, by_speed = _ACCELERATION**2, _ACCELERATION_BY_SPEED**2
        for state in self._states:
            vx, vy = state.vx, state.vy
            q = least + by_speed * (vx * vx + vy * vy) / state.length**2
            state.x += vx * dt
            state.y += vy * dt
            p_xv, p_vv = state.p_xv, state.p_vv
            half = q * dt * dt / 2
            state.p_xx += dt * (2 * p_xv + dt * (p_vv + half / 2))
            state.p_xv = p_xv + dt * (p_vv + half)
            state.p_vv = p_vv + 2 * half

    def _is_twin(self, box: tuple[float, float, float, float]) -> bool:
        """Whether a box lies on a road user that is seen in this frame."""
        x1, y1, x2, y2 = box
        for state in self._states:
            if state.track.history[-1].frame == self._frame:
                u1, v1, u2, v2 = state.track.box
                across, down = min(x2, u2) - max(x1, u1), min(y2, v2) - max(y1, v1)
                if across > 0 and down > 0:
                    both = across * down
                    if both > _TWIN * min((x2 - x1) * (y2 - y1), (u2 - u1) * (v2 - v1)):
                        return True
        return False

    def _see(self, state: _State, box: tuple[float, float, float, float], label: str, score: float, time_s: float) -> None:
        x1, y1, x2, y2 = box
        wide, tall = x2 - x1, y2 - y1
        if tall < _CUT * state.tall and state.hits >= 3:
            share = 0.05
            if abs(y1 - state.y + state.tall) < abs(y2 - state.y):
                y2 = y1 + state.tall
        else:
            share = 0.25
        state.wide += share * (wide - state.wide)
        state.tall += share * (tall - state.tall)
        state.length = max(state.wide, state.tall)
        k_x = state.p_xx / (state.p_xx + _ERROR**2)
        k_v = state.p_xv / (state.p_xx + _ERROR**2)
        dx, dy = (x1 + x2) / 2 - state.x, y2 - state.y
        state.x += k_x * dx
        state.y += k_x * dy
        state.vx += k_v * dx
        state.vy += k_v * dy
        state.p_vv -= k_v * state.p_xv
        state.p_xv *= 1 - k_x
        state.p_xx *= 1 - k_x
        state.hits += 1
        track = state.track
        track.box, track.missed_s = state.box(), 0.0
        y = min(state.y, self._height) - self._raise_by * state.tall
        track.history.append(GroundPoint(self._frame, time_s, state.x, y, state.tall))
        track.votes[label] = track.votes.get(label, 0.0) + score
        if not state.moved and state.hits >= self._confirm_hits:
            state.established = True
            state.moved = math.hypot(state.x - state.began_x, state.y - state.began_y) >= _MOVED * state.length

    def _begin(self, box: tuple[float, float, float, float], label: str, score: float, time_s: float) -> None:
        x1, y1, x2, y2 = box
        track = Track(self._next_id, box)
        self._next_id += 1
        x, wide, tall = (x1 + x2) / 2, x2 - x1, y2 - y1
        y = min(y2, self._height) - self._raise_by * tall
        track.history.append(GroundPoint(self._frame, time_s, x, y, tall))
        track.votes[label] = score
        state = _State(track, x, y2, wide, tall, max(wide, tall), began_x=x, began_y=y2)
        state.established = state.moved = self._confirm_hits <= 1
        self._states.append(state)


def _assign(
    group: list[_State], boxes: list[tuple[float, float, float, float]], offered: list[int]
) -> list[tuple[_State, int]]:
    """Pair tracks with boxes at the least total cost, within a gate.

    Args:
        group: Tracks.
        boxes: All boxes. [px]
        offered: Indices of the boxes to pair, from left to right.

    Returns:
        Pairs of a track and the index of a box.
    """
    if not group or not offered:
        return []
    centres = [(boxes[i][0] + boxes[i][2]) / 2 for i in offered]
    number = len(centres)
    options: list[list[tuple[int, float]]] = []
    wanted = [0] * number
    for state in group:
        x, y, tall, length = state.x, state.y, state.tall, state.length
        gate = _GATE + _GATE_HIDDEN * min(1.0, state.track.missed_s) + (_GATE_YOUNG if state.hits < 3 else 0.0)
        reach = gate * length
        half, area = state.wide / 2, state.wide * tall
        near: list[tuple[int, float]] = []
        place = bisect_left(centres, x - reach)
        while place < number and centres[place] <= x + reach:
            x1, y1, x2, y2 = boxes[offered[place]]
            dy = min(abs(y2 - y), abs(y1 - y + tall))
            if dy <= reach:
                distance = math.hypot(centres[place] - x, dy) / length
                ratio = abs(math.log((y2 - y1) / tall))
                if distance <= gate and ratio <= _GATE_SIZE:
                    both = max(0.0, min(x2, x + half) - max(x1, x - half)) * max(0.0, min(y2, y) - max(y1, y - tall))
                    overlap = both / ((x2 - x1) * (y2 - y1) + area - both)
                    near.append((place, distance + _WEIGHT_SIZE * ratio + 1.0 - overlap))
                    wanted[place] += 1
            place += 1
        options.append(near)
    pairs: list[tuple[_State, int]] = []
    contested: list[int] = []
    for row, near in enumerate(options):
        if len(near) == 1 and wanted[near[0][0]] == 1:
            pairs.append((group[row], offered[near[0][0]]))
        elif near:
            contested.append(row)
    if contested:
        from scipy.optimize import linear_sum_assignment

        cost = np.full((len(contested), number), 1e3)
        for row, index in enumerate(contested):
            for place, value in options[index]:
                cost[row, place] = value
        rows, places = linear_sum_assignment(cost)
        pairs += [
            (group[contested[row]], offered[place])
            for row, place in zip(rows.tolist(), places.tolist(), strict=True)
            if cost[row, place] < 1e3
        ]
    return pairs
