"""What was observed: gaps and stuck pictures are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.video.sources.coverage import FROZEN_S, GAP_S, Coverage, Loss, overlap_s

ONE, OTHER = np.zeros((32, 32, 3), np.uint8), np.ones((32, 32, 3), np.uint8)


def watch(times: list[float], images: list[np.ndarray] | None = None, rate: float = 10.0) -> Coverage:
    found = Coverage(rate)
    for index, time_s in enumerate(times):
        found.see(time_s, images[index] if images else (ONE, OTHER)[index % 2])
    return found


def test_nothing_was_seen_before_the_first_frame() -> None:
    assert (Coverage(10).end_s, Coverage(10).seen_s(0, 10), Coverage(10).losses) == (0.0, 0.0, [])


def test_an_even_pace_is_seen_up_to_the_end_of_the_last_frame() -> None:
    found = watch([index / 10 for index in range(50)])
    assert found.losses == []
    assert found.end_s == pytest.approx(5.0)
    assert found.seen_s(1.0, 3.0) == pytest.approx(2.0)
    assert found.seen_s(4.0, 9.0) == pytest.approx(1.0)


def test_a_short_gap_is_bridged_and_a_long_one_is_not() -> None:
    assert watch([0.0, 0.1, 0.1 + GAP_S]).losses == []
    found = watch([0.0, 0.1, 0.2 + GAP_S])
    assert found.losses == [Loss(pytest.approx(0.2), pytest.approx(0.2 + GAP_S), "unreadable")]
    assert watch([0.0, 4.0, 8.0], rate=0.25).losses == []  # a slow camera's usual pace is no gap


def test_a_stuck_picture_is_not_observed_from_its_first_repeat_on() -> None:
    times = [index / 10 for index in range(100)]
    found = watch(times, [ONE] * 80 + [OTHER, ONE] * 10)
    assert found.losses == [Loss(pytest.approx(0.1), pytest.approx(8.0), "frozen")]
    assert found.seen_s(0.0, 10.0) == pytest.approx(2.1)


def test_a_picture_that_stands_still_for_a_moment_is_observed() -> None:
    times = [index / 10 for index in range(100)]
    still = round(FROZEN_S * 10) - 2
    assert watch(times, ([ONE] * still + [OTHER]) * 2 + [OTHER] * (98 - 2 * still)).losses == []


def test_one_changed_pixel_is_a_change() -> None:
    moved = ONE.copy()
    moved[5, 5, 1] = 1
    assert watch([index / 10 for index in range(100)], [ONE, moved] * 50).losses == []


def test_forgetting_drops_what_is_over() -> None:
    found = watch([0.0, 5.0, 10.0])
    found.forget(6.0)
    assert [loss.end_s for loss in found.losses] == [10.0]


@given(st.lists(st.floats(0.001, 4.0), min_size=1, max_size=30), st.floats(0, 50), st.floats(0, 50))
def test_what_was_seen_and_what_was_lost_add_up(steps: list[float], start_s: float, length_s: float) -> None:
    found = watch(np.cumsum([0.0, *steps]).tolist())
    end_s = min(start_s + length_s, found.end_s)
    whole_s = max(0.0, end_s - start_s)
    seen_s = found.seen_s(start_s, start_s + length_s)
    assert seen_s + (overlap_s(found.losses, start_s, end_s) if whole_s else 0.0) == pytest.approx(whole_s, abs=1e-9)
