"""Levels are raised and lowered as their table says, never chatter, and replay to the same log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.sensing.warning.levels import EarlyWarningError, Level, Levels, Rule, built_in, load_levels
from analytics.sensing.warning.machine import run_levels, step_values

START = datetime(2026, 3, 2, tzinfo=UTC)
NAN = float("nan")


def rule(**changes) -> Rule:
    return Rule(**{"observed_property": "pm25", "unit": "ug/m3", "levels": [{"name": "high", "at_least": 100}], **changes})


def run(rows, given_rule):
    values = np.array(rows, dtype=float).reshape(len(rows), -1)
    starts = [START + timedelta(hours=i) for i in range(len(values))]
    log, states = run_levels(values, given_rule, stations=[f"s{i}" for i in range(values.shape[1])], starts=starts)
    return log, states[:, 0]


@pytest.mark.parametrize("name", sorted(built_in()))
def test_built_in_levels_load_and_say_where_they_are_from(name):
    levels = load_levels(name)
    assert levels.id == name and levels.source and levels.version


def test_golden_bounds_of_the_tables():
    # METHODS 3.1: lower bounds of index 4, 7 and 10; POECA prevention from 38; METHODS 2.5: three hours above 200
    assert [level.threshold for level in load_levels("uk_daqi").rule_for("pm25").levels] == [36, 54, 71]
    assert load_levels("valle_de_aburra_poeca").rule_for("pm25").levels[0].at_least == 38
    alert = load_levels("eu_2024_2881").rule_for("no2").levels[1]
    assert (alert.above, alert.raise_after) == (200, 3)


def test_three_hours_above_are_an_alert_and_one_is_information():
    no2 = load_levels("eu_2024_2881").rule_for("no2")
    _, states = run([200, 201, 210, 200, 201, 202, 203, 190, 179, 170, 160], no2)
    # 200 is not above 200; 190 is not below 180; three hours below 180 lower the alert, 160 still keeps information
    assert states.tolist() == [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 1]


def test_hysteresis_keeps_the_level_between_the_thresholds():
    log, states = run([100, 95, 99, 91, 89, 89], rule(lower_after=2))
    assert states.tolist() == [1, 1, 1, 1, 1, 0]
    assert [(t.step, t.from_level, t.to_level, t.threshold) for t in log] == [(0, "none", "high", 100), (5, "high", "none", 90)]
    assert log[0].stations == ("s0",) and log[0].values == {"s0": 100.0}


def test_a_missing_hour_neither_raises_nor_lowers():
    two = rule(levels=[{"name": "high", "at_least": 100, "raise_after": 2}], lower_after=2)
    assert run([100, NAN, 100], two)[1].tolist() == [0, 0, 0]
    assert run([100, 100, 50, NAN, 50, NAN, NAN], two)[1].tolist() == [0, 1, 1, 1, 1, 1, 1]


def test_one_silent_station_holds_the_level_only_so_long():
    rows = [[100, 10]] + [[NAN, 10]] * 5
    assert run(rows, rule(silent_after=3))[1].tolist() == [1, 1, 1, 1, 0, 0]
    assert run([[100, 100]] + [[NAN, NAN]] * 9, rule(silent_after=3))[1].tolist() == [1] * 10


def test_enough_stations_at_once():
    assert run([[100, 10, 10], [100, 100, 10]], rule(stations=2))[1].tolist() == [0, 1]
    with pytest.raises(EarlyWarningError, match="asks for 2 stations, the district has 1"):
        run([100], rule(stations=2))


def test_a_level_is_kept_for_its_least_time():
    assert run([100, 1, 1, 1, 1], rule(keep_at_least=3))[1].tolist() == [1, 1, 1, 0, 0]


def test_running_means_and_local_days():
    hourly = np.arange(48.0)[:, None]
    means, _ = step_values(hourly, rule(mean_over=24), start_at=START)
    assert np.isnan(means[16, 0]) and means[17, 0] == 8.5 and means[47, 0] == 35.5  # 18 of 24 hours are enough
    daily = rule(step="day")
    days, at = step_values(hourly, daily, start_at=START)
    assert days[:, 0].tolist() == [11.5, 35.5] and at[1] == START + timedelta(days=1)
    days, at = step_values(hourly, daily, start_at=START, timezone="Europe/Berlin")
    assert days[:, 0].tolist() == [11.0, 34.5] and len(at) == 2  # 23 hours are enough; the third day is open
    with pytest.raises(EarlyWarningError, match="readings of 900 s"):
        step_values(hourly, load_levels("uk_daqi").rule_for("so2"), start_at=START)


LADDER = [{"name": "low", "at_least": 50}, {"name": "high", "at_least": 100, "raise_after": 2}]
SERIES = st.integers(1, 3).flatmap(
    lambda k: st.lists(st.lists(st.sampled_from([NAN, 10, 44, 47, 50, 89, 92, 100, 150]), min_size=k, max_size=k), max_size=60)
)
SHAPES = st.fixed_dictionaries(
    {"lower_after": st.integers(1, 4), "keep_at_least": st.integers(1, 5), "silent_after": st.integers(1, 5)}
)


@settings(deadline=None, max_examples=60)
@given(SERIES.filter(bool), SHAPES, st.integers(1, 4))
def test_asking_for_more_steps_in_a_row_never_gives_a_higher_level(rows, shape, n):
    fewer, more = (rule(levels=[{"name": "high", "at_least": 50, "raise_after": k}], **shape) for k in (n, n + 1))
    assert (run(rows, more)[1] <= run(rows, fewer)[1]).all()


@settings(deadline=None, max_examples=60)
@given(SERIES.filter(bool), SHAPES)
def test_it_never_chatters_and_replays_to_the_same_log(rows, shape):
    made = rule(levels=LADDER, **shape)
    log, states = run(rows, made)
    assert (log, states.tolist()) == (run(rows, made)[0], run(rows, made)[1].tolist())
    for height, level in enumerate(made.levels, start=1):
        is_up = states >= height
        turns = np.flatnonzero(np.diff(np.concatenate([[False], is_up]).astype(int))).tolist()
        for number, (first, last) in enumerate(pairwise(turns)):
            least = max(made.lower_after, made.keep_at_least) if number % 2 == 0 else made.levels[0].raise_after
            assert last - first >= least, (level.name, states)


@settings(deadline=None, max_examples=40)
@given(SERIES.filter(bool), SHAPES, st.integers(1, 59))
def test_the_past_of_the_log_does_not_depend_on_the_future(rows, shape, cut):
    made = rule(levels=LADDER, **shape)
    assert run(rows[:cut], made)[0] == [t for t in run(rows, made)[0] if t.step < cut]


@settings(deadline=None, max_examples=40)
@given(SERIES.filter(bool), SHAPES)
def test_districts_at_once_are_judged_as_each_alone(rows, shape):
    made = rule(levels=LADDER, **shape)
    values = np.array(rows, dtype=float)
    names, starts = [f"s{i}" for i in range(values.shape[1])], [START + timedelta(hours=i) for i in range(len(values))]
    districts = {"all": names[::-1]} | {name: [name] for name in names}
    log, states = run_levels(values, made, stations=names, starts=starts, districts=districts)
    assert [t.step for t in log] == sorted(t.step for t in log)
    for column, (district, inside) in enumerate(districts.items()):
        own = values[:, [names.index(name) for name in inside]]
        alone, level = run_levels(own, made, stations=inside, starts=starts, districts={district: inside})
        assert states[:, column].tolist() == level[:, 0].tolist() and [t for t in log if t.district == district] == alone


def test_districts_are_declared_once_and_all_other_sites_stand_alone():
    told = load_levels("uk_daqi").model_dump() | {"districts": {"centre": ["a", "b"], "far": ["x"]}}
    assert Levels.model_validate(told).districts_of(["b", "c", "a"]) == {"centre": ("a", "b"), "c": ("c",)}
    with pytest.raises(EarlyWarningError, match="'centre' is a site and a district"):
        Levels.model_validate(told).districts_of(["a", "centre"])
    for wrong, said in (({"one": ["a"], "two": ["a"]}, "several districts"), ({"one": []}, "one or more")):
        with pytest.raises(ValueError, match=said):
            Levels.model_validate({**told, "districts": wrong})
    with pytest.raises(EarlyWarningError, match="station 'b' has no hours"):
        run_levels(np.ones((1, 1)), rule(), stations=["a"], starts=[START], districts={"centre": ["b"]})


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"levels": [{"name": "b", "at_least": 2}, {"name": "a", "at_least": 1}]}, "out of order"),
        ({"levels": [{"name": "none", "at_least": 2}]}, "ambiguous"),
        ({"levels": [{"name": "a", "at_least": 2, "above": 2}]}, "exactly one"),
        ({"step": "day", "mean_over": 24}, "mean_over"),
    ],
)
def test_faulty_rules_are_refused(fault, said):
    with pytest.raises(ValueError, match=said):
        rule(**fault)


def test_a_faulty_file_is_one_line_for_each_fault(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("id: mine\nrules: []\nlevel: 3\n")
    with pytest.raises(EarlyWarningError) as raised:
        load_levels(str(file))
    lines = str(raised.value).splitlines()
    assert len(lines) >= 3 and all(line.startswith(str(file)) and "expected" in line for line in lines)
    with pytest.raises(EarlyWarningError, match="were not found; expected one of eu_2024_2881"):
        load_levels("nowhere")
    assert Level(name="a", above=3).threshold == 3
