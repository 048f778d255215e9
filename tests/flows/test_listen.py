"""Listening to a real broker: nothing lost and nothing doubled when broker, listener or messages fail."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from analytics.lake import open_lake
from analytics.sensing.live import mqtt
from analytics.sensing.live.spool import SpoolReader, SpoolWriter
from analytics.sensing.readings import SourceError
from experiments.settings import Settings, load_settings
from flows.listen import feed_and_address, listen_to, load_meaning
from tests.analytics.sensing.live.broker import Mosquitto, mosquitto, needs_mosquitto, publish, publisher

pytestmark = [needs_mosquitto, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]
PLAIN = {
    "format": "plain",
    "topic": "city/{site_id}/{observed_property}",
    "fields": {"interval_start_at": "time", "value": "value"},
    "constants": {"unit": "ug/m3"},
}
THINGS = {
    "format": "sensorthings",
    "datastreams": {"7": {"site_id": "oak_road", "observed_property": "no2", "unit": "ppb"}},
}


class Town:
    """A test bed that listens to one feed, `mqtt:town`."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.broker, self.home, self.mapping = broker, folder / "home", folder / "mapping.yaml"
        self.address = broker.address
        self.mapping.write_text(yaml.safe_dump(PLAIN))

    @property
    def settings(self) -> Settings:
        return load_settings({"TESTBED_HOME": str(self.home), "TESTBED_MQTT_TOWN": self.address})

    def rows(self, query: str) -> list[tuple]:
        settings = self.settings
        connection = open_lake(settings.catalog, settings.lake_files, read_only=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def listen(self, *steps, listen_for: str = "60s", tell=lambda _text: None) -> dict:
        """Listen until all steps are done, each begun when a connection has been made or lost; then as Ctrl-C would."""
        waiting = list(steps)

        def progress(text: str) -> None:
            tell(text)
            if waiting and "connected to" in text:
                step = waiting.pop(0)
                threading.Thread(target=step).start()

        return listen_to("mqtt:town", str(self.mapping), self.settings, listen_for, progress=progress)

    def values(self) -> list[int]:
        return [int(value) for (value,) in self.rows("SELECT value FROM lake.live_readings ORDER BY source_row")]

    def until(self, rows: int) -> None:
        """Wait until the lake and its quarantine hold so many rows, then as Ctrl-C would."""
        query = "SELECT (SELECT count(*) FROM lake.live_readings) + (SELECT count(*) FROM lake.quarantine)"
        end = time.monotonic() + 25
        while self.rows(query) != [(rows,)] and time.monotonic() < end:
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    def process(self) -> subprocess.Popen:
        """The same by the command, in a process of its own."""
        code = "from flows.cli import main; main()"
        command = [sys.executable, "-c", code, "listen", "mqtt:town", "--mapping", str(self.mapping), "--json"]
        return subprocess.Popen(
            command,
            env={"TESTBED_HOME": str(self.home), "TESTBED_MQTT_TOWN": self.broker.address, "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


def reading(number: int, site: str = "mill_lane") -> tuple[str, str]:
    at = f"2026-03-02T08:{number // 60 % 60:02d}:{number % 60:02d}Z"
    return f"city/{site}/pm25", json.dumps({"time": at, "value": number})


@pytest.fixture
def town(tmp_path):
    with mosquitto(tmp_path / "broker") as broker:
        yield Town(tmp_path, broker)


def test_readings_come_into_the_lake_once_and_hostile_messages_into_quarantine(town):
    hostile: list[tuple[str, str | bytes]] = []
    for number in range(60):
        hostile += [
            ("city/mill_lane/pm25", b"\xff" * number),
            ("city/mill_lane/pm25", '{"time": ' + "[" * 50 * number),
            ("city/mill_lane/pm25", json.dumps({"time": "1970-01-01T00:00:00Z", "value": number})),
            ("city/mill_lane/pm25", json.dumps({"time": "2099-01-01T00:00:00Z", "value": number})),
            ("city/mill_lane/pm25", json.dumps({"time": "2026-03-02T08:00:00Z", "value": "=cmd()" * number})),
            (f"city/mill_lane/aether{number}", json.dumps({"time": "2026-03-02T08:00:00Z", "value": 1})),
        ]
    hostile += [("city/\u00e9\u00e9/pm25", b"x" * (300 << 10)), ("city/!/pm25", reading(1)[1])]

    def send() -> None:
        with publisher(town.broker) as client:
            good = [reading(number) for number in range(200)]
            publish(client, [*good[:100], *hostile, *good[100:], *good[50:60], reading(5, "oak_road"), reading(2, "oak_road")])
        town.until(202 + len(hostile))

    told = town.listen(send)
    assert town.values() == [*range(200), 5, 2]
    assert (told["readings"], told["duplicates"], told["out_of_order"]) == (202, 10, 1)
    assert told["messages"] == 212 + len(hostile) and told["late"] == 202
    refused = town.rows("SELECT rules[1], count(*), min(row->>'topic') FROM lake.quarantine GROUP BY 1")
    assert {rule: rows for rule, rows, _ in refused} == told["refused"]
    assert sum(told["refused"].values()) == len(hostile)
    assert told["refused"]["message.size"] == 1 and told["refused"]["unit.known"] == 60
    ((shown,),) = town.rows("SELECT length(row->>'payload') FROM lake.quarantine WHERE rules[1] = 'message.size'")
    assert shown == 200
    assert not list((town.home / "live" / "mqtt_town").glob("*.damaged"))


def test_a_broker_that_is_killed_and_comes_back_loses_and_doubles_nothing(town):
    def send() -> None:
        with publisher(town.broker) as client:
            publish(client, [reading(number) for number in range(100)])
            town.broker.end()
            waiting = client.send([reading(number) for number in range(100, 200)])
            time.sleep(0.5)
            town.broker.start()
            client.wait(waiting)
            publish(client, [reading(number) for number in range(200, 300)])
        town.until(300)

    told = town.listen(send)
    assert sorted(town.values()) == list(range(300))
    assert told["connections"] == 2 and told["readings"] == 300


def test_a_listener_that_is_killed_and_started_again_loses_and_doubles_nothing(town):
    first = town.process()
    assert "connected" in first.stderr.readline().decode()
    with publisher(town.broker) as client:
        publish(client, [reading(number) for number in range(300)])
        first.send_signal(signal.SIGKILL)
        first.communicate()
        publish(client, [reading(number) for number in range(300, 400)])

        def send() -> None:
            publish(client, [reading(number) for number in range(390, 500)])
            town.until(500)

        told = town.listen(send)
    assert sorted(town.values()) == list(range(500))
    assert told["duplicates"] >= 10


def test_observations_of_sensorthings_come_into_the_lake(town):
    town.mapping.write_text(yaml.safe_dump(THINGS))

    def send() -> None:
        with publisher(town.broker) as client:
            span = "2026-03-02T08:00:00+01:00/2026-03-02T09:00:00+01:00"
            text = json.dumps({"phenomenonTime": span, "result": 18.5, "resultTime": None})
            publish(client, [("v1.1/Datastreams(7)/Observations", text), ("v1.1/Datastreams(8)/Observations", text)])
        town.until(1)

    told = town.listen(send)
    columns = "site_id, observed_property, interval_start_at::VARCHAR, interval_s, value, unit"
    found = town.rows(f"SELECT {columns} FROM lake.live_readings")
    assert found == [("oak_road", "no2", "2026-03-02 07:00:00+00", 3600.0, 18.5, "ppb")]
    assert told["messages"] == 1 and told["refused"] == {}


def test_a_full_spool_takes_nothing_more_until_the_lake_has_caught_up(tmp_path, monkeypatch):
    monkeypatch.setattr(mqtt, "SPOOL_BYTES", 0)
    told: list[str] = []
    with mosquitto(tmp_path / "broker") as broker:
        spool = SpoolWriter(tmp_path / "spool")

        async def work() -> None:
            found = mqtt.broker_of(broker.address)
            tell = lambda what, **_: told.append(what)  # noqa: E731
            listening = asyncio.create_task(mqtt.listen(found, "full", ["city/#"], spool, tell=tell))
            while "connected" not in told:
                await asyncio.sleep(0.05)
            for payload in (b"one", b"two"):
                with publisher(broker) as client:
                    publish(client, [("city/a", payload)])
                while len(told) < (2 if payload == b"one" else 3):
                    await asyncio.sleep(0.05)
            monkeypatch.setattr(mqtt, "SPOOL_BYTES", 1 << 30)
            while told.count("taken") < 2:
                await asyncio.sleep(0.05)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

        asyncio.run(work())
        spool.close()
    assert [message.payload for message in SpoolReader(tmp_path / "spool", after=0).read(9)] == [b"one", b"two"]


def test_user_and_password_are_asked_for_and_refusals_are_errors_of_one_line(tmp_path):
    with mosquitto(tmp_path / "broker", "allow_anonymous false\n") as broker:
        town = Town(tmp_path, broker)
        with pytest.raises(SourceError, match=r"^mqtt:town: the broker refuses the connection: .*Not authorized"):
            town.listen()
    with pytest.raises(SourceError, match=r"mqtt:town: no connection to mqtt://127.0.0.1:\d+ .*expected a broker"):
        town.listen(listen_for="1s")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mqtt:nowhere", "source 'mqtt:nowhere' has no address; .*set TESTBED_MQTT_NOWHERE"),
        ("http://a", "http://a: found no feed"),
        ("mqtt://anna:secret@host", "source 'mqtt://host' holds a user or a password; .*set TESTBED_MQTT_NAME"),
        ("mqtt://anna:secret@host:port", "mqtt://host:port: found 'no address of a broker'"),
        ("mqtt://anna:secret@host?ca=/none", "mqtt://host: found 'no address of a broker'"),
        ("mqtts://anna:secret@host?ca=/none.pem", "mqtts://host: a certificate cannot be used"),
    ],
)
def test_sources_that_cannot_be_listened_to(tmp_path, source, message):
    with pytest.raises(SourceError, match=message) as caught:
        feed_and_address(source, load_settings({"TESTBED_HOME": str(tmp_path)}))
    assert "secret" not in str(caught.value)


def test_user_password_and_port_stand_in_the_address():
    found = mqtt.broker_of("mqtts://anna:p%40ss@broker.example")
    assert (found.host, found.port, found.username, found.password) == ("broker.example", 8883, "anna", "p@ss")
    assert found.context is not None and "p@ss" not in mqtt.public_name("mqtts://anna:p%40ss@broker.example")


def test_faults_of_a_mapping_are_told_with_its_file(tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text("format: plain\ntopic: city/{site_id}\nfields: {value: v}\ncolour: red\n")
    with pytest.raises(SourceError, match=r"mapping.yaml: plain.colour is 'red'"):
        load_meaning(str(path))
    with pytest.raises(SourceError, match="found no mapping"):
        load_meaning(str(tmp_path / "none.yaml"))
