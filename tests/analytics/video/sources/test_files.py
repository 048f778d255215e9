"""Video files made by FFmpeg: turned, unevenly paced, in every container, damaged."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from analytics.video.source import SourceError, open_source

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs FFmpeg's command")
SIZE = (96, 64)


def picture(index: int) -> np.ndarray:
    """A picture that tells its index: the column of a white bar; noise makes every picture different."""
    image = np.random.default_rng(index).integers(0, 40, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    image[:, (index * 2) % SIZE[0] : (index * 2) % SIZE[0] + 2] = 255
    return image


def write(path: Path, indices: list[int], rate: float = 10.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), rate, SIZE)
    for index in indices:
        writer.write(picture(index))
    writer.release()
    return path


def ffmpeg(*arguments: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL, timeout=60)


@needs_ffmpeg
@pytest.mark.parametrize(("degrees", "wanted"), [(0, (96, 64)), (90, (64, 96)), (180, (96, 64)), (270, (64, 96))])
def test_a_turned_phone_video_is_shown_upright(tmp_path: Path, degrees: int, wanted: tuple[int, int]) -> None:
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    ffmpeg("-i", write(tmp_path / "a.avi", [20] * 3), "-c:v", "mpeg4", "-q:v", 2, plain)
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", f"rotate={degrees}", turned)
    ffmpeg("-i", turned, "-frames:v", 1, tmp_path / "upright.png")  # FFmpeg itself shows how it is to be seen
    upright = cv2.imread(str(tmp_path / "upright.png"))
    with open_source(str(turned)) as source:
        assert source.size == wanted
        image = next(iter(source)).image
    assert np.abs(image.astype(int) - upright).mean() < 3
    assert np.abs(image[::-1, ::-1].astype(int) - upright).mean() > 10


@needs_ffmpeg
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.mkv", "mpeg4"), ("a.webm", "libvpx")])
def test_frames_of_an_uneven_pace_have_their_own_times(tmp_path: Path, name: str, codec: str) -> None:
    kept = "not(mod(n,7))+lt(mod(n,5),2)"
    ffmpeg("-i", write(tmp_path / "a.avi", list(range(60))), "-vf", f"select='{kept}'", "-fps_mode", "vfr",
           "-c:v", codec, tmp_path / name)  # fmt: skip
    times = [n / 10 for n in range(60) if n % 7 == 0 or n % 5 < 2]
    with open_source(str(tmp_path / name)) as source:
        assert [frame.time_s for frame in source] == pytest.approx(times, abs=0.002)
        assert source.uptime == pytest.approx(1.0, abs=0.02)
        assert (source.frames_lost, source.frames_read) == (0, len(times))
    with open_source(str(tmp_path / name), frame_rate=4) as source:  # who gives a rate does not believe the file's times
        assert [frame.time_s for frame in source][:3] == [0.0, 0.25, 0.5]


@needs_ffmpeg
def test_a_gap_in_a_recording_is_said_and_not_observed(tmp_path: Path) -> None:
    ffmpeg("-i", write(tmp_path / "a.avi", list(range(90))), "-vf", "select='lt(n,30)+gte(n,60)'", "-fps_mode", "vfr",
           "-c:v", "mpeg4", tmp_path / "gap.mkv")  # fmt: skip
    with open_source(str(tmp_path / "gap.mkv")) as source:
        assert sum(1 for _ in source) == 60
        (loss,) = source.losses
        assert (loss.start_s, loss.end_s, loss.reason) == (pytest.approx(3.0), pytest.approx(6.0), "unreadable")
        assert source.uptime == pytest.approx(2 / 3, abs=0.01)
        assert source.frames_lost == 30


@needs_ffmpeg
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "mov", "flv", "avi"])
def test_a_whole_file_is_whole_in_every_container(tmp_path: Path, ending: str) -> None:
    codec = "flv1" if ending == "flv" else "mpeg4"
    ffmpeg("-i", write(tmp_path / "source.avi", list(range(25))), "-c:v", codec, tmp_path / f"b.{ending}")
    with open_source(str(tmp_path / f"b.{ending}")) as source:
        assert source.frame_rate == pytest.approx(10.0)
        assert [frame.time_s for frame in source] == pytest.approx([n / 10 for n in range(25)], abs=0.002)
        assert (source.uptime, source.frames_lost, source.losses) == (1.0, 0, ())


def test_a_frozen_stretch_is_said_and_not_observed(tmp_path: Path) -> None:
    with open_source(str(write(tmp_path / "a.avi", [*range(20), *[20] * 70, *range(21, 31)]))) as source:
        assert sum(1 for _ in source) == 100
        (loss,) = source.losses
        assert (loss.start_s, loss.end_s, loss.reason) == (pytest.approx(2.1), pytest.approx(9.0), "frozen")
        assert source.uptime == pytest.approx(0.31)
        assert source.frames_lost == 0


@needs_ffmpeg
def test_a_picture_of_absurd_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=size=8200x8200:rate=5:duration=0.2", "-c:v", "mjpeg", tmp_path / "huge.avi")
    with pytest.raises(SourceError, match=r"the picture is '8200x8200'; expected at most 67108864 pixels"):
        open_source(str(tmp_path / "huge.avi"))


def test_a_header_that_declares_a_thousand_years_is_not_believed(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "a.avi", list(range(12))).read_bytes())
    for mark, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        at = data.index(mark) + offset
        data[at : at + 4] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "long.avi").write_bytes(data)
    with open_source(str(tmp_path / "long.avi")) as source:
        assert sum(1 for _ in source) == 12
        assert (source.frames, source.declared_s) == (None, None)
