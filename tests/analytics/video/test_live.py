"""Live counting: every interval once, soon after its end, honest about what was not observed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Event

import numpy as np
import pytest

from analytics.video import detect
from analytics.video.count import count_source
from analytics.video.live import Interval, follow, follow_crossings
from analytics.video.measures.lines import parse_line
from analytics.video.source import SourceError
from analytics.video.sources import streams
from tests.analytics.video.camera import camera, noise

EVERY_S, RATE = 2, 20.0
LINES = [parse_line("gate=80,0,80,60,westbound,eastbound")]


def walker(began: float):
    """A street in which somebody walks eastwards past x = 80 in the middle of every interval of the wall clock."""

    def picture(index: int) -> np.ndarray:
        image = np.random.default_rng(index).integers(0, 40, (60, 160, 3)).astype(np.uint8)
        x = round((began + index / RATE) % EVERY_S / EVERY_S * 160)
        image[20:50, max(0, x - 5) : x + 5] = 255
        return image

    return picture


class Bright:
    """A detector that finds the bright box."""

    def __init__(self, *_: object, **__: object) -> None:
        self.road_users = ()

    def __call__(self, image: np.ndarray) -> detect.Detections:
        rows, columns = np.nonzero(image[:, :, 1] > 128)
        box = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else []
        return detect.Detections(np.array(box, np.float32).reshape(-1, 4), np.ones(len(box), np.float32), ("any",) * len(box))


@pytest.fixture(autouse=True)
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "make_detector", Bright)
    monkeypatch.setattr(streams, "LONGEST_WAIT_S", 0.5)


def total(interval: Interval) -> tuple[int | None, int | None]:
    return interval.crossings["gate", "eastbound", "any"], interval.crossings["gate", "westbound", "any"]


def test_every_interval_leaves_once_soon_and_honest_through_an_interruption() -> None:
    stop, found, delays = Event(), [], []
    with camera(walker(time.time()), RATE) as shown:
        for interval in follow(shown.address, LINES, every_s=EVERY_S, stop=stop):
            delays.append((datetime.now(UTC) - interval.start_at).total_seconds() - EVERY_S)
            found.append(interval)
            if len(found) == 2:
                shown.switch_off()
            if len(found) == 4:
                shown.switch_on()
            if len(found) >= 5 and interval.uptime == 1:
                stop.set()
    starts = [interval.start_at for interval in found]
    assert starts == [starts[0] + index * timedelta(seconds=EVERY_S) for index in range(len(found))]
    assert all(start.timestamp() % EVERY_S == 0 for start in starts)
    assert max(delays) < 5
    assert sum(interval.uptime == 1 for interval in found) >= 2
    for interval in found:
        if interval.uptime == 1:
            assert total(interval) == (1, 0)
        elif interval.uptime == 0:
            assert total(interval) == (None, None)
        else:
            assert total(interval) in [(0, 0), (1, 0)]
    assert any(interval.uptime == 0 for interval in found)
    assert 0 < found[-1].uptime <= 1
    assert sum(interval.late for interval in found) == 0


def test_stopping_lets_the_running_interval_go_with_the_uptime_it_has() -> None:
    with camera(walker(time.time()), RATE) as shown:
        found = list(follow(shown.address, LINES, every_s=60, for_s=2.5))
    (interval,) = found if len(found) == 1 else [max(found, key=lambda one: one.uptime)]
    assert interval.uptime == pytest.approx(2.3 / 60, abs=1 / 60)
    assert sum(total(one)[0] for one in found) in (1, 2)
    (row, *_) = interval.rows("plaza")
    assert row == ("plaza", "gate", "westbound", "any", interval.start_at, 60, 0, None, None, interval.uptime)


def test_a_feed_of_a_pilot_yields_rows() -> None:
    with camera(walker(time.time()), RATE) as shown:
        lines = ["gate=80,0,80,60,westbound,eastbound"]
        rows = list(follow_crossings(shown.address, site_id="plaza", lines=lines, interval_s=60, for_s=1.0, stop=Event()))
    assert [row[:4] for row in rows[0]] == [("plaza", "gate", way, "any") for way in ("westbound", "eastbound")]


def test_what_cannot_be_followed() -> None:
    with camera(noise, RATE) as shown:
        with pytest.raises(SourceError, match=r"the interval is '7 s'; expected one that divides a day") as caught:
            next(follow(shown.address, LINES, every_s=7))
        assert "secret" not in str(caught.value)
        with pytest.raises(SourceError, match=r"line far: '90,0,90,9' lies outside"):
            next(follow(shown.address, [parse_line("far=90,0,90,9")]))
        with pytest.raises(SourceError, match=r"lines is '\[\]'"):
            follow_crossings(shown.address, site_id="plaza", lines=[], for_s=1, stop=Event())
        with pytest.raises(SourceError, match="found 'a stream'; expected a recording"):
            count_source(shown.address, LINES)
