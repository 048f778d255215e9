"""Counting with the motion detector against reading and decoding alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
from ratio import compare

from analytics.video.count import count_source
from analytics.video.measures.lines import parse_line
from analytics.video.options import CountOptions
from analytics.video.scene import street
from analytics.video.source import open_source

PETS = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")


def main() -> None:
    """The PETS 2009 video where Debian's opencv-doc is installed, else 60 s of a rendered street, encoded."""
    with tempfile.TemporaryDirectory() as folder:
        video = PETS if PETS.is_file() else _encoded(Path(folder))
        lines = [parse_line("west=250,0,250,576"), parse_line("east=560,0,560,576")]

        def decode() -> None:
            with open_source(str(video), frame_rate=7) as source:
                for _ in source:
                    pass

        compare(
            f"count_motion_{'pets' if video == PETS else 'street'}",
            lambda: count_source(str(video), lines, CountOptions(frame_rate=7)),
            "reading and decoding alone",
            decode,
            target=round(1 / 0.35, 2),
            runs=3,
        )


def _encoded(folder: Path) -> Path:
    path = folder / "street.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 7, (768, 576))
    for frame in street(7, 60).frames():
        writer.write(frame)
    writer.release()
    return path


if __name__ == "__main__":
    main()
