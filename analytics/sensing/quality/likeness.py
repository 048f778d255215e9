"""How alike the days of two courses are, at their own times and moved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from analytics.sensing.quality.grid import Floats, Series

DAY_SHARE = 0.75
"""A day counts when this share of its steps was measured."""


def daily_correlations(series: Series, course: Floats, other: Floats, lags: list[int]) -> Floats:
    """Correlation within each day of a course, moved by some steps, with another one, shape `(lags, days)`.

    Days are blocks of as many steps as a day has, from the record's first midnight on: an hour off where the clock changes.
    """
    whole, ((own, its, both), _) = _moments(series, course, [other], lags)
    return _ratio(both, own, its, whole)


def daily_correlations_beyond(series: Series, course: Floats, usual: Floats, beside: Floats, lags: list[int]) -> Floats:
    """The same of what is left of a moved course without its usual one, with another that has no part of that.

    A semipartial correlation: the usual course is scaled to each day.

    Args:
        series: Says when days are.
        course: Readings, shape `(steps,)`.
        usual: What they usually are at their own times, shape `(steps,)`.
        beside: What is unusual about the others, shape `(steps,)`.
        lags: By how many steps the course is moved.

    Returns:
        Correlations, NaN for a day with too few steps, shape `(lags, days)`.
    """
    whole, ((own, usual_squared, to_usual), (_, its, both), (_, _, crossed)) = _moments(series, course, [usual, beside], lags)
    scale = np.where(usual_squared > 0, to_usual / np.where(usual_squared > 0, usual_squared, 1.0), 0.0)
    return _ratio(both - scale * crossed, np.maximum(0.0, own - scale * to_usual), its, whole)


def _moments(
    series: Series, course: Floats, others: list[Floats], lags: list[int]
) -> tuple[npt.NDArray[np.bool_], list[tuple[Floats, Floats, Floats]]]:
    """Whole days; scatter of the moved course, of each other, and what both share; of the first other with the last at the end.

    Steps count where the moved course and all others are there. All of shape `(lags, days)`.
    """
    before, size = int(series.time_of_day[0]), series.steps_a_day
    number = int(series.day[-1] - series.day[0]) + 1
    margin = max(abs(lag) for lag in lags)

    def padded(values: Floats) -> Floats:
        # an hour that the clock skips leaves the last day short
        row = np.zeros(max((number + 1) * size, before + len(values)) + 2 * margin)
        row[margin + before : margin + before + len(values)] = values
        return row

    use = np.isfinite(course)
    ours = np.where(use, course, 0.0)
    seen = np.logical_and.reduce([np.isfinite(one) for one in others])
    kept = [np.where(seen, one, 0.0) for one in others]
    columns = [seen.astype(np.float64), *kept, *(one**2 for one in kept), kept[0] * kept[-1]]
    theirs = np.stack([padded(one)[margin : margin + number * size].reshape(number, size) for one in columns], axis=2)
    at = margin + np.array(lags)[None, :] + np.arange(number)[:, None] * size
    powers = (padded(use.astype(np.float64)), padded(ours), padded(ours**2))
    # sums over the steps of a day that all have: of each column, by ours to the power 0, 1 and 2
    ones, firsts, squares = (
        np.moveaxis(np.lib.stride_tricks.sliding_window_view(row, size)[at] @ theirs, (0, 1, 2), (2, 1, 0)) for row in powers
    )
    steps = np.maximum(1.0, np.round(ones[0]))
    # scatter about the day's own mean; a smooth course has next to none of it, and rounding must not become a sign
    own = squares[0] - firsts[0] ** 2 / steps
    whole = (steps >= DAY_SHARE * size) & (own > 1e-9 * squares[0])
    found = list[tuple[Floats, Floats, Floats]]()
    for place in range(1, len(others) + 1):
        total, squared = ones[place], ones[len(others) + place]
        its = squared - total**2 / steps
        whole &= its > 1e-9 * squared
        found.append((own, its, firsts[place] - firsts[0] * total / steps))
    crossed = ones[-1] - ones[1] * ones[len(others)] / steps
    return whole, [*found, (own, own, crossed)]


def _ratio(both: Floats, own: Floats, its: Floats, whole: npt.NDArray[np.bool_]) -> Floats:
    result = np.full(both.shape, np.nan)
    use = whole & (own > 0)
    result[use] = both[use] / np.sqrt(own[use] * its[use])
    return result


def others_medians(rows: Floats) -> Callable[[int], Floats]:
    """Median over all rows but one of what is there, by the number of that one; NaN where fewer than two are.

    Sorted once: without one value the middle of the others moves by one place, to the side that it was not on.
    """
    order = np.sort(rows, axis=0)
    there = np.isfinite(rows).sum(axis=0)

    def of(row: int) -> Floats:
        mine = rows[row]
        is_in = np.isfinite(mine)
        rest = there - is_in
        middle = []
        for place in ((rest - 1) // 2, rest // 2):
            at, after = (np.take_along_axis(order, np.clip(place + more, 0, len(rows) - 1)[None], axis=0)[0] for more in (0, 1))
            middle.append(np.where(is_in & (mine <= at), after, at))
        return np.where(rest >= 2, (middle[0] + middle[1]) / 2, np.nan)

    return of
