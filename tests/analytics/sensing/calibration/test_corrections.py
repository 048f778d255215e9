"""Published corrections."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.sensing.calibration.corrections import CORRECTIONS, barkjohn, barkjohn_smoke, channels_agree


@pytest.mark.parametrize(
    ("pm25", "humidity", "expected"),
    [
        (20, 50, 11.92),  # 0.524 p - 0.0862 RH + 5.75
        (40, 50, 27.64),  # halfway between both slopes
        (100, 40, 80.902),  # 0.786 p - 0.0862 RH + 5.75
        (235, 0, 0.738 * 235 + 2.966 / 2 + 5.75 / 2 + 8.84e-4 * 235**2 / 2),
        (300, 90, 2.966 + 207 + 8.84e-4 * 300**2),
        (0, 100, 0),  # never below 0
    ],
)
def test_smoke_by_hand(pm25, humidity, expected):
    assert barkjohn_smoke([pm25], [humidity])[0] == pytest.approx(expected)


@pytest.mark.parametrize("at", [30, 50, 210, 260])
@pytest.mark.parametrize("humidity", [0, 35, 90])
def test_the_smoke_extension_has_no_steps(at, humidity):
    before, after = barkjohn_smoke([at - 1e-9, at], [humidity, humidity])
    assert before == pytest.approx(after, abs=1e-6)


def test_both_agree_in_clean_air_and_a_missing_value_stays_missing():
    p, rh = np.array([5.0, 29.9, np.nan, 10.0]), np.array([40.0, 80.0, 50.0, np.nan])
    assert barkjohn(p, rh) == pytest.approx(barkjohn_smoke(p, rh), nan_ok=True)
    assert np.isnan(barkjohn(p, rh)[2:]).all()
    assert np.isnan(barkjohn_smoke([300.0], [np.nan])).all()


def test_every_correction_is_named_as_it_is_called_and_says_where_it_is_from():
    assert all(name == one.name and one.source and one.covariates == ("humidity",) for name, one in CORRECTIONS.items())
    assert not CORRECTIONS["barkjohn_2021_smoke"].is_verified


def test_channels_must_differ_by_both_measures_to_disagree():
    a, b = [10, 1, 100, 0, np.nan, 10], [12, 4, 110, 0, 5, 30]
    assert channels_agree(a, b).tolist() == [True, True, True, True, False, False]
    assert not channels_agree([10], [20], relative=0.61)[0] and channels_agree([10], [20], relative=0.70)[0]
