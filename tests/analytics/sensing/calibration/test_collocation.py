"""Sensors and a reference are paired on hours and days that both measured, by one clock."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from analytics.lake import memory
from analytics.sensing.calibration.clock import clock_shift
from analytics.sensing.calibration.collocation import DAY_S, collocate
from analytics.sensing.calibration.corrections import CORRECTIONS
from analytics.sensing.readings import SourceError
from tests.analytics.sensing.calibration.places import START_S, air


@pytest.fixture
def connection():
    with memory() as found:
        yield found


def readings(connection, table, *series, step_s=3600, name="pm25", more=()):
    """A table of readings: each series is a site; `more` holds (name, values) for the first site."""
    rows = [(f"unit_{i}", name, values) for i, values in enumerate(series)]
    rows += [("unit_0", other, values) for other, values in more]
    columns = {
        "site_id": np.concatenate([[site] * len(values) for site, _, values in rows]),
        "observed_property": np.concatenate([[kind] * len(values) for _, kind, values in rows]),
        "began": np.concatenate([START_S + step_s * np.arange(len(values)) for *_, values in rows]),
        "value": np.concatenate([np.asarray(values, dtype=np.float64) for *_, values in rows]),
    }
    connection.register("given", pa.table(columns))
    connection.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT site_id, observed_property, to_timestamp(began) AS interval_start_at, "
        "value, NULL::DOUBLE AS interval_s, NULL::DOUBLE AS coverage, NULL::VARCHAR AS flags FROM given WHERE NOT isnan(value)"
    )


def paired(connection, name="pm25", **options):
    return collocate(connection, "sensors", "reference", observed_property=name, **options)


def test_readings_become_hours_where_enough_of_the_hour_was_measured(connection):
    ten_minutes = np.arange(24 * 6, dtype=float)
    ten_minutes[6:8] = np.nan  # 4 of 6 readings
    ten_minutes[12] = np.nan  # 5 of 6
    readings(connection, "sensors", ten_minutes, step_s=600)
    readings(connection, "reference", np.arange(24.0))
    found = paired(connection)
    assert len(found.reference) == 23 and 1.0 not in found.reference
    assert found.sensors[0, :3] == pytest.approx([2.5, 15.0, 20.5])
    assert found.expected == 24 and found.present == (23,) and found.unpaired == 1
    assert len(paired(connection, coverage=0.6).reference) == 24


def test_days_need_three_quarters_of_their_hours_and_begin_by_the_clock_that_is_meant(connection):
    hours = air(24 * 4)
    holes = hours.copy()
    holes[24 : 24 + 7] = np.nan
    readings(connection, "sensors", holes)
    readings(connection, "reference", hours)
    found = paired(connection, interval_s=DAY_S)
    assert found.start_s.tolist() == [START_S, START_S + 2 * DAY_S, START_S + 3 * DAY_S]
    assert found.reference == pytest.approx(hours.reshape(4, 24).mean(axis=1)[[0, 2, 3]])
    moved = paired(connection, interval_s=DAY_S, day_offset_h=-5)
    assert moved.start_s[0] == START_S + 5 * 3600 and moved.reference[0] == pytest.approx(hours[5:29].mean())


def test_repeated_readings_count_once(connection):
    readings(connection, "sensors", air(48))
    readings(connection, "reference", air(48))
    connection.execute("INSERT INTO sensors SELECT * REPLACE (999 AS value, 'conflict' AS flags) FROM sensors")
    assert paired(connection).sensors.max() < 999


def test_levels_are_averaged_by_energy_and_counts_added(connection):
    readings(connection, "sensors", [60.0, 70.0] * 24, step_s=1800, name="noise_laeq")
    readings(connection, "reference", [67.4] * 24, name="noise_laeq")
    assert paired(connection, "noise_laeq").sensors[0, 0] == pytest.approx(67.404, abs=1e-3)
    counts = np.arange(96.0)
    counts[4] = np.nan
    readings(connection, "sensors", counts, step_s=900, name="pedestrian")
    readings(connection, "reference", np.arange(24.0), name="pedestrian")
    found = paired(connection, "pedestrian")
    assert found.sensors[0, :2].tolist() == [6.0, 38.0] and len(found.reference) == 23  # three quarters of a count are none


@pytest.mark.parametrize("shift", [-3, 5, 12])
def test_a_wrong_clock_is_named_with_the_shift_and_the_option_mends_it(connection, shift):
    hours = air(24 * 20)
    readings(connection, "sensors", hours + 1)
    readings(connection, "reference", np.roll(hours, -shift))
    side = "behind" if shift > 0 else "ahead of"
    with pytest.raises(SourceError, match=f"{abs(shift)} h {side} the sensors'.*--reference-shift {shift}$"):
        paired(connection)
    mended = paired(connection, reference_shift_h=shift)
    middle = slice(20, -20)
    assert mended.sensors[0][middle] == pytest.approx(mended.reference[middle] + 1)
    assert mended.moved_h == shift and mended.shift.hours == shift
    assert paired(connection, reference_shift_h=0).moved_h == 0


def test_a_right_clock_and_a_sensor_that_has_nothing_to_do_with_it_are_left_alone():
    hours = np.arange(24 * 20)
    x = air(len(hours))
    assert not clock_shift(hours, x, hours, 2 * x + 1).is_decisive
    for seed in range(20):
        assert not clock_shift(hours, x, hours, air(len(hours), 100 + seed)).is_decisive
    assert clock_shift(hours[:50], x[:50], hours[:50], x[:50]) is None
    assert clock_shift(hours, np.full(len(x), 3.0), hours, x) is None


def test_a_correction_is_applied_to_hours_before_days(connection):
    p, humidity = air(48) * 4, np.linspace(30, 90, 48)
    readings(connection, "sensors", p, more=[("humidity", humidity)])
    readings(connection, "reference", p)
    by = CORRECTIONS["barkjohn_2021_smoke"]
    found = paired(connection, by=by, interval_s=DAY_S)
    hourly = by.apply(p, {"humidity": humidity})
    assert found.sensors[0] == pytest.approx(hourly.reshape(2, 24).mean(axis=1))
    connection.execute(
        "DELETE FROM sensors WHERE observed_property = 'humidity' AND interval_start_at < '2026-01-01 12:00:00Z'"
    )
    assert len(paired(connection, by=by).reference) == 36
    connection.execute("DELETE FROM sensors WHERE observed_property = 'humidity'")
    with pytest.raises(SourceError, match="it needs 'humidity', which no unit gives"):
        paired(connection, by=by)


def test_what_cannot_be_paired_is_said_in_one_line(connection):
    readings(connection, "sensors", air(48))
    readings(connection, "reference", air(48), air(48))
    with pytest.raises(SourceError, match="found sites unit_0, unit_1; expected one"):
        paired(connection)
    readings(connection, "reference", air(48), step_s=7200)
    with pytest.raises(SourceError, match="readings of 'pm25' are 7200 s apart; expected 3600 s or less"):
        paired(connection)
    readings(connection, "reference", air(48))
    connection.execute("UPDATE reference SET interval_start_at = interval_start_at + INTERVAL 1 YEAR")
    with pytest.raises(SourceError, match="no hour in common"):
        paired(connection)
    connection.execute("DELETE FROM reference")
    with pytest.raises(SourceError, match="reference: no hour of 'pm25' is 75% measured"):
        paired(connection)
    with pytest.raises(SourceError, match="is a direction of its interval"):
        paired(connection, "wind_direction")
