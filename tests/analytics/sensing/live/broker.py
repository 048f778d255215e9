"""A real mosquitto on a free port, which keeps what waits on disk, and a publisher that tries again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
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
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nuser root\npersistence true\npersistence_location {folder}/\n"
            f"max_queued_messages 0\nlog_type error\n{more}"
        )
        self.address = f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        assert PROGRAM is not None
        self._process = subprocess.Popen([PROGRAM, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("mosquitto does not listen")

    def end(self, with_signal: int = signal.SIGTERM) -> None:
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


@contextmanager
def publisher(broker: Mosquitto) -> Iterator[mqtt.Client]:
    """A client in a thread of its own that connects again by itself, and sends again what was not acknowledged."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"publisher-{time.monotonic_ns()}", clean_session=False)
    client.reconnect_delay_set(0.1, 0.5)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def publish(client: mqtt.Client, messages: list[tuple[str, str | bytes]]) -> None:
    """Publish at QoS 1 and wait until the broker has acknowledged all."""
    sent = [client.publish(topic, payload, qos=1) for topic, payload in messages]
    for one in sent:
        while not one.is_published():
            time.sleep(0.01)
