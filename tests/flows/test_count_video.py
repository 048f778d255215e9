"""One-off counting: the JSON document, the files it writes, and the paths it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from analytics.video.source import SourceError
from flows.count_video import count_video

SOURCE = "scene:street?seed=7&seconds=20"
LINES = ["west=250,0,250,576", "middle=384,0,384,576,westbound,eastbound"]


def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    document = count_video(SOURCE, LINES)
    assert list(document) == [
        "source", "frames", "frame_rate", "video_s", "wall_s", "uptime", "frames_lost", "losses", "detector", "counts",
    ]  # fmt: skip
    assert (document["uptime"], document["frames_lost"], document["losses"]) == (1.0, 0, [])
    assert (document["source"], document["frames"], document["detector"]) == (SOURCE, 140, "motion")
    assert [(row["line"], row["direction"]) for row in document["counts"]] == [
        ("west", "to_right"), ("west", "to_left"), ("middle", "westbound"), ("middle", "eastbound"),
    ]  # fmt: skip
    assert list(document["counts"][0]) == ["line", "direction", "road_user", "crossings", "lower", "upper"]
    assert document["counts"][0]["lower"] is None
    json.dumps(document)
    assert capsys.readouterr() == ("", "")


def test_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events, tracks, preview = tmp_path / "events.csv", tmp_path / "tracks.txt", tmp_path / "preview.mp4"
    document = count_video(SOURCE, LINES, events=str(events), tracks=str(tracks), preview=str(preview), progress=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.csv", "preview.mp4", "tracks.txt"]
    with events.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == sum(row["crossings"] for row in document["counts"]) > 0
    assert {row["line"] for row in rows} <= {"west", "middle"}
    first = tracks.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert len(first) == 10  # MOT Challenge: frame, id, left, top, width, height, confidence, x, y, z
    assert int(first[0]) >= 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "100%" in err


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        count_video(str(tmp_path / "none.mp4"), LINES, tracks=str(tmp_path / "t.txt"), events=str(tmp_path / "e.csv"))
    assert list(tmp_path.iterdir()) == []


def test_bad_outputs(tmp_path: Path) -> None:
    video = tmp_path / "street.mp4"
    with pytest.raises(SourceError, match="the name of another file of this count"):
        count_video(str(video), LINES, preview=str(video))
    with pytest.raises(SourceError, match="the name of another file of this count"):
        count_video(SOURCE, LINES, events=str(video), tracks=str(video))
    with pytest.raises(SourceError, match="found 'no place to write'"):
        count_video(SOURCE, LINES, events=str(tmp_path / "none" / "e.csv"))
    with pytest.raises(SourceError, match="expected at least one; add --line"):
        count_video(SOURCE, [])
