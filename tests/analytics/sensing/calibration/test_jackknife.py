"""Intervals of measures of series."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analytics.sensing.calibration.jackknife import STRETCHES, jackknife, parts
from tests.analytics.sensing.calibration.places import air


def of_mean(values: np.ndarray, per_day: int = 1, **options) -> tuple[float, float]:
    return jackknife(lambda kept: {"mean": float(values[kept].mean())}, len(values), per_day=per_day, **options)["mean"]


def test_the_jackknife_of_stretches_of_a_mean_is_students_interval_of_their_means():
    # neighbours alternate: short parts see no lasting errors, and the stretches are the wider ones
    values = np.tile([-2.0, 2.0], 30) + np.repeat(np.arange(6.0), 10)
    means = values.reshape(STRETCHES, -1).mean(axis=1)
    low, high = of_mean(values)
    known = stats.t.interval(0.95, STRETCHES - 1, loc=values.mean(), scale=means.std(ddof=1) / STRETCHES**0.5)
    assert (low, high) == pytest.approx(known)


def test_independent_days_have_at_least_students_interval_and_hardly_more():
    held, wide = 0, []
    for seed in range(200):
        values = np.random.default_rng(seed).normal(5, 2, 30)
        low, high = of_mean(values)
        held += low <= 5 <= high
        lower, upper = stats.t.interval(0.95, 29, loc=values.mean(), scale=stats.sem(values))
        wide.append((high - low) / (upper - lower))
    assert held >= 188 and 1 <= np.median(wide) < 1.5


@pytest.mark.parametrize(("keep", "least"), [(0.5, 184), (0.8, 180)])
def test_series_that_remember_hold_their_mean_too(keep, least):
    held = 0
    for seed in range(200):
        steps = np.random.default_rng(seed).normal(0, 1, 90)
        values = np.zeros(90)
        for i in range(1, 90):
            values[i] = keep * values[i - 1] + steps[i]
        low, high = of_mean(values[30:] + 3)
        held += low <= 3 <= high
    assert held >= least


def test_a_scale_keeps_an_interval_above_zero_and_a_higher_level_is_wider():
    values = air(24 * 20)

    def spread(kept):
        return {"spread": float(values[kept].std())}

    found = [
        jackknife(spread, len(values), per_day=24, level=level, scales={"spread": (np.log, np.exp)})["spread"]
        for level in (0.8, 0.95)
    ]
    assert 0 < found[1][0] < found[0][0] < values.std() < found[0][1] < found[1][1]


def test_what_cannot_be_had_without_some_part_has_no_interval():
    values = np.array([1.0] + [np.nan] * 29)
    found = jackknife(lambda kept: {"known": float(np.nanmax(np.r_[values[kept], -np.inf]))}, 30, per_day=1)
    assert np.isnan(found["known"]).all()


def test_days_are_the_parts_where_there_are_enough_and_not_too_many():
    assert [parts(*one) for one in ((8, 24), (40, 24), (24 * 30, 24), (30, 1), (24 * 3000, 24))] == [8, 12, 30, 30, 120]
