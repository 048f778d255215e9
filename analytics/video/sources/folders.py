"""Folders of images: one picture is one frame, in the natural order of their names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator
from pathlib import Path

import numpy as np

from analytics.video.source import Frame, Image, Source, SourceError, numbered

ENDINGS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Files that count as images; others in the folder are left alone."""


def image_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order: `frame_9.jpg` before `frame_10.jpg`."""
    found = [file for file in folder.iterdir() if file.suffix.lower() in ENDINGS and file.is_file()]
    return sorted(found, key=lambda file: [(int(p) if p.isdigit() else -1, p) for p in re.split(r"(\d+)", file.name)])


def folder_digest(folder: Path) -> str:
    """SHA-256 of the names and bytes of a folder's images, in their order."""
    digest = hashlib.sha256()
    for file in image_files(folder):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def open_folder(source: str, frame_rate: float | None) -> Source:
    """Open a folder of images.

    Args:
        source: Path of the folder.
        frame_rate: Frames per second; images carry none. [1/s]

    Raises:
        SourceError: The folder holds no image, none that can be read, or no frame rate was given.
    """
    files = image_files(Path(source))
    first = next((image for image in map(_image, files) if image is not None), None)
    if first is None:
        raise SourceError(
            f"{source}: found '{len(files)} images, none readable'; expected a folder of images ({', '.join(ENDINGS)}); "
            "check the folder"
        )
    if frame_rate is None:
        raise SourceError(f"{source}: found 'a folder of images'; expected a frame rate for it; give the frame rate yourself")

    def read() -> Generator[Frame | None]:
        return numbered(map(_image, files), frame_rate)

    size = (first.shape[1], first.shape[0])
    return Source(source, frame_rate, size, len(files), read, lambda: folder_digest(Path(source)))


def _image(file: Path) -> Image | None:
    import cv2

    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    return None if image is None else image.astype(np.uint8, copy=False)
