"""Streams and cameras: frames as they happen, each with its instant, through every interruption."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Condition, Event, Thread
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from analytics.video.source import Frame, Image, Source, SourceError

if TYPE_CHECKING:
    import cv2

SCHEMES = ("rtsp", "rtsps", "http", "https")
WAITING = 4
"""Frames that may wait; when counting does not keep up, the oldest is dropped, so that it never falls behind."""
PATIENCE_S = 30.0
"""How long the first frame is waited for [s]."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Wait before the first try to connect again; it doubles with each failure up to the longest [s]."""
LATEST_S = 1.0
"""How far a frame may lag behind the wall clock by its own timestamp before that is not believed [s]."""
_JITTER_S = 0.02  # a frame that comes so much less late than all before it was waiting to be sent
_DOUBTS, _DOUBTED_AGAIN_S = 3, 60.0  # so many corrections, each so soon after the last, and timestamps are made up
_SETTLING_S = 0.5  # in which a stream without timestamps delivers what had waited while it was connected
_TIMEOUT_MS = 5000  # of connecting and of waiting for the next frame
_DEFAULT_RATE = 10.0  # where neither the stream nor its first frames tell [1/s]
_LOOKED_AT = 12  # frames from which the rate is measured


def is_stream(source: str) -> bool:
    """Whether a source is followed as it happens, rather than read."""
    return bool(re.match(rf"({'|'.join(SCHEMES)})://|camera:", source, re.IGNORECASE))


def public_name(source: str) -> str:
    """A stream's name without what gives access to it: user, password, query.

    Example:
        >>> public_name("rtsp://anna:secret@10.0.0.7:554/north?token=1")
        'rtsp://10.0.0.7:554/north'
    """
    if source.lower().startswith("camera:"):
        return source
    parts = urlsplit(source)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class StreamClock:
    """Instants of a stream's frames: spaced by their own timestamps, held to the wall clock.

    Networks deliver in bursts; the timestamps do not. They are believed while they keep pace with the wall clock: a
    stream that makes them up (motion JPEG) is timed by arrival instead.
    """

    def __init__(self) -> None:
        """Start before the first frame."""
        self._last_s = -math.inf
        self.reconnect()

    def reconnect(self, *, has_timestamps: bool = True) -> None:
        """The next frame has timestamps of a new beginning, or made up ones that say nothing."""
        self._offset_s, self._stamp_s, self._first_s = math.inf, -math.inf, math.inf
        self._doubts, self._doubted_s = 0 if has_timestamps else _DOUBTS, -math.inf

    def instant(self, stamp_s: float, arrived_s: float) -> float | None:
        """When a frame was taken, later than the one before; None while old frames come in faster than time goes by.

        Args:
            stamp_s: The stream's own timestamp. [s]
            arrived_s: When it came, on the clock of the answer. [s]
        """
        moves, self._stamp_s = stamp_s > self._stamp_s, stamp_s
        self._first_s = min(self._first_s, arrived_s)
        time_s = arrived_s
        if self._doubts == _DOUBTS and arrived_s - self._first_s < _SETTLING_S:
            return None
        if self._doubts < _DOUBTS and moves:
            offset_s = arrived_s - stamp_s
            catching_up = offset_s < self._offset_s - _JITTER_S
            self._offset_s = min(self._offset_s, offset_s)
            if catching_up:
                return None
            time_s = stamp_s + self._offset_s
            if arrived_s - time_s > LATEST_S:
                self._offset_s, time_s = offset_s, arrived_s
                self._doubts = self._doubts + 1 if arrived_s - self._doubted_s < _DOUBTED_AGAIN_S else 1
                self._doubted_s = arrived_s
        self._last_s = max(time_s, self._last_s + 1e-3)
        return self._last_s


class Stream(Source):
    """A stream or camera, read in a thread that connects again whenever it breaks off.

    Attributes:
        started_at: Instant from which `time_s` counts, in UTC.
        frames_dropped: Frames that came and were not looked at, because counting did not keep up.
        connections: How often it was connected.
    """

    is_live = True

    def __init__(self, source: str, *, frame_rate: float | None = None, patience_s: float = PATIENCE_S) -> None:
        """Connect, and wait for the first frames to learn size and rate.

        Raises:
            SourceError: No frame came for `patience_s`, or it is a recording, which has an end.
        """
        self._source = source
        self._clock = StreamClock()
        self._waiting: deque[Frame] = deque()
        self._changed = Condition()
        self._stopped = Event()
        self._fault: str | None = None
        self._arrived = 0
        self._times_s: list[float] = []
        self._first_size: tuple[int, int] | None = None
        self.frames_dropped = self.frames_misfit = self.connections = 0
        self.started_at, self._zero_s = datetime.now(UTC), monotonic()
        name = public_name(source)
        self._thread = Thread(target=self._follow, name="stream", daemon=True)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._arrived >= _LOOKED_AT or self._fault is not None, patience_s)
        if self._fault is not None or self._first_size is None:
            self.close()
            found = self._fault or f"no frame within {patience_s:g} s"
            raise SourceError(f"{name}: found '{found}'; expected a live stream; check its address, or count it as a file")
        times_s = self._times_s
        measured = (len(times_s) - 1) / (times_s[-1] - times_s[0]) if len(times_s) > 1 else _DEFAULT_RATE
        rate = frame_rate or min(120.0, max(0.1, measured))
        super().__init__(name, rate, self._first_size, None, lambda: iter(()), lambda: "")
        self.frames_dropped = 0

    def now_s(self) -> float:
        """Time since `started_at` [s]."""
        return monotonic() - self._zero_s

    def take(self, timeout_s: float) -> Frame | None:
        """The next frame; None when none came in time or the stream was closed [s]."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting or self._stopped.is_set(), timeout_s) or not self._waiting:
                return None
            frame = self._waiting.popleft()
        self.frames_read += 1
        self._coverage.see(frame.time_s, frame.image)
        return frame

    def begin(self) -> None:
        """Forget all frames taken so far: they were not counted."""
        self._reset()
        self.frames_dropped = 0

    def seen_s(self, start_s: float, end_s: float) -> float:
        """How much of a stretch of the stream's time was observed, by the frames taken so far [s]."""
        return self._coverage.seen_s(start_s, end_s)

    def forget(self, before_s: float) -> None:
        """Drop what is known of earlier interruptions."""
        self._coverage.forget(before_s)

    def stop(self) -> None:
        """Take no more frames in; those that wait can still be taken."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Stop reading and disconnect."""
        self.stop()
        self._thread.join(_TIMEOUT_MS / 1000 + 1)
        self._waiting.clear()

    def _reset(self) -> None:
        super()._reset()
        from analytics.video.sources.coverage import Coverage

        self._coverage = Coverage(self.frame_rate, "away")

    def _read(self) -> Iterator[Frame]:
        while not self._stopped.is_set() or self._waiting:
            frame = self.take(0.2)
            if frame is not None:
                yield frame

    def _follow(self) -> None:
        """What the thread does: connect, read until it breaks off, wait, and again."""
        wait_s = FIRST_WAIT_S
        while not self._stopped.is_set():
            reader = _connect(self._source)
            try:
                if reader is not None and self._is_endless(reader) and self._pump(reader):
                    wait_s = FIRST_WAIT_S
            finally:
                if reader is not None:
                    reader.release()
            self._stopped.wait(wait_s)
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    def _is_endless(self, reader: cv2.VideoCapture) -> bool:
        """Refuse a recording: connecting again would count it again."""
        import cv2

        frames = reader.get(cv2.CAP_PROP_FRAME_COUNT)
        if frames <= 0 or not math.isfinite(frames):
            return True
        with self._changed:
            self._fault = f"a recording of {frames:.0f} frames"
            self._changed.notify_all()
        return False

    def _pump(self, reader: cv2.VideoCapture) -> bool:
        """Read until the stream breaks off or is no longer wanted; whether a frame came."""
        import cv2

        motion_jpeg = int(reader.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
        self._clock.reconnect(has_timestamps=not (motion_jpeg or self._source.lower().startswith("camera:")))
        self.connections += 1
        came = False
        while not self._stopped.is_set():
            ok, image = reader.read()
            if not ok:
                break
            came = True
            stamp_s = float(reader.get(cv2.CAP_PROP_POS_MSEC)) / 1000
            time_s = self._clock.instant(stamp_s, self.now_s())
            if time_s is not None:
                self._hand_over(image.astype(np.uint8, copy=False), time_s)
        return came

    def _hand_over(self, image: Image, time_s: float) -> None:
        with self._changed:
            size = (image.shape[1], image.shape[0])
            self._first_size = self._first_size or size
            if size != self._first_size:
                self.frames_misfit += 1
                return
            if len(self._times_s) < _LOOKED_AT:
                self._times_s.append(time_s)
            if len(self._waiting) >= WAITING:
                self._waiting.popleft()
                self.frames_dropped += 1
            at = self.started_at + timedelta(seconds=time_s)
            self._waiting.append(Frame(self._arrived, time_s, image, at))
            self._arrived += 1
            self._changed.notify_all()


def open_stream(source: str, *, frame_rate: float | None = None, patience_s: float = PATIENCE_S) -> Stream:
    """Connect to a stream (`rtsp://`, `rtsps://`, `http://`, `https://`) or a camera (`camera:0`).

    Args:
        source: Its address.
        frame_rate: Frames per second, where it should not be measured; instants stay those of the wall clock. [1/s]
        patience_s: How long the first frame is waited for. [s]

    Raises:
        SourceError: The camera's number is none, no frame came, or it is a recording.
    """
    number = source.partition(":")[2]
    if source.lower().startswith("camera:") and not number.isdecimal():
        raise SourceError(f"{source}: the camera's number is '{number}'; expected camera:0, camera:1 or so on; correct it")
    return Stream(source, frame_rate=frame_rate, patience_s=patience_s)


def _connect(source: str) -> cv2.VideoCapture | None:
    """A reader of the stream, or None when there is none."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if source.lower().startswith("camera:"):
        reader = cv2.VideoCapture(int(source.partition(":")[2]))
    else:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
        reader = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    if reader.isOpened():
        return reader
    reader.release()
    return None
