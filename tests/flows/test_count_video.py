"""One-off counting: the JSON document, the files it writes, and the paths it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from analytics.video import detect
from analytics.video.source import SourceError
from flows.count_stream import count_stream
from flows.count_video import count_video
from tests.analytics.video.camera import camera, noise
from tests.analytics.video.test_live import Bright

SOURCE = "scene:street?seed=7&seconds=20"
LINES = ["west=250,0,250,576", "middle=384,0,384,576,westbound,eastbound"]


def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    document = count_video(SOURCE, LINES)
    assert list(document) == [
        "source", "frames", "frame_rate", "video_s", "wall_s", "uptime", "detector", "counts", "frames_lost", "losses",
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


def test_a_stream_prints_each_interval_as_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(detect, "make_detector", Bright)
    with camera(noise) as shown:
        count_stream(shown.address, ["gate=30,0,30,48"], every_s=3600, follow_for="1s")
    out, err = capsys.readouterr()
    documents = [json.loads(line) for line in out.splitlines()]
    assert documents and err == ""
    for document in documents:
        assert (document["interval_s"], document["frames_dropped"], document["late"]) == (3600, 0, 0)
        assert 0 < document["uptime"] < 0.01 and document["frames"] > 0
        assert [(row["direction"], row["crossings"]) for row in document["counts"]] == [("to_right", 0), ("to_left", 0)]


def test_what_a_stream_cannot_do() -> None:
    with pytest.raises(SourceError, match="found 'a file to write'; expected none for a stream"):
        count_stream("camera:0", ["gate=30,0,30,48"], files=[None, "events.csv"])
    with pytest.raises(SourceError, match="found 'no line'"):
        count_stream("camera:0", [])
