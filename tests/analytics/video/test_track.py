"""The tracker keeps identities through crossing paths, gaps and different frame rates."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.detect import Detections
from analytics.video.track import Tracker


def detections(*centres: tuple[float, float], labels: tuple[str, ...] = (), tall: float = 80.0) -> Detections:
    boxes = [(x - 15, y - tall, x + 15, y) for x, y in centres]
    return Detections(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.ones(len(centres), dtype=np.float32),
        labels or ("any",) * len(centres),
    )


@pytest.mark.parametrize("rate", [7, 12, 25])
def test_two_people_who_pass_each_other_keep_their_identity(rate: int) -> None:
    tracker = Tracker()
    for frame in range(8 * rate):
        time_s = frame / rate
        tracks = tracker.update(detections((100 + 60 * time_s, 300), (580 - 60 * time_s, 312)), time_s)
    assert len(tracks) == 2
    for track in tracks:
        xs = [point.x for point in track.history]
        assert (xs[-1] - xs[0]) * (1 if track.history[-1].y < 306 else -1) > 0


def test_a_hidden_person_comes_back_as_the_same() -> None:
    tracker = Tracker()
    ids = set()
    for frame in range(40):
        seen = [] if 15 <= frame < 22 else [(100.0 + 9 * frame, 300.0)]
        ids |= {track.id for track in tracker.update(detections(*seen), frame / 7)}
    assert len(ids) == 1


def test_hidden_points_are_not_in_the_history_and_the_track_ends() -> None:
    tracker = Tracker(hidden_s=1.0)
    for frame in range(10):
        tracks = tracker.update(detections((100.0 + 9 * frame, 300.0)), frame / 7)
    for frame in range(10, 16):
        tracks = tracker.update(detections(), frame / 7)
    assert [point.frame for point in tracks[0].history] == list(range(10))
    for frame in range(16, 20):
        tracks = tracker.update(detections(), frame / 7)
    assert tracks == []


def test_a_flash_is_not_a_track() -> None:
    tracker = Tracker()
    reported = [tracker.update(detections(*([(50.0, 50.0)] if frame == 3 else [])), frame / 7) for frame in range(10)]
    assert not any(reported)


def test_class_is_voted_over_the_track() -> None:
    tracker = Tracker()
    for frame in range(9):
        label = "cyclist" if frame % 3 == 2 else "pedestrian"
        tracks = tracker.update(detections((100.0 + 5 * frame, 300.0), labels=(label,)), frame / 7)
    assert tracks[0].road_user == "pedestrian"


def test_boxes_that_are_not_finite_are_left_alone() -> None:
    broken = Detections(np.array([[0, 0, np.nan, 5]], np.float32), np.ones(1, np.float32), ("any",))
    tracker = Tracker(confirm_hits=1)
    assert tracker.update(broken, 0.0) == []


def test_nobody_is_followed_over_a_gap() -> None:
    tracker = Tracker()
    for frame in range(10):
        (before, *_) = tracker.update(detections((100.0 + 5 * frame, 300.0)), frame / 10) or [None]
    assert before is not None
    assert tracker.update(detections((150.0, 300.0)), 4.0) == []
    for frame in range(3):
        found = tracker.update(detections((150.0, 300.0)), 4.1 + frame / 10)
    assert found and before.id not in [track.id for track in found]
