"""Listening to an MQTT broker: messages are put on disk, then acknowledged, whatever becomes of broker, network or process.

The session is kept at the broker under a fixed name, so that it holds what is published while nobody listens. Each message is
acknowledged once it is in the spool and not before; what was not acknowledged comes again, and the lake knows it.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from analytics.sensing.live.batch import MAX_PAYLOAD, SHOWN_BYTES
from analytics.sensing.live.spool import SpoolWriter
from analytics.sensing.readings import SourceError

SCHEMES = {"mqtt": 1883, "mqtts": 8883}
"""Schemes of addresses, with their usual ports."""
SESSION_S = 7 * 86_400
"""So long the broker is asked to keep the session while nobody listens. [s]"""
IN_FLIGHT = 1000
"""So many messages the broker may send before the first of them is acknowledged: the bound of this process's memory."""
GATHER_S = 0.05
"""So long messages are gathered that are then put on disk at once. [s]"""
LONGEST_WAIT_S = 30.0
"""Longest wait before the next attempt to connect. [s]"""
SPOOL_BYTES = 1 << 30
"""When so much waits on disk, nothing more is taken from the broker. [bytes]"""

Taken = tuple[bytes, bytes, int, float, int, int]
Tell = Callable[..., None]


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


def broker_of(address: str) -> Broker:
    """A broker by its address: `mqtt[s]://[USER:PASSWORD@]HOST[:PORT][?ca=FILE&cert=FILE&key=FILE]`.

    Args:
        address: `mqtts` asks for TLS, whose certificate is verified with the system's authorities or those of `ca`; `cert`
            and `key` are the client's own.

    Raises:
        SourceError: It is no such address, or a file cannot be read.
    """
    shown = public_name(address)
    expected = "expected 'mqtt[s]://[USER:PASSWORD@]HOST[:PORT][?ca=FILE&cert=FILE&key=FILE]'; correct the address"
    try:
        parts = urlsplit(address)
        port = parts.port or SCHEMES[parts.scheme]
        asked = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
    except (ValueError, KeyError):
        raise SourceError(f"{shown}: found 'no address of a broker'; {expected}") from None
    if not parts.hostname or parts.path.strip("/") or set(asked) - {"ca", "cert", "key"} or (asked and parts.scheme == "mqtt"):
        raise SourceError(f"{shown}: found 'no address of a broker'; {expected}")
    context = None
    if parts.scheme == "mqtts":
        try:
            context = ssl.create_default_context(cafile=asked.get("ca"))
            if "cert" in asked:
                context.load_cert_chain(asked["cert"], asked.get("key"))
        except OSError as error:
            raise SourceError(
                f"{shown}: a certificate cannot be used ({error}); expected PEM files; correct the address"
            ) from None
    user, password = (unquote(text) if text is not None else None for text in (parts.username, parts.password))
    return Broker(parts.hostname, port, user, password, context)


def is_broker(source: str) -> bool:
    """Whether a source is a broker's address."""
    return source.partition("://")[0] in SCHEMES and "://" in source


def public_name(address: str) -> str:
    """An address without user, password and query.

    Example:
        >>> public_name("mqtts://anna:secret@broker.example:8883?ca=/etc/ca.pem")
        'mqtts://broker.example:8883'
    """
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


class _Waiting(asyncio.Queue[Any]):
    """Messages that wait, taken all at once; of one that is too large only the beginning is kept."""

    def _put(self, item: aiomqtt.Message) -> None:
        size, payload = len(item.payload), item.payload
        if size > MAX_PAYLOAD:
            payload = payload[:SHOWN_BYTES]
        topic = item.topic.value.encode("utf-8", "surrogateescape")
        super()._put((topic, payload, size, time.time(), item.mid, item.qos))

    def take(self) -> list[Taken]:
        """All that wait now."""
        return [cast(Taken, self.get_nowait()) for _ in range(self.qsize())]


class _Client(aiomqtt.Client):
    """A client that acknowledges when it is told to, which aiomqtt 2.5 leaves to the library below it."""

    def acknowledge_by_hand(self) -> None:
        """Leave acknowledging to `acknowledge`; before connecting."""
        self._client.manual_ack_set(True)

    def waiting(self) -> _Waiting:
        """The messages that wait."""
        assert isinstance(self._queue, _Waiting)
        return self._queue

    def acknowledge(self, identifier: int) -> None:
        """Acknowledge a message of QoS 1."""
        self._client.ack(identifier, 1)


async def listen(broker: Broker, client_id: str, topics: Sequence[str], spool: SpoolWriter, *, tell: Tell) -> None:
    """Put all that a broker sends into a spool, until cancelled; connections that break are made again.

    Args:
        broker: The broker.
        client_id: Name of the session at the broker; two listeners must not share one.
        topics: What to subscribe to, at QoS 1.
        spool: Where messages go before they are acknowledged.
        tell: Called with what has happened: `connected`, `lost` with its `reason`, `full` or `taken` with numbers.

    Raises:
        SourceError: The broker refuses the user, the session or a topic before it has ever accepted them.
        OSError: The spool cannot be written.
    """
    attempt, was_connected = 0, False
    while True:
        try:
            async with _connection(broker, client_id) as client:
                await _subscribe(client, topics)
                attempt, was_connected = 0, True
                tell("connected")
                await _take(client, spool, tell)
        except MqttConnectError as error:
            if not was_connected and int(getattr(error.rc, "value", 0)) in _REFUSALS:
                raise SourceError(f"the broker refuses the connection: {error}; expected a user it accepts") from None
            tell("lost", reason=str(error))
        except aiomqtt.MqttError as error:
            tell("lost", reason=str(error) or type(error).__name__)
        attempt += 1
        await asyncio.sleep(min(LONGEST_WAIT_S, 0.25 * 2**attempt) * random.uniform(0.5, 1))


_REFUSALS = (0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C)
"""MQTT 5.0, table 3-1: protocol version, client identifier, user or password, not authorised, banned, method."""


def _connection(broker: Broker, client_id: str) -> _Client:
    properties = cast(Any, Properties)(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = SESSION_S
    properties.ReceiveMaximum = IN_FLIGHT
    client = _Client(
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        identifier=client_id,
        queue_type=_Waiting,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
        tls_context=broker.context,
        timeout=20,
        keepalive=30,
    )
    client.acknowledge_by_hand()
    return client


async def _subscribe(client: _Client, topics: Sequence[str]) -> None:
    options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
    granted = await client.subscribe([(topic, options) for topic in topics])
    for topic, code in zip(topics, granted, strict=True):
        level: Any = getattr(code, "value", code)
        if level >= 0x80:
            raise SourceError(f"the broker refuses topic '{topic}' ({code}); expected one that the user may read; correct it")


async def _take(client: _Client, spool: SpoolWriter, tell: Tell) -> None:
    waiting = client.waiting()
    async for first in client.messages:
        await asyncio.sleep(GATHER_S)
        some = [cast(Taken, first), *waiting.take()]
        while spool.kept_bytes > SPOOL_BYTES:
            tell("full", bytes=spool.kept_bytes)
            await asyncio.sleep(1)
        spool.append([one[:4] for one in some])
        for one in some:
            if one[5]:
                client.acknowledge(one[4])
        tell("taken", messages=len(some), unsure=sum(not one[5] for one in some))
