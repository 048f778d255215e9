"""What has changed since the network looked: noise and light have not, what moves and what creeps have."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.onnx.activity import Activity


def street(seed: int, *, light: float = 0.0, x: int | None = None, sd: float = 2.5) -> np.ndarray:
    """A grey street with noise, and a dark person 8 px wide and 24 px tall at column x."""
    rng = np.random.default_rng(seed)
    image = np.full((288, 384, 3), 120.0 + light)
    if x is not None:
        image[120:144, x : x + 8] = 60 + light
    return np.clip(image + rng.normal(0, sd, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sd", [0.0, 2.5, 8.0])
def test_noise_and_slow_light_do_not_move(sd: float) -> None:
    activity = Activity()
    assert activity(street(0, sd=sd))[1]
    activity.looked()
    for frame in range(1, 8):
        changed, unknown = activity(street(frame, light=2.0 * frame, sd=sd))
        assert not unknown
        assert changed.mean() < 0.001


def test_a_person_moves_and_one_who_stays_does_not() -> None:
    activity = Activity()
    activity(street(0))
    activity.looked()
    changed, _ = activity(street(1, x=100))
    rows, columns = np.nonzero(changed)
    assert 58 <= rows.min() <= rows.max() <= 73
    assert 48 <= columns.min() <= columns.max() <= 55
    activity.looked(np.array([[0.2, 0.3, 0.4, 0.6]], np.float32))
    assert not activity(street(2, x=100))[0].any()


def test_what_creeps_adds_up() -> None:
    activity = Activity()
    activity(street(0, x=100, sd=0))
    activity.looked()
    moved = [bool(activity(street(0, x=100 + step, sd=0))[0].any()) for step in range(5)]
    assert moved[0] is False and moved[-1] is True


def test_a_look_elsewhere_does_not_count() -> None:
    activity = Activity()
    activity(street(0))
    activity.looked()
    activity(street(1, x=100))
    activity.looked(np.array([[0.6, 0.0, 1.0, 1.0]], np.float32))
    assert activity(street(2, x=100))[0].any()


def test_a_sudden_change_of_all_is_not_known() -> None:
    activity = Activity()
    activity(street(0))
    activity.looked()
    rows, columns = np.mgrid[0:288, 0:384]
    other = np.repeat(np.where((rows // 16 + columns // 16) % 2, 60, 200)[..., None], 3, axis=2).astype(np.uint8)
    assert activity(other)[1]
    activity.looked()
    shaken = np.roll(other, 8, axis=1)
    assert activity(shaken)[1]


def test_what_changes_close_to_a_known_road_user_does_not_go_beyond() -> None:
    activity = Activity()
    activity(street(0))
    activity.looked()
    changed, _ = activity(street(1, x=100))
    around = np.array([[0.25, 0.4, 0.3, 0.52]], np.float32)
    assert not activity.goes_beyond(changed, around)
    assert activity.goes_beyond(changed, around + np.float32(0.1))
    assert activity.goes_beyond(changed, around[:0])
