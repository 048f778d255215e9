"""Metrics of agreement and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analytics.sensing.calibration.agreement import METRICS, intervals, metrics, pooled, units
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
    found = intervals(x, y, per_day=24)
    assert all(found[name][0] <= value <= found[name][1] for name, value in pooled(x, y).items())
    gap = y.copy()
    gap[0, 0] = np.nan
    assert intervals(x, gap, per_day=24)["RMSE"] == pytest.approx(found["RMSE"], rel=0.01)
    assert intervals(x, y[::-1], per_day=24)["slope"] == pytest.approx(found["slope"])


def test_intervals_are_wider_than_those_of_single_hours_where_errors_last():
    x = air(24 * 60)
    slow = np.repeat(np.random.default_rng(3).normal(0, 3, 60), 24)
    found = intervals(x, (x + slow)[None], per_day=24)["MB"]
    by_hour = 2 * 1.96 * slow.std() / len(slow) ** 0.5  # as if hours were independent
    assert found[1] - found[0] > 3 * by_hour
    assert found[1] - found[0] < 2.5 * 2 * 1.96 * slow.std() / 60**0.5  # days are: no wider than need be


def test_intervals_stay_where_their_metric_can_be():
    x = air(24 * 30)
    found = intervals(x, (0.2 * x + air(24 * 30, 5))[None], per_day=24)
    assert 0 <= found["R2"][0] < found["R2"][1] <= 1 and -1 <= found["r"][0] < found["r"][1] <= 1
    assert (
        0 <= found["FAC2"][0] < found["FAC2"][1] <= 1 and found["COE"][1] <= 1 and -1 <= found["IOA"][0] < found["IOA"][1] <= 1
    )
    assert found["RMSE"][0] > 0 and found["MGE"][0] > 0
    same = intervals(x, (2 * x)[None], per_day=24)
    assert (
        same["slope"] == pytest.approx((2, 2)) and np.isnan(same["FAC2"]).all()
    )  # all within: how sure that is nobody can tell
