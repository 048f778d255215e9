"""The detector in an ONNX file: from a frame to road users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analytics.video.detect import Detections, Float, Image
from analytics.video.onnx.classes import ROAD_USER_OF, ROAD_USERS, merge_riders
from analytics.video.onnx.decode import Found, Index
from analytics.video.onnx.network import STEP, Network
from analytics.video.onnx.session import usable_threads
from analytics.video.onnx.suppress import merge_cuts, suppress
from analytics.video.onnx.tiles import tiles
from analytics.video.source import SourceError

_ALL_ALIKE_OVERLAP = 0.5
_LARGEST = 0.5  # a thing of any class that fills more of the picture is the scene, not a road user [share]


@dataclass(frozen=True)
class Placed:
    """A picture for the network, and how its pixels lie in the frame.

    Attributes:
        picture: What the network sees.
        scale: Frame pixels per picture pixel, across and down.
        left: Where the frame's left edge lies in the picture. [px]
        top: Where its upper edge lies. [px]
    """

    picture: Image
    scale: tuple[float, float]
    left: int = 0
    top: int = 0

    def back(self, boxes: Float) -> Float:
        """Boxes of the picture in pixels of the frame."""
        moved = boxes - np.array([self.left, self.top] * 2, np.float32)
        return moved * np.array([*self.scale, *self.scale], np.float32)


class OnnxDetector:
    """A detector in an ONNX file, run on the processor.

    How it is fed and read says the YAML of the same stem beside it; without one it is told from the form of the outputs.
    Where the graph allows it, the network sees the frame without the padding around it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        min_score: float | None = None,
        classes: Sequence[str] | None = None,
        threads: int | None = None,
        class_agnostic: bool = False,
        tiling: int = 1,
    ) -> None:
        """Load a model.

        Args:
            path: The ONNX file; one that keeps weights in other files is refused.
            min_score: Detections below are dropped; by default what the YAML says, else 0.3.
            classes: Name of each label from 0 on; by default what the YAML says, else COCO's.
            threads: Threads of the runtime; by default as many as there are processors, at most 4.
            class_agnostic: Take every detection of whatever class as a road user of class `any`: for views from above,
                where a car is a "cell phone" to a network that has only seen streets from the ground.
            tiling: Also look at the frame in so many overlapping tiles across, for small and far road users; 1 for none.

        Raises:
            SourceError: The file is missing, is not ONNX, or has inputs or outputs of another form than its YAML says.
        """
        if not 1 <= tiling <= 8:
            raise SourceError(f"{path}: tiling is '{tiling}'; expected 1 to 8; choose how many tiles lie across the frame")
        self.network = Network(Path(path), threads=threads or usable_threads())
        sidecar = self.network.sidecar
        self.min_score = sidecar.min_score if min_score is None else min_score
        self._names = tuple(classes) if classes is not None else sidecar.classes
        named = [ROAD_USER_OF.get(name, name if classes is not None else "") for name in self._names]
        self._users: tuple[str, ...] = ("any",) * len(named) if class_agnostic else tuple(named)
        self._known = np.array([bool(name) for name in self._users])
        self._alike = class_agnostic or not sidecar.is_class_aware
        self._tiling = tiling
        self._canvas: Image | None = None
        self._inner: tuple[int, int, int, int] | None = None

    @property
    def road_users(self) -> tuple[str, ...]:
        """Classes that the detector can tell apart."""
        order = [*ROAD_USERS, *self._users]
        return tuple(sorted({name for name in self._users if name and name != "any"}, key=order.index))

    def __call__(self, image: Image) -> Detections:
        """Find road users in a BGR picture, shape `(height, width, 3)`."""
        found = self.look(self.place(image))
        if self._tiling > 1:
            found = self._with_tiles(image, found)
        return self.name(found, image.shape[:2])

    def place(self, image: Image) -> Placed:
        """A frame as the network wants it: stretched, or made to fit."""
        import cv2

        size, sidecar = self.network.size, self.network.sidecar
        height, width = image.shape[:2]
        if size is None or (size == (height, width) and not self.network.is_flexible):
            return Placed(image, (1.0, 1.0))
        area = sidecar.interpolation == "area"
        if sidecar.resize == "stretch":
            picture = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)
            return Placed(picture.astype(np.uint8, copy=False), (width / size[1], height / size[0]))
        ratio = min(size[0] / height, size[1] / width)
        tall, wide = max(1, int(height * ratio)), max(1, int(width * ratio))
        rows, columns = size
        if self.network.is_flexible:
            rows, columns = -(-tall // STEP) * STEP, -(-wide // STEP) * STEP
        top, left = ((rows - tall) // 2, (columns - wide) // 2) if sidecar.resize == "letterbox_centred" else (0, 0)
        if self._canvas is None or self._canvas.shape[:2] != (rows, columns):
            self._canvas = np.full((rows, columns, 3), sidecar.pad, np.uint8)
            self._inner = None
        if self._inner != (top, left, tall, wide):
            self._canvas[:] = sidecar.pad  # else what is padded is still grey from the last frame
            self._inner = (top, left, tall, wide)
        inner = cv2.resize(image, (wide, tall), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)
        self._canvas[top : top + tall, left : left + wide] = inner
        return Placed(self._canvas, (1 / ratio, 1 / ratio), left, top)

    def look(self, placed: Placed) -> Found:
        """What the network finds in one picture: boxes in pixels of the frame, scores and labels of road users."""
        boxes, scores, labels = self.network.see(placed.picture, self.min_score)
        inside = (labels >= 0) & (labels < len(self._known))
        keep = inside & self._known[np.where(inside, labels, 0)]
        boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
        overlap = self.network.sidecar.overlap
        if overlap is None and self._alike:
            overlap = _ALL_ALIKE_OVERLAP
        if overlap is not None and len(boxes) > 1:
            best = suppress(boxes, scores, None if self._alike else labels, overlap)
            boxes, scores, labels = boxes[best], scores[best], labels[best]
        return placed.back(boxes), scores, labels

    def name(self, found: Found, size: tuple[int, ...]) -> Detections:
        """Road users of what was found in a frame of this height and width; a rider and what is ridden become one."""
        boxes, scores, labels = found
        users = tuple(self._users[label] for label in labels.tolist())
        if "any" in users:
            small = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) <= _LARGEST * size[0] * size[1]
            boxes, scores = boxes[small], scores[small]
            users = tuple(user for user, kept in zip(users, small.tolist(), strict=True) if kept)
        boxes, scores, users = merge_riders(boxes, scores, users)
        return Detections(boxes.astype(np.float32, copy=False), scores.astype(np.float32, copy=False), users)

    def merge(self, found: Sequence[Found], cut: Sequence[npt.NDArray[np.bool_]]) -> Found:
        """What several pictures of one frame show, once; `cut` says which boxes their picture's inner edge has cut."""
        boxes, scores, labels = (np.concatenate(part) for part in zip(*found, strict=True))
        cuts = np.concatenate(cut)
        classes: Index | None = None if self._alike else labels
        kept = merge_cuts(boxes, scores, classes, cuts)
        boxes, scores, labels = boxes[kept], scores[kept], labels[kept]
        classes = None if self._alike else labels
        kept = suppress(boxes, scores, classes, self.network.sidecar.overlap or _ALL_ALIKE_OVERLAP)
        return boxes[kept], scores[kept], labels[kept]

    def _with_tiles(self, image: Image, whole: Found) -> Found:
        """The whole frame and its tiles together."""
        found, cut = [whole], [np.zeros(len(whole[0]), bool)]
        for window in tiles((image.shape[0], image.shape[1]), self._tiling):
            y1, x1, y2, x2 = window
            boxes, scores, labels = self.look(self.place(np.ascontiguousarray(image[y1:y2, x1:x2])))
            found.append((boxes + np.array([x1, y1] * 2, np.float32), scores, labels))
            cut.append(is_cut(boxes, (y2 - y1, x2 - x1), (y1 > 0, x1 > 0, y2 < image.shape[0], x2 < image.shape[1])))
        return self.merge(found, cut)


def is_cut(
    boxes: Float, size: tuple[int, int], inner: tuple[bool, bool, bool, bool], near: float = 0.01
) -> npt.NDArray[np.bool_]:
    """Which boxes of a tile end at an edge behind which the frame goes on.

    Args:
        boxes: Boxes in pixels of the tile, shape `(n, 4)`.
        size: Height and width of the tile. [px]
        inner: Whether the frame goes on above, left, below and right of the tile.
        near: What counts as at the edge, as a share of the tile's longer side.
    """
    margin = near * max(size)
    above, left, below, right = inner
    return np.asarray(
        (above & (boxes[:, 1] <= margin))
        | (left & (boxes[:, 0] <= margin))
        | (below & (boxes[:, 3] >= size[0] - margin))
        | (right & (boxes[:, 2] >= size[1] - margin))
    )
