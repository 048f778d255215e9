"""Metrics of agreement and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analytics.sensing.calibration.agreement import METRICS, intervals, metrics, pooled, units
from analytics.sensing.calibration.resampling import block_length
from tests.analytics.sensing.calibration.places import air


def test_metrics_by_hand():
    found = {name: float(value) for name, value in metrics([1, 2, 3, 4], [2, 2, 5, 3]).items()}
    assert found["MB"] == 0.5 and found["MGE"] == 1.0 and found["RMSE"] == pytest.approx((6 / 4) ** 0.5)
    assert found["NMB"] == 20 and found["NMGE"] == 40 and found["NRMSE"] == pytest.approx(100 * (6 / 4) ** 0.5 / 2.5)
    assert found["FAC2"] == 1.0 and found["COE"] == 0.0 and found["IOA"] == 0.5
    assert set(found) == set(METRICS)


def test_the_line_is_that_of_scipy():
    x = air(200)
    y = 2 + 1.3 * x + np.random.default_rng(2).normal(0, 3, 200)
    found, known = metrics(x, y), stats.linregress(x, y)
    assert [float(found[name]) for name in ("slope", "intercept", "r")] == pytest.approx(
        [known.slope, known.intercept, known.rvalue]
    )


def test_the_refined_index_of_agreement_turns_where_errors_pass_twice_the_spread():
    found = metrics([1, 2, 3], [11, 12, 13])
    assert float(found["IOA"]) == pytest.approx(2 * 2 / 30 - 1)


def test_a_constant_has_no_slope_and_a_reference_of_zeros_no_relative_error():
    assert np.isnan(metrics([2, 2, 2], [1, 2, 3])["slope"]) and np.isnan(metrics([0, 0], [1, 2])["NMB"])


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_a_perfect_line_is_found_whatever_its_slope(slope, intercept):
    x = np.arange(1.0, 20)
    found = metrics(x, intercept + slope * x)
    assert float(found["slope"]) == pytest.approx(slope) and float(found["R2"]) == pytest.approx(1)
    assert float(found["intercept"]) == pytest.approx(intercept, abs=1e-9)


def test_units_are_pooled_and_gaps_leave_only_their_own_pairs_out():
    x = air(100)
    sensors = np.array([x + 1, x - 1, 2 * x])
    found = pooled(x, sensors)
    assert found["slope"] == pytest.approx(4 / 3) and found["RMSE"] == pytest.approx(np.sqrt((2 + (x**2).mean()) / 3))
    sensors[0, :10] = np.nan
    assert [one["n"] for one in units(x, sensors)] == [90, 100, 100]
    assert pooled(x, sensors)["MB"] == pytest.approx((90 - 100 + x.sum()) / 290)


def test_intervals_hold_the_metric_and_do_not_depend_on_how_the_units_are_looked_at():
    x = air(24 * 40)
    y = np.array([1.2 * x + np.random.default_rng(i).normal(0, 2, len(x)) for i in range(2)])
    found = intervals(x, y, per_day=24, resamples=200)
    assert all(found[name][0] <= value <= found[name][1] for name, value in pooled(x, y).items())
    gap = y.copy()
    gap[0, 0] = np.nan
    one_gap = intervals(x, gap, per_day=24, resamples=200)
    assert one_gap["RMSE"] == pytest.approx(found["RMSE"], rel=0.01)


def test_blocks_make_wider_intervals_than_single_hours_where_errors_last():
    x = air(24 * 60)
    slow = np.repeat(np.random.default_rng(3).normal(0, 3, 60), 24)
    by_block = intervals(x, (x + slow)[None], per_day=24, resamples=300)["MB"]
    by_hour = 2 * 1.96 * slow.std() / len(slow) ** 0.5  # as if hours were independent
    assert block_length(24 * 60, 24) == 96 and block_length(30, 1) == 3 and block_length(5, 24) == 5
    assert by_block[1] - by_block[0] > 2 * by_hour
