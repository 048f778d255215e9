"""From a sample counted by hand to an interval for every count.

Manual count of an interval = ratio x automatic count + residual. Each cell (line, direction, road user) has, in each
light, a ratio of its own, drawn towards the other cells' as far as the sample cannot tell them apart; the residual's
variance grows with the count, and its dispersion is estimated from the sample. What was counted by hand is known, the
rest is predicted with the ratio's uncertainty, the residual's and, in small samples, the dispersion's (Student's t).

The ratio is weighted by the inclusion probabilities, so that a sum over all intervals is right on average whatever the
error depends on, and its variance is the larger of the model's and of the one that assumes no model.

Source:
    Särndal, Swensson and Wretman, Model Assisted Survey Sampling (1992), ratio estimator; DerSimonian and Laird (1986)
    for the spread between cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

LEVEL = 0.95
"""Level of the published intervals, as the contract `counts_by_interval` says."""
LEAST_INTERVALS = 8
"""With fewer intervals counted by hand a count stays 'not audited': how far the residuals spread could not be told."""
_HALF = 0.5  # added to counts, so that an interval at 0 has a variance, and whoever under-counts may have missed someone there
_PRIOR_FREEDOM = 4.0  # how many residuals of its own the dispersion of all cells is worth to one cell
_PRIOR_SQUARES = 1.0  # squared standard residuals before the sample: an audit without an error does not prove perfection
_LEAST_SPREAD = 0.1  # ratios of one camera's cells are never taken to be more alike than this
_UNCERTAIN = 2.0  # the spread between cells is itself estimated from few: this many standard errors are added to it
_UNKNOWN_LIGHT = 0.5  # how far the ratio may be off in a light of which nothing was counted by hand


@dataclass(frozen=True)
class Estimate:
    """What is known of the true count of a cell over some intervals.

    Attributes:
        value: Best estimate.
        lower: Lower end.
        upper: Upper end.
    """

    value: float
    lower: int
    upper: int


@dataclass(frozen=True)
class Fit:
    """Ratio and dispersion of every cell and light, with what was counted.

    Attributes:
        automatic: Automatic counts, shape `(cells, intervals)`.
        manual: Counts by hand, NaN where there are none, same shape.
        light: Light of each interval as a number from 0, shape `(intervals,)`.
        inclusion: Probability with which each interval was drawn, same shape.
        ratio: True over automatic count, shape `(cells, lights)`.
        ratio_variance: Its variance, same shape.
        dispersion: Residual variance per count, same shape.
        freedom: Degrees of freedom of the dispersion, same shape.
    """

    automatic: Floats
    manual: Floats
    light: Integers
    inclusion: Floats
    ratio: Floats
    ratio_variance: Floats
    dispersion: Floats
    freedom: Floats

    def total(self, cell: int = 0, chosen: Bools | None = None, *, level: float = LEVEL) -> Estimate:
        """Interval of one cell's true count over the chosen intervals together (default: all).

        Narrower than the sum of the intervals' own ends, since residuals cancel; the ratio's error does not.
        """
        chosen = np.ones(self.automatic.shape[1], dtype=bool) if chosen is None else chosen
        manual = self.manual[cell]
        audited = chosen & ~np.isnan(manual)
        known = float(manual[audited].sum())
        mean = variance = 0.0
        freedom = np.inf
        for light in range(self.ratio.shape[1]):
            x = self.automatic[cell, chosen & ~audited & (self.light == light)] + _HALF
            if len(x):
                mean += float((self.ratio[cell, light] * x - _HALF).sum())
                variance += float(self.dispersion[cell, light] * x.sum() + x.sum() ** 2 * self.ratio_variance[cell, light])
                freedom = min(freedom, float(self.freedom[cell, light]))
        reach = float(stats.t.ppf((1 + level) / 2, freedom)) * variance**0.5 if variance > 0 else 0.0
        low = known + max(0.0, np.floor(mean - reach + 0.5))
        high = known + max(0.0, np.ceil(mean + reach - 0.5))
        counted = float(self.automatic[cell, chosen].sum())
        return Estimate(known + max(0.0, mean), int(np.floor(min(low, counted))), int(np.ceil(max(high, counted))))

    def together(self, cells: Bools) -> Fit:
        """The chosen cells as one, estimated from their sums: errors of different cells may go together or cancel."""
        chosen = self.automatic[cells].sum(axis=0)[None], self.manual[cells].sum(axis=0)[None]
        return fit(*chosen, self.inclusion, self.light)

    def each(self, *, level: float = LEVEL) -> tuple[Integers, Integers]:
        """Lower and upper end for every cell and interval, shape `(cells, intervals)`.

        Both ends hold the automatic count as well, as the contract demands, so that a biased counter's interval reaches
        from its count to the truth.
        """
        x = self.automatic + _HALF
        mean = self.ratio[:, self.light] * x - _HALF
        variance = self.dispersion[:, self.light] * x + x**2 * self.ratio_variance[:, self.light]
        reach = stats.t.ppf((1 + level) / 2, self.freedom[:, self.light]) * np.sqrt(variance)
        known = ~np.isnan(self.manual)
        lower = np.where(known, np.floor(self.manual), np.floor(mean - reach + 0.5))
        upper = np.where(known, np.ceil(self.manual), np.ceil(mean + reach - 0.5))
        lower = np.clip(np.minimum(lower, self.automatic), 0, None)
        return lower.astype(np.int64), np.maximum(upper, self.automatic).astype(np.int64)


def fit(automatic: Floats, manual: Floats, inclusion: Floats, light: Sequence[int] | Integers | None = None) -> Fit:
    """Estimate the ratio and dispersion of every cell from the intervals counted by hand.

    Args:
        automatic: Automatic counts, shape `(cells, intervals)`.
        manual: Counts by hand, NaN where there are none, same shape.
        inclusion: Probability with which each interval was drawn, above 0 where it was, shape `(intervals,)`.
        light: Light of each interval as a number from 0; by default there is one.
    """
    cells, intervals = automatic.shape
    lights = np.zeros(intervals, dtype=np.int64) if light is None else np.asarray(light, dtype=np.int64)
    shape = (cells, int(lights.max(initial=0)) + 1)
    ratio, leverage, robust = (np.full(shape, np.nan) for _ in range(3))
    squares, freedom = np.zeros(shape), np.zeros(shape)
    for cell, kind in np.ndindex(*shape):
        taken = ~np.isnan(manual[cell]) & (lights == kind)
        n = int(taken.sum())
        if n == 0:
            continue
        x, y, weight = automatic[cell, taken] + _HALF, manual[cell, taken] + _HALF, 1.0 / inclusion[taken]
        size = float((weight * x).sum())
        ratio[cell, kind] = (weight * y).sum() / size
        residual = y - ratio[cell, kind] * x
        squares[cell, kind], freedom[cell, kind] = (residual**2 / x).sum(), n - 1
        leverage[cell, kind] = (weight**2 * x).sum() / size**2
        worth = max(1.5, size**2 / float(((weight * x) ** 2).sum()))  # intervals of one size that would tell as much
        robust[cell, kind] = (weight**2 * residual**2).sum() / size**2 * (worth / (worth - 1)) ** 2
    common = (squares.sum() + _PRIOR_SQUARES) / (freedom.sum() + 1)
    prior = np.minimum(_PRIOR_FREEDOM, freedom.sum() - freedom + 1)  # one cell alone lends itself nothing
    dispersion = (prior * common + squares) / (prior + freedom)
    alone = np.fmax(dispersion * leverage, robust)
    pooled, variance = _pool(ratio, alone)
    return Fit(automatic, manual, lights, inclusion, pooled, variance, dispersion, prior + freedom)


def _pool(ratio: Floats, alone: Floats) -> tuple[Floats, Floats]:
    """Draw each cell's ratio towards the mean of its light; cells and lights without a sample take the mean of the others."""
    pooled, variance = np.full(ratio.shape, np.nan), np.full(ratio.shape, np.nan)
    means: dict[int, tuple[float, float]] = {}
    for kind in range(ratio.shape[1]):
        seen = ~np.isnan(ratio[:, kind])
        r, v = ratio[seen, kind], alone[seen, kind]
        if not len(r):
            continue
        mean, of_mean, spread = float(r[0]), float(v[0]), _LEAST_SPREAD**2
        pooled[seen, kind], variance[seen, kind] = r, v
        if len(r) > 1:
            weight = 1 / v
            mean = float((weight * r).sum() / weight.sum())
            excess = (weight * (r - mean) ** 2).sum() - (len(r) - 1) + _UNCERTAIN * (2.0 * (len(r) - 1)) ** 0.5
            spread = max(spread, float(excess / (weight.sum() - (weight**2).sum() / weight.sum())))
            weight = 1 / (v + spread)
            mean, of_mean = float((weight * r).sum() / weight.sum()), float(1 / weight.sum())
            share = v / (v + spread)
            pooled[seen, kind] = (1 - share) * r + share * mean
            variance[seen, kind] = spread * share + share**2 * of_mean
        pooled[~seen, kind], variance[~seen, kind] = mean, of_mean + spread
        means[kind] = mean, of_mean + spread
    for kind in set(range(ratio.shape[1])) - means.keys() if means else ():
        known = np.array([mean for mean, _ in means.values()])
        pooled[:, kind] = known.mean()
        variance[:, kind] = _UNKNOWN_LIGHT**2 + known.var() + max(one for _, one in means.values())
    return pooled, variance
