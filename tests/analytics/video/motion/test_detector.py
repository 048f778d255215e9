"""The motion detector: finds people, not shadows, noise, light, shaking or what stands still."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from analytics.video.motion.detector import MotionDetector
from analytics.video.scene import street

WIDTH, HEIGHT = 384, 288  # a scene at working size: quick to render


def primed(
    scene_seed: int, light: str = "day", people_per_minute: float | None = None
) -> tuple[MotionDetector, list[np.ndarray]]:
    scene = street(scene_seed, 25, light=light, people_per_minute=people_per_minute)
    frames = list(scene.frames())
    detector = MotionDetector(frame_rate=7)
    detector.prime(frames[:84:4])
    return detector, frames


def empty(seconds: float = 25, light: str = "day", seed: int = 21) -> tuple[MotionDetector, list[np.ndarray]]:
    """An empty small street, and a detector that has seen its first 12 seconds."""
    frames = list(street(seed, seconds, light=light, width=WIDTH, height=HEIGHT, people_per_minute=0).frames())
    detector = MotionDetector(frame_rate=7)
    detector.prime(frames[:84:4])
    return detector, frames


def with_box(frame: np.ndarray, x: int, colour: tuple[int, int, int] = (40, 30, 160)) -> np.ndarray:
    """The frame with something the size of a small car."""
    changed = frame.copy()
    cv2.rectangle(changed, (x, 150), (x + 60, 185), colour, -1)
    return changed


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


def test_sudden_brightness_of_the_whole_picture_is_no_motion() -> None:
    detector, frames = empty()
    for index, frame in enumerate(frames[:40]):
        assert len(detector(cv2.convertScaleAbs(frame, None, 1.2 if index >= 20 else 1.0, 0)).boxes) == 0


def test_lamp_that_lights_a_part_of_the_ground_is_forgotten() -> None:
    detector, frames = empty()
    lamp = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.circle(lamp, (200, 150), 45, (45, 50, 55), -1)
    found = [len(detector(cv2.add(frame, lamp)).boxes) for frame in frames[:60]]
    assert found[0] > 0
    assert sum(found[21:]) == 0  # three seconds later


def test_another_picture_starts_a_new_background() -> None:
    detector, frames = empty()
    other = 255 - frames[0]
    found = [len(detector(other).boxes) for _ in range(20)]
    assert sum(found[7:]) == 0


def test_shaking_of_the_camera_is_undone() -> None:
    detector, frames = empty()
    rng = np.random.default_rng(5)
    for frame in frames:
        right, down = rng.uniform(-3, 3, 2)
        shaken = cv2.warpAffine(
            frame, np.array([[1, 0, right], [0, 1, down]]), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE
        )
        assert len(detector(shaken).boxes) == 0


def test_person_is_found_while_the_camera_shakes() -> None:
    detector, frames = empty()
    found = 0
    for index, frame in enumerate(frames[:40]):
        x, shift = 100 + 3 * index, (3, -3, 2)[index % 3]
        person = cv2.rectangle(frame.copy(), (x, 140), (x + 14, 180), (20, 20, 150), -1)
        boxes = detector(np.roll(person, shift, axis=1)).boxes
        found += len(boxes) == 1 and abs(float(boxes[0, 0]) - x) <= 1.5
    assert found >= 36


def test_ghost_of_what_stood_in_the_first_seconds_vanishes() -> None:
    _, frames = empty()
    detector = MotionDetector(frame_rate=7)
    detector.prime([with_box(frame, 150) for frame in frames[:84:4]])
    found = [len(detector(frame).boxes) for frame in frames[:60]]
    assert found[0] > 0
    assert sum(found[21:]) == 0


def test_what_stands_stays_found_for_as_long_as_people_wait() -> None:
    detector, frames = empty()
    assert all(len(detector(with_box(frame, 150)).boxes) == 1 for frame in frames)


def test_blinking_sign_is_masked_and_a_person_elsewhere_is_not() -> None:
    detector, frames = empty(40)
    late = []
    for index, frame in enumerate(frames):
        lit = with_box(frame, 60, (250, 250, 250)) if index // 6 % 2 else frame
        x = 200 + index % 100
        late.append(len(detector(cv2.rectangle(lit.copy(), (x, 140), (x + 14, 180), (20, 20, 150), -1)).boxes))
    assert max(late[:20]) == 2
    assert np.mean(late[150:]) < 1.1


def test_first_frame_alone_is_enough_to_start() -> None:
    detector = MotionDetector()
    found = detector(street(1, 5).frame(0))
    assert found.boxes.shape == (0, 4)
    assert found.labels == ()


@pytest.mark.parametrize("pieces", [0, 3])
def test_size_of_people_is_learned_from_those_who_walk_not_from_pieces(pieces: int) -> None:
    rng = np.random.default_rng(3)
    detector = MotionDetector(frame_rate=7)
    for frame in street(102, 45, light="rain", people_per_minute=20).frames():
        for x, y, wide, tall in rng.integers((0, 150, 12, 36), (760, 520, 30, 76), (pieces, 4)).tolist():
            cv2.rectangle(frame, (x, y), (x + wide, y + tall), (20, 20, 20), -1)
        detector(frame)
    assert detector.scale.known
    for row in (320, 440):
        truth = 0.175 * (row + 0.35 * 576)  # the scene's geometry
        assert 2 * detector.scale.at(row / 2)[0] == pytest.approx(truth, rel=0.15)
