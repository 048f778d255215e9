"""Suppression of what is seen twice, checked against OpenCV's and by hand."""

from __future__ import annotations

import cv2
import numpy as np

from analytics.video.onnx.suppress import merge_cuts, suppress
from analytics.video.onnx.tiles import tiles


def test_it_agrees_with_opencv() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        corner, side = rng.uniform(0, 100, (60, 2)), rng.uniform(5, 60, (60, 2))
        boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
        scores = rng.permutation(60).astype(np.float32) / 60 + 0.01
        flat = np.concatenate([corner, side], axis=1).tolist()
        expected = np.asarray(cv2.dnn.NMSBoxes(flat, scores.tolist(), 0.0, 0.4)).ravel()
        assert suppress(boxes, scores, None, 0.4).tolist() == expected.tolist()


def test_other_classes_are_hidden_only_when_asked() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 8]], np.float32)
    scores, labels = np.array([0.5, 0.9, 0.7], np.float32), np.array([1, 2, 1])
    assert suppress(boxes, scores, labels, 0.5).tolist() == [1, 2]
    assert suppress(boxes, scores, None, 0.5).tolist() == [1]


def test_a_part_is_hidden_by_the_whole_even_when_it_is_surer() -> None:
    boxes = np.array([[0, 0, 10, 40], [0, 0, 10, 12], [60, 0, 70, 12], [60, 0, 70, 20]], np.float32)
    scores, cut = np.array([0.5, 0.9, 0.8, 0.4], np.float32), np.array([False, True, True, True])
    assert merge_cuts(boxes, scores, None, cut).tolist() == [0, 3]
    assert merge_cuts(boxes, scores, np.array([0, 1, 0, 0]), cut).tolist() == [0, 3, 1]


def test_tiles_cover_the_frame_and_overlap() -> None:
    for size in ((576, 768), (288, 352), (101, 333)):
        for across in (1, 2, 3, 5):
            seen = np.zeros(size, int)
            for top, left, bottom, right in tiles(size, across):
                seen[top:bottom, left:right] += 1
            assert seen.min() == 1
            assert (seen.max() > 1) == (across > 1)
