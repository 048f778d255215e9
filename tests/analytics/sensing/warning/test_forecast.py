"""Forecasts know nothing of the future, and baselines are what they are called."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from analytics.sensing.warning.forecast import BASELINES, backtest, hours_of, version_of
from analytics.sensing.warning.learned import LEARNED
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
