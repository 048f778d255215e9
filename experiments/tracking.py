"""What every run leaves in MLflow: parameters, metrics with interval ends, datasets with digests, artifacts and tags.

A run is found again by its tag `testbed.run_id`. A run that a killed process left open is deleted and logged anew, so that
the store ends as if nothing had happened.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_TAG = "testbed.run_id"
MODEL_FILE = "model.json"
"""The artifact of a run that is a registered document."""


@dataclass(frozen=True)
class Dataset:
    """One input of a run.

    Attributes:
        name: Name of the source, as the pilot file gives it.
        digest: SHA-256 of its bytes.
        source: Where it came from.
        rows: Rows read from it; None when it has none (a video).
    """

    name: str
    digest: str
    source: str
    rows: int | None = None


@dataclass(frozen=True)
class Record:
    """All that is logged of a run.

    Attributes:
        experiment: Name of the MLflow experiment: the pilot's or the task's id.
        run_id: The test bed's own id of the run.
        parameters: What the run was asked to do.
        metrics: What came out; a figure's interval ends are metrics of their own, `<name>_lower` and `<name>_upper`.
        tags: Plan hash, code version, contract versions, verdict.
        datasets: The inputs.
        artifacts: File name -> content.
        model: An ONNX file to log as a model with its signature; None when there is none.
    """

    experiment: str
    run_id: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[Dataset, ...] = ()
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    model: Path | None = None


def client(uri: str) -> MlflowClient:
    """A client of the tracking store; a SQLite store that does not exist yet is made whole or not at all.

    Args:
        uri: Tracking URI, such as `sqlite:////srv/testbed/mlflow.db`.
    """
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    path = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    if path is not None and not path.exists():
        # a process killed while MLflow builds its tables would leave a store that no later process can open
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            unfinished = Path(folder) / "mlflow.db"
            mlflow.MlflowClient(tracking_uri=f"sqlite:///{unfinished}").search_experiments()
            unfinished.rename(path)
    return mlflow.MlflowClient(tracking_uri=uri)


def log_run(uri: str, artifacts: Path, record: Record) -> str:
    """Log a run and leave it open; `finish` closes it once its results are published.

    Args:
        uri: Tracking URI.
        artifacts: Folder for the artifacts of experiments made here.
        record: What to log.

    Returns:
        MLflow's id of the run; the one logged before when the run was finished already.
    """
    from mlflow.entities import Dataset as MlflowDataset
    from mlflow.entities import DatasetInput, Metric, Param, RunTag

    store = client(uri)
    experiment = store.get_experiment_by_name(record.experiment)
    if experiment is None:
        location = (artifacts / record.experiment).resolve().as_uri()
        experiment_id = store.create_experiment(record.experiment, artifact_location=location)
    else:
        experiment_id = experiment.experiment_id
    for run in store.search_runs([experiment_id], f"tags.`{RUN_TAG}` = '{record.run_id}'"):
        if run.info.status == "FINISHED":
            return str(run.info.run_id)
        store.delete_run(run.info.run_id)
    run = store.create_run(
        experiment_id, tags={RUN_TAG: record.run_id, **record.tags}, run_name=f"{record.experiment} {record.run_id[:8]}"
    )
    run_id = str(run.info.run_id)
    started = run.info.start_time
    store.log_batch(
        run_id,
        metrics=[Metric(name, float(value), started, 0) for name, value in record.metrics.items()],
        params=[Param(name, str(value)[:6000]) for name, value in record.parameters.items()],
        tags=[RunTag("mlflow.source.name", "testbed")],
    )
    inputs = [
        DatasetInput(
            MlflowDataset(
                name=dataset.name[:500],
                digest=dataset.digest[:36],
                source_type="local",
                source=dataset.source,
                profile="" if dataset.rows is None else f'{{"rows": {dataset.rows}}}',
            ),
            tags=[],
        )
        for dataset in record.datasets
    ]
    if inputs:
        store.log_inputs(run_id, datasets=inputs)
    for dataset in record.datasets:
        name = re.sub(r"[^\w\-. :/]", "_", dataset.name)  # a rendered scene's name holds '?' and '&', which a tag may not
        store.set_tag(run_id, f"testbed.sha256.{name}"[:250], dataset.digest)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in record.artifacts.items():
            (Path(folder) / name).write_bytes(content)
        if record.artifacts:
            store.log_artifacts(run_id, folder)
    if record.model is not None:
        _log_model(uri, run_id, record.model)
    return run_id


def finish(uri: str, mlflow_run_id: str, tags: Mapping[str, str]) -> None:
    """Close a run after its results were published; closing twice changes nothing.

    Args:
        uri: Tracking URI.
        mlflow_run_id: From `log_run`.
        tags: What is known only now, such as the lake's snapshot.
    """
    store = client(uri)
    if store.get_run(mlflow_run_id).info.status == "FINISHED":
        return
    for name, value in tags.items():
        store.set_tag(mlflow_run_id, name, value)
    store.set_terminated(mlflow_run_id, "FINISHED")


def _log_model(uri: str, run_id: str, path: Path) -> None:
    """Log an ONNX file with its signature; it is parsed, never run."""
    import mlflow
    import numpy as np
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    graph = onnx.load(path, load_external_data=False)

    def specs(values: Any) -> Schema:
        return Schema(
            [
                TensorSpec(
                    np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
                    tuple(size.dim_value or -1 for size in value.type.tensor_type.shape.dim),
                    value.name,
                )
                for value in values
            ]
        )

    os.environ.setdefault("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    with mlflow.start_run(run_id=run_id), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own
        mlflow.onnx.log_model(
            graph,
            name="model",
            signature=ModelSignature(inputs=specs(graph.graph.input), outputs=specs(graph.graph.output)),
            pip_requirements=["onnxruntime"],
        )
    client(uri).update_run(run_id, status="RUNNING")


def register(uri: str, artifacts: Path, name: str, document: bytes, record: Record) -> int:
    """Register a JSON document, such as a calibration, as a version of a model; the same document is the same version.

    Args:
        uri: Tracking URI.
        artifacts: Folder for the artifacts of experiments made here.
        name: Name of the registered model.
        document: The document.
        record: What its run logs beside it; `run_id` tells documents apart.

    Returns:
        The version, from 1.
    """
    from mlflow.exceptions import MlflowException

    store = client(uri)
    run_id = log_run(uri, artifacts, replace(record, artifacts={**record.artifacts, MODEL_FILE: document}))
    finish(uri, run_id, {})
    try:
        store.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = [version for version in _versions(store, name) if version.run_id == run_id]
    if known:
        return int(known[0].version)
    source = f"{store.get_run(run_id).info.artifact_uri}/{MODEL_FILE}"
    return int(store.create_model_version(name, source, run_id=run_id, tags={RUN_TAG: record.run_id}).version)


def registered(uri: str, name: str, version: int | None = None) -> tuple[int, bytes] | list[str]:
    """A registered document and its version.

    Args:
        uri: Tracking URI.
        name: Name of the registered model.
        version: Which; the newest where None.

    Returns:
        Version and document; where there is no such version, the names with their versions that there are.
    """
    store = client(uri)
    found = [one for one in _versions(store, name) if version is None or int(one.version) == version]
    if not found:
        models = store.search_registered_models(max_results=100)
        return [f"{one.name}@{kept.version}" for one in models for kept in _versions(store, one.name)]
    newest = max(found, key=lambda one: int(one.version))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(store.download_artifacts(newest.run_id, MODEL_FILE, folder))
        return int(newest.version), file.read_bytes()


def _versions(store: MlflowClient, name: str) -> list[Any]:
    return sorted(store.search_model_versions(f"name = '{name}'"), key=lambda one: int(one.version))
