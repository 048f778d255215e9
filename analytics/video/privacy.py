"""What keeps pictures of people from leaving: no core dumps, and a preview without a single pixel of the source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from analytics.video.measures.lines import Line
from analytics.video.source import SourceError
from analytics.video.tracking.track import Track

if TYPE_CHECKING:
    import cv2

_GROUND = 236  # grey level of the blank ground
_COLOURS = ((180, 119, 31), (14, 127, 255), (44, 160, 44), (40, 39, 214), (189, 103, 148), (75, 86, 140))


def forbid_core_dumps() -> None:
    """Forbid core dumps of this process, which would hold frames."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def draw_preview(size: tuple[int, int], lines: Sequence[Line], tracks: Sequence[Track]) -> npt.NDArray[np.uint8]:
    """Draw lines, boxes and paths on blank ground.

    The picture is made from numbers only: the function never sees a frame of the source.

    Args:
        size: Width and height. [px]
        lines: Counting lines.
        tracks: Living tracks.

    Returns:
        BGR picture, shape `(height, width, 3)`.
    """
    import cv2

    image: npt.NDArray[np.uint8] = np.full((size[1], size[0], 3), _GROUND, dtype=np.uint8)
    for line in lines:
        first, second = (round(line.x1), round(line.y1)), (round(line.x2), round(line.y2))
        cv2.line(image, first, second, (60, 60, 60), 2, cv2.LINE_AA)
        label = (min(max(first[0] + 6, 0), size[0] - 40), min(max(first[1] + 18, 14), size[1] - 6))
        cv2.putText(image, line.name, label, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 60), 1, cv2.LINE_AA)
    for track in tracks:
        colour = _COLOURS[track.id % len(_COLOURS)]
        x1, y1, x2, y2 = (round(value) for value in track.box)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, 2 if track.missed_s == 0 else 1)
        path = np.array([(point.x, point.y) for point in track.history]).round().astype(np.int32)
        cv2.polylines(image, [path.reshape(-1, 1, 2)], False, colour, 1, cv2.LINE_AA)
    return image


def open_writer(path: str, size: tuple[int, int], frame_rate: float) -> tuple[cv2.VideoWriter, tuple[int, int]]:
    """A video to be written, and the even width and height of its pictures.

    Args:
        path: Where to write; the name must end in `.mp4`.
        size: Width and height of the source. [px]
        frame_rate: Frames per second. [1/s]

    Raises:
        SourceError: The name has another ending, or the file cannot be written.
    """
    import cv2

    if not path.endswith(".mp4"):
        raise SourceError(f"{path}: the preview's name ends in '{Path(path).suffix}'; expected .mp4; rename it")
    if not Path(path).parent.is_dir():
        raise SourceError(f"{path}: folder '{Path(path).parent}' is missing; expected an existing folder; create it")
    even = (size[0] - size[0] % 2, size[1] - size[1] % 2)
    writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), frame_rate, even)
    if not writer.isOpened():
        raise SourceError(f"{path}: found 'not writable'; expected a place for a video; choose another path")
    return writer, even


class PreviewWriter:
    """Writes a video of lines, boxes and paths on blank ground, and nothing else."""

    def __init__(self, path: str, size: tuple[int, int], frame_rate: float, lines: Sequence[Line]) -> None:
        """Open the file.

        Args:
            path: Where to write; the name must end in `.mp4`.
            size: Width and height of the source. [px]
            frame_rate: Frames per second. [1/s]
            lines: Counting lines.

        Raises:
            SourceError: The name has another ending, or the file cannot be written.
        """
        self._writer, self._size = open_writer(path, size, frame_rate)
        self._lines = tuple(lines)

    def __enter__(self) -> Self:
        """Use the writer in a `with` block, which completes the file at its end."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Complete the file."""
        self._writer.release()

    def write(self, tracks: Sequence[Track]) -> None:
        """Add one frame."""
        self._writer.write(draw_preview(self._size, self._lines, tracks))
