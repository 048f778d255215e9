"""Run one pilot: load, lock the plan, gather the feeds through the gate, judge, record, publish.

The run's id is a digest of everything that decides its figures: the pilot file, the bytes of its sources, the contracts,
the instant they are judged at, the keys looked up in the lake, and the code. The same inputs are the same run, and a run that
is the pilot's newest is not published again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from analytics.lake import Connection, Snapshot, open_lake, publish, published, retry, transaction
from data_contracts.contract import load_contract
from experiments.outcome import Panel
from experiments.pilot import Pilot, find_pilot, load_pilot
from experiments.plan import Deviation, deviations, plan_hash, plan_of
from experiments.settings import Settings
from experiments.tracking import Dataset, Record, finish, log_run
from flows.audited import of_feed
from flows.check_reports import run_pages
from flows.context import Others, full_name, judged_at, order_of, others_of, published_for
from flows.feeds import (
    Source,
    analyse,
    code_version,
    contract_digest,
    digest_of,
    drawn_digests,
    find_source,
    receive,
    report_of,
    resolve,
    sweep,
)
from flows.follow import collected, follow_pilot, followed
from flows.judge import Judgement, judge
from flows.open_data import open_data, open_data_terms
from flows.orchestrate import Directly, Steps, by_prefect
from flows.quarantine import repairs_of
from flows.stream_feeds import is_followed, refuse_twins

Progress = Callable[[str], None]
Repairs = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Gathered:
    """What one feed brought.

    Attributes:
        source: Where it came from.
        raw: Folder of the raw contract's check; None when the feed has no reader.
        result: Folder of the result contract's check.
        open_data: Folder of the open-data contract's check.
    """

    source: Source
    raw: Path | None
    result: Path
    open_data: Path

    def checks(self) -> list[tuple[str, Path, dict[str, Any]]]:
        """Stage, folder and report of each check that was made, in order."""
        stages = [("raw", self.raw), ("result", self.result), ("open_data", self.open_data)]
        return [(stage, folder, report_of(folder)) for stage, folder in stages if folder is not None]


def run_pilot(
    name: str,
    settings: Settings,
    *,
    orchestrated: bool = True,
    now: datetime | None = None,
    progress: Progress = lambda _: None,
    for_s: float = 0.0,
    stop: Event | None = None,
) -> dict[str, Any]:
    """Run a pilot and publish what came out.

    Args:
        name: Id of the pilot, or the path of its file.
        settings: Where everything is kept.
        orchestrated: By Prefect; otherwise each step runs directly in this process.
        now: The instant that counts as now.
        progress: Called with a line for every step.
        for_s: How long streams are followed before what they brought so far is judged; 0 for not at all. [s]
        stop: Ends the following when set, as Ctrl-C does; nothing is judged then.

    Returns:
        The document of `testbed run --json`, with `status` `published`, `stopped` by the gate, or `followed` where it was
        told to stop while it followed a stream, and `title`, `answer`, `reused` and the like beside its keys.

    Raises:
        PilotError: The pilot does not exist or its file is wrong.
        ContractError, SourceError: A contract or a source cannot be used.
    """
    path = find_pilot(name, settings.pilots)
    pilot = load_pilot(path)
    resolve(pilot, path)
    order = order_of(pilot)
    read = {i: find_source(feed, settings, str(path)) for i, feed in enumerate(pilot.feeds) if not is_followed(feed)}
    refuse_twins(pilot, {i: (source.name, source.digest) for i, source in read.items()}, str(path))
    started = now or datetime.now(UTC)
    with open_lake(settings.catalog, settings.lake_files) as connection:
        if len(read) < len(pilot.feeds) and for_s > 0:
            locked, changes = _lock(connection, pilot, started)
            intervals, told_to_stop = follow_pilot(
                connection, pilot, settings, str(path), for_s=for_s, stop=stop or Event(), progress=progress
            )
            if told_to_stop:
                return followed(pilot, locked, changes, intervals)
        sources = [read.get(i) or collected(connection, pilot, i, settings, str(path)) for i in range(len(pilot.feeds))]
        repairs = repairs_of(connection, pilot.id)
        at, looked_up = judged_at(pilot, started), published_for(connection, pilot, settings.cache)
        audits = [
            of_feed(connection, feed.params, source.location) if feed.analytic == "count_crossings" else None
            for feed, source in zip(pilot.feeds, sources, strict=True)
        ]
        run_id = _run_id(pilot, sources, repairs, at, looked_up, [audit[0] if audit else None for audit in audits])
        done = published(connection, pilot.id, run_id)
        if done is not None:
            progress(f"{pilot.id}: nothing has changed since run {run_id[:8]}")
            document = _document(done)
            finish(settings.mlflow_uri, document["mlflow_run_id"], {"lake_snapshot": str(done.snapshot_id)})
            return {**document, "reused": True}
        sweep(settings.cache)
        locked, changes = _lock(connection, pilot, started)

        def work(steps: Steps) -> dict[str, Any]:
            given = {name: list(folders) for name, folders in looked_up.items()}
            brought = {
                i: _gather(steps, pilot, i, sources[i], settings, progress, repairs, at, given, audits[i]) for i in order
            }
            gathered = [brought[i] for i in range(len(sources))]
            progress(f"{pilot.id}: judging")
            said = [audit[1] for audit in audits if audit]
            judgement = judge(pilot, [g.result for g in gathered], said)
            progress(f"{pilot.id}: recording and publishing")
            return _record(connection, steps, pilot, gathered, judgement, run_id, locked, changes, started, settings)

        return by_prefect(pilot.id, work, settings) if orchestrated else work(Directly())


def _run_id(pilot: Pilot, sources: list[Source], repairs: Repairs, at: datetime, looked_up: Others, audits: list[Any]) -> str:
    names = {n for feed in pilot.feeds for n in (feed.raw_contract, feed.contract) if n} | {"open_counts"}
    digests = {name: contract_digest(name) for name in sorted(names)}
    given = [s.digest for s in sources], digests, code_version(), repairs, at.isoformat(), _digests(looked_up)
    drawn = [drawn_digests(feed) for feed in pilot.feeds]
    return digest_of(pilot.model_dump(mode="json"), *given, audits, drawn)


def _digests(others: Others) -> dict[str, list[str]]:
    """A step's folder is named after all that its rows depend on."""
    return {name: [Path(folder).name for folder in folders] for name, folders in sorted(others.items())}


def _document(done: Snapshot) -> dict[str, Any]:
    return {**json.loads(done.result), "snapshot_id": done.snapshot_id}


def _lock(connection: Connection, pilot: Pilot, now: datetime) -> tuple[str, list[Deviation]]:
    """Lock the plan at the first run; later, list what has changed since. Returns the locked plan's hash."""
    plan = plan_of(pilot)

    def work() -> tuple[str, str]:
        with transaction(connection):
            query = "SELECT plan_hash, plan FROM lake.plans WHERE pilot_id = ? ORDER BY locked_at LIMIT 1"
            row = connection.execute(query, [pilot.id]).fetchone()
            if row is None:
                row = (plan_hash(plan), json.dumps(plan, sort_keys=True))
                connection.execute("INSERT INTO lake.plans VALUES (?, ?, ?, ?)", [pilot.id, *row, now])
        return str(row[0]), str(row[1])

    locked_hash, locked = retry(work)
    return locked_hash, deviations(json.loads(locked), plan)


def _gather(
    steps: Steps,
    pilot: Pilot,
    number: int,
    source: Source,
    settings: Settings,
    progress: Progress,
    repairs: Repairs,
    at: datetime,
    given_rows: Others,
    audit: tuple[dict[str, Any] | None, dict[str, Any]] | None,
) -> Gathered:
    """Bring in one feed; its accepted rows are added to `given_rows`, for the relationships of those that follow."""
    feed, now = pilot.feeds[number], at.isoformat()
    described = feed.model_dump(mode="json")
    cache_folder = str(settings.cache)
    raw = None
    given, key = source.location, digest_of(source.digest, code_version())
    if feed.reader is not None and feed.raw_contract is not None:
        progress(f"{pilot.id}: reading {source.name}")
        mended = repairs.get(feed.raw_contract, [])
        others = others_of(feed.raw_contract, given_rows)
        key = digest_of(key, feed.reader, contract_digest(feed.raw_contract), mended, now, _digests(others))
        asked = {**described, "params": {}, "source": source.name, "contract": ""}
        judged = {"repairs": mended, "now": now, "others": others}
        folder = steps.run(receive, feed=asked, source=asdict(source), key=key, cache_folder=cache_folder, **judged)
        raw = Path(folder)
        given_rows.setdefault(full_name(load_contract(feed.raw_contract)), []).append(folder)
        given = str(raw)
    progress(f"{pilot.id}: {feed.analytic}")
    mended = repairs.get(feed.contract, [])
    others = others_of(feed.contract, given_rows)
    asked_of = contract_digest(feed.contract), mended, now, _digests(others), audit and audit[0], drawn_digests(feed)
    key = digest_of(key, feed.analytic, feed.params, pilot.timezone, *asked_of)
    folder = steps.run(
        analyse,
        feed=described,
        source=given,
        is_table=raw is not None,
        timezone=pilot.timezone,
        key=key,
        cache_folder=cache_folder,
        repairs=mended,
        now=now,
        others=others,
        audit=audit[0] if audit else None,
    )
    given_rows.setdefault(full_name(load_contract(feed.contract)), []).append(folder)
    asked = {"contract": feed.contract, **open_data_terms(pilot), "now": now}
    key = digest_of(key, "open_data", asked, contract_digest("open_counts"))
    leaving = steps.run(open_data, result=folder, **asked, key=key, cache_folder=cache_folder)
    return Gathered(source, raw, Path(folder), Path(leaving))


def _record(
    connection: Connection,
    steps: Steps,
    pilot: Pilot,
    gathered: list[Gathered],
    judgement: Judgement,
    run_id: str,
    locked: str,
    changes: list[Deviation],
    started: datetime,
    settings: Settings,
) -> dict[str, Any]:
    """Log the run in MLflow, publish it in the lake in one transaction, and close it in MLflow."""
    checks = [(stage, folder, report) for g in gathered for stage, folder, report in g.checks()]
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
        "status": status,
        "title": pilot.title,
        "rule": judgement.verdict.rule,
        "answer": answer,
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
