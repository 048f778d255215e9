"""What a crossing is: properties that hold for every line and every path."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.video.count import Crossing, GroundPoint, Line, LineCounter, parse_line
from analytics.video.source import SourceError

coordinates = st.floats(-200, 900, allow_nan=False)
points = st.tuples(coordinates, coordinates)
paths = st.lists(points, min_size=2, max_size=30)
ends = st.tuples(points, points).filter(lambda pair: math.dist(*pair) > 1)


def walk(lines: list[Line], path: list[tuple[float, float]], start_s: float = 0.0) -> list[Crossing]:
    counter = LineCounter(lines)
    found: list[Crossing] = []
    for frame, (x, y) in enumerate(path):
        found += counter.step(1, "any", GroundPoint(frame, start_s + frame / 8, x, y))
    return found


def test_direction_is_seen_along_the_line() -> None:
    # A line drawn from top to bottom: whoever walks towards the left edge goes from its left side to its right side.
    down = Line("gate", 100, 0, 100, 200)
    assert [event.direction for event in walk([down], [(150, 50), (50, 50)])] == ["to_right"]
    assert [event.direction for event in walk([down], [(50, 50), (150, 50)])] == ["to_left"]
    across = Line("gate", 0, 100, 200, 100, "southbound", "northbound")
    assert [event.direction for event in walk([across], [(50, 50), (50, 150)])] == ["southbound"]


def test_time_is_interpolated_and_frame_is_the_first_beyond() -> None:
    (event,) = walk([Line("gate", 100, 0, 100, 200)], [(80, 50), (90, 50), (130, 50), (140, 50)])
    assert event.frame == 2
    assert event.time_s == pytest.approx((1 + 0.25) / 8)


def test_jitter_on_the_line_counts_once() -> None:
    wobble = [(80.0, 50.0)] + [(100.0 + offset, 50.0) for offset in (-3, 2, -1, 3, 0, -2, 3)] + [(130.0, 50.0)]
    assert len(walk([Line("gate", 100, 0, 100, 200)], wobble)) == 1


def test_jitter_without_leaving_the_band_counts_nothing() -> None:
    wobble = [(80.0, 50.0)] + [(100.0 + offset, 50.0) for offset in (-3, 3, -3, 3)] + [(80.0, 50.0)]
    assert walk([Line("gate", 100, 0, 100, 200)], wobble) == []


def test_walking_back_and_forth_counts_each_time() -> None:
    path = [(80.0, 50.0), (120.0, 50.0), (80.0, 50.0), (120.0, 50.0)]
    assert [event.direction for event in walk([Line("gate", 100, 0, 100, 200)], path)] == ["to_left", "to_right", "to_left"]


def test_walking_round_an_end_counts_nothing() -> None:
    assert walk([Line("gate", 100, 0, 100, 200)], [(80, 150), (80, 250), (120, 250), (120, 150)]) == []


def test_a_point_exactly_on_the_line_is_passed() -> None:
    assert len(walk([Line("gate", 100, 0, 100, 200)], [(80, 50), (100, 50), (120, 50)])) == 1


@given(ends, paths)
def test_reversing_a_line_swaps_its_directions(
    ends_: tuple[tuple[float, float], tuple[float, float]], path: list[tuple[float, float]]
) -> None:
    (x1, y1), (x2, y2) = ends_
    forward = walk([Line("gate", x1, y1, x2, y2, "to_right", "to_left")], path)
    backward = walk([Line("gate", x2, y2, x1, y1, "to_left", "to_right")], path)
    assert [(event.direction, event.frame) for event in forward] == [(event.direction, event.frame) for event in backward]


@given(ends, paths, st.floats(0, 1e5))
def test_crossings_do_not_depend_on_when_they_happen(
    ends_: tuple[tuple[float, float], tuple[float, float]], path: list[tuple[float, float]], shift_s: float
) -> None:
    (x1, y1), (x2, y2) = ends_
    line = Line("gate", x1, y1, x2, y2)
    early, late = walk([line], path), walk([line], path, shift_s)
    assert [(event.direction, event.frame) for event in early] == [(event.direction, event.frame) for event in late]
    for before, after in zip(early, late, strict=True):
        assert after.time_s == pytest.approx(before.time_s + shift_s, abs=1e-6)


@given(ends, paths)
def test_directions_alternate(ends_: tuple[tuple[float, float], tuple[float, float]], path: list[tuple[float, float]]) -> None:
    # An endless line cannot be crossed twice in the same direction without crossing back.
    (x1, y1), (x2, y2) = ends_
    dx, dy = (x2 - x1) * 1e5, (y2 - y1) * 1e5
    directions = [event.direction for event in walk([Line("gate", x1 - dx, y1 - dy, x2 + dx, y2 + dy)], path)]
    assert all(one != two for one, two in pairwise(directions))


class _Track:
    def __init__(self, track_id: int, history: list[GroundPoint]) -> None:
        self.id, self.road_user, self.history = track_id, "any", history


def test_points_from_before_a_track_was_confirmed_count_too() -> None:
    history = [GroundPoint(frame, frame / 8, 80.0 + 20 * frame, 50.0) for frame in range(3)]
    counter = LineCounter([Line("gate", 100, 0, 100, 200)])
    assert len(counter.update([_Track(5, history)], 2)) == 1
    assert counter.update([_Track(5, history)], 3) == []


def test_a_track_that_is_gone_is_forgotten() -> None:
    counter = LineCounter([Line("gate", 100, 0, 100, 200)])
    counter.update([_Track(5, [GroundPoint(0, 0.0, 80.0, 50.0)])], 0)
    counter.update([], 1)
    assert counter.update([_Track(5, [GroundPoint(2, 0.2, 120.0, 50.0)])], 2) == []


def test_lines_need_different_names() -> None:
    with pytest.raises(SourceError, match="line gate: given '2' times; expected different names"):
        LineCounter([Line("gate", 0, 0, 1, 1), Line("gate", 0, 0, 2, 2)])


def test_parse_line() -> None:
    assert parse_line("gate=1,2,3.5,4") == Line("gate", 1, 2, 3.5, 4)
    assert parse_line(" gate = 1, 2, 3, 4, east, west") == Line("gate", 1, 2, 3, 4, "east", "west")


@pytest.mark.parametrize(
    "text",
    ["", "gate", "gate=", "=1,2,3,4", "gate=1,2,3", "gate=1,2,3,4,east", "gate=1,2,3,x", "gate=1,2,nan,4", "gate=1,2,inf,4",
     "gate=1,2,1,2", "gate=1,2,3,4,east,east", "gate=1,2,3,4,,west", "gate=1,2,3,4,5,6,7"],
)  # fmt: skip
def test_parse_line_refuses(text: str) -> None:
    with pytest.raises(SourceError, match=r"^line.*; expected .*; ") as caught:
        parse_line(text)
    assert "\n" not in str(caught.value)
