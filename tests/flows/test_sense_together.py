"""Several files are read as one: what is in two of them counts once, and their order does not matter."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from analytics.sensing.readings import SourceError
from flows.sense import sense_files

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
HEADER = "site_id,observed_property,interval_start_at,value,unit"


def download(path: Path, hours: list[int], values: dict[int, float] | None = None) -> str:
    """One sensor's hours, as a CSV file."""
    at = [f"2026-03-{1 + hour // 24:02}T{hour % 24:02}:00:00Z" for hour in hours]
    rows = [f"mill,pm25,{when},{(values or {}).get(hour, 10 + hour)},ug/m3" for hour, when in zip(hours, at, strict=True)]
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return str(path)


def plain(found: dict) -> dict:
    """What was found, less the names of the files."""
    checks = [{key: value for key, value in one.items() if key != "file"} for one in found["checks"]]
    return {key: value for key, value in found.items() if key not in ("files", "judged_at", "format")} | {"checks": checks}


def test_overlapping_downloads_count_once_in_any_order(tmp_path):
    files = [
        download(tmp_path / "a.csv", list(range(40))),
        download(tmp_path / "b.csv", list(range(20, 60))),
        download(tmp_path / "c.csv", [10, 5, 7, 70]),  # 5 and 7 came in order elsewhere
    ]
    found = [plain(sense_files(list(order), "auto")) for order in itertools.permutations(files)]
    assert all(one == found[0] for one in found[1:])
    assert (found[0]["rows"], found[0]["checks"][0]["accepted"]) == (84, 61)
    assert found[0]["flags"]["duplicate"] == found[0]["flags"]["refused"] == 23
    assert "out_of_order" not in found[0]["flags"] and found[0]["checks"][0]["passed"]
    assert found[0]["intervals"] is None or found[0]["intervals"] == 3600


def test_what_came_late_in_every_file_came_late(tmp_path):
    one = download(tmp_path / "a.csv", [*range(10), 30, 25, 31])
    other = download(tmp_path / "b.csv", [40, 25, 41, 35])
    alone = sense_files([one], "auto")
    assert alone["flags"]["out_of_order"] == 1
    for files in ([one, other], [other, one]):
        flags = sense_files(files, "auto")["flags"]
        assert (flags["out_of_order"], flags["duplicate"]) == (2, 1)


def test_of_values_that_contradict_each_other_that_of_the_file_named_first_stays(tmp_path):
    one = download(tmp_path / "a.csv", list(range(50)))
    other = download(tmp_path / "b.csv", [30, *range(50, 100)], {30: 990.0})  # beyond what the test of range lets pass
    found, turned = sense_files([one, other], "auto"), sense_files([other, one], "auto")
    for document in (found, turned):
        assert (document["rows"], document["flags"]["conflict"], document["flags"]["refused"]) == (101, 1, 1)
        assert document["checks"][0]["passed"]
    failed = [
        document["flags"].get("spike_fail", 0) + document["flags"].get("spike_suspect", 0) for document in (found, turned)
    ]
    assert failed[0] == 0 < failed[1]


def test_files_of_two_formats_are_read_together(tmp_path):
    results = [
        {
            "value": 10 + hour,
            "parameter": {"name": "PM2.5", "units": "µg/m³"},
            "period": {
                "datetimeFrom": {"utc": f"2026-03-01T{hour:02}:00:00Z"},
                "datetimeTo": {"utc": f"2026-03-01T{hour:02}:00:00Z"},
            },
            "location": {"name": "Mill"},
        }
        for hour in range(10)
    ]
    json_file = tmp_path / "openaq.json"
    json_file.write_text(json.dumps({"meta": {"name": "openaq-api"}, "results": results}), encoding="utf-8")
    text = download(tmp_path / "a.csv", list(range(5, 15)))
    broken = tmp_path / "broken.csv"
    broken.write_text(Path(text).read_text().replace(",24,", ",many,"), encoding="utf-8")  # a column that stays text
    for files in ([str(json_file), text, str(broken)], [str(broken), text, str(json_file)]):
        found = sense_files(files, "auto")
        assert (found["rows"], found["flags"]["duplicate"], found["flags"]["refused"]) == (30, 14, 15)
        assert found["checks"][0]["accepted"] == 15 and found["checks"][0]["passed"]


def test_a_file_that_cannot_be_kept_is_named(tmp_path):
    good, wrong = download(tmp_path / "a.csv", [1, 2]), tmp_path / "wrong.csv"
    wrong.write_text(Path(good).read_text().replace("ug/m3", "cows"), encoding="utf-8")
    with pytest.raises(SourceError, match=r"wrong\.csv: unit 'cows' of pm25 is unknown.*; expected one of ug/m3"):
        sense_files([good, str(wrong)], "auto")
    assert sense_files([good, good], "auto")["rows"] == 2  # the same file, named twice


def counter(path: Path, days: range, people: int = 0) -> str:
    """Hourly counts of two sensors, as a spreadsheet has them; busier by day, and by some `people` on the first day."""
    lines = []
    for day, hour in itertools.product(days, range(24)):
        busy = 20 + 9 * abs(12 - hour) % 50 + day + (people if day == days[0] else 0)
        lines.append(f"2026-03-{day:02},{hour}:00-{hour}:59,{busy},{hour + day}")
    path.write_text("\n".join(["date,hour,Mill Lane,Oak Road", *lines]) + "\n", encoding="utf-8")
    return str(path)


def test_overlapping_files_of_hourly_counters_count_once_in_any_order(tmp_path):
    files = [counter(tmp_path / "a.csv", range(1, 11)), counter(tmp_path / "b.csv", range(8, 16))]
    one, other = (sense_files(order, "auto") for order in (files, files[::-1]))
    assert one["flags"]["duplicate"] == one["flags"]["refused"] == 3 * 24 * 2 and "conflict" not in one["flags"]
    assert one["rows"] == 18 * 24 * 2 and one["checks"][-1]["accepted"] == 15 * 24 * 2 and one["checks"][-1]["passed"]
    for key in ("rows", "flags", "sites", "outages", "findings", "intervals"):
        assert one[key] == other[key], key
    changed = counter(tmp_path / "b.csv", range(8, 16), people=500)
    assert sense_files([files[0], changed], "auto")["flags"]["conflict"] == 24
