"""Indices, limits, episodes and totals of a pilot: through gates into the lake, out as open data, not to be tampered with."""

from __future__ import annotations

import csv

import pytest

from analytics.lake import memory, open_lake
from data_contracts.privacy.budget import RefusalError
from flows.figures import open_totals
from flows.publish import publish_pilot
from tests.flows.test_sensor_pilot import PILOT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
LIMITS = ["who_2021", "eu_2024_2881_thresholds"]


@pytest.fixture
def sensors(bed):
    bed.write(
        **PILOT,
        figures={"indices": ["us_aqi_2024"], "limits": LIMITS},
        citizens={code: {"why": "a", "what_we_collect": "b", "what_we_do_not": "c"} for code in ("en", "fr", "es")},
    )
    return bed


def rows(bed, query: str) -> list[tuple]:
    with open_lake(bed.settings.catalog, bed.settings.lake_files) as connection:
        return connection.execute(query).fetchall()


def test_indices_limits_and_episodes_go_through_gates_and_leave(sensors):
    document = sensors.run()
    assert document["status"] == "published"
    stages = rows(sensors, "SELECT contract, passed FROM lake.checks WHERE stage = 'open_data' ORDER BY contract")
    assert stages == [
        (name, True) for name in ("air_quality_index", "limit_exceedances", "open_readings", "threshold_episodes")
    ]
    found = rows(sensors, "SELECT DISTINCT index_id, index_version FROM lake.air_quality_index")
    assert found == [("us_aqi_2024", "2024-05-06")]
    assert rows(sensors, "SELECT count(*) FROM lake.air_quality_index WHERE index_value IS NULL AND flags IS NULL") == [(0,)]
    of = "FROM lake.limit_exceedances WHERE site_id = 'street_01' AND level = 'guideline'"
    year = f"SELECT exceedances, allowed, is_exceeded {of}"
    assert rows(sensors, f"{year} AND statistic = 'mean_24h'")[0][1:] == (3, True)
    assert rows(sensors, f"{year} AND statistic = 'mean_year'") == [(None, None, None)]  # a third of a year is no year
    assert rows(sensors, "SELECT count(*) FROM lake.threshold_episodes") == [(0,)]
    told = publish_pilot("small", sensors.settings)
    folder = sensors.settings.published / "small"
    with (folder / "air_quality_index.csv").open(newline="") as stream:
        assert {row["index_version"] for row in csv.DictReader(stream)} == {"2024-05-06"}
    assert {file.split("/")[-1] for file in told["files"]} >= {"limit_exceedances.csv", "threshold_episodes.odcs.yaml"}
    page = (folder / "index.html").read_text()
    assert "Simply comparing before with after" in page and "aux sites modifiés aurait dit" in page
    assert "Mauvais pour les personnes sensibles" in page and "WHO guidelines 2021" in page and "Directrices de la OMS" in page
    assert "Nothing that was measured lay above these thresholds" in page
    assert 'href="air_quality_index.csv"' in page and "#FFFF00" in page and "the worst of 9 sites" in page
    again = sensors.run()
    assert again["reused"]


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE lake.air_quality_index SET index_value = 1, band = 'Good' WHERE site_id = 'street_01'",
        "DELETE FROM lake.limit_exceedances WHERE is_exceeded",
    ],
)
def test_figures_that_were_tampered_with_are_not_published(sensors, tampering):
    sensors.run()
    rows(sensors, tampering)
    with pytest.raises(RefusalError, match="not those the gate accepted"):
        publish_pilot("small", sensors.settings)


def test_totals_leave_rounded_and_made_anew(bed):
    bed.write(figures={"totals": ["day", "week"]})
    assert bed.run()["status"] == "published"
    assert rows(bed, "SELECT DISTINCT stage FROM lake.checks WHERE contract = 'footfall_totals'") == [("figures",)]
    publish_pilot("small", bed.settings)
    with (bed.settings.published / "small" / "open_totals.csv").open(newline="") as stream:
        published = list(csv.DictReader(stream))
    assert {row["period"] for row in published} == {"day", "week"}
    counts = [int(row["estimate"]) for row in published if row["estimate"]]
    assert counts and min(counts) >= 10 and all(count % 5 == 0 for count in counts)
    exact = "SELECT sum(estimate) FROM lake.footfall_totals WHERE period = 'week' AND estimate IS NOT NULL"
    weeks = sum(int(row["estimate"]) for row in published if row["period"] == "week" and row["estimate"])
    assert weeks == pytest.approx(rows(bed, exact)[0][0], rel=0.01)


def test_a_total_that_holds_a_withheld_day_is_withheld_too():
    with memory() as connection:
        connection.execute(
            "CREATE TABLE totals AS SELECT 'a' AS site_id, 'pedestrian' AS road_user, * FROM (VALUES "
            "('day', DATE '2026-03-02', 6.0), ('day', DATE '2026-03-03', 101.0), ('week', DATE '2026-03-02', 107.0), "
            "('week', DATE '2026-03-09', 8.0), ('week', DATE '2026-03-16', 703.0), ('year', DATE '2026-01-01', NULL)"
            ") t(period, period_start, estimate), (SELECT 1.0 AS coverage)"
        )
        connection.execute("ALTER TABLE totals ADD COLUMN lower DOUBLE; ALTER TABLE totals ADD COLUMN upper DOUBLE")
        connection.execute("UPDATE totals SET lower = estimate - 3, upper = estimate + 3")
        counts = (
            "SELECT 'a' AS site_id, 'pedestrian' AS road_user, TIMESTAMPTZ '2026-03-01 11:00:00+00' AS period_start_at, "
            "true AS suppressed"
        )
        open_totals(connection, "FROM totals", counts, "Pacific/Auckland", "CC0", 0, into="found")
        query = "SELECT period, estimate, lower, upper, suppressed FROM found ORDER BY period, period_start_at"
        assert connection.execute(query).fetchall() == [
            ("day", None, None, None, True),
            ("day", 100, 100, 105, False),
            ("week", None, None, None, True),  # less its published days it would give the withheld day away
            ("week", None, None, None, True),  # small
            ("week", 705, 700, 705, False),
            ("year", None, None, None, True),
        ]
