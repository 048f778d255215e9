from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from experiments.scoring import GATES, METRICS
from experiments.task import TaskError, find_task, load_task, tasks


def write(folder: Path, **changes: object) -> Path:
    document = yaml.safe_load(tasks()["count_crossings"].read_text(encoding="utf-8"))
    document.update(changes)
    path = folder / "count_crossings.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(tasks()))
def test_every_task_loads_and_resolves(name: str) -> None:
    task = find_task(name)
    assert set(task.metrics) <= set(METRICS)
    assert set(task.gates) <= set(GATES)
    assert task.rank_by in task.metrics
    assert len(task.movements) == 2 * len(task.lines)


def test_all_faults_are_reported_at_once_with_a_suggestion(tmp_path: Path) -> None:
    path = write(tmp_path, metrics=["wape", "hotta"], rankby="wape", limits={"wall_s": -1, "memory_mb": 2048, "max_boxes": 3})
    with pytest.raises(TaskError) as caught:
        load_task(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert any("'rankby' is unknown" in line and "did you mean 'rank_by'?" in line for line in lines)
    assert any("'hotta'" in line for line in lines)
    assert any("limits.wall_s is '-1'" in line for line in lines)


def test_a_metric_that_is_not_computed_cannot_be_declared(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"'hota', which is unknown; expected one of wape"):
        load_task(write(tmp_path, metrics=["wape_by_class", "hota"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank_by": "bias", "metrics": ["wape"]}, "rank_by 'bias' is not computed"),
        ({"lines": ["west=1,2,3"]}, "lines has 'west=1,2,3'"),
        ({"gates": {"min_covrage": 0.9}}, "did you mean 'min_coverage'"),
        ({"id": "Count"}, "id is 'Count'"),
        ({"id": "another"}, "id is 'another'"),
        ({"accepts": {"format": "pickle", "decodes": ["boxes_scores_labels"]}}, "accepts.format is 'pickle'"),
    ],
)
def test_faults(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(TaskError, match=message.replace("(", r"\(")):
        load_task(write(tmp_path, **changes))


def test_a_sealed_seed_in_the_file_is_refused(tmp_path: Path) -> None:
    video = {"dev": ["scene:street?seed=1"], "sealed": ["scene:street?seed=2&light=day"]}
    with pytest.raises(TaskError, match="a seed in the file is no secret"):
        load_task(write(tmp_path, video=video))


@pytest.mark.parametrize("content", ["", "- a\n", "a: [", "\xff"])
def test_what_is_not_a_task_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "count_crossings.yaml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(TaskError) as caught:
        load_task(path)
    assert len(str(caught.value).splitlines()) == 1


def test_missing_file_and_unknown_task(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot be read"):
        load_task(tmp_path / "none.yaml")
    with pytest.raises(TaskError, match="did you mean 'count_crossings'"):
        find_task("count_crosings")


def test_sealed_seeds_follow_from_the_secret_only() -> None:
    task = find_task("count_crossings")
    with pytest.raises(TaskError, match="no secret"):
        task.scenes("sealed")
    assert task.scenes("sealed", secret="a") == task.scenes("sealed", secret="a")
    assert not set(task.scenes("sealed", secret="a")) & set(task.scenes("sealed", secret="b"))
    assert len(set(task.scenes("sealed", secret="a"))) == len(task.video.sealed)
    assert task.scenes("dev", secret="a") == task.scenes("dev")
