"""The filled preview: the video itself with people and vehicles painted over, and how much of them that covers.

A painter can only cover what the detector finds, so it takes in all of it, also what is too doubtful to be counted, and
makes a box whose upper part was lost in the dark as tall as others that stand there. How often people are covered is measured
on truth, and every picture says so.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from analytics.video.detect import Detections
from analytics.video.measures.lines import Line
from analytics.video.privacy import open_writer
from analytics.video.source import Frame, Image, SourceError
from analytics.video.tracking.track import Track

GROW = 0.2
"""How far a box is grown to each side, in heights of the box: three standard errors of a detected box's edge."""
HOLD_S = 1.0
"""How long a road user stays covered before it was first seen and after it was last seen. [s]"""
WHOLE = 0.99
"""Share of a region's pixels from which it counts as fully covered; the rest is rounding."""
HEAD_TALL, HEAD_WIDE = 0.2, 0.6
"""The head's region: the upper fifth of a person's box, and the middle three fifths of its width."""
_FILL = (96, 96, 96)
_NO_LONGER = 1.5  # a hidden road user is covered where it is expected for this long [s]
_KEPT, _FEW = 2000, 20  # heights that are remembered of each class, and how many must stand near to tell what is usual
_NEAR = 0.5  # how far apart feet are that stand near each other [heights of the box]
_TALL, _MOST = 0.9, 3.0  # quantile of the heights nearby that a box is given, at most this many times its own

Boxes = npt.NDArray[np.float64]


class Heights:
    """How tall the road users of one class have lately been, and where their feet were."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._rows = np.zeros((_KEPT, 2))
        self._seen = 0

    def learn(self, foot: float, tall: float) -> None:
        """Remember a box, in place of the oldest once there are many."""
        self._rows[self._seen % _KEPT] = foot, tall
        self._seen += 1

    def usual(self, foot: float, tall: float) -> float:
        """How tall a box with its feet in a row has to be to hold nearly all seen there, at least as tall as it is [px]."""
        rows = self._rows[: self._seen]
        near = rows[np.abs(rows[:, 0] - foot) < _NEAR * tall, 1]
        if len(near) < _FEW:
            return tall
        return min(max(tall, float(np.quantile(near, _TALL))), _MOST * tall)


class Cover:
    """Which boxes to paint in a frame: those of the frames around it too, since detectors blink."""

    def __init__(self, frame_rate: float, *, grow: float = GROW, hold_s: float = HOLD_S) -> None:
        """Start with nothing seen.

        Args:
            frame_rate: Frames per second. [1/s]
            grow: How far a box is grown to each side, in heights of the box.
            hold_s: How long before and after a box is kept. [s]
        """
        self.delay = max(1, round(hold_s * frame_rate))
        self._grow = grow
        self._seen: dict[int, list[tuple[float, float, float, float]]] = {}
        self._known: set[int] = set()
        self._heights: defaultdict[str, Heights] = defaultdict(Heights)

    def see(self, index: int, tracks: Sequence[Track], found: Detections | None = None) -> None:
        """Take the living tracks of a frame in, and all boxes found; a new track is followed back to where it began."""
        here = self._seen.setdefault(index, [])
        if found is not None:
            here += [self._whole((x1, y1, x2, y2), label) for (x1, y1, x2, y2), label in _labelled(found)]
        for track in tracks:
            if track.missed_s == 0:
                self._heights[track.road_user].learn(track.box[3], track.box[3] - track.box[1])
            if track.missed_s <= _NO_LONGER:
                here.append(self._whole(track.box, track.road_user))
            if track.id not in self._known:
                self._known.add(track.id)
                wide, tall = track.box[2] - track.box[0], track.box[3] - track.box[1]
                for point in track.history:
                    box = (point.x - wide / 2, point.y - tall, point.x + wide / 2, point.y)
                    self._seen.setdefault(point.frame, []).append(self._whole(box, track.road_user))
        for old in [frame for frame in self._seen if frame < index - 2 * self.delay]:
            del self._seen[old]

    def boxes(self, index: int) -> Boxes:
        """Boxes to paint in a frame, grown, shape `(n, 4)`; call when `delay` later frames were seen, or the last one."""
        around = range(index - self.delay, index + self.delay + 1)
        found = np.array([box for frame in around for box in self._seen.get(frame, ())], dtype=np.float64).reshape(-1, 4)
        far = self._grow * (found[:, 3] - found[:, 1])
        grown: Boxes = found + np.stack([-far, -far, far, far], axis=1)
        return grown

    def _whole(self, box: tuple[float, float, float, float], label: str) -> tuple[float, float, float, float]:
        """A box whose upper part may have been lost, as tall as others of its class that stand there."""
        x1, y1, x2, y2 = box
        return x1, y2 - self._heights[label].usual(y2, y2 - y1), x2, y2


def paint(image: Image, boxes: Boxes) -> Image:
    """A copy of a picture with boxes filled with one flat colour; what was below cannot be had back."""
    import cv2

    painted = image.copy()
    for x1, y1, x2, y2 in boxes.round().astype(int).tolist():
        cv2.rectangle(painted, (x1, y1), (x2, y2), _FILL, -1)
    return painted


class FilledWriter:
    """Writes the video with people and vehicles painted over, a second late; nothing is written without a warning."""

    def __init__(self, path: str, size: tuple[int, int], frame_rate: float, lines: Sequence[Line], warning: str) -> None:
        """Open the file.

        Args:
            path: Where to write; the name must end in `.mp4`.
            size: Width and height of the source. [px]
            frame_rate: Frames per second. [1/s]
            lines: Counting lines.
            warning: What is known of the share that is covered; it stands in every picture.

        Raises:
            SourceError: There is no warning, or the file cannot be written.
        """
        if "recall" not in warning:
            raise SourceError(f"{path}: warning is '{warning}'; expected the measured recall or 'not measured'; state it")
        self._writer, self._size = open_writer(path, size, frame_rate)
        self._lines, self._warning = tuple(lines), warning
        self._cover = Cover(frame_rate)
        self._waiting: deque[Frame] = deque()

    def __enter__(self) -> Self:
        """Use the writer in a `with` block, which completes the file at its end."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write what waits and complete the file."""
        while self._waiting and kind is None:
            self._put(self._waiting.popleft())
        self._waiting.clear()
        self._writer.release()

    def write(self, frame: Frame, tracks: Sequence[Track], found: Detections) -> None:
        """Take a frame in, with its tracks and all that was found; the one that is a second old is written."""
        self._cover.see(frame.index, tracks, found)
        self._waiting.append(frame)
        if len(self._waiting) > self._cover.delay:
            self._put(self._waiting.popleft())

    def _put(self, frame: Frame) -> None:
        import cv2

        image = paint(frame.image, self._cover.boxes(frame.index))
        for line in self._lines:
            cv2.line(image, (round(line.x1), round(line.y1)), (round(line.x2), round(line.y2)), (0, 140, 255), 2, cv2.LINE_AA)
        scale = max(0.3, min(0.6, self._size[0] / 1300))
        cv2.rectangle(image, (0, 0), (image.shape[1], round(40 * scale)), (0, 0, 0), -1)
        cv2.putText(
            image, self._warning, (4, round(28 * scale)), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA
        )
        self._writer.write(image[: self._size[1], : self._size[0]])


@dataclass(frozen=True)
class Covered:
    """How much of the true people was covered.

    Attributes:
        group: Which people.
        people: Number of true boxes.
        boxes: Share of them that was fully covered.
        heads: Share of their heads that was fully covered.
    """

    group: str
    people: int
    boxes: float
    heads: float


class Recall:
    """Compares what would be painted with true boxes, frame by frame."""

    def __init__(self, frame_rate: float, size: tuple[int, int], truth: Callable[[int], Boxes]) -> None:
        """Start with nothing compared.

        Args:
            frame_rate: Frames per second. [1/s]
            size: Width and height of a frame. [px]
            truth: True boxes x1, y1, x2, y2 of a frame, shape `(n, 4)`.
        """
        self._cover = Cover(frame_rate)
        self._size = size
        self._truth = truth
        self._last = -1
        self._rows: list[tuple[float, bool, bool]] = []
        self._painted: list[float] = []

    def see(self, frame: Frame, tracks: Sequence[Track], found: Detections) -> None:
        """Take a frame's tracks in, and all that was found; its picture is not looked at."""
        self._cover.see(frame.index, tracks, found)
        self._last = frame.index
        if frame.index >= self._cover.delay:
            self._compare(frame.index - self._cover.delay)

    def result(self) -> tuple[list[Covered], float]:
        """All people, then the far, middle and near third by height of the box; and the mean share of the picture painted."""
        for index in range(max(0, self._last + 1 - self._cover.delay), self._last + 1):
            self._compare(index)
        self._last = -1
        rows = np.array(self._rows, dtype=np.float64).reshape(-1, 3)
        found = [_covered("all", rows)]
        if len(rows) >= 3:
            low, high = np.quantile(rows[:, 0], [1 / 3, 2 / 3])
            third = np.digitize(rows[:, 0], [low, high])
            found += [_covered(name, rows[third == number]) for number, name in enumerate(("far", "middle", "near"))]
        return found, float(np.mean(self._painted)) if self._painted else 0.0

    def _compare(self, index: int) -> None:
        mask = np.zeros((self._size[1], self._size[0]), dtype=bool)
        for box in self._cover.boxes(index):
            mask[_inside(box, self._size)] = True
        self._painted.append(float(mask.mean()))
        for x1, y1, x2, y2 in self._truth(index):
            wide, tall = x2 - x1, y2 - y1
            side = (1 - HEAD_WIDE) / 2 * wide
            head = np.array([x1 + side, y1, x2 - side, y1 + HEAD_TALL * tall])
            whole, top = (mask[_inside(region, self._size)] for region in (np.array([x1, y1, x2, y2]), head))
            if whole.size and top.size:
                self._rows.append((tall, bool(whole.mean() >= WHOLE), bool(top.mean() >= WHOLE)))


def _labelled(found: Detections) -> Iterator[tuple[list[float], str]]:
    """Each box with its class."""
    return zip(found.boxes.tolist(), found.labels, strict=True)


def _covered(group: str, rows: Boxes) -> Covered:
    shares = rows[:, 1:].mean(axis=0) if len(rows) else np.array([np.nan, np.nan])
    return Covered(group, len(rows), float(shares[0]), float(shares[1]))


def _inside(box: npt.NDArray[np.float64], size: tuple[int, int]) -> tuple[slice, slice]:
    """The part of a box inside the picture, as rows and columns."""
    x1, x2 = np.clip(np.round(box[0::2]), 0, size[0]).astype(int).tolist()
    y1, y2 = np.clip(np.round(box[1::2]), 0, size[1]).astype(int).tolist()
    return slice(y1, y2), slice(x1, x2)
