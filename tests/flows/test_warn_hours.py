"""Hours of a network with weather beside them: a site's own where it has any, else the mean of all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analytics.sensing.warning.levels import EarlyWarningError
from experiments.settings import load_settings
from flows.warn_hours import read_network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
START = datetime(2026, 3, 2, tzinfo=UTC)
HEAD = "site_id,observed_property,interval_start_at,value,unit,readings,coverage,flags,thresholds_version"


def write(path, *rows):
    """A file of hours: (site, property, hour, value, unit) each."""
    lines = [f"{s},{p},{START + timedelta(hours=h):%Y-%m-%dT%H:%M:%SZ},{v},{u},1,1,,1.0.0" for s, p, h, v, u in rows]
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    return str(path)


@pytest.fixture
def settings(tmp_path):
    return load_settings({"TESTBED_HOME": str(tmp_path / "home")})


def test_weather_is_a_sites_own_or_the_mean_of_all(tmp_path, settings):
    air = write(
        tmp_path / "air.csv",
        *((site, "pm25", hour, 10 * hour + place, "ug/m3") for place, site in enumerate("ab") for hour in (0, 1, 3)),
        ("a", "humidity", 1, 60, "percent"),
    )
    weather = write(
        tmp_path / "weather.csv",
        *(("roof", "wind_direction", hour, angle, "degree") for hour, angle in ((0, 350), (1, 90))),
        ("hill", "wind_direction", 0, 10, "degree"),
        ("roof", "pm25", 2, 33, "ug/m3"),
        ("roof", "temperature", -5, 3, "degC"),
        ("roof", "temperature", 3, 4, "degC"),
    )
    found = read_network([air], "pm25", settings, inputs=["humidity"], weather=[weather])
    np.testing.assert_array_equal(found.values, [[0, 1], [10, 11], [np.nan, np.nan], [30, 31]])
    assert (found.stations, found.start_at, found.unit, found.pilot_id) == (("a", "b"), START, "ug/m3", "")
    assert list(found.known) == ["humidity", "pm25", "temperature", "wind_direction_sin", "wind_direction_cos"]
    np.testing.assert_array_equal(found.known["humidity"][1], [60, 60])  # of `b`, the mean of all
    np.testing.assert_allclose(found.known["wind_direction_cos"][:2, 0], [np.cos(np.radians(10)), 0], atol=1e-12)
    np.testing.assert_allclose(found.known["wind_direction_sin"][0], [0, 0], atol=1e-12)  # north, not south
    np.testing.assert_array_equal(found.known["pm25"][:, 0], [np.nan, np.nan, 33, np.nan])  # of elsewhere, not of the sites
    np.testing.assert_array_equal(found.known["temperature"][:, 1], [np.nan, np.nan, np.nan, 4])

    early = read_network([air], "pm25", settings, inputs=["humidity"], until=START + timedelta(hours=2, minutes=59))
    np.testing.assert_array_equal(early.values, [[0, 1], [10, 11]])
    assert np.isfinite(early.known["humidity"][1]).all()
    with pytest.raises(EarlyWarningError, match="no hours of 'humidity'"):
        read_network([air], "pm25", settings, inputs=["humidity"], until=START + timedelta(hours=1, minutes=59))


@pytest.mark.parametrize(
    ("rows", "inputs", "said"),
    [
        ([("roof", "humidity", 9, 5, "percent")], [], "no hour of 'humidity' lies within the hours of 'pm25'"),
        ([("a", "humidity", 0, 5, "percent"), ("b", "humidity", 0, 5, "g/m3")], [], "'humidity' comes in g/m3, percent"),
        ([("a", "humidity", 0, 5, "percent")], ["wind_speed"], "no hours of 'wind_speed' were found; expected one of humidity"),
    ],
)
def test_weather_that_cannot_help_is_one_line(tmp_path, settings, rows, inputs, said):
    air = write(tmp_path / "air.csv", ("a", "pm25", 0, 10, "ug/m3"))
    with pytest.raises(EarlyWarningError, match=said):
        read_network([air], "pm25", settings, inputs=inputs, weather=[write(tmp_path / "weather.csv", *rows)])
