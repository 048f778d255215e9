"""The tracker alone against ByteTrack of `trackers`, and against OpenDataCam's node-moving-things-tracker."""

from __future__ import annotations

import gc
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ratio import report

from analytics.video.detect import Detections
from analytics.video.tracking.track import Tracker
from analytics.video.tracking.trackers import make_tracker

SCENE = Path(__file__).parents[3] / "shared/data/opendatacam/rawdetections.txt"
FRAME_RATE = 30.0
RUNS = 5
NODE = """
const tracker = require('node-moving-things-tracker').Tracker;
const frames = require('fs').readFileSync(process.argv[1], 'utf8').trim().split('\\n').map(JSON.parse);
process.stdin.on('data', () => {
  tracker.reset();
  const began = process.cpuUsage();
  for (const f of frames) { tracker.updateTrackedItemsWithNewFrame(f.detections, f.frame); tracker.getJSONOfTrackedItems(); }
  const used = process.cpuUsage(began);
  console.log((used.user + used.system) / 1e6);
});
"""
"""Tells the processor time of one pass over the scene whenever a line comes in; reading the file is not timed."""


def main() -> None:
    """OpenDataCam's demo scene: about 20 boxes in each of 2,573 frames; the three take turns; processor time."""
    if not SCENE.is_file():
        print(json.dumps({"name": "tracker", "skipped": "no OpenDataCam scene beside the repository"}))
        return
    frames = [_detections(json.loads(line)["detections"]) for line in SCENE.read_text(encoding="utf-8").splitlines()]
    node = _start_node()
    gc.collect()
    gc.freeze()  # the collector looks at what the trackers make, not at the boxes and libraries that were there before
    times: dict[str, list[float]] = {"ours": [], "bytetrack": [], "node": []}
    for run in range(RUNS + 1):
        ours = Tracker(sure_score=0.3, birth_score=0.4)
        byte_track = make_tracker("bytetrack", frame_rate=FRAME_RATE)
        for name, tracker in (("ours", ours), ("bytetrack", byte_track)):
            began = time.process_time()
            for index, detections in enumerate(frames):
                tracker.update(detections, index / FRAME_RATE, index)
            if run:
                times[name].append(time.process_time() - began)
        if node is not None and node.stdin is not None and node.stdout is not None:
            node.stdin.write("go\n")
            node.stdin.flush()
            line = float(node.stdout.readline())
            if run:
                times["node"].append(line)
    our_s = statistics.median(times["ours"])
    report(
        "tracker_opendatacam",
        our_s,
        "trackers.ByteTrackTracker",
        statistics.median(times["bytetrack"]),
        target=1 / 3,
        runs=RUNS,
    )
    if node is not None:
        node.kill()
        node_s = statistics.median(times["node"])
        report("tracker_opendatacam", our_s, "node-moving-things-tracker", node_s, target=1 / 1.5, runs=RUNS)


def _detections(found: list[dict[str, float]]) -> Detections:
    boxes = [(b["x"] - b["w"] / 2, b["y"] - b["h"] / 2, b["x"] + b["w"] / 2, b["y"] + b["h"] / 2) for b in found]
    scores = np.array([b["prob"] / 100 for b in found], dtype=np.float32)
    return Detections(np.array(boxes, dtype=np.float32).reshape(-1, 4), scores, tuple(str(b["name"]) for b in found))


def _start_node() -> subprocess.Popen[str] | None:
    """OpenDataCam's tracker from npm, where Node.js and the package are (folder of node_modules as first argument)."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    if shutil.which("node") is None or not (Path(folder) / "node_modules/node-moving-things-tracker").is_dir():
        print(json.dumps({"name": "tracker_opendatacam", "rival": "node-moving-things-tracker", "skipped": "not installed"}))
        return None
    return subprocess.Popen(
        ["node", "-e", NODE, str(SCENE.resolve())], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


if __name__ == "__main__":
    main()
