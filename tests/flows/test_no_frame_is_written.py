"""Nothing of a picture reaches a disk: every file that counting and auditing write is watched by the kernel and searched."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from experiments.settings import ROOT

pytestmark = pytest.mark.slow
SOURCE = "scene:street?seed=7&seconds=16&width=384&height=288"
LINE = "gate=192,0,192,288,westbound,eastbound"
MAGIC = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": b"GIF8",
    "WebP": b"WEBPVP8",
    "AVI": b"AVI LIST",
    "MP4": b"ftypiso",
    "Matroska": b"\x1a\x45\xdf\xa3",
    "NumPy": b"\x93NUMPY",
}
SYSTEM = ("/dev/null", "/dev/shm/", "/proc/", "/dev/tty", "/dev/urandom")
COMMAND = [sys.executable, "-c", "from flows.cli import main; main()"]


def watched(tmp_path: Path, *arguments: str) -> tuple[list[str], dict[str, str], Path]:
    """The command under `strace`, its environment and where the calls are written."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    for name in ("home", "temporary", "here"):
        (tmp_path / name).mkdir()
    calls = tmp_path / "calls.txt"
    environment = {**os.environ, "TESTBED_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "temporary")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path / "here")}
    what = "trace=open,openat,creat,memfd_create,write,pwrite64,writev,pwritev"
    return (
        [strace, "-f", "-qq", "-y", "--seccomp-bpf", "-e", what, "-s", "300", "-o", str(calls), *COMMAND, *arguments],
        environment,
        calls,
    )


def opened_to_write(calls: Path) -> set[Path]:
    """Every path that was opened for writing, and did open."""
    found = set()
    for line in calls.read_text(errors="replace").splitlines():
        if re.search(r"= -1 E", line) or not re.search(r"O_WRONLY|O_RDWR|creat\(", line):
            continue
        path = re.search(r'"([^"]*)"', line)
        if path is not None and not path[1].startswith(SYSTEM):
            found.add(Path(path[1]))
    return found


def bytes_written(calls: Path, home: Path) -> dict[str, int]:
    """Bytes written to each file outside the home, also to one that was removed since; sockets and pipes are no files."""
    found: dict[str, int] = {}
    for line in calls.read_text(errors="replace").splitlines():
        call = re.search(r"write[v64]*\(\d+<(/[^>]*)>.* = (\d+)$", line)
        if call is not None and not call[1].startswith(SYSTEM) and home not in Path(call[1]).parents:
            found[call[1]] = found.get(call[1], 0) + int(call[2])
    return found


def pictures_in(folder: Path) -> list[str]:
    """Files below a folder that hold a picture or a video anywhere inside."""
    return [
        f"{file.name}: {kind}"
        for file in folder.rglob("*")
        if file.is_file()
        for kind, magic in MAGIC.items()
        if magic in file.read_bytes()
    ]


def test_the_search_finds_pictures(tmp_path):
    import cv2
    import numpy as np

    picture = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for kind in ("jpg", "png"):
        data = cv2.imencode(f".{kind}", picture)[1].tobytes()
        (tmp_path / f"hidden_{kind}.dat").write_bytes(b"before" + data)
    video = cv2.VideoWriter(str(tmp_path / "x.mp4"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 5, (64, 64))
    video.write(picture)
    video.release()
    assert len(pictures_in(tmp_path)) == 3


def test_counting_writes_no_frame(tmp_path):
    command, environment, calls = watched(tmp_path, "count", SOURCE, "--line", LINE, "--json")
    done = subprocess.run(command, env=environment, cwd=tmp_path / "here", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = {path for path in opened_to_write(calls) if not path.name.startswith(".writable-")}
    assert written == set()
    assert bytes_written(calls, tmp_path / "home") == {}
    assert pictures_in(tmp_path) == []


def test_auditing_with_the_page_open_writes_no_frame(tmp_path):
    arguments = ("audit", SOURCE, "--line", LINE, "--interval-s", "4", "--sample", "2", "--count", "--json")
    command, environment, calls = watched(tmp_path, *arguments)
    running = subprocess.Popen(
        command,
        env=environment,
        cwd=tmp_path / "here",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert running.stderr is not None
        address = None
        for line in running.stderr:
            address = re.search(r"http://127\.0\.0\.1:\d+/\S+/", line)
            if address is not None:
                break
        assert address is not None
        with urllib.request.urlopen(address[0] + "plan", timeout=60) as answer:
            indices = [int(text) for text in re.findall(rb'"index":(\d+)', answer.read())]
        seen = 0
        for index in indices:
            for number in range(0, 28, 9):
                with urllib.request.urlopen(f"{address[0]}interval/{index}/frame/{number}", timeout=60) as answer:
                    seen += answer.read().startswith(MAGIC["JPEG"])
            ask = urllib.request.Request(
                f"{address[0]}interval/{index}", b'{"crossings": []}', {"Content-Type": "application/json"}, method="POST"
            )
            with urllib.request.urlopen(ask, timeout=120) as answer:
                assert answer.status == 200
        assert seen >= 8  # pictures were shown, from memory
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):  # what strace watches goes with it
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert running.returncode == 0, err
    assert '"annotators": [\n    "a"\n  ]' in out
    home = tmp_path / "home"
    # Python tries its folder for temporary files out with one word; nothing else is written outside the home
    assert sum(bytes_written(calls, home).values()) <= len(b"blat")
    assert {path for path in opened_to_write(calls) if home not in path.parents and path.parent.name != "temporary"} == set()
    assert pictures_in(tmp_path) == []
