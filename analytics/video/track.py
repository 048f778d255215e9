"""Tracker: keeps the identity of a road user from frame to frame."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analytics.video.detect import Detections
from analytics.video.lines import GroundPoint

_HISTORY = 64  # points kept of a track; the counter reads them every frame
_ACCELERATION = 1.0  # how far a walking person departs from constant velocity [body heights/s2]
_ERROR = 0.06  # how far a detected ground point lies off [body heights]


@dataclass
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


@dataclass
class _State:
    """Constant-velocity Kalman state of one track; both axes share one covariance."""

    track: Track
    x: float
    y: float
    wide: float
    tall: float
    vx: float = 0.0
    vy: float = 0.0
    p_xx: float = 0.0
    p_xv: float = 0.0
    p_vv: float = 0.0
    hits: int = 1
    confirmed: bool = False

    def predict(self, dt: float) -> None:
        """Move on by a time step."""
        self.x += self.vx * dt
        self.y += self.vy * dt
        q = (_ACCELERATION * self.tall) ** 2
        self.p_xx += 2 * dt * self.p_xv + dt * dt * self.p_vv + q * dt**4 / 4
        self.p_xv += dt * self.p_vv + q * dt**3 / 2
        self.p_vv += q * dt * dt

    def correct(self, x: float, y: float, wide: float, tall: float) -> None:
        """Take a measurement in."""
        r = (_ERROR * self.tall) ** 2
        k_x, k_v = self.p_xx / (self.p_xx + r), self.p_xv / (self.p_xx + r)
        dx, dy = x - self.x, y - self.y
        self.x, self.y = self.x + k_x * dx, self.y + k_x * dy
        self.vx, self.vy = self.vx + k_v * dx, self.vy + k_v * dy
        self.p_vv -= k_v * self.p_xv
        self.p_xv *= 1 - k_x
        self.p_xx *= 1 - k_x
        self.wide += 0.25 * (wide - self.wide)
        self.tall += 0.25 * (tall - self.tall)
        self.hits += 1

    def box(self) -> tuple[float, float, float, float]:
        """The box as predicted or corrected."""
        return (self.x - self.wide / 2, self.y - self.tall, self.x + self.wide / 2, self.y)


class Tracker:
    """Follows boxes by constant velocity and an optimal assignment in each frame.

    Distances are measured in body heights, so that the same settings serve near and far, and times in seconds, so
    that they serve 7 and 25 frames per second.
    """

    def __init__(self, *, confirm_hits: int = 3, hidden_s: float = 1.6) -> None:
        """Start without tracks.

        Args:
            confirm_hits: Frames in which a road user must be seen before it is reported; its earlier points are kept.
            hidden_s: How long a road user may be hidden before its track ends. [s]
        """
        self._confirm_hits = confirm_hits
        self._hidden_s = hidden_s
        self._states: list[_State] = []
        self._time_s: float | None = None
        self._next_id = 1
        self._frame = -1

    def update(self, detections: Detections, time_s: float, frame: int | None = None) -> list[Track]:
        """Take the detections of the next frame in.

        Args:
            detections: What the detector found.
            time_s: Time of the frame, later than that of the last call. [s]
            frame: Index of the frame; by default one more than at the last call.

        Returns:
            Every confirmed track that has not ended, also one that is hidden at the moment.
        """
        self._frame = self._frame + 1 if frame is None else frame
        dt = 0.0 if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        if dt > self._hidden_s:  # nobody was seen for so long that nobody can be told to be the same
            self._states = []
        for state in self._states:
            state.predict(dt)
        boxes = detections.boxes.astype(np.float64)
        free = list(range(len(boxes)))
        for confirmed in (True, False):
            group = [state for state in self._states if state.confirmed == confirmed]
            for state, column in self._assign(group, boxes, free):
                free.remove(column)
                self._see(state, boxes[column], detections, column, time_s)
        for state in self._states:
            if state.track.history[-1].frame != self._frame:
                state.track.missed_s = time_s - state.track.history[-1].time_s
                state.track.box = state.box()
        self._states = [
            state
            for state in self._states
            if state.track.missed_s <= (self._hidden_s if state.confirmed else min(self._hidden_s, 2.5 * dt))
        ]
        for column in free:
            self._begin(boxes[column], detections, column, time_s)
        return [state.track for state in self._states if state.confirmed]

    def _assign(self, group: list[_State], boxes: npt.NDArray[np.float64], free: list[int]) -> list[tuple[_State, int]]:
        """Pair tracks with detections at the least total cost, within a gate."""
        from scipy.optimize import linear_sum_assignment

        if not group or not free:
            return []
        predicted = np.array([state.box() for state in group])
        offered = boxes[free]
        tall = np.array([state.tall for state in group])[:, None]
        dx = (offered[:, 0] + offered[:, 2])[None, :] / 2 - (predicted[:, 0] + predicted[:, 2])[:, None] / 2
        dy = offered[None, :, 3] - predicted[:, None, 3]
        dy_top = offered[None, :, 1] - predicted[:, None, 1]
        dy = np.where(np.abs(dy) < np.abs(dy_top), dy, dy_top)
        distance = np.hypot(dx, dy) / tall
        ratio = np.abs(np.log((offered[:, 3] - offered[:, 1])[None, :] / tall))
        gate = np.array([0.35 + 0.25 * min(1.0, state.track.missed_s) + (0.25 if state.hits < 3 else 0.0) for state in group])
        cost = distance + 0.25 * ratio
        cost[(distance > gate[:, None]) | (ratio > 0.9)] = 1e3
        rows, columns = linear_sum_assignment(cost)
        return [
            (group[row], free[column])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if cost[row, column] < 1e3
        ]

    def _see(self, state: _State, box: npt.NDArray[np.float64], detections: Detections, column: int, time_s: float) -> None:
        x1, y1, x2, y2 = box.tolist()
        state.correct((x1 + x2) / 2, y2, x2 - x1, y2 - y1)
        track = state.track
        track.box, track.missed_s = state.box(), 0.0
        track.history.append(GroundPoint(self._frame, time_s, state.x, state.y))
        label, score = detections.labels[column], float(detections.scores[column])
        track.votes[label] = track.votes.get(label, 0.0) + score
        state.confirmed = state.confirmed or state.hits >= self._confirm_hits

    def _begin(self, box: npt.NDArray[np.float64], detections: Detections, column: int, time_s: float) -> None:
        x1, y1, x2, y2 = box.tolist()
        if not (math.isfinite(x1 + y1 + x2 + y2) and x2 > x1 and y2 > y1):
            return
        track = Track(self._next_id, (x1, y1, x2, y2))
        self._next_id += 1
        x, tall = (x1 + x2) / 2, y2 - y1
        track.history.append(GroundPoint(self._frame, time_s, x, y2))
        track.votes[detections.labels[column]] = float(detections.scores[column])
        state = _State(track, x, y2, x2 - x1, tall, p_xx=(_ERROR * tall) ** 2, p_vv=(0.8 * tall) ** 2)
        state.confirmed = self._confirm_hits <= 1
        self._states.append(state)
