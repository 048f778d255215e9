"""A pilot's run: right, repeatable, published once, stopped by the gate."""

from __future__ import annotations

import json
import shutil

import pytest

from analytics.lake import open_lake
from data_contracts.contract import ContractError
from experiments.pilot import PilotError
from experiments.tracking import client
from tests.flows.conftest import Bed, write_counts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def lake(bed):
    return open_lake(bed.settings.catalog, bed.settings.lake_files, read_only=True)


def content(bed) -> dict[str, list]:
    """Everything in the lake that must not depend on when or how often a run was started."""
    connection = lake(bed)
    tables = {}
    for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'").fetchall():
        columns = [
            row[0]
            for row in connection.execute(f"DESCRIBE lake.{name}").fetchall()
            if row[0] not in ("published_at", "started_at", "locked_at", "mlflow_run_id", "result")
        ]
        tables[name] = connection.execute(f"SELECT {', '.join(columns)} FROM lake.{name} ORDER BY ALL").fetchall()
    connection.close()
    return tables


def test_a_planted_effect_is_found_published_and_logged(bed):
    document = bed.run()
    effect = document["effect"]
    assert document["status"] == "published" and document["deviations"] == []
    assert effect["relative"] == pytest.approx(0.5, abs=0.03)
    assert effect["relative_lower"] <= 0.5 <= effect["relative_upper"]
    assert document["verdict"] == "succeeded" and document["answer"].startswith("Yes.")
    assert document["rows"] == 238 * 24 * 5 and document["quarantined"] == 0
    connection = lake(bed)
    count = "SELECT count(*) FROM lake.{} WHERE run_id = ?"
    found = {
        t: connection.execute(count.format(t), [document["run_id"]]).fetchone()[0]
        for t in ("counts_hourly", "outcomes", "checks")
    }
    assert found == {"counts_hourly": document["rows"], "outcomes": 34, "checks": 3}
    open_counts = connection.execute(
        "SELECT count(*), min(crossings), bool_and(crossings % 5 = 0) FROM lake.open_counts"
    ).fetchone()
    assert open_counts[0] == 238 * 5 and open_counts[1] >= 10 and open_counts[2]
    connection.close()
    run = client(bed.settings.mlflow_uri).get_run(document["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["lake_snapshot"] == str(document["snapshot_id"])
    assert run.data.tags["plan_hash"] == document["plan_hash"]
    assert run.data.metrics["effect_relative_lower"] == effect["relative_lower"]
    names = {f.path for f in client(bed.settings.mlflow_uri).list_artifacts(document["mlflow_run_id"])}
    assert {"effect.png", "effect.csv", "plan.json", "result.json", "gate_raw_footfall_readings.json"} <= names


def test_the_same_run_is_not_published_twice_and_is_equal_from_scratch(bed, tmp_path, new_store):
    first = bed.run()
    again = bed.run()
    assert again["reused"] and again["snapshot_id"] == first["snapshot_id"]
    other = Bed(tmp_path, tmp_path / "other")
    shutil.copyfile(new_store, other.settings.home / "mlflow.db")
    scratch = other.run()
    for key in ("run_id", "effect", "beside", "groups", "rows", "verdict"):
        assert json.dumps(scratch[key]) == json.dumps(first[key])
    assert content(bed) == content(other)


def test_a_changed_plan_is_a_deviation_that_every_later_run_shows(bed):
    locked = bed.run()["plan_hash"]
    bed.write(succeeds_if={"relative_effect_above": 0.05})
    changed = bed.run()
    assert changed["plan_hash"] == locked
    assert [(d["field"], d["locked"], d["found"]) for d in changed["deviations"]] == [
        ("succeeds_if.relative_effect_above", "0.1", "0.05")
    ]
    bed.write(title={"en": "A better title"})
    assert len(bed.run()["deviations"]) == 1
    bed.write(succeeds_if={"relative_effect_above": 0.1})
    assert bed.run()["deviations"] == []


def test_changed_data_are_another_run_which_takes_the_place_of_the_first(bed):
    first = bed.run()
    write_counts(bed.counts, effect=0.0)
    second = bed.run()
    assert second["run_id"] != first["run_id"] and second["verdict"] != "succeeded"
    assert {row[1] for row in content(bed)["counts_hourly"]} == {second["run_id"]}
    write_counts(bed.counts)
    assert bed.run()["run_id"] == first["run_id"]
    assert {row[1] for row in content(bed)["counts_hourly"]} == {first["run_id"]}


def test_a_dead_sensor_is_missing_not_zero(bed):
    write_counts(bed.counts, effect=0.0, dead="mill_lane")
    document = bed.run()
    assert document["quarantined"] >= 20 * 24
    assert abs(document["effect"]["relative"]) < 0.05
    assert document["naive"]["relative"] > 0.1  # believing the zeros makes the street look emptier before
    rules = {rule for _, _, _, _, _, rules, *_ in content(bed)["quarantine"] for rule in rules}
    assert rules == {"no_stuck_sensor"}


def test_a_failed_must_rule_stops_the_run_and_leaves_what_was_published(bed):
    first = bed.run()
    text = bed.counts.read_text().splitlines()
    bed.counts.write_text(
        "\n".join([text[0]] + [",".join(row.split(",")[:2] + [""] * 3 + row.split(",")[5:]) for row in text[1:]])
    )
    document = bed.run()
    assert (document["status"], document["verdict"], document["effect"]) == ("stopped", "stopped", None)
    assert "60.00 percent" in document["answer"]
    found = content(bed)
    assert {row[1] for row in found["counts_hourly"]} == {first["run_id"]}
    assert {row[2] for row in found["runs"]} == {"published", "stopped"}
    quarantined = [row for row in found["quarantine"] if row[1] == document["run_id"]]
    assert len(quarantined) == document["quarantined"] > 0


def test_too_little_data_is_not_measured_and_never_zero(bed):
    bed.write(sites={"treated": ["mill_lane"], "control": ["nowhere", "elsewhere"]})
    document = bed.run()
    assert (document["verdict"], document["effect"]) == ("not measured", None)
    assert "nowhere: no accepted row at all" in document["answer"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"analytic": "count_footfal"}, "analytic 'count_footfal' is unknown; expected one of .*did you mean 'count_footfall'"),
        ({"contract": "counts_hourli"}, "contract 'counts_hourli' is unknown.*did you mean 'counts_hourly'"),
        ({"reader": "wide"}, "reader 'wide' is unknown; expected one of live_readings, ngsi"),
        ({"reader": None}, "reader and raw_contract go together"),
        ({"params": {"day_start": 6}}, "parameter of count_footfall 'day_start' is unknown.*did you mean 'day_starts_at_hour'"),
        ({"params": {"day_starts_at_hour": "six"}}, "parameter 'day_starts_at_hour' of count_footfall is 'six'"),
        ({"source": "nothing.csv"}, "source '.*nothing.csv' was not found"),
    ],
)
def test_what_a_feed_names_is_checked_before_anything_slow(bed, change, said):
    bed.write(feeds=[{**bed.document["feeds"][0], **change}])
    with pytest.raises(PilotError, match=said):
        bed.run()
    assert not (bed.settings.home / "lake.sqlite").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("date,mill_lane\n2024-01-01,3\n", "column 'hour' is missing"),
        ("date,hour,a\nx,y,1\n", "cannot be read"),
    ],
)
def test_a_broken_source_is_one_line_and_changes_nothing(bed, text, said):
    bed.run()
    before = content(bed)
    bed.counts.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        bed.run()
    assert not isinstance(caught.value, ContractError)
    assert len(str(caught.value).splitlines()) == 1
    assert content(bed) == before
