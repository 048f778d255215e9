"""Intervals of what is computed from a series: the series is looked at again without each of its stretches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Scale = tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]

LEVEL = 0.95
STRETCHES = 6
"""Long stretches that are left out one by one."""
LEAST, MOST = 12, 120
"""Short parts that are left out one by one: days, but a series of fewer days is cut finer and a long one coarser."""
LASTING, WORTH = 0.8, 3.0
"""Most that neighbouring parts are taken to correlate, and fewest independent parts a series is taken to be worth."""
NO_INTERVAL = (float("nan"), float("nan"))


def parts(n: int, per_day: int) -> int:
    """How many short parts a series is cut into.

    Args:
        n: Length of the series.
        per_day: Intervals of a day, 24 for hours and 1 for days.

    Example:
        >>> parts(24 * 30, 24), parts(24 * 365, 24), parts(48, 24), parts(8, 24)
        (30, 120, 12, 8)
    """
    return min(n, max(LEAST, min(MOST, round(n / per_day))))


def jackknife(
    measure: Callable[[Bools], Mapping[str, float]],
    n: int,
    *,
    per_day: int,
    level: float = LEVEL,
    scales: Mapping[str, Scale] | None = None,
) -> dict[str, tuple[float, float]]:
    """Intervals of measures of a series whose neighbouring values are not independent.

    Two standard errors are had without a guess at how long dependence lasts, and the interval is the wider one's. Each errs
    where the other does not: few long stretches see slow errors and intervals that weigh much, short parts see how strongly
    neighbours depend on each other.

    - Each of `STRETCHES` stretches is left out: a jackknife, with Student's t of one degree of freedom fewer.
    - Each short part is left out; the pseudo-values' correlation of neighbours (the larger of Pearson's and of the ranks',
      both freed of their bias) gives how many independent parts they are worth, and Student's t has that many less one.

    Args:
        measure: (which places are kept, shape `(n,)`) -> measures by name; NaN where one cannot be had.
        n: Length of the series, in order of time, 8 or more.
        per_day: Intervals of a day, 24 for hours and 1 for days.
        level: Level of the intervals.
        scales: Name -> functions to and from a scale on which the measure is spread more evenly; both rise, or both fall.

    Returns:
        Name -> (lower, upper); NaN where the measure cannot be had with and without every part.

    Source:
        Stretches: Bester, Conley and Hansen (2011), J. Econometrics 165, 137, with the jackknife (CV3) that MacKinnon,
        Nielsen and Webb (2023) find the most reliable with few clusters. Parts: effective sample size as Zwiers and von Storch
        (1995), bias of the correlation as Marriott and Pope (1954). Recalled, not read again; how often the intervals
        hold the truth was measured: `tests/benchmarks/coverage_collocation.py`.
    """
    found = measure(np.ones(n, dtype=np.bool_))
    stretches, short = (
        {name: np.array([one[name] for one in without]) for name in found}
        for without in ([measure(kept) for kept in _left_out(n, count, per_day)] for count in (STRETCHES, parts(n, per_day)))
    )
    same: Scale = (lambda value: value, lambda value: value)
    reach = {}
    for name, value in found.items():
        there, back = (scales or {}).get(name, same)
        with np.errstate(divide="ignore", invalid="ignore"):
            middle, by_stretch, by_part = (
                there(np.asarray(one, dtype=np.float64)) for one in (value, stretches[name], short[name])
            )
            half = max(_of_stretches(float(middle), by_stretch, level), _of_parts(float(middle), by_part, level))
            ends = back(np.array([middle - half, middle + half]))
        reach[name] = (float(ends.min()), float(ends.max())) if np.isfinite(ends).all() else NO_INTERVAL
    return reach


def _left_out(n: int, count: int, per_day: int) -> Bools:
    """Which places are kept when each part is left out, shape `(count, n)`; parts are whole days where there are enough."""
    step = per_day if n // per_day >= count else 1
    place = np.arange(n) // step
    return np.asarray(place * count // (int(place[-1]) + 1) != np.arange(count)[:, None])


def _of_stretches(value: float, without: Floats, level: float) -> float:
    """Half of the interval from long stretches."""
    count = len(without)
    return _student(level, count - 1) * float(np.sqrt((count - 1) / count * ((without - value) ** 2).sum()))


def _of_parts(value: float, without: Floats, level: float) -> float:
    """Half of the interval from short parts and the correlation of neighbours."""
    from scipy.stats import rankdata

    count = len(without)
    pseudo = count * value - (count - 1) * without
    off = pseudo - pseudo.mean()
    spread = float(off @ off) / count
    if not np.isfinite(spread) or spread == 0:
        return spread
    ranks = rankdata(pseudo) - (count + 1) / 2
    seen = max(float(one[1:] @ one[:-1]) / float(one @ one) for one in (off, ranks) if one.any())
    lasting = min(max((count * seen + 1) / (count - 4), 0.0), LASTING)
    worth = max(count * (1 - lasting) / (1 + lasting), WORTH)
    return _student(level, worth - 1) * float(np.sqrt(spread / (worth - 1)))


def _student(level: float, degrees: float) -> float:
    from scipy.stats import t  # half a second that no other command should wait for

    return float(t.ppf((1 + level) / 2, degrees))
