"""The rendered street: deterministic, and its truth agrees with what is drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from analytics.video.measures.lines import GroundPoint, Line, LineCounter
from analytics.video.scene import LIGHTS, street
from analytics.video.source import SourceError

LINES = [Line("west", 200, 0, 200, 576), Line("middle", 384, 0, 384, 576), Line("slope", 500, 0, 620, 576)]


@pytest.mark.parametrize("light", LIGHTS)
def test_same_seed_same_frames(light: str) -> None:
    one, two = street(3, 8, light=light), street(3, 8, light=light)
    frames = list(one.frames())
    assert len(frames) == one.frame_count == 56
    assert frames[40].shape == (576, 768, 3)
    assert frames[40].dtype == np.uint8
    assert np.array_equal(frames[40], two.frame(40))
    assert not np.array_equal(frames[40], street(4, 8, light=light).frame(40))


def test_lights_look_different() -> None:
    means = {light: float(street(3, 2, light=light).frame(5).mean()) for light in LIGHTS}
    assert means["dusk"] < means["rain"] < means["day"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_truth_boxes_fed_to_the_counter_give_the_crossings(seed: int) -> None:
    scene = street(seed, 60, light="crowd")
    counter = LineCounter(LINES)
    found: Counter[tuple[str, str, int, int]] = Counter()
    for index in range(scene.frame_count):
        ids, boxes, labels = scene.truth_boxes(index)
        assert len(ids) == len(boxes) == len(labels)
        for person, (x1, _, x2, y2) in zip(ids.tolist(), boxes.astype(float).tolist(), strict=True):
            point = GroundPoint(index, index / scene.frame_rate, (x1 + x2) / 2, y2)
            for event in counter.step(person, "pedestrian", point):
                found[event.line, event.direction, event.track_id, event.frame] += 1
    assert found == Counter((event.line, event.direction, event.track_id, event.frame) for event in scene.crossings(LINES))


@pytest.mark.parametrize("seed", range(5))
def test_crossings_agree_with_where_people_enter_and_leave(seed: int) -> None:
    # Independent of the counting rule: over a whole visit, crossings one way minus the other is the change of side.
    scene = street(seed, 120)
    line = Line("middle", 384, 0, 384, 576)
    net: Counter[int] = Counter()
    for event in scene.crossings([line]):
        net[event.track_id] += 1 if event.direction == "to_right" else -1
    for person in scene.people:
        x = person.path[:, 0]
        x = x[(x >= 0) & (x < scene.width)]
        if len(x) and min(abs(x[0] - 384), abs(x[-1] - 384)) > 4:
            assert net[person.id] == int(x[-1] < 384) - int(x[0] < 384)


def test_people_are_drawn_where_the_truth_says() -> None:
    scene, empty = street(5, 40), street(5, 40, people_per_minute=0)
    inside = outside = 0
    for index in range(70, 280, 10):
        changed = np.abs(scene.frame(index).astype(int) - empty.frame(index).astype(int)).max(axis=2) > 25
        boxes = scene.truth_boxes(index)[1]
        mask = np.zeros_like(changed)
        for x1, y1, x2, y2 in boxes.astype(int).tolist():
            reach = int(1.1 * (y2 - y1))  # a shadow falls to the right
            mask[max(0, y1 - 3) : y2 + reach // 4, max(0, x1 - 8) : x2 + reach] = True
        edge = np.zeros_like(changed)
        edge[:, :110], edge[:, -110:] = True, True  # people half outside the picture are not in the truth
        inside += int((changed & mask).sum())
        outside += int((changed & ~mask & ~edge).sum())
    assert inside > 10_000
    assert outside < 0.005 * inside


def test_ids_are_unique_and_boxes_stand_on_ground_points() -> None:
    scene = street(9, 30, light="crowd")
    ids, boxes, _ = scene.truth_boxes(100)
    assert len(set(ids.tolist())) == len(ids) > 0
    by_id = {person.id: person for person in scene.people}
    for person_id, box in zip(ids.tolist(), boxes, strict=True):
        person = by_id[person_id]
        foot = person.path[100 - person.first_frame]
        assert ((box[0] + box[2]) / 2, box[3]) == pytest.approx(tuple(foot), abs=1e-3)


def test_some_stand_and_people_walk_both_ways() -> None:
    scene = street(2, 300)
    directions = {event.direction for event in scene.crossings([LINES[1]])}
    assert directions == {"to_right", "to_left"}
    assert any((np.abs(np.diff(person.path[:, 0])) < 1e-9).sum() > 14 for person in scene.people)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"light": "fog"}, "light is 'fog'; expected one of day, dusk, rain, crowd"),
        ({"width": 10}, "width is '10'; expected 160 to 3840"),
        ({"people_per_minute": -1.0}, "people_per_minute is '-1.0'"),
        ({"frame_rate": float("nan")}, "frame_rate is 'nan'"),
    ],
)
def test_bad_parameters(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        street(1, 10, **parameters)  # wrong on purpose


def test_no_people_no_crossings() -> None:
    scene = street(1, 20, people_per_minute=0)
    assert scene.crossings(LINES) == []
    assert scene.truth_boxes(50)[1].shape == (0, 4)
