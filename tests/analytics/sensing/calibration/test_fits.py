"""Calibrations recover what was planted, withstand outliers, and refuse what cannot be fitted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analytics.sensing.calibration.evaluate import calibrate, rolling
from analytics.sensing.calibration.fits import calibration_of, fit
from analytics.sensing.readings import SourceError
from tests.analytics.sensing.calibration.places import air, beside

N = 24 * 40


def humid(n: int = N) -> np.ndarray:
    return 60 + 25 * np.sin(np.arange(n) / 24 * 2 * np.pi) + np.random.default_rng(9).normal(0, 5, n)


@pytest.mark.parametrize("method", ["ols", "huber", "theil_sen"])
def test_known_coefficients_are_recovered(method):
    sensor, humidity = air(N), humid()
    reference = 2 + 0.6 * sensor - 0.05 * humidity + 0.001 * sensor * humidity
    terms = ("sensor", "humidity", "sensor*humidity")
    intercept, coefficients = fit(reference, sensor, {"humidity": humidity}, terms=terms, method=method)
    assert (intercept, *coefficients) == pytest.approx((2, 0.6, -0.05, 0.001), rel=0.02)


@pytest.mark.parametrize(
    ("method", "side", "withstands"),
    [
        ("ols", "reference", False),
        ("huber", "reference", True),
        ("theil_sen", "reference", True),
        ("ols", "sensor", False),
        ("huber", "sensor", False),
        ("theil_sen", "sensor", True),
    ],
)
def test_what_robust_fits_withstand(method, side, withstands):
    sensor = air(N)
    reference = 1 + 0.5 * sensor + np.random.default_rng(4).normal(0, 0.3, N)
    highest = np.argsort(sensor)[-N // 20 :]
    (reference if side == "reference" else sensor)[highest] = 500
    _, (slope,) = fit(reference, sensor, {}, method=method)
    assert (abs(slope - 0.5) < 0.1) == withstands


def test_too_few_pairs_terms_that_do_not_vary_and_unknown_terms_are_refused():
    sensor = air(100)
    with pytest.raises(SourceError, match="47 pairs have all of sensor; expected 48 or more"):
        fit(sensor[:47], sensor[:47], {})
    with pytest.raises(SourceError, match="do not vary independently"):
        fit(sensor, sensor, {"humidity": np.full(100, 50.0)}, terms=("sensor", "humidity"))
    with pytest.raises(SourceError, match="do not vary independently"):
        fit(sensor, sensor, {"humidity": 2 * sensor + 1}, terms=("sensor", "humidity"))
    with pytest.raises(SourceError, match="'wind' is not there; expected 'sensor' and some of sensor, humidity"):
        fit(sensor, sensor, {"humidity": humid(100)}, terms=("sensor", "wind"))
    with pytest.raises(SourceError, match="leave 'sensor' out"):
        fit(sensor, sensor, {"humidity": humid(100)}, terms=("humidity",))


def test_a_calibration_survives_json_and_says_what_it_has_seen():
    sensor, humidity = np.array([air(N), air(N, 2)]), humid()
    found = calibrate(beside(1 + 0.5 * sensor[0], sensor[:1], humidity=humidity), terms=("sensor", "humidity"))
    again = calibration_of(json.loads(found.model_dump_json()))
    assert again == found and again.covariates == ("humidity",) and again.pairs == N
    values = again.apply(np.array([10.0, np.nan]), {"humidity": np.array([50.0, 50.0])})
    assert values[0] == pytest.approx(6.0) and np.isnan(values[1])
    beyond = again.outside(np.array([sensor[0].max() + 1, sensor[0].mean()]), {"humidity": np.array([60.0, 60.0])})
    assert beyond.tolist() == [True, False]


@pytest.mark.parametrize(
    ("change", "said"),
    [({"coefficients": []}, "one coefficient for each term"), ({"intercept": "x"}, "intercept"), ({"more": 1}, "more: Extra")],
)
def test_a_broken_document_is_one_line(change, said):
    document = json.loads(calibrate(beside(air(N), air(N))).model_dump_json()) | change
    with pytest.raises(SourceError, match=said) as error:
        calibration_of(document)
    assert len(str(error.value).splitlines()) == 1


def test_a_rolling_origin_never_sees_what_it_judges_and_shows_drift():
    reference = air(24 * 100)
    drifting = reference * np.linspace(1.0, 2.0, len(reference))
    kept = rolling(beside(reference, drifting), refitted=False, first_days=20, step_days=20, horizon_days=20)
    assert [one.fitted for one in kept] == [480] * 4
    assert [one.judged for one in kept] == [480] * 4
    assert kept[-1].calibrated["NMB"] > kept[0].calibrated["NMB"] + 30
    anew = rolling(beside(reference, drifting), first_days=20, step_days=20, horizon_days=20)
    assert [one.fitted for one in anew] == [480, 960, 1440, 1920]
    assert abs(anew[-1].calibrated["NMB"]) < abs(kept[-1].calibrated["NMB"])
    spoiled = reference.copy()
    spoiled[480:] = 1e6
    assert rolling(beside(spoiled, drifting), first_days=20, step_days=99, horizon_days=5)[0].fitted == 480
    only_past = calibrate(beside(spoiled[:480], drifting[:480]))
    assert only_past.coefficients == calibrate(beside(reference[:480], drifting[:480])).coefficients


def test_nothing_to_judge_is_said():
    with pytest.raises(SourceError, match="nothing is left to judge after the first 50 days"):
        rolling(beside(air(N), air(N)), first_days=50)
