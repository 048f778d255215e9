"""One audit for air, noise and counts: targets, verdict, and what was skipped."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analytics.sensing.calibration.agreement import METRICS
from analytics.sensing.calibration.audit import audit_sensor
from analytics.sensing.calibration.collocation import DAY_S
from analytics.sensing.calibration.targets import judge, table_for, targets
from analytics.sensing.readings import SourceError
from analytics.sensing.units import conversion, properties
from tests.analytics.sensing.calibration.places import air, beside


def days(n: int = 40) -> np.ndarray:
    return air(n * 24).reshape(n, 24).mean(axis=1) + 10


def three(reference: np.ndarray, slope: float = 1.0, noise: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(6)
    return np.array([slope * reference + rng.normal(0, noise, len(reference)) for _ in range(3)])


def test_good_sensors_meet_the_targets_and_the_document_is_json():
    x = days()
    x[3] = 60
    document = audit_sensor(beside(x, three(x), interval_s=DAY_S))
    assert document["verdict"]["status"] == "meets"
    assert document["verdict"]["sentence"].startswith("3 units of pm25 meet the targets 'EPA base testing, PM2.5' over 40")
    assert [row["passed"] for row in document["targets"]["rows"]] == [True] * 5
    assert [row["met"] for row in document["conditions"]] == [True] * 4
    assert {one["what"] for one in document["skipped"]} >= {"condition 'two sites or two seasons of different climate'"}
    assert json.loads(json.dumps(document, allow_nan=False)) == json.loads(json.dumps(document))
    assert document["uncertainty"]["class"] == 1 and document["uncertainty"]["verified"] is False
    again = audit_sensor(beside(x, three(x), interval_s=DAY_S))
    assert again == document


def test_a_steep_sensor_fails_and_the_sentence_says_by_what():
    x = days()
    verdict = audit_sensor(beside(x, three(x, slope=1.9), interval_s=DAY_S))["verdict"]
    assert verdict["status"] == "fails"
    assert "do not meet" in verdict["sentence"] and "slope is 1.91, where slope 0.65 to 1.35 is asked" in verdict["sentence"]


def test_one_of_two_metrics_suffices_and_both_missing_is_not_judged():
    table = table_for("pm25")
    both = {name: {"value": value, "lower": value, "upper": value} for name, value in {"RMSE": 9, "NRMSE": 20}.items()}
    rows = {one.metrics: one for one in judge(table, both)}
    assert rows["RMSE", "NRMSE"].passed and rows["RMSE", "NRMSE"].is_sure
    assert rows["SD", "CV"].passed is None and rows["slope",].passed is None
    worse = judge(table, both | {"NRMSE": {"value": 31, "lower": 29, "upper": 33}})
    error = next(one for one in worse if "RMSE" in one.metrics)
    assert error.passed is False and not error.is_sure


def test_what_could_not_be_had_never_passes():
    x = days()
    x[3] = 60
    one_unit = audit_sensor(beside(x, three(x)[:1], interval_s=DAY_S))
    assert one_unit["verdict"]["status"] == "incomplete"
    assert any("precision needs 2 or more units" in one["why"] for one in one_unit["skipped"])
    short = audit_sensor(beside(x[:20], three(x)[:, :20], interval_s=DAY_S))
    assert short["verdict"]["status"] == "incomplete" and "days: 20, where 30 or more are asked" in short["verdict"]["sentence"]
    same = audit_sensor(beside(x, three(x), interval_s=DAY_S), calibration="x@1", is_independent=False)
    assert same["verdict"]["status"] == "incomplete" and "fitted to these very readings" in same["verdict"]["sentence"]
    hourly = audit_sensor(beside(x, three(x)))
    assert hourly["verdict"]["status"] == "incomplete" and hourly["targets"] is None
    assert any(one["why"] == "they are for intervals of 86400 s, these are of 3600 s" for one in hourly["skipped"])
    assert audit_sensor(beside(x, three(x), name="temperature"))["verdict"]["status"] == "incomplete"


def test_gases_are_judged_in_the_unit_of_their_targets():
    x = 3 * air(24 * 40)
    document = audit_sensor(beside(x, three(x) + 4.9 * conversion("no2", "ppb").factor, name="no2"))
    assert document["unit"] == "ppb"
    assert document["metrics"]["intercept"]["value"] == pytest.approx(4.9, abs=0.15)
    assert document["uncertainty"]["unit"] == "ug/m3" and document["uncertainty"]["at"] == 200
    assert document["uncertainty"]["bias"] == pytest.approx(4.9 * conversion("no2", "ppb").factor, rel=0.1)


@pytest.mark.parametrize(("bias", "status"), [(1.2, "meets"), (-1.7, "fails")])
def test_noise_is_held_to_its_bias(bias, status):
    x = 60 + 8 * np.sin(np.arange(24 * 10) / 24 * 2 * np.pi)
    document = audit_sensor(beside(x, x + bias + np.random.default_rng(1).normal(0, 0.5, len(x)), name="noise_laeq"))
    assert document["verdict"]["status"] == status and document["unit"] == "dBA"
    assert document["targets"]["verified"] is False


def test_counts_are_held_to_wape_and_bias():
    rng = np.random.default_rng(2)
    x = rng.poisson(200 + 150 * np.sin(np.arange(24 * 10) / 24 * 2 * np.pi)).astype(float)
    good = audit_sensor(beside(x, x * 0.95, name="pedestrian"))
    assert good["verdict"]["status"] == "meets" and good["metrics"]["NMGE"]["value"] == pytest.approx(5)
    low = audit_sensor(beside(x, x * 0.85, name="pedestrian"))
    assert low["verdict"]["status"] == "fails" and "does not meet" in low["verdict"]["sentence"]
    assert "NMB is -15, where NMB -10 to 10 is asked" in low["verdict"]["sentence"]


def test_a_raw_signal_or_a_handful_of_hours_cannot_be_audited():
    with pytest.raises(SourceError, match=r"they give 'signal'.*--calibration"):
        audit_sensor(beside(air(50), air(50), sensor="signal"))
    with pytest.raises(SourceError, match="found 7 common intervals; expected 8 or more"):
        audit_sensor(beside(air(7), air(7)))


def test_every_table_names_known_properties_metrics_and_units():
    for table in targets().tables:
        assert set(table.observed_properties) <= set(properties()) and table.source
        for target in table.metrics:
            assert set(target) <= {*METRICS, "SD", "CV"}
            assert all(low is not None or high is not None for low, high in target.values())
        for name in table.observed_properties:
            assert table_for(name) is table and conversion(name, table.unit).offset == 0
    for name, limit in targets().uncertainty.limits.items():
        assert conversion(name, limit.unit).factor > 0 and list(limit.classes) == sorted(limit.classes)


@pytest.mark.parametrize(
    ("name", "slope", "intercept", "r2", "rmse", "sd"),
    # sensortoolkit/param/_targets.py of USEPA/sensortoolkit at 1e89056
    [
        ("pm25", 0.35, 5, 0.70, 7, 5),
        ("pm10", 0.35, 10, 0.70, 14, 5),
        ("o3", 0.20, 5, 0.80, 5, 5),
        ("no2", 0.35, 5, 0.70, 15, 5),
        ("so2", 0.35, 5, 0.70, 15, 5),
        ("co", 0.20, 0.05, 0.80, 0.15, 0.02),
    ],
)
def test_the_epas_targets(name, slope, intercept, r2, rmse, sd):
    rows = {key: value for target in table_for(name).metrics for key, value in target.items()}
    assert rows["slope"] == (1 - slope, 1 + slope) and rows["intercept"] == (-intercept, intercept)
    assert rows["R2"] == (r2, None) and rows["RMSE"] == (None, rmse) and rows["SD"] == (None, sd) and rows["CV"] == (None, 30)
    assert rows.get("NRMSE") == ((None, 30) if name in ("pm25", "pm10") else None)
