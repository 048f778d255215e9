"""Where frames come from: a video, a folder of images, a stream or a rendered scene, one frame at a time."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from analytics.video.sources.coverage import Loss

# OpenCV and its FFmpeg read these once, at their first use: they must be there before.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

Image = npt.NDArray[np.uint8]

SCENE_VERSION = 1  # part of a scene's digest: raise it whenever the rendering changes


class SourceError(ValueError):
    """A video, a scene, a line or a detector that the user named cannot be used."""


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: Position in the source, from 0.
        time_s: Time since the first frame. [s]
        image: BGR picture, shape `(height, width, 3)`.
        at: Instant at which a stream delivered it, in UTC; None for a recording.
    """

    index: int
    time_s: float
    image: Image
    at: datetime | None = None


class Source:
    """Frames of one recording, folder of images or scene, read one at a time; iterating again starts again.

    Frames are read ahead in a thread of their own. What could not be seen is kept in `losses`.

    Attributes:
        name: What the user called it.
        frame_rate: Frames per second; the mean where it varies. [1/s]
        size: Width and height of a frame. [px]
        frames: Number of frames that the source declares, or None where it declares none.
        frames_read: Number of frames read so far in the latest iteration.
        frames_skipped: Number of frames, among those looked for, that could not be read or had another size.
        declared_s: Length that the source declares, or None. [s]
        is_live: Whether frames come as they happen.
    """

    is_live = False

    def __init__(
        self,
        name: str,
        frame_rate: float,
        size: tuple[int, int],
        frames: int | None,
        read: Callable[[], Generator[Frame | None]],
        digest: Callable[[], str],
        *,
        counts_frames: bool = True,
        declared_s: float | None = None,
    ) -> None:
        """Describe a source; `open_source` makes one from what a user writes.

        Args:
            name: What the user called it.
            frame_rate: Frames per second. [1/s]
            size: Width and height of a frame. [px]
            frames: Number of frames declared, or None.
            read: Reads from the first frame on; None stands for a frame that is there and cannot be read.
            digest: SHA-256 of the content.
            counts_frames: Whether `frames` was counted, rather than guessed from a length.
            declared_s: Length declared; by default that of `frames`. [s]
        """
        self.name = name
        self.frame_rate = frame_rate
        self.size = size
        self.frames = frames
        self.declared_s = declared_s if declared_s is not None or frames is None else frames / frame_rate
        self._counts_frames = counts_frames
        self._images = read
        self._digest = digest
        self._open: Iterator[Frame] | None = None
        self._reset()

    def __enter__(self) -> Self:
        """Use the source in a `with` block, which closes the file at its end."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        """Read from the first frame on."""
        self.close()
        self._reset()
        self._open = self._read()
        return self._open

    def close(self) -> None:
        """Stop reading and release the file."""
        reading, self._open = self._open, None
        if isinstance(reading, Iterator) and hasattr(reading, "close"):
            reading.close()

    @property
    def read_s(self) -> float:
        """Time from the first frame to the end of the last one read, whatever was lost between [s]."""
        return self._coverage.end_s

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Stretches that were not observed, in order, up to the declared end."""
        from analytics.video.sources.coverage import Loss

        found = list(self._coverage.losses)
        if self.declared_s is not None and self.declared_s - self.read_s > 0.5 / self.frame_rate:
            found.append(Loss(self.read_s, self.declared_s, "unreadable"))
        return tuple(found)

    @property
    def frames_lost(self) -> int:
        """Frames that the source declares, or must have had in its gaps, and that were not read."""
        if self.frames is not None and self._counts_frames:
            return max(self.frames_skipped, self.frames - self.frames_read)
        missing_s = sum(loss.end_s - loss.start_s for loss in self.losses if loss.reason == "unreadable")
        return max(self.frames_skipped, round(missing_s * self.frame_rate))

    @property
    def uptime(self) -> float:
        """Share of the source's time that was observed, 0 to 1; one that declares no length is as long as what was read."""
        whole_s = max(self.read_s, self.declared_s or 0.0)
        lost_s = sum(loss.end_s - loss.start_s for loss in self.losses)
        return min(1.0, max(0.0, 1 - lost_s / whole_s)) if self.frames_read else 0.0

    def digest(self) -> str:
        """SHA-256 of the bytes of a file or folder, or of the parameters of a rendered scene."""
        return self._digest()

    def _reset(self) -> None:
        from analytics.video.sources.coverage import Coverage

        self.frames_read = self.frames_skipped = 0
        self._coverage = Coverage(self.frame_rate)

    def _read(self) -> Iterator[Frame]:
        from analytics.video.sources.ahead import ahead

        frames = ahead(self._images())
        try:
            for frame in frames:
                if frame is None or frame.image.shape[1::-1] != self.size:
                    self.frames_skipped += 1
                    continue
                self.frames_read += 1
                self._coverage.see(frame.time_s, frame.image)
                yield frame
        finally:
            frames.close()


def open_source(source: str, *, frame_rate: float | None = None) -> Source:
    """Open a video file, a folder of images, a stream, a camera or a rendered scene.

    Args:
        source: Path of a video or of a folder of images; the address of a stream (`rtsp://…`, `http://…`); `camera:0`; or
            `scene:street?seed=7&seconds=120&light=day&width=768&height=576&frame_rate=7`, in which every parameter but
            `seed` and `seconds` may be left out; see `scene.street` for the rest, such as `cyclists_per_minute=4`.
        frame_rate: Frames per second to believe instead of what the file says; a folder of images needs it. [1/s]

    Raises:
        SourceError: The source is missing, empty, not a video, without a readable frame or without a frame rate, or a
            parameter of the scene is unknown or outside its range.
    """
    from analytics.video.sources import files, folders, streams

    if frame_rate is not None and not (math.isfinite(frame_rate) and 0.1 <= frame_rate <= 1000):
        raise SourceError(f"{source}: frame rate is '{frame_rate}'; expected 0.1 to 1000 per second; correct the frame rate")
    if source.startswith("scene:"):
        return _open_scene(source, frame_rate)
    if streams.is_stream(source):
        return streams.open_stream(source, frame_rate=frame_rate)
    if Path(source).is_dir():
        return folders.open_folder(source, frame_rate)
    return files.open_file(source, frame_rate)


def numbered(images: Iterable[Image | None], frame_rate: float) -> Generator[Frame | None]:
    """Frames of pictures that come at an even pace; None stands for one that cannot be read."""
    for index, image in enumerate(images):
        yield None if image is None else Frame(index, index / frame_rate, image)


def _open_scene(source: str, frame_rate: float | None) -> Source:
    from analytics.video.scene import street
    from analytics.video.street.address import TRAFFIC, read_address

    given = read_address(source)
    scene = street(**given)
    rate = scene.frame_rate if frame_rate is None else frame_rate

    def read() -> Generator[Frame | None]:
        return numbered(scene.frames(), rate)

    def digest() -> str:
        plan = f"street {SCENE_VERSION} {scene.seed} {scene.seconds!r} {scene.width} {scene.height} "
        plan += f"{scene.frame_rate!r} {scene.light} {given.get('people_per_minute')!r}"
        plan += "".join(f" {name} {given[name]!r}" for name in TRAFFIC if name in given)
        return hashlib.sha256(plan.encode()).hexdigest()

    return Source(source, rate, (scene.width, scene.height), scene.frame_count, read, digest)
