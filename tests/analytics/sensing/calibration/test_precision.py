"""Precision across units."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.sensing.calibration.precision import precision, precision_intervals
from tests.analytics.sensing.calibration.places import air


def test_by_hand_and_only_where_all_units_are_valid():
    found = precision([[9, 19, np.nan], [11, 21, 50]])
    assert (found.units, found.intervals) == (2, 2)
    assert (pytest.approx((4 / 3) ** 0.5), pytest.approx(100 * (4 / 3) ** 0.5 / 15)) == (found.SD, found.CV)


def test_one_unit_has_no_precision_and_a_mean_of_zero_no_cv():
    assert precision([[1.0, 2.0]]).SD is None
    assert precision([[1.0, -2.0], [2.0, -1.0]]).CV is None
    assert precision_intervals(np.array([[1.0, 2.0]]), per_day=24) == {}


def test_a_planted_spread_is_found_and_lies_in_its_interval():
    rng = np.random.default_rng(5)
    x = air(2000)
    sensors = np.array([x + rng.normal(0, 2, len(x)) for _ in range(4)])
    found = precision(sensors)
    assert abs(found.SD / 2 - (3 / 4) ** 0.5) < 0.03
    lower, upper = precision_intervals(sensors, per_day=24)["SD"]
    assert lower < found.SD < upper
