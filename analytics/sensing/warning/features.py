"""What a forecast may know at its origin: lags, usual values, neighbours and weather as measured by then, and the calendar.

Columns in the unit of the values are differences from the last value, so that one that is not known counts as no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analytics.sensing.warning.forecast import (
    DAY,
    Hours,
    Values,
    climatology,
    earlier,
    last_seen,
    median_of_weeks,
    seasonal_naive_24,
    seasonal_naive_168,
)

Columns = npt.NDArray[np.float32]
Places = slice | npt.NDArray[np.int64]
LAGS = (1, 2, 3, 6, 12, 24)
"""Values so many hours before the origin. [h]"""
WINDOWS = (3, 6, 24, 168)
"""Means over so many hours up to the origin. [h]"""
NEIGHBOURS = 3
"""So many other sites, those most alike in the hours before the first fit, say what is about to come from elsewhere."""


@dataclass(frozen=True)
class Past:
    """Columns of all sites and hours, from which the features of any origin and horizon are picked.

    Attributes:
        hours: The series.
        first_fit: Hours from which neighbours are chosen and covariates are centred: known at every fit. [h]
    """

    hours: Hours
    first_fit: int

    @cached_property
    def values(self) -> Values:
        """What was measured, shape `(n, sites)`."""
        return self.hours.values.reshape(len(self.hours.values), -1)

    @cached_property
    def anchor(self) -> Values:
        """The last value known at each hour, shape `(sites, n)`."""
        return np.ascontiguousarray(last_seen(self.values).T)

    @cached_property
    def spread(self) -> Values:
        """Standard deviation of what was known at each hour, 1 where there is none, shape `(sites, n)`."""
        variance = _mean_of(self.values**2, len(self.values)) - _mean_of(self.values, len(self.values)) ** 2
        known = np.sqrt(np.maximum(np.nan_to_num(variance), 0.0)).T
        return np.where(known > 1e-6 * np.maximum(np.abs(np.nan_to_num(self.anchor)), 1e-6), known, 1.0)

    @cached_property
    def _moving(self) -> list[Columns]:
        """In the unit of the values, less the last value, at each origin; each of shape `(sites, n)`."""
        seen = self.anchor.T
        found = [earlier(seen, lag) for lag in LAGS] + [_mean_of(self.values, window) for window in WINDOWS]
        # what is usual at the origin: how far the present is from it
        found += [model(self._panel, 1) for model in (climatology, median_of_weeks)]
        others = neighbours(self.values, self.first_fit)
        if others is not None:
            found += [others, seen + others - earlier(others, 1), seen + others - earlier(others, 3)]
            found.append(seen + others - _mean_of(others, DAY))
        return [_column(one - seen) for one in found]

    @cached_property
    def _beside(self) -> list[Columns]:
        """Weather as last measured and how it changed in three hours, at each origin; each of shape `(sites, n)`."""
        found = []
        for known in self.hours.known.values():
            seen = last_seen(known.reshape(len(known), -1))
            before = seen[: self.first_fit]
            usual = float(before[np.isfinite(before)].mean()) if np.isfinite(before).any() else 0.0
            found += [np.broadcast_to(one, self.values.shape) for one in (seen - usual, seen - earlier(seen, 3))]
        return [_column(one) for one in found]

    @cached_property
    def _calendar(self) -> list[Columns]:
        """Of the hour forecast, each of shape `(1, n)`; the last says whether it is a holiday."""
        hours = self.hours
        angle = 2 * np.pi * hours.hour / DAY
        found = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle), hours.weekday, hours.weekday >= 5]
        return [np.asarray(one, dtype=np.float32)[None] for one in [*found, hours.is_holiday]]

    @cached_property
    def _panel(self) -> Hours:
        hours = self.hours
        return Hours(self.values, hours.start_at, hours.hour, hours.weekday, hours.is_holiday, {})

    @cached_property
    def _by_day(self) -> dict[int, list[Columns]]:
        return {}

    def _usual(self, day: int) -> list[Columns]:
        """Usual values of the hour forecast as known so many days before it; each of shape `(sites, n)`."""
        if day not in self._by_day:
            models = (seasonal_naive_24, seasonal_naive_168, climatology, median_of_weeks)
            self._by_day[day] = [_column(model(self._panel, day * DAY)) for model in models]
        return self._by_day[day]

    def at(self, sites: Places, origins: Places, horizon: int, *, scaled: bool = False) -> Values:
        """Features of some origins at one horizon.

        Args:
            sites: Which sites: a slice, or one for each origin.
            origins: Numbers of the origins' hours; none so late that the hour forecast is beyond the series.
            horizon: Hours from the origin to the hour forecast. [h]
            scaled: Divide what is in the unit of the values by `spread`, so that sites can be learned together.

        Returns:
            NaN where something is not known, shape `(sites, origins, features)`, or `(origins, features)`.
        """
        ahead = slice(origins.start + horizon, origins.stop + horizon) if isinstance(origins, slice) else origins + horizon
        last: Values = self.anchor[sites, origins]
        moving = [column[sites, origins] for column in self._moving]
        usual = [column[sites, ahead] - last for column in self._usual(-(-horizon // DAY))]
        dates = [np.broadcast_to(one[0, ahead], last.shape) for one in self._calendar]
        was_holiday = np.broadcast_to(self._calendar[-1][0, origins], last.shape)
        level: list[npt.NDArray[np.floating]] = [*moving, *usual, last, dates[-1] * usual[2]]
        if scaled:
            level = [one / self.spread[sites, origins] for one in level]
        columns = [*level, *(column[sites, origins] for column in self._beside), *dates, was_holiday]
        return np.stack(columns, axis=-1).astype(np.float64)


def neighbours(values: Values, first_fit: int) -> Values | None:
    """Mean of the last values of each site's most alike sites, shape of the values; None where there is one site alone.

    Args:
        values: Shape `(n, sites)`.
        first_fit: The hours from which it is told which sites are alike. [h]
    """
    sites = values.shape[1]
    if sites < 2:
        return None
    begin = values[:first_fit]
    is_seen = np.isfinite(begin)
    count = np.maximum(is_seen.sum(axis=0), 1)
    centred = np.where(is_seen, begin - np.where(is_seen, begin, 0.0).sum(axis=0) / count, 0.0)
    size = np.sqrt((centred**2).sum(axis=0))
    alike = centred.T @ centred / np.maximum(np.outer(size, size), 1e-12)
    np.fill_diagonal(alike, -np.inf)
    chosen = np.argsort(-alike, axis=1, kind="stable")[:, : min(NEIGHBOURS, sites - 1)]
    seen = last_seen(values)
    total, there = np.zeros(values.shape), np.zeros(values.shape)
    for rank in range(chosen.shape[1]):
        one = seen[:, chosen[:, rank]]
        total += np.nan_to_num(one)
        there += np.isfinite(one)
    return np.where(there > 0, total / np.maximum(there, 1), np.nan)


def _column(values: Values) -> Columns:
    return np.ascontiguousarray(values.T, dtype=np.float32)


def _mean_of(values: Values, window: int) -> Values:
    """Mean of what was measured in the `window` hours up to each hour, shape of the values."""
    seen = np.isfinite(values)
    start = np.zeros((1, *values.shape[1:]))
    total = np.concatenate([start, np.cumsum(np.where(seen, values, 0.0), axis=0)])
    count = np.concatenate([start, np.cumsum(seen, axis=0)])
    last = np.arange(len(values)) + 1
    first = np.maximum(last - window, 0)
    measured = count[last] - count[first]
    return np.where(measured > 0, (total[last] - total[first]) / np.maximum(measured, 1), np.nan)
