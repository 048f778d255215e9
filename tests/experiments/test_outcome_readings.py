"""An outcome that sensors read: days are means, what has no ratio is refused, and the rendered truth is recovered."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from analytics.lake import memory
from analytics.sensing.hourly import sense_hourly
from analytics.sensing.network.address import read_address
from analytics.sensing.network.sent import rendered_network
from analytics.sensing.network.truth import render_truth
from experiments.impact import METHODS
from experiments.outcome import measured_share, observed, panel, reading_faults
from experiments.pilot import Money, Outcome, Pilot, load_pilot
from experiments.settings import ROOT

PILOT = load_pilot(ROOT / "experiments" / "pilots" / "school_street_air.yaml")
OUTCOME = {"contract": "hourly_readings", "column": "value"}


def about(observed_property: str | None, **changes: object) -> Pilot:
    where = {"observed_property": observed_property} if observed_property else {}
    return PILOT.model_copy(update={"outcome": Outcome.model_validate({**OUTCOME, "where": where}), **changes})


def test_a_day_of_a_mean_is_the_mean_of_what_was_measured_and_of_a_sum_the_whole_day() -> None:
    with memory() as connection:
        connection.execute(
            "CREATE TABLE hours AS SELECT site_id, property AS observed_property, TIMESTAMPTZ '2025-01-05 23:00:00+00' + "
            "to_hours(h) AS interval_start_at, CASE WHEN h % 24 < 12 THEN 10.0 ELSE 20.0 END AS value, "
            "CASE WHEN h % 24 = 23 THEN 0.5 ELSE 1.0 END AS coverage FROM range(24 * 140) r(h), "
            "(VALUES ('street_01'), ('street_04'), ('street_05')) s(site_id), (VALUES ('pm25'), ('precipitation')) p(property)"
        )
        mean, total = (panel(connection, "hours", about(name)) for name in ("pm25", "precipitation"))
        share = measured_share(connection, "hours", about("pm25"))
    day = (12 * 10 + 11.5 * 20) / 23.5
    assert np.delete(mean.treated, 11) == pytest.approx(np.full(19, day))  # in the twelfth week the clock is put forward
    assert total.treated[0] == pytest.approx((12 * 10 + 12 * 20) / 23.5 * 24)
    assert len(mean.weeks) == 20
    assert share == pytest.approx(3 / 15 * 23.5 / 24, abs=0.002)


def test_what_is_observed_has_its_unit_and_counts_have_none() -> None:
    assert observed(about("pm25")) == {"observed_property": "pm25", "unit": "ug/m3", "day": "mean"}
    assert observed(about("precipitation")) == {"observed_property": "precipitation", "unit": "mm", "day": "total"}
    assert observed(load_pilot(ROOT / "experiments" / "pilots" / "te_komititanga_square.yaml")) is None


@pytest.mark.parametrize(
    ("pilot", "said"),
    [
        (
            about("noise_laeq"),
            "observed_property is 'noise_laeq'; expected one whose change in percent means something: benzene",
        ),
        (about("temperature"), "observed_property is 'temperature'"),
        (about("pedestrian"), "observed_property is 'pedestrian'"),
        (about(None), "observed_property is missing"),
        (about("pm25", method="descriptive"), "method is 'descriptive'; expected synthetic_control or diff_in_diff"),
        (
            about("pm25", benefits=(Money(name="a", low=1, likely=1, high=1, per="extra_crossing", source="b"),)),
            "per is 'extra_crossing'; expected once or year",
        ),
        (
            PILOT.model_copy(update={"outcome": PILOT.outcome.model_copy(update={"column": "readings"})}),
            "outcome.column is 'readings'; expected 'value'",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(pilot: Pilot, said: str) -> None:
    assert len(faults := reading_faults(pilot)) == 1
    assert said in faults[0]
    assert reading_faults(PILOT) == []


@pytest.mark.parametrize("seed", range(21, 25))
def test_the_true_effect_lies_in_the_interval_in_spite_of_the_faults(seed: int) -> None:
    source = PILOT.feeds[0].sources[0].replace("seed=11", f"seed={seed}")
    zone, (first, last) = ZoneInfo(PILOT.timezone), PILOT.after[0]
    begin, end = (datetime.combine(day, datetime.min.time(), zone) for day in (first, last + timedelta(days=1)))
    truth = render_truth(read_address(source)).relative_effect("pm25", begin, end)
    with memory() as connection:
        rendered_network(connection, source, table="sent")
        connection.execute(
            "CREATE TABLE received AS SELECT * REPLACE (interval_start_at::TIMESTAMPTZ AS interval_start_at, "
            "value::DOUBLE AS value) FROM sent WHERE value IS NOT NULL"
        )
        sense_hourly(connection, "received", table="hours", timezone=PILOT.timezone)
        data = panel(connection, "hours", PILOT)
    assert -0.3 < truth < -0.1
    for method in METHODS.values():
        effect = method(data)
        assert effect.relative_lower is not None and effect.relative_upper is not None
        assert effect.relative_lower <= truth <= effect.relative_upper < 0
        assert effect.relative == pytest.approx(truth, abs=0.08)


def test_the_pilots_days_are_those_of_its_address() -> None:
    asked = read_address(PILOT.feeds[0].sources[0])
    start = date.fromisoformat(asked.start)
    assert PILOT.before[0][0] == start
    assert PILOT.after[0] == (start + timedelta(days=asked.change_day), start + timedelta(days=asked.days - 1))
    assert set(PILOT.sites.treated) | set(PILOT.sites.control) == {f"street_{n:02d}" for n in range(1, asked.sites + 1)}
    assert PILOT.sites.treated == tuple(f"street_{n:02d}" for n in range(1, asked.treated + 1))
