"""Vendors: submit, evaluate on sealed truth in the sandbox, rank. What ranks was scored by the city itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory, open_lake, retry, transaction
from data_contracts.contract import ContractError, load_contract
from experiments.evaluation import Evaluation, evaluate
from experiments.example_model import CARD, write_example
from experiments.leaderboard import Entry, check_budget, leaderboard
from experiments.sandbox import SubmissionError, choose_level
from experiments.settings import Settings
from experiments.submission import Kept, keep_secret, load_card, load_kept, store
from experiments.task import Task, find_task
from experiments.tracking import Dataset, Record, finish, log_run
from experiments.vetting import Vetting, vet
from flows.digests import code_version, digest_of
from flows.feeds import kept
from flows.judged_table import judge_table, report_of
from flows.orchestrate import Steps, by_prefect

SEED = 7
EXAMPLE_TASK = "count_crossings"
SECRET = "sealed_secret"
"""File in the test bed's home from which the sealed split's seeds follow."""

Progress = Callable[[str], None]


def submit_model(
    task_id: str, model: Path, card_file: Path, settings: Settings, *, now: datetime | None = None, trusted: bool = False
) -> dict[str, Any]:
    """Vet a model and keep it, or refuse it with every reason; both are remembered.

    Args:
        task_id: The task.
        model: The ONNX file.
        card_file: The model's card.
        settings: Where submissions are kept.
        now: The instant that counts as now.
        trusted: Whether the test bed itself vouches for the model.

    Returns:
        `submission`, `status` (`accepted` or `refused`), `reasons` and `vetting`.

    Raises:
        TaskError: The task is unknown.
        SubmissionError: A file cannot be read, or the vendor's budget is used up.
    """
    task, card = find_task(task_id, settings.tasks), load_card(card_file)
    at = now or datetime.now(UTC)
    vetting = vet(model, task, trusted=trusted)
    submission_id = f"{task.id}_{(vetting.sha256 or '0' * 64)[:12]}"
    with open_lake(settings.catalog, settings.lake_files) as connection:
        query = "SELECT submission_id, submitted_at FROM lake.submissions WHERE task = ? AND vendor = ?"
        past = connection.execute(query, [task.id, card.vendor]).fetchall()
        if submission_id not in {row[0] for row in past}:
            check_budget(card.vendor, [row[1] for row in past], task.budget, now=at)
        reasons = _refusals(vetting)
        if not reasons:
            store(model, card, vetting, task, settings.submissions)
        row = [submission_id, task.id, card.name, card.vendor, vetting.sha256, "refused" if reasons else "accepted"]
        row += ["; ".join(reasons), card.model_dump_json()]

        def remember() -> None:
            with transaction(connection):
                query = "SELECT status, submitted_at FROM lake.submissions WHERE submission_id = ?"
                known = connection.execute(query, [submission_id]).fetchone()
                if known is None or known[0] != row[5]:  # what was refused may be accepted by a better test bed
                    connection.execute("DELETE FROM lake.submissions WHERE submission_id = ?", [submission_id])
                    first = at if known is None else known[1]
                    connection.execute("INSERT INTO lake.submissions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [*row, first])

        retry(remember)
    return {
        "submission": submission_id,
        "status": "refused" if reasons else "accepted",
        "reasons": reasons,
        "vetting": asdict(vetting),
    }


def _refusals(vetting: Vetting) -> list[str]:
    try:
        vetting.require()
    except SubmissionError as error:
        return str(error).splitlines()
    return []


def evaluate_submission(
    submission_id: str, settings: Settings, *, progress: Progress = lambda _: None, trusted: bool = False
) -> dict[str, Any]:
    """Evaluate a kept submission on the sealed split, log it, and put its scores into the lake.

    Args:
        submission_id: From `submit_model`.
        settings: Where everything is kept.
        progress: Called with a line for every step.
        trusted: Whether the test bed itself vouches for the model.

    Returns:
        `submission`, `task`, `split`, `metrics`, `gates`, `sandbox_level`, `is_underpowered` and `mlflow_run_id`.

    Raises:
        SubmissionError: The submission is unknown, or fails in the sandbox.
    """
    task_id, submission = load_kept(submission_id, settings.submissions)
    task = find_task(task_id, settings.tasks)
    secret = keep_secret(settings.home / SECRET)
    level = choose_level(None, trusted=trusted)
    key = digest_of(task.model_dump(mode="json"), submission.sha256, secret, level, SEED, code_version())
    with open_lake(settings.catalog, settings.lake_files) as connection:
        found = connection.execute(
            "SELECT result FROM lake.evaluations WHERE submission_id = ? AND json_extract_string(result, '$.key') = ?",
            [submission_id, key],
        ).fetchone()
        if found is not None:
            document = json.loads(found[0])
            finish(settings.mlflow_uri, document["mlflow_run_id"], {})
            progress(f"{submission_id}: nothing has changed")
            return _shown(document)
        progress(f"{submission_id}: evaluating in the sandbox, level {level}")

        def work(steps: Steps) -> dict[str, Any]:
            asked: dict[str, Any] = {
                "model": str(submission.model),
                "task": task_id,
                "tasks": str(settings.tasks),
                "secret_file": str(settings.home / SECRET),
                "trusted": trusted,
                "level": level,
                "key": key,
                "cache_folder": str(settings.cache),
            }
            folder = Path(steps.run(evaluate_sealed, **asked))
            steps.report(f"{submission_id}_gate", json.dumps(report_of(folder), indent=2))
            return _record(connection, folder, submission, task, key, settings)

        return _shown(by_prefect(f"evaluate_{task_id}", work, settings))


def evaluate_sealed(
    model: str, task: str, tasks: str, secret_file: str, trusted: bool, level: Any, key: str, cache_folder: str
) -> str:
    """Run a model on the sealed split and let the contract `vendor_scores` judge the scores; returns the folder."""

    def build(folder: Path) -> None:
        secret = keep_secret(Path(secret_file))  # read here: an argument would be stored with the task's run
        done = evaluate(
            Path(model), find_task(task, Path(tasks)), "sealed", seed=SEED, secret=secret, level=level, trusted=trusted
        )
        (folder / "evaluation.json").write_text(json.dumps(done.to_dict()), encoding="utf-8")
        with memory() as connection:
            connection.execute(
                "CREATE TABLE scores (submission_id VARCHAR, task VARCHAR, split VARCHAR, metric VARCHAR, value DOUBLE, "
                "lower DOUBLE, upper DOUBLE, items INTEGER)"
            )
            name = f"{task}_{done.sha256[:12]}"
            connection.executemany(
                "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    [name, task, done.split, m, s.value, s.lower, s.upper, len(done.results.clips)]
                    for m, s in done.scores.items()
                ],
            )
            judge_table(connection, "scores", "vendor_scores", folder)

    return str(kept(Path(cache_folder), key, build))


def _record(connection: Connection, folder: Path, submission: Kept, task: Task, key: str, settings: Settings) -> dict[str, Any]:
    """Log an evaluation in MLflow with the model, then put it into the lake in one transaction."""
    report = report_of(folder)
    if not report["passed"]:
        raise ContractError(
            f"vendor_scores: the scores of '{submission.submission_id}' broke their contract; nothing was published"
        )
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    scores = evaluation["scores"]
    mlflow_run_id = log_run(
        settings.mlflow_uri,
        settings.home / "mlflow",
        Record(
            experiment=task.id,
            run_id=key,
            parameters={"submission": submission.submission_id, "name": submission.card.name, "split": evaluation["split"]},
            metrics={f"{m}{end}": s[k] for m, s in scores.items() for k, end in _ENDS.items()},
            tags={
                "model_sha256": submission.sha256,
                "code_version": code_version(),
                "sandbox_level": str(evaluation["sandbox_level"]),
                "contract.vendor_scores": load_contract("vendor_scores").version,
            },
            datasets=(Dataset(f"{task.id}_sealed", digest_of(evaluation["results"]["reference"]), "rendered street, sealed"),),
            artifacts={
                "card.json": submission.card.model_dump_json(indent=2).encode(),
                "gate.json": json.dumps(report, indent=2).encode(),
            },
            model=submission.model,
        ),
    )
    document = {
        "key": key,
        "submission": submission.submission_id,
        "mlflow_run_id": mlflow_run_id,
        "evaluation": evaluation,
    }
    at = datetime.now(UTC)

    def work() -> None:
        with transaction(connection):
            for table in ("evaluations", "scores"):
                connection.execute(f"DELETE FROM lake.{table} WHERE submission_id = ?", [submission.submission_id])
            connection.execute(f"INSERT INTO lake.scores BY NAME SELECT * FROM read_parquet('{folder}/accepted.parquet')")
            row = [submission.submission_id, task.id, evaluation["split"], evaluation["sandbox_level"], mlflow_run_id]
            row += [json.dumps(evaluation["gates"]), json.dumps(document), at]
            connection.execute("INSERT INTO lake.evaluations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    retry(work)
    finish(settings.mlflow_uri, mlflow_run_id, {})
    return document


_ENDS = {"value": "", "lower": "_lower", "upper": "_upper"}


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    evaluation = document["evaluation"]
    return {
        "submission": document["submission"],
        "task": evaluation["task"],
        "split": evaluation["split"],
        "metrics": evaluation["scores"],
        "gates": evaluation["gates"],
        "sandbox_level": evaluation["sandbox_level"],
        "is_underpowered": evaluation["is_underpowered"],
        "mlflow_run_id": document.get("mlflow_run_id"),
    }


def try_at_home(task_id: str, model: Path, settings: Settings, *, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Vet and score a model on the open split, as the city would; nothing is kept."""
    task = find_task(task_id, settings.tasks)

    def step(done: int, clips: int) -> None:
        progress(f"clip {done} of {clips}")

    done = evaluate(model, task, "dev", seed=SEED, trusted=True, progress=step)
    return _shown({"submission": model.name, "evaluation": done.to_dict()})


def leaderboard_of(task_id: str, settings: Settings) -> dict[str, Any]:
    """The leaderboard of a task's sealed split."""
    task = find_task(task_id, settings.tasks)
    with open_lake(settings.catalog, settings.lake_files) as connection:
        rows = connection.execute(
            "SELECT e.submission_id, s.name, e.result FROM lake.evaluations e JOIN lake.submissions s USING (submission_id) "
            "WHERE e.task = ? ORDER BY 1",
            [task.id],
        ).fetchall()
    entries = [Entry(str(i), str(name), Evaluation.from_dict(json.loads(result)["evaluation"])) for i, name, result in rows]
    return leaderboard(entries, task, "sealed", seed=SEED)


def evaluate_example(settings: Settings, *, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Build the example model, submit and evaluate it, and return the leaderboard it is on."""
    task = find_task(EXAMPLE_TASK, settings.tasks)
    model = write_example(settings.home / "example" / "frame_difference.onnx", width=task.video.width, height=task.video.height)
    submitted = submit_model(task.id, model, CARD, settings, trusted=True)
    if submitted["status"] != "accepted":
        raise SubmissionError("\n".join(submitted["reasons"]))
    evaluate_submission(submitted["submission"], settings, progress=progress, trusted=True)
    return leaderboard_of(task.id, settings)
