"""Expanded relative uncertainty of a sensor at a limit value, as equivalence of air-quality methods is demonstrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

COVERAGE_FACTOR = 2.0
"""From a standard to an expanded uncertainty, about 95 %."""


@dataclass(frozen=True)
class Uncertainty:
    """Uncertainty of a sensor at one concentration.

    Attributes:
        slope: Of the orthogonal fit, sensor against reference.
        intercept: Of the same, in the unit of the values.
        random: Standard uncertainty from scatter about the fit, the reference's own taken off, in the unit of the values.
        bias: Of the fit at the limit value, in the unit of the values.
        at: The limit value, in the unit of the values.
        expanded: Expanded relative uncertainty at the limit value. [%]
        reaches: Whether the reference reached the limit value; beyond its range the fit is only carried on.
    """

    slope: float
    intercept: float
    random: float
    bias: float
    at: float
    expanded: float
    reaches: bool


def orthogonal_fit(reference: npt.ArrayLike, sensor: npt.ArrayLike) -> tuple[float, float]:
    """Slope and intercept of the line with the least squared perpendicular distances: both sides have errors.

    Args:
        reference: Shape `(n,)`.
        sensor: Same shape and unit.

    Raises:
        ValueError: The two do not vary together at all.
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(sensor, dtype=np.float64)
    off_x, off_y = x - x.mean(), y - y.mean()
    xx, yy, xy = float(off_x @ off_x), float(off_y @ off_y), float(off_x @ off_y)
    if xy == 0:
        raise ValueError("an orthogonal fit needs values that vary together")
    slope = (yy - xx + float(np.sqrt((yy - xx) ** 2 + 4 * xy**2))) / (2 * xy)
    return slope, float(y.mean() - slope * x.mean())


def expanded_uncertainty(
    reference: npt.ArrayLike, sensor: npt.ArrayLike, *, at: float, of_reference: float = 0.0
) -> Uncertainty:
    """Expanded relative uncertainty at a limit value.

    u^2 = RSS / (n - 2) - u_ref^2 + (a + (b - 1) at)^2 and U = 2 u / at, with the orthogonal fit y = a + b x. The first two
    terms together are not let below 0.

    Args:
        reference: Reference values, shape `(n,)`, n of 3 or more.
        sensor: The sensor's values, same shape and unit.
        at: The limit value, above 0.
        of_reference: Random standard uncertainty of the reference; 0 leaves all scatter to the sensor.

    Source:
        Guide to the Demonstration of Equivalence of Ambient Air Monitoring Methods (EC Working Group, 2010), section 9;
        recalled, not read again.

    Example:
        >>> round(expanded_uncertainty([10, 20, 30], [11, 22, 33], at=25).expanded, 6)
        20.0
    """
    x, y = np.asarray(reference, dtype=np.float64), np.asarray(sensor, dtype=np.float64)
    slope, intercept = orthogonal_fit(x, y)
    rest = y - intercept - slope * x
    random = max(0.0, float(rest @ rest) / (len(x) - 2) - of_reference**2)
    bias = intercept + (slope - 1) * at
    expanded = 100 * COVERAGE_FACTOR * float(np.sqrt(random + bias**2)) / at
    return Uncertainty(slope, intercept, float(np.sqrt(random)), bias, at, expanded, bool(x.max() >= at))
