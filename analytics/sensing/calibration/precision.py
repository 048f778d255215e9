"""How far units of one type agree with each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.sensing.calibration.agreement import LOG
from analytics.sensing.calibration.jackknife import LEVEL, Bools, jackknife

Floats = npt.NDArray[np.float64]
LEAST_INTERVALS = 8
"""With fewer there is no interval."""


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


def precision_intervals(sensors: Floats, *, per_day: int, level: float = LEVEL) -> dict[str, tuple[float, float]]:
    """Intervals of SD and CV over time, as of `agreement.intervals`; empty where they cannot be had.

    Args:
        sensors: Units in order of time, shape `(units, n)`; NaN where a unit has no value.
        per_day: Intervals of a day, 24 for hours and 1 for days.
        level: Level of the intervals.
    """
    values = sensors[:, np.isfinite(sensors).all(axis=0)]
    if len(values) < 2 or values.shape[1] < LEAST_INTERVALS:
        return {}

    def without(kept: Bools) -> dict[str, float]:
        found = precision(values[:, kept])
        return {name: float("nan") if value is None else value for name, value in (("SD", found.SD), ("CV", found.CV))}

    return jackknife(without, values.shape[1], per_day=per_day, level=level, scales={"SD": LOG, "CV": LOG})
