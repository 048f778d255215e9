"""Intervals around forecasts that hold the truth as often as they say: split conformal, and adaptive for series.

Split conformal intervals assume that the past and the future can be exchanged, which drift breaks. Adaptive conformal
inference corrects its level after each miss, and holds its coverage in the long run whatever the series does.

Source:
    Gibbs and Candes 2021, Adaptive conformal inference under distribution shift; Romano, Patterson and Candes 2019 (CQR).
"""

from __future__ import annotations

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
    _share(alpha)
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    return float(_reach(ordered, np.asarray(len(ordered)), np.asarray([alpha]))[0])


def cqr_scores(lower: npt.ArrayLike, upper: npt.ArrayLike, values: npt.ArrayLike) -> Values:
    """Scores of conformalized quantile regression: how far each value lies outside; negative inside, shape `(n,)`."""
    low, high, seen = (np.asarray(given, dtype=np.float64) for given in (lower, upper, values))
    return np.maximum(low - seen, seen - high)


@dataclass(frozen=True)
class Intervals:
    """Intervals of a backtest; NaN where there was no forecast or nothing to learn from.

    Attributes:
        lower: Shape `(n,)` or `(n, sites)`.
        upper: The same shape; infinite where the method could not bound it.
        alpha: The share of misses that was asked for.
    """

    lower: Values
    upper: Values
    alpha: float


def adaptive(
    forecasts: Values | tuple[Values, Values],
    values: Values,
    horizon: int,
    *,
    alpha: float = 0.1,
    rate: float = RATE,
    window: int = 672,
    fewest: int = 50,
    floor: float | Values = -np.inf,
    every: int = 24,
) -> Intervals:
    """Intervals of a rolling origin from the errors that were known at each origin; each site by itself, all at once.

    Args:
        forecasts: From `backtest`, shape `(n,)` or `(n, sites)`; or forecasts of the lower and the upper quantile, which are
            then moved out or in by what their misses ask for (CQR).
        values: What was measured, the same shape; NaN where nothing was: the level then stays as it is.
        horizon: Hours from the origin to the hour forecast. [h]
        alpha: Share of misses that is allowed.
        rate: Step of the adaptive level; 0 for split conformal on a rolling window.
        window: Newest hours whose errors count. [h]
        fewest: Errors that must be known before the first interval.
        floor: What no value lies below, such as 0 for counts; of all, or of each site.
        every: Hours after which the errors are put in order anew; in between they are as old as that. [h]

    Returns:
        The intervals.
    """
    _share(alpha)
    low, high = forecasts if isinstance(forecasts, tuple) else (forecasts, forecasts)
    low, high = np.minimum(low, high), np.maximum(low, high)
    scores = cqr_scores(low, high, values)
    lower, upper = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    level = np.full(values.shape[1:], alpha)
    for first in range(0, len(values), every):
        known = max(first - horizon + 1, 0)
        ordered = np.sort(scores[max(known - window, 0) : known], axis=0)  # NaN come last
        count = np.isfinite(ordered).sum(axis=0)
        # within `horizon` hours nothing is known of the intervals made meanwhile: all of their levels can be told at once
        for start in range(first, min(first + every, len(values)), min(every, horizon)):
            rows = slice(start, min(start + min(every, horizon), first + every, len(values)))
            levels = level + rate * np.cumsum(_surprise(lower, upper, values, rows, horizon, alpha), axis=0)
            reach = _reach(ordered, count, levels)
            is_made = np.isfinite(high[rows]) & (count >= fewest)
            lower[rows] = np.where(is_made, np.maximum(low[rows] - reach, floor), np.nan)
            upper[rows] = np.where(is_made, np.maximum(high[rows] + reach, floor), np.nan)
            level = levels[-1]
    return Intervals(lower, upper, alpha)


def _surprise(lower: Values, upper: Values, values: Values, rows: slice, horizon: int, alpha: float) -> Values:
    """`alpha` less whether the interval of the newest hour that each row's origin knows was missed; 0 where there was none."""
    found = np.zeros((rows.stop - rows.start, *values.shape[1:]))
    begin = max(horizon - rows.start, 0)
    past = slice(rows.start + begin - horizon, rows.stop - horizon)
    if begin < len(found):
        is_judged = np.isfinite(values[past]) & ~np.isnan(upper[past])
        is_missed = ~((lower[past] <= values[past]) & (values[past] <= upper[past]))
        found[begin:] = np.where(is_judged, alpha - is_missed, 0.0)
    return found


def _reach(ordered: Values, count: npt.NDArray[np.int64], levels: Values) -> Values:
    """Conformal quantiles at some levels, of scores in order with NaN at the end; a level of 0 or less asks for everything."""
    rank = np.ceil(np.round((count + 1) * (1 - levels), 9)).astype(np.int64)
    if not len(ordered):
        return np.full(levels.shape, np.inf)
    found = np.take_along_axis(ordered, np.clip(rank - 1, 0, len(ordered) - 1), axis=0)
    return np.where((levels <= 0) | (rank > count), np.inf, np.where(levels >= 1, 0.0, found))


def exceedance(
    forecasts: Values,
    values: Values,
    horizon: int,
    *,
    threshold: float,
    window: int = 672,
    fewest: int = 50,
    every: int = 24,
) -> Values:
    """Probability that a value reaches a threshold, from a forecast and its errors known at the origin.

    Args:
        forecasts: From `backtest`, shape `(n,)` or `(n, sites)`.
        values: What was measured, the same shape.
        horizon: Hours from the origin to the hour forecast. [h]
        threshold: What an event is at or above.
        window: Newest hours whose errors count. [h]
        fewest: Errors that must be known.
        every: Hours after which the errors are looked up anew. [h]

    Returns:
        Probabilities, never quite 0 or 1, NaN where there are none, the same shape.
    """
    errors = values - forecasts
    found = np.full(values.shape, np.nan)
    for first in range(0, len(values), every):
        known = max(first - horizon + 1, 0)
        seen = errors[max(known - window, 0) : known]
        count = np.isfinite(seen).sum(axis=0)
        for t in range(first, min(first + every, len(values))):
            over = (seen >= threshold - forecasts[t]).sum(axis=0)
            found[t] = np.where(np.isfinite(forecasts[t]) & (count >= fewest), (over + 0.5) / (count + 1), np.nan)
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
        values: What was measured, shape of the intervals.
        groups: A label for each value, the same shape.

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
