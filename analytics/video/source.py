"""Where frames come from: a video file or a rendered scene, one frame at a time."""

from __future__ import annotations

import difflib
import hashlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import cv2

# OpenCV and its FFmpeg read these once, at their first use: they must be there before.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

Image = npt.NDArray[np.uint8]

SCENE_VERSION = 1  # part of a scene's digest: raise it whenever the rendering changes
_SCENE_PARAMETERS: dict[str, type[int] | type[float] | type[str]] = {
    "seed": int,
    "seconds": float,
    "light": str,
    "width": int,
    "height": int,
    "frame_rate": float,
    "people_per_minute": float,
}


class SourceError(ValueError):
    """A video, a scene, a line or a detector that the user named cannot be used."""


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: Position in the source, from 0.
        time_s: Time since the first frame. [s]
        image: BGR picture, shape `(height, width, 3)`.
    """

    index: int
    time_s: float
    image: Image


class Source:
    """Frames of one video or scene, read one at a time; iterating again starts again.

    Attributes:
        name: What the user called it.
        frame_rate: Frames per second. [1/s]
        size: Width and height of a frame. [px]
        frames: Number of frames that the source declares, or None where it declares none.
        frames_read: Number of frames read so far in the latest iteration.
    """

    def __init__(
        self,
        name: str,
        frame_rate: float,
        size: tuple[int, int],
        frames: int | None,
        images: Callable[[], Iterator[Image]],
        digest: Callable[[], str],
    ) -> None:
        """Describe a source; `open_source` makes one from what a user writes."""
        self.name = name
        self.frame_rate = frame_rate
        self.size = size
        self.frames = frames
        self.frames_read = 0
        self._images = images
        self._digest = digest
        self._open: Iterator[Frame] | None = None

    def __enter__(self) -> Self:
        """Use the source in a `with` block, which closes the file at its end."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        """Read from the first frame on."""
        self.close()
        self.frames_read = 0
        self._open = self._read()
        return self._open

    def close(self) -> None:
        """Stop reading and release the file."""
        reading, self._open = self._open, None
        if isinstance(reading, Iterator) and hasattr(reading, "close"):
            reading.close()

    @property
    def uptime(self) -> float:
        """Share of the declared frames that were read, 0 to 1; a source that declares no length is taken as whole."""
        if self.frames is None:
            return 1.0 if self.frames_read else 0.0
        return min(1.0, self.frames_read / self.frames)

    def digest(self) -> str:
        """SHA-256 of the file's bytes, or of the parameters of a rendered scene."""
        return self._digest()

    def _read(self) -> Iterator[Frame]:
        for index, image in enumerate(self._images()):
            self.frames_read = index + 1
            yield Frame(index, index / self.frame_rate, image)


def open_source(source: str, *, frame_rate: float | None = None) -> Source:
    """Open a video file or a rendered scene.

    Args:
        source: Path of a video, or `scene:street?seed=7&seconds=120&light=day&width=768&height=576&frame_rate=7`, in
        which
            every parameter but `seed` and `seconds` may be left out.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]

    Raises:
        SourceError: The source is missing, empty, not a video, without a readable frame or without a frame rate, or a
            parameter of the scene is unknown or outside its range.
    """
    if frame_rate is not None and not (math.isfinite(frame_rate) and 0.1 <= frame_rate <= 1000):
        raise SourceError(f"{source}: frame rate is '{frame_rate}'; expected 0.1 to 1000 per second; correct the frame rate")
    if source.startswith("scene:"):
        return _open_scene(source, frame_rate)
    return _open_file(source, frame_rate)


def _open_file(source: str, frame_rate: float | None) -> Source:
    path = Path(source)
    if not path.exists():
        raise SourceError(f"{source}: found 'no such file'; expected a video file; check the path")
    if not path.is_file():
        raise SourceError(f"{source}: found 'not a regular file'; expected a video file; give the path of one video")
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
            if not head:
                raise SourceError(f"{source}: found '0 bytes'; expected a video file; copy the file again")
    except OSError as error:
        raise SourceError(f"{source}: found '{error.strerror}'; expected a readable file; check its permissions") from error

    import cv2

    # FFmpeg would draw a text as a film of letters, follow a playlist elsewhere, and take a photograph for a video.
    if b"\0" not in head or cv2.haveImageReader(source):
        kind = "a still picture" if b"\0" in head else "text"
        raise SourceError(f"{source}: found '{kind}'; expected a video file; give the path of a video")
    capture = _capture(source)
    try:
        if not capture.isOpened():
            raise SourceError(f"{source}: found 'no video in it'; expected a video that FFmpeg reads; convert it to MP4 or AVI")
        declared_rate = float(capture.get(cv2.CAP_PROP_FPS))
        declared = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        read, first = capture.read()
    finally:
        capture.release()
    if not read:
        raise SourceError(f"{source}: found 'no readable frame'; expected at least 1 frame; copy or convert the file again")
    rate = frame_rate if frame_rate is not None else declared_rate
    if not (math.isfinite(rate) and 0.1 <= rate <= 1000):
        raise SourceError(f"{source}: frame rate is '{rate}'; expected 0.1 to 1000 per second; give the frame rate yourself")
    frames = int(declared) if math.isfinite(declared) and 1 <= declared < 2**53 else None

    def images() -> Iterator[Image]:
        reader = _capture(source)
        try:
            while True:
                ok, image = reader.read()
                if not ok:
                    return
                yield image.astype(np.uint8, copy=False)
        finally:
            reader.release()

    def digest() -> str:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    return Source(source, rate, (first.shape[1], first.shape[0]), frames, images, digest)


def _open_scene(source: str, frame_rate: float | None) -> Source:
    from analytics.video.scene import street

    kind, _, query = source.removeprefix("scene:").partition("?")
    if kind != "street":
        raise SourceError(f"{source}: scene is '{kind}'; expected street; write scene:street?seed=7&seconds=120")
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _SCENE_PARAMETERS:
            near = difflib.get_close_matches(key, _SCENE_PARAMETERS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "leave it out"
            raise SourceError(
                f"{source}: scene parameter '{key}' is unknown; expected one of {', '.join(_SCENE_PARAMETERS)}; {hint}"
            )
        if key in values:
            raise SourceError(f"{source}: scene parameter '{key}' is given 'twice'; expected once; remove one")
        values[key] = value
    numbers: dict[str, float] = {}
    for key, value in values.items():
        kind_of_value = _SCENE_PARAMETERS[key]
        if kind_of_value is str:
            continue
        try:
            numbers[key] = int(value) if kind_of_value is int else float(value)
        except ValueError:
            raise SourceError(
                f"{source}: scene parameter '{key}' is '{value}'; expected a number"
                f"{' without decimals' if kind_of_value is int else ''}; correct it"
            ) from None
    for key in ("seed", "seconds"):
        if key not in numbers:
            raise SourceError(f"{source}: scene parameter '{key}' is 'missing'; expected {key}=...; add it")
    scene = street(
        int(numbers["seed"]),
        numbers["seconds"],
        width=int(numbers.get("width", 768)),
        height=int(numbers.get("height", 576)),
        frame_rate=numbers.get("frame_rate", 7.0),
        light=values.get("light", "day"),
        people_per_minute=numbers.get("people_per_minute"),
    )
    rate = scene.frame_rate if frame_rate is None else frame_rate

    def digest() -> str:
        plan = f"street {SCENE_VERSION} {scene.seed} {scene.seconds!r} {scene.width} {scene.height} "
        plan += f"{scene.frame_rate!r} {scene.light} {numbers.get('people_per_minute')!r}"
        return hashlib.sha256(plan.encode()).hexdigest()

    return Source(source, rate, (scene.width, scene.height), scene.frame_count, scene.frames, digest)


def _capture(path: str) -> cv2.VideoCapture:
    """An FFmpeg reader that keeps its complaints to itself: they become our own errors."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(path, cv2.CAP_FFMPEG)
