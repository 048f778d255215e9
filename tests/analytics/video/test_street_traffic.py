"""Cyclists, cars, vans and buses of the rendered street: real speeds, exact truth, drawn where the truth says."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from analytics.video.counting import Counting
from analytics.video.detect import Detections
from analytics.video.measures.lines import GroundPoint, Line, LineCounter
from analytics.video.onnx.classes import merge_riders
from analytics.video.scene import Scene, Vehicle, street
from analytics.video.source import SourceError, open_source
from analytics.video.street.address import read_address
from analytics.video.street.traffic import KINDS

EMPTY = {"cyclists_per_minute": 0, "vehicles_per_minute": 0}
LINES = [Line("west", 250, 0, 250, 576), Line("east", 520, 0, 520, 576)]


def road(seed: int, seconds: float = 60, **more: float) -> Scene:
    return street(seed, seconds, **{"cyclists_per_minute": 10, "vehicles_per_minute": 20, **more})


def test_speeds_are_real_and_everyone_keeps_to_the_carriageway() -> None:
    scene = road(3, 300)
    assert {one.road_user for one in scene.traffic} == set(KINDS)
    for one in scene.traffic:
        low, high = KINDS[one.road_user].speed[2:]
        assert low - 1e-6 <= one.speed_kmh <= high + 1e-6
        metres = np.abs(np.diff(one.path[:, 0])) / one.metre
        assert metres * 3.6 * scene.frame_rate == pytest.approx(np.full(len(metres), one.speed_kmh))
    far, near = (row * scene.height for row in scene.layout.carriageway)
    assert all(far < y < near for one in scene.traffic for y in one.path[:, 1])
    assert all(not far < y < near for person in scene.people for y in person.path[:, 1])


@pytest.mark.parametrize("seed", range(3))
def test_nobody_drives_through_another(seed: int) -> None:
    scene = road(seed, 120, vehicles_per_minute=60, cyclists_per_minute=60)
    for index in range(scene.frame_count):
        lanes: dict[float, list[tuple[float, float]]] = {}
        for one, row in scene._present(index):
            if isinstance(one, Vehicle):
                x1, _, x2, y = one.box(row)
                lanes.setdefault(y, []).append((x1, x2))
        for boxes in lanes.values():
            boxes.sort()
            assert all(before[1] < after[0] for before, after in pairwise(boxes))


@pytest.mark.parametrize("light", ["day", "dusk", "rain"])
def test_traffic_is_drawn_where_the_truth_says(light: str) -> None:
    scene, empty = (road(5, 20, people_per_minute=0, light=light, **more) for more in ({}, EMPTY))
    inside = outside = 0
    for index in range(0, scene.frame_count, 9):
        changed = np.abs(scene.frame(index).astype(int) - empty.frame(index).astype(int)).max(axis=2) > 25
        mask = np.zeros_like(changed)
        for one, row in scene._present(index):
            x1, y1, x2, y2 = (round(value) for value in one.box(row))
            part = changed[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)]
            inside += int(part.sum())
            mask[max(0, y1 - 2) : y2 + 12, max(0, x1 - 3) : max(0, x2 + (y2 - y1))] = True  # a shadow falls to the right
        outside += int((changed & ~mask).sum())
    assert inside > 5_000
    assert outside < 0.002 * inside


def test_the_truth_of_each_class_follows_from_its_boxes() -> None:
    scene = road(2)
    counter, found = LineCounter(LINES), Counter[tuple[str, str, str]]()
    for index in range(scene.frame_count):
        for number, (x1, _, x2, y2), road_user in zip(*(values for values in scene.truth_boxes(index)), strict=True):
            point = GroundPoint(index, index / scene.frame_rate, (float(x1) + float(x2)) / 2, float(y2))
            found.update((event.line, event.direction, road_user) for event in counter.step(int(number), road_user, point))
    assert found == Counter((event.line, event.direction, event.road_user) for event in scene.crossings(LINES))
    assert {road_user for _, _, road_user in found} >= {"pedestrian", "cyclist", "car"}


def test_rider_and_bicycle_become_one_cyclist_and_every_class_is_counted() -> None:
    scene = road(7)
    by_id = {one.id: one for one in scene.everyone}
    counting = Counting(None, LINES, frame_rate=scene.frame_rate)
    for index in range(scene.frame_count):
        boxes, labels = [], []
        for number, box, road_user in zip(*scene.truth_boxes(index), strict=True):
            if road_user == "cyclist":
                one = by_id[int(number)]
                assert isinstance(one, Vehicle)
                boxes += one.parts(index - one.first_frame)
                labels += ["pedestrian", "cyclist"]
            else:
                boxes.append(tuple(box.tolist()))
                labels.append(road_user)
        found = np.array(boxes, dtype=np.float32).reshape(-1, 4)
        merged = merge_riders(found, np.full(len(found), 0.9, dtype=np.float32), tuple(labels))
        assert Counter(merged[2]) == Counter(scene.truth_boxes(index)[2])
        counting.take(Detections(*merged), index / scene.frame_rate, index, scene.height)
    true, counted = (
        Counter((e.line, e.direction, e.road_user) for e in events) for events in (scene.crossings(LINES), counting.events())
    )
    for road_user in ("cyclist", "car", "pedestrian"):
        cells = {cell for cell in {*true, *counted} if cell[2] == road_user}
        assert sum(true[cell] for cell in cells) >= 5
        assert sum(abs(true[cell] - counted[cell]) for cell in cells) <= 0.1 * sum(true[cell] for cell in cells)


def test_only_leaves_move_in_a_street_with_trees_and_nobody() -> None:
    scene = street(5, 10, people_per_minute=0, trees=3)
    changed = np.abs(scene.frame(30).astype(int) - scene.frame(34).astype(int)).max(axis=2) > 40
    crowns = np.zeros_like(changed)
    for tree in scene.trees:
        crowns[: round(tree.y), round(tree.x - 2 * tree.metre) : round(tree.x + 2 * tree.metre)] = True
    assert changed.sum() > 100
    assert not (changed & ~crowns).any()
    assert scene.truth_boxes(30)[1].shape == (0, 4)


def test_people_stay_the_same_whatever_rides() -> None:
    few, many = road(4), road(4, vehicles_per_minute=40)
    assert len(few.traffic) < len(many.traffic)
    assert [person.path.tolist() for person in few.people] == [person.path.tolist() for person in many.people]


def test_a_scene_of_before_keeps_its_digest_and_an_option_changes_it() -> None:
    def digest(query: str) -> str:
        return open_source(f"scene:street?seed=7&seconds=3{query}").digest()

    assert digest("").startswith("ba46657c874961c6")  # as it was before there was traffic
    assert len({digest(query) for query in ("", "&trees=1", "&cyclists_per_minute=0", "&vehicles_per_minute=0")}) == 4


def test_bad_traffic() -> None:
    with pytest.raises(SourceError, match="vehicles_per_minute is '99'; expected 0 to 60"):
        road(1, vehicles_per_minute=99)
    with pytest.raises(SourceError, match=r"'trees' is '1\.5'; expected a number without decimals"):
        read_address("scene:street?seed=1&seconds=2&trees=1.5")
