"""ONNX detectors: both conventions, and files that are none. The models are built here or, where present, real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analytics.video.detect import OnnxDetector, make_detector
from analytics.video.motion import MotionDetector
from analytics.video.source import SourceError


def plain_model(path: Path, *, pictures: int = 1, size: tuple[int, int] = (60, 80), kind: str = "uint8") -> Path:
    """A model that always answers with the same three boxes."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    element = TensorProto.UINT8 if kind == "uint8" else TensorProto.FLOAT
    answers = {
        "boxes": np.array([[8, 6, 16, 30], [40, 6, 48, 30], [0, 0, 5, 5]], np.float32),
        "scores": np.array([0.9, 0.8, 0.1], np.float32),
        "labels": np.array([0, 1, 0], np.int64),
    }
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"fixed_{name}"], [name]) for name in answers],
        "fixed",
        [helper.make_tensor_value_info("frames", element, [pictures, 3, *size])],
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in answers.items()
        ],
        [numpy_helper.from_array(value, f"fixed_{name}") for name, value in answers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save_model(model, path)
    return path


def yolox_model(path: Path, size: int = 64) -> Path:
    """A model in YOLOX's form that sees one person at grid place (3, 2) of stride 8, twice, and one car."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    answer = np.zeros((1, (size // 8) ** 2 + (size // 16) ** 2 + (size // 32) ** 2, 85), np.float32)
    row = 2 * (size // 8) + 3
    answer[0, row, :6] = (0.5, 0.5, np.log(2.0), np.log(3.0), 1.0, 0.9)
    answer[0, row + 1, :6] = (-0.4, 0.5, np.log(2.0), np.log(3.0), 1.0, 0.8)  # nearly the same box: to be suppressed
    answer[0, (size // 8) ** 2 + 1, :5] = (0.5, 0.5, 0.0, 0.0, 1.0)
    answer[0, (size // 8) ** 2 + 1, 5 + 2] = 0.7
    graph = helper.make_graph(
        [helper.make_node("Identity", ["fixed"], ["output"])],
        "yolox",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, answer.shape)],
        [numpy_helper.from_array(answer, "fixed")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save_model(model, path)
    return path


@pytest.mark.parametrize("pictures", [1, 2])
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_plain_outputs_are_scaled_back_and_filtered(tmp_path: Path, pictures: int, kind: str) -> None:
    detector = OnnxDetector(str(plain_model(tmp_path / "m.onnx", pictures=pictures, kind=kind)))
    for _ in range(2):
        found = detector(np.zeros((120, 160, 3), np.uint8))
    assert found.boxes.tolist() == [[16, 12, 32, 60], [80, 12, 96, 60]]
    assert found.labels == ("pedestrian", "cyclist")


def test_classes_can_be_named(tmp_path: Path) -> None:
    detector = OnnxDetector(str(plain_model(tmp_path / "m.onnx")), classes=["car", "bus"])
    assert detector.road_users == ("car", "bus")
    assert detector(np.zeros((60, 80, 3), np.uint8)).labels == ("car", "bus")


def test_yolox_is_decoded(tmp_path: Path) -> None:
    # By hand: centre ((0.5 + 3) * 8, (0.5 + 2) * 8) = (28, 20), size (16, 24); the frame is twice the model's size.
    found = OnnxDetector(str(yolox_model(tmp_path / "m.onnx")))(np.zeros((128, 128, 3), np.uint8))
    assert found.labels == ("pedestrian", "car")
    assert found.boxes[0] == pytest.approx([40, 16, 72, 64], abs=1e-3)
    assert found.boxes[1] == pytest.approx([32, 0, 64, 32], abs=1e-3)
    assert found.scores == pytest.approx([0.9, 0.7])


def test_files_that_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"\xff\x07no model")
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name, message in [("noise", "found 'no ONNX in it'"), ("empty", "found 'a graph without"), ("none", "no such file")]:
        with pytest.raises(SourceError, match=message):
            make_detector(str(tmp_path / f"{name}.onnx"))


def test_a_model_of_another_convention(tmp_path: Path) -> None:
    import onnx

    path = plain_model(tmp_path / "m.onnx")
    model = onnx.load_model(path)
    del model.graph.output[1:]
    onnx.save_model(model, path)
    with pytest.raises(SourceError, match="the outputs are 'boxes'; expected boxes, scores, labels or YOLOX"):
        OnnxDetector(str(path))


def test_make_detector() -> None:
    assert isinstance(make_detector("motion"), MotionDetector)
    with pytest.raises(SourceError, match=r"expected motion or the path of a model\.onnx"):
        make_detector("magic")
