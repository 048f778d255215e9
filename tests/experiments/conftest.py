"""Small models for the sandbox, and the built-in task and example for vetting and evaluation."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from experiments.answers import Answer, run_model
from experiments.example_model import write_example
from experiments.sandbox import Level, probe
from experiments.task import Task, find_task

HEIGHT, WIDTH = 24, 32


@pytest.fixture
def bubblewrap() -> None:
    """Skips where bubblewrap does not work, but never in CI."""
    if probe().level != "L3" and os.environ.get("CI") != "true":
        pytest.skip(f"no bubblewrap: {dict(probe().reasons)}")


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """Makes a model for frames of 24 x 32 pixels."""

    def make(boxes: Any, *, labels: int = 0, nodes: list[onnx.NodeProto] | None = None, name: str = "boxes") -> Path:
        """A model that answers every frame with the same boxes, after running some nodes."""
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        constants = {
            name: boxes,
            "scores": np.full(len(boxes), 0.5, np.float32),
            "labels": np.full(len(boxes), labels, np.int64),
        }
        made = [
            helper.make_node("Constant", [], [key], value=numpy_helper.from_array(value)) for key, value in constants.items()
        ]
        if nodes:  # the boxes depend on them
            made[0].output[0] = "fixed"
            made += [*nodes, helper.make_node("Add", ["fixed", "extra"], [name])]
        graph = helper.make_graph(
            made,
            "fixed",
            [helper.make_tensor_value_info("frames", TensorProto.UINT8, [2, 3, HEIGHT, WIDTH])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["k", 4]),
                helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["k"]),
                helper.make_tensor_value_info("labels", TensorProto.INT64, ["k"]),
            ],
        )
        built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        built.ir_version = 8
        path = tmp_path / "model.onnx"
        path.write_bytes(built.SerializeToString())
        return path

    return make


def black(count: int) -> Iterator[np.ndarray]:
    for _ in range(count):
        yield np.zeros((HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture
def run() -> Callable[..., list[Answer]]:
    """Runs a model on black frames."""

    def answers(path: Path, *, count: int = 3, level: Level | None = None, **limits: Any) -> list[Answer]:
        options = {"road_users": 1, "max_boxes": 20, "wall_s": 20.0, "memory_mb": 1024, "trusted": True, **limits}
        return list(run_model(path, black(count), level=level, **options))

    return answers


@pytest.fixture
def left_over() -> Callable[[Path], list[str]]:
    """Finds processes that still have a path on their command line two seconds later."""

    def find(path: Path) -> list[str]:
        found: list[str] = []
        for _ in range(40):
            found = []
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    if str(path).encode() in entry.read_bytes():
                        found.append(entry.parent.name)
            if not found:
                break
            time.sleep(0.05)
        return found

    return find


@pytest.fixture(scope="session")
def task() -> Task:
    """The built-in task with short clips."""
    document = find_task("count_crossings").model_dump(mode="json")
    document["video"].update(seconds=12, dev=document["video"]["dev"][:2], sealed=["scene:street?light=crowd"] * 2)
    return Task.model_validate(document)


@pytest.fixture
def example(tmp_path: Path, task: Task) -> Path:
    return write_example(tmp_path / "example.onnx", width=task.video.width, height=task.video.height)


@pytest.fixture
def looping(example: Path) -> Path:
    """The example with a loop, which no task allows by itself."""
    built = onnx.load_model_from_string(example.read_bytes())
    body = helper.make_graph([], "body", [], [])
    built.graph.node.append(helper.make_node("Loop", ["a", "b"], ["c"], body=body))
    path = example.with_name("changed.onnx")
    path.write_bytes(built.SerializeToString())
    return path
