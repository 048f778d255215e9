"""A real mosquitto on a free port, which keeps what waits on disk, and a publisher that tries again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed")


class Mosquitto:
    """A broker in a folder; it can be ended, with what it keeps written down, and started again."""

    def __init__(self, folder: Path, more: str = "allow_anonymous true\n") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._log = folder / "mosquitto.log"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nuser root\npersistence true\npersistence_location {folder}/\n"
            f"max_queued_messages 0\nlog_type error\nlog_type subscribe\n{more}"
        )
        self.address = f"mqtt://127.0.0.1:{self.port}"

    def add_listener(self, more: str) -> None:
        """A second listener, on `other_port`."""
        self.end()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.other_port = free.getsockname()[1]
        with self._config.open("a") as config:
            config.write(f"listener {self.other_port} 127.0.0.1\n{more}")
        self.start()

    def until_saved(self, text: str) -> None:
        """Wait until the broker has written a message that waits to disk."""
        file = self._config.parent / "mosquitto.db"
        while not file.exists() or text.encode() not in file.read_bytes():
            time.sleep(0.05)

    def start(self) -> None:
        assert PROGRAM is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", str(self._config)], stderr=log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("mosquitto does not listen")

    def has_subscriber(self, name: str) -> bool:
        """Whether a client whose name begins so has subscribed since the broker was first started."""
        return f": {name}" in self._log.read_text()

    def end(self, with_signal: int = signal.SIGTERM) -> None:
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            self._process.wait()


@contextmanager
def mosquitto(folder: Path, more: str = "allow_anonymous true\n") -> Iterator[Mosquitto]:
    """A broker that is on, and off at the end."""
    found = Mosquitto(folder, more)
    found.start()
    try:
        yield found
    finally:
        found.end()


class Publisher:
    """A client in a thread of its own that connects again by itself, and sends again what was not acknowledged."""

    def __init__(self, port: int, user: str | None, password: str | None, protocol: int) -> None:
        name = f"publisher-{time.monotonic_ns()}"
        self._acknowledged: set[int] = set()
        kept = {} if protocol == mqtt.MQTTv5 else {"clean_session": False}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol, **kept)
        self.client.username_pw_set(user, password)
        self.client.on_publish = lambda _client, _data, identifier, *_: self._acknowledged.add(identifier)
        self.client.reconnect_delay_set(0.1, 0.5)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def send(self, messages: Sequence[tuple[str, str | bytes]]) -> list[int]:
        """Publish at QoS 1, connected or not."""
        return [self.client.publish(topic, payload, qos=1).mid for topic, payload in messages]

    def wait(self, sent: Sequence[int]) -> None:
        """Until the broker has acknowledged all that was sent."""
        while not self._acknowledged.issuperset(sent):
            time.sleep(0.01)


@contextmanager
def publisher(
    broker: Mosquitto, user: str | None = None, password: str | None = None, protocol: int = mqtt.MQTTv311
) -> Iterator[Publisher]:
    """A publisher that is connected, and no longer at the end."""
    found = Publisher(broker.port, user, password, protocol)
    try:
        yield found
    finally:
        found.client.disconnect()
        found.client.loop_stop()


def publish(by: Publisher, messages: Sequence[tuple[str, str | bytes]]) -> None:
    """Publish at QoS 1 and wait until the broker has acknowledged all."""
    by.wait(by.send(messages))
