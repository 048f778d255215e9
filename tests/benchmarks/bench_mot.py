"""How well the tracker keeps identities, against ByteTrack, OC-SORT and BoT-SORT of `trackers` on the same boxes.

HOTA, IDF1 and MOTA by the library TrackEval. One JSON line for each sequence and tracker, and one verdict.
"""

from __future__ import annotations

import configparser
import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from trackeval.metrics import CLEAR, HOTA, Identity

from analytics.video.counting import Counting
from analytics.video.detect import Detections
from analytics.video.measures.lines import Line
from analytics.video.onnx.detector import OnnxDetector
from analytics.video.source import open_source
from analytics.video.tracking.trackers import LIBRARY, OWN, make_tracker

DATA = Path(__file__).parents[3] / "shared/data"
PETS = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
PETS_RATE = 7.0
PETS_LINES = [Line("x250", 250, 0, 250, 576), Line("x384", 384, 0, 384, 576), Line("x560", 560, 0, 560, 576)]
PETS_TRUTH = {
    ("x250", "to_right"): 12, ("x250", "to_left"): 8, ("x384", "to_right"): 18, ("x384", "to_left"): 14,
    ("x560", "to_right"): 19, ("x560", "to_left"): 15,
}  # fmt: skip
FIXED_CAMERAS = ("ADL-Rundle-6", "KITTI-17", "Venice-2")
Frames = list[tuple[float, Detections]]
Rows = list[list[tuple[int, float, float, float, float]]]


def main() -> None:
    """PETS with YOLOX-nano, and sequences without video on their public detections."""
    model = DATA / "models/yolox-nano/yolox_nano.onnx"
    if not (PETS.is_file() and model.is_file()):
        print(json.dumps({"name": "mot", "skipped": "no PETS video or no sequences beside the repository"}))
        return
    truth = _truth(DATA / "pets09-s2l1/gt.txt")
    with open_source(str(PETS), frame_rate=PETS_RATE) as source:
        find = OnnxDetector(str(model), min_score=0.1)
        frames = [(frame.time_s, _people(find(frame.image))) for frame in source]
        height = source.size[1]
    results = {name: _hold("PETS09-S2L1, YOLOX-nano", name, frames, truth, PETS_RATE, height, 0.3) for name in (OWN, *LIBRARY)}
    best = {key: max(results[name][key] for name in LIBRARY) for key in ("HOTA", "IDF1")}
    met = all(results[OWN][key] > best[key] for key in best)
    print(json.dumps({"name": "mot_pets", "ours": {key: results[OWN][key] for key in best}, "best_rival": best, "met": met}))
    for folder in sorted((DATA / "mot15-gt-other").iterdir()):
        if folder.is_dir():
            given, rate = _public(folder)
            kind = "fixed camera" if folder.name in FIXED_CAMERAS else "moving camera"
            for name in (OWN, *LIBRARY):
                _hold(f"{folder.name}, public, {kind}", name, given, _truth(folder / "gt.txt"), rate, None, 0.5)


def _hold(
    sequence: str, name: str, frames: Frames, truth: npt.NDArray[np.float64], rate: float, height: int | None, sure: float
) -> dict[str, Any]:
    """Follow one sequence with one tracker, and print how well."""
    follow = make_tracker(name, frame_rate=rate, sure_score=sure, birth_score=sure + 0.1)
    counting = Counting(None, PETS_LINES if height else [], follow=follow)
    rows: Rows = []
    for index, (time_s, found) in enumerate(frames):
        tracks = counting.take(found, time_s, index, height or 10**9)
        rows.append([(track.id, *track.box) for track in tracks if track.missed_s == 0])
    result = _evaluate(truth, rows)
    if height:
        counted = [(event.line, event.direction) for event in counting.events()]
        result["crossings_wrong"] = sum(abs(counted.count(cell) - number) for cell, number in PETS_TRUTH.items())
    print(json.dumps({"name": "mot", "sequence": sequence, "tracker": name, **result}), flush=True)
    return result


def _people(found: Detections) -> Detections:
    """The people among the detections: the truth holds nothing else."""
    keep = [place for place, label in enumerate(found.labels) if label == "pedestrian"]
    return Detections(found.boxes[keep], found.scores[keep], ("pedestrian",) * len(keep))


def _truth(path: Path) -> npt.NDArray[np.float64]:
    """Rows of a MOT Challenge truth that count: those with a 0 in column 7 do not."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    return np.asarray(rows[rows[:, 6] != 0])


def _public(folder: Path) -> tuple[Frames, float]:
    """The public detections of a sequence and its frame rate."""
    info = configparser.ConfigParser()
    info.read(folder / "seqinfo.ini")
    rate, length = info.getfloat("Sequence", "frameRate"), info.getint("Sequence", "seqLength")
    rows = np.loadtxt(folder / "det_sort_frcnn.txt", delimiter=",", ndmin=2)
    frames = []
    for index in range(length):
        here = rows[rows[:, 0] == index + 1]
        boxes = np.concatenate([here[:, 2:4], here[:, 2:4] + here[:, 4:6]], axis=1).astype(np.float32)
        frames.append((index / rate, Detections(boxes, here[:, 6].astype(np.float32), ("pedestrian",) * len(boxes))))
    return frames, rate


def _evaluate(truth: npt.NDArray[np.float64], rows: Rows) -> dict[str, Any]:
    """HOTA, IDF1 and MOTA in percent, and identity switches."""
    people = {number: place for place, number in enumerate(np.unique(truth[:, 1]))}
    tracks: dict[int, int] = {}
    data: dict[str, Any] = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    for index, found in enumerate(rows):
        here = truth[truth[:, 0] == index + 1]
        real = np.concatenate([here[:, 2:4], here[:, 2:4] + here[:, 4:6]], axis=1)
        boxes = np.array([row[1:] for row in found], dtype=np.float64).reshape(-1, 4)
        data["gt_ids"].append(np.array([people[number] for number in here[:, 1]], dtype=int))
        data["tracker_ids"].append(np.array([tracks.setdefault(row[0], len(tracks)) for row in found], dtype=int))
        data["similarity_scores"].append(_overlap(real, boxes))
    data |= {"num_gt_dets": len(truth), "num_tracker_dets": sum(map(len, rows)), "num_gt_ids": len(people)}
    data |= {"num_tracker_ids": len(tracks), "num_timesteps": len(rows)}
    with contextlib.redirect_stdout(io.StringIO()):
        hota, clear, identity = HOTA().eval_sequence(data), CLEAR().eval_sequence(data), Identity().eval_sequence(data)
    shown = {"HOTA": hota["HOTA"].mean(), "IDF1": identity["IDF1"], "MOTA": clear["MOTA"]}
    return {key: round(100 * float(value), 1) for key, value in shown.items()} | {"IDSW": int(clear["IDSW"])}


def _overlap(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Intersection over union of every pair of boxes."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (one, other)]
    return np.asarray(both / np.maximum(areas[0][:, None] + areas[1][None, :] - both, 1e-9))


if __name__ == "__main__":
    main()
