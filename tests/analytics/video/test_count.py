"""Counting end to end: rendered streets, bad input, the table of intervals, and the real plaza video."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import numpy as np
import pytest

from analytics.video.count import count_crossings, count_source
from analytics.video.counting import Counting
from analytics.video.detect import Detections, Image
from analytics.video.measures.lines import Line
from analytics.video.options import CountOptions
from analytics.video.scene import street
from analytics.video.source import Frame, SourceError, open_source

LINES = [Line("west", 250, 0, 250, 576), Line("middle", 384, 0, 384, 576), Line("east", 560, 0, 560, 576)]
PLAZA = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def errors_and_truth(seed: int, light: str) -> tuple[int, int]:
    truth = Counter((event.line, event.direction) for event in street(seed, 60, light=light).crossings(LINES))
    counts = count_source(f"scene:street?seed={seed}&seconds=60&light={light}", LINES)
    found = {(line, direction): crossings for (line, direction, _), crossings in counts.tally().items()}
    return sum(abs(found[cell] - truth[cell]) for cell in found), truth.total()


def test_rendered_streets_are_counted_well() -> None:
    pairs = [errors_and_truth(seed, light) for seed, light in [(31, "day"), (32, "dusk"), (33, "rain"), (34, "crowd")]]
    wrong, truth = (sum(column) for column in zip(*pairs, strict=True))
    assert truth > 100
    assert wrong / truth < 0.15  # weighted absolute percentage error, METHODS 1.1


def test_same_source_same_counts() -> None:
    one, two = (count_source("scene:street?seed=3&seconds=20", LINES) for _ in range(2))
    assert one.events == two.events
    assert (one.frames, one.video_s, one.uptime) == (140, 20.0, 1.0)


def test_reversed_lines_swap_directions() -> None:
    source = "scene:street?seed=4&seconds=30"
    forward = count_source(source, [Line("a", 384, 0, 384, 576)]).tally()
    backward = count_source(source, [Line("a", 384, 576, 384, 0)]).tally()
    assert forward["a", "to_right", "any"] == backward["a", "to_left", "any"]
    assert forward["a", "to_left", "any"] == backward["a", "to_right", "any"]
    assert sum(forward.values()) > 0


def test_every_cell_has_a_row_also_at_zero() -> None:
    counts = count_source("scene:street?seed=4&seconds=3&people_per_minute=0", LINES)
    assert list(counts.tally().items()) == [
        ((line.name, direction, "any"), 0) for line in LINES for direction in ("to_right", "to_left")
    ]


def test_on_frame_sees_tracks_and_no_picture() -> None:
    calls = []
    count_source("scene:street?seed=4&seconds=5", LINES, on_frame=lambda *given: calls.append(given))
    assert [call[0] for call in calls] == list(range(35))
    assert {call[1] for call in calls} == {35}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lines": [Line("far", 900, 0, 900, 576)]}, "line far: '900,0,900,576' lies outside; expected a line in 768x576"),
        ({"lines": [LINES[0], LINES[0]]}, "line west: given '2' times"),
        ({"options": CountOptions(detector="magic")}, "expected motion or the path of a model.onnx"),
        (
            {"options": CountOptions(road_users=["pedestrian"])},
            "road user 'pedestrian' is unknown; expected one of any",
        ),
        ({"options": CountOptions(road_users=["any", "any"])}, "road user 'any' is given 'twice'"),
        ({"options": CountOptions(road_users=[])}, "expected at least one of any"),
        ({"options": CountOptions(frame_rate=0.0)}, "frame rate is '0.0'"),
    ],
)
def test_bad_input(given: dict[str, object], message: str) -> None:
    arguments = {"lines": LINES, **given}
    with pytest.raises(SourceError, match=message):
        count_source("scene:street?seed=4&seconds=2", **arguments)  # wrong on purpose


class _Fading:
    """Finds one walker whose score fades; gives what is not below its lowest score."""

    def __init__(self) -> None:
        self.min_score, self.calls = 0.3, 0

    def __call__(self, image: Image) -> Detections:
        score = 0.9 if self.calls < 8 else 0.15
        x = 300 + 9 * self.calls
        self.calls += 1
        found = np.array([(x, 200, x + 30, 280)][: score >= self.min_score], np.float32).reshape(-1, 4)
        return Detections(found, np.full(len(found), score, np.float32), ("pedestrian",) * len(found))


def test_doubtful_boxes_are_asked_for_and_the_detector_is_left_as_it_was() -> None:
    find = _Fading()
    for _ in range(2):
        find.calls = 0
        counting = Counting(find, [LINES[2]])
        for index in range(40):
            counting.see(Frame(index, index / 7, np.zeros((576, 768, 3), np.uint8)))
        (event,) = counting.events()
        assert (event.line, event.direction, event.road_user) == ("east", "to_left", "pedestrian")
        assert find.min_score == 0.3


def table(source: str, **given: object) -> list[tuple[object, ...]]:
    connection = duckdb.connect()
    lines = ["gate=384,0,384,576,westbound,eastbound"]
    arguments = {"table": "counts", "site_id": "plaza", "started_at": START, "lines": lines, **given}
    count_crossings(connection, source, **arguments)  # keywords of several types
    return connection.execute(
        "SELECT line, direction, road_user, epoch(interval_start_at)::BIGINT, interval_s, crossings, lower, upper, uptime "
        "FROM counts WHERE site_id = 'plaza' ORDER BY interval_start_at, direction"
    ).fetchall()


def test_table_of_intervals() -> None:
    rows = table("scene:street?seed=7&seconds=40")
    assert len(rows) == 3 * 2
    assert [row[3] for row in rows[::2]] == [int(START.timestamp()) + offset for offset in (0, 15, 30)]
    assert {row[1] for row in rows} == {"westbound", "eastbound"}
    assert [row[8] for row in rows[::2]] == pytest.approx([1, 1, 10 / 15])
    assert all(row[6] is None and row[7] is None for row in rows)
    whole = count_source("scene:street?seed=7&seconds=40", [Line("gate", 384, 0, 384, 576)])
    assert sum(int(str(row[5])) for row in rows) == len(whole.events) > 0


def test_started_at_in_another_zone_is_the_same_instant() -> None:
    zone = timezone(timedelta(hours=5))
    assert table("scene:street?seed=7&seconds=5", started_at=START.astimezone(zone)) == table("scene:street?seed=7&seconds=5")


def test_intervals_lie_on_the_clock() -> None:
    rows = table("scene:street?seed=7&seconds=40", started_at=START + timedelta(minutes=14, seconds=40), interval_s=900)
    assert [row[3] for row in rows[::2]] == [int(START.timestamp()), int(START.timestamp()) + 900]
    assert [row[8] for row in rows[::2]] == pytest.approx([20 / 900, 20 / 900])
    whole = count_source("scene:street?seed=7&seconds=40", [Line("gate", 384, 0, 384, 576)])
    assert sum(int(str(row[5])) for row in rows) == len(whole.events)


def test_intervals_that_do_not_divide_a_day_begin_with_the_video() -> None:
    rows = table("scene:street?seed=7&seconds=5", started_at=START + timedelta(seconds=4), interval_s=7)
    assert {row[3] for row in rows} == {int(START.timestamp()) + 4}


def test_a_line_of_a_pilot_file_is_counted_like_its_text() -> None:
    line = {
        "name": "gate",
        "points": [[128, 0], [128, 192]],
        "size": [256, 192],
        "to_right": "westbound",
        "to_left": "eastbound",
    }
    assert table("scene:street?seed=7&seconds=20", lines=[line]) == table("scene:street?seed=7&seconds=20")


def test_what_was_not_seen_is_not_zero(tmp_path: Path) -> None:
    import cv2

    scene = street(7, 60, width=320, height=240)
    whole, cut = tmp_path / "whole.avi", tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(whole), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 7.0, (320, 240))
    for image in scene.frames():
        writer.write(image)
    writer.release()
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 2 // 5])
    rows = table(str(cut), lines=["gate=160,0,160,240"])
    with open_source(str(cut)) as source:
        seen_s = len(list(source)) / 7
    assert 20 < seen_s < 28
    assert [row[8] for row in rows[::2]] == pytest.approx([1, (seen_s - 15) / 15, 0, 0])
    assert [row[5] is None for row in rows[::2]] == [False, False, True, True]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"started_at": datetime(2026, 3, 2)}, "expected an instant with a time zone"),
        ({"interval_s": 0}, "interval_s is '0'"),
        ({"lines": []}, "expected at least 1 line"),
        ({"lines": ["gate"]}, "line: found 'gate'"),
    ],
)
def test_bad_parameters_of_the_table(given: dict[str, object], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        table("scene:street?seed=7&seconds=2", **given)


@pytest.mark.skipif(
    not PLAZA.exists() and os.environ.get("CI") != "true", reason="the plaza video is in Debian's package opencv-doc"
)
def test_plaza_video_is_counted_well() -> None:
    # PETS 2009 S2.L1 at its real 7 frames/s; truth from the MOTChallenge 2015 annotation, foot point, 86 crossings.
    truth = {
        ("west", "to_right"): 12, ("west", "to_left"): 8, ("middle", "to_right"): 18, ("middle", "to_left"): 14,
        ("east", "to_right"): 19, ("east", "to_left"): 15,
    }  # fmt: skip
    counts = count_source(str(PLAZA), LINES, CountOptions(frame_rate=7))
    assert (counts.frames, counts.uptime, counts.detector) == (795, 1.0, "motion")
    found = counts.tally()
    assert sum(abs(found[line, direction, "any"] - true) for (line, direction), true in truth.items()) <= 12
