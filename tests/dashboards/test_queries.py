import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import streamlit as st

import dashboards
from analytics.lake import open_lake
from dashboards import disclosure, queries
from experiments.settings import load_settings

pytestmark = pytest.mark.usefixtures("fresh")


def test_no_lake_is_not_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path))
    assert queries.newest_snapshot() is None
    assert not list(tmp_path.iterdir())


def test_runs_newest_first_with_plan_and_snapshot(snapshot):
    found = queries.runs(snapshot)
    assert [(run.pilot_id, run.status) for run in found] == [
        ("k_road_streetscape", "published"),
        ("plaza_crossings", "published"),
        ("te_komititanga_square", "stopped"),
        ("te_komititanga_square", "published"),
    ]
    assert all(run.snapshot_id is not None and run.plan["asks"] for run in found)


def test_a_stopped_run_does_not_replace_what_was_published(snapshot):
    found = queries.runs(snapshot)
    run = queries.shown(found, "te_komititanga_square")
    assert run is not None and run.status == "published"
    assert disclosure.outcomes(snapshot, run.run_id)
    assert queries.shown(found, "nothing") is None


def test_each_refused_row_counts_once_under_its_main_reason(snapshot):
    rows = queries.refused(snapshot, "a" * 64)
    assert [(row["rule"], row["rows"]) for row in rows] == [("no_stuck_sensor", 4), ("hour_exists", 2)]
    assert rows[0]["reason"] == "a stuck sensor is missing, not zero"
    assert rows[1]["reason"] == "no such hour"
    assert queries.refused_by_site(snapshot, "a" * 64) == {"107_quay_street": {"hour_exists": 2, "no_stuck_sensor": 4}}


def test_checks_and_quarantine_of_every_run(snapshot):
    assert {check["run_id"][0] for check in queries.checks(snapshot)} == set("abcd")
    found = [row for row in queries.quarantine(snapshot) if row["run_id"] == "a" * 64]
    assert {row["rule"]: row["rows"] for row in found} == {"no_stuck_sensor": 4, "a.required": 2, "hour_exists": 2}


def test_boards_show_ties_and_no_truth(snapshot):
    (board,) = queries.boards(snapshot)
    assert [row["rank"] for row in board.rows][-1] is None
    assert board.rows[-1]["name"] == "QuickCount <b>" and board.rows[-1]["gates"] == {"min_coverage": "failed"}
    assert not board.problem and board.clips == 4
    assert all("results" not in row for row in board.rows)
    assert {row["status"] for row in queries.submissions(snapshot)} == {"accepted", "refused"}


def test_a_missing_or_wrong_pilot_file_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TESTBED_PILOTS", str(tmp_path))
    (tmp_path / "wrong.yaml").write_text("id: other\n")
    assert queries.pilot_file("missing") is None
    assert queries.pilot_file("wrong") is None


def test_reading_while_a_flow_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path))
    settings = load_settings()
    writer = open_lake(settings.catalog, settings.lake_files)
    try:
        before = queries.newest_snapshot()
        assert before is not None and queries.runs(before) == []
        writer.execute("BEGIN")
        writer.execute("INSERT INTO lake.plans VALUES ('p', 'h', '{}', now())")
        st.cache_data.clear()
        assert queries.newest_snapshot() == before
        writer.execute("COMMIT")
        st.cache_data.clear()
        assert (queries.newest_snapshot() or 0) > before
    finally:
        writer.close()


def test_nothing_in_the_folder_hides_a_library():
    folder = Path(dashboards.__file__).parent
    names = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path.is_dir() and path.name.isidentifier())}
    names -= {"__init__", "__pycache__"}
    tops = {path.name for path in folder.parent.iterdir() if path.is_dir()}
    assert not names & (set(packages_distributions()) | set(sys.stdlib_module_names) | tops)
