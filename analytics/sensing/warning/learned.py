"""Models that learn hourly series from what is known at the origin: a ridge for each site, boosted trees for all together.

The ridge keeps sums of products that grow by each block of hours, so that fitting it anew costs no second look at the past; the
trees learn all sites and horizons from one sample, in units of each site's own spread.

Source:
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 3.4.1 (ridge); scikit-learn (trees).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from analytics.sensing.warning.features import Past
from analytics.sensing.warning.forecast import WEEK, Hours, Values

FEWEST = 100
"""So many hours with a value are needed to fit."""
PENALTY = 30.0
"""Of the ridge, on features of unit variance."""
SAMPLE = 60_000
"""Most origins, over all sites and horizons, from which trees are fitted."""
CELLS = 200_000
"""Hours times sites whose features are held at once."""
Backtests = Iterator[tuple[int, Values]]


def ridge(
    hours: Hours, horizons: Sequence[int], *, refit_every: int = WEEK, first_fit: int = 2 * WEEK, seed: int = 7
) -> Backtests:
    """Ridge regression of the change from the last value, for each site by itself.

    Args:
        hours: The series.
        horizons: Hours from the origin to the hour forecast. [h]
        refit_every: Hours between two fits. [h]
        first_fit: Hours known at the first fit. [h]
        seed: Not used: there is nothing random in it.

    Yields:
        Each horizon with forecasts of each hour, NaN where none can be made, shape of the values; never below zero where
        nothing measured was.
    """
    past = Past(hours, first_fit)
    for horizon in horizons:
        yield horizon, _in_shape(_ridge(past, horizon, refit_every, first_fit), hours)


def _ridge(past: Past, horizon: int, refit_every: int, first_fit: int) -> Values:
    n, sites = past.values.shape
    found = np.full((n, sites), np.nan)
    floor = _floor(past)
    products: Values | None = None
    learned = 0
    for fitted_at in range(first_fit, n, refit_every):
        for rows in _blocks(learned, fitted_at - horizon, sites):
            more = _products(past, rows, horizon)
            products = more if products is None else products + more
        learned = max(fitted_at - horizon, 0)
        if products is None:
            continue
        weights = ridge_weights(products)
        # the fit happens when hour `fitted_at - 1` is known; the first origin is that hour
        for rows in _blocks(fitted_at - 1, min(fitted_at - 1 + refit_every, n - horizon), sites):
            known = np.nan_to_num(past.at(slice(None), rows, horizon))
            guess = past.anchor[:, rows] + (known @ weights[:, 1:, None])[..., 0] + weights[:, :1]
            found[rows.start + horizon : rows.stop + horizon] = np.maximum(guess, floor[fitted_at - 1][:, None]).T
    return found


def _products(past: Past, rows: slice, horizon: int) -> Values:
    """Sums of products of 1, features and change over the origins of some rows, shape `(sites, p, p)`."""
    known = np.nan_to_num(past.at(slice(None), rows, horizon))
    change = past.values[rows.start + horizon : rows.stop + horizon].T - past.anchor[:, rows]
    use = np.isfinite(change)[..., None]
    every = np.where(use, np.concatenate([np.ones_like(known[..., :1]), known, np.nan_to_num(change)[..., None]], axis=-1), 0.0)
    return np.asarray(every.transpose(0, 2, 1) @ every)


def ridge_weights(products: Values, penalty: float = PENALTY) -> Values:
    """Ridge weights of each site from sums of products, on features brought to unit variance.

    Args:
        products: Of 1, features and target, shape `(sites, p, p)`.
        penalty: On squared weights; not on the constant.

    Returns:
        Constant and weights in the features' own units, NaN where fewer than `FEWEST` rows were, shape `(sites, p - 1)`.
    """
    count = np.maximum(products[:, :1, 0], 1.0)
    mean = products[:, 0, 1:] / count
    spread = products[:, 1:, 1:] - count[..., None] * mean[:, :, None] * mean[:, None, :]
    width = np.sqrt(np.maximum(np.diagonal(spread, axis1=1, axis2=2), 0.0) / count)
    width = np.where(width > 1e-9 * (1 + np.abs(mean)), width, np.inf)[
        :, :-1
    ]  # a feature that is always the same tells nothing
    inner = spread[:, :-1, :-1] / (width[:, :, None] * width[:, None, :])
    target = spread[:, :-1, -1] / width
    weights = np.linalg.solve(inner + penalty * np.eye(inner.shape[1]), target[..., None])[..., 0] / width
    constant = mean[:, -1] - (mean[:, :-1] * weights).sum(axis=1)
    return np.where(products[:, :1, 0] >= FEWEST, np.column_stack([constant, weights]), np.nan)


def boosting(
    hours: Hours, horizons: Sequence[int], *, refit_every: int = WEEK, first_fit: int = 2 * WEEK, seed: int = 7
) -> Backtests:
    """Gradient-boosted trees that learn the median of the change from the last value; arguments as of `ridge`."""
    for horizon, (middle,) in boosted_quantiles(
        hours, horizons, (0.5,), refit_every=refit_every, first_fit=first_fit, seed=seed
    ):
        yield horizon, middle


def boosted_quantiles(
    hours: Hours,
    horizons: Sequence[int],
    quantiles: Sequence[float],
    *,
    refit_every: int = WEEK,
    first_fit: int = 2 * WEEK,
    seed: int = 7,
) -> Iterator[tuple[int, list[Values]]]:
    """Quantiles of each hour by gradient-boosted trees, fitted on all that is known, used until the next fit.

    Args:
        hours: The series.
        horizons: Hours from the origin to the hour forecast; all are learned by the same trees. [h]
        quantiles: Which, each between 0 and 1.
        refit_every: Hours between two fits. [h]
        first_fit: Hours known at the first fit. [h]
        seed: Of the sample.

    Yields:
        Each horizon with its quantiles, NaN where none can be made, each of the shape of the values.
    """
    past = Past(hours, first_fit)
    n, sites = past.values.shape
    floor = _floor(past)
    fits = {at: _trees(past, horizons, quantiles, at, seed) for at in range(first_fit, n, refit_every)}
    for horizon in horizons:
        found = [np.full((n, sites), np.nan) for _ in quantiles]
        for fitted_at, models in fits.items():
            for rows in _blocks(fitted_at - 1, min(fitted_at - 1 + refit_every, n - horizon), sites):
                if not models:
                    continue
                last, spread = past.anchor[:, rows], past.spread[:, rows]
                known = _with_horizon(past.at(slice(None), rows, horizon, scaled=True), horizon)
                for quantile, model in enumerate(models):
                    guess = last + spread * _predicted(model, known.reshape(-1, known.shape[-1])).reshape(last.shape)
                    guess = np.maximum(guess, floor[fitted_at - 1][:, None])
                    found[quantile][rows.start + horizon : rows.stop + horizon] = guess.T
        yield horizon, [_in_shape(one, hours) for one in found]


def _trees(past: Past, horizons: Sequence[int], quantiles: Sequence[float], fitted_at: int, seed: int) -> list[Any]:
    """Trees for each quantile, from a sample of what is known at a fit; none where too little is."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng([seed, fitted_at])
    features, changes = [], []
    for horizon in horizons:
        origins, sites = max(fitted_at - horizon, 0), past.values.shape[1]
        share = SAMPLE // len(horizons)
        drawn = np.arange(origins * sites)
        if len(drawn) > share:
            drawn = np.sort(rng.choice(len(drawn), share, replace=False))
        site, origin = drawn % sites, drawn // sites
        change = (past.values[origin + horizon, site] - past.anchor[site, origin]) / past.spread[site, origin]
        use = np.isfinite(change)
        features.append(_with_horizon(past.at(site[use], origin[use], horizon, scaled=True), horizon))
        changes.append(change[use])
    target = np.concatenate(changes)
    if len(target) < FEWEST:
        return []
    with threadpool_limits(1):  # threads that wait for each other on a busy machine cost more than they bring
        return [
            HistGradientBoostingRegressor(
                loss="quantile", quantile=q, max_iter=100, learning_rate=0.1, min_samples_leaf=20, random_state=seed
            ).fit(np.concatenate(features), target)
            for q in quantiles
        ]


def _predicted(model: Any, known: Values) -> Values:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.asarray(model.predict(known))


def _with_horizon(known: Values, horizon: int) -> Values:
    return np.concatenate([known, np.full((*known.shape[:-1], 1), float(horizon))], axis=-1)


def _blocks(first: int, end: int, sites: int) -> Iterator[slice]:
    """Origins from the first to before the end, in pieces of at most `CELLS` hours of sites."""
    step = max(CELLS // sites, 1)
    return (slice(at, min(at + step, end)) for at in range(first, end, step))


def _floor(past: Past) -> Values:
    """What no forecast lies below: zero where nothing measured by then was below it, shape `(n, sites)`."""
    lowest = np.fmin.accumulate(past.values, axis=0)
    return np.where(lowest >= 0, 0.0, -np.inf)


def _in_shape(found: Values, hours: Hours) -> Values:
    return found.reshape(hours.values.shape)


LEARNED: dict[str, Callable[..., Backtests]] = {"ridge": ridge, "boosting": boosting}
"""Learned models by name; each is fitted to the change from the last value, and learns from nothing later than the fit."""
