from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from analytics.video.scene import street
from experiments.answers import Answer, run_model
from experiments.evaluation import evaluate
from experiments.example_model import CARD, build_example, write_example
from experiments.submission import load_card
from experiments.task import Task, find_task
from experiments.vetting import vet


def answers(path: Path, frames: list[np.ndarray]) -> list[Answer]:
    return list(run_model(path, frames, road_users=1, max_boxes=300, wall_s=30, memory_mb=2048, trusted=True))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example(tmp_path_factory.mktemp("example") / "model.onnx", width=768, height=576)


def test_the_same_bytes_every_time_and_every_size() -> None:
    assert build_example(768, 576).SerializeToString() == build_example(768, 576).SerializeToString()
    onnx.checker.check_model(build_example(384, 288), full_check=True)


def test_it_passes_its_own_vetting_and_has_a_card(path: Path) -> None:
    vet(path, find_task("count_crossings")).require()
    assert load_card(CARD).decodes == "boxes_scores_labels"


def test_nothing_moves_nothing_found(path: Path) -> None:
    rng = np.random.default_rng(1)
    still = rng.integers(0, 255, (576, 768, 3)).astype(np.uint8)
    noisy = [np.clip(still + rng.normal(0, 2.5, still.shape), 0, 255).astype(np.uint8) for _ in range(4)]
    assert [len(answer.boxes) for answer in answers(path, noisy)] == [0, 0, 0, 0]


def test_it_finds_a_square_that_moves(path: Path) -> None:
    frames = [np.full((576, 768, 3), 90, np.uint8) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame[300:390, 400 + 12 * number : 435 + 12 * number] = 200
    found = answers(path, frames)
    assert len(found[0].boxes) == 0  # the first frame stands for its own past
    for answer, middle in zip(found[1:], (423.5, 435.5), strict=True):
        assert len(answer.boxes) == 1
        x1, y1, x2, y2 = answer.boxes[0]
        assert abs((x1 + x2) / 2 - middle) < 20
        assert y1 < 320 and y2 > 370


def test_it_finds_most_people_who_walk(path: Path) -> None:
    scene = street(31, 12, light="dusk")
    found = answers(path, list(scene.frames()))
    hits = present = 0
    for index in range(2, scene.frame_count):
        before, boxes_before, _ = scene.truth_boxes(index - 2)
        ids, boxes, _ = scene.truth_boxes(index)
        for number, box in zip(ids, boxes, strict=True):
            was = boxes_before[before == number]
            if not len(was) or abs(was[0, 0] - box[0]) < 8 or box[0] < 10 or box[2] > 758:
                continue  # stands, or is only just entering
            present += 1
            middle = (box[0] + box[2]) / 2
            hits += any(b[0] <= middle <= b[2] and b[1] < box[3] and b[3] > box[1] for b in found[index].boxes)
    assert present > 50
    assert hits / present > 0.7


def test_it_is_a_believable_baseline(path: Path) -> None:
    """On streets with other seeds than the task's: better than half right, worse than perfect."""
    document = find_task("count_crossings").model_dump(mode="json")
    document["video"].update(dev=[f"scene:street?seed={seed}&light=day" for seed in (501, 502)])
    found = evaluate(path, Task.model_validate(document), "dev", seed=1, trusted=True)
    assert 0 < found.scores["wape_by_class"].value < 50
