"""Listening to a real broker when something fails: nothing lost of what the broker has acknowledged, nothing doubled."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from analytics.sensing.readings import SourceError
from flows import listen as listening
from flows.listen import Receiver
from tests.analytics.sensing.live.broker import PROGRAM, mosquitto, needs_mosquitto, publish, publisher
from tests.analytics.sensing.live.certificates import Authority
from tests.analytics.sensing.live.older import ANSWERS, older
from tests.flows.test_listen import Town, reading

pytestmark = [needs_mosquitto, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")]
KEPT = "allow_anonymous true\nautosave_interval 1\nautosave_on_changes true\n"
"""The broker writes sessions and what waits in them to disk after every pass in which they changed."""


@pytest.fixture
def receivers(monkeypatch):
    """Those that were started."""
    found: list[Receiver] = []

    class Known(Receiver):
        def __init__(self, *arguments, **named) -> None:
            found.append(self)
            super().__init__(*arguments, **named)

    monkeypatch.setattr(listening, "Receiver", Known)
    return found


def test_a_broker_that_is_killed_while_messages_come_loses_and_doubles_nothing(tmp_path):
    with mosquitto(tmp_path / "broker", KEPT) as broker:
        town = Town(tmp_path, broker)

        def send() -> None:
            with publisher(broker) as client:
                for first in range(0, 1000, 100):
                    some = client.send([reading(number) for number in range(first, first + 100)])
                    if first in (300, 700):
                        broker.end(signal.SIGKILL)
                        broker.start()
                    client.wait(some)
            town.until(1000)

        told = town.listen(send, listen_for="90s")
    assert sorted(town.values()) == list(range(1000))
    assert told["connections"] == 3 and told["forgotten"] == 0


def test_what_waits_for_a_listener_outlives_the_kill_of_a_broker_that_saves(tmp_path):
    with mosquitto(tmp_path / "broker", KEPT) as broker:
        town = Town(tmp_path, broker)
        town.listen(lambda: os.kill(os.getpid(), signal.SIGINT))  # a session is made, and nobody listens
        with publisher(broker) as client:
            publish(client, [reading(number) for number in range(200)])
        broker.until_saved(reading(199)[1])
        broker.end(signal.SIGKILL)
        broker.start()
        told = town.listen(lambda: town.until(200))
    assert town.values() == list(range(200)) and told["forgotten"] == 0


def test_a_broker_that_forgets_its_sessions_is_named(tmp_path):
    with mosquitto(tmp_path / "broker") as broker:  # saves every half hour
        town = Town(tmp_path, broker)
        lines: list[str] = []

        def send() -> None:
            with publisher(broker) as client:
                publish(client, [reading(1)])
            town.until(1)

        assert town.listen(send)["forgotten"] == 0
        broker.end(signal.SIGKILL)
        broker.start()
        told = town.listen(lambda: os.kill(os.getpid(), signal.SIGINT), tell=lines.append)
    assert told["forgotten"] == 1
    assert "what was published while nobody listened is lost" in "".join(lines)


def test_the_listening_process_is_started_again_when_it_was_killed(tmp_path, receivers):
    with mosquitto(tmp_path / "broker") as broker:
        town = Town(tmp_path, broker)

        def first() -> None:
            with publisher(broker) as client:
                publish(client, [reading(number) for number in range(100)])
                receivers[0]._process.kill()
                publish(client, [reading(number) for number in range(100, 200)])

        told = town.listen(first, lambda: town.until(200))
    assert sorted(town.values()) == list(range(200))
    assert told["connections"] == len(receivers) == 2


def test_a_broker_with_tls_is_trusted_by_its_authority_and_its_name_alone(tmp_path):
    ours, other = (Authority(tmp_path / name, name) for name in ("ours", "other"))
    certificate, key = ours.certificate("localhost")
    with mosquitto(tmp_path / "broker", "allow_anonymous true\n") as broker:
        broker.add_listener(f"certfile {certificate}\nkeyfile {key}\n")
        town = Town(tmp_path, broker)

        def send() -> None:
            with publisher(broker) as client:
                publish(client, [reading(number) for number in range(50)])
            town.until(50)

        host = f"localhost:{broker.other_port}"
        for address, reason in (
            (f"mqtts://{host}?ca={other.file}", r"certificate is not trusted: .*expected one for 'localhost' by a known"),
            (f"mqtts://{host}", r"certificate is not trusted: .*name the authority's file by '\?ca=FILE'"),
            (f"mqtts://127.0.0.1:{broker.other_port}?ca={ours.file}", r"not trusted: IP address mismatch, .*'127.0.0.1'"),
        ):
            town.address = address
            with pytest.raises(SourceError, match=reason) as caught:
                town.listen()
            assert "\n" not in str(caught.value)
        town.address = f"mqtts://{host}?ca={ours.file}"
        assert town.listen(send)["readings"] == 50
    assert town.values() == list(range(50))


def test_user_and_password_stand_in_the_environment_and_nowhere_else(tmp_path, receivers):
    program = shutil.which("mosquitto_passwd")
    assert program is not None, f"{PROGRAM} comes with it"
    subprocess.run([program, "-c", "-b", str(tmp_path / "users"), "anna", "s3cret word"], check=True, capture_output=True)
    lines: list[str] = []
    with mosquitto(tmp_path / "broker", f"allow_anonymous false\npassword_file {tmp_path / 'users'}\n") as broker:
        town = Town(tmp_path, broker)
        town.address = broker.address.replace("//", "//anna:wr0ng@")
        with pytest.raises(SourceError, match=r"the broker refuses the connection: .*expected a user it accepts") as caught:
            town.listen()
        town.address = broker.address.replace("//", "//anna:s3cret%20word@")
        seen: list[str] = []

        def send() -> None:
            seen.append(Path(f"/proc/{receivers[-1]._process.pid}/cmdline").read_text())
            with publisher(broker, "anna", "s3cret word") as client:
                publish(client, [reading(1)])
            town.until(1)

        told = town.listen(send, tell=lines.append)
    assert town.values() == [1] and "receiver" in seen[0]
    for text in (str(caught.value), str(told), *lines, *seen):
        assert "s3cret" not in text and "wr0ng" not in text and "anna" not in text
    everything = b"".join(path.read_bytes() for path in town.home.rglob("*") if path.is_file())
    assert b"s3cret" not in everything


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_broker_of_mqtt_3_1_1_is_spoken_to_in_it_with_the_same_promise(tmp_path, answer):
    with mosquitto(tmp_path / "broker", KEPT) as broker, older(broker.port, answer) as door:
        town = Town(tmp_path, broker)
        town.address = f"mqtt://127.0.0.1:{door.port}"

        def send() -> None:
            with publisher(broker) as client:
                publish(client, [reading(number) for number in range(100)])
                waiting = client.send([reading(number) for number in range(100, 200)])
                broker.end(signal.SIGKILL)
                broker.start()
                client.wait(waiting)
                publish(client, [reading(number) for number in range(200, 300)])
            town.until(300)

        told = town.listen(send)
        with publisher(broker) as client:
            publish(client, [reading(number) for number in range(300, 400)])  # kept while nobody listens
        again = town.listen(lambda: town.until(400))
    assert sorted(town.values()) == list(range(400))
    assert door.versions[:2] == [5, 4] and told["forgotten"] == again["forgotten"] == 0


def test_huge_messages_are_refused_and_never_held_in_memory(tmp_path, receivers):
    huge, bomb = 64 << 20, Properties(PacketTypes.PUBLISH)
    bomb.UserProperty = [("a" * 60_000, "b" * 60_000)] * 20
    with mosquitto(tmp_path / "broker") as broker:
        town = Town(tmp_path, broker)
        grown: list[int] = []

        def memory(of: str) -> int:
            lines = Path(f"/proc/{receivers[0]._process.pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith(of)) << 10

        def send() -> None:
            before = memory("VmRSS")
            with publisher(broker, protocol=paho.MQTTv5) as client:
                publish(client, [reading(1), ("city/mill_lane/pm25", b"x" * huge), reading(2)])
                topic, text = reading(3)
                client.wait([client.client.publish(topic, text, qos=1, properties=bomb).mid])
                publish(client, [reading(4)])
            town.until(5)
            grown.append(memory("VmHWM") - before)

        told = town.listen(send, listen_for="90s")
    assert town.values() == [1, 2, 4]
    assert told["refused"] == {"message.size": 2} and told["connections"] == 1
    reasons = [reason for (reason,) in town.rows("SELECT reasons[1] FROM lake.quarantine ORDER BY source_row")]
    assert reasons[0].startswith(f"the message has {huge} bytes; ")
    assert grown[0] < 16 << 20
