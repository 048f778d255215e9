"""Tracker: keeps the identity of a road user from frame to frame."""

from __future__ import annotations

import math

from analytics.video.detect import Detections
from analytics.video.measures.lines import GroundPoint
from analytics.video.tracking.association import ERROR, Box, State, Track, assign

__all__ = ["ANCHORS", "Track", "Tracker"]

ANCHORS = {"foot": 0.0, "centre": 0.5}
"""Points of a box that can be counted, with their height above its lower edge. [box heights]"""
_ACCELERATION = 1.0  # how far a walking person departs from constant velocity [body lengths/s2]
_ACCELERATION_BY_SPEED = 0.5  # the same for a vehicle, whose speed on the picture shrinks with its distance [1/s]
_CUT = 0.7  # a box below this share of the usual height has its top or its foot hidden
_TWIN = 0.7  # share of the smaller of two boxes that the other covers, where both are on one road user
_MOVED = 0.25  # a road user is reported once it has moved so far [body lengths]
_VARIANCE = ERROR**2
_TAKEN = 2


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
        self._states: list[State] = []
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
        if dt > self._hidden_s:  # nobody was seen for so long that nobody can be told to be the same
            self._states = []
        found = detections.boxes.tolist()
        order = sorted(range(len(found)), key=[box[0] + box[2] for box in found].__getitem__)
        if not all(x2 > x1 and y2 > y1 and math.isfinite(x1 + y1 + x2 + y2) for x1, y1, x2, y2 in found):
            order = [i for i in order if _is_box(found[i])]
        boxes: list[Box] = [found[i] for i in order]
        centres = [(box[0] + box[2]) / 2 for box in boxes]
        scores, labels = detections.scores.tolist(), detections.labels
        round_of = [0 if scores[i] >= self._sure_score else 1 for i in order]
        self._predict(dt)
        old = [state for state in self._states if state.established]
        young = [state for state in self._states if not state.established] if len(old) < len(self._states) else []
        for number in (0, 1):
            for tracks in (old, young) if number in round_of else ():
                group = [state for state in tracks if state.seen != self._frame] if number else tracks
                for state, place in assign(group, centres, boxes, round_of, number) if group else ():
                    round_of[place] = _TAKEN
                    index = order[place]
                    self._see(state, boxes[place], labels[index], scores[index], time_s)
        if old or young:
            frame = self._frame
            self._states = [s for s in self._states if s.seen == frame or self._lives_on(s, time_s, dt)]
        for place, index in enumerate(order):
            if round_of[place] == 0 and scores[index] >= self._birth_score and not self._is_twin(boxes[place]):
                self._begin(boxes[place], labels[index], scores[index], time_s)
        return [state.track for state in self._states if state.moved]

    def _predict(self, dt: float) -> None:
        """Move every track on by a time step."""
        least, by_speed = _ACCELERATION**2, _ACCELERATION_BY_SPEED**2
        half_dt2 = dt * dt / 2
        for state in self._states:
            vx, vy = state.vx, state.vy
            length = state.length
            q = least + by_speed * (vx * vx + vy * vy) / (length * length)
            state.x += vx * dt
            state.y += vy * dt
            p_xv, p_vv = state.p_xv, state.p_vv
            half = q * half_dt2
            state.p_xx += dt * (2 * p_xv + dt * (p_vv + half / 2))
            state.p_xv = p_xv + dt * (p_vv + half)
            state.p_vv = p_vv + 2 * half

    def _lives_on(self, state: State, time_s: float, dt: float) -> bool:
        """Whether a track that was not seen goes on; it is where it was predicted to be."""
        track = state.track
        state.missed_s = track.missed_s = time_s - track.history[-1].time_s
        if state.moved:
            track.box = state.box()
        return track.missed_s <= (self._hidden_s if state.established else min(self._hidden_s, 2.5 * dt))

    def _is_twin(self, box: Box) -> bool:
        """Whether a box lies on a road user that is seen in this frame."""
        x1, y1, x2, y2 = box
        for state in self._states:
            if state.seen == self._frame:
                u1, v1, u2, v2 = state.track.box
                if u1 < x2 and x1 < u2 and v1 < y2 and y1 < v2:
                    both = (min(x2, u2) - max(x1, u1)) * (min(y2, v2) - max(y1, v1))
                    if both > _TWIN * min((x2 - x1) * (y2 - y1), (u2 - u1) * (v2 - v1)):
                        return True
        return False

    def _see(self, state: State, box: Box, label: str, score: float, time_s: float) -> None:
        x1, y1, x2, y2 = box
        wide, tall = state.wide, state.tall
        share = 0.25
        if y2 - y1 < _CUT * tall and state.hits >= 3:
            share = 0.05
            if abs(y1 - state.y + tall) < abs(y2 - state.y):
                y2 = y1 + tall
                tall += share * (box[3] - y2)
            else:
                tall += share * (y2 - y1 - tall)
        else:
            tall += share * (y2 - y1 - tall)
        wide += share * (x2 - x1 - wide)
        p_xx, p_xv = state.p_xx, state.p_xv
        total = p_xx + _VARIANCE
        k_x, k_v = p_xx / total, p_xv / total
        x, y = state.x, state.y
        dx, dy = (x1 + x2) / 2 - x, y2 - y
        x += k_x * dx
        y += k_x * dy
        state.x, state.y, state.wide, state.tall = x, y, wide, tall
        state.length = tall if tall > wide else wide
        state.vx += k_v * dx
        state.vy += k_v * dy
        state.p_vv -= k_v * p_xv
        state.p_xv = p_xv * (1 - k_x)
        state.p_xx = p_xx * (1 - k_x)
        state.hits += 1
        state.seen, state.missed_s = self._frame, 0.0
        track = state.track
        track.box, track.missed_s, track.score = (x - wide / 2, y - tall, x + wide / 2, y), 0.0, score
        foot = y if y < self._height else self._height
        track.history.append(GroundPoint(self._frame, time_s, x, foot - self._raise_by * tall, tall))
        votes = track.votes
        votes[label] = votes.get(label, 0.0) + score
        if not state.moved and state.hits >= self._confirm_hits:
            state.established = True
            state.moved = math.hypot(state.x - state.began_x, state.y - state.began_y) >= _MOVED * state.length

    def _begin(self, box: Box, label: str, score: float, time_s: float) -> None:
        x1, y1, x2, y2 = box
        track = Track(self._next_id, box)
        self._next_id += 1
        x, wide, tall = (x1 + x2) / 2, x2 - x1, y2 - y1
        y = min(y2, self._height) - self._raise_by * tall
        track.history.append(GroundPoint(self._frame, time_s, x, y, tall))
        track.votes[label] = track.score = score
        state = State(track, x, y2, wide, tall, max(wide, tall), seen=self._frame, began_x=x, began_y=y2)
        state.established = state.moved = self._confirm_hits <= 1
        self._states.append(state)


def _is_box(box: Box) -> bool:
    """Whether a box is finite and not empty."""
    x1, y1, x2, y2 = box
    return x2 > x1 and y2 > y1 and math.isfinite(x1 + y1 + x2 + y2)
