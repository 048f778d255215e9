"""Readings that are sensed by hand are judged at the time of the call, or at the instant that was asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analytics.sensing.readings import SourceError
from flows.feeds import receive
from flows.judged_table import report_of
from flows.sense import load_mapping, sense_files
from tests.flows.conftest import write_counts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.mark.parametrize(("year", "refused"), [(2027, False), (2099, True)])
def test_service_levels_are_judged_at_the_instant(tmp_path, year, refused):
    file, now = str(write_counts(tmp_path / "counts.csv")), datetime(year, 1, 1, tzinfo=UTC)
    found = sense_files([file], "auto", "footfall", timezone="UTC", now=now)
    raw, hours = found["checks"]
    assert (raw["contract"], hours["contract"]) == ("footfall_readings", "counts_hourly")
    assert found["judged_at"] == f"{year}-01-01T00:00:00+00:00"
    assert not any(rule["status"] == "skipped" for rule in hours["rules"])
    assert (hours["accepted"] == 0) == refused == any(rule["rule"] == "sla.retention" for rule in hours["rules"])


def telraam(path, *, hours: int = 30, off: range = range(5, 20)) -> str:
    """Hours of one camera, which is off in some."""
    first = datetime(2026, 3, 1, tzinfo=UTC)
    reports = [
        {
            "segment_id": 9,
            "date": (first + timedelta(hours=hour)).isoformat(),
            "interval": "hourly",
            "uptime": 0 if hour in off else 0.7,
            "car": 0 if hour in off else 20 + hour,
            "v85": None if hour in off else 31.5,
        }
        for hour in range(hours)
    ]
    path.write_text(json.dumps({"report": reports}), encoding="utf-8")
    return str(path)


def test_a_format_is_told_by_content_and_one_property_may_be_asked_for(tmp_path):
    found = sense_files([telraam(tmp_path / "openaq.csv")], "auto", "car")
    assert (found["format"], found["rows"], found["sites"], found["properties"]) == ("telraam", 30, ["9"], ["car"])
    assert found["flags"] == {"refused": 0, "uptime_zero": 15, "not_measured": 15} and found["intervals"] == 3600
    assert found["outages"] == [
        {
            "site_id": "9",
            "start_at": "2026-03-01T05:00:00+00:00",
            "end_at": "2026-03-01T20:00:00+00:00",
            "reason": "the sensor was not measuring",
        }
    ]


def test_all_properties_where_none_is_asked_for(tmp_path):
    found = sense_files([telraam(tmp_path / "readings")], "auto")
    assert found["properties"] == ["car", "speed_v85"] and found["rows"] == 30 + 15


def test_a_table_is_read_by_its_mapping(tmp_path):
    file, mapping = tmp_path / "readings.txt", tmp_path / "mapping.yaml"
    file.write_text("when;pm\n2026-03-29 01:00;2,5\n2026-03-29 02:00;3\n2026-03-29 03:00;x\n2026-03-29 04:00;-200\n")
    mapping.write_text(
        "columns: {time: when, site: {fixed: Mill Lane}, values: {pm: {property: PM2.5, unit: ug/m3}}}\n"
        "cells: {decimal: ',', missing: [-200]}\nstamps: {interval_s: 3600}\n"
    )
    params = {"timezone": "Europe/Berlin", "reader_params": load_mapping(str(mapping))}
    found = sense_files([str(file)], "auto", "pm25", **params)
    assert (found["rows"], found["sites"], found["properties"]) == (3, ["mill_lane"], ["pm25"])
    assert found["flags"]["refused"] == 2  # an hour that never was, and what is no number
    assert found["checks"][0]["accepted"] == 1 and not found["checks"][0]["passed"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            {"column": {}},
            "parameter 'column' of tabular is unknown; expected one of columns, stamps, cells, timezone; did you mean",
        ),
        ({"columns": {"time": "at", "sight": "a"}}, "parameter 'columns' of tabular"),
        ({}, "is not among at, pm"),
        (
            {"columns": {"time": "at", "site": {"fixed": "a"}, "values": {"pm": {"property": "pm25", "unit": "cows"}}}},
            "unit 'cows'",
        ),
    ],
)
def test_wrong_mappings_are_one_clear_line(tmp_path, params, said):
    file = tmp_path / "readings.csv"
    file.write_text("at,pm\n2026-03-29T01:00:00Z,5\n")
    with pytest.raises(SourceError) as caught:
        sense_files([str(file)], "auto", "pm25", reader_params=params)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["columns: [", "- a\n", ""])
def test_a_mapping_that_is_none_is_one_clear_line(tmp_path, text):
    file = tmp_path / "mapping.yaml"
    file.write_text(text)
    with pytest.raises(SourceError, match="expected a YAML file of the reader's parameters") as caught:
        load_mapping(str(file))
    assert len(str(caught.value).splitlines()) == 1


def test_properties_that_are_not_known_are_counted(tmp_path):
    file = tmp_path / "lines"
    record = {"name": "env.temperature", "timestamp": "2026-03-01T10:00:00Z", "value": 4.5, "meta": {"vsn": "w1"}}
    other = {**record, "name": "sys.uptime", "value": 9}
    file.write_text(f"{json.dumps(record)}\n{json.dumps(other)}\n")
    found = sense_files([str(file)], "auto")
    assert found["flags"] == {"refused": 1, "unknown_property": 1} and found["properties"] == ["temperature"]
    with pytest.raises(SourceError, match=r"no readings of 'pm25'; expected one of sys\.uptime, temperature"):
        sense_files([str(file)], "auto", "pm25")


def test_a_feed_of_a_pilot_is_read_by_its_mapping(tmp_path):
    file = tmp_path / "readings.csv"
    file.write_text("at,pm\n2026-07-01 10:00,5\n2026-07-01 11:00,6\n")
    columns = {"time": "at", "site": {"fixed": "Mill Lane"}, "values": {"pm": {"property": "pm25", "unit": "ug/m3"}}}
    feed = {
        "analytic": "count_footfall",
        "source": str(file),
        "contract": "hourly_readings",
        "reader": "tabular",
        "raw_contract": "sensor_readings",
        "reader_params": {"columns": columns},
    }
    folder = receive(feed, {"location": str(file)}, "key", str(tmp_path / "cache"), timezone="Europe/Berlin")
    assert report_of(Path(folder))["accepted"] == 2
