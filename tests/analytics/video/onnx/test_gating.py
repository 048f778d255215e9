"""Gating: nothing is asked about what is known, and all that comes, goes or stays is known nevertheless."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.detect import Detections, make_detector
from analytics.video.onnx.decode import Found
from analytics.video.onnx.detector import OnnxDetector, Placed
from analytics.video.onnx.gating import GatedDetector
from analytics.video.source import SourceError


class Seer(OnnxDetector):
    """Sees every white rectangle in a picture that it takes at any size, and remembers the sizes of the pictures."""

    def __init__(self) -> None:
        class Sidecar:
            pad = 114
            min_score = 0.3
            overlap = 0.5

        class Network:
            is_flexible = True
            pictures = 1
            sidecar = Sidecar()

        self.network = Network()
        self._users, self._alike = ("pedestrian",), False
        self.seen: list[tuple[int, int]] = []

    def place(self, image: np.ndarray) -> Placed:
        return Placed(image, (1.0, 1.0))

    def look(self, placed: Placed) -> Found:
        import cv2

        self.seen.append(placed.picture.shape[:2])
        count, _, stats, _ = cv2.connectedComponentsWithStats((placed.picture[..., 1] > 200).astype(np.uint8))
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count]], np.float32).reshape(-1, 4)
        return boxes, np.ones(len(boxes), np.float32), np.zeros(len(boxes), np.int64)


def frame(*people: tuple[int, int]) -> np.ndarray:
    image = np.full((320, 416, 3), 90, np.uint8)
    for x, y in people:
        image[y : y + 40, x : x + 16] = 250
    return image


def places(found: Detections) -> list[tuple[int, int]]:
    return sorted((round(x), round(y)) for x, y in found.boxes[:, :2].tolist())


def test_an_empty_street_is_hardly_looked_at() -> None:
    find = Seer()
    gated = GatedDetector(find, frame_rate=5)
    for _ in range(100):
        assert len(gated(frame()).boxes) == 0
    assert gated.looks == {"mosaic": 0, "whole": 2, "none": 98}  # the first, and one after 10 s


def test_who_walks_is_seen_at_every_look_in_small_pictures() -> None:
    find = Seer()
    gated = GatedDetector(find, frame_rate=5)
    gated(frame())
    for step in range(30):
        walkers = (20 + 10 * step, 60), (380 - 10 * step, 200)
        assert places(gated(frame(*walkers))) == sorted(walkers)
    small = [size for size in find.seen if size[0] * size[1] < 0.4 * 320 * 416]
    assert len(small) >= 25


def test_who_stands_stays_known_without_a_look_and_who_leaves_is_forgotten() -> None:
    find = Seer()
    gated = GatedDetector(find, frame_rate=5)
    for _ in range(8):
        assert places(gated(frame((100, 100)))) == [(100, 100)]
    looked = len(find.seen)
    for _ in range(30):
        assert places(gated(frame((100, 100)))) == [(100, 100)]
    assert len(find.seen) - looked <= 2
    for step in range(10):
        walker = (200 + 8 * step, 200)
        assert places(gated(frame((100, 100), walker))) == [(100, 100), walker]
    assert places(gated(frame((100, 100)))) == [(100, 100)]
    assert places(gated(frame())) == []


def test_a_change_of_light_is_a_reason_to_look_at_all() -> None:
    find = Seer()
    gated = GatedDetector(find, frame_rate=5)
    gated(frame())
    rows, columns = np.mgrid[0:320, 0:416]
    gated(np.repeat(np.where((rows // 16 + columns // 16) % 2, 40, 180)[..., None], 3, axis=2).astype(np.uint8))
    assert gated.looks["whole"] == 2


def test_frames_between_looks_are_not_fresh() -> None:
    gated = GatedDetector(Seer(), frame_rate=25)
    fresh = [gated(frame((100 + 20 * step, 100))).is_fresh for step in range(8)]
    assert fresh == [True, False, True, False, False, True, False, True]  # 10 a second


def test_who_walks_on_is_looked_for_less_often_until_somebody_else_comes() -> None:
    gated = GatedDetector(Seer(), frame_rate=25)
    fresh = [step for step in range(30) if gated(frame((100 + step, 100))).is_fresh]
    assert fresh == [0, 7, 15, 22]
    gated = GatedDetector(Seer(), frame_rate=25)
    assert gated(frame((100, 100))).is_fresh
    assert not gated(frame((101, 100))).is_fresh
    assert places(gated(frame((102, 100), (300, 200)))) == [(102, 100), (300, 200)]


def test_options_that_do_not_fit() -> None:
    with pytest.raises(SourceError, match="gate is 'always'; expected off or motion"):
        make_detector("motion", gate="always")
    with pytest.raises(SourceError, match="motion: found 'an option of networks'"):
        make_detector("motion", gate="motion")
