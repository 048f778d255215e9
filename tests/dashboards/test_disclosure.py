"""What pages show and hand out gives no small count away, taken together with all else that is published."""

import csv
import io
import shutil
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st

from analytics.lake import open_lake
from dashboards import disclosure, queries
from experiments.settings import load_settings

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PLAZA, ROAD = "c" * 64, "a" * 64

pytestmark = pytest.mark.usefixtures("fresh")


@pytest.fixture
def bench(home, tmp_path, monkeypatch):
    """A copy of the filled home that a test may write in: executes statements in its lake, and tells the newest snapshot."""
    shutil.copytree(home, tmp_path / "home")
    monkeypatch.setenv("TESTBED_HOME", str(tmp_path / "home"))
    settings = load_settings()

    def change(*statements: str) -> int:
        with open_lake(settings.catalog, settings.lake_files) as connection:
            for statement in statements:
                connection.execute(statement)
        st.cache_data.clear()
        found = queries.newest_snapshot()
        assert found is not None
        return found

    return change


def test_open_data_is_csv_without_the_keys_of_the_lake(snapshot):
    data = disclosure.open_counts(snapshot, "a" * 64, NOW)
    assert data is not None
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert rows[0]["crossings"] == "16450" and rows[0]["period_start_at"] == "2019-02-01T11:00:00Z"
    assert "run_id" not in rows[0]
    assert disclosure.open_counts(snapshot, "c" * 64, NOW) is None


def test_no_small_count_is_shown(snapshot):
    found = disclosure.intervals(snapshot, "c" * 64)
    assert found is not None
    assert found.interval_s == 15 and found.shown_s in {15 * factor for factor in disclosure.WIDER}
    shown = [row["crossings"] for row in found.counts if row["crossings"] is not None]
    assert shown and all(count >= 10 and count % 5 == 0 for count in shown)
    assert all(row["suppressed"] for row in found.counts if row["crossings"] is None)
    assert not found.audited
    assert [row["uptime"] for row in found.uptime] == [1.0] * 7 + [0.5]
    assert disclosure.intervals(snapshot, "a" * 64) is None


OLD = "UPDATE lake.open_counts SET period_start_at = TIMESTAMPTZ '2016-05-31 12:00:00Z'"
TAMPERED = ["crossings = 7", "crossings = 16451", "suppressed = true", "crossings = -5"]


def test_what_is_too_old_is_not_handed_out(bench):
    assert disclosure.open_counts(bench(f"{OLD} WHERE run_id = '{ROAD}'"), ROAD, NOW) is None
    assert disclosure.open_counts(bench(), ROAD, NOW - timedelta(days=3)) is not None


@pytest.mark.parametrize("change", TAMPERED)
def test_nothing_is_handed_out_where_a_row_breaks_the_contract(bench, change):
    assert disclosure.open_counts(bench(f"UPDATE lake.open_counts SET {change} WHERE run_id = '{ROAD}'"), ROAD, NOW) is None


def test_a_column_that_the_contract_does_not_know_is_not_handed_out(bench):
    assert disclosure.open_counts(bench("ALTER TABLE lake.open_counts ADD COLUMN n INTEGER"), ROAD, NOW) is None


def hour(line: str, *, suppressed: bool, count: str = "NULL") -> str:
    return (
        f"INSERT INTO lake.open_counts VALUES ('plaza_crossings', '{PLAZA}', 'plaza', '{line}', 'any', '{line}bound', "
        f"TIMESTAMPTZ '{AT}', 3600, {count}, {suppressed}, 1.0, 'x')"
    )


def counted(*counts: tuple[str, int]) -> list[str]:
    rows = ", ".join(
        f"('plaza_crossings', '{PLAZA}', 'plaza', '{line}', '{line}bound', 'any', "
        f"TIMESTAMPTZ '{AT + timedelta(minutes=n)}', 60, {count}, NULL, NULL, 1.0)"
        for n, (line, count) in enumerate(counts)
    )
    return [
        f"DELETE FROM lake.counts_by_interval WHERE run_id = '{PLAZA}'",
        f"INSERT INTO lake.counts_by_interval VALUES {rows}",
    ]


def test_intervals_do_not_tell_what_the_open_data_withhold(bench):
    plenty = [("west", 40), ("west", 60), ("east", 30), ("east", 50)]
    found = disclosure.intervals(bench(*counted(*plenty)), PLAZA)
    assert found is not None and [row["crossings"] for row in found.counts] == [40, 60, 30, 50]
    both = [hour("west", suppressed=True), hour("east", suppressed=True)]
    found = disclosure.intervals(bench(*both), PLAZA)
    assert found is not None and [(row["crossings"], row["suppressed"]) for row in found.counts] == [(None, True)] * 4
    # the smallest count of the pilot holds where it is larger
    found = disclosure.intervals(bench(f"DELETE FROM lake.open_counts WHERE run_id = '{PLAZA}'"), PLAZA, 35)
    assert found is not None and min(row["crossings"] for row in found.counts) >= 35


def test_no_interval_is_shown_where_an_hour_of_the_open_data_would_give_it_away(bench):
    # one count in the hour of a line, too small: its sum is withheld here, but the open data hold that hour
    few = [("west", 40), ("west", 60), ("east", 4)]
    shown = [hour("west", suppressed=False, count="100"), hour("east", suppressed=False, count="10")]
    assert disclosure.intervals(bench(*counted(*few), *shown), PLAZA) is None


def test_a_week_is_left_out_where_a_site_counted_too_few(bench):
    snapshot = bench()
    weeks = disclosure.outcomes(snapshot, ROAD)
    start = weeks[2]["period_start"]
    site = queries.runs(snapshot)[0].document["sites"][0]["site_id"]
    hours = "INSERT INTO lake.counts_hourly SELECT 'k_road_streetscape', '{run}', '{site}', 'pedestrian', "
    hours += "TIMESTAMPTZ '{start} 12:00:00Z' + INTERVAL (range) DAY, {n}, 1.0, NULL FROM range(5)"
    many = bench(hours.format(run=ROAD, site=site, start=start, n=2))
    assert disclosure.outcomes(many, ROAD) == weeks
    few = bench(f"UPDATE lake.counts_hourly SET crossings = 1 WHERE site_id = '{site}' AND run_id = '{ROAD}'")
    assert [week["period_start"] for week in disclosure.outcomes(few, ROAD)] == [
        week["period_start"] for week in weeks if week["period_start"] != start
    ]


def test_the_privacy_budget_of_a_pilot_is_told(bench):
    assert disclosure.accounts(bench()) == []
    line = "INSERT INTO lake.privacy_budget VALUES ('plaza_crossings', '{}', 'noisy_counts', '1.0.0', '{}', {}, 'u', now())"
    snapshot = bench(line.format("", "opened", 0), line.format("1", "a", 0.5), line.format("2", "b", 0.5))
    (account,) = disclosure.accounts(snapshot)
    assert (account.pilot_id, account.spent, account.releases, account.budget.total) == ("plaza_crossings", 1.0, 2, 2.0)
