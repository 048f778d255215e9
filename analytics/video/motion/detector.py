"""The motion detector: what differs from the empty street, without any model."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.video.detect import Detections, Float, Image
from analytics.video.motion.background import Background
from analytics.video.motion.scale import PersonScale
from analytics.video.motion.silhouettes import FILL, Blob, blobs, drop_shadows, is_ghost, is_light, is_vehicle, join, split

if TYPE_CHECKING:
    from cv2.typing import MatLike

_WORKING_WIDTH = 384  # pixels across; finer detail does not help a silhouette and costs time
_SPLIT_WIDE, _SPLIT_TALL, _SPLIT_AREA = 1.35, 1.25, 1.3  # a blob this much larger than usual may hold several people
_LOOK_BACK_S = 0.5  # how often blobs are compared with those of a second ago [s]
_BACK = 2  # a second, in such steps; the background is updated as often
_MEMORY, _BLINKS = 20, 3  # what has come and gone so often in the last ten seconds, in one place, is a light or a tree
_NO_SHADOWS = 0.05  # share of what differs below which shadows do not matter
_STRIDE = 1.0  # how far a body walks from one look to the next at most [body heights]
_SPECK = 0.15  # share of a body's area below which a blob is ground


class MotionDetector:
    """Finds what differs from the empty street; knows no classes.

    A background is learned as the median of the first seconds and follows slow changes of light. Differences that
    only darken the ground are shadows. How tall a person is at each row of the picture is learned from blobs that
    stand alone and travel; blobs that are too large for one person are explained by as few boxes of that size as cover
    them. Where what travels is not shaped like people, as on a motorway, each blob is one road user.
    """

    def __init__(self, *, frame_rate: float = 10.0) -> None:
        """Start without knowledge of the street.

        Args:
            frame_rate: Frames per second of the source; sets how fast the background follows. [1/s]
        """
        self.scale = PersonScale()
        self._street = Background(frame_rate)
        self._frame_s = 1.0 / frame_rate
        self._since_s, self._looks = 0.0, 0
        self._shadows = 0.1  # share of what differs that is shadow
        self._last: list[tuple[float, float, float, float]] = []
        self._earlier: deque[list[Blob]] = deque(maxlen=_MEMORY)
        self._walkers: list[int] = []  # a number for each of the latest blobs: the same for one that has walked on
        self._next_walker = 1

    def prime(self, images: Iterable[Image], *, seconds: float = 12.0) -> None:
        """Learn the empty street and the size of people from pictures of the first seconds, read one at a time.

        Args:
            images: Pictures at even distances.
            seconds: Time from the first to the last. [s]
        """
        pictures = [self._shrink(image)[0] for image in images]
        if not pictures:
            return
        self._street.learn(pictures)
        usual_s, self._frame_s = self._frame_s, seconds / len(pictures)
        for small in pictures:
            self._find(small)
        self._frame_s = usual_s
        self._earlier.clear()
        self._walkers = []

    def __call__(self, image: Image) -> Detections:
        """Find what moves in a BGR picture, shape `(height, width, 3)`."""
        small, factor = self._shrink(image)
        boxes, scores = self._find(small)
        height, width = image.shape[:2]
        boxes *= np.float32(factor)
        boxes[:, 0::2] = boxes[:, 0::2].clip(0, width)
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, height)
        return Detections(boxes, scores, ("any",) * len(boxes))

    def _find(self, small: Image) -> tuple[Float, Float]:
        """Boxes and scores at working size; the background follows."""
        import cv2

        small, still, difference, mask = self._street.difference(small)
        body = self._without_shadows(mask, small, still)
        body = cv2.morphologyEx(body, cv2.MORPH_CLOSE, np.ones((5, 3), np.uint8))
        parts = blobs(body, 12)
        if self.scale.known:
            parts = join(parts, self.scale)
        found = self._people(parts, body)
        self._since_s += self._frame_s
        if self._since_s >= _LOOK_BACK_S - 1e-9:
            self._looks += 1
            if self._looks % _BACK == 0:
                self._street.follow(small, self._hidden(mask), difference, _BACK * self._since_s)
            self._look_back(small, still, difference, mask, parts)
            self._since_s = 0.0
        return found

    def _without_shadows(self, mask: MatLike, small: Image, still: MatLike) -> MatLike:
        """The mask without shadows; under a grey sky, where none were seen lately, they are looked for now and then only."""
        import cv2

        if self._shadows < _NO_SHADOWS and self._since_s > 0:
            return mask
        body = drop_shadows(mask, small, still, self.scale)
        whole = cv2.countNonZero(mask)
        if whole:
            self._shadows += 0.25 * (1 - cv2.countNonZero(body) / whole - self._shadows)
        return body

    def _shrink(self, image: Image) -> tuple[Image, float]:
        """The picture at working size, and how many source pixels one of its pixels is wide."""
        import cv2

        factor = max(1.0, image.shape[1] / _WORKING_WIDTH)
        if factor == 1.0:
            return image, 1.0
        size = (round(image.shape[1] / factor), round(image.shape[0] / factor))
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), factor

    def _hidden(self, mask: MatLike) -> MatLike:
        """Pixels that something stands on: the mask without specks, somewhat larger."""
        import cv2

        kept = np.array(mask)
        for left, top, right, bottom, area in blobs(mask, 1):
            tall, wide = self.scale.at(bottom)
            if self.scale.known and area < _SPECK * FILL * tall * wide:
                kept[int(top) : int(bottom), int(left) : int(right)] = 0
        return cv2.dilate(kept, np.ones((5, 5), np.uint8))

    def _look_back(self, small: Image, still: MatLike, difference: MatLike, mask: MatLike, parts: list[Blob]) -> None:
        """Compare the blobs with earlier ones: what travels teaches the scale; what stays or blinks may be no road user."""
        now = len(self._earlier) - _BACK
        before = self._earlier[now] if now >= 0 else []
        walkers = [self._walker(part) for part in parts]
        for part, walker, looks in zip(parts, walkers, _seen_in(parts, self._earlier), strict=True):
            window = (
                slice(max(0, int(part.top) - 2), int(part.bottom) + 3),
                slice(max(0, int(part.left) - 2), int(part.right) + 3),
            )
            if now in looks:
                seen, street = small[window], still[window]
                if is_ghost(seen, street, mask[window]) or is_light(seen, street, mask[window]):
                    self._street.replace(window, small, mask)
            elif sum(look + 1 not in looks for look in looks if look + 1 < len(self._earlier)) >= _BLINKS:
                self._street.disturb(window, difference, mask)
            elif _is_clear(part, parts, mask) and any(_is_same_body(part, other) for other in before):
                self.scale.learn(part.bottom, part.bottom - part.top, part.right - part.left, walker)
        self._earlier.append(parts)
        self._walkers = walkers

    def _walker(self, part: Blob) -> int:
        """Number of whom a blob shows: that of the nearest blob of its size at the latest look, or a new one."""
        nearest, number = _STRIDE * (part.bottom - part.top), 0
        for other, walker in zip(self._earlier[-1] if self._earlier else (), self._walkers, strict=True):
            if (apart := _apart(part, other)) <= nearest and _is_as_large(part, other):
                nearest, number = apart, walker
        if not number:
            number, self._next_walker = self._next_walker, self._next_walker + 1
        return number

    def _people(self, parts: list[Blob], body: MatLike) -> tuple[Float, Float]:
        """Boxes of road users at working size."""
        boxes: list[tuple[float, float, float, float]] = []
        scores: list[float] = []
        middles = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in self._last]
        for part in parts:
            left, top, right, bottom, area = part
            wide, tall = right - left, bottom - top
            if not self.scale.known:
                if tall >= 0.04 * body.shape[0] and area >= 40:
                    boxes.append((left, top, right, bottom))
                    scores.append(0.5)
                continue
            usual_tall, usual_wide = self.scale.at(bottom)
            usual_area = FILL * usual_tall * usual_wide
            if area < 0.22 * usual_area or tall < 0.35 * usual_tall:
                continue
            large = (wide > _SPLIT_WIDE * usual_wide or tall > _SPLIT_TALL * usual_tall) and area > _SPLIT_AREA * usual_area
            before = sum(left <= x <= right and top <= y <= bottom for x, y in middles)
            several = (large or before > 1) and not is_vehicle(part, self.scale)
            people = split(body, part, self.scale, before) if several else []
            if people:
                boxes += [box[:4] for box, _ in people]
                scores += [score for _, score in people]
            else:
                boxes.append((left, top, right, bottom))
                scores.append(min(1.0, area / usual_area))
        self._last = boxes
        return np.array(boxes, dtype=np.float32).reshape(-1, 4), np.array(scores, dtype=np.float32)


def _seen_in(parts: list[Blob], earlier: Sequence[list[Blob]]) -> list[set[int]]:
    """In which earlier looks something lay where each blob lies: intersection over union above a half."""
    look_of = np.repeat(np.arange(len(earlier)), [len(look) for look in earlier])
    left, top, right, bottom, _ = _sides(chain(*earlier))
    left_here, top_here, right_here, bottom_here, _ = _sides(parts)[:, :, None]
    wide = np.minimum(right, right_here) - np.maximum(left, left_here)
    tall = np.minimum(bottom, bottom_here) - np.maximum(top, top_here)
    alone = (right - left) * (bottom - top) + (right_here - left_here) * (bottom_here - top_here)
    lies = 3 * np.maximum(wide, 0.0) * np.maximum(tall, 0.0) > alone
    return [set(look_of[row].tolist()) for row in lies]


def _sides(parts: Iterable[Blob]) -> npt.NDArray[np.float64]:
    """The numbers of some blobs, shape `(5, blobs)`."""
    return np.fromiter(chain.from_iterable(parts), dtype=np.float64).reshape(-1, 5).T


def _is_clear(part: Blob, parts: list[Blob], mask: MatLike) -> bool:
    """Whether a blob is whole: away from the border of the picture, and not a shred."""
    height, width = mask.shape[:2]
    inside = part.left > 1 and part.top > 1 and part.right < width - 1 and part.bottom < height - 1
    return inside and part.area >= 0.35 * (part.right - part.left) * (part.bottom - part.top)


def _is_same_body(now: Blob, then: Blob) -> bool:
    """Whether a blob may be where another one has walked to: as large, and somewhat beside it."""
    tall = now.bottom - now.top
    return _is_as_large(now, then) and 0.25 * tall <= _apart(now, then) <= 2.0 * tall


def _is_as_large(now: Blob, then: Blob) -> bool:
    """Whether two blobs are about as tall and as wide, as one body is while it walks."""
    tall, before = now.bottom - now.top, then.bottom - then.top
    wide, wide_before = now.right - now.left, then.right - then.left
    return 0.8 <= tall / before <= 1.25 and 0.65 <= wide / wide_before <= 1.5


def _apart(now: Blob, then: Blob) -> float:
    """Distance of the feet of two blobs, in pixels."""
    return math.hypot((now.left + now.right - then.left - then.right) / 2, now.bottom - then.bottom)
