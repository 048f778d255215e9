"""The way back for refused rows, and lineage both ways between the source, the lake and the reports."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from analytics.lake import open_lake
from data_contracts.contract import ContractError
from experiments.tracking import client
from flows import show
from flows.quarantine import list_quarantine, readmit

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
BROKEN = {40: "-7", 41: "many", 1000: "-3"}  # line of the file: reading of mill_lane; the gate stops the run
EMPTY = dict.fromkeys(BROKEN, "")  # readings that were not made: refused, and the run goes on


def lake(bed):
    return open_lake(bed.settings.catalog, bed.settings.lake_files, read_only=True)


def spoil(bed, broken: dict[int, str] = BROKEN) -> dict[int, str]:
    """Break some readings; returns what stood there."""
    lines = bed.counts.read_text().splitlines()
    good = {}
    for number, value in broken.items():
        date, hour, first, *rest = lines[number - 1].split(",")
        good[number] = first
        lines[number - 1] = ",".join([date, hour, value, *rest])
    bed.counts.write_text("\n".join(lines) + "\n")
    return good


def repair(path, good: dict[int, str]) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["crossings"] = good[int(row["source_row"])]
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def test_repaired_rows_enter_the_next_run_and_nothing_is_lost(bed, tmp_path):
    sound = bed.run()
    good = spoil(bed)
    spoiled = bed.run()
    assert (spoiled["rows"], spoiled["quarantined"]) == (sound["rows"] - 3, 3)
    file = tmp_path / "repair.csv"
    assert list_quarantine("small", bed.settings, file)["rows"] == 3
    refused = readmit("small", file, bed.settings)  # as they are: refused again, with the same reasons
    assert (refused["readmitted"], [row["source_row"] for row in refused["refused"]]) == (0, [40, 41, 1000])
    assert refused["refused"][0]["reasons"] == ["crossings is -7.0, expected 0 or more"]
    repair(file, good)
    done = readmit("small", file, bed.settings)
    assert (done["readmitted"], done["already"], done["refused"]) == (3, 0, [])
    assert readmit("small", file, bed.settings)["already"] == 3
    mended = bed.run()
    assert (mended["rows"], mended["quarantined"], mended["effect"]) == (sound["rows"], 0, sound["effect"])
    assert mended["run_id"] not in (sound["run_id"], spoiled["run_id"])
    again = readmit("small", file, bed.settings)  # also when the quarantine no longer shows them
    assert (again["readmitted"], again["already"]) == (0, 3)
    assert bed.run()["reused"]
    with lake(bed) as connection:
        rows = connection.execute(
            "SELECT run_id, contract, source_row, rules, original->>'crossings', (repaired->>'crossings')::DOUBLE::INTEGER, "
            "(report->>'accepted')::INTEGER FROM lake.readmitted ORDER BY source_row"
        ).fetchall()
    told = [(spoiled["run_id"], "footfall_readings", n, BROKEN[n], int(good[n]), 3) for n in BROKEN]
    assert [(run, contract, line, was, now, n) for run, contract, line, _, was, now, n in rows] == told
    assert [rules[0] for *_, rules, _, _, _ in rows] == ["crossings.minimum", "crossings.type", "crossings.minimum"]


def test_a_row_that_is_not_in_the_quarantine_is_named(bed, tmp_path):
    spoil(bed)
    bed.run()
    file = tmp_path / "repair.json"
    row = {"contract": "footfall_readings", "source_row": 39, "site_id": "mill_lane", "date_label": "d", "hour_label": "h"}
    file.write_text(json.dumps([{**row, "crossings": 1}]))
    with pytest.raises(ContractError, match=r"repair.json: row 1, .*source_row '39' is not in the quarantine of small"):
        readmit("small", file, bed.settings)
    file.write_text(json.dumps([{"source_row": 40}]))
    with pytest.raises(ContractError, match="column 'contract' is missing"):
        readmit("small", file, bed.settings)


def test_a_newer_repair_takes_the_place_of_an_older_one_and_both_are_kept(bed, tmp_path):
    good = spoil(bed)
    bed.run()
    file = tmp_path / "repair.csv"
    list_quarantine("small", bed.settings, file)
    repair(file, dict.fromkeys(good, "500"))
    readmit("small", file, bed.settings)
    bed.run()
    repair(file, dict.fromkeys(good, "600"))
    assert readmit("small", file, bed.settings)["readmitted"] == 3
    bed.run()
    with lake(bed) as connection:
        assert connection.execute("SELECT count(*) FROM lake.readmitted").fetchone() == (6,)
        found = "SELECT count(*) FROM lake.counts_hourly WHERE site_id = 'mill_lane' AND crossings = {}"
        assert [connection.execute(found.format(n)).fetchone()[0] >= 3 for n in (500, 600)] == [False, True]


def test_lineage_walks_both_ways(bed):
    """Accepted row -> run -> contract version, report, source and its bytes; refused row -> line of the source; and back."""
    import hashlib

    spoil(bed, EMPTY)
    document = bed.run()
    assert (document["status"], document["quarantined"]) == ("published", 3)
    with lake(bed) as connection:
        run_id, site, at = connection.execute(
            "SELECT run_id, site_id, interval_start_at FROM lake.counts_hourly ORDER BY ALL LIMIT 1"
        ).fetchone()
        checks = connection.execute(
            "SELECT stage, contract, version, rows, accepted, quarantined, report FROM lake.checks WHERE run_id = ?", [run_id]
        ).fetchall()
        source = json.loads(connection.execute("SELECT result FROM lake.runs WHERE run_id = ?", [run_id]).fetchone()[0])
        refused = connection.execute(
            "SELECT run_id, contract, version, source_row, rules, row FROM lake.quarantine ORDER BY source_row"
        ).fetchall()
        held = connection.execute("SELECT count(*) FROM lake.counts_hourly WHERE run_id = ?", [run_id]).fetchone()[0]
    # from an accepted row to its batch, its contract's version and the report that let it in
    assert (site, at.hour) == ("mill_lane", 0)
    assert source["sources"][0]["digest"] == hashlib.sha256(bed.counts.read_bytes()).hexdigest()
    stages = {stage: (contract, version, json.loads(report)) for stage, contract, version, *_, report in checks}
    assert set(stages) == {"raw", "result", "open_data"}
    assert stages["result"][0] == "counts_hourly" and stages["result"][2]["accepted"] == held == document["rows"]
    assert all(accepted + bad == rows for _, _, _, rows, accepted, bad, _ in checks)
    # from a refused row to its line, and from that line back to the row and its rules
    lines = bed.counts.read_text().splitlines()
    for run, contract, version, number, rules, row in refused:
        value = json.loads(row)
        assert run == run_id and (contract, version) == stages["raw"][:2]
        assert lines[number - 1].split(",")[2] == (value["crossings"] or "") == EMPTY[number]
        assert {r["rule"] for r in stages["raw"][2]["rules"] if r["failed_rows"]} >= set(rules)
    assert [number for *_, number, _, _ in refused] == list(BROKEN)
    # and the page of the check lies beside the run
    names = {f.path for f in client(bed.settings.mlflow_uri).list_artifacts(document["mlflow_run_id"])}
    assert {"gate_raw_footfall_readings.html", "gate_result_counts_hourly.html", "gate_open_data_open_counts.html"} <= names


def test_a_repair_whose_row_is_no_longer_delivered_is_told(bed, tmp_path, capsys):
    good = spoil(bed)
    bed.run()
    file = tmp_path / "repair.csv"
    list_quarantine("small", bed.settings, file)
    repair(file, good)
    readmit("small", file, bed.settings)
    lines = bed.counts.read_text().splitlines()
    date, hour, _, *rest = lines[39].split(",")
    lines[39] = ",".join([date, hour, "8", *rest])  # the source was corrected meanwhile: the refused row is gone
    bed.counts.write_text("\n".join(lines) + "\n")
    document = bed.run()
    assert document["repairs_not_applied"] == [{"contract": "footfall_readings", "source_rows": [40]}]
    assert document["quarantined"] == 0
    show.run(document)
    told = "repairs not applied, their rows are no longer delivered: footfall_readings, source rows 40\n"
    assert told in capsys.readouterr().out
    store = client(bed.settings.mlflow_uri)
    page = store.download_artifacts(document["mlflow_run_id"], "gate_raw_footfall_readings.html", str(tmp_path))
    text = Path(page).read_text()
    assert "2 of 3 repaired rows were put in." in text and "not put in: the rows of the source 40." in text


def test_the_queries_in_the_readme_lead_from_a_row_to_its_batch_and_report(bed):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    accepted, refused = re.findall(r"```sql\n(.*?)```", readme, re.DOTALL)[:2]
    spoil(bed, EMPTY)
    document = bed.run()
    with lake(bed) as connection:
        rows = connection.execute(accepted)
        names = [column[0] for column in rows.description]
        found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        lost = connection.execute(refused).fetchall()
    assert found and {row["run_id"] for row in found} == {document["run_id"]}
    assert {(row["contract"], row["version"]) for row in found} == {("counts_hourly", "1.0.0")}
    assert {row["digest"] for row in found} == {document["sources"][0]["digest"]}
    assert all(json.loads(row["report"])["accepted"] == document["rows"] for row in found)
    assert sorted(row[1] for row in lost) == list(EMPTY)
