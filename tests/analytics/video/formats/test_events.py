"""Events of other tools become rows of our contract."""

from __future__ import annotations

import bz2
import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from analytics.video.formats.events import Event, count_events, read_events
from analytics.video.formats.exports import ot_analytics_json, write_open_data_cam_csv
from analytics.video.measures.lines import Crossing, Line
from analytics.video.source import SourceError
from data_contracts.contract import load_contract
from data_contracts.gate import check

START = datetime(2026, 3, 2, 9, 10, tzinfo=UTC)
END = datetime(2026, 3, 2, 9, 40, tzinfo=UTC)
GATE = Line("gate", 250, 0, 250, 576)
EVENTS = [
    Crossing("gate", "to_right", "cyclist", 1, 60.0, 1, 250.0, 9.0, -50.0, 3.0),
    Crossing("gate", "to_left", "car", 2, 400.0, 2, 250.0, 9.0, 50.0, 3.0),
    Crossing("gate", "to_left", "car", 3, 1500.0, 3, 250.0, 9.0, 50.0, 3.0),
]


def open_data_cam(folder: Path) -> str:
    path = folder / "counter.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_open_data_cam_csv(stream, EVENTS, [GATE], START)
    return str(path)


def test_what_we_write_we_read(tmp_path: Path) -> None:
    (first, *_) = read_events(open_data_cam(tmp_path))
    assert first == Event(datetime(2026, 3, 2, 9, 11, tzinfo=UTC), "gate", "rightleft_bottomtop", "cyclist")
    document = json.dumps(ot_analytics_json(EVENTS, [GATE], START, hostname="h", video_name="v"))
    path = tmp_path / "v.otevents"
    path.write_bytes(bz2.compress(document.encode()))
    assert [(event.direction, event.road_user) for event in read_events(str(path))] == [
        ("to_right", "cyclist"), ("to_left", "car"), ("to_left", "car"),
    ]  # fmt: skip


def test_rows_lie_on_the_clock_and_say_how_much_was_watched(tmp_path: Path) -> None:
    connection = duckdb.connect()
    count_events(connection, open_data_cam(tmp_path), table="counts", site_id="plaza", started_at=START, ended_at=END)
    rows = connection.execute(
        "SELECT epoch(interval_start_at)::BIGINT - epoch(TIMESTAMPTZ '2026-03-02 09:00:00+00')::BIGINT, sum(crossings), uptime "
        "FROM counts WHERE road_user = 'any' GROUP BY 1, 3 ORDER BY 1"
    ).fetchall()
    assert rows == [(0, 1, pytest.approx(5 / 15)), (900, 1, 1.0), (1800, 1, pytest.approx(10 / 15))]
    judged = check(connection, "counts", load_contract("counts_by_interval"), accepted="ok", quarantined="bad")
    assert (judged.quarantined, judged.passed) == (0, True)


def test_an_event_outside_the_watched_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="an event is at '2026-03-02T09:35:00"):
        count_events(
            duckdb.connect(), open_data_cam(tmp_path), table="counts", site_id="plaza", started_at=START,
            ended_at=datetime(2026, 3, 2, 9, 20, tzinfo=UTC),
        )  # fmt: skip
    with pytest.raises(SourceError, match="expected two instants with a time zone"):
        count_events(duckdb.connect(), "x.csv", table="counts", site_id="plaza", started_at=END, ended_at=START)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", '"Timestamp","Counter area","ObjectClass","UniqueID","CountingDirection"\n"now","a","car",1,"left"\n',
     "{}", '{"sections": [], "events": [{"section_id": "a"}]}', '{"sections": 1, "events": 2}'],
)  # fmt: skip
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "events"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match="; expected "):
        read_events(str(path))
    with pytest.raises(SourceError, match="no such file"):
        read_events(str(tmp_path / "none"))
