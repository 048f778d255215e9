"""How well crossings are counted on real videos whose truth is known: the sum of errors, and the WAPE.

One JSON line for each source and detector. Models and truths lie beside the repository; without them nothing is done.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from analytics.video.count import count_source
from analytics.video.formats.detections import count_detections
from analytics.video.measures.lines import Crossing, Line, parse_line
from analytics.video.options import CountOptions

DATA = Path(__file__).parents[3] / "shared/data"
PETS = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
PETS_LINES = [Line("x=250", 250, 0, 250, 576), Line("x=384", 384, 0, 384, 576), Line("x=560", 560, 0, 560, 576)]
DIRECTIONS = {"right_to_left": "to_right", "left_to_right": "to_left"}
CLIP_LINE = "line=0,190,352,190,down,up"
NEAR_FRAMES, NEAR_PX = 12, 30  # how far a crossing may lie from the hand count's frames and place to be the same


def main() -> None:
    """Count with the detectors named on the command line, else with `motion` and YOLOX-nano."""
    if not DATA.is_dir() or not PETS.is_file():
        print(json.dumps({"name": "counts", "skipped": "no PETS video or no data beside the repository"}))
        return
    for detector in sys.argv[1:] or ["motion", str(DATA / "models/yolox-nano/yolox_nano.onnx")]:
        pets(detector)
        clips(detector)
    open_data_cam()


def pets(detector: str) -> None:
    """PETS 2009 S2.L1: three vertical lines, 86 crossings."""
    with (DATA / "pets09-s2l1/crossings_from_gt.csv").open(encoding="utf-8") as stream:
        truth = Counter((row["line"], DIRECTIONS[row["direction"]]) for row in csv.DictReader(stream) if row["line"][0] == "x")
    counts = count_source(str(PETS), PETS_LINES, CountOptions(detector=detector, frame_rate=7))
    found = Counter((event.line, event.direction) for event in counts.events)
    wrong = {f"{line} {direction}": found[line, direction] - number for (line, direction), number in truth.items()}
    show("pets", detector, wrong=sum(map(abs, wrong.values())), crossings=truth.total(), by_cell=wrong, wall_s=counts.wall_s)


def clips(detector: str) -> None:
    """JamCam: the clips that were counted by hand; vehicles cut by a clip's start or end neither help nor harm."""
    with (DATA / "tfl-jamcam/hand_counts.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    sums = {direction: Counter[str]() for direction in ("up", "down")}
    for clip in sorted({row["clip"] for row in rows}):
        counts = count_source(
            str(DATA / f"tfl-jamcam/clips/{clip}.mp4"), [parse_line(CLIP_LINE)], CountOptions(detector=detector)
        )
        for direction, total in sums.items():
            truth = [row for row in rows if row["clip"] == clip and row["direction"] == direction]
            events = [event for event in counts.events if event.direction == direction]
            pairs = same(truth, events)
            whole = [place for place, row in enumerate(truth) if row["edge"] == "0"]
            lost, more = sum(place not in pairs for place in whole), len(events) - len(pairs)
            total.update(wrong=abs(more - lost), crossings=len(whole), missed=lost, extra=more)
    for direction, total in sums.items():
        show(f"jamcam_{direction}", detector, **total, wape=round(100 * total["wrong"] / total["crossings"], 1))


def same(truth: list[dict[str, str]], events: list[Crossing]) -> set[int]:
    """Places of the hand-counted vehicles that were counted, each with a crossing of its own."""
    cost = np.full((len(truth), len(events)), 1e3)
    for row, one in enumerate(truth):
        for column, event in enumerate(events):
            late = max(int(one["first_frame"]) - event.frame, event.frame - int(one["last_frame"]), 0)
            beside = abs(event.x - int(one["x_at_line"]))
            if late <= NEAR_FRAMES and beside <= NEAR_PX:
                cost[row, column] = late + beside / 10
    rows, columns = linear_sum_assignment(cost)
    return {int(row) for row, column in zip(rows, columns, strict=True) if cost[row, column] < 1e3}


def open_data_cam() -> None:
    """OpenDataCam's own detections, images 1 to 499: inbound vehicles, and how far each lies from the hand count."""
    line = parse_line("gate=100,200,370,200,inbound,outbound@640x360")
    counts = count_detections(
        str(DATA / "opendatacam/rawdetections.txt"), [line], size=(1920, 1080), frame_rate=30, anchor="centre"
    )
    with (DATA / "opendatacam/inbound_hand_count.csv").open(encoding="utf-8") as stream:
        truth = sorted(int(row["image_1based"]) - 2 for row in csv.DictReader(stream))
    found = sorted(event.frame for event in counts.events if event.direction == "inbound" and event.frame < 498)
    apart = max(abs(one - other) for one, other in zip(truth, found, strict=False))
    show("opendatacam", "given", wrong=abs(len(found) - len(truth)), crossings=len(truth), most_frames_apart=apart)


def show(name: str, detector: str, **found: Any) -> None:
    """Print one line."""
    print(json.dumps({"name": name, "detector": Path(detector).name, **found}), flush=True)


if __name__ == "__main__":
    main()
