"""Reading ahead: the same frames in the same order, errors at their place, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Generator

import numpy as np
import pytest

from analytics.video.source import Frame
from analytics.video.sources import ahead as reading
from analytics.video.sources.ahead import ahead


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "cores", lambda: 2)


def frames(count: int, closed: list[str], error: Exception | None = None) -> Generator[Frame | None]:
    try:
        for index in range(count):
            yield Frame(index, index / 10, np.zeros((2, 2, 3), np.uint8)) if index % 3 else None
        if error is not None:
            raise error
    finally:
        closed.append(threading.current_thread().name)


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "frames"]


def test_all_frames_in_order() -> None:
    closed: list[str] = []
    found = [item and item.index for item in ahead(frames(50, closed), depth=3)]
    assert found == [index if index % 3 else None for index in range(50)]
    assert closed == ["frames"]
    assert readers() == []


def test_an_error_comes_after_the_frames_before_it() -> None:
    closed: list[str] = []
    found = []
    with pytest.raises(OSError, match="the disk is gone"):
        for item in ahead(frames(5, closed, OSError("the disk is gone"))):
            found.append(item)
    assert len(found) == 5
    assert (closed, readers()) == (["frames"], [])


def test_closing_early_stops_the_reader() -> None:
    closed: list[str] = []
    reading = ahead(frames(10**9, closed), depth=2)
    assert next(reading) is None
    reading.close()
    assert (closed, readers()) == (["frames"], [])


def test_no_more_than_depth_frames_wait() -> None:
    made: list[int] = []

    def counted() -> Generator[Frame | None]:
        for index in range(100):
            made.append(index)
            yield None

    reading = ahead(counted(), depth=2)
    for taken in range(1, 20):
        next(reading)
        assert len(made) <= taken + 3  # two wait, one is in the reader's hand
    reading.close()


def test_one_core_reads_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "cores", lambda: 1)
    closed: list[str] = []
    assert len(list(ahead(frames(5, closed)))) == 5
    assert closed == [threading.current_thread().name]
