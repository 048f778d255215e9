"""A feed's parameters: an option of counting is given under its own name, and refused where it cannot be one."""

from __future__ import annotations

from dataclasses import fields

import pytest

from analytics import ANALYTICS, FOLLOWERS
from analytics.sensing.options import JudgeOptions
from analytics.video.identity import counter_of
from analytics.video.options import CountOptions
from experiments.pilot import Feed
from flows.parameters import analytic_of, arguments_of, parameters_of

OPTIONS = {one.name for one in fields(CountOptions)}


def feed(source: str = "plaza.avi", analytic: str = "count_crossings", **params: object) -> Feed:
    return Feed(analytic=analytic, source=source, contract="counts_by_interval", params=params)


@pytest.mark.parametrize("source", ["plaza.avi", "stream:plaza"])
def test_options_stand_beside_the_other_parameters(source):
    given = {"site_id": "plaza", "lines": ["a=0,0,1,1"], "started_at": "2026-01-01T00:00:00Z"}
    if source.startswith("stream"):
        del given["started_at"]
    plain, faults = arguments_of(feed(source, **given), "UTC")
    assert not faults and "options" not in plain
    arguments, faults = arguments_of(feed(source, **given, tiling=2, road_users=["car"], tracker="ocsort"), "UTC")
    assert not faults
    assert arguments == {**plain, "options": CountOptions(tiling=2, road_users=["car"], tracker="ocsort")}


def test_a_wrong_option_is_said_by_its_name():
    _, faults = arguments_of(feed(site_id="plaza", lines=[], started_at="2026-01-01T00:00:00Z", tiling="many"), "UTC")
    assert len(faults) == 1 and "parameter 'tiling' of count_crossings" in faults[0] and "many" in faults[0]


@pytest.mark.parametrize("name", ["count_crossings", "count_crossings_hourly"])
def test_every_option_may_be_given_wherever_video_is_counted(name):
    found = parameters_of(analytic_of(feed(analytic=name)))
    assert set(found) >= OPTIONS and not {"options", "table", "stop"} & set(found)
    assert found["detector"].default == "motion"
    assert name in ANALYTICS and "count_crossings" in FOLLOWERS


@pytest.mark.parametrize("name", ["judge_readings", "sense_hourly"])
def test_how_readings_are_judged_stands_beside_the_other_parameters(name):
    source = {"source": "readings.csv", "analytic": name}
    assert {"thresholds", "coordinates", "groups"} <= set(parameters_of(analytic_of(feed(**source))))
    assert arguments_of(feed(**source), "Europe/Brussels") == ({"timezone": "Europe/Brussels"}, [])
    places = {"a": [50.8, 4.4], "b": [50.9, 4.4]}
    arguments, faults = arguments_of(feed(**source, thresholds={"pm25": None}, coordinates=places), "UTC")
    assert not faults
    assert arguments == {"timezone": "UTC", "options": JudgeOptions(thresholds={"pm25": None}, coordinates=places)}
    _, faults = arguments_of(feed(**source, coordinates={"a": "north"}), "UTC")
    assert len(faults) == 1 and f"parameter 'coordinates' of {name}" in faults[0] and "north" in faults[0]


def test_a_feed_without_video_has_no_options():
    assert not OPTIONS & set(parameters_of(analytic_of(feed(analytic="count_footfall"))))


def test_what_decides_a_count_is_every_option():
    named = counter_of("motion", [], ["any"])
    assert set(named["options"]) == OPTIONS - {"detector", "road_users", "frame_rate"}
