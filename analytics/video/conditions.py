"""Conditions under which an interval was counted: how bright the picture was, and how many road users hid one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from analytics.video.source import Frame
    from analytics.video.tracking.track import Track

_EVERY_PX = 16  # one pixel in this many each way tells how bright the picture is
_HIDES = 0.15  # share of a box that another must cover for it to count as hidden


class Conditions:
    """Gathers brightness and occlusion for each interval while counting goes on; keeps numbers only."""

    def __init__(self, interval_s: float) -> None:
        """Start with nothing seen.

        Args:
            interval_s: Length of an interval. [s]
        """
        self._interval_s = interval_s
        self._light: dict[int, list[float]] = defaultdict(list)
        self._hidden: dict[int, int] = defaultdict(int)
        self._seen: dict[int, int] = defaultdict(int)

    def see(self, frame: Frame, tracks: Sequence[Track]) -> None:
        """Take a frame and its living tracks in; neither is kept."""
        index = int(frame.time_s / self._interval_s + 1e-9)
        self._light[index].append(float(frame.image[::_EVERY_PX, ::_EVERY_PX].mean()))
        boxes = np.array([track.box for track in tracks if track.missed_s == 0], dtype=np.float64).reshape(-1, 4)
        self._seen[index] += len(boxes)
        self._hidden[index] += int((covered(boxes) > _HIDES).sum()) + sum(track.missed_s > 0 for track in tracks)
        self._seen[index] += sum(track.missed_s > 0 for track in tracks)

    def brightness(self, intervals: int) -> npt.NDArray[np.float64]:
        """Mean brightness of each interval, 0 to 255; NaN where no frame was seen."""
        return np.array([np.mean(self._light[i]) if self._light.get(i) else np.nan for i in range(intervals)])

    def occlusion(self, intervals: int) -> npt.NDArray[np.float64]:
        """Share of the road users in view that were hidden, 0 to 1; 0 where nobody was in view, NaN where nothing was seen."""
        return np.array([self._hidden[i] / max(1, self._seen[i]) if self._light.get(i) else np.nan for i in range(intervals)])


def covered(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Largest share of each box that any one other box covers, shape `(n,)`; boxes are x1, y1, x2, y2, shape `(n, 4)`."""
    if len(boxes) < 2:
        return np.zeros(len(boxes))
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    np.fill_diagonal(both, 0)
    size = np.clip(boxes[:, 2:] - boxes[:, :2], 1e-9, None).prod(axis=1)
    share: npt.NDArray[np.float64] = both.max(axis=1) / size
    return share
