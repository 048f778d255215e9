"""A connection to a broker by aiomqtt: packets are read many at a time, and acknowledged when told to, many at once.

aiomqtt 2.5 leaves both to the library below it, paho, which asks the operating system three times for each packet and once more
to acknowledge it, and holds a packet of any size in memory. Here a buffer stands between paho and its socket, and messages are
taken apart here.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from analytics.sensing.live.batch import MAX_PAYLOAD, SHOWN_BYTES

SESSION_S = 7 * 86_400
"""So long the broker is asked to keep the session while nobody listens. [s]"""
IN_FLIGHT = 1000
"""So many messages the broker may send before the first of them is acknowledged: the bound of this process's memory."""
LARGEST_PACKET = 1 << 20
"""Of a larger packet only so much is ever in memory: more than a message that is accepted, with its topic, has. [bytes]"""
_CHUNK = 1 << 16

Taken = tuple[bytes, bytes, int, float, int, int]
"""Topic, payload or its beginning, the payload's size [bytes], when it came [s since 1970, UTC], packet identifier, QoS."""


@dataclass(frozen=True)
class Broker:
    """Where a broker is, and how it is spoken to.

    Attributes:
        host: Its name or address.
        port: Its port.
        username: None for a broker that asks for none.
        password: Never printed.
        context: TLS; None for plain connections.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    context: ssl.SSLContext | None = None


class Client(aiomqtt.Client):
    """A client of a broker that keeps its session; what is published to it is taken by `take` and acknowledged by hand.

    Args:
        broker: The broker.
        client_id: Name of the session.
        is_older: Whether to speak MQTT 3.1.1, not 5: the broker then says itself how long it keeps a session, and how many
            messages it sends before the first is acknowledged.
    """

    def __init__(self, broker: Broker, client_id: str, *, is_older: bool) -> None:
        properties = None
        if not is_older:
            properties = cast(Any, Properties)(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = SESSION_S
            properties.ReceiveMaximum = IN_FLIGHT
        super().__init__(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V311 if is_older else aiomqtt.ProtocolVersion.V5,
            clean_session=False if is_older else None,
            clean_start=paho.MQTT_CLEAN_START_FIRST_ONLY if is_older else False,
            properties=properties,
            tls_context=broker.context,
            timeout=20,
            keepalive=30,
        )
        self.has_session = False
        """Whether the broker had kept the session."""
        self.distrust: str | None = None
        """Why the broker's certificate is not trusted."""
        self._is_older = is_older
        self._waiting: list[Taken] = []
        self._some = asyncio.Event()
        self._client.manual_ack_set(True)
        vars(self._client)["_handle_publish"] = self._published

    async def subscribe_to(self, topics: Sequence[str]) -> list[int]:
        """Subscribe at QoS 1; what the broker says of each topic: 0x80 and more where it refuses."""
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        asked: Any = [(topic, 1 if self._is_older else options) for topic in topics]
        return [int(cast(Any, getattr(code, "value", code))) for code in await self.subscribe(asked)]

    async def take(self, gather_s: float) -> list[Taken]:
        """What has come and was not taken, as soon as there is some; a moment later where little has come.

        Args:
            gather_s: How long to wait for more. [s]

        Raises:
            aiomqtt.MqttError: The connection is lost, and all that came before was taken.
        """
        if not self._waiting:
            coming = asyncio.ensure_future(self._some.wait())
            try:
                await asyncio.wait((coming, self._disconnected), return_when=asyncio.FIRST_COMPLETED)
            finally:
                coming.cancel()
        if len(self._waiting) < IN_FLIGHT // 2 and not self._disconnected.done():
            await asyncio.sleep(gather_s)
        if not self._waiting and self._disconnected.done():
            why = self._disconnected.exception()
            raise aiomqtt.MqttError(str(why or "the connection was closed")) from None
        found, self._waiting = self._waiting, []
        self._some.clear()
        return found

    def acknowledge(self, identifiers: Iterable[int]) -> None:
        """Acknowledge messages of QoS 1."""
        packets = b"".join(struct.pack(">BBH", paho.PUBACK, 2, one) for one in identifiers)
        if packets:
            self._client._packet_queue(paho.PUBACK, packets, 0, 1)

    def _published(self) -> MQTTErrorCode:
        """Take a PUBLISH packet apart; MQTT 5.0, section 3.3."""
        packet, qos = self._client._in_packet["packet"], self._client._in_packet["command"] >> 1 & 3
        at = 2 + int.from_bytes(packet[:2], "big")
        topic, identifier = bytes(packet[2:at]), 0
        if qos:
            identifier = int.from_bytes(packet[at : at + 2], "big")
            at += 2
        if not self._is_older:
            length = shift = 0
            for place in range(at, min(at + 4, len(packet))):
                length |= (packet[place] & 0x7F) << shift
                shift += 7
                if packet[place] < 0x80:
                    break
            at += shift // 7 + length
        dropped = cast(_Buffered, self._client._sock).dropped
        size = max(0, len(packet) - at) + dropped
        payload = bytes(packet[at : at + SHOWN_BYTES] if size > MAX_PAYLOAD or dropped else packet[at:])
        self._waiting.append((topic, payload, size, time.time(), identifier, qos))
        self._some.set()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _client_connect(self) -> None:
        try:
            super()._client_connect()
        except ssl.SSLCertVerificationError as error:
            self.distrust = error.verify_message
            raise

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.has_session = flags.session_present
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        client._sock = cast(Any, _Buffered(client, sock))
        super()._on_socket_open(client, userdata, sock)


class _Buffered:
    """A socket that asks for many packets at once; of one that is too large it passes the beginning on, and drops the rest.

    Args:
        client: Reads from it.
        socket: What is read.
    """

    def __init__(self, client: Any, socket: Any) -> None:
        self._client, self._socket = client, socket
        self._data, self._at, self._beginning = b"", 0, 0
        self.dropped = 0
        """Bytes of the packet just read that are still to be dropped."""
        self.close, self.fileno = socket.close, socket.fileno

    def pending(self) -> int:
        """Bytes that can be had without asking the operating system."""
        return len(self._data) - self._at or (self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0)

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; none when the broker has closed the connection.

        Raises:
            BlockingIOError: Nothing has come.
        """
        if size > LARGEST_PACKET:
            self._client._in_packet["to_process"] = self._beginning = LARGEST_PACKET
            self.dropped, size = size - LARGEST_PACKET, LARGEST_PACKET
        while self._at == len(self._data) or (self.dropped and not self._beginning):
            if self._at == len(self._data):
                self._data, self._at = self._socket.recv(_CHUNK), 0
                if not self._data:
                    return b""
            if not self._beginning:
                past = min(self.dropped, len(self._data) - self._at)
                self._at += past
                self.dropped -= past
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        self._beginning = max(0, self._beginning - len(found))
        return found

    def send(self, data: bytes) -> int:
        """Send; what cannot reach the broker any more counts as sent: what it sent before it went is to be read first."""
        try:
            return int(self._socket.send(data))
        except ConnectionError:
            return len(data)
