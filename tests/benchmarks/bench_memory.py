"""Memory of counting in one hour of video, against the limit of 600 MiB: it must not grow.

`python tests/benchmarks/bench_memory.py [MODEL.onnx] [FRAMES]`; by default `motion` and one hour at 7 frames per second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from analytics.video.count import count_source
from analytics.video.measures.lines import parse_line
from analytics.video.options import CountOptions
from analytics.video.tracking.track import Track

PETS = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
LIMIT_MIB = 600.0
HOUR = 25_200


def main(detector: str = "motion", frames: int = HOUR) -> None:
    """The PETS 2009 video again and again, or a rendered street where Debian's opencv-doc or FFmpeg's command is missing."""
    with tempfile.TemporaryDirectory() as folder:
        source = _looped(Path(folder) / "long.avi", frames)
        taken: dict[int, float] = {}

        def look(index: int, _: int | None, __: Sequence[Track]) -> None:
            if index % 100 == 0:
                taken[index] = _resident_mib("VmRSS")

        counts = count_source(
            source, [parse_line("middle=384,0,384,576")], CountOptions(detector=detector, frame_rate=7), on_frame=look
        )
    at = sorted(taken)
    start, middle, end = (taken[min(at, key=lambda i: abs(i - share * counts.frames))] for share in (0.05, 0.5, 1.0))
    peak = _resident_mib("VmHWM")
    line = {
        "name": f"memory_{'motion' if detector == 'motion' else Path(detector).stem}",
        "frames": counts.frames,
        "crossings": len(counts.events),
        "start_mib": start,
        "middle_mib": middle,
        "end_mib": end,
        "peak_mib": peak,
        "rival": f"{LIMIT_MIB:g} MiB",
        "ratio": round(peak / LIMIT_MIB, 3),
        "growth": round(end / start, 3),
        "target": 1.0,
        "met": peak <= LIMIT_MIB and end <= 1.05 * start,
    }
    print(json.dumps(line), flush=True)


def _looped(path: Path, frames: int) -> str:
    if not PETS.is_file():
        return f"scene:street?seed=7&seconds={frames / 7}"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-stream_loop",
        "-1",
        "-i",
        str(PETS),
        "-c",
        "copy",
        "-frames:v",
        str(frames),
        str(path),
    ]
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return f"scene:street?seed=7&seconds={frames / 7}"
    return str(path)


def _resident_mib(key: str) -> float:
    with Path("/proc/self/status").open() as status:
        return next(round(int(line.split()[1]) / 1024, 1) for line in status if line.startswith(key))


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
