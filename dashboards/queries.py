"""What the pages read from the lake beside counts (`dashboards.disclosure`).

What is read is kept for the lake's snapshot it belongs to; a newer snapshot is read anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import streamlit as st

from analytics.lake import TABLES, Connection
from dashboards.reading import Row, read, records
from experiments.evaluation import Evaluation
from experiments.leaderboard import Entry, leaderboard
from experiments.metrics import ScoringError
from experiments.pilot import Pilot, PilotError, find_pilot, load_pilot
from experiments.settings import load_settings
from experiments.task import Split, Task, find_task


@dataclass(frozen=True)
class Run:
    """One run of a pilot.

    Attributes:
        pilot_id: The pilot.
        run_id: The run.
        status: `published` or `stopped`.
        plan_hash: Of the locked plan.
        code_version: Of the test bed that ran it.
        mlflow_run_id: Where MLflow keeps it.
        source: Where the data came from.
        published_at: When it came into the lake.
        snapshot_id: The lake's snapshot it came with.
        document: Its result.
        plan: The locked plan.
    """

    pilot_id: str
    run_id: str
    status: str
    plan_hash: str
    code_version: str
    mlflow_run_id: str
    source: str
    published_at: datetime
    snapshot_id: int | None
    document: Row
    plan: Row


@st.cache_data(ttl=2, show_spinner=False)
def newest_snapshot() -> int | None:
    """The lake's newest snapshot; None while there is no lake.

    Raises:
        LakeError: There is one, but it cannot be opened.
        SettingsError: A setting cannot be used.
    """
    kind, _, place = load_settings().catalog.partition(":")
    if kind == "sqlite" and not Path(place).is_file():
        return None

    def work(connection: Connection) -> int | None:
        tables = {row["table_name"] for row in records(connection, "FROM duckdb_tables() WHERE database_name = 'lake'")}
        if not tables.issuperset(TABLES):
            return None
        return int(records(connection, "SELECT max(snapshot_id) AS newest FROM ducklake_snapshots('lake')")[0]["newest"])

    return read(work)


@st.cache_data(max_entries=2, show_spinner=False)
def runs(snapshot: int) -> list[Run]:
    """Every run the lake holds, each pilot's newest first.

    Args:
        snapshot: The lake's newest snapshot.
    """
    query = """
        WITH came AS (
            SELECT commit_message AS run_id, max(snapshot_id) AS snapshot_id FROM ducklake_snapshots('lake') GROUP BY ALL
        ), locked AS (SELECT pilot_id, arg_min(plan, locked_at) AS plan FROM lake.plans GROUP BY ALL)
        SELECT r.*, came.snapshot_id, locked.plan
        FROM lake.runs r LEFT JOIN came USING (run_id) LEFT JOIN locked USING (pilot_id)
        ORDER BY pilot_id, published_at DESC
    """
    kept = [name for name in Run.__dataclass_fields__ if name not in ("document", "plan")]
    return [
        Run(**{n: row[n] for n in kept}, document=json.loads(row["result"]), plan=json.loads(row["plan"] or "{}"))
        for row in read(lambda connection: records(connection, query))
    ]


def shown(found: list[Run], pilot_id: str) -> Run | None:
    """The run that counts for a pilot: its newest published one, else the newest stopped one."""
    own = [run for run in found if run.pilot_id == pilot_id]
    return next((run for run in own if run.status == "published"), own[0] if own else None)


def pilot_file(pilot_id: str) -> Pilot | None:
    """The pilot as its file describes it now; None where this test bed has no such file or it is wrong."""
    try:
        return load_pilot(find_pilot(pilot_id, load_settings().pilots))
    except PilotError:
        return None


@st.cache_data(max_entries=50, show_spinner=False)
def refused(snapshot: int, run_id: str) -> list[Row]:
    """Refused rows of a run by their main reason, most frequent first; each row counts once.

    A rule with a name of its own says more than one of a column, so it comes before those.
    """
    query = """
        SELECT contract, rule, any_value(reasons[list_position(rules, rule)]) AS reason, count(*) AS rows
        FROM (
            SELECT contract, rules, reasons,
                   coalesce(list_filter(rules, lambda name: NOT contains(name, '.'))[1], rules[1]) AS rule
            FROM lake.quarantine WHERE run_id = ?
        )
        GROUP BY contract, rule ORDER BY rows DESC, contract, rule
    """
    return read(lambda connection: records(connection, query, [run_id]))


@st.cache_data(max_entries=50, show_spinner=False)
def refused_by_site(snapshot: int, run_id: str) -> dict[str, dict[str, int]]:
    """Refused rows of a run: site -> rule with a name of its own -> rows."""
    query = """
        SELECT site, rule, count(*) AS rows
        FROM (SELECT row->>'site_id' AS site, unnest(rules) AS rule FROM lake.quarantine WHERE run_id = ?)
        WHERE site IS NOT NULL AND NOT contains(rule, '.') GROUP BY ALL ORDER BY ALL
    """
    found: dict[str, dict[str, int]] = {}
    for row in read(lambda connection: records(connection, query, [run_id])):
        found.setdefault(row["site"], {})[row["rule"]] = row["rows"]
    return found


@st.cache_data(max_entries=2, show_spinner=False)
def checks(snapshot: int) -> list[Row]:
    """Every check of every run with its rules, in order of pilot, run and stage."""
    query = "SELECT * FROM lake.checks ORDER BY pilot_id, run_id, array_position(['raw', 'result', 'open_data'], stage)"
    return [{**row, "report": json.loads(row["report"])} for row in read(lambda connection: records(connection, query))]


@st.cache_data(max_entries=2, show_spinner=False)
def quarantine(snapshot: int) -> list[Row]:
    """Refused rows of every run by contract and rule; a row that broke two rules counts for both."""
    query = """
        SELECT pilot_id, run_id, contract, rule, count(*) AS rows
        FROM (SELECT pilot_id, run_id, contract, unnest(rules) AS rule FROM lake.quarantine)
        GROUP BY ALL ORDER BY rows DESC, pilot_id, contract, rule
    """
    return read(lambda connection: records(connection, query))


@dataclass(frozen=True)
class Board:
    """The leaderboard of one split of a task.

    Attributes:
        task: The task.
        split: `dev` or `sealed`.
        rows: As `testbed leaderboard --json` prints them, in order.
        clips: Clips each submission was tried on.
        is_underpowered: Whether those are too few for the intervals to be trusted.
        problem: Why the submissions could not be ranked; empty when they are.
    """

    task: Task
    split: Split
    rows: list[Row]
    clips: int
    is_underpowered: bool
    problem: str = ""


@st.cache_data(max_entries=2, show_spinner=False)
def submissions(snapshot: int) -> list[Row]:
    """Every submission, newest first."""
    query = "SELECT * EXCLUDE (card, sha256) FROM lake.submissions ORDER BY submitted_at DESC, submission_id"
    return read(lambda connection: records(connection, query))


@st.cache_data(max_entries=2, show_spinner=False)
def boards(snapshot: int) -> list[Board]:
    """The leaderboard of every task and split in which something was evaluated; the sealed split comes first.

    Of a submission that was evaluated twice, the latest counts. The counts by clip stay here; only scores are returned.
    """
    query = """
        SELECT e.task, e.split, e.submission_id, s.name, arg_max(e.result, e.evaluated_at) AS result
        FROM lake.evaluations e JOIN lake.submissions s USING (submission_id) GROUP BY ALL
        ORDER BY e.task, e.split DESC, e.submission_id
    """
    folder = load_settings().tasks
    found: dict[tuple[str, Split], list[Entry]] = {}
    for row in read(lambda connection: records(connection, query)):
        entry = Entry(row["submission_id"], row["name"], Evaluation.from_dict(json.loads(row["result"])["evaluation"]))
        found.setdefault((row["task"], row["split"]), []).append(entry)
    result = []
    for (name, split), entries in found.items():
        task, first = find_task(name, folder), entries[0].evaluation
        few = any(entry.evaluation.is_underpowered for entry in entries)
        try:
            rows, problem = leaderboard(entries, task, split, seed=first.seed)["rows"], ""
        except ScoringError as error:
            rows, problem = [], str(error)
        result.append(Board(task, split, rows, len(first.results.clips), few, problem))
    return result


def mlflow_link(run_id: str) -> str:
    """Address of a run's page in MLflow, for when it is served."""
    return f"{load_settings().mlflow_url}/#/runs/{run_id}"
