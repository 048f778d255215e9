"""Forecasts know nothing of the future, and baselines are what they are called."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from analytics.sensing.warning.forecast import BASELINES, backtest, backtests, hours_of, version_of
from analytics.sensing.warning.learned import LEARNED, PENALTY, ridge_weights
from analytics.sensing.warning.levels import EarlyWarningError

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def street(weeks: int = 6, seed: int = 3):
    rng = np.random.default_rng(seed)
    at = np.arange(weeks * 168)
    values = 20 + 15 * np.sin(2 * np.pi * (at % 24) / 24) + 10 * (at % 168 < 120) + rng.normal(0, 2, len(at))
    values[rng.random(len(at)) < 0.05] = np.nan
    return values


def test_baselines_are_what_they_are_called():
    values = np.arange(6 * 168.0)
    hours, t = hours_of(values, START), 5 * 168 + 10
    assert backtest("persistence", hours, 6)[t] == t - 6
    assert backtest("seasonal_naive_24", hours, 24)[t] == t - 24
    assert backtest("seasonal_naive_24", hours, 25)[t] == t - 48
    assert backtest("seasonal_naive_168", hours, 24)[t] == t - 168
    assert backtest("climatology", hours, 24)[t] == np.mean([t - 168 * k for k in range(1, 6)])
    assert backtest("median_of_weeks", hours, 24)[t] == t - 168 * 2.5
    values[t - 6] = values[t - 24] = np.nan
    holed = hours_of(values, START)
    assert backtest("persistence", holed, 6)[t] == t - 7 and backtest("seasonal_naive_24", holed, 6)[t] == t - 48


def test_hours_are_those_of_the_local_clock():
    hours = hours_of(np.zeros(48), datetime(2026, 3, 28, 23, tzinfo=UTC), timezone="Europe/Berlin")
    assert hours.hour[:4].tolist() == [0, 1, 3, 4] and hours.weekday[0] == 6  # the spring change of the clock
    with pytest.raises(EarlyWarningError, match="no offset"):
        hours_of([1.0], datetime(2026, 1, 1))


@pytest.mark.parametrize("name", [*BASELINES, *LEARNED])
@pytest.mark.parametrize("horizon", [1, 24])
def test_no_forecast_depends_on_what_came_after_its_origin(name, horizon):
    values, cut = street(), 4 * 168 + 31
    told = street()
    told[cut + 1 :] = np.random.default_rng(9).normal(500, 100, len(told) - cut - 1)
    first, second = (backtest(name, hours_of(v, START), horizon)[: cut + horizon + 1] for v in (values, told))
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first[-1]) or np.isnan(values[cut])


@pytest.mark.parametrize("name", LEARNED)
def test_a_learned_model_learns_is_deterministic_and_beats_persistence(name):
    values = street()
    hours = hours_of(values, START)
    forecasts = backtest(name, hours, 6)
    np.testing.assert_array_equal(forecasts, backtest(name, hours, 6))
    both = np.isfinite(forecasts) & np.isfinite(values)
    errors = {n: np.nanmean(np.abs(values - f)[both]) for n, f in ((name, forecasts), ("p", backtest("persistence", hours, 6)))}
    assert both.sum() > 400 and errors[name] < 0.5 * errors["p"]


def streets(sites=3):
    values = np.stack([street(seed=seed) * (1 + seed) for seed in range(sites)], axis=1)
    weather = np.random.default_rng(8).normal(10, 5, len(values))
    return values, {"temperature": weather, "humidity": np.tile(weather[::-1, None], sites)}


@pytest.mark.parametrize("name", BASELINES)
def test_sites_at_once_are_forecast_as_each_alone(name):
    values, _ = streets()
    found = backtest(name, hours_of(values, START), 30)
    for site in range(3):
        np.testing.assert_array_equal(found[:, site], backtest(name, hours_of(values[:, site], START), 30))


@pytest.mark.parametrize("name", LEARNED)
def test_shuffling_the_future_of_streets_and_weather_changes_no_forecast(name):
    values, weather = streets()
    cut, rng, free = 4 * 168 + 31, np.random.default_rng(11), frozenset({START.toordinal() + 27})
    order = np.concatenate([np.arange(cut + 1), rng.permutation(np.arange(cut + 1, len(values)))])
    told = hours_of(values, START, free_days=free, known=weather)
    shuffled = hours_of(values[order], START, free_days=free, known={name: one[order] for name, one in weather.items()})
    for (horizon, first), (_, second) in zip(*(backtests(name, one, [1, 24]) for one in (told, shuffled)), strict=True):
        np.testing.assert_array_equal(first[: cut + horizon + 1], second[: cut + horizon + 1])
        assert np.isfinite(first[cut : cut + horizon + 1]).all()
        assert not np.array_equal(first[cut + 25 :], second[cut + 25 :])


@pytest.mark.parametrize("name", LEARNED)
def test_what_the_weather_told_by_the_origin_is_learned(name):
    rng = np.random.default_rng(12)
    wind = rng.normal(0, 1, 8 * 168)
    values = 50 + np.concatenate([np.zeros(6), 10 * wind[:-6]]) + rng.normal(0, 1, len(wind))
    with_wind, without = (
        np.abs(backtest(name, hours_of(values, START, known=known), 6) - values)[900:] for known in ({"wind_speed": wind}, {})
    )
    assert np.nanmean(with_wind) < 0.5 * np.nanmean(without)


def test_what_a_neighbour_saw_is_learned():
    rng = np.random.default_rng(13)
    upwind = 50 + np.cumsum(rng.normal(0, 3, 8 * 168)) * 0.1 + rng.normal(0, 8, 8 * 168)
    downwind = np.concatenate([np.full(3, 50.0), upwind[:-3]]) + rng.normal(0, 1, len(upwind))
    both = backtest("ridge", hours_of(np.stack([upwind, downwind], axis=1), START), 3)[:, 1]
    alone = backtest("ridge", hours_of(downwind, START), 3)
    assert np.nanmean(np.abs(both - downwind)[900:]) < 0.5 * np.nanmean(np.abs(alone - downwind)[900:])


def test_a_holiday_is_learned():
    days = 40 * 7
    free = np.random.default_rng(14).choice(days, 40, replace=False)
    is_free = np.repeat(np.isin(np.arange(days), free), 24)
    values = np.where(is_free, 20.0, 100.0) + np.random.default_rng(15).normal(0, 3, days * 24)
    told = frozenset(START.toordinal() + int(day) for day in free)
    known, unknown = (np.abs(backtest("ridge", hours_of(values, START, free_days=f), 24) - values) for f in (told, frozenset()))
    late = np.arange(len(values)) > 3000
    assert np.nanmean(known[late & is_free]) < 0.5 * np.nanmean(unknown[late & is_free])


def test_ridge_weights_are_those_of_scikit_learn():
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(16)
    known = rng.normal(3, [1, 20, 0.1], (2, 400, 3))
    target = known @ np.array([2.0, -0.3, 9.0]) + rng.normal(0, 1, (2, 400))
    every = np.concatenate([np.ones((2, 400, 1)), known, target[..., None]], axis=-1)
    weights = ridge_weights(every.transpose(0, 2, 1) @ every)
    for site in range(2):
        scaler = StandardScaler().fit(known[site])
        expected = Ridge(alpha=PENALTY).fit(scaler.transform(known[site]), target[site])
        guess = weights[site, 0] + known[site] @ weights[site, 1:]
        np.testing.assert_allclose(guess, expected.predict(scaler.transform(known[site])), rtol=1e-9)
    assert np.isnan(ridge_weights(np.zeros((1, 3, 3)))).all()


def test_a_step_to_come_is_forecast_from_the_whole_past():
    hours = hours_of(street(), START).longer(6, "UTC")
    assert np.isfinite(backtest("ridge", hours, 6)[-1]) and np.isnan(hours.values[-6:]).all()


def test_unknown_models_and_horizons_are_refused():
    hours = hours_of(np.zeros(10), START)
    with pytest.raises(EarlyWarningError, match="expected one of persistence"):
        backtest("oracle", hours, 1)
    with pytest.raises(EarlyWarningError, match="not in the future"):
        backtest("persistence", hours, 0)
    assert "scikit-learn" in version_of("ridge") and version_of("persistence").startswith("persistence 1")
