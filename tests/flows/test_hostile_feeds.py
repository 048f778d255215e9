"""Broken files as a pilot's feed: the gate says what is wrong, good rows go on once each, all others are in quarantine."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from analytics.lake import memory
from analytics.sensing.formats.recognise import recognise
from analytics.sensing.readings import SourceError
from flows.feeds import analyse, receive
from flows.judged_table import report_of
from tests.analytics.sensing.formats.hostile_readings import DOCUMENTS, FAMILIES, as_csv, case_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SEEDS = {"csv oversized": 1, "lines oversized": 1, "json bomb": 1}
"""How many files of a family are run; two of all others."""


def through(path: Path, cache: Path, analytic: str = "judge_readings", contract: str = "judged_readings") -> tuple[Path, Path]:
    """Folders of what the raw gate and the result gate left of a file, as a feed of a pilot."""
    feed = {
        "analytic": analytic,
        "source": str(path),
        "contract": contract,
        "reader": recognise(str(path)),
        "raw_contract": "sensor_readings",
    }
    raw = receive(feed, {"location": str(path)}, "raw", str(cache), timezone="UTC")
    result = analyse(feed, raw, True, "UTC", "result", str(cache))
    return Path(raw), Path(result)


def rows(folder: Path, name: str, columns: str = "*") -> list[Any]:
    with memory() as connection:
        return connection.execute(f"SELECT {columns} FROM read_parquet('{folder / name}.parquet')").fetchall()


def require_whole(folder: Path) -> dict[str, Any]:
    """Rows in are rows accepted and rows in quarantine, each of these with its reasons; the verdict follows from the rules."""
    report = report_of(folder)
    refused = rows(folder, "quarantined", "rules, reasons")
    assert report["rows"] == len(rows(folder, "judged", "1")) == len(rows(folder, "accepted", "1")) + len(refused)
    assert (report["accepted"], report["quarantined"]) == (report["rows"] - len(refused), len(refused))
    assert all(rules and len(rules) == len(reasons) and all(reasons) for rules, reasons in refused)
    broken = [rule for rule in report["rules"] if rule["severity"] == "must" and rule["status"] != "passed"]
    assert report["passed"] is not bool(broken)
    assert all(rule["reason"] and len(rule["reason"]) < 500 for rule in broken)
    return report


@pytest.mark.parametrize("name", FAMILIES)
def test_a_broken_file_as_a_feed(tmp_path, name):
    for seed in range(SEEDS.get(name, 2)):
        case, path = case_of(name, seed), tmp_path / f"file_{seed}"
        path.write_bytes(case.data)
        try:
            raw, result = through(path, tmp_path / f"cache_{seed}")
        except SourceError as error:
            said = str(error)
            assert case.refused and said.splitlines() == [said] and "; expected " in said, f"case_of({name!r}, {seed}): {said}"
            continue
        report, judged = require_whole(raw), require_whole(result)
        kept = Counter(value for (value,) in rows(raw, "accepted", "value"))
        lost = [value for value in case.good if kept[float(value)] != 1]
        assert not lost, f"case_of({name!r}, {seed}): {lost} are not there once"
        assert judged["rows"] == report["accepted"] == judged["accepted"] + judged["quarantined"]
        bad = Counter(rule for (rules,) in rows(raw, "quarantined", "rules") for rule in rules)
        if not bad or set(bad) <= {"duplicate", "known_property"}:
            assert report["passed"] and report["accepted"] > 0


@pytest.mark.parametrize(("good", "passes"), [(60, True), (10, False)])
def test_the_share_of_bad_rows_decides(tmp_path, good, passes):
    wrong = [("bad", "2026-03-01T20:00:00Z", "ug/m3"), ("7", "yesterday", "ug/m3"), ("7", "2026-03-01T21:00:00Z", "furlong")]
    rows_ = [["s1", "pm25", f"2026-03-01T{i // 60:02}:{i % 60:02}:00Z", f"{10 + i / 100}", "ug/m3"] for i in range(good)]
    rows_ += [["s1", "pm25", at, value, unit] for value, at, unit in wrong]
    rows_ += [[*rows_[0][:3], "99", "ug/m3"], rows_[1], ["s1", "smell", *rows_[2][2:]]]
    path = tmp_path / "readings.csv"
    path.write_text(as_csv(rows_))
    raw, result = through(path, tmp_path / "cache", "sense_hourly", "hourly_readings")
    report = require_whole(raw)
    assert (report["accepted"], report["quarantined"], report["passed"]) == (good, 6, passes)
    found = Counter(rules[0] for (rules,) in rows(raw, "quarantined", "rules"))
    assert found == Counter(["value.type", "interval_start_at.type", "known_unit", "conflict", "duplicate", "known_property"])
    by_share = {"value.type", "interval_start_at.type", "known_unit", "conflict"}
    assert {one["status"] for one in report["rules"] if one["rule"] in by_share} == {"passed" if passes else "failed"}
    assert require_whole(result)["accepted"] == len({row[2][:13] for row in rows_[:good]})


@pytest.mark.parametrize("name", ["csv", "openaq", "sensorthings", "ngsi"])
def test_a_unit_of_its_own_in_each_row(tmp_path, name):
    units = [("ug/m3", 1), ("mg/m3", 0.001), ("µg/m³", 1), ("ng/m3", 1000)]
    entries = [
        ["s1", "pm25", f"2026-03-01T{i // 60:02}:{i % 60:02}:00Z", repr((10 + i) * units[i % 4][1]), units[i % 4][0]]
        for i in range(60)
    ]
    entries[7][4] = "furlong"
    if name == "csv":
        text = as_csv(entries)
    else:
        entry, whole = DOCUMENTS[name]
        text = json.dumps(whole([entry(row) for row in entries]))
        if name == "ngsi":
            text = json.dumps([entry(row) | {"pm25": {"value": row[3], "unitCode": row[4]}} for row in entries])
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    raw, result = through(path, tmp_path / "cache")
    report = require_whole(raw)
    assert report["passed"] and rows(raw, "quarantined", "rules, row->>'unit'") == [(["known_unit"], "furlong")]
    kept = rows(result, "accepted", "round(value, 9), unit")
    assert sorted(kept) == [(10.0 + i, "ug/m3") for i in range(60) if i != 7]


@pytest.mark.parametrize(("unit", "said"), [("furlong", "unit 'furlong' of pm25 is unknown"), ("", "pm25 has no unit")])
def test_a_file_without_a_single_known_unit_is_an_error_that_lists_them(tmp_path, unit, said):
    path = tmp_path / "file.csv"
    path.write_text(as_csv([["s1", "pm25", f"2026-03-01T0{i}:00:00Z", "5", unit] for i in range(5)]))
    with pytest.raises(SourceError, match=rf"file\.csv: {said}.*; expected one of ug/m3, mg/m3"):
        through(path, tmp_path / "cache")
