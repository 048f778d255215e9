"""Streams: instants, interruptions, stuck cameras, recordings."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from analytics.video.source import Frame, SourceError, open_source
from analytics.video.sources import coverage, streams
from analytics.video.sources.streams import Stream, StreamClock, is_stream, open_stream, public_name
from tests.analytics.video.camera import camera, noise
from tests.analytics.video.rtsp import rtsp_camera
from tests.analytics.video.sources.test_files import ffmpeg, needs_ffmpeg, write


def take(stream: Stream, seconds: float) -> list[Frame]:
    frames, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        frame = stream.take(0.05)
        if frame is not None:
            frames.append(frame)
    return frames


def test_a_stream_that_goes_away_comes_back_and_its_absence_is_not_observed() -> None:
    with camera(noise) as shown, open_source(shown.address) as stream:
        assert isinstance(stream, Stream)
        assert (stream.name, stream.size, stream.is_live) == (shown.address.partition("?")[0], (64, 48), True)
        assert stream.frame_rate == pytest.approx(20, rel=0.25)
        before = take(stream, 1.0)
        shown.switch_off()
        gone_s = stream.now_s()
        take(stream, 1.0)
        shown.switch_on()
        while not (after := take(stream, 0.2)):
            assert stream.now_s() < gone_s + 15
        assert stream.connections == 2
        (loss,) = stream._coverage.losses
        assert (loss.reason, loss.start_s) == ("away", pytest.approx(gone_s, abs=0.5))
        assert stream.seen_s(before[0].time_s, after[-1].time_s) == pytest.approx(
            after[-1].time_s - before[0].time_s - (loss.end_s - loss.start_s)
        )
        for frames in (before, after):
            steps = np.diff([frame.time_s for frame in frames])
            assert steps.size == 0 or (steps > 0).all()
        assert abs((datetime.now(UTC) - after[-1].at).total_seconds()) < 2
        assert [frame.index for frame in before] == sorted(frame.index for frame in before)


@needs_ffmpeg
def test_an_rtsp_camera_that_goes_away_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LONGEST_WAIT_S", 0.5)
    ffmpeg("-i", write(tmp_path / "a.avi", list(range(40)), 25), "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", 0, "-g", 10,
           tmp_path / "loop.mp4")  # fmt: skip
    with rtsp_camera(tmp_path / "loop.mp4") as shown, open_source(shown.address) as stream:
        assert isinstance(stream, Stream)
        assert (stream.name, stream.size) == (f"rtsp://127.0.0.1:{shown.port}/north", (96, 64))
        steps = np.diff([frame.time_s for frame in take(stream, 2.0)])
        assert np.median(steps) == pytest.approx(0.04, abs=0.02)  # the stream's own pace, whatever the network's
        shown.switch_off()
        gone_s = stream.now_s()
        take(stream, 1.5)
        shown.switch_on()
        while stream.connections < 2 or not take(stream, 0.5):
            assert stream.now_s() < gone_s + 30
        assert [loss.reason for loss in stream._coverage.losses] == ["away"]


def test_what_is_not_taken_in_time_is_dropped_and_counted() -> None:
    with camera(noise) as shown, open_stream(shown.address) as stream:
        take(stream, 0.2)
        time.sleep(1.0)
        assert stream.frames_dropped >= 10
        frame = stream.take(1.0)
        assert frame is not None and stream.now_s() - frame.time_s < 1.0  # the newest stay, the oldest go


def test_a_stuck_camera_is_not_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "FROZEN_S", 1.0)
    with camera(noise) as shown, open_stream(shown.address) as stream:
        take(stream, 0.5)
        shown.stuck = True
        since_s = stream.now_s()
        take(stream, 2.0)
        (loss,) = stream._coverage.losses
        assert (loss.reason, loss.start_s) == ("frozen", pytest.approx(since_s, abs=0.4))


def test_closing_is_quick_and_leaves_no_thread() -> None:
    with camera(noise) as shown:
        stream = open_stream(shown.address)
        began = time.monotonic()
        stream.close()
        assert time.monotonic() - began < 5
        assert "stream" not in [thread.name for thread in threading.enumerate()]
        assert list(stream) == []


def test_where_there_is_no_stream() -> None:
    with camera(noise) as shown:
        address = shown.address
    with pytest.raises(
        SourceError, match=r"127.0.0.1:\d+/north: found 'no frame within 0.5 s'; expected a live stream"
    ) as caught:
        open_stream(address, patience_s=0.5)
    assert "secret" not in str(caught.value)
    with pytest.raises(SourceError, match="the camera's number is 'front'"):
        open_source("camera:front")


def test_a_recording_on_a_server_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "clip.avi", list(range(30)))

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with pytest.raises(SourceError, match="found 'a recording of 30 frames'; expected a live stream"):
            open_stream(f"http://127.0.0.1:{server.server_port}/clip.avi")
        server.shutdown()


def test_what_a_stream_is_and_what_may_be_said_of_it() -> None:
    assert all(map(is_stream, ("rtsp://cam/1", "HTTPS://cam/x", "camera:0", "http://10.0.0.1:80/")))
    assert not any(map(is_stream, ("scene:street?seed=1&seconds=1", "a/b.mp4", "file:///x", "fetched:plaza.avi")))
    assert public_name("rtsp://anna:se:cr@et@cam:554/n?k=1#f") == "rtsp://cam:554/n"


class TestClock:
    """Instants from timestamps and arrivals."""

    def test_bursts_are_spread_by_the_timestamps(self) -> None:
        clock = StreamClock()
        arrivals = [10.0 + index / 10 + (0.3 if index % 5 == 1 else 0.0) for index in range(40)]
        found = [clock.instant(3 + index / 10, arrived) for index, arrived in enumerate(arrivals)]
        assert found[5:] == pytest.approx([10.0 + index / 10 for index in range(5, 40)])

    def test_what_had_waited_while_connecting_is_passed_over(self) -> None:
        clock = StreamClock()
        burst = [clock.instant(index / 10, 5.0 + index / 1000) for index in range(10)]
        assert burst[1:] == [None] * 9
        assert clock.instant(1.0, 5.1) == pytest.approx(5.1, abs=0.02)

    def test_made_up_timestamps_are_not_believed(self) -> None:
        clock = StreamClock()
        found = [clock.instant(index / 25, index / 5) for index in range(60)]  # says 25 per second, comes at 5
        assert found[-10:] == pytest.approx([index / 5 for index in range(50, 60)])

    def test_a_slow_clock_of_the_camera_is_corrected(self) -> None:
        clock = StreamClock()
        found = [clock.instant(second * 0.9999, float(second)) for second in range(100_000)]
        assert all(second - 1.01 <= instant <= second for second, instant in enumerate(found) if second)

    def test_instants_always_grow(self) -> None:
        clock = StreamClock()
        rng = np.random.default_rng(4)
        arrived = np.cumsum(rng.uniform(0, 0.5, 300))
        found = [clock.instant(float(rng.uniform(0, 9)), float(at)) for at in arrived]
        kept = [instant for instant in found if instant is not None]
        assert all(later > sooner for sooner, later in pairwise(kept))
