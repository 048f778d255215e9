"""Warnings wait for a person: proposed once, decided once, with everything they stand on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from analytics.sensing.warning.levels import EarlyWarningError, load_levels
from experiments.settings import load_settings
from flows import warnings_queue
from flows.cli import app
from flows.warn import Outlook, warn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NOW = datetime(2026, 3, 20, tzinfo=UTC)


def write_air(path, *, hours=420, smoke=10, level=60.0, seed=1):
    """Quiet air at two stations, with smoke at the end; one hour is missing."""
    rng = np.random.default_rng(seed)
    lines = ["site_id,observed_property,interval_start_at,value,unit,readings,coverage,flags,thresholds_version"]
    for site in ("mill_lane", "oak_road"):
        for i in range(hours):
            at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=i)
            value = rng.uniform(5, 10) + (level * 2 if i >= hours - smoke else 0)
            if i != 50:
                lines.append(f"{site},pm25,{at:%Y-%m-%dT%H:%M:%SZ},{value:.2f},ug/m3,60,1,,1.0.0")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def levels_of(folder, **districts):
    """UK DAQI with districts, in a file."""
    told = load_levels("uk_daqi").model_dump(mode="json", exclude_none=True)
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump({**told, "districts": districts}))
    return str(file)


@pytest.fixture
def settings(tmp_path):
    return load_settings({"TESTBED_HOME": str(tmp_path / "home")})


def test_a_warning_is_proposed_once_and_decided_once_by_name(tmp_path, settings):
    file = write_air(tmp_path / "air.csv")
    given = {"levels": levels_of(tmp_path, town=["mill_lane", "oak_road"]), "observed": "pm25", "now": NOW}
    given["outlook"] = Outlook(horizon=12)
    found = warn([file], settings, **given)
    json.dumps(found, allow_nan=False)
    assert (found["missing"], found["stations"]) == (2, ["mill_lane", "oak_road"])
    assert found["level"] == "high" and [t["to_level"] for t in found["transitions"]] == ["moderate", "high"]
    assert [t["to_level"] for t in found["forecast"]["transitions"]] == ["very_high"]
    assert len(found["proposed"]) == 3 and warn([file], settings, **given)["proposed"] == []
    rows = warnings_queue.queue(settings)
    assert {row["status"] for row in rows} == {"proposed"} and {row["based_on"] for row in rows} == {"observed", "forecast"}
    ahead = json.loads(next(row["evidence"] for row in rows if row["based_on"] == "forecast"))
    assert ahead["forecast"]["model"].startswith("persistence 1") and len(ahead["forecast"]["hours"]) == 24
    assert set(ahead["values"]) == {"mill_lane", "oak_road"}

    first = rows[0]["warning_id"]
    with pytest.raises(EarlyWarningError, match="nobody is named"):
        warnings_queue.decide(settings, first, is_approved=True, by=" ", now=NOW)
    done = warnings_queue.decide(settings, first, is_approved=True, by="A. Officer", now=NOW)
    assert (done["status"], done["decided_by"], done["decided_at"]) == ("approved", "A. Officer", NOW.isoformat())
    with pytest.raises(EarlyWarningError, match="was approved by A"):
        warnings_queue.decide(settings, first, is_approved=False, by="B", now=NOW)
    with pytest.raises(EarlyWarningError, match="was not found"):
        warnings_queue.decide(settings, "nothing", is_approved=True, by="B", now=NOW)
    assert len(warnings_queue.queue(settings, "proposed")) == 2


def test_quiet_air_proposes_nothing_and_skill_is_told(tmp_path, settings):
    file = write_air(tmp_path / "air.csv", hours=460, smoke=0)
    given = {"levels": "uk_daqi", "observed": "pm25", "outlook": Outlook("climatology", 6), "is_verified": True}
    found = warn([file], settings, **given)
    json.dumps(found, allow_nan=False)
    assert found["level"] == "none" and found["transitions"] == [] and found["proposed"] == []
    models = {row["model"] for row in found["skill"]}
    assert models == {"persistence", "seasonal_naive_24", "seasonal_naive_168", "climatology"}
    assert all(row["scores"]["pod"][0] is None for row in found["skill"])  # no event: not defined, not zero


def test_the_last_fit_knows_every_hour(tmp_path, settings):
    """A level that rose on the last day is in the forecast of a learned model, whatever the number of hours."""
    for hours in (340, 420, 600):
        file = write_air(tmp_path / "air.csv", hours=hours, smoke=0)
        found = warn([file], settings, levels="uk_daqi", observed="pm25", outlook=Outlook("ridge", 3))
        first = int(found["forecast"]["model"].split(" from ")[1].split()[0])
        assert (hours - first) % 168 == 0 and first >= 336
        assert all(5 < hour["value"] < 10 for hour in found["forecast"]["hours"])


def test_the_command_tells_each_site_its_skill_and_what_it_was_asked(tmp_path, settings):
    call = CliRunner(env={"TESTBED_HOME": str(settings.home)}).invoke
    file = write_air(tmp_path / "air.csv", hours=600, smoke=60)
    told = call(app, ["warn", file, "--horizon", "6", "--interval", "split", "--verify", "--country", "IE"])
    assert told.exit_code == 0, told.output
    for part in (
        "2 of 2 raised: mill_lane very_high, oak_road very_high",
        "skill for level moderate",
        "FAR (ratio)",
        "seasonal",
    ):
        assert part in told.output, part
    assert "0 of 2 raised" in call(app, ["warn", file, "--until", "2026-03-20T00:00:00+00:00"]).output
    for wrong in ("yesterday", "2026-03-20T00:00:00"):
        found = call(app, ["warn", file, "--until", wrong])
        assert isinstance(found.exception, EarlyWarningError) and f"--until is '{wrong}'; expected" in str(found.exception)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"observed": "no2"}, "no hours of 'no2'"),
        ({"observed": "pm1"}, "has no levels; expected one of pm25"),
        ({"levels": "nowhere"}, "were not found"),
        ({"outlook": Outlook("oracle", 1)}, "is unknown; expected one of persistence"),
        ({"outlook": Outlook(interval="magic")}, "interval 'magic' is unknown; expected one of split"),
        ({"outlook": Outlook(timezone="Mars/Olympus")}, "time zone 'Mars/Olympus' is unknown"),
        ({"outlook": Outlook(country="XX")}, "holidays of 'XX'"),
        ({"outlook": Outlook(inputs=("wind_speed",))}, "no hours of 'wind_speed' were found; expected one of none"),
        ({"outlook": Outlook(weather=("nowhere",))}, "no hours"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, settings, change, said):
    given = {"levels": "uk_daqi", "observed": "pm25", "outlook": Outlook(horizon=1)}
    with pytest.raises(ValueError, match=said):
        warn([write_air(tmp_path / "air.csv", hours=60)], settings, **{**given, **change})
    with pytest.raises(EarlyWarningError, match="no hours of 'pm25'"):
        warn(["no_such_pilot"], settings, **given)
