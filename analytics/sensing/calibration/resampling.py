"""Bootstrap of series over time: whole blocks are drawn, since neighbouring hours are not independent."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
RESAMPLES = 1000


def block_length(n: int, per_day: int) -> int:
    """Intervals of a block: as many whole days as the cube root of the number of days, at least one.

    Hours of one day, and days of one episode, are not independent; a bootstrap of single hours would be far too sure.

    Args:
        n: Length of the series.
        per_day: Intervals of a day, 24 for hours and 1 for days.

    Source:
        Künsch (1989): blocks grow with the cube root of the series.
    """
    days = max(1, round(math.cbrt(n / per_day)))
    return max(1, min(n, per_day * days))


def blocks(n: int, per_day: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """Places in a series, drawn in circular blocks of `block_length`, shape `(resamples, n)`.

    Source:
        Politis and Romano (1992), circular block resampling.
    """
    block = block_length(n, per_day)
    starts = np.random.default_rng(seed).integers(0, n, size=(resamples, -(-n // block)))
    return (starts[..., None] + np.arange(block)).reshape(resamples, -1)[:, :n] % n


def ends(values: npt.NDArray[np.float64], level: float) -> tuple[float, float]:
    """Lower and upper end of drawn values at a level; NaN where half of the draws have none."""
    known = values[np.isfinite(values)]
    if len(known) < len(values) / 2:
        return float("nan"), float("nan")
    tail = 100 * (1 - level) / 2
    lower, upper = np.percentile(known, [tail, 100 - tail])
    return float(lower), float(upper)
