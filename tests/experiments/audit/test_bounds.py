"""Intervals from an audit: they hold the truth as often as they say, and claim nothing without a sample."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.audit.bounds import fit
from experiments.audit.coverage import REGIMES, coverage


@pytest.mark.parametrize("name", ["few missed", "both, quiet street", "in bursts", "worse at night"])
def test_ninety_percent_intervals_hold_the_truth(name):
    found = coverage(next(regime for regime in REGIMES if regime.name == name), 500)
    # 500 replicates: a standard error of 0.013 on the total, less on the others
    assert found.each >= 0.87
    assert found.cell >= 0.87
    assert found.total >= 0.87
    assert found.width < 1.0


def test_a_perfect_counter_gets_narrow_intervals_that_are_not_points():
    rng = np.random.default_rng(1)
    automatic = rng.poisson(3.0, (2, 100)).astype(float)
    manual = np.where(np.arange(100) % 5 == 0, automatic, np.nan)
    found = fit(automatic, manual, np.full(100, 0.2))
    total = found.total(0)
    counted = automatic[0].sum()
    assert total.lower < counted < total.upper
    assert total.upper - total.lower < 0.2 * counted


def test_what_was_counted_by_hand_is_known():
    automatic = np.tile([3.0, 5.0, 0.0, 4.0], (1, 5))
    manual = automatic + 1
    found = fit(automatic, manual, np.ones(20))
    total = found.total()
    assert (total.value, total.upper) == (manual.sum(), manual.sum())
    lower, upper = found.each()
    assert (lower == automatic).all() and (upper == manual).all()  # both ends hold the published count too


def test_an_under_counter_gets_intervals_above_its_counts():
    rng = np.random.default_rng(2)
    truth = rng.poisson(10, (1, 200)).astype(float)
    automatic = rng.binomial(truth.astype(int), 0.5).astype(float)
    drawn = np.arange(200) % 5 == 0
    found = fit(automatic, np.where(drawn, truth, np.nan), np.full(200, 0.2))
    total = found.total()
    assert automatic.sum() <= total.lower <= truth.sum() <= total.upper
    assert total.value > 1.7 * automatic.sum()


def test_totals_are_narrower_than_the_sum_of_their_parts():
    rng = np.random.default_rng(3)
    automatic = rng.poisson(4.0, (3, 120)).astype(float)
    manual = np.where(np.arange(120) % 6 == 0, automatic + rng.integers(-1, 2, (3, 120)), np.nan).clip(0)
    found = fit(automatic, manual, np.full(120, 1 / 6))
    lower, upper = found.each()
    total = found.total(1)
    assert total.upper - total.lower < 0.5 * (upper[1] - lower[1]).sum()


def test_a_light_without_a_sample_gets_wide_intervals():
    rng = np.random.default_rng(4)
    automatic = rng.poisson(10.0, (2, 100)).astype(float)
    light = (np.arange(100) >= 50).astype(int)
    manual = np.where((np.arange(100) % 5 == 0) & (light == 0), automatic, np.nan)
    found = fit(automatic, manual, np.full(100, 0.2), light)
    day, night = (found.total(0, light == kind) for kind in (0, 1))
    assert night.upper - night.lower > 5 * (day.upper - day.lower)


def test_zero_counts_have_an_upper_end_that_a_larger_audit_lowers():
    nothing = np.zeros((1, 200))

    def upper(audited):
        manual = np.where(np.arange(200) < audited, 0.0, np.nan)
        return fit(nothing, manual[None], np.full(200, audited / 200)).total().upper

    assert upper(8) >= upper(100) >= 0
    assert upper(8) > 0
