"""Record a run: MLflow remembers it, and the lake gets all of it in one transaction."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from analytics.lake import Connection, publish
from experiments.outcome import Panel, observed
from experiments.pilot import Pilot
from experiments.plan import Deviation, plan_of
from experiments.settings import Settings
from experiments.tracking import Dataset, Record, finish, log_run
from flows.check_reports import run_pages
from flows.digests import code_version
from flows.figures import Figured
from flows.gather import Gathered
from flows.judge import Judgement
from flows.orchestrate import Steps


def record_run(
    connection: Connection,
    steps: Steps,
    pilot: Pilot,
    gathered: list[Gathered],
    figures: list[Figured],
    judgement: Judgement,
    run_id: str,
    locked: str,
    changes: list[Deviation],
    started: datetime,
    settings: Settings,
) -> dict[str, Any]:
    """Log the run in MLflow, publish it in the lake in one transaction, and close it in MLflow."""
    checks = [check for g in gathered for check in g.checks()] + [check for one in figures for check in one.checks()]
    stopped = not all(report["passed"] for _, _, report in checks)
    status = "stopped" if stopped else "published"
    effect = judgement.effect.to_dict() if judgement.effect is not None and not stopped else None
    failed = [
        rule for _, _, report in checks for rule in report["rules"] if rule["status"] != "passed" and rule["severity"] == "must"
    ]
    answer = judgement.verdict.answer
    if stopped:
        answer = "The gate stopped this run: " + "; ".join(f"{rule['rule']}: {rule['reason']}" for rule in failed)
    if any(g.source.location.startswith("scene:") for g in gathered):
        answer += " The street in the picture is rendered, not real."
    if any(g.source.location.startswith("network:") for g in gathered):
        answer += " The sensors and what they read are rendered, not real."
    document: dict[str, Any] = {
        "pilot": pilot.id,
        "run_id": run_id,
        "plan_hash": locked,
        "snapshot_id": None,
        "mlflow_run_id": None,
        "rows": sum(report["accepted"] for stage, _, report in checks if stage == "result"),
        "quarantined": sum(report["quarantined"] for stage, _, report in checks if stage != "open_data"),
        "effect": effect,
        "verdict": "stopped" if stopped else judgement.verdict.word,
        "deviations": [asdict(change) for change in changes],
        "repairs_not_applied": _not_applied(checks),
        "refused": _refused(checks),
        "status": status,
        "title": pilot.title,
        "rule": judgement.verdict.rule,
        "answer": answer,
        "observed": observed(pilot),
        "sources": [asdict(g.source) for g in gathered],
        **judgement.details(),
    }
    record = Record(
        experiment=pilot.id,
        run_id=run_id,
        parameters={"method": pilot.method, "seed": pilot.seed, "sources": json.dumps([g.source.name for g in gathered])}
        | {f"feed.{i}.{k}": v for i, feed in enumerate(pilot.feeds) for k, v in feed.params.items()},
        metrics=judgement.metrics() | {"rows": document["rows"], "quarantined": document["quarantined"]},
        tags={
            "plan_hash": locked,
            "code_version": code_version(),
            "verdict": document["verdict"],
            "status": status,
            "deviations": str(len(changes)),
            **{f"contract.{report['contract']}": report["version"] for _, _, report in checks},
        },
        datasets=tuple(
            Dataset(g.source.name, g.source.digest, g.source.location, g.checks()[0][2]["rows"] if g.raw else None)
            for g in gathered
        ),
        artifacts={
            "plan.json": json.dumps(plan_of(pilot), indent=2, ensure_ascii=False).encode(),
            "result.json": json.dumps(document, indent=2, ensure_ascii=False).encode(),
            **{f"gate_{stage}_{report['contract']}.json": json.dumps(report, indent=2).encode() for stage, _, report in checks},
            **run_pages(connection, pilot.id, run_id, checks, started),
            **{
                f"expectations_{stage}_{report['contract']}.json": (folder / "expectations.json").read_bytes()
                for stage, folder, report in checks
            },
            **judgement.artifacts(pilot),
        },
    )
    steps.report(f"{pilot.id}_gate", _gate_report(checks))
    steps.report(f"{pilot.id}_verdict", f"# {pilot.title.get('en', pilot.id)}\n\n**{document['verdict']}**: {answer}\n")
    mlflow_run_id = log_run(settings.mlflow_uri, settings.home / "mlflow", record)
    document["mlflow_run_id"] = mlflow_run_id
    row = {
        "pilot_id": pilot.id,
        "run_id": run_id,
        "status": status,
        "plan_hash": locked,
        "code_version": code_version(),
        "mlflow_run_id": mlflow_run_id,
        "source": ", ".join(g.source.name for g in gathered),
        "result": json.dumps(document),
        "started_at": started,
    }
    snapshot = publish(connection, row, _tables(connection, gathered, judgement, checks, changes, stopped))
    finish(settings.mlflow_uri, mlflow_run_id, {"lake_snapshot": str(snapshot)})
    return {**document, "snapshot_id": snapshot, "reused": False}


def _not_applied(checks: list[tuple[str, Path, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Repaired rows that wait in vain: no feed delivers the row that they were made from any more."""
    lost: dict[str, set[int]] = {}
    for _, _, report in checks:
        if report["repairs"]:
            rows = set(report["repairs_not_applied"])
            lost[report["contract"]] = lost.get(report["contract"], rows) & rows
    return [{"contract": name, "source_rows": sorted(rows)} for name, rows in sorted(lost.items()) if rows]


def _tables(
    connection: Connection,
    gathered: list[Gathered],
    judgement: Judgement,
    checks: list[tuple[str, Path, dict[str, Any]]],
    changes: list[Deviation],
    stopped: bool,
) -> dict[str, str]:
    """Lake table -> query. A stopped run leaves its checks, its quarantine and its deviations, nothing else."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE run_checks (stage VARCHAR, contract VARCHAR, version VARCHAR, rows BIGINT, "
        "accepted BIGINT, quarantined BIGINT, passed BOOLEAN, report VARCHAR)"
    )
    connection.executemany(
        "INSERT INTO run_checks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            [
                stage,
                *(report[k] for k in ("contract", "version", "rows", "accepted", "quarantined", "passed")),
                json.dumps(report),
            ]
            for stage, _, report in checks
        ],
    )
    connection.execute("CREATE OR REPLACE TEMP TABLE run_deviations (field VARCHAR, locked VARCHAR, found VARCHAR)")
    if changes:
        connection.executemany("INSERT INTO run_deviations VALUES (?, ?, ?)", [list(asdict(c).values()) for c in changes])
    tables = {
        "checks": "FROM run_checks",
        "deviations": "FROM run_deviations",
        "quarantine": " UNION ALL ".join(
            f"SELECT '{report['contract']}' AS contract, '{report['version']}' AS version, * "
            f"FROM read_parquet('{folder}/quarantined.parquet')"
            for _, folder, report in checks
        ),
    }
    if stopped:
        return tables
    for stage, folder, report in checks:
        if stage != "raw":
            query = f"SELECT * FROM read_parquet('{folder}/accepted.parquet')"
            name = report["contract"]
            tables[name] = f"{tables[name]} UNION ALL {query}" if name in tables else query
    if judgement.panel is not None and judgement.effect is not None:
        _outcomes(connection, judgement.panel, judgement)
        tables["outcomes"] = "FROM run_outcomes"
    return tables


def _outcomes(connection: Connection, panel: Panel, judgement: Judgement) -> None:
    effect = judgement.effect
    assert effect is not None
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE run_outcomes (period_start DATE, treated DOUBLE, counterfactual DOUBLE, lower DOUBLE, "
        "upper DOUBLE, is_after BOOLEAN)"
    )
    rows = zip(panel.weeks.tolist(), panel.treated, effect.counterfactual, effect.band, panel.is_after, strict=True)
    connection.executemany(
        "INSERT INTO run_outcomes VALUES (?, ?, ?, ?, ?, ?)",
        [[week, float(t), float(c), float(c / b), float(c * b), bool(after)] for week, t, c, b, after in rows],
    )


def _refused(checks: list[tuple[str, Path, dict[str, Any]]]) -> dict[str, int]:
    """How many rows broke each rule of the raw and result contracts; a row may break several."""
    found: dict[str, int] = {}
    for stage, _, report in checks:
        for rule in report["rules"] if stage != "open_data" else ():
            if rule["failed_rows"]:
                found[rule["rule"]] = found.get(rule["rule"], 0) + int(rule["failed_rows"])
    return found


def _gate_report(checks: list[tuple[str, Path, dict[str, Any]]]) -> str:
    lines = ["| stage | contract | rows | accepted | quarantined | passed |", "|---|---|---|---|---|---|"]
    for stage, _, r in checks:
        lines.append(
            f"| {stage} | {r['contract']} {r['version']} | {r['rows']} | {r['accepted']} | {r['quarantined']} | {r['passed']} |"
        )
    for _, _, r in checks:
        lines.append(f"\n**{r['contract']}**\n\n| rule | severity | status | failed rows |\n|---|---|---|---|")
        lines.extend(f"| {x['rule']} | {x['severity']} | {x['status']} | {x['failed_rows']} |" for x in r["rules"])
    return "\n".join(lines)
