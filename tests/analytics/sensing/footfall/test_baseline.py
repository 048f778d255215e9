"""Comparable days are comparable, planted weather is found, and a planted recovery is recovered."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from analytics.sensing.footfall.baseline import at_average_weather, baseline, comparable_days, weather_adjusted, weather_slopes
from analytics.sensing.footfall.calendar import days_between
from analytics.sensing.footfall.recovery import recovery
from analytics.sensing.readings import SourceError

YEARS = days_between(date(2023, 1, 1), date(2024, 12, 31), country="NZ", subdivision="AUK")
ALL = np.ones(len(YEARS.kind), dtype=bool)
USUAL = np.where(YEARS.kind == 0, 1000 + 50 * YEARS.weekday, 400.0)


def test_a_workday_is_compared_with_its_weekday_nearby_and_never_with_itself():
    day = int(np.flatnonzero(YEARS.kind == 0)[200])
    those = comparable_days(YEARS, day, ALL)
    assert day not in those and (YEARS.weekday[those] == YEARS.weekday[day]).all() and (YEARS.kind[those] == 0).all()
    assert (np.abs(those - day) <= 56).all() and len(those) >= 10


def test_holidays_fall_back_on_sundays():
    anzac = int(np.flatnonzero(YEARS.ordinal == date(2024, 4, 25).toordinal())[0])
    assert set(YEARS.kind[comparable_days(YEARS, anzac, ALL)]) <= {2, 3}
    assert len(comparable_days(YEARS, anzac, ~ALL)) == 0


def test_the_baseline_is_that_of_an_ordinary_day_and_only_of_the_base():
    totals = USUAL.copy()
    base = np.arange(len(totals)) < 365
    totals[~base] *= 3
    found = baseline(YEARS, totals, base=base)
    workday = (YEARS.kind == 0) & (np.arange(len(totals)) < 400)
    np.testing.assert_allclose(found[workday], USUAL[workday])
    assert np.isnan(found[-1])  # nothing of the base is near


def test_planted_weather_is_found():
    rng = np.random.default_rng(1)
    rain = rng.exponential(2, len(USUAL))
    totals = USUAL * np.exp(-0.1 * rain) * rng.lognormal(0, 0.05, len(USUAL))
    usual = baseline(YEARS, totals)
    adjusted = weather_adjusted(YEARS, totals, usual, rain[:, None])
    known = np.isfinite(adjusted)
    (slope,), _ = weather_slopes(YEARS, totals, usual, rain[:, None])
    assert abs(slope + 0.1) < 0.01
    ordinary = known & (YEARS.kind < 3)
    assert np.abs(adjusted / totals - 1)[ordinary].mean() < 0.65 * np.abs(usual / totals - 1)[ordinary].mean()
    with pytest.raises(SourceError, match="expected at least 20"):
        weather_adjusted(YEARS, totals, np.full(len(totals), np.nan), rain[:, None])


def test_years_of_other_weather_are_alike_at_average_weather():
    rng = np.random.default_rng(3)
    warmer = np.where(YEARS.ordinal < date(2024, 1, 1).toordinal(), 0.0, 4.0)
    warmth = warmer + 3 * np.sin(YEARS.ordinal / 5.3) + rng.normal(0, 1, len(USUAL))
    totals = USUAL * np.exp(0.05 * warmth) * rng.lognormal(0, 0.03, len(USUAL))
    moved = at_average_weather(YEARS, totals, baseline(YEARS, totals), warmth[:, None])
    before, after = (moved[warmer == one].sum() / USUAL[warmer == one].sum() for one in (0.0, 4.0))
    assert abs(after / before - 1) < 0.02 < totals[warmer > 0].mean() / totals[warmer == 0].mean() - 1.15


def test_a_planted_recovery_is_recovered_whatever_the_mix_of_days():
    rng = np.random.default_rng(2)
    base = YEARS.ordinal < date(2024, 1, 1).toordinal()
    totals = USUAL * rng.lognormal(0, 0.05, len(USUAL)) * np.where(base, 1.0, 0.8)
    period = ~base & (YEARS.kind != 0)  # only free days: a plain ratio of means would say 30
    for chosen in (period, ~base):
        found = recovery(YEARS, totals, base=base, period=chosen, draws=200)
        assert found.lower < 80 < found.upper and abs(found.index - 80) < 1.5 and found.upper - found.lower < 5
    assert found == recovery(YEARS, totals, base=base, period=~base, draws=200)
    with pytest.raises(SourceError, match="share days"):
        recovery(YEARS, totals, base=base, period=base)
    with pytest.raises(SourceError, match="expected 3 each"):
        recovery(YEARS, totals, base=base, period=np.arange(len(totals)) == 400)
