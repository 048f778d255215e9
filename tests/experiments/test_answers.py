from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from experiments.answers import Answer, run_model
from experiments.sandbox import Level, SubmissionError

LEVELS: tuple[Level, ...] = ("L1", "L2", "L3")
HEIGHT, WIDTH = 24, 32


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_gives_the_same_answers(level: Level, model: Callable[..., Path], run: Callable[..., list[Answer]]) -> None:
    answers = run(model([[1, 2, 3, 4], [5, 6, 99, 99]]), count=4, level=level)
    assert len(answers) == 4
    np.testing.assert_array_equal(answers[3].boxes, [[1, 2, 3, 4], [5, 6, WIDTH, HEIGHT]])
    assert answers[3].labels.tolist() == [0, 0]
    assert answers[3].model_s > 0


def test_no_boxes_and_no_frames_are_fine(model: Callable[..., Path], run: Callable[..., list[Answer]]) -> None:
    path = model([])
    assert [len(answer.boxes) for answer in run(path, count=2)] == [0, 0]
    assert run(path, count=0) == []


@pytest.mark.parametrize(
    ("boxes", "labels", "message"),
    [
        ([[0, 0, np.nan, 1]], 0, "frame 0: output boxes holds 'nan'; expected finite numbers"),
        ([[0, 0, np.inf, 1]], 0, "frame 0: output boxes holds 'inf'"),
        ([[5, 0, 1, 1]], 0, "frame 0: box .* is inside out"),
        ([[0, 0, 1, 1]], 7, "frame 0: label '7' is unknown; expected 0 to 0"),
        ([[0, 0, 1, 1]] * 21, 0, r"output 'boxes has the shape \[21, 4\]'"),
    ],
)
def test_answers_that_are_not_believed(
    boxes: list[list[float]], labels: int, message: str, model: Callable[..., Path], run: Callable[..., list[Answer]]
) -> None:
    with pytest.raises(SubmissionError, match=message):
        run(model(boxes, labels=labels))


def test_a_flood_of_boxes_is_stopped_inside(model: Callable[..., Path], run: Callable[..., list[Answer]]) -> None:
    rows = numpy_helper.from_array(np.array([1 << 22, 1], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["rows"], value=rows),
        helper.make_node("ConstantOfShape", ["rows"], ["extra"]),
    ]
    with pytest.raises(SubmissionError, match=r"output 'boxes has the shape \[4194304, 4\]'"):
        run(model([[0, 0, 1, 1]], nodes=nodes))


def test_missing_outputs_and_what_is_no_model(
    tmp_path: Path, model: Callable[..., Path], run: Callable[..., list[Answer]]
) -> None:
    with pytest.raises(SubmissionError, match="the model failed with"):
        run(model([[0, 0, 1, 1]], name="boxen"))
    path = tmp_path / "text.onnx"
    path.write_text("not a model")
    with pytest.raises(SubmissionError, match=r"text.onnx: the model failed with"):
        run(path)


def test_leaving_early_leaves_nothing_behind(model: Callable[..., Path], left_over: Callable[[Path], list[str]]) -> None:
    path = model([[0, 0, 1, 1]])
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 50
    answers = run_model(path, black, road_users=1, max_boxes=5, wall_s=9, memory_mb=1024, trusted=True)
    next(answers)
    answers.close()
    assert left_over(path) == []
