"""Hourly counts of a site: on the clock, each road user once, with coverage."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from analytics.video.counts import Counts
from analytics.video.hourly import count_crossings_hourly, hourly_rows
from analytics.video.measures.lines import Crossing, Line
from analytics.video.source import SourceError
from data_contracts.contract import load_contract
from data_contracts.gate import check

START = datetime(2026, 3, 2, 9, 45, tzinfo=UTC)


def test_a_road_user_counts_once_in_the_hour_of_its_first_crossing() -> None:
    lines = (Line("a", 0, 0, 9, 0), Line("b", 0, 5, 9, 5))
    events = tuple(
        Crossing(line, "to_right", road_user, track, time_s, 0)
        for line, road_user, track, time_s in [
            ("a", "car", 1, 890.0), ("b", "car", 1, 910.0), ("a", "bus", 2, 950.0), ("b", "car", 3, 960.0),
            ("b", "car", 3, 970.0),
        ]
    )  # fmt: skip
    counts = Counts("v", lines, ("any", "car"), "m", events, 1, 1.0, 2700.0, 5400.0, 0.0, 0.5)
    ten = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert hourly_rows(counts, START) == [
        ("any", datetime(2026, 3, 2, 9, tzinfo=UTC), 1, 0.25),
        ("car", datetime(2026, 3, 2, 9, tzinfo=UTC), 1, 0.25),
        ("any", ten, 2, 0.5),
        ("car", ten, 1, 0.5),
    ]


def test_rows_satisfy_the_contract() -> None:
    connection = duckdb.connect()
    given = {"table": "hours", "site_id": "plaza", "started_at": START, "lines": ["gate=384,0,384,576"]}
    count_crossings_hourly(connection, "scene:street?seed=7&seconds=20", **given)  # of several types
    judged = check(connection, "hours", load_contract("counts_hourly"), accepted="ok", quarantined="bad")
    assert (judged.rows, judged.quarantined, judged.passed) == (1, 0, True)
    ((number, coverage),) = connection.execute("SELECT crossings, coverage FROM ok").fetchall()
    assert number > 0
    assert coverage == pytest.approx(20 / 3600)


def test_bad_parameters() -> None:
    with pytest.raises(SourceError, match="expected an instant with a time zone"):
        count_crossings_hourly(
            duckdb.connect(), "x", table="t", site_id="s", started_at=datetime(2026, 3, 2), lines=["a=0,0,1,1"]
        )
    with pytest.raises(SourceError, match="expected at least 1 line"):
        count_crossings_hourly(duckdb.connect(), "x", table="t", site_id="s", started_at=START, lines=[])
