"""Intervals hold what they promise, also when the series changes."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.sensing.warning.conformal import (
    Intervals,
    adaptive,
    conformal_quantile,
    cqr_scores,
    exceedance,
    judge_intervals,
)
from analytics.sensing.warning.levels import EarlyWarningError


def test_the_quantile_by_hand():
    assert conformal_quantile(np.arange(1, 20), 0.1) == 18  # ceil(20 * 0.9)
    assert conformal_quantile(np.arange(1, 10), 0.1) == 9  # n = 1 / alpha - 1 is just enough
    assert conformal_quantile(np.arange(1, 9), 0.1) == np.inf
    assert cqr_scores([0, 0], [10, 10], [4, 13]).tolist() == [-4, 3]
    with pytest.raises(EarlyWarningError, match="expected a share"):
        conformal_quantile([1], 1)


def test_split_conformal_holds_its_coverage_where_nothing_changes():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 3, 4000)
    found = judge_intervals(adaptive(np.zeros(4000), values, 6, rate=0.0), values)
    assert abs(found.coverage - 0.9) < 0.015
    # the 90 % interval of a normal is 2 * 1.645 * sigma wide, its Winkler score 4.1261 * sigma (closed form)
    assert abs(found.mean_width - 2 * 1.645 * 3) < 0.4 and abs(found.winkler - 4.1261 * 3) < 0.4


def test_adaptive_holds_its_coverage_where_split_does_not():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 3000) * np.linspace(1, 12, 3000)
    fixed, moving = (judge_intervals(adaptive(np.zeros(3000), values, 1, rate=g, window=3000), values) for g in (0.0, 0.02))
    assert fixed.coverage < 0.85 < 0.88 < moving.coverage < 0.92


def test_no_interval_depends_on_what_came_after_its_origin():
    rng = np.random.default_rng(3)
    values, forecasts, cut, horizon = rng.normal(0, 1, 600), rng.normal(0, 1, 600), 400, 12
    other = values.copy()
    other[cut + 1 :] += 100
    first, second = (adaptive(forecasts, v, horizon, rate=0.05) for v in (values, other))
    np.testing.assert_array_equal(first.upper[: cut + horizon + 1], second.upper[: cut + horizon + 1])
    chances = [exceedance(forecasts, v, horizon, threshold=1) for v in (values, other)]
    np.testing.assert_array_equal(chances[0][: cut + horizon + 1], chances[1][: cut + horizon + 1])
    assert np.isfinite(chances[0][cut + horizon])


def test_probabilities_are_calibrated():
    rng = np.random.default_rng(4)
    forecasts = rng.normal(0, 2, 6000)
    values = forecasts + rng.normal(0, 1, 6000)
    chance = exceedance(forecasts, values, 1, threshold=1.0)
    some = np.isfinite(chance)
    for low in (0.05, 0.3, 0.6, 0.9):
        near = some & (chance >= low) & (chance < low + 0.1)
        assert abs((values[near] >= 1).mean() - chance[near].mean()) < 0.08


def test_the_report_by_hand_and_by_group():
    values = np.array([5.0, 12.0, -1.0, np.nan])
    told = judge_intervals(Intervals(np.zeros(4), np.full(4, 10.0), 0.1), values, ["a", "a", "b", "b"])
    # widths of 10, and 2 / 0.1 times 2 and 1 outside: (10 + 50 + 30) / 3, as `scores.quantile_interval_score` 2.7 has it
    assert told.n == 3 and told.coverage == pytest.approx(1 / 3) and told.winkler == pytest.approx(30)
    assert told.by_group == {"a": 0.5, "b": 0.0} and told.unbounded == 0
    with pytest.raises(EarlyWarningError, match="no interval meets"):
        judge_intervals(Intervals(np.full(4, np.nan), np.full(4, np.nan), 0.1), values)


def test_counts_stay_above_zero_and_too_few_errors_give_no_interval():
    values = np.abs(np.random.default_rng(5).normal(2, 2, 300))
    found = adaptive(np.full(300, 2.0), values, 1, floor=0.0, every=1)
    assert np.isnan(found.lower[:50]).all() and (found.lower[51:] >= 0).all()


@pytest.mark.parametrize("horizon", [1, 7, 30])
def test_sites_at_once_are_each_alone_and_errors_a_day_old_do_not_matter(horizon):
    rng = np.random.default_rng(6)
    values = rng.normal(0, [1, 5], (900, 2))
    values[rng.random((900, 2)) < 0.1] = np.nan
    forecasts = rng.normal(0, 1, (900, 2))
    both = adaptive(forecasts, values, horizon)
    chances = exceedance(forecasts, values, horizon, threshold=2)
    for site in range(2):
        alone = adaptive(forecasts[:, site], values[:, site], horizon)
        np.testing.assert_array_equal(both.upper[:, site], alone.upper)
        np.testing.assert_array_equal(chances[:, site], exceedance(forecasts[:, site], values[:, site], horizon, threshold=2))
    fresh, stale = (judge_intervals(adaptive(forecasts, values, horizon, every=n), values) for n in (1, 24))
    assert abs(fresh.coverage - stale.coverage) < 0.01 and stale.mean_width == pytest.approx(fresh.mean_width, rel=0.02)


def test_the_level_follows_the_misses_as_its_authors_say():
    # by hand: a miss lowers the level by rate * 0.9, a hit raises it by rate * 0.1, and what it asks for is the next score
    values = np.concatenate([np.arange(1.0, 101.0), [200, 200, 0]])
    found = adaptive(np.zeros(103), values, 1, alpha=0.1, rate=0.05, window=1000, fewest=100, every=1)
    assert found.upper[100] == 91  # ceil(101 * 0.9)
    assert found.upper[101] == 97  # level 0.055: ceil(102 * 0.945), of 1 to 100 and 200
    assert found.upper[102] == 200  # level 0.01: ceil(103 * 0.99) = 102 of 102


def test_cqr_moves_quantiles_out_until_they_hold_what_they_promise():
    rng = np.random.default_rng(7)
    spread = np.where(np.arange(6000) % 2, 1.0, 6.0)
    values = rng.normal(0, spread)
    narrow = (-1.4 * spread, 1.4 * spread)
    cqr = judge_intervals(adaptive(narrow, values, 3, rate=0.0), values, (spread > 1).astype(str))
    plain = judge_intervals(adaptive(np.zeros(6000), values, 3, rate=0.0), values, (spread > 1).astype(str))
    assert abs(cqr.coverage - 0.9) < 0.015 and abs(plain.coverage - 0.9) < 0.015
    assert cqr.winkler < plain.winkler  # it knows when the errors are large
    assert max(cqr.by_group.values()) - min(cqr.by_group.values()) < max(plain.by_group.values()) - min(plain.by_group.values())
    too_wide = judge_intervals(adaptive((-9 * spread, 9 * spread), values, 3, rate=0.0), values)
    assert abs(too_wide.coverage - 0.9) < 0.015
