"""How tall people are: a few passers-by tell it, and none of them tells more because it is seen for longer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from analytics.video.motion.detector import MotionDetector
from analytics.video.motion.scale import PersonScale


def usual(foot: float) -> float:
    """Height in pixels of a person where the horizon lies 120 rows above the picture."""
    return 0.17 * (foot + 120)


def test_one_seen_for_long_tells_no_more_than_one_seen_shortly() -> None:
    scale = PersonScale()
    for _ in range(60):  # two people merged into one blob walk along
        scale.learn(180, 1.4 * usual(180), 0.35 * 1.4 * usual(180), 1)
    for walker, foot in enumerate((140, 160, 200, 220), start=2):
        for _ in range(15):
            scale.learn(foot, usual(foot), 0.35 * usual(foot), walker)
    for foot in (140, 180, 220):
        assert scale.at(foot)[0] == pytest.approx(usual(foot), rel=0.08)


def test_tall_person_in_front_of_a_short_one_does_not_tilt_the_street() -> None:
    scale = PersonScale()
    for foot, tall, walker in ((170, 0.88, 1), (200, 1.12, 2)):
        for _ in range(12):
            scale.learn(foot, tall * usual(foot), 0.35 * usual(foot), walker)
    assert scale.at(100)[0] == pytest.approx(usual(100), rel=0.15)
    assert scale.at(270)[0] == pytest.approx(usual(270), rel=0.15)


def test_where_many_pass_the_picture_tells_its_own_slope() -> None:
    rng = np.random.default_rng(4)
    scale = PersonScale()
    for walker in range(100):  # a camera high above: everyone is as tall
        foot = rng.uniform(60, 280)
        for _ in range(4):
            scale.learn(foot, 40 + rng.normal(0, 1), 14, walker)
    assert scale.at(80)[0] == pytest.approx(40, rel=0.06)
    assert scale.at(260)[0] == pytest.approx(40, rel=0.06)


def test_who_walks_on_keeps_a_number_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = MotionDetector(frame_rate=7)
    ground = np.random.default_rng(1).integers(100, 130, (288, 384, 3)).astype(np.uint8)
    detector.prime([ground] * 3)
    learned: list[tuple[float, int]] = []
    monkeypatch.setattr(detector.scale, "learn", lambda foot, tall, wide, walker: learned.append((foot, walker)))
    for index in range(40):
        frame = ground.copy()
        cv2.rectangle(frame, (40 + 5 * index, 60), (54 + 5 * index, 99), (20, 20, 20), -1)
        cv2.rectangle(frame, (320 - 5 * index, 160), (334 - 5 * index, 199), (20, 20, 20), -1)
        detector(frame)
    upper = {walker for foot, walker in learned if foot < 150}
    lower = {walker for foot, walker in learned if foot > 150}
    assert len(learned) > 10
    assert len(upper) == len(lower) == 1
    assert upper != lower
