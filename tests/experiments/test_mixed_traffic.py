"""A task on a street with cyclists and cars: many cars never hide a few cyclists, in the score and in the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from analytics.video.scene import Scene, street
from analytics.video.street.address import read_address
from experiments.answers import Answer
from experiments.evaluation import _clip
from experiments.scoring import ARRAYS, METRICS, Results, check_gates
from experiments.task import Task, find_task

ROAD = "cyclists_per_minute=4&vehicles_per_minute=20&people_per_minute=2"
CLASSES = ("pedestrian", "cyclist", "car", "van", "bus")


@pytest.fixture(scope="module")
def road() -> Task:
    """The built-in task on a road."""
    document = find_task("count_crossings").model_dump(mode="json")
    # at 12 frames a second a cyclist at 25 km/h moves by a third of its length, at 7 by more than a half
    document["video"].update(frame_rate=12, seconds=60, dev=[f"scene:street?seed={seed}&{ROAD}" for seed in (1, 2)])
    document["video"]["sealed"] = [f"scene:street?light=dusk&{ROAD}"] * 2
    given = {"road_users": CLASSES, "gates": {"cyclist_error_over_car_error": 1.25}, "interval_s": 60}
    return Task.model_validate({**document, **given})


def judged(task: Task, keep: Callable[[str, int], bool]) -> Results:
    """Results of a detector that finds the true boxes for which `keep(road user, identity)` holds."""

    def answers(scene: Scene) -> Iterator[Answer]:
        for index in range(scene.frame_count):
            ids, boxes, classes = scene.truth_boxes(index)
            kept = [row for row, (one, name) in enumerate(zip(ids.tolist(), classes, strict=True)) if keep(name, one)]
            labels = np.array([CLASSES.index(classes[row]) for row in kept], dtype=np.int64)
            yield Answer(boxes[kept], np.full(len(kept), 0.9, dtype=np.float32), labels, 0.01)

    scenes = [street(**read_address(source)) for source in task.scenes("dev")]
    parts = [_clip(task, scene, answers(scene)) for scene in scenes]
    arrays = {name: np.stack([part[name] for part in parts]) for name in ARRAYS}
    return Results(clips=("dev_0", "dev_1"), road_users=CLASSES, base_factor=1.0, **arrays)


def test_every_class_has_its_truth_and_the_true_boxes_pass(road: Task) -> None:
    results = judged(road, lambda name, one: True)
    assert (results.reference.sum(axis=(0, 1, 3)) > 0).all()
    np.testing.assert_array_equal(results.counted[:, :, :3], results.reference[:, :, :3])  # buses are cut by the border
    assert METRICS["wape_by_class"].figure(results) < 5
    assert [gate.status for gate in check_gates(results, road.gates)] == ["passed"]


def test_a_model_that_loses_cyclists_is_stopped_by_the_gate_however_well_it_counts_cars(road: Task) -> None:
    results = judged(road, lambda name, one: name != "cyclist" or one % 2 == 0)
    assert METRICS["wape"].figure(results) < 15
    assert METRICS["wape_by_class"].figure(results) > METRICS["wape"].figure(results)
    assert [gate.status for gate in check_gates(results, road.gates)] == ["failed"]


def test_a_model_that_knows_people_only_is_not_let_through_where_cyclists_count(road: Task) -> None:
    alone = {**road.model_dump(mode="json"), "road_users": ["pedestrian"]}
    people = Task.model_validate(alone)
    scene = street(**read_address(people.scenes("dev")[0]))
    part = _clip(people, scene, iter(()))
    results = Results(
        clips=("dev_0",), road_users=("pedestrian",), base_factor=1.0, **{name: part[name][None] for name in ARRAYS}
    )
    assert [gate.status for gate in check_gates(results, people.gates)] == ["skipped"]


def test_the_sealed_split_may_be_a_road(road: Task) -> None:
    for source in road.scenes("sealed", secret="a"):
        assert street(**read_address(source)).traffic
