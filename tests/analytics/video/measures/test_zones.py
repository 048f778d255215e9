"""Zones: depth, entries and exits, occupancy and dwell, exact on made-up tracks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.video.measures.ground import GroundPoint
from analytics.video.measures.zones import Occupancy, Zone, ZoneCounter, occupancy, parse_zone
from analytics.video.source import SourceError

SQUARE = Zone("plaza", ((100, 100), (200, 100), (200, 200), (100, 200)))
NOTCHED = Zone("notched", ((0, 0), (90, 0), (90, 90), (50, 30), (0, 90)))


class _Track:
    def __init__(self, track_id: int, xs: list[float], road_user: str = "pedestrian", start: int = 0) -> None:
        self.id, self.road_user = track_id, road_user
        self.history = [GroundPoint(start + i, float(start + i), x, 150.0, 80.0) for i, x in enumerate(xs)]


def follow(*tracks: _Track, zones: list[Zone] | None = None) -> ZoneCounter:
    counter = ZoneCounter(zones or [SQUARE])
    for frame in range(max(track.history[-1].frame for track in tracks) + 1):
        counter.update([t for t in tracks if t.history[0].frame <= frame <= t.history[-1].frame], frame)
    return counter


def test_depth_of_a_polygon_with_a_notch() -> None:
    assert SQUARE.depth(150, 130) == 30
    assert SQUARE.depth(150, 90) == -10
    assert SQUARE.depth(230, 240) == -50  # from the corner: 3, 4, 5
    assert NOTCHED.depth(50, 60) < 0 < NOTCHED.depth(50, 20)


@given(st.floats(-50, 250), st.floats(-50, 250))
def test_depth_does_not_depend_on_where_the_polygon_begins(x: float, y: float) -> None:
    turned = Zone("turned", (*NOTCHED.points[2:], *NOTCHED.points[:2]))
    backwards = Zone("backwards", NOTCHED.points[::-1])
    assert turned.depth(x, y) == pytest.approx(NOTCHED.depth(x, y))
    assert abs(backwards.depth(x, y)) == pytest.approx(abs(NOTCHED.depth(x, y)))


def test_a_walk_through_is_one_entry_and_one_exit() -> None:
    (visit,) = follow(_Track(1, [80, 95, 110, 150, 190, 210, 230])).visits()
    assert (visit.is_entry, visit.is_exit) == (True, True)
    assert visit.from_s == pytest.approx(1 + 5 / 15)
    assert visit.to_s == pytest.approx(4.5)


def test_jitter_on_the_border_is_one_entry() -> None:
    (visit,) = follow(_Track(1, [80, 99, 101, 99, 102, 98, 120, 150])).visits()
    assert (visit.is_entry, visit.is_exit, visit.to_s) == (True, False, 7.0)


def test_who_appears_or_ends_inside_is_there_without_entry_or_exit() -> None:
    (born,) = follow(_Track(1, [150, 160, 220])).visits()
    assert (born.is_entry, born.is_exit, born.from_s) == (False, True, 0.0)
    counter = follow(_Track(2, [80, 150, 160]))
    counter.update([], 3)
    (ended,) = counter.visits()
    assert (ended.is_entry, ended.is_exit, ended.to_s) == (True, False, 2.0)


def test_back_and_forth_is_two_visits() -> None:
    visits = follow(_Track(1, [80, 150, 80, 150, 80])).visits()
    assert [(visit.is_entry, visit.is_exit) for visit in visits] == [(True, True)] * 2


def test_class_is_that_of_the_whole_track() -> None:
    track = _Track(1, [80, 150, 250, 260])
    counter = ZoneCounter([SQUARE])
    for frame in range(4):
        track.road_user = "cyclist" if frame == 3 else "pedestrian"
        counter.update([track], frame)
    assert [visit.road_user for visit in counter.visits()] == ["cyclist"]


def test_occupancy() -> None:
    # Inside from 0.5 to 4.5, and from 2.5 on to the end at 6.
    visits = follow(_Track(1, [80, 120, 130, 140, 180, 220, 240]), _Track(2, [80, 120, 130, 140, 150], start=2)).visits()
    assert occupancy(visits, "plaza", 0, 8) == Occupancy(2, 1, (4 + 3.5) / 8, 2, 4.0)
    assert occupancy(visits, "plaza", 0, 2) == Occupancy(1, 0, 1.5 / 2, 1, None)
    assert occupancy(visits, "plaza", 5, 8) == Occupancy(0, 0, 1 / 3, 1, None)
    assert occupancy(visits, "plaza", 0, 8, "cyclist") == Occupancy(0, 0, 0.0, 0, None)


def test_zone_scales_with_the_picture() -> None:
    zone = parse_zone("a=0,0,64,0,64,36@640x360")
    assert zone.fit((1920, 1080)) == Zone("a", ((0, 0), (192, 0), (192, 108)))
    with pytest.raises(SourceError, match="zone a: drawn on '640x360'; expected the shape of the source, 768x576"):
        zone.fit((768, 576))


@pytest.mark.parametrize(
    "text",
    ["", "a", "a=1,2,3,4", "a=1,2,3,4,5", "=1,2,3,4,5,6", "a=1,2,3,4,5,x", "a=1,2,3,4,5,inf", "a=1,2,1,2,5,6",
     "a=0,0,10,10,10,0,0,10", "a=0,0,1,0,1,1@640", "a=0,0,1,0,1,1@0x5"],
)  # fmt: skip
def test_parse_zone_refuses(text: str) -> None:
    with pytest.raises(SourceError, match=r"^zone.*; expected .*; "):
        parse_zone(text)


def test_zones_need_different_names() -> None:
    with pytest.raises(SourceError, match="zone plaza: given '2' times"):
        ZoneCounter([SQUARE, SQUARE])
