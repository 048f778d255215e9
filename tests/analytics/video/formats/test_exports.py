"""Exports: exact headers and values of the tools that read them."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone

import pytest

from analytics.video.formats.exports import (
    bearing,
    counting_direction,
    open_data_cam_json,
    ot_analytics_json,
    supervision_rows,
    write_open_data_cam_csv,
)
from analytics.video.measures.ground import GroundPoint
from analytics.video.measures.lines import Crossing, Line, LineCounter
from analytics.video.tracking.association import Track

GATE = Line("gate", 250, 0, 250, 576, "westbound", "eastbound")
START = datetime(2026, 3, 2, 10, 0, 0, tzinfo=timezone(timedelta(hours=1)))
EVENT = Crossing("gate", "westbound", "cyclist", 4, 12.3456, 86, 250.0, 300.0, -60.0, 0.0, 80.0)


def test_open_data_cam_csv() -> None:
    stream = io.StringIO()
    write_open_data_cam_csv(stream, [EVENT], [GATE], START)
    assert stream.getvalue().splitlines() == [
        '"Timestamp","Counter area","ObjectClass","UniqueID","CountingDirection"',
        '"2026-03-02T09:00:12.345Z","gate","bicycle",4,"rightleft_bottomtop"',
    ]


def test_open_data_cam_json() -> None:
    document = open_data_cam_json([EVENT], [GATE], START, size=(768, 576), video_s=20.0, filename="plaza.avi")
    json.dumps(document, allow_nan=False)
    assert document["areas"]["gate"]["location"] == {
        "points": [{"x": 250, "y": 0}, {"x": 250, "y": 576}],
        "refResolution": {"w": 768, "h": 576},
    }
    assert document["counterSummary"] == {"gate": {"_total": 1, "bicycle": 1}}
    (event,) = document["counterHistory"]
    assert event == {
        "frameId": 86, "timestamp": "2026-03-02T09:00:12.345Z", "area": "gate", "name": "bicycle", "id": 4,
        "bearing": 270, "countingDirection": "rightleft_bottomtop",
    }  # fmt: skip
    assert document["dateEnd"] == "2026-03-02T09:00:20.000Z"


def test_ot_analytics_names() -> None:
    document = ot_analytics_json([EVENT], [GATE], START, hostname="plaza", video_name="plaza.avi")
    (event,) = document["events"]
    assert set(event) >= {
        "road_user_id", "road_user_type", "occurrence", "section_id", "event_coordinate", "direction_vector",
        "interpolated_occurrence", "video_name", "hostname",
    }  # fmt: skip
    assert (event["road_user_type"], event["section_id"], event["direction_vector"]) == ("bicyclist", "gate", [-60.0, 0.0])
    assert event["occurrence"] == pytest.approx(START.timestamp() + 12.3456)
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize(
    "ends", [(250, 0, 250, 576), (250, 576, 250, 0), (0, 300, 768, 300), (768, 300, 0, 300), (0, 0, 500, 400)]
)
@pytest.mark.parametrize("forward", [True, False])
def test_direction_in_open_data_cams_words_is_that_of_the_walk(ends: tuple[int, int, int, int], forward: bool) -> None:
    line = Line("any", *ends)
    x, y = (ends[0] + ends[2]) / 2, (ends[1] + ends[3]) / 2
    step = 40 if forward else -40  # to the right and down
    counter = LineCounter([line])
    steep = abs(ends[3] - ends[1]) >= abs(ends[2] - ends[0])
    dx, dy = (step, 0) if steep else (0, step)
    counter.step(1, "any", GroundPoint(0, 0.0, x - dx, y - dy))
    (event,) = counter.step(1, "any", GroundPoint(1, 1.0, x + dx, y + dy))
    assert counting_direction(event, line) == ("leftright_topbottom" if forward else "rightleft_bottomtop")


@pytest.mark.parametrize(("vx", "vy", "degrees"), [(0, -5, 0), (5, 0, 90), (0, 5, 180), (-5, 0, 270), (-5, -5, 315)])
def test_bearing(vx: float, vy: float, degrees: int) -> None:
    assert bearing(Crossing("gate", "in", "car", 1, 0.0, 0, 0.0, 0.0, vx, vy)) == degrees


def test_bearing_that_is_not_known() -> None:
    assert bearing(Crossing("gate", "in", "car", 1, 0.0, 0)) is None


def test_supervision_rows() -> None:
    seen = Track(3, (1.0, 2.0, 11.004, 42.0), votes={"cyclist": 1.0}, score=0.75)
    hidden = Track(4, (0.0, 0.0, 1.0, 1.0), missed_s=0.2, votes={"any": 1.0})
    assert list(supervision_rows([seen, hidden], 9)) == [(1.0, 2.0, 11.0, 42.0, 1, 0.75, 3, 9)]


def test_names_with_commas_and_quotes_stay_one_field() -> None:
    line = Line('gate "A", north', 0, 0, 10, 0)
    stream = io.StringIO()
    write_open_data_cam_csv(stream, [Crossing(line.name, line.to_left, "car", 1, 0.0, 0)], [line], START)
    assert next(csv.DictReader(io.StringIO(stream.getvalue())))["Counter area"] == line.name
