"""How far units of one type agree with each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.sensing.calibration.resampling import LEVEL, RESAMPLES, blocks, ends

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Precision:
    """Precision across units.

    Attributes:
        units: How many units.
        intervals: Intervals in which all of them gave a value.
        SD: Standard deviation of units about their mean, in the unit of the values; None with fewer than two units.
        CV: The same in percent of the mean of all; None with fewer than two units, or where the mean is not above 0.
    """

    units: int
    intervals: int
    SD: float | None
    CV: float | None


def precision(sensors: npt.ArrayLike) -> Precision:
    """Standard deviation and coefficient of variation across units, over the intervals where all units are valid.

    SD = sqrt(sum over intervals and units of (x_ij - mean_j)^2 / (N M - 1)), CV = 100 SD / mean.

    Args:
        sensors: Units, shape `(units, n)`; NaN where a unit has no value.

    Source:
        EPA/600/R-20/280, equations of section 3.1.2; sensortoolkit `_cv.py`.

    Example:
        >>> precision([[9.0, 19.0], [11.0, 21.0]]).SD.__round__(3)
        1.155
    """
    values = np.asarray(sensors, dtype=np.float64)
    values = values[:, np.isfinite(values).all(axis=0)]
    units, n = values.shape
    if units < 2 or n < 1:
        return Precision(units, n, None, None)
    spread = float(np.sqrt(((values - values.mean(axis=0)) ** 2).sum() / (n * units - 1)))
    mean = float(values.mean())
    return Precision(units, n, spread, 100 * spread / mean if mean > 0 else None)


def precision_intervals(
    sensors: Floats, *, per_day: int, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Intervals of SD and CV by a block bootstrap over time; empty where they cannot be had.

    Args:
        sensors: Units in order of time, shape `(units, n)`; NaN where a unit has no value.
        per_day: Intervals of a day, 24 for hours and 1 for days.
        level: Level of the intervals.
        resamples: How often the series is drawn anew.
        seed: Of the draws.
    """
    values = sensors[:, np.isfinite(sensors).all(axis=0)]
    units, n = values.shape
    if units < 2 or n < 2:
        return {}
    chosen = blocks(n, per_day, resamples, seed)
    squares, means = ((values - values.mean(axis=0)) ** 2).sum(axis=0), values.mean(axis=0)
    spread = np.sqrt(squares[chosen].sum(axis=1) / (n * units - 1))
    found = {"SD": ends(spread, level)}
    mean = means[chosen].mean(axis=1)
    if (mean > 0).all():
        found["CV"] = ends(100 * spread / mean, level)
    return found
