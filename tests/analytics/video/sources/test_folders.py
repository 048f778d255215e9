"""Folders of images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from analytics.video.source import SourceError, open_source
from analytics.video.sources.folders import folder_digest


def fill(folder: Path, count: int = 12) -> Path:
    folder.mkdir()
    for index in range(count):
        cv2.imwrite(str(folder / f"frame_{index}.png"), np.full((20, 30, 3), index, np.uint8))
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_images_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    with open_source(str(fill(tmp_path / "images")), frame_rate=4) as source:
        assert (source.size, source.frames, source.frame_rate) == ((30, 20), 12, 4)
        frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == list(range(12))
    assert [frame.time_s for frame in frames] == [index / 4 for index in range(12)]
    assert (source.uptime, source.losses) == (1.0, ())


def test_an_unreadable_image_and_one_of_another_size_are_lost_and_keep_their_time(tmp_path: Path) -> None:
    folder = fill(tmp_path / "images")
    (folder / "frame_3.png").write_bytes(b"broken")
    cv2.imwrite(str(folder / "frame_7.png"), np.zeros((10, 10, 3), np.uint8))
    with open_source(str(folder), frame_rate=4) as source:
        assert [frame.index for frame in source] == [0, 1, 2, 4, 5, 6, 8, 9, 10, 11]
        assert (source.frames_lost, source.frames_read) == (2, 10)


def test_a_folder_needs_images_and_a_frame_rate(tmp_path: Path) -> None:
    folder = fill(tmp_path / "images", 2)
    with pytest.raises(SourceError, match="expected a frame rate for it"):
        open_source(str(folder))
    for file in folder.glob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(SourceError, match="found '2 images, none readable'"):
        open_source(str(folder), frame_rate=4)


def test_the_digest_tells_content_and_names(tmp_path: Path) -> None:
    one, other = fill(tmp_path / "one"), fill(tmp_path / "other")
    with open_source(str(one), frame_rate=4) as source:
        assert source.digest() == folder_digest(other)
    (other / "frame_0.png").rename(other / "frame_99.png")
    assert folder_digest(one) != folder_digest(other)
