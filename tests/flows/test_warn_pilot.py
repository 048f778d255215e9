"""A pilot's readings, its pollution episode, and the people who decide: nothing goes out by itself, nothing is asked twice."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import pytest
from typer.testing import CliRunner

from analytics.lake import open_lake
from analytics.sensing.network.address import read_address
from analytics.sensing.network.truth import render_truth
from flows import warnings_queue
from flows.cli import app
from flows.warn import Outlook, warn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SOURCE = "network:street?seed=11&days=140&start=2025-01-06&sites=8&treated=1&change_day=70&observe=pm25,humidity"
SITES = [f"street_{number:02d}" for number in range(1, 9)]
EPISODE, _ = render_truth(read_address(SOURCE)).episode


@pytest.fixture
def streets(bed):
    """The pilot as `school_street_air` has it, with humidity beside, run once."""
    feed = {"analytic": "sense_hourly", "source": SOURCE, "reader": "rendered_network"}
    bed.write(
        sites={"treated": SITES[:1], "control": SITES[1:]},
        before=[date(2025, 1, 6), date(2025, 3, 16)],
        after=[date(2025, 3, 17), date(2025, 5, 25)],
        feeds=[{**feed, "raw_contract": "sensor_readings", "contract": "hourly_readings"}],
        outcome={"contract": "hourly_readings", "column": "value", "where": {"observed_property": "pm25"}},
        succeeds_if={"relative_effect_below": 0.0},
        timezone="Europe/Brussels",
        attribution="Rendered, CC0",
    )
    bed.run()
    return bed


def at(bed, hours: float, **more):
    """Warn as it would have been done so many hours after the episode began."""
    given = {"levels": "uk_daqi", "observed": "pm25", "until": EPISODE + timedelta(hours=hours), **more}
    return warn(["small"], bed.settings, **given)


def test_the_episode_is_warned_of_and_a_person_decides(streets):
    quiet = at(streets, -24 * 14)
    assert quiet["level"] == "none" and quiet["proposed"] == [] and quiet["timezone"] == "Europe/Brussels"
    assert {one["district"] for one in quiet["districts"]} >= {*SITES}

    asked, warned, sites = [], {}, set(SITES)
    for hours in range(0, 25, 6):  # as a timer would call it
        found = at(streets, hours)
        assert not set(found["proposed"]) & set(asked)
        asked += found["proposed"]
        for row in warnings_queue.queue(streets.settings, "proposed"):
            if row["to_level"] in ("moderate", "high", "very_high"):
                warned.setdefault(row["district"], hours)
    assert sites <= warned.keys() and min(warned[site] for site in sites) <= 6  # raised in its first hours
    rows = warnings_queue.queue(streets.settings)
    assert len({row["warning_id"] for row in rows}) == len(rows) == len(asked)
    assert {row["status"] for row in rows} == {"proposed"} and {row["based_on"] for row in rows} == {"observed", "forecast"}
    before = {row["warning_id"]: row for row in rows}
    assert at(streets, 24)["proposed"] == []  # called again after a restart

    first, second = (row["warning_id"] for row in rows[:2])
    call = CliRunner(env={"TESTBED_HOME": str(streets.settings.home)}).invoke
    assert call(app, ["warnings", "--approve", first, "--by", "A. Officer", "--note", "smoke"]).exit_code == 0
    assert call(app, ["warnings", "--reject", second, "--by", "B. Officer"]).exit_code == 0
    after = {row["warning_id"]: row for row in warnings_queue.queue(streets.settings)}
    assert (after[first]["status"], after[first]["decided_by"], after[first]["note"]) == ("approved", "A. Officer", "smoke")
    assert after[second]["status"] == "rejected"
    assert {one: row for one, row in after.items() if one not in (first, second)} == {
        one: row for one, row in before.items() if one not in (first, second)
    }
    assert at(streets, 24)["proposed"] == []  # what was decided is not asked again
    evidence = json.loads(after[first]["evidence"])
    assert evidence["pilot_id"] == "small" and evidence["unit"] == "ug/m3"

    with open_lake(streets.settings.catalog, streets.settings.lake_files) as connection:
        connection.execute("UPDATE lake.hourly_readings SET pilot_id = 'other'")
    other = warn(["other"], streets.settings, levels="uk_daqi", observed="pm25", until=EPISODE + timedelta(hours=24))
    assert other["timezone"] == "UTC" and len(other["proposed"]) >= 8  # another pilot whose sites bear the same names
    assert not {*other["proposed"]} & {*asked}


def test_what_is_not_known_yet_changes_nothing(streets):
    """The same instant gives the same forecast whether or not later hours, of air and of weather, are in the lake."""
    outlook = Outlook("ridge", 6, "adaptive", country="IE", inputs=("humidity",))
    whole = at(streets, 12, outlook=outlook)
    assert whole["inputs"] == ["humidity"] and whole["holidays"] == 2  # 3 February and 17 March
    with open_lake(streets.settings.catalog, streets.settings.lake_files) as connection:
        connection.execute(
            "UPDATE lake.hourly_readings SET value = 3 * value + 50 WHERE interval_start_at >= ?",
            [EPISODE + timedelta(hours=12)],
        )
    changed = at(streets, 12, outlook=outlook)
    assert changed["forecast"] == whole["forecast"] and changed["transitions"] == whole["transitions"]
    assert at(streets, 18, outlook=outlook)["level"] == "very_high"  # those hours are there


def test_missing_hours_hold_the_level_and_it_falls_with_hysteresis(streets):
    """A site that falls silent in the episode keeps its level for `silent_after` hours; no hour is invented."""
    silent_from = EPISODE + timedelta(hours=30)
    with open_lake(streets.settings.catalog, streets.settings.lake_files) as connection:
        connection.execute(
            "DELETE FROM lake.hourly_readings WHERE site_id = 'street_01' AND interval_start_at >= ?", [silent_from]
        )
    level = {one["district"]: one["level"] for one in at(streets, 40)["districts"]}
    assert level["street_01"] in ("high", "very_high")
    falls = [change for change in at(streets, 24 * 7)["transitions"] if not change["is_raise"]]
    for change in falls:
        values = [value for value in change["values"].values() if value is not None]
        assert all(value < change["threshold"] for value in values)
        ups = {36: "moderate", 54: "high", 71: "very_high"}
        assert round(change["threshold"] / 0.9) in ups
        assert datetime.fromisoformat(change["interval_start_at"]) > EPISODE - timedelta(days=75)
    assert {change["district"] for change in falls} >= {*SITES[1:]} - {"street_01"}
