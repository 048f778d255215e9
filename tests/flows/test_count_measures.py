"""One-off counting: zones, turning counts, speeds, heat map, exports, and detections instead of a video."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from analytics.video.formats.events import read_events
from analytics.video.options import CountOptions
from analytics.video.source import SourceError
from flows.count_video import count_video

LINES = ["west=250,0,250,576,westbound,eastbound", "east=560,0,560,576,westbound,eastbound"]
AT_7 = CountOptions(frame_rate=7)
START = "2026-03-02T09:00:00+01:00"


@pytest.fixture
def walks(tmp_path: Path) -> str:
    """Six people who walk from left to right at 10 px a frame, and one who stops and turns back in the middle."""
    rows = []
    for person in range(7):
        for step in range(75):
            x = 50 + 10 * (step if person < 6 else min(step, 35, 75 - step))
            rows.append((90 * person + step + 1, f"{x - 15},320,30,80,0.9"))
    path = tmp_path / "walks.txt"
    path.write_text("\n".join(f"{frame},-1,{rest}" for frame, rest in sorted(rows)), encoding="utf-8")
    return str(path)


def test_all_measures_at_once(walks: str, tmp_path: Path) -> None:
    heat = tmp_path / "heat.csv"
    document = count_video(
        walks, LINES, detections=walks, size="768x576", options=AT_7, zones=["middle=300,0,500,0,500,576,300,576"],
        turning=True, speed=["west,east,31"], heatmap=str(heat),
    )  # fmt: skip
    assert [row["crossings"] for row in document["counts"]] == [1, 7, 0, 6]
    (zone,) = document["zones"]
    assert (zone["zone"], zone["road_user"], zone["entries"], zone["exits"], zone["peak_occupancy"]) == (
        "middle",
        "any",
        7,
        7,
        1,
    )
    assert zone["mean_dwell_s"] == pytest.approx((6 * 20 + 25) / 7 / 7, abs=0.15)
    assert document["turning"]["movements"] == [
        {"origin": "west", "destination": "east", "road_user": "any", "crossings": 6},
        {"origin": "west", "destination": "west", "road_user": "any", "crossings": 1},
    ]
    assert document["turning"]["finished_share"] == 1.0
    assert len(document["speeds"]) == 6
    for speed in document["speeds"]:  # 310 px stand for 31 m, at 70 px/s
        assert speed["speed_kmh"] == pytest.approx(7 * 3.6, rel=0.02)
        assert speed["lower_kmh"] < speed["speed_kmh"] < speed["upper_kmh"]
        assert "track_id" not in speed
    json.dumps(document, allow_nan=False)
    with heat.open(encoding="utf-8") as stream:
        cells = list(csv.DictReader(stream))
    assert len(cells) == 48 * 36
    assert {cell["road_users"] for cell in cells} == {"0", "6", "7"}


def test_speed_on_measured_ground(walks: str) -> None:
    ground = ["0,0,0,0", "700,0,70,0", "700,500,70,50", "0,500,0,50"]  # 10 px to the metre everywhere
    document = count_video(walks, LINES, detections=walks, size="768x576", options=AT_7, ground=ground)
    assert len(document["speeds"]) == 14
    assert [speed["speed_kmh"] for speed in document["speeds"][:8]] == pytest.approx([7 * 3.6] * 8, rel=0.05)


def test_exports(walks: str, tmp_path: Path) -> None:
    names = {"opendatacam_csv": "o.csv", "opendatacam_json": "o.json", "otanalytics": "t.json", "supervision": "s.csv"}
    count_video(
        walks, LINES, detections=walks, size="768x576", options=AT_7, started_at=START,
        exports=[f"{form}={tmp_path / name}" for form, name in names.items()],
    )  # fmt: skip
    assert not list(tmp_path.glob("*.part"))
    assert len(read_events(str(tmp_path / "o.csv"))) == len(read_events(str(tmp_path / "t.json"))) == 14
    document = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert document["counterSummary"] == {"west": {"_total": 8, "any": 8}, "east": {"_total": 6, "any": 6}}
    with (tmp_path / "s.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["x_min", "y_min", "x_max", "y_max", "class_id", "confidence", "tracker_id", "frame"]
    assert len({row["tracker_id"] for row in rows}) == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"zones": ["a=1,2,3"]}, "zone: found"),
        ({"zones": ["a=0,0,9,0,9,9", "a=0,0,9,0,9,9"]}, "zone a: given '2' times"),
        ({"speed": ["west,north,3"]}, "expected two of the lines west, east"),
        ({"speed": ["west,east,-3"]}, "with numbers above 0"),
        ({"speed": ["west,east"]}, "name two lines and their distance"),
        ({"ground": ["1,2,3"]}, "expected x,y,X,Y"),
        ({"ground": ["1,2,3,4"]}, "expected four of each"),
        ({"exports": ["excel=a.xls"]}, "expected FORMAT=FILE with one of opendatacam_csv"),
        ({"exports": ["otanalytics=a.json"]}, "add --started-at"),
        ({"exports": ["otanalytics=a.json"], "started_at": "2026-03-02"}, "expected an instant with its zone"),
        ({"size": None}, "add --size"),
        ({"options": CountOptions()}, "expected 0.1 to 1000"),
        ({"options": CountOptions(frame_rate=7, tracker="magic")}, "tracker 'magic' is unknown"),
    ],
)
def test_bad_wishes_are_refused_and_leave_no_file(walks: str, tmp_path: Path, given: dict[str, object], message: str) -> None:
    before = sorted(tmp_path.iterdir())
    arguments = {"detections": walks, "size": "768x576", "options": AT_7, "tracks": str(tmp_path / "tracks.txt"), **given}
    with pytest.raises(SourceError, match=message):
        count_video(walks, LINES, **arguments)  # wrong on purpose
    assert sorted(tmp_path.iterdir()) == before


def test_a_video_is_measured_too(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    document = count_video(
        "scene:street?seed=7&seconds=15", ["west=83,0,83,192@256x192"], zones=["all=0,0,256,0,256,192,0,192@256x192"],
        exports=[f"supervision={path}"], turning=True,
    )  # fmt: skip
    assert document["zones"][0]["peak_occupancy"] >= 1
    assert path.read_text(encoding="utf-8").count("\n") > 10
