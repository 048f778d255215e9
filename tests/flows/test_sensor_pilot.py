"""A pilot on sensors: from rendered readings to open data of their own contract, repeatable, and not to be tampered with."""

from __future__ import annotations

import csv
import json
from datetime import date

import pytest

from analytics.lake import open_lake
from data_contracts.privacy.budget import RefusalError
from experiments.pilot import PilotError
from flows import run_pilot as running
from flows.publish import publish_pilot

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SITES = [f"street_{number:02d}" for number in range(1, 9)]
FEED = {
    "analytic": "sense_hourly",
    "source": "network:street?seed=3&days=126&start=2024-01-01&sites=8&treated=1&change_day=63&observe=pm25",
    "reader": "rendered_network",
    "raw_contract": "sensor_readings",
    "contract": "hourly_readings",
}
READINGS = {"contract": "hourly_readings", "column": "value", "where": {"observed_property": "pm25"}}


PILOT = {
    "sites": {"treated": SITES[:1], "control": SITES[1:]},
    "before": [date(2024, 1, 1), date(2024, 3, 3)],
    "after": [date(2024, 3, 4), date(2024, 5, 5)],
    "feeds": [FEED],
    "outcome": READINGS,
    "succeeds_if": {"relative_effect_below": 0.0},
    "attribution": "Rendered, CC0",
}


@pytest.fixture
def sensors(bed):
    bed.write(**PILOT)
    return bed


def lake(bed):
    return open_lake(bed.settings.catalog, bed.settings.lake_files)


def rows(bed, query: str) -> list[tuple]:
    with lake(bed) as connection:
        return connection.execute(query).fetchall()


def test_it_is_judged_by_means_and_leaves_as_open_readings(sensors):
    document = sensors.run()
    assert document["status"] == "published" and document["observed"]["unit"] == "ug/m3"
    assert document["effect"]["estimate"] < 0 and abs(document["effect"]["estimate"]) < 30
    assert document["answer"].endswith("The sensors and what they read are rendered, not real.")
    assert 0.9 < document["uptime"] < 1
    assert document["quarantined"] > 0
    refused = "SELECT DISTINCT contract, unnest(rules) FROM lake.quarantine"
    assert ("hourly_readings", "no_copied_day") in rows(sensors, refused)
    assert {contract for contract, _ in rows(sensors, refused)} == {"hourly_readings", "sensor_readings"}
    assert rows(sensors, "SELECT count(*) FROM lake.hourly_readings") == [(document["rows"],)]
    assert rows(sensors, "SELECT count(*) FROM lake.open_counts") == [(0,)]
    stages = rows(sensors, "SELECT stage, contract FROM lake.checks ORDER BY stage")
    assert stages == [("open_data", "open_readings"), ("raw", "sensor_readings"), ("result", "hourly_readings")]
    found = publish_pilot("small", sensors.settings)
    folder = sensors.settings.published / "small"
    assert found["contract"] == "open_readings" and found["rows"] == document["rows"]
    assert sorted(file.name for file in folder.iterdir()) == ["index.html", "open_readings.csv", "open_readings.odcs.yaml"]
    with (folder / "open_readings.csv").open(newline="") as stream:
        published = list(csv.DictReader(stream))
    assert len(published) == document["rows"]
    assert {row["unit"] for row in published} == {"ug/m3"} and {row["attribution"] for row in published} == {"Rendered, CC0"}
    assert 'href="open_readings.csv"' in (folder / "index.html").read_text()
    with pytest.raises(PilotError, match="counts nobody"):
        publish_pilot("small", sensors.settings, with_noise=True)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE lake.open_readings SET value = value - 1 WHERE site_id = 'street_01'",
        "DELETE FROM lake.open_readings WHERE flags IS NULL AND site_id = 'street_02'",
        "UPDATE lake.hourly_readings SET value = value / 2 WHERE site_id = 'street_01'",
    ],
)
def test_values_that_were_tampered_with_are_not_published(sensors, tampering):
    sensors.run()
    with lake(sensors) as connection:
        connection.execute(tampering)
    with pytest.raises(RefusalError, match="not those the gate accepted"):
        publish_pilot("small", sensors.settings)
    assert not (sensors.settings.published / "small").exists()


def test_a_killed_run_ends_as_one_that_was_not(sensors, monkeypatch):
    def killed(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(running, "judge", killed)
        with pytest.raises(KeyboardInterrupt):
            sensors.run()
    assert rows(sensors, "SELECT count(*) FROM lake.hourly_readings") == [(0,)]
    kept = {folder.name for folder in sensors.settings.cache.iterdir()}
    resumed = sensors.run()
    assert {folder.name for folder in sensors.settings.cache.iterdir()} == kept  # nothing was read or judged again
    assert resumed["status"] == "published"
    again = sensors.run()
    assert again["reused"] and json.dumps(again["effect"]) == json.dumps(resumed["effect"])


def test_a_feed_of_counts_and_one_of_readings_leave_side_by_side(bed):
    counts = bed.document["feeds"][0]
    bed.write(feeds=[counts, {**FEED, "source": FEED["source"].replace("days=126", "days=14").replace("63", "14")}])
    document = bed.run()
    assert document["observed"] is None and document["effect"]["relative"] == pytest.approx(0.5, abs=0.03)
    found = publish_pilot("small", bed.settings)
    assert found["contract"] == "open_counts"
    names = {file.name for file in (bed.settings.published / "small").iterdir()}
    assert {"open_counts.csv", "open_readings.csv"} <= names


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"outcome": {**READINGS, "where": {"observed_property": "noise_laeq"}}}, "whose change in percent means something"),
        (
            {"feeds": [{**FEED, "contract": "judged_readings"}]},
            "contract is 'judged_readings', of which no open data can be made",
        ),
        ({"feeds": [{**FEED, "source": "network:street?seed=3"}]}, "'days' is 'missing'"),
    ],
)
def test_what_cannot_be_a_pilot_is_refused_in_one_line_each(sensors, change, said):
    sensors.write(**change)
    with pytest.raises(ValueError, match=said):
        sensors.run()
