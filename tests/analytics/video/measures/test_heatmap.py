"""Heat map: every road user once in each cell; few are withheld."""

from __future__ import annotations

from analytics.video.measures.ground import GroundPoint
from analytics.video.measures.heatmap import HeatMap


class _Track:
    def __init__(self, track_id: int, places: list[tuple[float, float]]) -> None:
        self.id, self.road_user = track_id, "any"
        self.history = [GroundPoint(i, float(i), x, y) for i, (x, y) in enumerate(places)]


def test_each_road_user_counts_once_in_a_cell() -> None:
    heat = HeatMap((100, 50), columns=4)  # cells of 25 px
    stays = _Track(1, [(10, 10)] * 5)
    walks = _Track(2, [(10, 10), (30, 10), (60, 10), (30, 10), (100, 50)])
    heat.update([stays, walks])
    heat.update([stays, walks])
    assert [cell.road_users for cell in heat.cells()] == [2, 1, 1, 0, 0, 0, 0, 1]
    assert (next(iter(heat.cells())).x2, [cell.y2 for cell in heat.cells()][-1]) == (25, 50)


def test_points_that_come_later_count_too_and_a_gone_track_is_forgotten() -> None:
    heat = HeatMap((100, 50), columns=4)
    track = _Track(1, [(10, 10)])
    heat.update([track])
    track.history.append(GroundPoint(1, 1.0, 30, 10))
    heat.update([track])
    heat.update([])
    heat.update([_Track(1, [(10, 10)])])
    assert [cell.road_users for cell in heat.cells()][:2] == [2, 1]


def test_small_counts_are_withheld_and_zero_is_told() -> None:
    heat = HeatMap((100, 25), columns=4)
    heat.update([_Track(number, [(10, 10), (30, 10)][: 1 + (number < 2)]) for number in range(5)])
    assert [cell.road_users for cell in heat.cells(small_count=5)] == [5, None, 0, 0]


def test_the_last_row_may_be_lower() -> None:
    heat = HeatMap((100, 60), columns=4)
    cells = list(heat.cells())
    assert len(cells) == 12
    assert cells[-1].y2 == 60
