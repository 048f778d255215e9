"""Intervals around forecasts that hold the truth as often as they say: split conformal, and adaptive for series.

Split conformal intervals assume that the past and the future can be exchanged, which drift breaks. Adaptive conformal
inference corrects its level after each miss, and holds its coverage in the long run whatever the series does.

Source:
    Gibbs and Candes 2021, Adaptive conformal inference under distribution shift; Romano, Patterson and Candes 2019 (CQR).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.sensing.warning.levels import EarlyWarningError

Values = npt.NDArray[np.float64]
RATE = 0.005
"""Step of the adaptive level, as its authors start."""


def conformal_quantile(scores: npt.ArrayLike, alpha: float) -> float:
    """The score that a new one stays within with probability `1 - alpha`.

    Args:
        scores: Scores of a calibration set, such as absolute errors; shape `(n,)`, no NaN.
        alpha: Share of misses that is allowed.

    Returns:
        The ceil((n + 1)(1 - alpha))-th smallest score; infinite where n is below 1 / alpha - 1.

    Example:
        >>> conformal_quantile([3, 1, 2, 4, 5, 6, 7, 8, 9], 0.1)
        9.0
    """
    ordered = np.asarray(scores, dtype=np.float64)
    _share(alpha)
    rank = int(np.ceil(round((len(ordered) + 1) * (1 - alpha), 9)))
    return float(np.partition(ordered, rank - 1)[rank - 1]) if rank <= len(ordered) else float("inf")


def cqr_scores(lower: npt.ArrayLike, upper: npt.ArrayLike, values: npt.ArrayLike) -> Values:
    """Scores of conformalized quantile regression: how far each value lies outside; negative inside, shape `(n,)`."""
    low, high, seen = (np.asarray(given, dtype=np.float64) for given in (lower, upper, values))
    return np.maximum(low - seen, seen - high)


@dataclass(frozen=True)
class Intervals:
    """Intervals of a backtest; NaN where there was no forecast or nothing to learn from.

    Attributes:
        lower: Shape `(n,)`.
        upper: Shape `(n,)`; infinite where the method could not bound it.
        alpha: The share of misses that was asked for.
    """

    lower: Values
    upper: Values
    alpha: float


def adaptive(
    forecasts: Values,
    values: Values,
    horizon: int,
    *,
    alpha: float = 0.1,
    rate: float = RATE,
    window: int = 672,
    fewest: int = 50,
    floor: float = -np.inf,
) -> Intervals:
    """Intervals of a rolling origin from the errors that were known at each origin.

    Args:
        forecasts: From `backtest`, shape `(n,)`.
        values: What was measured, shape `(n,)`; NaN where nothing was: the level then stays as it is.
        horizon: Hours from the origin to the hour forecast. [h]
        alpha: Share of misses that is allowed.
        rate: Step of the adaptive level; 0 for split conformal on a rolling window.
        window: Newest errors that count.
        fewest: Errors that must be known before the first interval.
        floor: What no value lies below, such as 0 for counts.

    Returns:
        The intervals.
    """
    _share(alpha)
    errors: deque[float] = deque(maxlen=window)
    lower, upper = np.full(len(values), np.nan), np.full(len(values), np.nan)
    level = alpha
    for t in range(len(values)):
        past = t - horizon
        if past >= 0 and np.isfinite(forecasts[past]) and np.isfinite(values[past]):
            if np.isfinite(lower[past]) or np.isinf(upper[past]):
                level += rate * (alpha - float(not lower[past] <= values[past] <= upper[past]))
            errors.append(abs(values[past] - forecasts[past]))
        if np.isfinite(forecasts[t]) and len(errors) >= fewest:
            reach = np.inf if level <= 0 else 0.0  # a level at or beyond 0 or 1 asks for everything or nothing
            if 0 < level < 1:
                reach = conformal_quantile(list(errors), level)
            lower[t], upper[t] = max(forecasts[t] - reach, floor), forecasts[t] + reach
    return Intervals(lower, upper, alpha)


def exceedance(
    forecasts: Values, values: Values, horizon: int, *, threshold: float, window: int = 672, fewest: int = 50
) -> Values:
    """Probability that a value reaches a threshold, from a forecast and its errors known at the origin.

    Args:
        forecasts: From `backtest`, shape `(n,)`.
        values: What was measured, shape `(n,)`.
        horizon: Hours from the origin to the hour forecast. [h]
        threshold: What an event is at or above.
        window: Newest errors that count.
        fewest: Errors that must be known.

    Returns:
        Probabilities, never quite 0 or 1, NaN where there are none, shape `(n,)`.
    """
    errors: deque[float] = deque(maxlen=window)
    found = np.full(len(values), np.nan)
    for t in range(len(values)):
        past = t - horizon
        if past >= 0 and np.isfinite(forecasts[past]) and np.isfinite(values[past]):
            errors.append(values[past] - forecasts[past])
        if np.isfinite(forecasts[t]) and len(errors) >= fewest:
            over = int((np.fromiter(errors, dtype=np.float64) >= threshold - forecasts[t]).sum())
            found[t] = (over + 0.5) / (len(errors) + 1)
    return found


@dataclass(frozen=True)
class Coverage:
    """How often intervals held the truth, and at what width.

    Attributes:
        n: Intervals that were judged.
        coverage: Share that held the value.
        mean_width: Of those that were bounded.
        winkler: Mean Winkler score of those that were bounded: width plus 2 / alpha times the distance outside.
        unbounded: Number of infinite intervals; they hold every value.
        by_group: Coverage of each group, such as the hour of the day or the site.
    """

    n: int
    coverage: float
    mean_width: float
    winkler: float
    unbounded: int
    by_group: dict[str, float]


def judge_intervals(intervals: Intervals, values: Values, groups: npt.ArrayLike | None = None) -> Coverage:
    """Coverage, width and Winkler score of intervals against what was measured.

    Args:
        intervals: From `adaptive`.
        values: What was measured, shape `(n,)`.
        groups: A label for each value, shape `(n,)`.

    Raises:
        EarlyWarningError: There is nothing to judge.
    """
    use = np.isfinite(values) & ~np.isnan(intervals.upper)
    if not use.any():
        raise EarlyWarningError("no interval meets a measured value; expected at least one; give a longer series")
    low, high, seen = intervals.lower[use], intervals.upper[use], values[use]
    held = (low <= seen) & (seen <= high)
    bounded = np.isfinite(high - low)
    width = (high - low)[bounded]
    outside = np.maximum(np.maximum(low - seen, seen - high), 0)[bounded]
    named = np.asarray(groups)[use] if groups is not None else np.array([])
    return Coverage(
        int(use.sum()),
        float(held.mean()),
        float(width.mean()) if bounded.any() else float("inf"),
        float((width + 2 / intervals.alpha * outside).mean()) if bounded.any() else float("inf"),
        int((~bounded).sum()),
        {str(group): float(held[named == group].mean()) for group in np.unique(named)},
    )


def _share(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise EarlyWarningError(f"alpha is {alpha}; expected a share between 0 and 1; 0.1 gives intervals of 90 %")
