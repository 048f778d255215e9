"""Broken videos: a clear error, or a count that says what was lost; never a traceback, a crash or a hang."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.analytics.video.sources.test_files import ffmpeg, needs_ffmpeg, write

SEEDS = (("mp4", "mpeg4"), ("mkv", "mpeg4"), ("ts", "mpeg2video"), ("webm", "libvpx"), ("avi", "mjpeg"), ("flv", "flv1"))
PER_SEED = 20
COUNT = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
from analytics.video.count import count_source
from analytics.video.measures.lines import parse_line
from analytics.video.source import SourceError
for path in sys.stdin.read().splitlines():
    told = {"path": path}
    print(json.dumps(told), flush=True)
    began = time.monotonic()
    try:
        found = count_source(path, [parse_line("a=4,0,4,9")])
        losses = [(loss.start_s, loss.end_s) for loss in found.losses]
        told |= {"frames": found.frames, "uptime": found.uptime, "lost": found.frames_lost, "losses": losses}
        told |= {"declared_s": found.declared_s, "video_s": found.video_s}
    except SourceError as error:
        told["error"] = str(error)
    print(json.dumps(told | {"took_s": time.monotonic() - began}), flush=True)
"""


def damaged(data: bytes, number: int) -> bytes:
    """The file cut short, with flipped bytes, with a broken head, with a hole, twice, or shuffled."""
    rng = np.random.default_rng(number)
    kind, found = number % 6, bytearray(data)
    if kind == 0:
        return data[: int(rng.integers(1, len(data)))]
    if kind in (1, 2):  # anywhere, or in the head, where the sizes and lengths are
        places = rng.integers(0, len(data) if kind == 1 else min(700, len(data)), 1 + int(rng.integers(0, 40)))
        for place in places.tolist():
            found[place] = int(rng.integers(0, 256))
    elif kind == 3:
        start = int(rng.integers(0, len(data)))
        found[start : start + len(data) // 3] = bytes(len(found[start : start + len(data) // 3]))
    elif kind == 4:
        found += found[int(rng.integers(0, len(data))) :]
    else:
        cut = sorted(rng.integers(0, len(data), 2).tolist())
        found = found[: cut[0]] + found[cut[1] :]
    return bytes(found)


def special(folder: Path, clip: Path) -> list[Path]:
    """Files that are no video, or hardly one."""
    contents = {
        "empty.mp4": b"",
        "words.mp4": b"just words\n" * 500,
        "zeros.mp4": bytes(50_000),
        "noise.avi": np.random.default_rng(0).bytes(50_000),
        "head.mp4": clip.read_bytes()[:40],
        "playlist.mp4": b"#EXTM3U\0\n#EXTINF:10,\n/etc/passwd\n",
        "image.mp4": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", folder / "sound.mp4")
    ffmpeg("-i", clip, "-frames:v", 1, "-c:v", "mpeg4", folder / "one.mp4")
    ffmpeg("-f", "lavfi", "-i", "color=size=16x16:rate=10:duration=1", "-c:v", "mpeg4", folder / "tiny.mp4")
    return [*(folder / name for name in contents), *(folder / name for name in ("sound.mp4", "one.mp4", "tiny.mp4"))]


@needs_ffmpeg
def test_broken_videos_are_counted_as_far_as_they_go_or_refused(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.avi", list(range(30)))
    files = special(tmp_path, clip)
    for ending, codec in SEEDS:
        whole = tmp_path / f"whole.{ending}"
        ffmpeg("-i", clip, "-c:v", codec, "-b:v", "300k", whole)
        for number in range(PER_SEED):
            files.append(tmp_path / f"{ending}_{number}.{ending}")
            files[-1].write_bytes(damaged(whole.read_bytes(), number))
    assert len(files) >= 120
    done = subprocess.run(
        [sys.executable, "-c", COUNT], input="\n".join(map(str, files)), capture_output=True, text=True, timeout=300
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, ""), told[-1:]
    results = [one for one in told if "took_s" in one]
    assert [one["path"] for one in results] == list(map(str, files))
    for one in results:
        assert one["took_s"] < 20, one
        if "error" in one:
            assert one["error"].startswith(one["path"]) and "\n" not in one["error"] and "expected" in one["error"]
            continue
        assert one["frames"] >= 1 and 0 < one["uptime"] <= 1 and one["lost"] >= 0, one
        assert one["declared_s"] < 3600, one
        lost_s = sum(end - start for start, end in one["losses"])
        assert one["uptime"] == pytest.approx(1 - lost_s / one["declared_s"], abs=0.02), one
        assert one["losses"] == sorted(one["losses"])
    counted = [one for one in results if "error" not in one]
    assert len(counted) >= len(files) // 3  # most damage leaves something to count
    assert any(one["lost"] for one in counted)
    by_name = {Path(one["path"]).name: one for one in results}
    assert by_name["one.mp4"]["frames"] == 1
    for name in ("empty.mp4", "words.mp4", "zeros.mp4", "noise.avi", "head.mp4", "playlist.mp4", "image.mp4", "sound.mp4"):
        assert "error" in by_name[name], name
