"""The motion detector: what differs from the empty street, without any model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.video.detect import Detections, Float, Image
from analytics.video.scale import PersonScale

if TYPE_CHECKING:
    from cv2.typing import MatLike

_WORKING_WIDTH = 384  # pixels across; finer detail does not help a silhouette and costs time
_SILHOUETTE = 0.5  # share of a walking person's box that the body fills
_SPLIT_WIDE, _SPLIT_TALL, _SPLIT_AREA = 1.35, 1.25, 1.3  # a blob this much larger than usual may hold several people
_SPLIT_GAIN = 0.4  # share of a silhouette that a further person must explain

_Box = tuple[float, float, float, float]
_Part = tuple[float, float, float, float, float]


class MotionDetector:
    """Finds what differs from the empty street; knows no classes.

    A background is learned as the median of the first seconds and follows slow changes of light. Differences that
    only darken the ground are shadows. How tall a person is at each row of the picture is learned from blobs that
    stand alone; blobs that are too large for one person are explained by as few boxes of that size as cover them.
    """

    def __init__(self, *, frame_rate: float = 10.0) -> None:
        """Start without knowledge of the street.

        Args:
            frame_rate: Frames per second of the source; sets how fast the background follows. [1/s]
        """
        self._every = max(1, round(frame_rate / 4))
        self._rate = min(0.5, self._every / (frame_rate * 12.0))
        self._rate_hidden = min(0.5, self._every / (frame_rate * 90.0))
        self._background: Float | None = None
        self._still: Image | None = None
        self._noise: Float | None = None
        self._limit: Image | None = None
        self._calls = 0
        self.scale = PersonScale()

    def prime(self, images: Iterable[Image]) -> None:
        """Learn the empty street and the size of people from pictures of the first seconds, read one at a time."""
        shrunk = [self._shrink(image)[0] for image in images]
        if not shrunk:
            return
        stack = np.stack(shrunk)
        self._background = np.median(stack, axis=0).astype(np.float32)
        spread = np.abs(stack.astype(np.int16) - self._background.astype(np.int16)).max(axis=3)
        self._noise = np.median(spread, axis=0).astype(np.float32)
        self._refresh()
        for small in shrunk:
            self._find(small)
        self._calls = 0

    def __call__(self, image: Image) -> Detections:
        """Find what moves in a BGR picture, shape `(height, width, 3)`."""
        small, factor = self._shrink(image)
        boxes, scores = self._find(small)
        height, width = image.shape[:2]
        boxes *= np.float32(factor)
        boxes[:, 0::2] = np.clip(boxes[:, 0::2], 0, width)
        boxes[:, 1::2] = np.clip(boxes[:, 1::2], 0, height)
        return Detections(boxes, scores, ("any",) * len(boxes))

    def _find(self, small: Image) -> tuple[Float, Float]:
        """Boxes and scores at working size; the background follows."""
        import cv2

        if self._background is None or self._background.shape != small.shape:
            self._background = small.astype(np.float32)
            self._noise = np.full(small.shape[:2], 2.0, dtype=np.float32)
            self._refresh()
        assert self._still is not None and self._limit is not None
        gain = _gain(small, self._still)
        still: MatLike = self._still if abs(gain - 1) < 0.004 else cv2.convertScaleAbs(self._still, None, gain, 0.0)
        blue, green, red = cv2.split(cv2.absdiff(small, still))
        difference = cv2.max(cv2.max(blue, green), red)
        mask = cv2.medianBlur(cv2.compare(difference, self._limit, cv2.CMP_GT), 3)
        found = self._people(_drop_shadows(mask, small, still, self.scale))
        if self._calls % self._every == 0:
            self._follow(small, mask, difference)
            self._forget_ghosts(small, mask, found[0])
        self._calls += 1
        return found

    def _shrink(self, image: Image) -> tuple[Image, float]:
        """The picture at working size, and how many source pixels one of its pixels is wide."""
        import cv2

        factor = max(1.0, image.shape[1] / _WORKING_WIDTH)
        if factor == 1.0:
            return image, 1.0
        size = (round(image.shape[1] / factor), round(image.shape[0] / factor))
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), factor

    def _refresh(self) -> None:
        assert self._background is not None and self._noise is not None
        self._still = np.rint(self._background).astype(np.uint8)
        self._limit = np.clip(14.0 + 3.5 * self._noise, 0, 90).astype(np.uint8)

    def _follow(self, small: Image, mask: MatLike, difference: MatLike) -> None:
        """Let the background follow: soon where nothing stands, slowly where something does."""
        import cv2

        assert self._background is not None and self._noise is not None
        kept = mask.copy()
        for x1, y1, x2, y2, area in _outlines(mask):
            if self.scale.known and area < 0.15 * _SILHOUETTE * math.prod(self.scale.at(y2)):
                kept[int(y1) : int(y2), int(x1) : int(x2)] = 0  # a speck is ground, not a person
        hidden = cv2.dilate(kept, np.ones((5, 5), np.uint8))
        seen = cv2.bitwise_not(hidden)
        cv2.accumulateWeighted(small, self._background, self._rate, seen)
        cv2.accumulateWeighted(small, self._background, self._rate_hidden, hidden)
        cv2.accumulateWeighted(difference, self._noise, self._rate, seen)
        self._refresh()

    def _forget_ghosts(self, small: MatLike, mask: MatLike, boxes: Float) -> None:
        """Where someone stood while the background was learned and has left since, take the ground that is seen now.

        Such a ghost has its outline in the background and not in the picture; a person has it the other way round.
        """
        import cv2

        assert self._background is not None and self._still is not None
        outline = cv2.subtract(mask, cv2.erode(mask, np.ones((3, 3), np.uint8)))
        windows = [*boxes.tolist(), *(part[:4] for part in _outlines(mask) if part[4] >= 30)]
        changed = False
        for x1, y1, x2, y2 in windows:
            window = (slice(max(0, int(y1) - 2), int(y2) + 3), slice(max(0, int(x1) - 2), int(x2) + 3))
            edge = outline[window] > 0
            if edge.sum() < 12:
                continue
            now, then = _steepness(small[window])[edge].mean(), _steepness(self._still[window])[edge].mean()
            if then > 1.5 * now + 4:
                gone = mask[window] > 0
                self._background[window][gone] = small[window][gone]
                changed = True
        if changed:
            self._refresh()

    def _people(self, body: MatLike) -> tuple[Float, Float]:
        """Boxes of people at working size from the silhouette mask."""
        import cv2

        closed = cv2.morphologyEx(body, cv2.MORPH_CLOSE, np.ones((5, 3), np.uint8))
        parts = [part for part in _outlines(closed) if part[4] >= 12]
        parts = self._join(parts)
        boxes: list[_Box] = []
        scores: list[float] = []
        for left, top, right, bottom, area in parts:
            wide, tall = right - left, bottom - top
            at_edge = left <= 1 or right >= body.shape[1] - 1 or bottom >= body.shape[0] - 1 or top <= 1
            if not self.scale.known:
                if tall >= 0.04 * body.shape[0] and area >= 40:
                    boxes.append((left, top, right, bottom))
                    scores.append(0.5)
                    if not at_edge:
                        self.scale.learn(bottom, tall, wide)
                continue
            usual_tall, usual_wide = self.scale.at(bottom)
            usual_area = _SILHOUETTE * usual_tall * usual_wide
            if not at_edge and area >= 0.35 * wide * tall:
                self.scale.learn(bottom, tall, wide)
            if area < 0.22 * usual_area or tall < 0.35 * usual_tall:
                continue
            if (wide > _SPLIT_WIDE * usual_wide or tall > _SPLIT_TALL * usual_tall) and area > _SPLIT_AREA * usual_area:
                cover = self._split(closed, left, top, right, bottom)
                if cover:
                    boxes += [box for box, _ in cover]
                    scores += [score for _, score in cover]
                    continue
            boxes.append((left, top, right, bottom))
            scores.append(min(1.0, area / usual_area))
        return np.array(boxes, dtype=np.float32).reshape(-1, 4), np.array(scores, dtype=np.float32)

    def _join(self, parts: list[_Part]) -> list[_Part]:
        """Put pieces of one body together: above each other, and together no taller than a person."""
        if not self.scale.known:
            return parts
        parts = sorted(parts, key=lambda part: -part[4])
        joined = True
        while joined:
            joined = False
            for first in range(len(parts)):
                for second in range(first + 1, len(parts)):
                    one, two = parts[first], parts[second]
                    overlap = min(one[2], two[2]) - max(one[0], two[0])
                    if overlap < 0.4 * min(one[2] - one[0], two[2] - two[0]):
                        continue
                    left, top = min(one[0], two[0]), min(one[1], two[1])
                    right, bottom = max(one[2], two[2]), max(one[3], two[3])
                    tall, wide = self.scale.at(bottom)
                    if bottom - top > 1.2 * tall or right - left > 1.5 * wide:
                        continue
                    parts[first] = (left, top, right, bottom, one[4] + two[4])
                    del parts[second]
                    joined = True
                    break
                if joined:
                    break
        return parts

    def _split(self, mask: MatLike, left: float, top: float, right: float, bottom: float) -> list[tuple[_Box, float]]:
        """Cover a blob with as few person-sized boxes as explain it, the best first."""
        x0, y0, x1, y1 = int(left), int(top), int(right), int(bottom)
        rest = (mask[y0:y1, x0:x1] > 0).astype(np.int32)
        whole = rest.copy()
        feet = np.arange(y1 - y0, 0, -2)
        size = np.array([self.scale.at(y0 + foot) for foot in feet.tolist()])
        tall, wide = size[:, 0], size[:, 1]
        keep = feet >= 0.7 * tall
        if not keep.any():
            return []
        feet, tall, wide = feet[keep], tall[keep], wide[keep]
        centres = np.arange(0, x1 - x0 + 1, 2)
        upper = np.clip(feet - tall, 0, None).round().astype(int)[:, None]
        lower = feet[:, None]
        west = np.clip(centres[None, :] - wide[:, None] / 2, 0, x1 - x0).round().astype(int)
        east = np.clip(centres[None, :] + wide[:, None] / 2, 0, x1 - x0).round().astype(int)
        expected = (_SILHOUETTE * tall * wide)[:, None]

        def inside(values: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
            total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
            covered = total[lower, east] - total[upper, east] - total[lower, west] + total[upper, west]
            return np.asarray(covered / expected, dtype=np.float64)

        support = inside(whole)
        found: list[tuple[_Box, float]] = []
        for _ in range(12):
            gain = inside(rest)
            best = np.unravel_index(int(np.argmax(gain + 0.25 * support)), gain.shape)
            row, column = int(best[0]), int(best[1])
            if gain[row, column] < _SPLIT_GAIN:
                break
            half = wide[row] / 2
            x, y = x0 + float(centres[column]), y0 + float(feet[row])
            found.append(((x - half, y - float(tall[row]), x + half, y), min(1.0, float(gain[row, column]))))
            rest[upper[row, 0] : lower[row, 0], west[row, column] : east[row, column]] = 0
        return found


def _outlines(mask: MatLike) -> list[_Part]:
    """Bounding box and area (holes filled) of each connected part of a mask."""
    import cv2

    parts = []
    for outline in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
        x, y, w, h = cv2.boundingRect(outline)
        area = cv2.contourArea(outline) + len(outline) / 2 + 1  # the outline runs through the middle of border pixels
        parts.append((float(x), float(y), float(x + w), float(y + h), float(area)))
    return parts


def _steepness(picture: MatLike) -> npt.NDArray[np.float32]:
    """How much the brightness changes from pixel to pixel."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0, None, 3, 0.25), cv2.Sobel(grey, cv2.CV_32F, 0, 1, None, 3, 0.25)
    return np.asarray(cv2.magnitude(across, down), dtype=np.float32)


def _gain(small: MatLike, still: MatLike) -> float:
    """How much brighter the picture is than the background as a whole."""
    now, then = small[4::8, 4::8, 1].astype(np.float32), still[4::8, 4::8, 1].astype(np.float32)
    bright = then > 24
    if bright.sum() < 50:
        return 1.0
    return float(np.clip(np.median(now[bright] / then[bright]), 0.6, 1.6))


def _drop_shadows(mask: MatLike, small: MatLike, still: MatLike, scale: PersonScale) -> MatLike:
    """Remove what only darkens the ground without changing its colour, unless it lies within a body.

    Source:
        Brightness and chromaticity distortion of Horprasert, Harwood and Davis, 1999.
    """
    import cv2

    places = cv2.findNonZero(mask)
    if places is None:
        return mask
    columns, rows = places.reshape(-1, 2).T
    now = small[rows, columns].astype(np.float32).T
    then = still[rows, columns].astype(np.float32).T
    dot = now[0] * then[0] + now[1] * then[1] + now[2] * then[2]
    share = dot / np.maximum(then[0] * then[0] + then[1] * then[1] + then[2] * then[2], 1.0)
    colour = np.maximum(np.maximum(abs(now[0] - share * then[0]), abs(now[1] - share * then[1])), abs(now[2] - share * then[2]))
    brightest = np.maximum(np.maximum(then[0], then[1]), then[2])
    shadow = (share > 0.5) & (share < 0.96) & (colour < 6.0 + 0.03 * brightest)
    sure = mask.copy()
    sure[rows[shadow], columns[shadow]] = 0
    sure = cv2.morphologyEx(sure, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    for left, top, right, bottom, area in _outlines(cv2.morphologyEx(sure, cv2.MORPH_CLOSE, np.ones((7, 3), np.uint8))):
        if area >= 12:
            foot = scale.foot_below(top) if scale.known else top + 2.4 * (right - left)
            part = (slice(int(top), max(int(bottom), round(foot))), slice(int(left), int(right)))
            sure[part] = cv2.bitwise_or(sure[part], mask[part])
    return sure
