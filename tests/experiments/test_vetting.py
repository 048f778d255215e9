from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from experiments.sandbox import SubmissionError
from experiments.task import Task
from experiments.vetting import Vetting, inspect_model, vet

Change = Callable[[onnx.ModelProto], None]


def changed(path: Path, change: Change) -> Path:
    built = onnx.load_model_from_string(path.read_bytes())
    change(built)
    other = path.with_name("changed.onnx")
    other.write_bytes(built.SerializeToString())
    return other


def failures(vetting: Vetting) -> dict[str, str]:
    return {check.check: check.found for check in vetting.checks if check.status != "passed"}


def outside(tensor: onnx.TensorProto, name: str = "weights") -> None:
    tensor.name = name
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def external_initialiser(built: onnx.ModelProto) -> None:
    outside(built.graph.initializer.add(data_type=1, dims=[4]))


def external_constant(built: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.zeros(1, np.float32)))
    outside(node.attribute[0].t)
    built.graph.node.insert(0, node)


def external_sparse(built: onnx.ModelProto) -> None:
    outside(built.graph.sparse_initializer.add().values)


def external_subgraph(built: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [])
    outside(inner.initializer.add(data_type=1, dims=[4]))
    built.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def external_function(built: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.zeros(1, np.float32)))
    outside(node.attribute[0].t)
    opsets = [helper.make_opsetid("", 17)]
    built.functions.append(helper.make_function("ai.onnx", "F", [], ["c"], [node], opsets))


def external_training(built: onnx.ModelProto) -> None:
    outside(built.training_info.add().initialization.initializer.add(data_type=1, dims=[4]))


@pytest.mark.parametrize(
    "change",
    [external_initialiser, external_constant, external_sparse, external_subgraph, external_function, external_training],
)
def test_external_data_is_found_wherever_it_hides(example: Path, task: Task, change: Change) -> None:
    assert failures(vet(changed(example, change), task))["external_data"].startswith("weights")


def custom_domain(built: onnx.ModelProto) -> None:
    built.graph.node.append(helper.make_node("PyOp", ["x"], ["y"], domain="ai.onnx.contrib"))


def loop(built: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    built.graph.node.append(helper.make_node("Loop", ["a", "b"], ["c"], body=body))


def hidden_loop(built: onnx.ModelProto) -> None:
    inner = helper.make_graph(
        [helper.make_node("Scan", ["a"], ["c"], body=helper.make_graph([], "b", [], []), num_scan_inputs=1)], "inner", [], []
    )
    built.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner))


def new_opset(built: onnx.ModelProto) -> None:
    built.opset_import[0].version = 24


def giant(built: onnx.ModelProto) -> None:
    built.graph.initializer.add(name="huge", data_type=1, dims=[1 << 20, 1 << 20])


def many_nodes(built: onnx.ModelProto) -> None:
    built.graph.node.extend([helper.make_node("Identity", ["x"], [f"y{i}"]) for i in range(20_001)])


def other_size(built: onnx.ModelProto) -> None:
    built.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 640


def any_size(built: onnx.ModelProto) -> None:
    built.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"


def second_input(built: onnx.ModelProto) -> None:
    built.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def wrong_output(built: onnx.ModelProto) -> None:
    built.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5


def no_scores(built: onnx.ModelProto) -> None:
    del built.graph.output[1]


def local_function(built: onnx.ModelProto) -> None:
    built.functions.append(helper.make_function("ai.onnx", "F", [], [], [], [helper.make_opsetid("", 17)]))


def dangling(built: onnx.ModelProto) -> None:
    built.graph.node[3].input[0] = "nowhere"


@pytest.mark.parametrize(
    ("change", "check", "found"),
    [
        (custom_domain, "op_domains", "ai.onnx.contrib"),
        (loop, "control_flow", "Loop"),
        (hidden_loop, "control_flow", "If, Scan"),
        (new_opset, "opset", "24"),
        (giant, "initialiser_bytes", "4398046"),
        (many_nodes, "node_count", "20036"),
        (other_size, "input_shape", "uint8[2, 3, 576, 640]"),
        (any_size, "input_shape", "uint8[2, 3, 576, 'width']"),
        (second_input, "input_shape", "float32[1]"),
        (wrong_output, "output_shapes", "boxes float32['people', 5]"),
        (no_scores, "output_shapes", "labels"),
        (local_function, "local_functions", "1"),
        (external_training, "training_info", "1"),
        (dangling, "valid", "nowhere"),
    ],
)
def test_each_check_refuses_what_it_is_there_for(example: Path, task: Task, change: Change, check: str, found: str) -> None:
    vetting = vet(changed(example, change), task)
    assert found in failures(vetting)[check]
    assert not vetting.passed


def test_all_faults_are_reported_at_once(example: Path, task: Task) -> None:
    def several(built: onnx.ModelProto) -> None:
        for change in (custom_domain, loop, other_size):
            change(built)

    with pytest.raises(SubmissionError) as caught:
        vet(changed(example, several), task).require()
    lines = str(caught.value).splitlines()
    assert {line.split()[2] for line in lines} >= {"op_domains", "control_flow", "input_shape"}
    assert all(line.startswith("changed.onnx: check ") and line.count(";") == 2 for line in lines)


def test_a_loop_is_let_through_where_the_task_allows_it(example: Path, task: Task) -> None:
    accepts = task.accepts.model_copy(update={"control_flow": ("Loop",)})
    vetting = vet(changed(example, loop), task.model_copy(update={"accepts": accepts}))
    assert "control_flow" not in failures(vetting)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K*.", b"PK\x03\x04", b"\x00" * 500])
def test_what_is_no_model(tmp_path: Path, task: Task, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert set(failures(vet(path, task))) & {"size", "parse", "opset"}


def test_text_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("not a model")
    assert "unreadable" in inspect_model(path, trusted=True)


def test_size_and_missing_file(example: Path, task: Task, tmp_path: Path) -> None:
    accepts = task.accepts.model_copy(update={"max_mb": 0.001})
    found = failures(vet(example, task.model_copy(update={"accepts": accepts})))
    assert set(found) == {"size", "parse"}
    with pytest.raises(SubmissionError, match="cannot be read"):
        vet(tmp_path / "none.onnx", task)


def test_a_model_that_is_costly_to_parse_hurts_only_the_sandbox(tmp_path: Path, task: Task) -> None:
    # 6 MB of empty nodes: each two bytes become an object of more than a hundred.
    path = tmp_path / "model.onnx"
    graph = b"\x0a\x00" * 3_000_000
    size, prefix = len(graph), b""
    while size:
        prefix += bytes([(size & 127) | (128 if size > 127 else 0)])
        size >>= 7
    path.write_bytes(b"\x3a" + prefix + graph)
    found = failures(vet(path, task))
    assert found["parse"] == "more than 1000000 nodes"
