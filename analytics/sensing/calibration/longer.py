"""Hours made into longer means of both sides, where a limit value is defined for those."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ENOUGH = 0.75
"""Share of the hours that both sides must have measured: 6 of 8 (Directive (EU) 2024/2881, Annex V)."""


def longer_means(
    start_s: npt.NDArray[np.int64], reference: Floats, sensor: Floats, *, hours: int, interval_s: int = 3600
) -> tuple[Floats, Floats]:
    """Means of blocks of hours that do not overlap, beginning at midnight UTC, from the hours that both sides have.

    Args:
        start_s: Start of each hour, seconds since 1970, shape `(n,)`. [s]
        reference: Shape `(n,)`.
        sensor: Same shape and unit; NaN where it has none.
        hours: Length of a block; a divisor of a day. [h]
        interval_s: Length of the intervals. [s]

    Returns:
        Means of the reference and of the sensor, of blocks of which at least `ENOUGH` was measured by both.

    Example:
        >>> one = longer_means(np.arange(0, 8 * 3600, 3600), np.arange(8.0), np.arange(8.0) + 1, hours=8)
        >>> [float(side[0]) for side in one]
        [3.5, 4.5]
    """
    both = np.isfinite(reference) & np.isfinite(sensor)
    blocks, of = np.unique(start_s[both] // (hours * interval_s), return_inverse=True)
    n = np.bincount(of, minlength=len(blocks))
    enough = n >= ENOUGH * hours
    sums = [np.bincount(of, weights=side[both], minlength=len(blocks)) for side in (reference, sensor)]
    return sums[0][enough] / n[enough], sums[1][enough] / n[enough]
