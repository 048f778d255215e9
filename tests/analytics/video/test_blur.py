"""The filled preview: who is covered, for how long, how much of that is true, and that it never comes without a warning."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.blur import GROW, Cover, FilledWriter, Recall, paint
from analytics.video.count import count_source
from analytics.video.detect import Detections
from analytics.video.measures.lines import GroundPoint, Line
from analytics.video.scene import street
from analytics.video.source import Frame, SourceError, open_source
from analytics.video.tracking.track import Track

LINE = Line("gate", 192, 0, 192, 288)
NOTHING = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), ())
SOURCE = "scene:street?seed=41&seconds=30&width=384&height=288"


def test_what_is_painted_cannot_be_had_back():
    image = np.random.default_rng(1).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    painted = paint(image, np.array([[10.0, 20.0, 40.0, 60.0]]))
    assert (painted[20:61, 10:41] == painted[20, 10]).all()
    assert (painted[:20] == image[:20]).all() and painted is not image


def test_a_track_is_covered_before_it_was_known_and_after_it_was_lost():
    cover = Cover(5.0, hold_s=1.0)
    track = Track(1, (10.0, 10.0, 30.0, 50.0), votes={"any": 1.0})
    track.history.extend(GroundPoint(frame, frame / 5, 20.0 + 10 * frame, 50.0) for frame in (2, 3))
    for index in range(12):
        cover.see(index, [track] if index == 3 else [])
    assert len(cover.boxes(0)) == 3  # followed back to frame 2, and held for a second before
    assert len(cover.boxes(8)) == 2  # its history and its own box of frame 3
    assert len(cover.boxes(9)) == 0
    grown = cover.boxes(3)[0]
    assert grown[3] - grown[1] == pytest.approx(40 * (1 + 2 * GROW))


def test_what_is_found_but_not_followed_is_covered():
    cover = Cover(5.0)
    cover.see(0, [], Detections(np.array([[10, 10, 30, 50]], np.float32), np.array([0.1], np.float32), ("any",)))
    assert len(cover.boxes(0)) == 1


def test_a_box_without_its_head_is_made_as_tall_as_others_of_its_class_that_stand_there():
    cover = Cover(5.0)
    for index in range(40):
        track = Track(index, (10.0, 60.0, 30.0, 100.0), votes={"pedestrian": 1.0})
        bus = Track(99, (60.0, 10.0, 90.0, 100.0), votes={"bus": 1.0})
        cover.see(index, [track, bus])
    cut = np.array([[10, 75, 30, 98], [10, 92, 30, 98], [10, 400, 30, 430]], np.float32)
    cover.see(60, [], Detections(cut, np.ones(3, np.float32), ("pedestrian",) * 3))
    grown = cover.boxes(60)
    assert (grown[:, 3] - grown[:, 1]) / (1 + 2 * GROW) == pytest.approx([40, 18, 30])  # at most three times; nobody was there


def test_no_filled_preview_without_a_warning(tmp_path):
    with pytest.raises(SourceError, match="expected the measured recall or 'not measured'"):
        FilledWriter(str(tmp_path / "a.mp4"), (320, 240), 7, [], "")
    assert list(tmp_path.iterdir()) == []


def test_people_of_a_rendered_street_are_covered():
    scene = street(41, 30, width=384, height=288)
    recall = Recall(7.0, (384, 288), lambda index: scene.truth_boxes(index)[1].astype(float))
    count_source(SOURCE, [LINE], watch=recall.see)
    groups, painted = recall.result()
    assert [group.group for group in groups] == ["all", "far", "middle", "near"]
    assert groups[0].people > 200
    assert groups[0].heads > 0.9
    assert 0 < painted < 0.6


def test_recall_is_of_what_was_covered():
    def truth(index):
        return np.array([[10.0, 10.0, 30.0, 50.0], [100.0, 100.0, 120.0, 140.0]])

    recall = Recall(5.0, (200, 200), truth)
    image = np.zeros((200, 200, 3), dtype=np.uint8)
    for index in range(10):
        track = Track(1, (10.0, 10.0, 30.0, 50.0), votes={"any": 1.0})
        recall.see(Frame(index, index / 5, image), [track], NOTHING)
    groups, _ = recall.result()
    assert (groups[0].people, groups[0].boxes, groups[0].heads) == (20, 0.5, 0.5)


def test_the_filled_preview_shows_the_street_and_nobody(tmp_path):
    path = tmp_path / "preview.mp4"
    count_source(SOURCE, [LINE], preview=str(path), filled="recall not measured")
    scene = street(41, 30, width=384, height=288)
    grey = street_like = frames = 0
    with open_source(str(path)) as preview:
        for frame in preview:
            frames += 1
            original = scene.frame(frame.index).astype(int)
            for x1, y1, x2, y2 in scene.truth_boxes(frame.index)[1].round().astype(int).tolist():
                if y1 < 30 or x1 < 0 or x2 >= 384 or abs((x1 + x2) / 2 - 192) < 20:
                    continue
                part = frame.image[y1:y2, x1:x2].astype(int)
                grey += np.abs(part - 96).max(axis=2).mean() < 12
                street_like += np.abs(part - original[y1:y2, x1:x2]).max(axis=2).mean() < 12
    assert frames == 210
    assert grey > 20 * max(1, street_like)
