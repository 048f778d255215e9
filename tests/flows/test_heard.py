"""A pilot that listens to a broker: what has come is a source, judged again, and another source once more has come."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import yaml

from analytics.lake import LakeError, QueryError, memory, open_lake
from analytics.sensing.formats import READERS
from analytics.sensing.readings import SourceError
from data_contracts.contract import load_contract
from data_contracts.gate import check
from experiments.pilot import Feed, PilotError, load_pilot
from experiments.settings import load_settings
from flows import follow
from flows.heard import ears_of, heard_so_far
from flows.run_pilot import run_pilot
from flows.stream_feeds import is_heard
from tests.analytics.sensing.live.broker import Mosquitto, mosquitto, needs_mosquitto, publish, publisher

TOMORROW = datetime.now(UTC).date() + timedelta(days=1)
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


MAPPING = {
    "format": "plain",
    "topic": "city/{site_id}/{observed_property}",
    "fields": {"interval_start_at": "time", "interval_s": "length", "value": "value", "unit": "unit"},
}
NETWORK = "network:street?seed=5&days=14&sites=3&treated=1&observe=pm25,no2"


class Town:
    """A test bed with a pilot on the air of a town, whose sensors are rendered and publish."""

    def __init__(self, bed, broker: Mosquitto) -> None:
        self.settings = replace(bed.settings, brokers={"town": broker.address})
        self.document = {**bed.document, "id": "town", "beside": []}
        self.document |= {"sites": {"treated": ["street_01"], "control": ["street_02", "street_03"]}}
        self.document |= {"before": [date(2025, 1, 6), date(2025, 1, 12)], "after": [date(2025, 1, 13), TOMORROW]}
        self.document["outcome"] = {"contract": "hourly_readings", "column": "value", "where": {"observed_property": "pm25"}}
        self.write()

    def write(self, **feed) -> None:
        given = {"analytic": "sense_hourly", "source": "mqtt:Town", "reader": "live_readings", "contract": "hourly_readings"}
        given |= {"raw_contract": "sensor_readings", "reader_params": {"mapping": MAPPING}}
        path = self.settings.pilots / "town.yaml"
        path.write_text(yaml.safe_dump({**self.document, "feeds": [given | feed]}))

    def run(self, for_s: float, **arguments) -> dict:
        return run_pilot("town", self.settings, orchestrated=False, for_s=for_s, **arguments)

    def rows(self, query: str) -> list[tuple]:
        connection = open_lake(self.settings.catalog, self.settings.lake_files, read_only=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def came(self) -> int:
        """How many readings are in the lake; none before there is a lake."""
        try:
            return int(self.rows("SELECT count(*) FROM lake.live_readings")[0][0])
        except (LakeError, QueryError):
            return 0

    def until(self, rows: int) -> None:
        """Wait until the lake holds so many readings."""
        end = time.monotonic() + 120
        while self.came() < rows:
            assert time.monotonic() < end, f"{self.came()} of {rows} readings came"
            time.sleep(0.3)

    def process(self) -> subprocess.Popen:
        """`testbed run town`, as somebody would start it and leave it to itself."""
        environment = {"TESTBED_HOME": self.settings.home, "TESTBED_PILOTS": self.settings.pilots, "PATH": "/usr/bin:/bin"}
        environment = {name: str(text) for name, text in environment.items()}
        command = [sys.executable, "-c", "from flows.cli import main; main()", "run", "town"]
        return subprocess.Popen(
            command, env={**environment, "TESTBED_MQTT_TOWN": self.settings.brokers["town"]}, stderr=subprocess.PIPE
        )


@pytest.fixture
def town(bed, tmp_path):
    with mosquitto(tmp_path / "broker") as broker:
        yield Town(bed, broker), broker


def sent(connection) -> list[tuple[str, str]]:
    """What the sensors of the rendered network publish, in the order in which they do."""
    READERS["rendered_network"](connection, NETWORK, table="sent")
    found = connection.execute("SELECT * FROM sent ORDER BY source_row").fetchall()
    return [
        (f"city/{site}/{observed}", json.dumps({"time": at, "length": length, "value": value, "unit": unit}))
        for _, site, observed, at, length, value, unit, *_ in found
    ]


HOURS = "SELECT * EXCLUDE (pilot_id, run_id) FROM lake.hourly_readings ORDER BY site_id, observed_property, interval_start_at"


@needs_mosquitto
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.slow
def test_a_pilot_listens_by_itself_goes_on_after_a_kill_and_has_the_hours_of_what_was_sent(town):
    town, broker = town
    with memory() as connection:
        messages = sent(connection)
        report = check(connection, "sent", load_contract("sensor_readings"), accepted="good", quarantined="bad")
        key = "site_id, observed_property, interval_start_at, value"
        ((expected,),) = connection.execute(f"SELECT count(DISTINCT ({key})) FROM good").fetchall()
    assert expected == report.accepted < len(messages)  # some come twice, some without a value
    third = len(messages) // 3
    first = town.process()
    try:
        with publisher(broker) as client:
            while not broker.has_subscriber("testbed-"):
                assert first.poll() is None, first.communicate()
                time.sleep(0.2)
            publish(client, messages[:third])
            town.until(1)
            client.send(messages[third : 2 * third])
            first.kill()  # while they come
            rest = client.send(messages[2 * third :])
            stop = threading.Event()
            waiting = threading.Thread(target=lambda: (client.wait(rest), town.until(expected), stop.set()))
            waiting.start()
            told: list[str] = []
            stopped = town.run(3600, stop=stop, progress=told.append)
            waiting.join()
    finally:
        first.kill()
        assert first.communicate()[1] is not None
    assert stopped["status"] == "followed" and "readings went into the lake" in stopped["answer"]
    assert "mqtt:town: connected to mqtt://127.0.0.1" in "".join(told)
    assert town.rows(f"SELECT count(*), count(DISTINCT ({key})) FROM lake.live_readings") == [(expected, expected)]
    live = town.run(2)  # its time is over: what came is judged
    assert live["status"] == "published" and live["plan_hash"] == stopped["plan_hash"]
    hours = town.rows(HOURS)
    assert town.run(0)["reused"]
    town.write(source=NETWORK, reader="rendered_network", reader_params={})
    town.run(0)
    assert hours == town.rows(HOURS) and len(hours) > 24 * 14


def test_listening_ends_with_the_plan_and_no_later(town, monkeypatch):
    town, _ = town
    asked = []

    def listen(_connection, feed, address, meaning, _settings, *, for_s, stop, progress):
        asked.append((feed, meaning.topic, for_s))
        raise SourceError(f"{feed}: {address.partition(':')[0]} is enough")

    monkeypatch.setattr(follow, "listen", listen)
    with pytest.raises(SourceError, match="mqtt:town: mqtt is enough"):
        town.run(float("inf"))
    assert asked[0][:2] == ("mqtt:town", MAPPING["topic"]) and 0 < asked[0][2] <= 2 * 86400
    town.write(reader_params={})  # somebody else listens: nothing to follow
    with pytest.raises(PilotError, match=r"source 'mqtt:town' has brought nothing yet; .*give its mapping"):
        town.run(float("inf"))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ({"reader": "wide_hourly_csv", "reader_params": {}}, "reader is 'wide_hourly_csv'; expected 'live_readings'"),
        ({"source": ["mqtt:town", "file.csv"]}, "2 sources are given; expected a broker alone"),
        ({"source": "mqtts://anna:secret@broker.example"}, "source 'mqtts://broker.example' holds a user or a password"),
        ({"source": "mqtt:no way"}, "found no feed; expected 'mqtt:NAME'"),
        ({"source": "mqtt:elsewhere"}, "source 'mqtt:elsewhere' has no address; .*set TESTBED_MQTT_ELSEWHERE"),
        ({"reader_params": {"mapping": {**MAPPING, "colour": 1}}}, "feeds.0: reader_params.mapping: plain.colour is '1'"),
    ],
)
def test_faults_are_found_before_anything_is_listened_to(bed, feed, message):
    town = Town(bed, Mosquitto(bed.settings.home))
    town.write(**feed)
    with pytest.raises(PilotError, match=message) as caught:
        town.run(1)
    assert "secret" not in str(caught.value)


def test_feeds_of_one_broker_share_one_ear_and_one_mapping(bed):
    town = Town(bed, Mosquitto(bed.settings.home))
    pilot = load_pilot(town.settings.pilots / "town.yaml")
    twice = pilot.model_copy(update={"feeds": pilot.feeds * 2})
    assert [ear.name for ear in ears_of(twice, town.settings, "town.yaml")] == ["mqtt:town"]
    other = pilot.feeds[0].model_copy(update={"reader_params": {"mapping": {**MAPPING, "time": "unix_s"}}})
    with pytest.raises(PilotError, match=r"feeds.1: source 'mqtt:town' has another mapping"):
        ears_of(pilot.model_copy(update={"feeds": (*pilot.feeds, other)}), town.settings, "town.yaml")
