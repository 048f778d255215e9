"""What MLflow keeps of a run, also when the run is killed and started again."""

from __future__ import annotations

import dataclasses

import pytest

from experiments.tracking import Dataset, Record, client, finish, log_run, register, registered

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the libraries that MLflow imports
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.xdist_group("mlflow"),
]
RECORD = Record(
    experiment="a_pilot",
    run_id="f" * 64,
    parameters={"method": "diff_in_diff", "seed": 7},
    metrics={"effect_relative": 0.1, "effect_relative_lower": -0.1, "effect_relative_upper": 0.3},
    tags={"plan_hash": "e" * 64, "code_version": "0.1.0+abc"},
    datasets=(Dataset("counts.csv", "d" * 64, "counts.csv", 12),),
    artifacts={"plan.json": b"{}", "effect.png": b"\x89PNG"},
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    return f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts"


def runs(uri: str, name: str = "a_pilot"):
    found = client(uri)
    return found.search_runs([found.get_experiment_by_name(name).experiment_id])


def test_everything_of_a_record_is_kept(store):
    uri, artifacts = store
    run_id = log_run(uri, artifacts, RECORD)
    finish(uri, run_id, {"lake_snapshot": "3"})
    run = client(uri).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"method": "diff_in_diff", "seed": "7"}
    assert run.data.metrics == dict(RECORD.metrics)
    assert run.data.tags["plan_hash"] == "e" * 64 and run.data.tags["lake_snapshot"] == "3"
    assert run.inputs.dataset_inputs[0].dataset.name == "counts.csv"
    assert run.data.tags["testbed.sha256.counts.csv"] == "d" * 64
    assert sorted(f.path for f in client(uri).list_artifacts(run_id)) == ["effect.png", "plan.json"]


def test_a_finished_run_is_not_logged_again_and_is_closed_once(store):
    uri, artifacts = store
    first = log_run(uri, artifacts, RECORD)
    finish(uri, first, {"lake_snapshot": "99"})
    assert log_run(uri, artifacts, RECORD) == first
    assert client(uri).get_run(first).data.tags["lake_snapshot"] == "3"
    assert len(runs(uri)) == 1


def test_a_run_that_was_left_open_is_logged_anew(store):
    uri, artifacts = store
    record = dataclasses.replace(RECORD, experiment="killed")
    left_open = log_run(uri, artifacts, record)
    again = log_run(uri, artifacts, record)
    assert again != left_open
    finish(uri, again, {})
    assert [run.info.run_id for run in runs(uri, "killed")] == [again]


def test_a_model_is_logged_with_its_signature(store, tmp_path):
    import onnx
    from onnx import TensorProto, helper

    shape = [1, 3, 8, 8]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    uri, artifacts = store
    run_id = log_run(uri, artifacts, dataclasses.replace(RECORD, experiment="a_task", model=path))
    finish(uri, run_id, {})
    run = client(uri).get_run(run_id)
    assert run.info.status == "FINISHED"
    model = client(uri).get_logged_model(run.outputs.model_outputs[0].model_id)
    assert model.status == "READY"


def test_a_document_is_registered_once_and_found_by_name_and_version(store):
    uri, artifacts = store
    first = dataclasses.replace(RECORD, experiment="calibration_x", run_id="1" * 64)
    assert register(uri, artifacts, "x", b'{"a": 1}', first) == 1
    assert register(uri, artifacts, "x", b'{"a": 1}', first) == 1
    assert register(uri, artifacts, "x", b'{"a": 2}', dataclasses.replace(first, run_id="2" * 64)) == 2
    assert registered(uri, "x", 1) == (1, b'{"a": 1}') and registered(uri, "x") == (2, b'{"a": 2}')
    assert registered(uri, "y") == ["x@1", "x@2"] and registered(uri, "x", 3) == ["x@1", "x@2"]
