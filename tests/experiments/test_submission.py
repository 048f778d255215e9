from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from experiments.example_model import CARD, write_example
from experiments.submission import (
    Card,
    Evaluation,
    SubmissionError,
    Vetting,
    evaluate,
    keep_secret,
    load_card,
    load_kept,
    store,
    vet,
)
from experiments.task import Task, TaskError, find_task

Change = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def task() -> Task:
    """The built-in task with short clips."""
    document = find_task("count_crossings").model_dump(mode="json")
    document["video"].update(seconds=12, dev=document["video"]["dev"][:2], sealed=["scene:street?light=crowd"] * 2)
    return Task.model_validate(document)


@pytest.fixture
def example(tmp_path: Path, task: Task) -> Path:
    return write_example(tmp_path / "example.onnx", width=task.video.width, height=task.video.height)


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


def test_store_keeps_by_digest_and_nothing_twice(example: Path, task: Task, tmp_path: Path) -> None:
    folder, card = tmp_path / "submissions", load_card(CARD)
    first = store(example, card, vet(example, task), task, folder)
    assert first == store(example, card, vet(example, task), task, folder)
    assert first.submission_id == f"count_crossings_{first.sha256[:12]}"
    assert load_kept(first.submission_id, folder) == ("count_crossings", first)
    assert sorted(path.name for path in first.model.parent.iterdir()) == ["card.yaml", "model.onnx"]
    for unknown in ("count_crossings_ffffffffffff", "../../etc", "count_crossings_*"):
        with pytest.raises(SubmissionError, match="is unknown"):
            load_kept(unknown, folder)
    first.model.chmod(0o644)
    first.model.write_bytes(b"other")
    with pytest.raises(SubmissionError, match="has changed"):
        load_kept(first.submission_id, folder)


def test_only_what_was_vetted_is_stored(example: Path, task: Task, tmp_path: Path) -> None:
    card, vetting = load_card(CARD), vet(example, task)
    bad = vet(changed(example, loop), task)
    with pytest.raises(SubmissionError, match="check control_flow failed"):
        store(example, card, bad, task, tmp_path / "kept")
    example.write_bytes(example.read_bytes() + b" ")
    with pytest.raises(SubmissionError, match="not the one that was vetted"):
        store(example, card, vetting, task, tmp_path / "kept")
    assert not list((tmp_path / "kept").rglob("*.onnx"))


def test_card_faults_are_reported_at_once(tmp_path: Path) -> None:
    document = load_card(CARD).model_dump()
    del document["licence"]
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump({**document, "vendr": "x", "decodes": "pickle"}), encoding="utf-8")
    with pytest.raises(SubmissionError) as caught:
        load_card(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert any("did you mean 'vendor'?" in line for line in lines)
    assert any("'licence' is missing" in line for line in lines)
    for text in ("", "a: [", "- 1"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SubmissionError):
            load_card(path)


def test_every_card_loads() -> None:
    cards = sorted(CARD.parent.glob("*.yaml"))
    assert CARD in cards
    assert all(isinstance(load_card(path), Card) for path in cards)


def test_the_secret_is_made_once_and_for_this_user_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "sealed_secret"
    secret = keep_secret(path)
    assert len(secret) == 64
    assert keep_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["sealed_secret"]


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


def test_the_sealed_split_needs_the_secret_and_vetting_comes_first(example: Path, task: Task) -> None:
    with pytest.raises(TaskError, match="no secret"):
        evaluate(example, task, "sealed", seed=1, trusted=True)
    with pytest.raises(SubmissionError, match="check control_flow failed"):
        evaluate(changed(example, loop), task, "dev", seed=1, trusted=True)
