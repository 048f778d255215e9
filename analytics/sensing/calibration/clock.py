"""Whether the reference's clock and the sensors' show the same hour, by correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST_HOURS = 14
"""Clocks on Earth are not further apart. [h]"""
LEAST_PAIRS = 96
"""With fewer common hours a clock cannot be judged."""
DECISIVE = 0.5
"""A shift is decisive when it leaves less than this share of the variance unexplained that no shift leaves."""
PARTS = 4


@dataclass(frozen=True)
class Shift:
    """What correlation says about two clocks.

    Attributes:
        hours: Whole hours to add to the reference's stamps for the best correlation. [h]
        correlation: With that shift.
        correlation_as_is: Without.
        is_decisive: Whether the shift improves it so much, in most parts of the time alike, that the clocks must differ.
    """

    hours: int
    correlation: float
    correlation_as_is: float
    is_decisive: bool


def clock_shift(
    reference_hours: Integers, reference: Floats, sensor_hours: Integers, sensor: Floats, *, most_h: int = MOST_HOURS
) -> Shift | None:
    """Compare two hourly series at every whole-hour shift.

    Args:
        reference_hours: Hours since 1970 of the reference, no hour twice, shape `(n,)`. [h]
        reference: Its values, same shape.
        sensor_hours: Hours since 1970 of the sensor, shape `(m,)`. [h]
        sensor: Its values, same shape.
        most_h: Largest shift looked at, either way. [h]

    Returns:
        The best shift; None where fewer than `LEAST_PAIRS` hours are common, or a series never changes.
    """
    if not len(reference_hours) or not len(sensor_hours):
        return None
    first = int(min(reference_hours.min(), sensor_hours.min())) - most_h
    size = int(max(reference_hours.max(), sensor_hours.max())) - first + most_h + 1
    fixed, moving = np.full(size, np.nan), np.full(size, np.nan)
    moving[reference_hours - first] = reference
    fixed[sensor_hours - first] = sensor
    shifts = sorted(range(-most_h, most_h + 1), key=abs)  # of equal ones the smallest wins
    common = np.flatnonzero(np.isfinite(fixed) & np.isfinite(moving))
    if len(common) < LEAST_PAIRS:
        return None
    found = [_correlation(np.roll(moving, hours), fixed) for hours in shifts]
    if np.isnan(found[0]):
        return None
    best = int(np.nanargmax(found))
    parts = 0
    for part in np.array_split(common, PARTS):
        inside = slice(part[0], part[-1] + 1)
        each = [_correlation(np.roll(moving, hours)[inside], fixed[inside]) for hours in shifts]
        parts += bool(np.isfinite(each).any() and int(np.nanargmax(each)) == best)
    clear = 1 - found[best] ** 2 < DECISIVE * (1 - max(found[0], 0.0) ** 2)
    return Shift(shifts[best], found[best], found[0], shifts[best] != 0 and clear and parts > PARTS / 2)


def _correlation(one: Floats, two: Floats) -> float:
    both = np.isfinite(one) & np.isfinite(two)
    x, y = one[both], two[both]
    if len(x) < LEAST_PAIRS / PARTS or x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])
