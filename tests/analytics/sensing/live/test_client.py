"""A client and what a broker sends, byte by byte or many packets at once: topics, sizes, acknowledgements."""

from __future__ import annotations

import asyncio
import struct

import aiomqtt
import pytest

from analytics.sensing.live.client import LARGEST_PACKET, Broker, Client

CONNACK = {False: b"\x20\x03\x00\x00\x00", True: b"\x20\x02\x01\x00"}


def packet(head: int, rest: bytes) -> bytes:
    """A packet, whose length is written in as few bytes as there must be; MQTT 5.0, section 1.5.5."""
    length, size = b"", len(rest)
    while size or not length:
        length += bytes([size & 0x7F | (0x80 if size > 0x7F else 0)])
        size >>= 7
    return bytes([head]) + length + rest


def published(topic: bytes, payload: bytes, *, number: int, properties: bytes | None, qos: int = 1) -> bytes:
    """A PUBLISH packet; `properties` as MQTT 5 has them, None in MQTT 3.1.1."""
    rest = struct.pack(">H", len(topic)) + topic + (struct.pack(">H", number) if qos else b"")
    held = b"" if properties is None else packet(0, properties)[1:] if properties else b"\0"
    return packet(0x30 | qos << 1, rest + held + payload)


async def played(sent: bytes, *, is_older: bool = False, chunk: int = 1 << 20, acknowledge: bool = True):
    """What a client takes of bytes that a broker sends in pieces before it goes, and the bytes that came back."""
    came = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(CONNACK[is_older])
        asked = await reader.read(1000)
        writer.write(packet(0x90, asked[2:4] + (b"\x01" if is_older else b"\x00\x01")))
        for at in range(0, len(sent), chunk):
            writer.write(sent[at : at + chunk])
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while acknowledge and b"\x40" not in came:
                came.extend(await reader.read(1 << 16))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Client(Broker("127.0.0.1", server.sockets[0].getsockname()[1]), "one", is_older=is_older)
    found = []
    with pytest.raises(aiomqtt.MqttError):
        async with client:
            assert await client.subscribe_to(["#"]) == [1]
            while True:
                some = await client.take(0.2)
                client.acknowledge(one[4] for one in some if one[5])
                found += some
    server.close()
    return client, found, bytes(came)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("is_older", [False, True])
def test_messages_are_the_same_however_they_arrive_and_are_acknowledged_at_once(is_older, chunk):
    user = b"\x26" + struct.pack(">H", 100) + b"a" * 100 + struct.pack(">H", 100) + b"b" * 100
    wanted = [(b"city/a/pm25", b"one", b""), (b"city/\xff\xfe/pm25", b"", user), (b"+/#", b"\0" * 300, b""), (b"c", b"4", user)]
    sent = b"".join(
        published(topic, payload, number=number, properties=None if is_older else properties, qos=number % 2)
        for number, (topic, payload, properties) in enumerate(wanted, 1)
    )
    client, found, came = asyncio.run(played(sent, is_older=is_older, chunk=chunk))
    assert [(topic, payload, size, qos) for topic, payload, size, _, _, qos in found] == [
        (topic, payload, len(payload), number % 2) for number, (topic, payload, _) in enumerate(wanted, 1)
    ]
    assert came.startswith(b"\x40\x02\x00\x01") and client.has_session is is_older
    if chunk > 1000:
        assert came == b"\x40\x02\x00\x01\x40\x02\x00\x03"


@pytest.mark.parametrize("more", [1, 70_000, 3 * LARGEST_PACKET])
def test_of_what_is_too_large_the_beginning_is_kept_and_the_size_is_known(more):
    size = LARGEST_PACKET + more
    sent = b"".join(
        published(b"city/a", payload, number=number, properties=b"")
        for number, payload in enumerate([b"one", b"x" * size, b"three", b"y" * size, b"five"], 1)
    )
    _, found, _ = asyncio.run(played(sent, chunk=100_000))
    assert [(payload[:5], size) for _, payload, size, *_ in found] == [
        (b"one", 3), (b"xxxxx", size), (b"three", 5), (b"yyyyy", size), (b"five", 4)
    ]  # fmt: skip
    assert max(len(payload) for _, payload, *_ in found) < 1000


@pytest.mark.parametrize(
    "broken",
    [
        b"\x32\xff\xff\xff\xff\xff",
        packet(0x32, b""),
        packet(0x32, b"\xff\xff"),
        packet(0x32, b"\x00\x01a\x00\x01\xff\xff\xff\xff\xff"),
        b"\xf0\x00",
        b"\x90\x00",
    ],
)
def test_what_is_no_packet_breaks_the_connection_or_is_an_empty_message_and_loses_none_before(broken):
    sent = published(b"city/a", b"one", number=1, properties=b"") + broken
    _, found, _ = asyncio.run(played(sent, acknowledge=False))
    assert found[0][:2] == (b"city/a", b"one")
    assert all(payload == b"" for _, payload, *_ in found[1:])
