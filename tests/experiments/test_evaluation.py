from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.evaluation import Evaluation, evaluate
from experiments.sandbox import SubmissionError
from experiments.task import Task, TaskError


def test_an_evaluation_is_the_same_twice_but_for_the_speed(example: Path, task: Task) -> None:
    seen: list[tuple[int, int]] = []
    first = evaluate(example, task, "dev", seed=5, trusted=True, progress=lambda done, of: seen.append((done, of)))
    again = evaluate(example, task, "dev", seed=5, trusted=True)
    assert seen == [(0, 2), (1, 2), (2, 2)]
    for name in ("wape", "wape_by_class", "bias"):
        assert first.scores[name] == again.scores[name]
    np.testing.assert_array_equal(first.results.counted, again.results.counted)
    assert first.results.reference.sum() > 0
    assert first.results.reference.shape == (2, 4, 1, 1)
    np.testing.assert_array_equal(first.results.reference.sum(-1), first.results.reference_segments[..., -1])
    assert first.passed
    assert first.is_underpowered
    assert first.scores["frames_per_second"].value > 0
    again = Evaluation.from_dict(json.loads(json.dumps(first.to_dict())))
    assert again.to_dict() == first.to_dict()


def test_the_sealed_split_needs_the_secret_and_vetting_comes_first(example: Path, looping: Path, task: Task) -> None:
    with pytest.raises(TaskError, match="no secret"):
        evaluate(example, task, "sealed", seed=1, trusted=True)
    with pytest.raises(SubmissionError, match="check control_flow failed"):
        evaluate(looping, task, "dev", seed=1, trusted=True)
