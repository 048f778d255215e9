"""Detections of other tools: both formats, what is refused, and OpenDataCam's own scene."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from analytics.video.formats.detections import count_detections, read_detections
from analytics.video.measures.lines import Line, parse_line
from analytics.video.source import SourceError

SCENE = Path(__file__).parents[5] / "shared/data/opendatacam"


def walk(folder: Path, *, kind: str) -> Path:
    """A person who walks 9 px to the right in each of 30 frames; frame 10 has no detection."""
    path = folder / "detections.txt"
    rows = []
    for frame in range(30):
        x = 100 + 9 * frame
        found = [] if frame == 10 else [{"x": x, "y": 260, "w": 30, "h": 80, "prob": 90, "name": "person"}]
        if kind == "open_data_cam":
            rows.append(json.dumps({"frame": frame, "detections": found}))
        elif found:
            rows.append(f"{frame + 1},-1,{x - 15},220,30,80,0.9,-1,-1,-1")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["open_data_cam", "mot"])
def test_both_formats_are_recognised(tmp_path: Path, kind: str) -> None:
    frames = list(read_detections(str(walk(tmp_path, kind=kind))))
    assert [index for index, _ in frames] == list(range(30))
    assert [len(found.boxes) for _, found in frames] == [1] * 10 + [0] + [1] * 19
    assert np.allclose(frames[0][1].boxes, [[85, 220, 115, 300]])
    assert frames[0][1].scores[0] == pytest.approx(0.9)
    assert frames[0][1].labels == (("pedestrian",) if kind == "open_data_cam" else ("any",))


@pytest.mark.parametrize("tracker", ["own", "bytetrack", "ocsort", "botsort"])
def test_a_walk_is_counted_with_every_tracker(tmp_path: Path, tracker: str) -> None:
    path = str(walk(tmp_path, kind="mot"))
    lines = [parse_line("gate=150,0,150,288,west,east@384x288")]
    counts = count_detections(path, lines, size=(768, 576), frame_rate=7, tracker=tracker)
    (event,) = counts.events
    assert (event.line, event.direction, counts.size) == ("gate", "east", (768, 576))
    assert event.time_s == pytest.approx((200 / 9) / 7, abs=0.15)
    assert (event.x, event.vx) == (pytest.approx(300), pytest.approx(63, rel=0.1))


def test_the_anchor_decides_when_a_flat_line_is_met(tmp_path: Path) -> None:
    path = tmp_path / "down.txt"
    path.write_text("\n".join(f"{frame + 1},-1,100,{5 * frame},40,40,0.9" for frame in range(40)), encoding="utf-8")
    line = Line("gate", 0, 120, 300, 120)
    (foot,) = count_detections(str(path), [line], size=(300, 300), frame_rate=10).events
    (centre,) = count_detections(str(path), [line], size=(300, 300), frame_rate=10, anchor="centre").events
    assert centre.time_s - foot.time_s == pytest.approx(20 / 50, abs=0.05)


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"frame": 0}', '{"frame": 0, "detections": [{"x": 1}]}', "1,2,3", "0,1,2,3,4,5,6", "1,1,nan,3,4,5,6",
     '{"frame":1,"detections":[]}\n{"frame":1,"detections":[]}',
     '{"frame":0,"detections":[{"x":1e999,"y":1,"w":1,"h":1,"prob":1,"name":"a"}]}'],
)  # fmt: skip
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=r"; expected .*; (correct|check) the file$"):
        list(read_detections(str(path)))


def test_missing_file_and_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        list(read_detections(str(tmp_path / "none.txt")))
    path = str(walk(tmp_path, kind="mot"))
    with pytest.raises(SourceError, match="tracker 'magic' is unknown; expected one of own, bytetrack, ocsort, botsort"):
        count_detections(path, [], size=(768, 576), frame_rate=7, tracker="magic")
    with pytest.raises(SourceError, match="anchor is 'head'; expected one of foot, centre"):
        count_detections(path, [], size=(768, 576), frame_rate=7, anchor="head")
    with pytest.raises(SourceError, match="frame rate is '0'"):
        count_detections(path, [], size=(768, 576), frame_rate=0)


@pytest.mark.skipif(not SCENE.is_dir(), reason="OpenDataCam's scene is not beside the repository")
def test_open_data_cams_scene(tmp_path: Path) -> None:
    # 23 inbound vehicles counted by hand in images 1-499; image k is frame k - 2.
    frames = (SCENE / "rawdetections.txt").read_text(encoding="utf-8").splitlines()[:498]
    path = tmp_path / "raw.txt"
    path.write_text("\n".join(frames), encoding="utf-8")
    line = parse_line("gate=100,200,370,200,inbound,outbound@640x360")
    counts = count_detections(str(path), [line], size=(1920, 1080), frame_rate=30, anchor="centre")
    with (SCENE / "inbound_hand_count.csv").open(encoding="utf-8") as stream:
        truth = sorted(int(row["image_1based"]) - 2 for row in csv.DictReader(stream))
    found = sorted(event.frame for event in counts.events if event.direction == "inbound")
    assert len(found) == len(truth) == 23
    assert all(abs(one - other) <= 5 for one, other in zip(found, truth, strict=True))
