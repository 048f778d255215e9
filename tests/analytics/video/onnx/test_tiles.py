"""Tiling: who is too small in the whole frame is found in a tile, and nobody is found twice at a seam."""

from __future__ import annotations

import numpy as np

from analytics.video.onnx.decode import Found
from analytics.video.onnx.detector import OnnxDetector, Placed, is_cut


class Seer(OnnxDetector):
    """Sees every white rectangle that is at least 20 px tall in a picture of 200 x 160."""

    def __init__(self, tiling: int) -> None:
        class Network:
            class sidecar:
                overlap = 0.5

        self.network = Network()
        self.min_score, self._users, self._alike, self._tiling = 0.3, ("pedestrian",), False, tiling

    def place(self, image: np.ndarray) -> Placed:
        import cv2

        return Placed(
            cv2.resize(image, (200, 160), interpolation=cv2.INTER_NEAREST), (image.shape[1] / 200, image.shape[0] / 160)
        )

    def look(self, placed: Placed) -> Found:
        import cv2

        count, _, stats, _ = cv2.connectedComponentsWithStats((placed.picture[..., 1] > 200).astype(np.uint8))
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count] if h >= 20], np.float32).reshape(-1, 4)
        return placed.back(boxes), np.full(len(boxes), 0.8, np.float32), np.zeros(len(boxes), np.int64)


def test_small_ones_are_found_and_none_twice() -> None:
    frame = np.zeros((640, 800, 3), np.uint8)
    people = [(x, y) for x in range(20, 780, 95) for y in range(10, 580, 113)]
    for x, y in people:
        frame[y : y + 60, x : x + 24] = 255  # 15 px tall in the whole frame, more than 25 in a tile
    assert len(Seer(1)(frame).boxes) == 0
    found = Seer(2)(frame).boxes
    assert len(found) == len(people)
    assert np.abs(np.sort(found[:, 0]) - np.sort([x for x, _ in people])).max() <= 4
    assert (found[:, 3] - found[:, 1]).min() >= 52


def test_boxes_at_inner_edges_are_cut() -> None:
    boxes = np.array([[0, 20, 10, 40], [50, 20, 60, 40], [80, 60, 100, 80], [50, 0, 60, 20]], np.float32)
    assert is_cut(boxes, (80, 100), (False, True, True, False)).tolist() == [True, False, True, False]
