"""Speed: exact on made-up tracks, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.measures.ground import GroundPoint
from analytics.video.measures.lines import Crossing, Line
from analytics.video.measures.speed import GROUND_ERROR, GroundPlane, speed_between
from analytics.video.source import SourceError

A, B = Line("a", 100, 0, 100, 400), Line("b", 300, 0, 300, 400)
PIXELS = [(100.0, 400.0), (500.0, 400.0), (400.0, 150.0), (200.0, 150.0)]
METRES = [(0.0, 0.0), (8.0, 0.0), (8.0, 30.0), (0.0, 30.0)]


def crossing(line: str, time_s: float, track_id: int = 1, tall: float = 0.0, vx: float = 100.0) -> Crossing:
    return Crossing(line, "in", "car", track_id, time_s, 0, 0.0, 0.0, vx, 0.0, tall)


def test_speed_between_two_lines() -> None:
    (speed,) = speed_between([crossing("a", 1.0), crossing("b", 3.0)], A, B, 20.0)
    assert (speed.speed_kmh, speed.lower_kmh, speed.upper_kmh) == pytest.approx((36.0, 36.0, 36.0))
    assert (speed.track_id, speed.road_user, speed.time_s) == (1, "car", 3.0)


def test_errors_of_distance_and_of_the_ground_point_widen_the_interval() -> None:
    # 50 px tall: 3 px over 100 px/s is 0.03 s at each line; 2 s between them; 0.2 m of 20 m.
    (speed,) = speed_between([crossing("a", 1.0, tall=50), crossing("b", 3.0, tall=50)], A, B, 20.0, distance_error_m=0.2)
    relative = np.hypot(np.hypot(0.03, 0.03) / 2, 0.01)
    assert speed.speed_kmh == pytest.approx(36.0)
    assert speed.lower_kmh == pytest.approx(36.0 / (1 + 1.96 * relative))
    assert speed.upper_kmh == pytest.approx(36.0 / (1 - 1.96 * relative))


def test_a_speed_that_the_errors_leave_open_has_no_upper_end() -> None:
    (speed,) = speed_between([crossing("a", 1.0, tall=300), crossing("b", 1.2, tall=300)], A, B, 20.0)
    assert speed.upper_kmh is None


def test_both_ways_count_and_turning_back_does_not() -> None:
    events = [crossing("b", 1.0), crossing("a", 2.0), crossing("a", 3.0, 2), crossing("a", 4.0, 2), crossing("b", 9.0, 3)]
    assert [speed.track_id for speed in speed_between(events, A, B, 10.0)] == [1]


def test_a_distance_of_zero_is_refused() -> None:
    with pytest.raises(SourceError, match="distance is '0'; expected more than 0 metres"):
        speed_between([], A, B, 0.0)


def drive(plane: GroundPlane, metres_per_s: float, noise: np.random.Generator | None = None) -> list[GroundPoint]:
    back = GroundPlane(METRES, PIXELS)  # the way back, from metres to pixels
    points = []
    for frame in range(25):
        ((x, y),) = back.to_metres([(4.0, 2.0 + metres_per_s * frame / 25)])
        dx, dy = (0.0, 0.0) if noise is None else noise.normal(0, GROUND_ERROR * 40.0, 2)
        points.append(GroundPoint(frame, frame / 25, x + dx, y + dy, 40.0))
    return points


def test_the_plane_maps_its_own_points() -> None:
    assert GroundPlane(PIXELS, METRES).to_metres(PIXELS) == pytest.approx(np.array(METRES), abs=1e-9)


def test_speed_on_the_plane_is_exact_without_errors() -> None:
    plane = GroundPlane(PIXELS, METRES)
    speed = plane.speed(7, "car", drive(plane, 10.0))
    assert speed is not None
    assert speed.speed_kmh == pytest.approx(36.0)
    assert speed.upper_kmh is not None
    assert speed.lower_kmh < 36.0 < speed.upper_kmh


def test_the_interval_holds_the_true_speed() -> None:
    # Errors as the model has them but independent from frame to frame: the interval, which lets them go together,
    # must hold the truth at least as often as it says.
    noise = np.random.default_rng(5)
    held = 0
    for _ in range(100):
        moved = [(x + noise.normal(0, 1.0), y + noise.normal(0, 1.0)) for x, y in PIXELS]
        plane = GroundPlane(moved, METRES, pixel_error=1.0, metre_error=0.0)
        speed = plane.speed(1, "car", drive(plane, 12.0, noise))
        assert speed is not None and speed.upper_kmh is not None
        held += speed.lower_kmh <= 12.0 * 3.6 <= speed.upper_kmh
    assert held >= 95


def test_a_worse_measurement_widens_the_interval() -> None:
    good, bad = GroundPlane(PIXELS, METRES, pixel_error=0.5), GroundPlane(PIXELS, METRES, pixel_error=5.0)
    points = drive(good, 10.0)
    one, two = good.speed(1, "car", points), bad.speed(1, "car", points)
    assert one is not None and two is not None
    assert two.lower_kmh < one.lower_kmh


def test_too_little_to_go_by() -> None:
    plane = GroundPlane(PIXELS, METRES)
    assert plane.speed(1, "car", [GroundPoint(0, 0.0, 1, 1), GroundPoint(1, 0.1, 1, 1)]) is None


def test_bad_points_are_refused() -> None:
    with pytest.raises(SourceError, match="found '3 and 3 points'; expected four of each"):
        GroundPlane(PIXELS[:3], METRES[:3])
    with pytest.raises(SourceError, match="found 'three points on one line'"):
        GroundPlane([(0, 0), (10, 0), (20, 0), (5, 9)], [(0, 0), (1, 0), (2, 0), (0, 1)])
