"""The spool: messages on disk before they are acknowledged, in order and numbered, until the lake holds what they say.

A segment is a file of frames, named after the number of its first message. A frame is written whole and synchronised before
its message is acknowledged; what a kill leaves half written was not acknowledged, and the broker sends it again.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

SEGMENT_BYTES = 8 << 20
"""A segment that has grown beyond this is followed by a new one. [bytes]"""
AT_ONCE_BYTES = 16 << 20
"""So much of a spool is read, or put on disk, in one piece. [bytes]"""
_FRAME = struct.Struct(">IHIId")  # CRC-32 of all that follows, bytes of topic and of payload kept, payload's size, received
_PATTERN = "*.spool"


class Message(NamedTuple):
    """One message as it came.

    Attributes:
        number: Running number of the message in its feed, from 1.
        topic: As published; what is no UTF-8 is escaped.
        payload: Its bytes; the first of them where it was too large.
        size: Bytes of the payload as published.
        received_at: When it came. [s since 1970, UTC]
    """

    number: int
    topic: str
    payload: bytes
    size: int
    received_at: float


class SpoolWriter:
    """Appends messages to a folder; one at a time, which waits until an earlier one has ended.

    Args:
        folder: Where segments are kept; it is made when it is missing.
        at_least: The number of the next message is never smaller.
    """

    def __init__(self, folder: Path, *, at_least: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = (folder / "writing.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        segments = sorted(folder.glob(_PATTERN))
        after = _first_of(segments[-1]) + len(_frames(segments[-1].read_bytes(), 0, 0)[0]) if segments else 1
        self._next = max(at_least, after)
        self._begin()

    @property
    def kept_bytes(self) -> int:
        """What all segments take on disk. [bytes]."""
        found = 0
        for path in self._folder.glob(_PATTERN):
            with suppress(FileNotFoundError):  # the reader has removed it meanwhile
                found += path.stat().st_size
        return found

    def append(self, messages: Iterable[tuple[bytes, bytes, int, float]]) -> None:
        """Put messages on disk: topic, payload to keep, its size as published, and when it came. [s since 1970, UTC].

        Raises:
            OSError: The disk is full or broken; none of the messages may be acknowledged.
        """
        piece, count = bytearray(), 0
        for topic, payload, size, received_at in messages:
            rest = _FRAME.pack(0, len(topic), len(payload), size, received_at)[4:] + topic + payload
            piece += zlib.crc32(rest).to_bytes(4, "big") + rest
            count += 1
            if len(piece) > AT_ONCE_BYTES:
                self._write(piece)
                piece = bytearray()
        self._write(piece)
        os.fdatasync(self._file)
        self._next += count
        if self._written > SEGMENT_BYTES:
            os.close(self._file)
            self._begin()

    def close(self) -> None:
        """End; another writer may go on."""
        os.close(self._file)
        self._lock.close()

    def _write(self, piece: bytearray) -> None:
        whole, done = memoryview(piece), 0
        while done < len(whole):
            done += os.write(self._file, whole[done:])
        self._written += done

    def _begin(self) -> None:
        path = self._folder / f"{self._next:020d}.spool"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._written = 0
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)  # the file's name is to survive a power cut as well
        os.close(folder)


class SpoolReader:
    """Reads what a writer appends, in order, from another process.

    Args:
        folder: The writer's folder.
        after: Number of the last message that is dealt with already.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        self._folder, self._after = folder, after
        self._segment: Path | None = None
        self._offset, self._number = 0, 0

    def read(self, limit: int) -> list[Message]:
        """The next messages, at most `limit` and at most twice `AT_ONCE_BYTES`; empty when none waits."""
        found: list[Message] = []
        held = 0
        while len(found) < limit and held < AT_ONCE_BYTES:
            segments = sorted(self._folder.glob(_PATTERN))
            if self._segment is None:
                if not segments:
                    break
                self._enter(segments[0])
            assert self._segment is not None
            later = [path for path in segments if path > self._segment]
            with self._segment.open("rb") as file:  # listed before it is read: what has a successor grows no more
                file.seek(self._offset)
                data = file.read(AT_ONCE_BYTES)
            messages, used = _frames(data, self._number, limit - len(found))
            self._offset += used
            held += used
            self._number += len(messages)
            found += [message for message in messages if message.number > self._after]
            if messages:
                continue
            if not later:
                break
            if used < len(data):
                self._segment.rename(self._segment.with_suffix(".damaged"))
            self._enter(later[0])
        return found

    def forget(self, number: int) -> None:
        """Remove segments all of whose messages, to `number`, are dealt with."""
        segments = sorted(self._folder.glob(_PATTERN))
        for path, following in pairwise(segments):
            if _first_of(following) <= number + 1 and path != self._segment:
                path.unlink()

    def _enter(self, segment: Path) -> None:
        self._segment, self._offset, self._number = segment, 0, _first_of(segment)


def _first_of(segment: Path) -> int:
    return int(segment.stem)


def _frames(data: bytes, number: int, limit: int) -> tuple[list[Message], int]:
    """Whole frames at the beginning of some bytes, all when the limit is 0, and how many bytes they take."""
    found: list[Message] = []
    at = 0
    while at + _FRAME.size <= len(data) and (limit == 0 or len(found) < limit):
        checksum, topic_bytes, payload_bytes, size, received_at = _FRAME.unpack_from(data, at)
        middle = at + _FRAME.size + topic_bytes
        end = middle + payload_bytes
        if end > len(data) or zlib.crc32(data[at + 4 : end]) != checksum:
            break
        topic = data[at + _FRAME.size : middle].decode("utf-8", "backslashreplace")
        found.append(Message(number + len(found), topic, data[middle:end], size, received_at))
        at = end
    return found, at
