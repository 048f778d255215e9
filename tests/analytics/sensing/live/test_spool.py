"""The spool: whole frames in order, through kills and torn writes."""

from __future__ import annotations

import pytest

from analytics.sensing.live import spool
from analytics.sensing.live.spool import SpoolReader, SpoolWriter


def raw(*payloads: bytes) -> list[tuple[bytes, bytes, int, float]]:
    return [(b"city/mill_lane/pm25", payload, len(payload), 1.5) for payload in payloads]


def test_messages_come_out_as_they_went_in_numbered_from_one(tmp_path):
    writer = SpoolWriter(tmp_path)
    reader = SpoolReader(tmp_path, after=0)
    assert reader.read(10) == []
    writer.append([*raw(b"a", b""), (b"\xff", b"x", 300_000, 2.5)])
    writer.append(raw(b"c"))
    first, *rest = reader.read(10)
    assert first == (1, "city/mill_lane/pm25", b"a", 1, 1.5)
    assert [(m.number, m.topic, m.payload, m.size) for m in rest[1:]] == [
        (3, "\\xff", b"x", 300_000),
        (4, "city/mill_lane/pm25", b"c", 1),
    ]
    assert reader.read(10) == []
    writer.close()


def test_numbers_go_on_after_a_restart_and_what_is_done_is_passed_over(tmp_path):
    for payload in (b"a", b"b"):
        writer = SpoolWriter(tmp_path)
        writer.append(raw(payload))
        writer.close()
    assert [(m.number, m.payload) for m in SpoolReader(tmp_path, after=0).read(9)] == [(1, b"a"), (2, b"b")]
    assert [m.payload for m in SpoolReader(tmp_path, after=1).read(9)] == [b"b"]
    writer = SpoolWriter(tmp_path, at_least=100)  # the lake knows of more than this folder
    writer.append(raw(b"c"))
    writer.close()
    assert [m.number for m in SpoolReader(tmp_path, after=0).read(9)] == [1, 2, 100]


def test_segments_follow_each_other_and_go_when_they_are_done(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 100)
    writer, reader = SpoolWriter(tmp_path), SpoolReader(tmp_path, after=0)
    for number in range(20):
        writer.append(raw(f"{number}".encode() * 20))
    kept = writer.kept_bytes
    some = reader.read(7)
    assert [m.number for m in some] == list(range(1, 8))
    reader.forget(7)
    assert writer.kept_bytes < kept
    assert [m.number for m in reader.read(100)] == list(range(8, 21))
    reader.forget(20)
    assert [m.number for m in SpoolReader(tmp_path, after=0).read(100)] == []
    writer.close()
    again = SpoolWriter(tmp_path)
    again.append(raw(b"z"))
    assert [m.number for m in reader.read(9)] == [21]
    again.close()


@pytest.mark.parametrize("cut", [1, 5, 20, 40])
def test_a_frame_that_was_torn_is_left_and_kept_aside(tmp_path, cut):
    writer = SpoolWriter(tmp_path)
    writer.append(raw(b"whole", b"torn in two"))
    writer.close()
    (segment,) = tmp_path.glob("*.spool")
    segment.write_bytes(segment.read_bytes()[:-cut])
    reader = SpoolReader(tmp_path, after=0)
    assert [m.payload for m in reader.read(9)] == [b"whole"]
    writer = SpoolWriter(tmp_path)  # the broker sends it again: it was not acknowledged
    writer.append(raw(b"torn in two"))
    assert [(m.number, m.payload) for m in reader.read(9)] == [(2, b"torn in two")]
    assert len(list(tmp_path.glob("*.damaged"))) == 1
    writer.close()


def test_a_changed_byte_is_noticed(tmp_path):
    writer = SpoolWriter(tmp_path)
    writer.append(raw(b"first", b"second"))
    writer.close()
    (segment,) = tmp_path.glob("*.spool")
    data = bytearray(segment.read_bytes())
    data[-3] ^= 1
    segment.write_bytes(data)
    assert [m.payload for m in SpoolReader(tmp_path, after=0).read(9)] == [b"first"]


def test_large_messages_are_read_and_written_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "AT_ONCE_BYTES", 1000)
    writer = SpoolWriter(tmp_path)
    writer.append([(b"a", bytes([number]) * 300, 300, 0.0) for number in range(20)])
    reader = SpoolReader(tmp_path, after=0)
    pieces = []
    while found := reader.read(100):
        pieces.append([message.payload[0] for message in found])
    assert [number for piece in pieces for number in piece] == list(range(20))
    assert max(len(piece) for piece in pieces) <= 6  # two reads of what 1000 bytes hold
    assert reader.read(100) == []
    writer.close()
