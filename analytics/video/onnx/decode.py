"""From the raw outputs of each family to boxes, scores and labels, in pixels of the network's picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analytics.video.onnx.sidecar import Family

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]
Found = tuple[Float, Float, Index]
"""Boxes x1, y1, x2, y2 `(n, 4)`, scores `(n,)` and labels `(n,)`."""

YOLO_STRIDES = (8, 16, 32)


def decode(family: Family, outputs: Sequence[npt.NDArray[np.generic]], size: tuple[int, int], min_score: float) -> Found:
    """Read what a network said of one picture.

    Args:
        family: The network's family.
        outputs: Its outputs in the order in which `network.order_outputs` puts them.
        size: Height and width of its picture. [px]
        min_score: Detections below are left out.

    Returns:
        Boxes x1, y1, x2, y2 in pixels of the network's picture, scores and labels; nothing is suppressed yet.
    """
    if family == "yolox":
        return _yolox(np.asarray(outputs[0][0], np.float32), size, min_score)
    if family in ("nanodet", "picodet"):
        return _distances([np.asarray(output[0], np.float32) for output in outputs], size, min_score)
    if family == "fastestdet":
        return _fastestdet(np.asarray(outputs[0][0], np.float32), size, min_score)
    if family == "yolov5":
        return _yolov5(np.asarray(outputs[0][0], np.float32), min_score)
    if family == "yolov8":
        return _yolov8(np.asarray(outputs[0][0], np.float32).T, min_score)
    if family == "yolov10":
        rows = np.asarray(outputs[0][0], np.float32)
        rows = rows[rows[:, 4] >= min_score]
        return rows[:, :4], rows[:, 4], rows[:, 5].round().astype(np.int64)
    if len(outputs) == 1:
        boxes, scores, labels = _yolov8(np.asarray(outputs[0][0], np.float32), min_score)
        return boxes * np.array([size[1], size[0]] * 2, np.float32), scores, labels
    boxes = np.asarray(outputs[0], np.float32).reshape(-1, 4)
    scores, labels = np.asarray(outputs[1], np.float32).reshape(-1), np.asarray(outputs[2]).reshape(-1).astype(np.int64)
    if not len(boxes) == len(scores) == len(labels):
        return boxes, scores, labels
    keep = ~(scores < min_score)
    return boxes[keep], scores[keep], labels[keep]


def grid_cells(size: tuple[int, int], strides: Sequence[int]) -> int:
    """How many cells the grids of a picture have together; height and width in pixels, rounded up as convolutions do."""
    return sum(-(-size[0] // stride) * -(-size[1] // stride) for stride in strides)


def _yolox(rows: Float, size: tuple[int, int], min_score: float) -> Found:
    """Rows of offset, logarithm of size, objectness and class scores, `(n, 5 + classes)`.

    Source:
        YOLOX (Ge et al., 2021), `demo_postprocess`: strides 8, 16 and 32, row by row.
    """
    chosen = np.flatnonzero(rows[:, 4] >= min_score)  # a class score is at most 1, so the rest cannot pass
    cells = rows[chosen]
    labels = cells[:, 5:].argmax(axis=1)
    scores = cells[:, 4] * cells[np.arange(len(cells)), 5 + labels]
    keep = scores >= min_score
    chosen, cells, labels, scores = chosen[keep], cells[keep], labels[keep], scores[keep]
    place, step = _places(chosen, size, YOLO_STRIDES)
    centre = (cells[:, :2] + place) * step
    half = np.exp(cells[:, 2:4]) * step / 2
    return np.concatenate([centre - half, centre + half], axis=1), scores, labels.astype(np.int64)


def _distances(outputs: Sequence[Float], size: tuple[int, int], min_score: float) -> Found:
    """Per level class scores `(n, classes)`, then per level the distribution of each side's distance `(n, 4 * bins)`.

    Source:
        Generalized focal loss (Li et al., 2020); NanoDet and PP-PicoDet: the expected bin is the distance in strides.
    """
    levels = len(outputs) // 2
    found: list[Found] = []
    for level in range(levels):
        stride = 8 << level
        classes, sides = outputs[level], outputs[levels + level]
        best = classes.max(axis=1)
        chosen = np.flatnonzero(best >= min_score)
        bins = sides.shape[1] // 4
        raw = sides[chosen].reshape(-1, 4, bins)
        weight = np.exp(raw - raw.max(axis=2, keepdims=True))
        distance = (weight @ np.arange(bins, dtype=np.float32)) / weight.sum(axis=2) * stride
        across = -(-size[1] // stride)
        centre = np.stack([chosen % across, chosen // across], axis=1) * stride + (stride - 1) / 2
        boxes = np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], axis=1).astype(np.float32)
        found.append((boxes, best[chosen], classes[chosen].argmax(axis=1).astype(np.int64)))
    boxes, scores, labels = (np.concatenate(part) for part in zip(*found, strict=True))
    return boxes, scores, labels


def _fastestdet(grid: Float, size: tuple[int, int], min_score: float) -> Found:
    """One grid `(5 + classes, rows, columns)`: objectness, offset, size and class scores.

    Source:
        FastestDet (dog-qiuqiu), example/onnx-runtime: score = objectness^0.6 · class^0.4, offset by tanh, size by sigmoid.
    """
    rows, columns = grid.shape[1:]
    cells = grid.reshape(len(grid), -1)
    best = cells[5:].max(axis=0)
    scores = np.clip(cells[0], 0, None) ** np.float32(0.6) * np.clip(best, 0, None) ** np.float32(0.4)
    chosen = np.flatnonzero(scores >= min_score)
    cell = cells[:, chosen]
    centre = np.stack([chosen % columns, chosen // columns], axis=1) + np.tanh(cell[1:3]).T
    centre = centre / np.array([columns, rows])
    half = (1 / (1 + np.exp(-cell[3:5]))).T / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1) * np.array([size[1], size[0]] * 2)
    return boxes.astype(np.float32), scores[chosen], cell[5:].argmax(axis=0).astype(np.int64)


def _yolov5(rows: Float, min_score: float) -> Found:
    """Rows of centre, size, objectness and class scores `(n, 5 + classes)`, decoded in the graph.

    Source:
        Ultralytics YOLOv5, `non_max_suppression`: score = objectness · class.
    """
    rows = rows[rows[:, 4] >= min_score]
    labels = rows[:, 5:].argmax(axis=1)
    scores = rows[:, 4] * rows[np.arange(len(rows)), 5 + labels]
    keep = scores >= min_score
    return _corners(rows[keep, :4]), scores[keep], labels[keep].astype(np.int64)


def _yolov8(rows: Float, min_score: float) -> Found:
    """Rows of centre, size and class scores `(n, 4 + classes)`, decoded in the graph.

    Source:
        Ultralytics YOLOv8 and later, and its RT-DETR, whose rows are shares of the picture.
    """
    best = rows[:, 4:].max(axis=1)
    chosen = best >= min_score
    rows = rows[chosen]
    return _corners(rows[:, :4]), best[chosen], rows[:, 4:].argmax(axis=1).astype(np.int64)


def _corners(rows: Float) -> Float:
    """Boxes from centre and size."""
    half = rows[:, 2:4] / 2
    return np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)


def _places(chosen: Index, size: tuple[int, int], strides: Sequence[int]) -> tuple[Float, Float]:
    """Column and row in its grid of each chosen cell `(n, 2)`, and the stride `(n, 1)` of that grid."""
    place, step = np.empty((len(chosen), 2), np.float32), np.empty((len(chosen), 1), np.float32)
    first = 0
    for stride in strides:
        rows, columns = size[0] // stride, size[1] // stride
        here = (chosen >= first) & (chosen < first + rows * columns)
        inside = chosen[here] - first
        place[here] = np.stack([inside % columns, inside // columns], axis=1)
        step[here] = stride
        first += rows * columns
    return place, step
