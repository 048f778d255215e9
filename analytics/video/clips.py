"""Short stretches of a source as pictures in memory, for a page that a person counts from; nothing is written."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from itertools import islice

import numpy as np

from analytics.video.privacy import forbid_core_dumps
from analytics.video.source import Frame, Image, SourceError, open_source

_LOOKS, _LOOK_S = 31, 180.0  # frames whose median is the empty street, and how far they are spread [s]
_KEPT = 2  # stretches kept in memory: the one on show and the one before


def encode(image: Image) -> bytes:
    """A picture as JPEG, in memory."""
    import cv2

    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return bytes(data)


class Clips:
    """Reads stretches of one source, forwards where it can; asked by several threads, it answers one at a time."""

    def __init__(self, source: str, *, frame_rate: float | None = None) -> None:
        """Open the source.

        Args:
            source: Path of a video, or a rendered scene.
            frame_rate: Frames per second to believe instead of what the file says. [1/s]

        Raises:
            SourceError: The source cannot be read.
        """
        forbid_core_dumps()
        self._opened = open_source(source, frame_rate=frame_rate)
        self.size = self._opened.size
        self.frame_rate = self._opened.frame_rate
        self._reading: Iterator[Frame] | None = None
        self._next_s = 0.0
        self._kept: dict[tuple[float, float], list[bytes]] = {}
        self._lock = threading.Lock()

    def stretch(self, start_s: float, end_s: float) -> list[bytes]:
        """The frames from one second to before another, as JPEG.

        Raises:
            SourceError: The source ends before.
        """
        with self._lock:
            key = (start_s, end_s)
            if key not in self._kept:
                frames = self._read(start_s, end_s)
                if not frames:
                    raise SourceError(
                        f"{self._opened.name}: second '{start_s:g}' was not found; expected a longer source; draw again"
                    )
                while len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = frames
            return self._kept[key]

    def close(self) -> None:
        """Release the source and forget every picture."""
        with self._lock:
            self._kept.clear()
            self._opened.close()

    def _read(self, start_s: float, end_s: float) -> list[bytes]:
        if self._reading is None or self._next_s > start_s:
            self._reading, self._next_s = iter(self._opened), 0.0
        frames: list[bytes] = []
        step = 1 / self.frame_rate
        # a frame belongs to the interval its time falls into; reading stops at the last one, so that none is lost
        while self._next_s + 1e-6 < end_s:
            frame = next(self._reading, None)
            if frame is None:
                break
            if frame.time_s + 1e-6 >= start_s and frame.time_s + 1e-6 < end_s:
                frames.append(encode(frame.image))
            self._next_s = frame.time_s + step
        return frames


def empty_street(source: str, *, frame_rate: float | None = None) -> tuple[bytes, tuple[int, int]]:
    """One still of the source without its people, as JPEG in memory, and its width and height.

    Each pixel is the median of frames spread over the first minutes: whoever moves on leaves no trace.

    Args:
        source: Path of a video, or a rendered scene.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]

    Raises:
        SourceError: The source cannot be read.
    """
    forbid_core_dumps()
    with open_source(source, frame_rate=frame_rate) as opened:
        known = opened.frames if opened.frames is not None else math.inf
        step = max(1, int(min(known, _LOOK_S * opened.frame_rate) // _LOOKS))
        pictures = [frame.image for frame in islice(opened, 0, step * _LOOKS, step)]
    return encode(np.median(np.stack(pictures), axis=0).astype(np.uint8)), opened.size
