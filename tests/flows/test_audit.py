"""An audit end to end: drawn, counted by hand (here: from the truth of a rendered street), and used by every count."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from analytics.lake import open_lake
from analytics.video.measures.lines import parse_line
from analytics.video.scene import street
from data_contracts.contract import ContractError
from experiments.pilot import PilotError
from experiments.settings import load_settings
from flows import cli, show
from flows.audit import begin, report, take_in_file
from flows.audit_subject import Subject, subject_of
from flows.count_video import count_video

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SOURCE = "scene:street?seed=7&seconds=40&width=384&height=288"
LINES = ["west=125,0,125,288,westbound,eastbound", "east=280,0,280,288,westbound,eastbound"]
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SUBJECT = Subject("mill_lane", SOURCE, tuple(parse_line(line) for line in LINES), interval_s=2, started_at=START)


def write_truth(path, audit, annotators=("a",)):
    """Counts by hand of every drawn interval, as an annotator who never errs would make them."""
    events = street(7, 40, width=384, height=288).crossings(SUBJECT.lines)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        names = ["site_id", "line", "direction", "road_user", "interval_start_at", "interval_s", "annotator", "crossings"]
        rows.writerow(names)
        for index in audit.sample.drawn.nonzero()[0].tolist():
            start_s = float(audit.population.start_s[index])
            for line, way, user in audit.population.cells:
                true = sum(e.line == line and e.direction == way and start_s <= e.time_s < start_s + 2 for e in events)
                at = audit.started_at + timedelta(seconds=start_s)
                for number, annotator in enumerate(annotators):
                    rows.writerow([audit.site_id, line, way, user, at.isoformat(), 2, annotator, true + number])
    return path


@pytest.fixture
def settings(home):
    return load_settings()


def test_an_audit_gives_every_count_an_interval_and_a_changed_counter_voids_it(settings, tmp_path, capsys):
    audit, said = begin(SUBJECT, settings, size=10, seed=1, weather="dry")
    assert said == f"a new audit of {int(audit.sample.drawn.sum())} intervals"
    assert begin(SUBJECT, settings, size=10, seed=1)[0].audit_id == audit.audit_id
    before = report(audit, settings)
    assert before["status"] == "not audited" and "'0' of" not in before["reason"].split(";")[1]
    assert {row["lower"] for row in before["counts"]} == {None}
    rows = take_in_file(audit, write_truth(tmp_path / "manual.csv", audit, ("a", "b")), settings)
    assert rows == int(audit.sample.drawn.sum()) * 4 * 2
    after = report(audit, settings)
    assert after["status"] == "audited" and after["annotators"] == ["a", "b"]
    assert after["agreement"]["wape"] > 0
    for row in after["counts"]:
        assert row["lower"] <= row["crossings"] <= row["upper"]
    show.audit(json.loads(json.dumps(after)))
    assert "by hand" in capsys.readouterr().out
    named = {(row["by"], row["group"]): row for row in after["errors"]}
    for user in ("pedestrian", "cyclist"):
        assert named["class", user]["reason"] == "no sample: the counter does not tell this class"
    assert named["weather", "dry"]["wape"] == named["all", "all"]["wape"] is not None

    counted = count_video(SOURCE, LINES, settings=settings, site="mill_lane")
    assert counted["audit"]["status"] == "audited" and counted["audit"]["audit_id"] == audit.audit_id
    assert [(r["lower"], r["upper"]) for r in counted["counts"]] == [(r["lower"], r["upper"]) for r in after["counts"]]
    elsewhere = count_video(SOURCE.replace("seed=7", "seed=8"), LINES, settings=settings, site="mill_lane")
    assert all(row["lower"] <= row["crossings"] <= row["upper"] for row in elsewhere["counts"])
    other_site = count_video(SOURCE, LINES, settings=settings)
    assert other_site["audit"]["reason"] == "nobody has counted this by hand; run 'testbed audit'"

    moved = [LINES[0].replace("125", "130"), LINES[1]]
    changed = count_video(SOURCE, moved, settings=settings, site="mill_lane")
    assert changed["counts"][0]["lower"] is None
    assert changed["audit"]["reason"].startswith(f"the audit {audit.audit_id} is void, since the lines changed after it")


def test_counts_by_hand_hold_for_a_changed_counter_of_the_same_recording(settings, tmp_path):
    audit, _ = begin(SUBJECT, settings, size=10, seed=1)
    take_in_file(audit, write_truth(tmp_path / "manual.csv", audit), settings)
    other = replace(SUBJECT, frame_rate=7.0)  # the same frames, and yet another counter
    again, said = begin(other, settings, size=10, seed=2)
    assert said.startswith("the counter has changed")
    assert again.audit_id != audit.audit_id and (again.sample.drawn == audit.sample.drawn).all()
    assert report(again, settings)["status"] == "audited"


def test_rows_that_break_the_contract_or_were_not_drawn_are_refused(settings, tmp_path):
    audit, _ = begin(SUBJECT, settings, size=3, seed=1)
    path = write_truth(tmp_path / "manual.csv", audit)
    good = path.read_text()
    path.write_text(good.replace(",a,0", ",a,-4", 1))
    with pytest.raises(ContractError, match=r"manual.csv: .*crossings"):
        take_in_file(audit, path, settings)
    left_out = next(int(i) for i in (~audit.sample.drawn).nonzero()[0])
    path.write_text(good + f"mill_lane,west,westbound,any,{audit.start_at(left_out).isoformat()},2,a,1\n")
    with pytest.raises(ContractError, match="was not drawn; expected one of the sample"):
        take_in_file(audit, path, settings)
    path.write_text(good.replace("mill_lane", "oak_road", 1))
    with pytest.raises(ContractError, match="site_id is 'oak_road'; expected 'mill_lane'"):
        take_in_file(audit, path, settings)


def test_a_pilot_publishes_intervals_once_it_is_audited(bed, tmp_path):
    document = {key: value for key, value in bed.document.items() if key not in ("before", "beside")}
    document |= {
        "sites": {"treated": ["mill_lane"]},
        "after": [START.date(), START.date()],
        "feeds": [
            {
                "analytic": "count_crossings",
                "source": SOURCE,
                "contract": "counts_by_interval",
                "params": {"site_id": "mill_lane", "started_at": START.isoformat(), "interval_s": 2, "lines": LINES},
            }
        ],
        "outcome": {"contract": "counts_by_interval", "column": "crossings"},
        "method": "descriptive",
        "succeeds_if": {"uptime_above": 0.9},
    }
    (bed.pilots / "small.yaml").write_text(yaml.safe_dump(document))
    first = bed.run()
    assert first["audits"][0]["status"] == "not audited" and "have not been audited" in first["answer"]
    audit, _ = begin(subject_of("small", bed.settings), bed.settings, size=10, seed=1)
    take_in_file(audit, write_truth(tmp_path / "manual.csv", audit), bed.settings)
    second = bed.run()
    assert second["run_id"] != first["run_id"]
    assert second["audits"][0]["status"] == "audited" and "The counts have been audited: " in second["answer"]
    with open_lake(bed.settings.catalog, bed.settings.lake_files) as connection:
        rows = connection.execute("SELECT lower, crossings, upper FROM lake.counts_by_interval").fetchall()
    assert len(rows) == 20 * 4
    assert all(lower <= crossings <= upper for lower, crossings, upper in rows)
    assert second["audits"][0]["intervals"] == int(audit.sample.drawn.sum())
    assert bed.run()["reused"]
    gone = begin(subject_of("small", bed.settings, published=True), bed.settings, size=5, seed=1)[0]
    assert (gone.population.automatic == audit.population.automatic).all()
    assert gone.source == "" and all(stratum.startswith("not known") for stratum in gone.sample.strata)


def test_a_pilot_without_video_cannot_be_audited(bed):
    with pytest.raises(PilotError, match="no feed that counts video"):
        subject_of("small", bed.settings)


def test_the_command_prints_one_document(home, tmp_path, capsys):
    arguments = ["audit", SOURCE, "--line", LINES[0], "--interval-s", "2", "--sample", "3", "--json"]
    with pytest.raises(SystemExit) as done:
        cli.main(arguments)
    document = json.loads(capsys.readouterr().out)
    assert done.value.code == 0
    assert document["drawn"] == len(document["sample"]) >= 3
    assert all(0 < row["inclusion"] <= 1 for row in document["sample"])
    with pytest.raises(SystemExit) as done:
        cli.main(["audit", SOURCE])
    assert done.value.code == 1
    assert "expected a pilot's id, or a source with --line or --lines" in capsys.readouterr().err
