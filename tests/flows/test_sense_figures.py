"""Indices, limits, noise indicators and totals of sensor files."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest

from analytics.sensing.readings import SourceError
from flows.cli import main
from flows.sense import sense_files
from flows.sense_figures import asked_figures
from tests.flows.conftest import write_counts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NOW = datetime(2026, 4, 1, tzinfo=UTC)
COLUMNS = {"columns": {"time": "start"}}


def write_air(path, days: int = 3, *, observed: str = "pm25", unit: str = "ug/m3", missing: range = range(0)) -> str:
    """Hours of one property at `mill_lane`: 9.1 on the first day, 12 and 60 in turn on the next."""
    levels = {"pm25": (9.1, 12.0, 60.0), "noise_laeq": (60.0, 62.0, 64.0)}[observed]
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["site_id", "observed_property", "start", "value", "unit"])
        for hour in range(24 * days):
            if hour not in missing:
                at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hour)
                # a tenth up and down: a sensor that never changes is found to be stuck
                value = levels[hour // 24 % 3] + (0.1 if hour % 2 else -0.1)
                writer.writerow(["mill_lane", observed, at.isoformat(), round(value, 1), unit])
    return str(path)


def test_indices_and_limits_of_all_files_together(tmp_path):
    first = write_air(tmp_path / "a.csv", missing=range(24, 40))
    figures = asked_figures(["us_aqi", "daqi"], ["who_2021", "eu_2024_2881_thresholds"], [], noise=False)
    assert figures.indices == ("us_aqi_2024", "uk_daqi_2012")
    found = sense_files(
        [first], "tabular", timezone="UTC", now=NOW, reader_params=COLUMNS, figures=figures, out=tmp_path / "out"
    )["figures"]
    rows = {(row["index_id"], row["observed_property"]): row for row in found["air_quality_index"]["found"]}
    us = rows["us_aqi_2024", "all"]
    assert (us["index_version"], us["periods"], us["without_index"]) == ("2024-05-06", 2, 1)
    assert us["why"] == {"too_little_data": 1}  # 8 of 24 hours
    assert (us["newest"]["band"], us["highest"]["index_value"]) == ("Unhealthy", 154)  # 49 / 69.9 * 4.5 + 151 = 154.2
    assert rows["uk_daqi_2012", "pm25"]["newest"]["index_value"] == 8  # 59 to 64
    day = next(row for row in found["limit_exceedances"]["found"] if row["limit_value"] == 15)
    assert (day["exceedances"], day["allowed"], day["is_exceeded"], day["flags"]) == (1, 3, None, "too_little_data")
    assert {row["level"] for row in found["threshold_episodes"]["found"]} == {"alert", "information"}
    with (tmp_path / "out" / "air_quality_index.csv").open(newline="") as stream:
        written = list(csv.DictReader(stream))
    assert len(written) == 12 and all(row["index_version"] for row in written)
    assert [row["flags"] for row in written if not row["index_value"]] == ["too_little_data"] * 4
    json.dumps(found)


def test_noise_from_hours_says_what_needs_shorter_levels(tmp_path):
    file = write_air(tmp_path / "noise.csv", 4, observed="noise_laeq", unit="dBA")
    figures = asked_figures([], [], [], noise=True)
    found = sense_files([file], "tabular", timezone="UTC", now=NOW, reader_params=COLUMNS, figures=figures)["figures"]
    days = {
        row["indicator"]: row for row in found["noise_indicators"]["found"] if row["interval_start_at"][:10] == "2026-03-03"
    }
    assert days["laeq"]["value"] == pytest.approx(62.7, abs=0.1)  # 17 hours of 62 dB, 7 of 64
    assert days["lden"]["name"] == "Lden (period)" and days["lden"]["index_version"]
    assert days["l10"]["value"] is None and "needs_1s_levels" in days["l10"]["flags"]


def test_totals_of_counters_and_what_there_is_nothing_for(tmp_path):
    figures = asked_figures(["eaqi"], [], ["week"], noise=False)
    file = str(write_counts(tmp_path / "counts.csv"))
    found = sense_files([file], "auto", timezone="UTC", now=datetime(2025, 1, 1, tzinfo=UTC), figures=figures)["figures"]
    weeks = found["footfall_totals"]["found"]
    assert {row["period"] for row in weeks} == {"week"} and all(
        row["lower"] <= row["estimate"] <= row["upper"] for row in weeks
    )
    assert found["air_quality_index"]["not_evaluated"] == "there are no hours that were accepted"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((["us_aqq"], [], []), "--index: table 'us_aqq' is unknown; expected one of eaqi_2024"),
        (([], ["who"], ["day"]), None),
        (([], ["whom"], []), "--limits: table 'whom' is unknown"),
        (([], [], ["dya"]), "--totals: 'dya' is unknown; expected one of day, week, year; did you mean 'day'"),
    ],
)
def test_bad_names_are_one_clear_line(arguments, said):
    if said is None:
        assert asked_figures(*arguments, noise=False).limits == ("who_2021",)
        return
    with pytest.raises(SourceError, match="is unknown") as error:
        asked_figures(*arguments, noise=False)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_the_command_prints_them(tmp_path, capsys):
    mapping = tmp_path / "map.yaml"
    mapping.write_text("columns: {time: start}")
    file = write_air(tmp_path / "a.csv")
    options = ["--format", "tabular", "--mapping", str(mapping), "--index", "us_aqi", "--limits", "who", "--noise"]
    with pytest.raises(SystemExit) as ended:
        main(["sense", file, *options, "--totals", "day", "--now", "2026-04-01T00:00:00Z"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "154 Unhealthy" in printed and "cannot tell yet" in printed
    assert printed.count("not evaluated: ") == 2
