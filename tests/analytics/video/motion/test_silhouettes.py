"""From masks to bodies: split, joined, told from vehicles, shadows dropped."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from analytics.video.motion.scale import PersonScale
from analytics.video.motion.silhouettes import Blob, blobs, drop_shadows, is_vehicle, join, split
from analytics.video.scene import street


def scale_of(tall: float) -> PersonScale:
    """People of one height everywhere."""
    scale = PersonScale()
    for index in range(60):
        scale.learn(100.0 + index % 3, tall, 0.36 * tall, index)
    assert scale.known
    return scale


def body(mask: np.ndarray, x: int, foot: int, tall: int = 50) -> None:
    """Head, trunk and two legs."""
    cv2.circle(mask, (x, foot - tall + 5), 5, 255, -1)
    cv2.rectangle(mask, (x - 6, foot - tall + 10), (x + 6, foot - 22), 255, -1)
    for leg in (-6, 2):
        cv2.rectangle(mask, (x + leg, foot - 24), (x + leg + 4, foot - 1), 255, -1)


def only_blob(mask: np.ndarray) -> Blob:
    (found,) = blobs(mask, 12)
    return found


@pytest.mark.parametrize("apart", [13, 15, 18])
def test_two_people_side_by_side_are_two(apart: int) -> None:
    mask = np.zeros((150, 150), np.uint8)
    body(mask, 60, 110)
    body(mask, 60 + apart, 112)
    cv2.line(mask, (60, 80), (60 + apart, 80), 255, 5)  # arm in arm
    found = sorted((box.left + box.right) / 2 for box, _ in split(mask, only_blob(mask), scale_of(50), 0))
    assert found == pytest.approx([60, 60 + apart], abs=4)


def test_one_person_is_one() -> None:
    mask = np.zeros((150, 150), np.uint8)
    body(mask, 60, 110)
    assert len(split(mask, only_blob(mask), scale_of(50), 0)) == 1


def test_who_was_seen_apart_is_kept_apart_while_one_covers_the_other() -> None:
    mask = np.zeros((150, 150), np.uint8)
    body(mask, 60, 110)
    body(mask, 69, 107)
    scale = scale_of(50)
    assert len(split(mask, only_blob(mask), scale, 0)) == 1
    assert len(split(mask, only_blob(mask), scale, 2)) == 2


def test_long_and_solid_is_a_vehicle_and_a_row_of_people_is_not() -> None:
    scale = scale_of(50)
    car, people = np.zeros((150, 250), np.uint8), np.zeros((150, 250), np.uint8)
    cv2.rectangle(car, (40, 65), (160, 110), 255, -1)
    for index in range(6):
        body(people, 50 + 16 * index, 110)
    cv2.line(people, (50, 80), (130, 80), 255, 3)
    assert is_vehicle(only_blob(car), scale)
    assert not is_vehicle(only_blob(people), scale)


def test_head_and_legs_are_joined_and_neighbours_are_not() -> None:
    scale = scale_of(50)
    pieces = [Blob(55, 60, 66, 70, 90), Blob(54, 85, 67, 110, 250), Blob(90, 60, 104, 110, 350)]
    found = join(pieces, scale)
    assert sorted(part[:4] for part in found) == [(54, 60, 67, 110), (90, 60, 104, 110)]


def test_where_little_that_travels_is_upright_sizes_of_people_are_not_known() -> None:
    scale = scale_of(50)
    for _ in range(60):
        scale.learn(100, 40, 45, 0)
    assert not scale.known


def test_shadow_is_dropped_and_the_body_kept() -> None:
    still = street(3, 1, width=320, height=240, people_per_minute=0).frame(0)
    small = still.copy()
    shadow, person = np.zeros((240, 320), np.uint8), np.zeros((240, 320), np.uint8)
    body(person, 100, 150)
    cv2.rectangle(shadow, (110, 146), (150, 154), 255, -1)
    small[shadow > 0] = (0.6 * small[shadow > 0]).astype(np.uint8)
    small[person > 0] = (30, 40, 150)
    mask = cv2.bitwise_or(shadow, person)
    kept = drop_shadows(mask, small, still, PersonScale()) > 0
    assert kept[person > 0].mean() > 0.95
    assert kept[(shadow > 0) & (person == 0)].mean() < 0.3
