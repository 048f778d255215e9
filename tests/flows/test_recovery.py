"""A period of counters against a base period: the true change is found, in its weather, and what stands against it is said."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from analytics.sensing.readings import SourceError
from flows.cli import main
from flows.recovery import Comparison, recover_files, span_of

BASE, PERIOD = (date(2024, 3, 4), date(2024, 5, 26)), (date(2025, 3, 3), date(2025, 5, 25))
COLUMNS = {
    "columns": {"site": "site", "time": "at", "values": {"n": {"property": "pedestrian", "unit": "count"}}},
    "stamps": {"interval_s": 3600},
}


def temperature(day: date) -> float:
    """The second spring is colder, and every week differs. [degC]"""
    return (8.0 if day.year == 2025 else 12.0) + 3 * np.sin(day.toordinal() / 3.1)


def write_counters(path, change: dict[str, float], per_degree: float = 0.0) -> str:
    """Hours of counters over both periods; the second is changed by a factor of each site."""
    rng = np.random.default_rng(5)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("site", "at", "n"))
        for site, factor in change.items():
            for first, last in (BASE, PERIOD):
                for n in range(24 * ((last - first).days + 1)):
                    at = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(hours=n)
                    day = 300 * (0.6 if at.weekday() >= 5 else 1.0) * (1.2 + np.sin((at.hour - 8) * np.pi / 12))
                    usual = day * np.exp(per_degree * (temperature(at.date()) - 10)) * (factor if at.year == 2025 else 1.0)
                    writer.writerow((site, f"{at:%Y-%m-%dT%H:%M:%SZ}", rng.poisson(usual)))
    return str(path)


def test_the_true_change_of_each_site_is_found(tmp_path):
    file = write_counters(tmp_path / "counters.csv", {"north": 0.7, "south": 1.0})
    days = tmp_path / "days.csv"
    found = recover_files([file], "tabular", Comparison(base=BASE, period=PERIOD), reader_params=COLUMNS, out=days)
    north, south = found["sites"]
    assert (north["site_id"], north["road_user"], north["days"], north["left_out"]) == ("north", "pedestrian", 84, 0)
    for site, true in ((north, 70), (south, 100)):
        assert abs(site["index"] - true) < 0.5 and site["lower"] - 0.5 < true < site["upper"] + 0.5
    rows = [row for row in csv.DictReader(days.read_text().splitlines()) if row["total"]]
    assert len(rows) == 2 * 168 and {row["kind"] for row in rows} == {"workday", "saturday", "sunday"}
    assert all(abs(float(row["ratio"]) - 1) < 0.08 for row in rows)


def test_a_colder_spring_is_no_loss_of_people_where_the_weather_is_given(tmp_path):
    file = write_counters(tmp_path / "counters.csv", {"north": 1.0}, per_degree=0.05)
    hours = tmp_path / "hours.csv"
    with hours.open("w", newline="") as stream:
        writer = csv.writer(stream)
        names = "site_id observed_property interval_start_at value unit readings coverage flags thresholds_version"
        writer.writerow(names.split())
        for first, last in (BASE, PERIOD):
            for n in range(24 * ((last - first).days + 1)):
                at = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(hours=n)
                reading = ("park", "temperature", f"{at:%Y-%m-%dT%H:%M:%SZ}", round(temperature(at.date()), 3), "degC")
                writer.writerow((*reading, 60, 1.0, "", "2026-11-22"))
    asked = {"base": BASE, "period": PERIOD}
    alone = recover_files([file], "tabular", Comparison(**asked), reader_params=COLUMNS)["sites"][0]
    beside = recover_files([file], "tabular", Comparison(**asked, weather=(str(hours),)), reader_params=COLUMNS)
    assert alone["upper"] < 90 and beside["weather"] == ["temperature"]
    assert abs(beside["sites"][0]["index"] - 100) < abs(alone["index"] - 100) / 3


def test_what_cannot_be_compared_says_why(tmp_path):
    file = write_counters(tmp_path / "counters.csv", {"north": 1.0})
    other = Comparison(base=BASE, period=(date(2025, 9, 1), date(2025, 10, 31)))
    site = recover_files([file], "tabular", other, reader_params=COLUMNS)["sites"][0]
    assert site["index"] is None and "0 comparable weeks; expected 3 each" in site["not_evaluated"]


@pytest.mark.parametrize("text", ["2024", "2024-05-01:2024-04-01", "soon:later"])
def test_a_period_that_is_none_is_an_error(text):
    with pytest.raises(SourceError, match=r"is no period; expected FIRST:LAST such as"):
        span_of(text, "--base")


def test_the_command_prints_one_document(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    file = write_counters(tmp_path / "counters.csv", {"north": 0.8})
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(json.dumps(COLUMNS))
    periods = ["--base", "2024-03-04:2024-05-26", "--period", "2025-03-03:2025-05-25"]
    with pytest.raises(SystemExit) as ended:
        main(["recovery", file, "--format", "tabular", "--mapping", str(mapping), *periods, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0 and round(document["sites"][0]["index"]) == 80
