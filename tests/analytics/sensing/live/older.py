"""A broker that speaks MQTT 3.1.1 and nothing newer: a door before a real one, which turns away who asks for MQTT 5."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ANSWERS = {"as in MQTT 3.1.1": b"\x20\x02\x00\x01", "as in MQTT 5": b"\x20\x03\x00\x84\x00"}
"""How a broker says that it does not speak a client's version."""


class Door:
    """Passes connections of MQTT 3.1.1 on to a broker.

    Attributes:
        port: Where it is.
        versions: Of MQTT that were asked for, in order.
    """

    def __init__(self, broker_port: int, answer: bytes) -> None:
        self._broker_port, self._answer = broker_port, answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.versions: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._meet, args=(self._server.accept()[0],), daemon=True).start()

    def _meet(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            first = client.recv(4096)
            version = first[first.index(b"MQTT") + 4]
            self.versions.append(version)
            if version > 4:
                client.sendall(self._answer)
                return
            with socket.create_connection(("127.0.0.1", self._broker_port)) as broker:
                broker.sendall(first)
                threading.Thread(target=_copy, args=(broker, client), daemon=True).start()
                _copy(client, broker)


def _copy(source: socket.socket, to: socket.socket) -> None:
    """Until either side goes; then both do."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            to.sendall(data)
    for one in (source, to):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def older(broker_port: int, answer: bytes) -> Iterator[Door]:
    """A door that is open, and closed at the end."""
    found = Door(broker_port, answer)
    try:
        yield found
    finally:
        found.close()
