"""How tall people are in the picture, learned from what is seen."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

_TALLER = 0.3  # weight of a blob above the line: it may hold two people, one below it is rarely less than one
_ROWS = 15.0  # spread of the seen feet from which the picture's own slope counts more than the usual one [px]


class PersonScale:
    """How tall and wide a person is at each row of the picture, learned from blobs that stand alone."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, float]] = deque(maxlen=600)
        self._slope = 0.0
        self._offset = 0.0
        self.aspect = 0.4
        self._middle = 0.0
        self._new = 0
        self._upright = 0.5  # share of upright shapes among the latest
        self.known = False

    def learn(self, foot: float, tall: float, wide: float) -> None:
        """Remember a blob that travelled; look at all of them again from time to time.

        Where most of what travels is not shaped like a person walking, people's size is not known.
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
        self._seen.append((foot, tall, wide))
        self._new += 1
        if self._new >= max(12, min(60, len(self._seen) // 4)):
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
        foot, tall, wide = np.array(self._seen).T
        # By area a few people count more than many specks of rain: what is far smaller than the middle by area is a speck.
        order = np.argsort(tall)
        area = (tall * wide)[order].cumsum()
        person = tall >= 0.5 * tall[order][np.searchsorted(area, area[-1] / 2)]
        foot, tall, wide = foot[person], tall[person], wide[person]
        weights = np.ones_like(tall)
        middle = float(np.median(foot))
        offset, slope = float(np.median(tall)), 0.0
        self._middle = offset
        # A horizon somewhat above the picture, believed until feet are seen on rows that differ: a step that lifts a foot
        # shortens the body as much, which alone would look like a steep slope.
        usual = 0.6 * offset / max(middle, 1.0)
        trust = 0.5 * len(foot) * _ROWS**2
        for _ in range(15):
            spread = float((weights * (foot - middle) ** 2).sum())
            mean_foot = float((weights * (foot - middle)).sum() / weights.sum())
            mean_tall = float((weights * tall).sum() / weights.sum())
            together = float((weights * (foot - middle - mean_foot) * (tall - mean_tall)).sum())
            slope = (together + trust * usual) / (spread + trust)
            slope = min(max(slope, 0.0), 0.6)
            offset = mean_tall - slope * mean_foot
            taller = tall - offset - slope * (foot - middle)
            error = np.abs(taller)
            limit = max(1.0, 1.345 * 1.4826 * float(np.median(error)))
            weights = np.minimum(1.0, limit / np.maximum(error, 1e-9)) * np.where(taller > 0, _TALLER, 1.0)
        self._slope, self._offset = slope, offset - slope * middle
        self.aspect = min(max(float(np.median(wide / tall)), 0.25), 0.6)
        self.known = True
