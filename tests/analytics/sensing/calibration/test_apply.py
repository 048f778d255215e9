"""Calibrations applied to hours."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analytics.lake import memory
from analytics.sensing.calibration.apply import apply_calibration
from analytics.sensing.calibration.evaluate import calibrate
from analytics.sensing.readings import SourceError
from tests.analytics.sensing.calibration.places import air, beside


@pytest.fixture
def hours():
    """Two hours at one place, humidity in the first only, and another property."""
    with memory() as connection:
        connection.execute(
            """
            CREATE TEMP TABLE hours AS
            SELECT site_id, observed_property, began::TIMESTAMPTZ AS interval_start_at, value::DOUBLE AS value, unit, flags
            FROM (VALUES
                ('a', 'pm25', '2026-01-01 00:00:00Z', 40, 'ug/m3', NULL),
                ('a', 'humidity', '2026-01-01 00:00:00Z', 50, 'percent', NULL),
                ('a', 'pm25', '2026-01-01 01:00:00Z', 40, 'ug/m3', 'suspect'),
                ('a', 'no2', '2026-01-01 00:00:00Z', 7, 'ug/m3', NULL)
            ) AS t (site_id, observed_property, began, value, unit, flags)
            """
        )
        yield connection


def rows(connection, name="pm25"):
    return connection.execute(
        "SELECT value, unit, flags FROM hours WHERE observed_property = ? ORDER BY interval_start_at", [name]
    ).fetchall()


def test_a_published_correction_and_an_hour_without_humidity(hours):
    apply_calibration(hours, "hours", calibration="barkjohn_2021")
    (value, unit, flags), (missing, _, why) = rows(hours)
    assert value == pytest.approx(0.524 * 40 - 0.0862 * 50 + 5.75) and (unit, flags) == ("ug/m3", "calibrated")
    assert missing is None and why == "suspect,not_calibrated"
    assert rows(hours, "no2") == [(7.0, "ug/m3", None)] and rows(hours, "humidity") == [(50.0, "percent", None)]


def test_a_fitted_calibration_from_its_document_makes_another_property_of_a_signal(hours):
    sensor = np.append(air(500), 60.0)
    fitted = calibrate(beside(3 + 0.5 * sensor, sensor, sensor="signal"))
    hours.execute("UPDATE hours SET observed_property = 'signal' WHERE observed_property = 'pm25'")
    hours.execute("UPDATE hours SET value = 1e6 WHERE flags = 'suspect'")
    apply_calibration(hours, "hours", calibration=json.loads(fitted.model_dump_json()))
    (value, unit, flags), (_, _, beyond) = rows(hours)
    assert value == pytest.approx(23.0) and unit == "ug/m3" and beyond == "suspect,calibrated,beyond_calibration"
    assert flags == "calibrated"
    assert rows(hours, "signal") == []


def test_what_is_not_there_is_said(hours):
    with pytest.raises(SourceError, match="calibration 'city@3' is unknown; expected one of barkjohn_2021"):
        apply_calibration(hours, "hours", calibration="city@3")
    hours.execute("DELETE FROM hours WHERE observed_property = 'pm25'")
    with pytest.raises(SourceError, match="no hour of 'pm25' to apply it to"):
        apply_calibration(hours, "hours", calibration="barkjohn_2021")
