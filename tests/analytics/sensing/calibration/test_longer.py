"""Limit values of 8-hour means are compared with 8-hour means."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.sensing.calibration.audit import audit_sensor
from analytics.sensing.calibration.longer import longer_means
from analytics.sensing.calibration.uncertainty import expanded_uncertainty
from tests.analytics.sensing.calibration.places import START_S, air, beside


def test_blocks_begin_at_midnight_and_need_six_hours_of_both() -> None:
    start_s = START_S + 3600 * np.arange(4, 28)  # from 04:00 on
    reference, sensor = np.arange(24.0), np.arange(24.0) + 1
    sensor[5:8] = np.nan  # of 08:00 to 16:00 five hours are left
    found = longer_means(start_s, reference, sensor, hours=8)
    assert found[0].tolist() == pytest.approx([15.5]) and found[1].tolist() == pytest.approx([16.5])


def test_hourly_noise_that_8_hour_means_average_away_does_not_count_against_an_ozone_sensor() -> None:
    truth = 8 * air(24 * 40)
    pairs = beside(truth, truth + np.random.default_rng(2).normal(0, 15, len(truth)), name="o3")
    found = audit_sensor(pairs)["uncertainty"]
    assert found is not None and found["of"] == "8-hour mean"
    means = longer_means(pairs.start_s, truth, pairs.sensors[0], hours=8)
    assert found["expanded"] == pytest.approx(expanded_uncertainty(*means, at=120).expanded, rel=1e-6)
    assert found["expanded"] < 0.6 * expanded_uncertainty(truth, pairs.sensors[0], at=120).expanded
