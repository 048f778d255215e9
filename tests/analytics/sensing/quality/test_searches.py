"""Each search finds its fault in simulated networks, says when it was, and leaves clean networks alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analytics.sensing.quality.clocks import find_clock_shifts
from analytics.sensing.quality.codes import find_codes
from analytics.sensing.quality.copies import find_copies
from analytics.sensing.quality.dead import find_dead
from analytics.sensing.quality.dst import find_clock_changes
from analytics.sensing.quality.handover import find_channel_changes
from analytics.sensing.quality.levels import find_level_shifts
from analytics.sensing.quality.uptime import find_unmeasured
from tests.analytics.sensing.quality.networks import network

SEARCHES = (find_codes, find_dead, find_copies, find_channel_changes, find_clock_shifts, find_clock_changes, find_level_shifts)


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_network_has_no_faults(seed):
    clean = network(seed, zone="Europe/Berlin")
    assert [one for search in SEARCHES for one in search(clean).findings] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_dead_sensor_is_found_from_its_first_to_its_last_zero(seed):
    series = network(seed)
    series.values[2, 1000:1100] = 0
    (found,) = find_dead(series).findings
    assert (found.site_id, found.kind) == ("street_2", "stuck_zero")
    # zeros of the quiet hours beside it cannot be told from it
    assert abs(found.start_at - series.start(1000)) <= timedelta(hours=8)
    assert abs(found.end_at - series.start(1100)) <= timedelta(hours=8)
    assert found.evidence["usual_count"] > 1000 and found.confidence > 0.99


def test_the_silence_of_a_whole_city_is_no_dead_sensor():
    series = network(1)
    quiet = slice(1000, 1012)
    series.values[:, quiet] = np.random.default_rng(1).poisson(0.5, series.values[:, quiet].shape)
    series.values[3, quiet] = 0
    assert find_dead(series).findings == []


@pytest.mark.parametrize("value", [0.0, 17.3])
def test_a_value_that_never_changes_is_found_in_what_is_no_count(value):
    random = np.random.default_rng(1)
    series = network(1, sites=2)
    values = np.round(20 + np.cumsum(random.normal(0, 0.5, series.values.shape), axis=1) * 0.1, 1)
    values[1, 500:560] = value
    (found,) = find_dead(replace(series, observed_property="temperature", is_count=False, values=values)).findings
    assert (found.site_id, found.kind) == ("street_1", "stuck_zero" if value == 0 else "stuck_value")
    assert found.start_at == series.start(500) and found.end_at == series.start(560)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("source", "back"), [(4, 7 * 24), (4, 28 * 24), (1, 7 * 24)])
def test_a_copied_day_is_found_where_it_was_pasted(seed, source, back):
    series = network(seed)
    series.values[4, 3000:3048] = series.values[source, 3000 - back : 3048 - back]
    (found,) = find_copies(series).findings
    assert (found.site_id, found.kind, found.evidence["copied_from"]) == ("street_4", "copied_day", f"street_{source}")
    assert found.evidence["days_back"] == back / 24
    assert abs(found.start_at - series.start(3000)) <= timedelta(hours=3)
    assert abs(found.end_at - series.start(3048)) <= timedelta(hours=3)


def test_two_sensors_that_read_the_same_are_both_told():
    series = network(1)
    series.values[4, 3000:3100] = series.values[1, 3000:3100]
    found = find_copies(series).findings
    assert {(one.site_id, one.kind, one.evidence["copied_from"]) for one in found} == {
        ("street_1", "same_readings", "street_4"),
        ("street_4", "same_readings", "street_1"),
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("hours", [-1, 1, 5])
def test_a_clock_that_was_wrong_for_a_while_is_found(seed, hours):
    series = network(seed)
    # the stamps say `hours` too little: what belongs to t stands at t - hours
    series.values[3, 2400:3600] = series.values[3, 2400 + hours : 3600 + hours].copy()
    (found,) = find_clock_shifts(series).findings
    assert (found.site_id, found.kind, found.evidence["hours"]) == ("street_3", "clock_shift", hours)
    assert abs(found.start_at - series.start(2400)) <= timedelta(days=3)
    assert abs(found.end_at - series.start(3600)) <= timedelta(days=3)


@pytest.mark.parametrize("seed", range(100, 103))
def test_a_clock_that_was_an_hour_wrong_for_two_weeks_is_found(seed):
    series = network(seed)
    series.values[3, 2400:2736] = series.values[3, 2401:2737].copy()
    if seed == 102:  # the others say nothing of what they share: a shift so short is lost
        series.values[[0, 1, 2, 4, 5], 2400:2736] = np.nan
    found = [(one.site_id, one.evidence["hours"]) for one in find_clock_shifts(series).findings]
    assert found == ([] if seed == 102 else [("street_3", 1.0)])


@pytest.mark.parametrize("seed", range(3))
def test_a_clock_that_was_always_wrong_is_found_beside_the_others(seed):
    series = network(seed)
    series.values[0] = np.roll(series.values[0], -2)
    (found,) = find_clock_shifts(series).findings
    assert (found.site_id, found.evidence["hours"], found.evidence["against"]) == ("street_0", 2.0, "the other sensors")


def test_people_who_keep_other_hours_are_no_clock():
    early = network(1)
    hour = early.time_of_day[2400:3600]
    earlier = np.exp(-(((hour - 10.0) / 3) ** 2)) + 0.02
    weather = np.median(early.values[:3, 2400:3600], axis=0) / np.maximum(1, _usual(early)[2400:3600])
    early.values[4, 2400:3600] = np.random.default_rng(1).poisson(300 * earlier * np.clip(weather, 0.2, 5))
    found = find_clock_shifts(early)
    assert found.findings == []


def _usual(series):
    middle = np.median(series.values[:3], axis=0)
    return np.array([np.median(middle[series.time_of_day == hour]) for hour in range(24)])[series.time_of_day]


def test_an_old_clock_kept_after_the_change_is_found_until_it_ends():
    series = network(2, zone="Europe/Berlin")
    change = int(np.flatnonzero(np.diff(series.local_s - series.at_s))[0]) + 1
    series.values[:, change : change + 7 * 24] = series.values[:, change + 1 : change + 1 + 7 * 24].copy()
    found = find_clock_changes(series).findings
    assert {(one.site_id, one.kind, one.evidence["hours"]) for one in found} == {
        (f"street_{site}", "clock_change", 1.0) for site in range(6)
    }
    assert abs(found[0].end_at - series.start(change + 7 * 24)) <= timedelta(days=1)


@pytest.mark.parametrize("kind", ["doubled_hour", "lost_hour"])
def test_the_repeated_hour_is_told_doubled_or_lost(kind):
    series = network(2, zone="Europe/Berlin", start=datetime(2023, 6, 1, tzinfo=UTC), sites=15)
    series.values[:] += np.random.default_rng(1).poisson(40, series.values.shape)  # people are out at night
    change = int(np.flatnonzero(np.diff(series.local_s - series.at_s))[0]) + 1
    if kind == "doubled_hour":
        series.values[:, change - 1] += series.values[:, change]
    series.values[:, change] = np.nan
    found = find_clock_changes(series).findings
    assert len(found) == 15 and {one.kind for one in found} == {kind}
    assert found[0].start_at == series.start(change - 1 if kind == "doubled_hour" else change)


def test_two_readings_of_one_instant_are_told_with_the_gap_they_left():
    series = network(1)
    series.rows[2, 700] = 2
    series.rows[2, 724], series.values[2, 724] = 0, np.nan
    (found,) = find_clock_changes(series).findings
    assert (found.kind, found.start_at) == ("mislabelled_hour", series.start(700))
    assert found.evidence["nearest_gap_at"] == series.start(724).isoformat()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("change", [-0.74, 2.0])
def test_a_level_that_shifts_is_found_with_its_size_and_week(seed, change):
    series = network(seed, days=600, sites=8)
    series.values[1, 7200:] = np.round(series.values[1, 7200:] * (1 + change))
    (found,) = find_level_shifts(series).findings
    assert (found.site_id, found.kind) == ("street_1", "level_shift")
    assert abs(found.start_at - series.start(7200)) <= timedelta(days=7)
    # six weeks on either side wander by themselves: a third more or less
    assert np.log1p(found.evidence["relative_change"]) == pytest.approx(np.log1p(change), abs=0.3)


@pytest.mark.parametrize("seed", range(200, 203))
def test_a_third_less_is_found_where_streets_keep_their_ways(seed):
    series = network(seed, days=600, sites=8)
    series.values[1, 7200:] = np.round(series.values[1, 7200:] * 0.7)
    (found,) = find_level_shifts(series).findings
    assert (found.site_id, found.kind) == ("street_1", "level_shift")
    assert abs(found.start_at - series.start(7200)) <= timedelta(days=14)
    assert found.evidence["relative_change"] == pytest.approx(-0.3, abs=0.08)


def test_a_shift_of_the_whole_city_is_no_shift_of_a_sensor():
    series = network(1, days=400)
    series.values[:, 4800:] = np.round(series.values[:, 4800:] * 0.3)
    assert find_level_shifts(series).findings == []


def test_half_a_city_that_shifts_is_no_fault_of_its_sensors():
    series = network(1, days=400, sites=12)
    series.values[:4, 4800:] = np.round(series.values[:4, 4800:] * 0.3)
    assert {one.kind for one in find_level_shifts(series).findings} == {"common_shift"}


def test_few_sensors_are_skipped_with_the_reason():
    (skipped,) = find_level_shifts(network(1, sites=3)).skipped
    assert (skipped.search, skipped.site_id) == ("levels", "*") and "expected 4" in skipped.reason


def test_a_code_for_what_is_missing_is_found_and_cold_nights_are_not():
    series = replace(network(1, sites=1), observed_property="co", is_count=False)
    values = np.round(np.random.default_rng(1).gamma(4, 0.5, series.values.shape), 1)
    clean = find_codes(replace(series, values=values.copy()))
    values[0, [100, 101, 102, 900, 1500]] = -200
    found = find_codes(replace(series, values=values)).findings
    assert clean.findings == []
    assert [(one.kind, one.evidence["value"], one.evidence["hours"]) for one in found] == [
        ("missing_code", -200, hours) for hours in (3, 1, 1)
    ]


def test_a_zero_of_a_sensor_that_was_not_up_is_not_measured():
    series = network(1, sites=1)
    coverage = np.ones(series.values.shape)
    coverage[0, 40:50] = 0
    series.values[0, 40:50] = 0
    (found,) = find_unmeasured(replace(series, coverage=coverage)).findings
    assert (found.kind, found.start_at, found.end_at) == ("not_measured", series.start(40), series.start(50))
    assert "nobody" not in find_unmeasured(series).skipped[0].reason and find_unmeasured(series).findings == []


def test_a_channel_that_goes_on_under_another_name_is_found():
    series = network(1, days=500)
    series.values[0, 6000:] = np.nan
    series.values[5, :6002] = np.nan
    (found,) = find_channel_changes(series).findings
    assert (found.site_id, found.kind, found.evidence["continues_as"]) == ("street_0", "channel_change", "street_5")
