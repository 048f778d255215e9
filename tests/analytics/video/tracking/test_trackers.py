"""Trackers by name: all of them follow, and a missing library is told in one line."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from analytics.video.detect import Detections
from analytics.video.source import SourceError
from analytics.video.tracking.trackers import LIBRARY, OWN, make_tracker


@pytest.mark.parametrize("name", [OWN, *LIBRARY])
def test_two_people_with_their_classes(name: str) -> None:
    tracker = make_tracker(name, frame_rate=7)
    for frame in range(20):
        boxes = [(100 + 9 * frame, 200, 130 + 9 * frame, 280), (600 - 9 * frame, 320, 630 - 9 * frame, 400)]
        found = Detections(np.array(boxes, np.float32), np.array([0.9, 0.8], np.float32), ("pedestrian", "cyclist"))
        tracks = tracker.update(found, frame / 7, frame, height=576)
    upper, lower = sorted(tracks, key=lambda track: track.history[-1].y)
    assert (upper.road_user, lower.road_user) == ("pedestrian", "cyclist")
    assert {round(track.score, 1) for track in tracks} == {0.8, 0.9}
    assert all(track.history[-1].frame == 19 and track.missed_s == 0 for track in tracks)


@pytest.mark.parametrize("name", LIBRARY)
def test_tracks_of_the_library_end(name: str) -> None:
    tracker = make_tracker(name, frame_rate=7)
    nothing = Detections(np.empty((0, 4), np.float32), np.empty(0, np.float32), ())
    for frame in range(40):
        box = np.array([(100 + 9 * frame, 200, 130 + 9 * frame, 280)], np.float32)
        found = Detections(box, np.ones(1, np.float32), ("any",)) if frame < 10 else nothing
        tracks = tracker.update(found, frame / 7)
        assert len(tracks) == 1 or not 5 < frame < 12
    assert tracks == []


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(
        SourceError, match=r"found 'no library trackers'.*pip install 'city-testbed\[trackers\]', or choose own"
    ):
        make_tracker("bytetrack")
    assert make_tracker("own")
