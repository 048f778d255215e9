"""Motion-gated inference: the network looks where and when something moves, because a city camera is mostly still."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analytics.video.detect import Detections, Float, Image
from analytics.video.onnx.activity import Activity
from analytics.video.onnx.decode import Found
from analytics.video.onnx.detector import OnnxDetector, Placed
from analytics.video.onnx.mosaic import Part, bring_back, compose, covers, is_at_rim, pack, parts_of
from analytics.video.onnx.network import STEP

_STEP = 0.25  # who has gone no farther since the last look is followed without one [box's longer side]
_LOOK_S = 0.1  # between two looks at the least, on average: a car at 50 km/h moves less than a third of its length
_CALM_S = 0.3  # between two looks at the most while something moves: a walker moves a quarter of the height
_FULL_S = 2.0  # between two looks at the whole frame while something is in it
_IDLE_S = 10.0  # the same while nothing moves: a second look at the same picture has nothing to tell
_WORTH = 0.4  # a mosaic of more than this share of the whole frame is not worth its seams
_SURE = 0.5  # what was seen this surely and is lost in a mosaic is looked for in the whole frame [score]
_STILL = 0.9  # a box that overlaps that of the last look more than this (IoU) stands still
_ROOM = 16.0  # around what differs: half the largest stride, so that the network sees what it stands before [px]
_RIM = np.array([_ROOM, _ROOM, -_ROOM, -_ROOM], np.float32)
_AROUND = 0.2  # room around a box that moves, where it may be at the next look [box sides]

_NOTHING: Found = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


class GatedDetector:
    """Asks a network only about what may have changed.

    Frames closer together than a look are passed over: their detections are not fresh. So are those in which nothing has
    changed but close to known road users, for a moment: the tracker knows where they are. At a look, the parts of the
    picture that differ from the ground and those around what moved before go to the network side by side; what stood
    still and where nothing differs is known already. The whole frame is looked at once in a while, and whenever the
    parts are most of it, or the light changes.

    Attributes:
        looks: Looks at mosaics, whole frames, and at neither so far; frames passed over are in none.
    """

    def __init__(self, find: OnnxDetector, *, frame_rate: float) -> None:
        """Gate a detector.

        Args:
            find: The detector; one whose network takes any size gains most.
            frame_rate: Frames per second of the source. [1/s]
        """
        self._find = find
        self._every, self._calm = max(1.0, frame_rate * _LOOK_S), max(1, int(frame_rate * _CALM_S))
        self._full_every, self._idle_every = max(1, round(frame_rate * _FULL_S)), max(1, round(frame_rate * _IDLE_S))
        self._activity = Activity()
        self._wait = 0.0
        self._since_look = self._since_full = 0
        self._known: Found = _NOTHING
        self._moves = np.zeros(0, bool)
        self._has_changed = True
        self._has_lost = False
        self._shown = Detections(_NOTHING[0], _NOTHING[1], ())
        self.looks = {"mosaic": 0, "whole": 0, "none": 0}

    @property
    def road_users(self) -> tuple[str, ...]:
        """Classes that the detector can tell apart."""
        return self._find.road_users

    @property
    def min_score(self) -> float:
        """Detections below are dropped."""
        return self._find.min_score

    @min_score.setter
    def min_score(self, value: float) -> None:
        self._find.min_score = value

    def __call__(self, image: Image) -> Detections:
        """Find road users in a BGR picture, shape `(height, width, 3)`; not fresh where the frame was passed over."""
        self._since_look, self._since_full = self._since_look + 1, self._since_full + 1
        if self._wait >= 1:
            self._wait -= 1
            return self._passed_over()
        self._wait += self._every - 1
        moves, unknown = self._activity(image)
        active = bool(moves.any() or self._moves.any())
        self._has_changed |= active
        due = unknown or self._since_full >= (self._full_every if self._has_changed else self._idle_every)
        if not (due or active):
            self.looks["none"] += 1
            return self._shown
        if not (due or self._since_look >= self._calm or self._activity.goes_beyond(moves, self._near(image.shape[:2]))):
            return self._passed_over()
        self._since_look = 0
        if due or self._has_lost:
            self._look_whole(image, None)
        else:
            self._look_at_parts(image, moves)
        self._shown = self._find.name(self._known, image.shape[:2])
        return self._shown

    def _passed_over(self) -> Detections:
        return Detections(self._shown.boxes, self._shown.scores, self._shown.labels, is_fresh=False)

    def _near(self, size: tuple[int, ...]) -> Float:
        """Where road users that are known may have come to since, as shares of the picture's sides."""
        boxes = self._known[0][self._known[1] >= self._find.network.sidecar.min_score]
        room = _STEP * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
        near = np.concatenate([boxes[:, :2] - room, boxes[:, 2:] + room], axis=1)
        return np.asarray(near / np.array([size[1], size[0]] * 2), np.float32)

    def _look_whole(self, image: Image, placed: Placed | None) -> None:
        self.looks["whole"] += 1
        self._since_full, self._has_changed, self._has_lost = 0, False, False
        self._activity.looked()
        self._remember(self._find.look(placed or self._find.place(image)))

    def _look_at_parts(self, image: Image, moves: npt.NDArray[np.bool_]) -> None:
        """Look where something differs or moved before; the rest is as it was."""
        placed = self._find.place(image)
        if not self._find.network.is_flexible:
            self._look_whole(image, placed)
            return
        size = (placed.picture.shape[0], placed.picture.shape[1])
        inner = (round(image.shape[0] / placed.scale[1]), round(image.shape[1] / placed.scale[0]))
        known = self._in_picture(placed)
        rims = _around(known[self._moves], self._moving(moves, placed, inner))
        if covers(rims, size) > _WORTH:
            self._look_whole(image, placed)
            return
        parts = parts_of(rims, size)
        if not parts:
            self.looks["none"] += 1
            return
        parts, canvas = pack(parts, size[1], STEP)
        if canvas[0] * canvas[1] > _WORTH * size[0] * size[1]:
            self._look_whole(image, placed)
            return
        self.looks["mosaic"] += 1
        rims = np.array([(part.left, part.top, part.right, part.bottom) for part in parts], np.float32)
        rims -= np.array([placed.left, placed.top] * 2, np.float32)
        self._activity.looked((rims / np.array([inner[1], inner[0]] * 2)).astype(np.float32))
        mosaic = compose(placed.picture, parts, canvas, self._find.network.sidecar.pad)
        boxes, scores, labels = self._find.look(Placed(mosaic, (1.0, 1.0)))
        boxes, kept = bring_back(boxes, parts)
        seen = (placed.back(boxes), scores[kept], labels[kept])
        stays = ~_covered(known, parts)
        self._has_lost = _lost(self._known, ~stays, seen[0])
        old = (self._known[0][stays], self._known[1][stays], self._known[2][stays])
        self._remember(self._find.merge([seen, old], [is_at_rim(boxes, parts, size), np.zeros(len(old[0]), bool)]))

    def _moving(self, moves: npt.NDArray[np.bool_], placed: Placed, inner: tuple[int, int]) -> Float:
        """Rectangles of the network's picture around what has changed."""
        import cv2

        joined = cv2.dilate(moves.view(np.uint8), np.ones((5, 5), np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        corner = stats[1:count, :2].astype(np.float32)
        boxes = np.concatenate([corner + 1, corner + stats[1:count, 2:4] - 1], axis=1)
        scale = np.array([inner[1] / moves.shape[1], inner[0] / moves.shape[0]] * 2)
        return np.asarray(boxes * scale + np.array([placed.left, placed.top] * 2), np.float32)

    def _in_picture(self, placed: Placed) -> Float:
        """Known boxes in pixels of the network's picture."""
        boxes = self._known[0] / np.array([*placed.scale, *placed.scale])
        return np.asarray(boxes + np.array([placed.left, placed.top] * 2), np.float32)

    def _remember(self, found: Found) -> None:
        """Know what was found now, and which of it moves: what has no box at nearly the same place in the last look."""
        before, now = self._known[0], found[0]
        low = np.maximum(now[:, None, :2], before[None, :, :2])
        high = np.minimum(now[:, None, 2:], before[None, :, 2:])
        both = np.clip(high - low, 0, None).prod(axis=2)
        area, old = (now[:, 2:] - now[:, :2]).prod(axis=1), (before[:, 2:] - before[:, :2]).prod(axis=1)
        same = both > _STILL * np.maximum(area[:, None] + old[None] - both, 1e-9)
        self._known, self._moves = found, ~same.any(axis=1) & (found[1] >= self._find.network.sidecar.min_score)


def _around(moved: Float, changed: Float) -> Float:
    """Where to look: around what moved at the last look, as far as something has changed beside it, and around other changes.

    A known box and a change that overlaps it are one road user: apart they would be seen as two halves.
    """
    room = _AROUND * (moved[:, 2:] - moved[:, :2])
    near = np.concatenate([moved[:, :2] - room, moved[:, 2:] + room], axis=1)
    if len(near) and len(changed):
        apart = np.maximum(changed[:, None, :2] - near[None, :, 2:], near[None, :, :2] - changed[:, None, 2:])
        meets = np.asarray(apart.max(axis=2) < 0)
        for change, box in zip(*np.nonzero(meets), strict=True):
            near[box, :2] = np.minimum(near[box, :2], changed[change, :2])
            near[box, 2:] = np.maximum(near[box, 2:], changed[change, 2:])
        changed = changed[~meets.any(axis=1)]
    return np.concatenate([near - _RIM / 2, changed - _RIM])


def _covered(boxes: Float, parts: list[Part]) -> npt.NDArray[np.bool_]:
    """Which boxes have most of their area in one part."""
    rims = np.array([(part.left, part.top, part.right, part.bottom) for part in parts], np.float32)
    low, high = np.maximum(boxes[:, None, :2], rims[None, :, :2]), np.minimum(boxes[:, None, 2:], rims[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    covered = np.asarray(both > 0.5 * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None])
    return np.asarray(covered.any(axis=1))


def _lost(known: Found, looked: npt.NDArray[np.bool_], seen: Float) -> bool:
    """Whether something that was surely there before is not seen in the part around it any more."""
    boxes = known[0][looked & (known[1] >= _SURE)]
    low, high = np.maximum(boxes[:, None, :2], seen[None, :, :2]), np.minimum(boxes[:, None, 2:], seen[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    found = np.asarray(both > 0.2 * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None])
    return not found.any(axis=1).all()
