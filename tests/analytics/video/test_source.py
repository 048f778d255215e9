"""Sources: streamed, honest about what could not be read, and clear about what is no video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analytics.video.scene import street
from analytics.video.source import SourceError, open_source
from analytics.video.sources.coverage import Loss


def write_video(path: Path, frames: int = 40, size: tuple[int, int] = (160, 120), codec: str = "MJPG") -> Path:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 10.0, size)
    rng = np.random.default_rng(0)
    for _ in range(frames):
        writer.write(rng.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8))
    writer.release()
    return path


def test_a_video_is_read_frame_by_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "street.avi")
    with open_source(str(path)) as source:
        assert (source.frame_rate, source.size, source.frames) == (10.0, (160, 120), 40)
        frames = list(source)
        assert [frame.index for frame in frames] == list(range(40))
        assert frames[10].time_s == pytest.approx(1.0)
        assert frames[0].image.shape == (120, 160, 3)
        assert (source.frames_read, source.uptime) == (40, 1.0)
        assert len(list(source)) == 40  # reading again starts again


def test_frame_rate_can_be_overridden(tmp_path: Path) -> None:
    path = write_video(tmp_path / "street.avi")
    with open_source(str(path), frame_rate=7) as source:
        assert list(source)[7].time_s == pytest.approx(1.0)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e9])
def test_bad_frame_rate(rate: float) -> None:
    with pytest.raises(SourceError, match="frame rate is"):
        open_source("scene:street?seed=1&seconds=2", frame_rate=rate)


def test_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    import hashlib

    path = write_video(tmp_path / "street.avi")
    with open_source(str(path)) as source:
        assert source.digest() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_truncated_video_is_read_as_far_as_it_goes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = write_video(tmp_path / "whole.avi").read_bytes()
    path = tmp_path / "truncated.avi"
    path.write_bytes(data[: len(data) // 2])
    with open_source(str(path)) as source:
        read = len(list(source))
        assert 10 < read < 30
        assert source.uptime == pytest.approx(read / 40)
        assert source.frames_lost == 40 - read
        assert source.losses == (Loss(pytest.approx(read / 10), 4.0, "unreadable"),)
    assert capfd.readouterr() == ("", "")  # FFmpeg's complaints do not reach the user


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", "found '0 bytes'; expected a video file"),
        ("notes.mp4", b"just words\n" * 400, "found 'text'"),
        ("noise.mp4", bytes(range(256)) * 40, "found 'no video in it'"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n", "found 'text'"),
    ],
)
def test_what_is_no_video(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_still_picture_is_no_video(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(SourceError, match="found 'a still picture'"):
        open_source(str(path))


def test_a_header_without_frames(tmp_path: Path) -> None:
    data = write_video(tmp_path / "whole.mp4", codec="mp4v").read_bytes()
    path = tmp_path / "header.mp4"
    path.write_bytes(data[:600])
    with pytest.raises(SourceError, match=r"found 'no (video in it|readable frame)'"):
        open_source(str(path))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="found 'no such file'"):
        open_source(str(tmp_path / "nowhere.mp4"))
    with pytest.raises(SourceError, match="found '0 images, none readable'"):
        open_source(str(tmp_path))


def test_scene_source() -> None:
    with open_source("scene:street?seed=7&seconds=3&light=dusk&width=320&height=240&frame_rate=10") as source:
        assert (source.size, source.frames, source.frame_rate) == ((320, 240), 30, 10.0)
        frames = [frame.image for frame in source]
    expected = street(7, 3, width=320, height=240, frame_rate=10, light="dusk")
    assert np.array_equal(frames[20], expected.frame(20))


def test_scene_digest_depends_on_the_parameters_only() -> None:
    def digest(text: str) -> str:
        with open_source(text) as source:
            return source.digest()

    assert digest("scene:street?seed=7&seconds=3") == digest("scene:street?seconds=3&light=day&seed=7")
    assert digest("scene:street?seed=7&seconds=3") != digest("scene:street?seed=8&seconds=3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scene:park?seed=1&seconds=2", "scene is 'park'; expected street"),
        ("scene:street?seed=1&seconds=2&ligth=day", "'ligth' is unknown; .*did you mean 'light'"),
        ("scene:street?seed=1", "'seconds' is 'missing'"),
        ("scene:street?seed=x&seconds=2", "'seed' is 'x'; expected a number without decimals"),
        ("scene:street?seed=1&seed=2&seconds=2", "'seed' is given 'twice'"),
        ("scene:street?seed=1&seconds=0", "seconds is '0.0'; expected 0.1 to 86400"),
        ("scene:street?seed=1&seconds=5&light=", "light is ''"),
    ],
)
def test_bad_scene(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(text)
