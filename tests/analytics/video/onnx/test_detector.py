"""Detectors in ONNX files: every family is fed and read exactly; what is unusable is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analytics.video.detect import make_detector
from analytics.video.onnx.decode import grid_cells
from analytics.video.onnx.detector import OnnxDetector
from analytics.video.source import SourceError

FixedModel = Callable[..., Path]
SHARED = Path(__file__).resolve().parents[5] / "shared" / "data" / "models"
CELLS = grid_cells((64, 64), (8, 16, 32))  # 64 + 16 + 4
FRAME = np.zeros((128, 128, 3), np.uint8)  # twice the size of most networks here


def plain() -> dict[str, np.ndarray]:
    return {
        "boxes": np.array([[8, 6, 16, 30], [40, 6, 48, 30], [0, 0, 5, 5]], np.float32),
        "scores": np.array([0.9, 0.8, 0.1], np.float32),
        "labels": np.array([0, 2, 0], np.int64),
    }


@pytest.mark.parametrize("pictures", [1, 2])
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_plain_outputs_are_scaled_back_and_filtered(fixed_model: FixedModel, pictures: int, kind: str) -> None:
    detector = OnnxDetector(fixed_model(plain(), size=(60, 80), pictures=pictures, kind=kind))
    for _ in range(2):
        found = detector(np.zeros((120, 160, 3), np.uint8))
    assert found.boxes.tolist() == [[16, 12, 32, 60], [80, 12, 96, 60]]
    assert found.labels == ("pedestrian", "car")


def test_classes_can_be_named(fixed_model: FixedModel) -> None:
    answers = {**plain(), "labels": np.array([0, 1, 0], np.int64)}
    detector = OnnxDetector(fixed_model(answers, size=(60, 80)), classes=["car", "bus"])
    assert detector.road_users == ("car", "bus")
    assert detector(np.zeros((60, 80, 3), np.uint8)).labels == ("car", "bus")


def test_yolox_is_decoded(fixed_model: FixedModel) -> None:
    # By hand: grid place (3, 2) of stride 8: centre ((0.5 + 3) * 8, (0.5 + 2) * 8) = (28, 20), size (16, 24).
    answer = np.zeros((1, CELLS, 85), np.float32)
    answer[0, 2 * 8 + 3, :6] = (0.5, 0.5, np.log(2.0), np.log(3.0), 1.0, 0.9)
    answer[0, 2 * 8 + 4, :6] = (-0.4, 0.5, np.log(2.0), np.log(3.0), 1.0, 0.8)  # nearly the same: to be suppressed
    answer[0, 64 + 1, :5] = (0.5, 0.5, 0.0, 0.0, 1.0)
    answer[0, 64 + 1, 5 + 2] = 0.7
    detector = OnnxDetector(fixed_model({"output": answer}))
    assert (detector.network.sidecar.family, detector.network.was_recognised) == ("yolox", True)
    found = detector(FRAME)
    assert found.labels == ("pedestrian", "car")
    assert found.boxes[0] == pytest.approx([40, 16, 72, 64], abs=1e-3)
    assert found.boxes[1] == pytest.approx([32, 0, 64, 32], abs=1e-3)
    assert found.scores == pytest.approx([0.9, 0.7])


@pytest.mark.parametrize(("family", "strides"), [("nanodet", (8, 16, 32)), ("picodet", (8, 16, 32, 64))])
def test_distributions_of_distances_are_decoded(fixed_model: FixedModel, family: str, strides: tuple[int, ...]) -> None:
    # By hand: place (5, 2) of stride 8, centre (43.5, 19.5); sides 1, 2, 1.5 (half of bin 1, half of bin 2) and 3 strides.
    answers = {}
    for kind, width in (("cls", 80), ("dis", 32)):
        for stride in strides:
            answers[f"{kind}_{stride}"] = np.zeros((1, grid_cells((64, 64), (stride,)), width), np.float32)
    answers["cls_8"][0, 2 * 8 + 5, 5] = 0.75
    sides = np.full((4, 8), -50.0, np.float32)
    sides[0, 1] = sides[1, 2] = sides[2, 1] = sides[2, 2] = sides[3, 3] = 0.0
    answers["dis_8"][0, 2 * 8 + 5] = sides.ravel()
    detector = OnnxDetector(fixed_model(answers))
    found = detector(FRAME)
    assert detector.network.sidecar.family == family
    assert found.boxes[0] == pytest.approx([2 * 35.5, 2 * 3.5, 2 * 55.5, 2 * 43.5], abs=1e-3)
    assert (found.labels, found.scores.tolist()) == (("bus",), [0.75])


def test_fastestdet_is_decoded(fixed_model: FixedModel) -> None:
    # By hand: cell (1, 2) of 4 x 4, no offset: centre (0.25, 0.5) of the frame; sigmoid(0) = half the frame wide and tall.
    answer = np.zeros((1, 85, 4, 4), np.float32)
    answer[0, 0, 2, 1], answer[0, 5 + 3, 2, 1] = 0.64, 0.81
    answer[0, 3:5, 2, 1] = np.log(0.25 / 0.75)  # sigmoid: a quarter
    found = OnnxDetector(fixed_model({"o": answer}))(FRAME)
    assert found.boxes[0] == pytest.approx([16, 48, 48, 80], abs=1e-3)
    assert found.scores[0] == pytest.approx(0.64**0.6 * 0.81**0.4, abs=1e-6)
    assert found.labels == ("motorcycle",)


def test_yolov5_and_yolov8_are_decoded_and_unpadded(fixed_model: FixedModel) -> None:
    # A frame of 128 x 64 becomes 64 x 32 in the middle of 64 x 64, with 16 rows of padding above.
    five = np.zeros((1, 3 * CELLS, 85), np.float32)
    five[0, 100, :5], five[0, 100, 5 + 7] = (32, 32, 10, 20, 0.9), 0.5
    eight = np.zeros((1, 84, CELLS), np.float32)
    eight[0, :4, 7], eight[0, 4 + 7, 7] = (32, 32, 10, 20), 0.45
    for name, answer in (("yolov5", five), ("yolov8", eight)):
        detector = OnnxDetector(fixed_model({"output0": answer}, name=name))
        found = detector(np.zeros((64, 128, 3), np.uint8))
        assert detector.network.sidecar.family == name
        assert found.boxes[0] == pytest.approx([54, 12, 74, 52])
        assert (found.labels, found.scores[0]) == (("van_lorry",), pytest.approx(0.45))


def test_yolov10_is_not_suppressed_again(fixed_model: FixedModel) -> None:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = (10, 10, 20, 30, 0.8, 0)
    rows[0, 1] = (10, 11, 20, 30, 0.7, 0)
    detector = OnnxDetector(fixed_model({"output0": rows}))
    found = detector(FRAME)
    assert detector.network.sidecar.family == "yolov10"
    assert found.boxes.tolist() == [[20, 20, 40, 60], [20, 22, 40, 60]]


@pytest.mark.parametrize("family", ["rtdetr", "dfine"])
def test_detr_is_told_the_size_of_its_own_picture(fixed_model: FixedModel, tmp_path: Path, family: str) -> None:
    # The graph answers with one box of the size it was given: width and height of its picture, in that order.
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    names = ("labels", "boxes", "scores")
    nodes = [
        helper.make_node("Cast", ["orig_target_sizes"], ["far"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["far", "half"], ["near"]),
        helper.make_node("Concat", ["near", "far"], ["flat"], axis=1),
        helper.make_node("Reshape", ["flat", "form"], ["boxes"]),
        helper.make_node("Identity", ["one"], ["scores"]),
        helper.make_node("Identity", ["car"], ["labels"]),
    ]
    constants = {
        "half": np.array([[0.5, 0.25]], np.float32),
        "form": np.array([1, 1, 4], np.int64),
        "one": np.array([[0.9]], np.float32),
        "car": np.array([[2]], np.int64),
    }
    kinds = {"labels": TensorProto.INT64, "boxes": TensorProto.FLOAT, "scores": TensorProto.FLOAT}
    graph = helper.make_graph(
        nodes,
        "detr",
        [
            helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 32, 64]),
            helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["N", 2]),
        ],
        [helper.make_tensor_value_info(name, kinds[name], ["N", 1, 4] if name == "boxes" else ["N", 1]) for name in names],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = tmp_path / "detr.onnx"
    onnx.save_model(model, path)
    if family == "dfine":
        path.with_suffix(".yaml").write_text("family: dfine\n", encoding="utf-8")
    detector = OnnxDetector(path)
    found = detector(np.zeros((100, 300, 3), np.uint8))
    assert detector.network.sidecar.family == family
    assert found.boxes[0] == pytest.approx([150, 25, 300, 100])
    assert found.labels == ("car",)


def test_detr_of_ultralytics_gives_shares_of_the_picture(fixed_model: FixedModel) -> None:
    rows = np.zeros((1, 300, 84), np.float32)
    rows[0, 3, :5] = (0.5, 0.5, 0.25, 0.5, 0.8)
    found = OnnxDetector(fixed_model({"output0": rows}, sidecar="family: rtdetr\n"))(FRAME)
    assert found.boxes[0] == pytest.approx([48, 32, 80, 96])


def test_what_the_sidecar_says_is_fed(fixed_model: FixedModel, tmp_path: Path) -> None:
    # The graph answers with the mean of each channel of its input as the box.
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["frames"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Concat", ["mean", "last"], ["boxes"], axis=1),
        helper.make_node("Identity", ["one"], ["scores"]),
        helper.make_node("Identity", ["none"], ["labels"]),
    ]
    constants = {
        "last": np.array([[500]], np.float32),
        "one": np.array([1], np.float32),
        "none": np.array([0], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, 3, 32, 32])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, [1]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = tmp_path / "means.onnx"
    onnx.save_model(model, path)
    frame = np.empty((16, 32, 3), np.uint8)
    frame[:] = (10, 20, 30)
    said = "family: boxes_scores_labels\nchannel_order: rgb\nmean: [10, 20, 30]\nstd: [2, 4, 5]\n"
    path.with_suffix(".yaml").write_text(said, encoding="utf-8")
    box = OnnxDetector(path)(frame).boxes[0]
    assert box == pytest.approx([10, 0, -4, 250])  # red, green, blue less their mean, over std; rows are half of 32
    path.with_suffix(".yaml").write_text(said + "resize: letterbox_centred\npad: 50\n", encoding="utf-8")
    padded = OnnxDetector(path)(frame).boxes[0]  # half of the picture is 50 now; 8 rows of it are above the frame
    assert padded == pytest.approx([(40 + 20) / 4, (30 + 0) / 8 - 8, (20 - 20) / 10, 500 - 8])


def test_what_is_alike_from_above(fixed_model: FixedModel) -> None:
    answers = {
        "boxes": np.array([[8, 6, 16, 30], [8, 7, 16, 30], [0, 0, 64, 60]], np.float32),
        "scores": np.array([0.9, 0.8, 0.9], np.float32),
        "labels": np.array([67, 0, 60], np.int64),  # a cell phone and a person at the same place, and a dining table
    }
    path = fixed_model(answers)
    assert OnnxDetector(path)(FRAME).labels == ("pedestrian",)
    detector = OnnxDetector(path, class_agnostic=True)
    found = detector(FRAME)
    assert (found.labels, found.boxes.tolist()) == (("any",), [[16, 12, 32, 60]])
    assert detector.road_users == ()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("noise", b"\xff\x07no model", "found 'no ONNX in it'"),
        ("empty", b"", "found 'a graph without"),
        ("none", None, "no such file"),
    ],
)
def test_files_that_are_no_model(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / f"{name}.onnx").write_bytes(content)
    with pytest.raises(SourceError, match=message):
        make_detector(str(tmp_path / f"{name}.onnx"))


def test_outputs_that_are_not_recognised(fixed_model: FixedModel) -> None:
    path = fixed_model({"mystery": np.zeros((1, 7, 9), np.float32)})
    with pytest.raises(SourceError, match=r"outputs are 'mystery \[1, 7, 9\]'; expected boxes.*say so in m\.yaml: write for"):
        OnnxDetector(path)


def test_a_sidecar_that_does_not_fit(fixed_model: FixedModel) -> None:
    answer = {"output0": np.zeros((1, 84, CELLS), np.float32)}
    with pytest.raises(SourceError, match=r"expected \[1, 4 \+ classes, n\] with 2 classes of family yolov8; correct family"):
        OnnxDetector(fixed_model(answer, sidecar="family: yolov8\nclasses: [car, bus]\n"))
    with pytest.raises(SourceError, match=r"the input is '64x64'; expected input_size 96x64; correct the YAML"):
        OnnxDetector(fixed_model(answer, sidecar="family: yolov8\ninput_size: [96, 64]\n"))
    with pytest.raises(SourceError, match=r"the input size is '\?x\?'; expected a fixed size"):
        OnnxDetector(fixed_model(answer, size=("h", "w"), sidecar="family: yolov8\n"))


def test_numbers_that_are_none(fixed_model: FixedModel) -> None:
    answers = {**plain(), "scores": np.array([0.9, np.nan, 0.1], np.float32)}
    with pytest.raises(SourceError, match="a frame gave '2 boxes'; expected as many finite scores"):
        OnnxDetector(fixed_model(answers))(FRAME)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real models are not beside the repository")
@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("yolox-nano/yolox_nano", "yolox"),
        ("nanodet-m/nanodet_m_320", "nanodet"),
        ("picodet-s/picodet_s_320_coco", "picodet"),
        ("fastestdet/FastestDet", "fastestdet"),
    ],
)
def test_real_models_are_recognised_and_see_nothing_in_grey(file: str, family: str) -> None:
    detector = OnnxDetector(SHARED / f"{file}.onnx", threads=1)
    assert (detector.network.sidecar.family, detector.network.was_recognised) == (family, True)
    assert detector.network.is_flexible == (family == "yolox")
    assert len(detector(np.full((288, 352, 3), 128, np.uint8)).boxes) == 0
