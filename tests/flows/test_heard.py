"""What a listener has brought, as a source of a pilot: read, judged again, and another source once more has come."""

from __future__ import annotations

import pytest

from analytics.lake import memory, open_lake
from analytics.sensing.formats import READERS
from data_contracts.contract import load_contract
from data_contracts.gate import check
from experiments.pilot import Feed, PilotError
from experiments.settings import load_settings
from flows.heard import heard_so_far, is_heard

FEED = {
    "analytic": "sense",
    "source": "mqtt:Town",
    "reader": "live_readings",
    "raw_contract": "sensor_readings",
    "contract": "c",
}


def add(connection, number: int, feed: str = "mqtt:town") -> None:
    connection.execute(
        "INSERT INTO lake.live_readings SELECT ?, 1000 * ?, 'mill_lane', 'pm25', TIMESTAMPTZ '2026-03-02 08:00:00Z' + "
        "to_seconds(?), 0, ?, 'ug/m3', NULL, NULL, now()",
        [feed, number, number, number],
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_has_come_so_far_is_a_source(tmp_path):
    settings, feed = load_settings({"TESTBED_HOME": str(tmp_path)}), Feed.model_validate(FEED)
    with open_lake(settings.catalog, settings.lake_files) as connection:
        assert is_heard(feed)
        with pytest.raises(PilotError, match=r"source 'mqtt:town' has brought nothing yet; .*testbed listen mqtt:town"):
            heard_so_far(connection, feed, settings, "pilot.yaml")
        add(connection, 1)
        add(connection, 1, "mqtt:elsewhere")
        first = heard_so_far(connection, feed, settings, "pilot.yaml")
        assert heard_so_far(connection, feed, settings, "pilot.yaml") == first
        add(connection, 2)
        second = heard_so_far(connection, feed, settings, "pilot.yaml")
    assert second.digest != first.digest
    with memory() as connection:
        READERS["live_readings"](connection, second.location, table="read")
        report = check(connection, "read", load_contract("sensor_readings"), accepted="accepted", quarantined="refused")
        assert (report.passed, report.accepted) == (True, 2)
        assert connection.execute("SELECT value FROM accepted ORDER BY source_row").fetchall() == [(1.0,), (2.0,)]


def test_a_feed_that_is_heard_needs_its_reader_and_no_other_source(tmp_path):
    settings = load_settings({"TESTBED_HOME": str(tmp_path)})
    for change in ({"reader": "wide_hourly_csv"}, {"source": ("mqtt:town", "file.csv")}):
        feed = Feed.model_validate(FEED | change)
        with (
            open_lake(settings.catalog, settings.lake_files) as connection,
            pytest.raises(PilotError, match="expected it alone"),
        ):
            heard_so_far(connection, feed, settings, "pilot.yaml")
