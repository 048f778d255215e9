"""Non-maximum suppression: of boxes that show the same thing only the best remains."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


def suppress(boxes: Float, scores: Float, labels: Index | None, overlap: float) -> Index:
    """Indices of the boxes that remain when a better box hides those it overlaps.

    Args:
        boxes: Boxes x1, y1, x2, y2, shape `(n, 4)`. [px]
        scores: Confidence of each, shape `(n,)`.
        labels: Class of each, shape `(n,)`: only boxes of one class hide each other; None for all alike.
        overlap: Intersection over union above which a box is hidden, 0 to 1.

    Returns:
        Indices of what remains, the best first.
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    shared = _intersection(boxes)
    area = np.diagonal(shared)
    hides = shared > overlap * np.maximum(area[:, None] + area[None] - shared, 1e-9)
    if labels is not None:
        hides &= labels[order][:, None] == labels[order][None]
    return _best(order, hides)


def merge_cuts(boxes: Float, scores: Float, labels: Index | None, cut: npt.NDArray[np.bool_], share: float = 0.6) -> Index:
    """Indices that remain of boxes from overlapping pictures, some of which their picture's edge has cut.

    A cut box shows a part: it is hidden by a whole one that covers most of it, however small the overlap by union is.
    Of two cut ones the larger remains.

    Args:
        boxes: Boxes x1, y1, x2, y2, shape `(n, 4)`. [px]
        scores: Confidence of each, shape `(n,)`.
        labels: Class of each, shape `(n,)`, or None for all alike.
        cut: Whether a box touches an inner edge of its picture, shape `(n,)`.
        share: Share of the cut box that must be covered, 0 to 1.

    Returns:
        Indices of what remains, whole boxes first, each group the best first.
    """
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    order = np.lexsort((-scores, np.where(cut, -area, 0.0), cut))
    boxes, cut = boxes[order], cut[order]
    shared = _intersection(boxes)
    hides = cut[None, :] & (shared > share * np.maximum(np.diagonal(shared)[None, :], 1e-9))
    if labels is not None:
        hides &= labels[order][:, None] == labels[order][None]
    return _best(order, hides)


def _intersection(boxes: Float) -> Float:
    """Area that each pair of boxes has in common; the diagonal holds their own."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    side = np.clip(high - low, 0, None)
    return np.asarray(side[..., 0] * side[..., 1], dtype=np.float32)


def _best(order: Index, hides: npt.NDArray[np.bool_]) -> Index:
    """Go through boxes in order; each that is not hidden yet hides later ones."""
    hidden = np.zeros(len(order), dtype=bool)
    kept = []
    for place in range(len(order)):
        if not hidden[place]:
            kept.append(place)
            hidden |= hides[place]
    return np.asarray(order[kept], dtype=np.int64)
