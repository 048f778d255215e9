"""Models that learn an hourly series from its lags, its calendar and what else was known at the origin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analytics.sensing.warning.forecast import (
    DAY,
    WEEK,
    Hours,
    Values,
    climatology,
    earlier,
    last_seen,
    median_of_weeks,
    seasonal_naive_24,
    seasonal_naive_168,
)

LAGS = (0, 1, 2, 3, 6, 12)
"""Values so many hours before the origin. [h]"""
WINDOWS = (3, 6, 24, 168)
"""Means over so many hours up to the origin. [h]"""
FEWEST = 100
"""So many hours with a value are needed to fit."""


def features(hours: Hours, horizon: int) -> Values:
    """What is known of each hour at its origin, `horizon` hours earlier, shape `(n, features)`; NaN where it is not."""
    seen = last_seen(hours.values)
    columns = [earlier(earlier(seen, lag), horizon) for lag in LAGS]
    columns += [earlier(_mean_of(hours.values, window), horizon) for window in WINDOWS]
    columns += [model(hours, horizon) for model in (seasonal_naive_24, seasonal_naive_168, climatology, median_of_weeks)]
    # what was usual at the origin: how far the present is from it
    columns += [earlier(model(hours, horizon), horizon) for model in (climatology, median_of_weeks)]
    columns += [earlier(known, horizon) for known in hours.known.values()]
    angle = 2 * np.pi * hours.hour / DAY
    columns += [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
    columns += [hours.weekday.astype(float), (hours.weekday >= 5).astype(float), hours.is_holiday.astype(float)]
    return np.stack(columns, axis=1)


def _mean_of(values: Values, window: int) -> Values:
    """Mean of what was measured in the `window` hours up to each hour."""
    seen = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(seen, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(seen)])
    first = np.maximum(np.arange(len(values)) - window + 1, 0)
    last = np.arange(len(values)) + 1
    measured = count[last] - count[first]
    return np.where(measured > 0, (total[last] - total[first]) / np.maximum(measured, 1), np.nan)


def ridge(seed: int) -> Any:
    """Ridge regression of the change from the last value; what is not known counts as usual."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), Ridge(alpha=30.0, random_state=seed))


def boosting(seed: int) -> Any:
    """Gradient-boosted trees that learn the median; they handle what is not known by themselves."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        loss="quantile", quantile=0.5, max_iter=100, learning_rate=0.1, min_samples_leaf=20, random_state=seed
    )


LEARNED: dict[str, Callable[[int], Any]] = {"ridge": ridge, "boosting": boosting}
"""Learned models by name; each is made by a function of a seed and fitted to the change from the last value."""


def rolling(
    make: Callable[[int], Any], hours: Hours, horizon: int, *, refit_every: int = WEEK, first_fit: int = 2 * WEEK, seed: int = 7
) -> Values:
    """Forecasts on a rolling origin: fitted on all that is known, used until the next fit, fitted anew.

    Args:
        make: Makes the model from a seed.
        hours: The series.
        horizon: Hours from the origin to the hour forecast. [h]
        refit_every: Hours between two fits. [h]
        first_fit: Hours known at the first fit. [h]
        seed: Of the model.

    Returns:
        Forecasts of each hour, NaN where none can be made, shape `(n,)`; never below zero where nothing measured was.
    """
    from threadpoolctl import threadpool_limits

    known = features(hours, horizon)
    anchor = known[:, 0]
    change = hours.values - anchor
    found = np.full(len(hours.values), np.nan)
    whole = np.isfinite(change)
    for fitted_at in range(first_fit, len(hours.values), refit_every):
        # the fit happens when hour `fitted_at - 1` is known; the first origin is that hour
        learn = np.flatnonzero(whole[:fitted_at])
        begins = fitted_at - 1 + horizon
        use = np.arange(begins, min(begins + refit_every, len(found)))
        use = use[np.isfinite(anchor[use])]
        if len(learn) < FEWEST or not len(use):
            continue
        with threadpool_limits(1):  # threads that wait for each other on a busy machine cost more than they bring
            model = make(seed).fit(known[learn], change[learn])
            guess = anchor[use] + model.predict(known[use])
        floor = 0.0 if hours.values[learn].min() >= 0 else -np.inf
        found[use] = np.maximum(guess, floor)
    return found
