"""Video files: whatever FFmpeg reads, each frame at its own time, as far as it can be read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from analytics.video.source import Frame, Source, SourceError

if TYPE_CHECKING:
    import cv2

MAX_PIXELS = 1 << 26
"""A larger picture, four times that of 8K, is a broken header; decoding it could take all memory. [px]"""
_SLOWEST, _FASTEST = 0.1, 1000.0  # frames per second
_DOUBTFUL = 120.0  # a container that declares more states its clock, not its frames [1/s]
_FEWEST_BYTES = 8  # bytes of a frame in which nothing changed; a header that declares more frames is broken
_LOOKED_AT = 30  # frames from which a rate is measured


def capture(path: str) -> cv2.VideoCapture:
    """An FFmpeg reader that keeps its complaints to itself: they become our own errors. Turned videos are shown upright."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    reader = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    reader.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # OpenCV 4.11 and 4.12 leave it off
    return reader


def open_file(source: str, frame_rate: float | None) -> Source:
    """Open a video file.

    Args:
        source: Path of the file.
        frame_rate: Frames per second to believe instead of what the file says; its times are then not believed either.

    Raises:
        SourceError: The file is missing, empty, not a video, without a readable frame or without a frame rate.
    """
    path = Path(source)
    head = _head(path, source)
    reader = capture(source)
    try:
        declared_rate, rate, declared, size = _first_look(reader, source, frame_rate)
    finally:
        reader.release()
    frames = int(declared) if math.isfinite(declared) and 1 <= declared <= path.stat().st_size / _FEWEST_BYTES else None
    counted = head[:4] == b"RIFF" or head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide")  # others tell their length only
    declared_s = None if frames is None else frames / (declared_rate if frame_rate is None else frame_rate)

    def read() -> Generator[Frame | None]:
        return _frames(source, rate, believe_times=frame_rate is None, end_s=declared_s)

    def digest() -> str:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    return Source(source, rate, size, frames, read, digest, counts_frames=counted, declared_s=declared_s)


def _head(path: Path, source: str) -> bytes:
    """The first bytes of what may be a video."""
    if not path.exists():
        raise SourceError(f"{source}: found 'no such file'; expected a video file; check the path")
    if not path.is_file():
        raise SourceError(f"{source}: found 'not a regular file'; expected a video file; give the path of one video")
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        raise SourceError(f"{source}: found '{error.strerror}'; expected a readable file; check its permissions") from error
    if not head:
        raise SourceError(f"{source}: found '0 bytes'; expected a video file; copy the file again")

    import cv2

    # FFmpeg would draw a text as a film of letters, follow a playlist elsewhere, and take a photograph for a video.
    if b"\0" not in head or cv2.haveImageReader(source):
        kind = "a still picture" if b"\0" in head else "text"
        raise SourceError(f"{source}: found '{kind}'; expected a video file; give the path of a video")
    return head


def _first_look(reader: cv2.VideoCapture, source: str, frame_rate: float | None) -> tuple[float, float, float, tuple[int, int]]:
    """Frame rate as declared and as believed, declared frames, and the size of the first frame as it will be shown."""
    import cv2

    if not reader.isOpened():
        raise SourceError(f"{source}: found 'no video in it'; expected a video that FFmpeg reads; convert it to MP4 or AVI")
    wide, tall = reader.get(cv2.CAP_PROP_FRAME_WIDTH), reader.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if wide * tall > MAX_PIXELS:
        raise SourceError(
            f"{source}: the picture is '{wide:.0f}x{tall:.0f}'; expected at most {MAX_PIXELS} pixels; convert the file again"
        )
    declared_rate, declared = float(reader.get(cv2.CAP_PROP_FPS)), float(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    read, first = reader.read()
    if not read:
        raise SourceError(f"{source}: found 'no readable frame'; expected at least 1 frame; copy or convert the file again")
    rate = declared_rate if frame_rate is None else frame_rate
    if frame_rate is None and not _SLOWEST <= rate <= _DOUBTFUL:
        rate = _measured_rate(reader) or rate
    if not _SLOWEST <= rate <= _FASTEST:
        raise SourceError(f"{source}: frame rate is '{rate}'; expected 0.1 to 1000 per second; give the frame rate yourself")
    if not (math.isfinite(declared_rate) and declared_rate > 0):
        declared_rate = rate
    return declared_rate, rate, declared, (first.shape[1], first.shape[0])


def _measured_rate(reader: cv2.VideoCapture) -> float | None:
    """Frames per second by the times of the next frames; None where they have none."""
    import cv2

    times = [reader.get(cv2.CAP_PROP_POS_MSEC) for _ in range(_LOOKED_AT) if reader.grab()]
    steps = [later - sooner for sooner, later in pairwise(times) if later > sooner]
    return 1000 / median(steps) if steps else None


def _frames(source: str, rate: float, *, believe_times: bool, end_s: float | None) -> Generator[Frame | None]:
    """Each frame at the time its container gives it; at an even pace where the container's times cannot be believed."""
    import cv2

    reader = capture(source)
    first_s = last_s = 0.0
    index = 0
    try:
        while True:
            ok, image = reader.read()
            if not ok:
                return
            time_s = index / rate
            if believe_times:
                told_s = float(reader.get(cv2.CAP_PROP_POS_MSEC)) / 1000
                if index == 0:
                    first_s = told_s
                time_s = told_s - first_s
                if index and not last_s < time_s <= (math.inf if end_s is None else end_s + 1 / rate):
                    time_s = last_s + 1 / rate  # times that stand still, run back or lie beyond the end are broken
            yield Frame(index, time_s, image.astype(np.uint8, copy=False))
            last_s, index = time_s, index + 1
    finally:
        reader.release()
