"""`testbed models`: what can be installed, what is, and one clear line for what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from flows import cli


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    environment = dict(os.environ)
    try:
        with pytest.raises(SystemExit) as done:
            cli.main(list(arguments))
    finally:
        os.environ.clear()
        os.environ.update(environment)
    out, err = capsys.readouterr()
    return int(done.value.code or 0), out, err


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network that sees one bus at the same place in every picture."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    answers = {
        "boxes": np.array([[8, 6, 16, 30]], np.float32),
        "scores": np.array([0.9], np.float32),
        "labels": np.array([5], np.int64),
    }
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"fixed_{name}"], [name]) for name in answers],
        "fixed",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, [1, 3, 60, 80])],
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in answers.items()],
        [numpy_helper.from_array(value, f"fixed_{name}") for name, value in answers.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    path = tmp_path / "one_bus.onnx"
    onnx.save_model(made, path)
    return path


def test_a_model_is_added_listed_used_and_removed(
    capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    assert call(capsys, "models", "add", str(model))[0] == 0
    code, out, _ = call(capsys, "models", "list", "--json")
    rows = {row["name"]: row["is_installed"] for row in json.loads(out)["models"]}
    assert (code, rows["one_bus"], rows["yolox_nano"]) == (0, True, False)
    scene = "scene:street?seed=1&seconds=2&width=160&height=120"
    asked = ("--line", "gate=80,0,80,120", "--detector", "one_bus", "--road-users", "bus", "--json")
    code, out, err = call(capsys, "count", scene, *asked)
    assert (code, err) == (0, "")
    assert [row["crossings"] for row in json.loads(out)["counts"]] == [0, 0]  # it never moves
    assert call(capsys, "count", scene, *asked, "--gate", "motion")[0] == 0
    assert call(capsys, "models", "remove", "one_bus")[0] == 0
    code, _, err = call(capsys, "count", scene, *asked)
    assert code == 1 and "one_bus: found 'an unknown detector'; expected motion or" in err


def test_what_is_wrong_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    for arguments in (("add", "yolox_nanno"), ("remove", "nothing"), ("add", str(tmp_path / "none.onnx"))):
        code, out, err = call(capsys, "models", *arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "; expected" in err
