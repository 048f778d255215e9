"""Forecasts of hourly series on a rolling origin: baselines that every model must beat, and learned models.

A forecast for hour `t` at a horizon of `h` hours is made at its origin `t - h`, from that hour and earlier ones alone. All
forecasts of a backtest are returned at the place of the hour they speak of, so that they compare with it index by index.
Hours are along the first axis; sites, where there are several, along the second: all of them are forecast at once.

Source:
    Baselines: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 5.2 and 5.10 (rolling origin).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from analytics.sensing.warning.levels import EarlyWarningError

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
DAY, WEEK = 24, 168
BACK = 4
"""How many seasons a baseline goes back for an hour that was not measured, and weeks that a median is of."""


@dataclass(frozen=True)
class Hours:
    """Hourly series of one site or of several, without holes in time.

    Attributes:
        values: Shape `(n,)` or `(n, sites)`; NaN where nothing was measured.
        start_at: Start of the first hour, UTC.
        hour: Hour of the local day, 0 to 23, shape `(n,)`.
        weekday: Local day of the week, Monday is 0, shape `(n,)`.
        is_holiday: Whether the local day is a holiday, shape `(n,)`.
        known: What else was measured at each hour, such as weather; name -> shape `(n,)` or `(n, sites)`. A forecast knows it
            up to its origin only.
    """

    values: Values
    start_at: datetime
    hour: Counts
    weekday: Counts
    is_holiday: npt.NDArray[np.bool_]
    known: Mapping[str, Values]

    def longer(self, horizon: int, timezone: str, free_days: frozenset[int] = frozenset()) -> Hours:
        """The same series with `horizon` hours to come, all NaN."""

        def more(seen: Values) -> Values:
            return np.concatenate([seen, np.full((horizon, *seen.shape[1:]), np.nan)])

        known = {name: more(seen) for name, seen in self.known.items()}
        return hours_of(more(self.values), self.start_at, timezone=timezone, free_days=free_days, known=known)


def hours_of(
    values: npt.ArrayLike,
    start_at: datetime,
    *,
    timezone: str = "UTC",
    free_days: frozenset[int] = frozenset(),
    known: Mapping[str, Values] | None = None,
) -> Hours:
    """Put a series on a local clock.

    Args:
        values: One value an hour, NaN where nothing was measured, shape `(n,)` or `(n, sites)`.
        start_at: Start of the first hour; timezone-aware.
        timezone: IANA name of the clock people live by.
        free_days: Holidays, as ordinals of local dates.
        known: What else is known at each hour.

    Raises:
        EarlyWarningError: The start has no offset from UTC.
    """
    if start_at.tzinfo is None:
        raise EarlyWarningError(f"start '{start_at}' has no offset from UTC; expected a timezone-aware instant; add it")
    series, zone = np.asarray(values, dtype=np.float64), ZoneInfo(timezone)
    local = [(start_at + timedelta(hours=i)).astimezone(zone) for i in range(len(series))]
    return Hours(
        series,
        start_at,
        np.array([at.hour for at in local], dtype=np.int64),
        np.array([at.weekday() for at in local], dtype=np.int64),
        np.array([at.toordinal() in free_days for at in local], dtype=np.bool_),
        known or {},
    )


def earlier(values: Values, hours: int) -> Values:
    """The value so many hours before each hour; NaN where there is none."""
    moved = np.full(values.shape, np.nan)
    if hours < len(values):
        moved[hours:] = values[: len(values) - hours]
    return moved


def last_seen(values: Values) -> Values:
    """The newest measured value up to each hour; NaN before the first."""
    at = np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1))
    newest = np.maximum.accumulate(np.where(np.isfinite(values), at, -1), axis=0)
    return np.where(newest >= 0, np.take_along_axis(values, np.maximum(newest, 0), axis=0), np.nan)


def persistence(hours: Hours, horizon: int) -> Values:
    """What was last measured at the origin."""
    return earlier(last_seen(hours.values), horizon)


def _seasonal(hours: Hours, horizon: int, season: int) -> Values:
    first = -(-horizon // season)
    found = np.full(hours.values.shape, np.nan)
    for back in range(first, first + BACK):
        found = np.where(np.isfinite(found), found, earlier(hours.values, back * season))
    return found


def seasonal_naive_24(hours: Hours, horizon: int) -> Values:
    """The same hour of the newest day that was measured by then, up to four days back."""
    return _seasonal(hours, horizon, DAY)


def seasonal_naive_168(hours: Hours, horizon: int) -> Values:
    """The same hour of the newest week that was measured by then, up to four weeks back."""
    return _seasonal(hours, horizon, WEEK)


def climatology(hours: Hours, horizon: int) -> Values:
    """Mean of all earlier values of the same local hour and weekday; of the same hour until there is one."""
    by_week = _mean_so_far(hours.values, hours.weekday * DAY + hours.hour, horizon)
    return np.where(np.isfinite(by_week), by_week, _mean_so_far(hours.values, hours.hour, horizon))


def _mean_so_far(values: Values, group: Counts, horizon: int) -> Values:
    """Mean of the values of each hour's group up to its origin."""
    found = np.full(values.shape, np.nan)
    for one in np.unique(group):
        places = np.flatnonzero(group == one)
        own = values[places]
        start = np.zeros((1, *values.shape[1:]))
        count = np.concatenate([start, np.cumsum(np.isfinite(own), axis=0)])
        total = np.concatenate([start, np.cumsum(np.where(np.isfinite(own), own, 0.0), axis=0)])
        known = np.searchsorted(places, places - horizon, side="right")  # how many of the group the origin knows
        found[places] = np.where(count[known] > 0, total[known] / np.maximum(count[known], 1), np.nan)
    return found


def median_of_weeks(hours: Hours, horizon: int) -> Values:
    """Median of the same hour in the last four weeks that had been measured by the origin."""
    first = -(-horizon // WEEK)
    stack = np.sort([earlier(hours.values, (first + back) * WEEK) for back in range(BACK)], axis=0)  # NaN come last
    count = np.isfinite(stack).sum(axis=0)[None]
    low, high = (np.take_along_axis(stack, np.maximum(place, 0), axis=0)[0] for place in ((count - 1) // 2, count // 2))
    return np.where(count[0] > 0, (low + high) / 2, np.nan)


Forecaster = Callable[[Hours, int], Values]
BASELINES: dict[str, Forecaster] = {
    "persistence": persistence,
    "seasonal_naive_24": seasonal_naive_24,
    "seasonal_naive_168": seasonal_naive_168,
    "climatology": climatology,
    "median_of_weeks": median_of_weeks,
}
"""What every model must beat, by name: functions `(hours, horizon)`."""


def backtest(
    name: str, hours: Hours, horizon: int, *, refit_every: int = WEEK, first_fit: int = 2 * WEEK, seed: int = 7
) -> Values:
    """Forecasts of every hour at one horizon, as `backtests` makes them, shape of the values."""
    return next(backtests(name, hours, [horizon], refit_every=refit_every, first_fit=first_fit, seed=seed))[1]


def backtests(
    name: str, hours: Hours, horizons: Sequence[int], *, refit_every: int = WEEK, first_fit: int = 2 * WEEK, seed: int = 7
) -> Iterator[tuple[int, Values]]:
    """Forecasts of every hour at some horizons, each made from what was known at its origin.

    Args:
        name: A baseline, or a learned model.
        hours: The series.
        horizons: Hours from the origin to the hour forecast. [h]
        refit_every: Hours after which a learned model is fitted anew, on all that is known then. [h]
        first_fit: Hours that must be known before its first fit. [h]
        seed: Of a learned model.

    Yields:
        Each horizon with its forecasts, NaN where none can be made, shape of the values.

    Raises:
        EarlyWarningError: The name is unknown, or a horizon is below 1.
    """
    if wrong := [horizon for horizon in horizons if horizon < 1]:
        raise EarlyWarningError(f"horizon {wrong[0]} is not in the future; expected 1 hour or more; correct it")
    if name in BASELINES:
        yield from ((horizon, BASELINES[name](hours, horizon)) for horizon in horizons)
        return
    from analytics.sensing.warning.learned import LEARNED

    if name not in LEARNED:
        known = ", ".join([*BASELINES, *LEARNED])
        raise EarlyWarningError(f"model '{name}' is unknown; expected one of {known}; correct --model")
    yield from LEARNED[name](hours, horizons, refit_every=refit_every, first_fit=first_fit, seed=seed)


def version_of(name: str, *, refit_every: int = WEEK, first_fit: int = 2 * WEEK, seed: int = 7) -> str:
    """What a log says of the model a forecast is from: name, version of its code and of its library, how it is fitted."""
    if name in BASELINES:
        return f"{name} {VERSION}"
    from importlib.metadata import version

    return f"{name} {VERSION} scikit-learn {version('scikit-learn')} refit {refit_every} h from {first_fit} h seed {seed}"


VERSION = "1.1.0"
"""Of the code of baselines and learned models; it changes with every change of what they forecast."""
