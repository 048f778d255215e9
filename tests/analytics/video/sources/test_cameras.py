"""A camera at this machine, `camera:N`: opened by its number, unplugged, plugged in again; a device that is acted."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from analytics.video.source import SourceError
from analytics.video.sources import streams
from analytics.video.sources.streams import FIRST_WAIT_S, open_stream
from tests.analytics.video.camera import noise
from tests.analytics.video.sources.test_streams import take

RATE = 20.0


class Device:
    """What `cv2.VideoCapture(NUMBER)` gives: a camera without timestamps and without a length."""

    def __init__(self) -> None:
        self.is_plugged = True
        self.opened: list[int] = []
        self.tried_s: list[float] = []
        self.held = 0
        self.frames = 0

    def open(self, *given: object) -> Device:
        (number,) = given  # by its number alone: no address, no limits that only networks know
        assert isinstance(number, int)
        self.opened.append(number)
        self.tried_s.append(time.monotonic())
        self.held += 1
        return self

    def isOpened(self) -> bool:
        return self.is_plugged

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(1 / RATE)
        self.frames += 1
        return (True, noise(self.frames)) if self.is_plugged else (False, None)

    def get(self, what: int) -> float:
        return -1.0 if what == cv2.CAP_PROP_FRAME_COUNT else 0.0

    def release(self) -> None:
        self.held -= 1


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    found = Device()
    monkeypatch.setattr(cv2, "VideoCapture", found.open)
    return found


def test_a_camera_is_opened_by_its_number_and_timed_by_the_wall_clock(device: Device) -> None:
    with open_stream("camera:2") as stream:
        frames = take(stream, 1.0)
        assert (stream.name, stream.size, set(device.opened)) == ("camera:2", (64, 48), {2})
        assert frames and (np.diff([frame.time_s for frame in frames]) > 0).all()
        assert abs((datetime.now(UTC) - frames[-1].at).total_seconds()) < 2
    assert device.held == 0


def test_an_unplugged_camera_is_not_observed_until_it_is_back(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LONGEST_WAIT_S", 0.5)
    with open_stream("camera:0") as stream:
        before = take(stream, 0.5)
        device.is_plugged = False
        gone_s = stream.now_s()
        take(stream, 2.0)
        assert stream.now_s() - gone_s > 2 and stream.seen_s(gone_s + 1.0, gone_s + 2.0) == pytest.approx(0, abs=0.05)
        device.is_plugged = True
        while not (after := take(stream, 0.3)):
            assert stream.now_s() < gone_s + 60
        (loss,) = stream._coverage.losses
        assert (loss.reason, stream.connections) == ("away", 2)
        assert loss.end_s - loss.start_s > 1.5
        length_s = after[-1].time_s - before[0].time_s
        assert stream.seen_s(before[0].time_s, after[-1].time_s) == pytest.approx(length_s - (loss.end_s - loss.start_s))
    assert device.held == 0  # none of the tries holds the device back from the next


def test_a_camera_that_is_not_there_is_tried_ever_more_seldom(device: Device) -> None:
    device.is_plugged = False
    with pytest.raises(SourceError, match=r"camera:7: found 'no frame within 2\.2 s'; expected a live stream"):
        open_stream("camera:7", patience_s=2.2)
    waits = np.diff(device.tried_s)
    assert len(waits) >= 1 and device.held == 0
    assert all(wait >= 0.99 * FIRST_WAIT_S * 2**number for number, wait in enumerate(waits))
