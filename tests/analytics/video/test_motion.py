"""The motion detector: finds people, not shadows, noise or light."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.motion import MotionDetector
from analytics.video.scene import street


def primed(
    scene_seed: int, light: str = "day", people_per_minute: float | None = None
) -> tuple[MotionDetector, list[np.ndarray]]:
    scene = street(scene_seed, 25, light=light, people_per_minute=people_per_minute)
    frames = list(scene.frames())
    detector = MotionDetector(frame_rate=7)
    detector.prime(frames[:84:4])
    return detector, frames


@pytest.mark.parametrize("light", ["day", "dusk", "rain"])
def test_an_empty_street_is_empty(light: str) -> None:
    detector, frames = primed(11, light, people_per_minute=0)
    assert sum(len(detector(frame).boxes) for frame in frames) == 0


@pytest.mark.parametrize("light", ["day", "dusk", "rain"])
def test_most_people_are_found_where_they_are(light: str) -> None:
    detector, frames = primed(12, light)
    scene = street(12, 25, light=light)
    near = people = extra = 0
    for index, frame in enumerate(frames):
        boxes = detector(frame).boxes
        truth = scene.truth_boxes(index)[1]
        x = (boxes[:, 0] + boxes[:, 2]) / 2
        for x1, y1, x2, y2 in truth.tolist():
            if x1 < 0 or x2 > 768:
                continue
            people += 1
            near += bool(((np.abs(x - (x1 + x2) / 2) < 0.2 * (y2 - y1)) & (np.abs(boxes[:, 3] - y2) < 0.2 * (y2 - y1))).any())
        extra += max(0, len(boxes) - len(truth))
    assert people > 100
    assert near / people > 0.75
    assert extra / people < 0.1


def test_slow_change_of_light_is_no_motion() -> None:
    detector, frames = primed(13, people_per_minute=0)
    for index, frame in enumerate(frames):
        brighter = np.clip(frame.astype(np.float32) * (1 + 0.15 * index / len(frames)), 0, 255).astype(np.uint8)
        assert len(detector(brighter).boxes) == 0


def test_first_frame_alone_is_enough_to_start() -> None:
    detector = MotionDetector()
    found = detector(street(1, 5).frame(0))
    assert found.boxes.shape == (0, 4)
    assert found.labels == ()
