"""A pilot's rows are judged at its plan's instant, and against the rows that their relationships look up."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import yaml

from analytics.lake import memory, open_lake
from data_contracts import contract as contract_module
from data_contracts.contract import contracts
from experiments.pilot import PilotError, load_pilot
from flows.context import judged_at, order_of, others_of, published_for
from flows.judged_table import judge_table, report_of
from tests.flows.conftest import SITES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
MUST = [{"property": "testbed.severity", "value": "must"}]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of contracts that a test may add to; those of the project are in it."""
    place = tmp_path / "contracts"
    place.mkdir()
    for path in contracts().values():
        (place / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(contract_module, "FOLDER", place)
    return place


def add(folder, name: str, *points_to: str, levels: tuple[dict, ...] = ()) -> None:
    links = [{"to": f"{other}.site_id"} for other in points_to]
    column = {"name": "site_id", "logicalType": "string", "relationships": links}
    table = {"name": name, "properties": [column, {"name": "at", "logicalType": "timestamp"}]}
    document = {"apiVersion": "v3.2.0", "kind": "DataContract", "id": name, "version": "1.0.0", "schema": [table]}
    document["slaProperties"] = list(levels)
    (folder / f"{name}.odcs.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def pilot_of(bed, *names: str):
    pilot = load_pilot(bed.write())
    return pilot.model_copy(update={"feeds": tuple(pilot.feeds[0].model_copy(update={"contract": n}) for n in names)})


def judge(tmp_path, name: str, sites: list[str], others=None, now=None):
    step = tmp_path / f"step_{name}_{len(list(tmp_path.iterdir()))}"
    step.mkdir()
    with memory() as connection:
        rows = ", ".join(f"('{site}', TIMESTAMPTZ '2026-03-01 00:00:00Z')" for site in sites)
        connection.execute(f'CREATE TABLE given AS SELECT * FROM (VALUES {rows}) AS v(site_id, "at")')
        judge_table(connection, "given", name, step, now=now, others=others)
    return step, report_of(step)


def test_the_instant_is_the_end_of_the_plan_or_the_day_of_an_earlier_run(bed):
    pilot = pilot_of(bed, "counts_hourly").model_copy(
        update={"after": ((date(2026, 4, 13), date(2026, 5, 10)),), "timezone": "Europe/London"}
    )
    end = datetime(2026, 5, 10, 23, tzinfo=UTC)  # midnight in British summer time
    assert judged_at(pilot, datetime(2026, 5, 12, 7, tzinfo=UTC)) == judged_at(pilot, datetime(2046, 1, 1, tzinfo=UTC)) == end
    assert judged_at(pilot, datetime(2026, 4, 20, 15, 30, tzinfo=UTC)) == datetime(2026, 4, 20, tzinfo=UTC)


def test_feeds_come_after_those_they_look_up(bed, folder):
    add(folder, "sites")
    add(folder, "readings", "sites")
    add(folder, "repairs", "readings")
    assert order_of(pilot_of(bed, "repairs", "readings", "sites")) == [2, 1, 0]
    assert order_of(pilot_of(bed, "sites", "counts_hourly")) == [0, 1]
    add(folder, "sites", "repairs")
    with pytest.raises(PilotError, match="look up keys in each other; expected one that comes first"):
        order_of(pilot_of(bed, "repairs", "readings", "sites"))


def test_rows_of_another_feed_are_looked_up(folder, tmp_path):
    add(folder, "sites")
    add(folder, "readings", "sites")
    sites, _ = judge(tmp_path, "sites", ["mill", "oak"])
    _, alone = judge(tmp_path, "readings", ["mill", "elm"])
    (rule,) = [rule for rule in alone["rules"] if rule["rule"] == "site_id.relationships"]
    assert not alone["passed"] and rule["status"] == "skipped" and "--with sites=FILE" in rule["reason"]
    others = others_of("readings", {"sites.sites": [str(sites)], "counts_hourly.counts_hourly": ["not asked for"]})
    assert others == {"sites.sites": [str(sites)]}
    step, report = judge(tmp_path, "readings", ["mill", "elm"], others)
    assert (report["accepted"], report["quarantined"]) == (1, 1)
    with memory() as connection:
        found = connection.execute(f"SELECT reasons FROM read_parquet('{step}/quarantined.parquet')").fetchall()
    assert found == [(["site_id is 'elm', expected a value that is in sites.site_id"],)]


def test_what_the_lake_has_published_is_looked_up_and_names_the_step(bed, folder, tmp_path):
    add(folder, "readings", "counts_hourly")
    pilot = pilot_of(bed, "readings")
    with open_lake(bed.settings.catalog, bed.settings.lake_files) as lake:

        def publish(pilot_id: str, site: str) -> dict:
            lake.execute("INSERT INTO lake.counts_hourly (pilot_id, run_id, site_id) VALUES (?, 'r', ?)", [pilot_id, site])
            return published_for(lake, pilot, tmp_path / "cache")

        first = publish("another", "mill")
        assert publish(pilot.id, "elm") == publish("a_third", "mill") == first  # its own rows and known keys change nothing
        assert publish("another", "oak") != first
        assert published_for(lake, pilot_of(bed, "readings", "counts_hourly"), tmp_path / "cache") == {}  # a feed brings them
    _, report = judge(tmp_path, "readings", ["mill", "elm"], others_of("readings", first))
    assert (report["accepted"], report["quarantined"]) == (1, 1)


def test_a_service_level_that_must_be_kept_is_judged_in_a_step(folder, tmp_path):
    level = {"property": "retention", "value": 1, "unit": "m", "element": "old.at", "customProperties": MUST}
    add(folder, "old", levels=(level,))
    _, report = judge(tmp_path, "old", ["mill"], now="2026-03-20T00:00:00+00:00")
    assert report["passed"] and any("judged at 2026-03-20T00:00:00Z" in rule["reason"] for rule in report["rules"])
    _, report = judge(tmp_path, "old", ["mill"], now="2026-05-20T00:00:00+00:00")
    assert not report["passed"] and report["quarantined"] == 1


def test_a_pilot_is_run_again_when_what_it_looks_up_has_changed(bed, folder):
    path = folder / "footfall_readings.odcs.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    site = next(one for one in document["schema"][0]["properties"] if one["name"] == "site_id")
    site["relationships"] = [{"to": "counts_by_interval.site_id"}]
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    first = bed.run()
    assert first["status"] == "stopped" and first["rows"] == 0 < first["quarantined"]  # no key is known
    with open_lake(bed.settings.catalog, bed.settings.lake_files) as lake:
        known = "INSERT INTO lake.counts_by_interval (pilot_id, run_id, site_id) VALUES ('other', 'r', ?)"
        lake.executemany(known, [[site] for site in ("mill_lane", *SITES[1:])])
    second = bed.run()
    assert second["status"] == "published" and second["run_id"] != first["run_id"]
    assert bed.run()["reused"]
