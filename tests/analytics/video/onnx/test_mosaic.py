"""Parts of a picture in a mosaic and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.video.onnx.mosaic import bring_back, compose, covers, is_at_rim, pack, parts_of

SIZE = (320, 416)
SIDES = st.integers(4, 120)
BOXES = st.lists(st.tuples(st.integers(-20, 400), st.integers(-20, 310), SIDES, SIDES), min_size=1, max_size=9)


@settings(deadline=None, max_examples=60)
@given(BOXES)
def test_every_box_is_whole_in_a_part_and_parts_do_not_meet(given_boxes: list[tuple[int, int, int, int]]) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in given_boxes], np.float32)
    limits = np.array([416, 320, 416, 320])
    clipped = np.clip(boxes, 0, limits)
    clipped = clipped[((clipped[:, 2:] - clipped[:, :2]) > 0).all(axis=1)]
    found = parts_of(boxes, SIZE)
    for x1, y1, x2, y2 in clipped.tolist():
        assert any(p.left <= x1 and p.top <= y1 and x2 <= p.right and y2 <= p.bottom for p in found)
    if not found:
        return
    parts, size = pack(found, 416, 32)
    assert size[0] % 32 == size[1] % 32 == 0
    taken = np.zeros(size, int)
    for p in parts:
        taken[p.row : p.row + p.bottom - p.top, p.column : p.column + p.right - p.left] += 1
    assert taken.max() == 1
    assert taken.sum() == sum((p.bottom - p.top) * (p.right - p.left) for p in parts)


def test_pixels_and_boxes_come_back_to_where_they_were() -> None:
    rng = np.random.default_rng(5)
    picture = rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    parts, size = pack(parts_of(np.array([[10, 20, 60, 90], [300, 200, 380, 310]], np.float32), SIZE), 416, 32)
    mosaic = compose(picture, parts, size, 114)
    for p in parts:
        box = np.array([[p.column + 5, p.row + 6, p.column + 30, p.row + 40]], np.float32)
        back, kept = bring_back(box, parts)
        assert kept.tolist() == [0]
        x1, y1, x2, y2 = back[0].astype(int)
        assert (picture[y1:y2, x1:x2] == mosaic[p.row + 6 : p.row + 40, p.column + 5 : p.column + 30]).all()


def test_boxes_between_parts_are_left_out_and_others_cut() -> None:
    parts, _ = pack(parts_of(np.array([[10, 20, 60, 90]], np.float32), SIZE), 416, 32)
    boxes = np.array([[0, 0, 60, 70], [48, 0, 90, 70], [60, 80, 90, 90]], np.float32)
    back, kept = bring_back(boxes, parts)
    assert kept.tolist() == [0]
    assert back.tolist() == [[10, 20, 60, 90]]


@pytest.mark.parametrize(
    ("box", "cut"),
    [([20, 30, 50, 80], False), ([10, 30, 50, 80], True), ([20, 30, 60, 80], True), ([20, 30, 50, 90], True)],
)
def test_a_box_at_the_rim_of_a_part_is_cut(box: list[float], cut: bool) -> None:
    parts = parts_of(np.array([[10, 0, 60, 90]], np.float32), SIZE)
    assert is_at_rim(np.array([box], np.float32), parts, SIZE).tolist() == [cut]
    assert not is_at_rim(np.array([[20, 0, 50, 80]], np.float32), parts, SIZE)[0]  # the picture ends there itself


def test_share_that_boxes_cover_together() -> None:
    halves = np.array([[0, 0, 208, 320], [104, 0, 208, 320], [-50, -50, 104, 160]], np.float32)
    assert covers(halves, SIZE) == 0.5
    assert covers(halves[:0], SIZE) == 0.0
