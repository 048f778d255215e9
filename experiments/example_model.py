"""The example submission: a detector of moving people, built here from a few ONNX operators.

It needs no training: what differs between two frames is smoothed with a person-shaped window, and each peak becomes a box.
People who stand still are invisible to it. It is a baseline to beat, and shows vendors the form of a submission.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

CARD = Path(__file__).with_name("tasks") / "cards" / "frame_difference.yaml"

POOL = 4
"""Pixels of the frame in one pixel of the working size, each way."""
WINDOW = (25, 13)
"""Rows and columns of the smoothing window at working size: about one person."""
PEAK = (35, 21)
"""Rows and columns in which only the highest peak counts: a person and the shadow beside it are one."""
NOISE = 5.0
"""Grey levels by which the working frame changes by itself."""
LEAST = 2.5
"""Smoothed change below which a peak is no person. [grey levels]"""
BOX = (100.0, 40.0)
"""Height and width of every box. [px]"""
MOST = 40
"""Most boxes in one frame."""
OPSET = 17


def build_example(width: int, height: int) -> onnx.ModelProto:
    """Build the model for frames of one size.

    Args:
        width: Width of a frame, a multiple of 4. [px]
        height: Height of a frame, a multiple of 4. [px]

    Returns:
        A model from `frames` (unsigned bytes, `[2, 3, height, width]`) to `boxes`, `scores` and `labels`; the same bytes
        every time.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rows, columns = height // POOL, width // POOL
    tall, wide = BOX
    constants: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]] = {
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "third": np.array([2], np.int64),
        "noise": np.array(NOISE, np.float32),
        "window": _window()[None, None],
        "flat": np.array([-1], np.int64),
        "most": np.array([min(MOST, rows * columns)], np.int64),
        "columns": np.array(columns, np.int64),
        "pool": np.array(POOL, np.float32),
        "half": np.array(POOL / 2, np.float32),
        "least": np.array(LEAST, np.float32),
        "sure": np.array(4 * LEAST, np.float32),
        "one": np.array(1, np.float32),
        "extent": np.array([[-wide / 2, -tall / 2, wide / 2, tall / 2]], np.float32),
        "last": np.array([1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["frames"], ["bytes"], to=TensorProto.FLOAT),
        node("AveragePool", ["bytes"], ["small"], kernel_shape=[POOL, POOL], strides=[POOL, POOL]),
        node("Slice", ["small", "first", "second"], ["before"]),
        node("Slice", ["small", "second", "third"], ["now"]),
        node("Sub", ["now", "before"], ["signed"]),
        node("Abs", ["signed"], ["by_colour"]),
        node("ReduceMax", ["by_colour"], ["changed"], axes=[1], keepdims=1),
        node("Sub", ["changed", "noise"], ["above_noise"]),
        node("Relu", ["above_noise"], ["moving"]),
        node("Conv", ["moving", "window"], ["smooth"], pads=[side // 2 for side in WINDOW] * 2),
        # A peak is where the highest value around equals the value itself.
        # Rows first and columns then give the same as both at once, sooner.
        node("MaxPool", ["smooth"], ["highest_above"], kernel_shape=[PEAK[0], 1], pads=[PEAK[0] // 2, 0] * 2),
        node("MaxPool", ["highest_above"], ["highest"], kernel_shape=[1, PEAK[1]], pads=[0, PEAK[1] // 2] * 2),
        node("Equal", ["smooth", "highest"], ["is_peak"]),
        node("Cast", ["is_peak"], ["peak"], to=TensorProto.FLOAT),
        node("Mul", ["smooth", "peak"], ["peaks"]),
        node("Reshape", ["peaks", "flat"], ["row"]),
        node("TopK", ["row", "most"], ["values", "places"]),
        node("Greater", ["values", "least"], ["is_person"]),
        node("Compress", ["values", "is_person"], ["strength"], axis=0),
        node("Compress", ["places", "is_person"], ["place"], axis=0),
        node("Div", ["place", "columns"], ["row_of"]),
        node("Mod", ["place", "columns"], ["column_of"]),
        *_centre("column_of", "x"),
        *_centre("row_of", "y"),
        node("Concat", ["x", "y", "x", "y"], ["centres"], axis=1),
        node("Add", ["centres", "extent"], ["boxes"]),
        node("Div", ["strength", "sure"], ["share"]),
        node("Min", ["share", "one"], ["scores"]),
        node("Sub", ["place", "place"], ["labels"]),
    ]
    graph = helper.make_graph(
        nodes,
        "frame_difference",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, [2, 3, height, width])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["people", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["people"]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, ["people"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, producer_name="city-testbed", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def write_example(path: Path, *, width: int, height: int) -> Path:
    """Write the example model to a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(build_example(width, height).SerializeToString(deterministic=True))
    return path


def _centre(index: str, name: str) -> list[onnx.NodeProto]:
    """From an index at working size to the pixel in the middle, as a column."""
    from onnx import TensorProto, helper

    return [
        helper.make_node("Cast", [index], [f"{name}_index"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_index", "pool"], [f"{name}_edge"]),
        helper.make_node("Add", [f"{name}_edge", "half"], [f"{name}_middle"]),
        helper.make_node("Unsqueeze", [f"{name}_middle", "last"], [name]),
    ]


def _window() -> npt.NDArray[np.float32]:
    """A smooth bump of the size of a person; its weights sum to 1."""
    sides = [np.hanning(side + 2)[1:-1] for side in WINDOW]
    bump = np.outer(*sides)
    return np.asarray(bump / bump.sum(), dtype=np.float32)
