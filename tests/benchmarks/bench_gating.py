"""Counting with YOLOX-nano, gated by motion and not, against supervision and `trackers` on every frame.

The rival is the loop that supervision's guide shows: OpenCV reads, the same network with as many threads looks at every
frame, `trackers.ByteTrackTracker` follows and supervision's `LineZone` counts. Counting errors stand beside the times, and
so does the processor time, which is steadier on a machine that others use.

`BENCH_SECONDS` shortens the quiet street (3600), `BENCH_RUNS` is the number of runs (5) after one that does not count, or
1 without that; `BENCH_ONLY` names one of pets, jamcam, quiet.
"""

from __future__ import annotations

import csv
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ratio import report

from analytics.video.count import count_source
from analytics.video.measures.lines import parse_line
from analytics.video.onnx.decode import decode
from analytics.video.onnx.session import load_graph, open_session, usable_threads
from analytics.video.onnx.suppress import suppress
from analytics.video.options import CountOptions
from analytics.video.scene import street

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
MODEL = SHARED / "models" / "yolox-nano" / "yolox_nano.onnx"
PETS = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
Tally = dict[tuple[str, str], int]


@dataclass(frozen=True)
class Case:
    """Videos, their lines, and the crossings that were counted by hand; up to `more` others may count, too."""

    name: str
    videos: tuple[Path, ...]
    frame_rate: float
    lines: tuple[str, ...]
    truth: tuple[Tally, ...]
    more: tuple[Tally, ...]
    targets: tuple[tuple[str, float], ...]


def main() -> None:
    """Each case: the rival, ours at every frame, and ours gated, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("pets", pets), ("jamcam", jamcam), ("quiet", lambda: quiet(Path(folder)))):
            if os.environ.get("BENCH_ONLY", name) == name and MODEL.is_file():
                measure(make())


def measure(case: Case) -> None:
    """Run all three in turn and print a line for each of ours."""
    works: dict[str, Callable[[Path], Tally]] = {"rival": lambda video: rival(case, video)}
    for gate, _ in case.targets:
        works[gate] = lambda video, gate=gate: ours(case, video, gate)
    wall: dict[str, list[float]] = {key: [] for key in works}
    busy: dict[str, list[float]] = {key: [] for key in works}
    errors = {}
    warm_ups = int(RUNS > 1)
    for number in range(RUNS + warm_ups):
        for key, work in works.items():
            started, used = time.perf_counter(), time.process_time()
            tallies = [work(video) for video in case.videos]
            if number >= warm_ups:
                wall[key].append(time.perf_counter() - started)
                busy[key].append(time.process_time() - used)
            errors[key] = sum(map(wrong, tallies, case.truth, case.more))
    for gate, target in case.targets:
        ratio = statistics.median(busy[gate]) / statistics.median(busy["rival"])
        extra = {"cpu_ratio": round(ratio, 3), "error": errors[gate], "rival_error": errors["rival"]}
        report(
            f"count_yolox_{case.name}_{'gated' if gate == 'motion' else 'every_frame'}",
            statistics.median(wall[gate]),
            "supervision + trackers, same session",
            statistics.median(wall["rival"]),
            target=target,
            runs=RUNS,
            extra=extra,
        )


def wrong(tally: Tally, truth: Tally, more: Tally) -> int:
    """Sum of absolute errors; a crossing that the clip's start or end cuts may be counted or not."""
    cells = {*tally, *truth}
    return sum(max(0, truth.get(c, 0) - tally.get(c, 0), tally.get(c, 0) - truth.get(c, 0) - more.get(c, 0)) for c in cells)


def ours(case: Case, video: Path, gate: str) -> Tally:
    """Our whole pipeline."""
    lines = [parse_line(line) for line in case.lines]
    counts = count_source(str(video), lines, CountOptions(detector=str(MODEL), frame_rate=case.frame_rate, gate=gate))
    return dict(Counter((event.line, event.direction) for event in counts.events))


def rival(case: Case, video: Path) -> Tally:
    """The loop of supervision's guide."""
    import supervision as sv
    from trackers import ByteTrackTracker

    session = open_session(load_graph(MODEL), MODEL, usable_threads())
    tracker = ByteTrackTracker(frame_rate=case.frame_rate)
    zones = {}
    for line in map(parse_line, case.lines):
        ends = sv.Point(line.x1, line.y1), sv.Point(line.x2, line.y2)
        zones[line.name] = sv.LineZone(*ends, triggering_anchors=[sv.Position.BOTTOM_CENTER])
    for image in read(video):
        ratio = min(416 / image.shape[0], 416 / image.shape[1])
        inner = cv2.resize(image, (int(image.shape[1] * ratio), int(image.shape[0] * ratio)))
        picture = np.full((416, 416, 3), 114, np.uint8)
        picture[: inner.shape[0], : inner.shape[1]] = inner
        tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None]).astype(np.float32)
        boxes, scores, labels = decode("yolox", session.run(None, {"images": tensor}), (416, 416), 0.3)
        keep = np.isin(labels, (0, 1, 2, 3, 5, 7))
        boxes, scores, labels = boxes[keep] / ratio, scores[keep], labels[keep]
        best = suppress(boxes, scores, labels, 0.5)
        found = sv.Detections(xyxy=boxes[best], confidence=scores[best], class_id=labels[best])
        found = tracker.update(found)
        if len(found):
            found = found[found.tracker_id != -1]
        for zone in zones.values():
            zone.trigger(found)
    counted = {(name, "to_left"): zone.in_count for name, zone in zones.items()}
    return counted | {(name, "to_right"): zone.out_count for name, zone in zones.items()}


def read(video: Path) -> Iterator[np.ndarray]:
    """Every frame of a video."""
    capture = cv2.VideoCapture(str(video))
    while True:
        ok, image = capture.read()
        if not ok:
            return
        yield image


BUSY = (("off", round(1 / 1.15, 3)), ("motion", 0.5))


def pets() -> Case:
    """PETS 2009 S2.L1, three vertical lines; the truth is in shared/data/README.md."""
    lines = ("a=250,0,250,576", "b=384,0,384,576", "c=560,0,560,576")
    numbers = {"a": (12, 8), "b": (18, 14), "c": (19, 15)}
    truth = {
        (name, way): count for name, pair in numbers.items() for way, count in zip(("to_right", "to_left"), pair, strict=True)
    }
    return Case("pets", (PETS,), 7.0, lines, (truth,), ({},), BUSY)


def jamcam() -> Case:
    """Four clips of a London traffic camera, counted by hand."""
    complete: dict[str, Counter[tuple[str, str]]] = {}
    cut: dict[str, Counter[tuple[str, str]]] = {}
    with (SHARED / "tfl-jamcam" / "hand_counts.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            kind = cut if row["edge"] == "1" else complete
            way = "to_right" if row["direction"] == "down" else "to_left"
            kind.setdefault(row["clip"], Counter())[("road", way)] += 1
    clips = sorted(complete)
    videos = tuple(SHARED / "tfl-jamcam" / "clips" / f"{clip}.mp4" for clip in clips)
    truth = tuple(dict(complete[clip]) for clip in clips)
    return Case("jamcam", videos, 25.0, ("road=0,190,352,190",), truth, tuple(dict(cut.get(c, {})) for c in clips), BUSY)


def quiet(folder: Path) -> Case:
    """A rendered street in which somebody is to be seen in about a twentieth of the time, encoded."""
    seconds = float(os.environ.get("BENCH_SECONDS", "3600"))
    scene = street(11, seconds, people_per_minute=0.2)
    path = folder / "quiet.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 7, (768, 576))
    for frame in scene.frames():
        writer.write(frame)
    writer.release()
    line = parse_line("gate=384,0,384,576")
    truth = dict(Counter((crossing.line, crossing.direction) for crossing in scene.crossings([line])))
    shown = sum(len(scene.truth_boxes(index)[0]) > 0 for index in range(scene.frame_count)) / scene.frame_count
    print(f'{{"name": "quiet street", "share_of_frames_with_people": {shown:.3f}}}', flush=True)
    return Case("quiet", (path,), 7.0, ("gate=384,0,384,576",), (truth,), ({},), (("motion", 0.125),))


if __name__ == "__main__":
    main()
