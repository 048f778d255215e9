"""How tall people are in the picture, learned from what is seen."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

_TALLER = 0.3  # weight of a blob above the line: it may hold two people, one below it is rarely less than one
_EACH = 4.0  # most blobs that one passer-by counts for: one person seen for long tells no more than one seen shortly
_FIRST = 8  # blobs from which the size of people is taken for known
_WIDE, _WIDER = 1.4, 0.3  # a blob so many times as wide as usual may be two people; its weight
_USUAL = 75_000.0  # how strongly the usual slope is believed: as twelve people, their feet 40 px off [px2]


class PersonScale:
    """How tall and wide a person is at each row of the picture, learned from blobs that stand alone."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, float, int]] = deque(maxlen=600)
        self._slope = 0.0
        self._offset = 0.0
        self.aspect = 0.4
        self._middle = 0.0
        self._new = 0
        self._upright = 0.5  # share of upright shapes among the latest
        self.known = False

    def learn(self, foot: float, tall: float, wide: float, walker: int) -> None:
        """Remember a blob that travelled; look at all of them again from time to time.

        Where most of what travels is not shaped like a person walking, people's size is not known.

        Args:
            foot: Row of its lower edge. [px]
            tall: Its height. [px]
            wide: Its width. [px]
            walker: Number of whom it shows, as far as that is known.
        """
        if tall < 6:
            return
        upright = 1.4 <= tall / wide <= 5.0
        self._upright += 0.05 * (upright - self._upright)
        if not upright:
            self.known = self.known and self._upright > 0.6
            return
        if self.known and not 0.55 <= tall / self.at(foot)[0] <= 2.5:
            return
        self._seen.append((foot, tall, wide, walker))
        self._new += 1
        if self._new >= max(_FIRST, min(60, len(self._seen) // 4)):
            self._new = 0
            self._fit()

    def at(self, foot: float) -> tuple[float, float]:
        """Usual height and width of a person whose feet are at a row. [px]."""
        tall = min(max(self._offset + self._slope * foot, 0.45 * self._middle, 6.0), 2.2 * self._middle)
        return tall, self.aspect * tall

    def heights(self, feet: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Usual heights of people whose feet are at some rows. [px]."""
        tall = self._offset + self._slope * feet
        return np.minimum(np.maximum(tall, max(0.45 * self._middle, 6.0)), 2.2 * self._middle)

    def foot_below(self, top: float) -> float:
        """Row of the feet of a usual person whose head is at a row. [px]."""
        return (top + self._offset) / (1.0 - self._slope)

    def _fit(self) -> None:
        """A straight line through the heights, by iteratively reweighted least squares (Huber)."""
        foot, tall, wide, walker = np.array(self._seen).T
        _, place, times = np.unique(walker, return_inverse=True, return_counts=True)
        share = np.minimum(1.0, _EACH / times)[place]
        # By area a few people count more than many specks of rain: what is far smaller than the middle by area is a speck.
        person = tall >= 0.5 * _median(tall, share * tall * wide)
        foot, tall, wide, share = foot[person], tall[person], wide[person], share[person]
        aspect = _median(wide / tall, share)
        share = np.where(wide / tall > _WIDE * aspect, _WIDER * share, share)
        weights = share
        middle = _median(foot, share)
        offset, slope = _median(tall, share), 0.0
        self._middle = offset
        # A horizon somewhat above the picture, believed until feet of several people are seen on rows that differ: one
        # may be tall, and a step that lifts a foot shortens the body as much, which alone would look like a steep slope.
        usual = 0.6 * offset / max(middle, 1.0)
        for _ in range(15):
            spread = float((weights * (foot - middle) ** 2).sum())
            mean_foot = float((weights * (foot - middle)).sum() / weights.sum())
            mean_tall = float((weights * tall).sum() / weights.sum())
            together = float((weights * (foot - middle - mean_foot) * (tall - mean_tall)).sum())
            slope = (together + _USUAL * usual) / (spread + _USUAL)
            slope = min(max(slope, 0.0), 0.6)
            offset = mean_tall - slope * mean_foot
            taller = tall - offset - slope * (foot - middle)
            error = np.abs(taller)
            limit = max(1.0, 1.345 * 1.4826 * _median(error, share))
            weights = share * np.minimum(1.0, limit / np.maximum(error, 1e-9)) * np.where(taller > 0, _TALLER, 1.0)
        self._slope, self._offset = slope, offset - slope * middle
        self.aspect = min(max(_median(wide / tall, share), 0.25), 0.6)
        self.known = True


def _median(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    """Weighted median."""
    order = np.argsort(values)
    reached = weights[order].cumsum()
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
