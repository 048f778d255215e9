"""Listening to an MQTT broker: messages are put on disk, then acknowledged, whatever becomes of broker, network or process.

The session is kept at the broker under a fixed name, so that it holds what is published while nobody listens. Each message is
acknowledged once it is in the spool and not before; what was not acknowledged comes again, and the lake knows it.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from analytics.sensing.live.client import Broker, Client
from analytics.sensing.live.spool import SpoolWriter
from analytics.sensing.readings import SourceError

SCHEMES = {"mqtt": 1883, "mqtts": 8883}
"""Schemes of addresses, with their usual ports."""
GATHER_S = 0.1
"""So long messages are gathered that are then put on disk at once. [s]"""
LONGEST_WAIT_S = 5.0
"""Longest wait before the next attempt to connect. [s]"""
SPOOL_BYTES = 1 << 30
"""When so much waits on disk, nothing more is taken from the broker. [bytes]"""

Tell = Callable[..., None]


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


async def listen(broker: Broker, client_id: str, topics: Sequence[str], spool: SpoolWriter, *, tell: Tell) -> None:
    """Put all that a broker sends into a spool, until cancelled; connections that break are made again.

    Args:
        broker: The broker; one that does not speak MQTT 5 is spoken to in MQTT 3.1.1.
        client_id: Name of the session at the broker; two listeners must not share one.
        topics: What to subscribe to, at QoS 1.
        spool: Where messages go before they are acknowledged.
        tell: Called with what has happened: `connected` with whether the broker had kept the session, `lost` with its
            `reason`, `full` or `taken` with numbers.

    Raises:
        SourceError: The broker refuses the user, the session or a topic, or its certificate is not trusted, before it has
            ever been listened to.
        OSError: The spool cannot be written.
    """
    attempt, was_connected, is_older = 0, False, False
    while True:
        client = Client(broker, client_id, is_older=is_older)
        try:
            async with client:
                await _subscribe(client, topics)
                attempt, was_connected = 0, True
                tell("connected", kept=client.has_session)
                await _take(client, spool, tell)
        except MqttConnectError as error:
            code = int(getattr(error.rc, "value", 0))
            if code == _OTHER_VERSION and not is_older:
                is_older = True
                continue
            if not was_connected and code in _REFUSALS:
                raise SourceError(f"the broker refuses the connection: {error}; expected a user it accepts") from None
            tell("lost", reason=str(error))
        except aiomqtt.MqttError as error:
            if client.distrust is not None and not was_connected:
                raise SourceError(
                    f"the broker's certificate is not trusted: {client.distrust.rstrip('.')}; expected one for '{broker.host}' "
                    "by a known authority; correct the host, or name the authority's file by '?ca=FILE' in the address"
                ) from None
            tell("lost", reason=str(error) or type(error).__name__)
        attempt += 1
        await asyncio.sleep(min(LONGEST_WAIT_S, 0.25 * 2**attempt) * random.uniform(0.5, 1))


_OTHER_VERSION = 0x84
_REFUSALS = (_OTHER_VERSION, 0x85, 0x86, 0x87, 0x8A, 0x8C)
"""MQTT 5.0, table 3-1: protocol version, client identifier, user or password, not authorised, banned, method."""


async def _subscribe(client: Client, topics: Sequence[str]) -> None:
    for topic, code in zip(topics, await client.subscribe_to(topics), strict=True):
        if code >= 0x80:
            raise SourceError(
                f"the broker refuses topic '{topic}' (0x{code:02X}); expected one that the user may read; correct it"
            )


async def _take(client: Client, spool: SpoolWriter, tell: Tell) -> None:
    while True:
        some = await client.take(GATHER_S)
        while spool.kept_bytes > SPOOL_BYTES:
            tell("full", bytes=spool.kept_bytes)
            await asyncio.sleep(1)
        spool.append([one[:4] for one in some])
        client.acknowledge(one[4] for one in some if one[5])
        tell("taken", messages=len(some), unsure=sum(not one[5] for one in some))
