"""Tiny networks that answer whatever they see with known numbers, in the layouts of the families."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

FixedModel = Callable[..., Path]


@pytest.fixture
def fixed_model(tmp_path: Path) -> FixedModel:
    """Write a network with constant outputs: `fixed_model({name: array}, size=(64, 96))`."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def write(
        answers: dict[str, npt.NDArray[np.generic]],
        *,
        size: Sequence[int | str] = (64, 64),
        pictures: int = 1,
        kind: str = "float32",
        sizes: bool = False,
        name: str = "m",
        sidecar: str | None = None,
    ) -> Path:
        element = TensorProto.UINT8 if kind == "uint8" else TensorProto.FLOAT
        inputs = [helper.make_tensor_value_info("frames", element, [pictures, 3, *size])]
        if sizes:
            inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2]))
        graph = helper.make_graph(
            [helper.make_node("Identity", [f"fixed_{output}"], [output]) for output in answers],
            "fixed",
            inputs,
            [
                helper.make_tensor_value_info(output, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
                for output, value in answers.items()
            ],
            [numpy_helper.from_array(value, f"fixed_{output}") for output, value in answers.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        path = tmp_path / f"{name}.onnx"
        onnx.save_model(model, path)
        if sidecar is not None:
            path.with_suffix(".yaml").write_text(sidecar, encoding="utf-8")
        return path

    return write
