"""The tracker keeps identities through crossing paths, gaps and different frame rates."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.detect import Detections
from analytics.video.tracking.track import Tracker


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
    for frame in range(1, 10):
        found = tracker.update(detections((150.0 + 5 * frame, 300.0)), 4.0 + frame / 10)
    assert found and before.id not in [track.id for track in found]


def scored(*rows: tuple[float, float, float], labels: tuple[str, ...] = (), wide: float = 30, tall: float = 80) -> Detections:
    boxes = [(x - wide / 2, y - tall, x + wide / 2, y) for x, y, _ in rows]
    scores = np.array([score for *_, score in rows], dtype=np.float32)
    return Detections(np.array(boxes, dtype=np.float32).reshape(-1, 4), scores, labels or ("any",) * len(rows))


def test_doubtful_boxes_continue_a_track_and_begin_none() -> None:
    tracker = Tracker(sure_score=0.3, birth_score=0.4)
    ids: set[int] = set()
    for frame in range(30):
        score = 0.15 if 10 <= frame < 25 else 0.8
        found = scored((100 + 9 * frame, 300, score), (500 + 9 * frame, 300, 0.35), (500 + 9 * frame, 100, 0.2))
        tracks = tracker.update(found, frame / 7)
        ids |= {track.id for track in tracks}
    assert len(ids) == 1
    assert [point.frame for point in tracks[0].history] == list(range(30))


def test_a_sure_box_is_taken_before_a_doubtful_one_that_is_nearer() -> None:
    tracker = Tracker(sure_score=0.3, birth_score=0.4)
    for frame in range(10):
        tracker.update(scored((100 + 9 * frame, 300, 0.8)), frame / 7)
    (track,) = tracker.update(scored((190, 300, 0.1), (193, 300, 0.5)), 10 / 7)
    assert track.score == pytest.approx(0.5)


def test_what_never_moves_is_not_reported_and_what_sets_off_is_with_its_past() -> None:
    tracker = Tracker()
    for frame in range(60):
        xs = (300.0 + (frame % 2), 100.0 + 9 * max(0, frame - 40))
        tracks = tracker.update(detections(*((x, 300.0) for x in xs)), frame / 7)
    (track,) = tracks
    assert track.history[0].frame == 0
    assert track.history[-1].x > 200


def test_a_second_box_on_one_vehicle_begins_no_track() -> None:
    tracker = Tracker()
    ids: set[int] = set()
    for frame in range(40):
        x = 100 + 6.0 * frame
        found = [(x, 300.0, 0.9), (x + 3, 298.0, 0.6)] if frame > 5 else [(x, 300.0, 0.9)]
        both = scored(*found, labels=("car", "lorry")[: len(found)], wide=120)
        ids |= {track.id for track in tracker.update(both, frame / 25)}
    assert len(ids) == 1


def test_feet_that_are_hidden_do_not_lift_the_ground_point() -> None:
    tracker = Tracker()
    for frame in range(30):
        hidden = 15 <= frame < 20  # behind a wall: only the upper half is seen
        x = 100 + 9.0 * frame
        box = (x - 15, 220.0, x + 15, 260.0 if hidden else 300.0)
        tracks = tracker.update(Detections(np.array([box], np.float32), np.ones(1, np.float32), ("any",)), frame / 7)
        if hidden:
            assert abs(tracks[0].history[-1].y - 300) < 4


def test_whose_feet_are_below_the_picture_counts_at_its_edge() -> None:
    tracker = Tracker()
    for frame in range(10):
        tracks = tracker.update(scored((100 + 9 * frame, 590, 0.9)), frame / 7, height=576)
    assert {point.y for point in tracks[0].history} == {576}


def test_the_centre_may_be_followed_instead_of_the_foot() -> None:
    tracker = Tracker(anchor="centre")
    for frame in range(10):
        tracks = tracker.update(scored((100 + 9 * frame, 300, 0.9)), frame / 7)
    assert tracks[0].history[-1].y == pytest.approx(260)


def test_a_vehicle_that_drives_away_is_one_track() -> None:
    # Under perspective its size and its speed shrink together: 25 m/s from 15 m to 90 m at 25 frames per second.
    tracker = Tracker()
    ids: set[int] = set()
    for frame in range(75):
        distance = 15 + frame
        wide, tall, y = 1200 / distance, 1000 / distance, 100 + 2400 / distance
        ids |= {track.id for track in tracker.update(scored((300 + 900 / distance, y, 0.9), wide=wide, tall=tall), frame / 25)}
    assert len(ids) == 1
