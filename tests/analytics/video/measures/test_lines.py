"""What a crossing is: properties that hold for every line and every path."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.video.measures.lines import Crossing, GroundPoint, Line, LineCounter, parse_line, read_line
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


def test_a_line_fits_a_picture_of_another_size() -> None:
    line = parse_line("gate=100,200,370,200,in,out@640x360")
    assert line == Line("gate", 100, 200, 370, 200, "in", "out", (640, 360))
    assert line.fit((1920, 1080)) == Line("gate", 300, 600, 1110, 600, "in", "out")
    assert Line("gate", 1, 2, 3, 4).fit((9, 9)) == Line("gate", 1, 2, 3, 4)
    with pytest.raises(SourceError, match="line gate: drawn on '640x360'; expected the shape of the source, 768x576"):
        line.fit((768, 576))


@pytest.mark.parametrize("size", ["", "640", "640x", "x360", "0x360", "640x-1", "6.4x3.6"])
def test_a_wrong_size_is_refused(size: str) -> None:
    with pytest.raises(SourceError, match=f"line: size is '{size}'; expected WIDTHxHEIGHT"):
        parse_line(f"gate=1,2,3,4@{size}")


def test_a_line_from_a_pilot_file() -> None:
    given = {"name": "gate", "points": [[100, 200], [370, 200]], "size": [640, 360], "to_right": "southbound"}
    assert read_line(given) == Line("gate", 100, 200, 370, 200, "southbound", "to_left", (640, 360))
    assert read_line("gate=1,2,3,4") == Line("gate", 1, 2, 3, 4)


@pytest.mark.parametrize(
    "given",
    [{}, {"name": "gate"}, {"name": "gate", "points": [[1, 2]]}, {"name": "gate", "points": [[1, 2], [3, math.inf]]},
     {"name": "gate", "points": [[1, 2], [1, 2]]}, {"name": "gate", "points": [[1, 2], [3, 4]], "colour": "red"},
     {"name": "gate", "points": [[1, 2], [3, 4]], "to_right": "in", "to_left": "in"},
     {"name": "gate", "points": [[1, 2], [3, 4]], "size": [0, 360]}],
)  # fmt: skip
def test_a_wrong_line_of_a_pilot_file_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(SourceError, match=r"^line.*; expected .*; correct (it|one)$"):
        read_line(given)


@pytest.mark.parametrize(("tall", "crossed"), [(200.0, 0), (80.0, 1), (40.0, 1)])
def test_the_band_grows_with_the_road_user(tall: float, crossed: int) -> None:
    # 6 px to each side: beyond a twentieth of 80 px, not of 200 px.
    counter = LineCounter([Line("gate", 100, 0, 100, 200)])
    found = [counter.step(1, "any", GroundPoint(frame, frame / 8, x, 50.0, tall)) for frame, x in enumerate((94.0, 106.0))]
    assert len(found[1]) == crossed


def test_a_crossing_says_where_and_how_fast() -> None:
    (event,) = walk([Line("gate", 100, 0, 100, 200)], [(80, 40), (90, 50), (130, 90), (140, 100)])
    assert (event.x, event.y) == pytest.approx((100, 60))
    assert (event.vx, event.vy) == pytest.approx((320, 320))
