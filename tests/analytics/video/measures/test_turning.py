"""Turning counts from crossings."""

from __future__ import annotations

from analytics.video.measures.lines import Crossing
from analytics.video.measures.turning import turning_counts

ARMS = ("north", "east", "south")


def path(track_id: int, *lines: str, road_user: str = "car") -> list[Crossing]:
    return [Crossing(line, "in", road_user, track_id, 10.0 * track_id + index, 0) for index, line in enumerate(lines)]


def test_movements() -> None:
    events = [
        *path(1, "north", "south"),
        *path(2, "north", "east", road_user="cyclist"),
        *path(3, "east", "east"),
        *path(4, "north", "east", "south"),
        *path(5, "south"),
        *path(6, "elsewhere", "south", "north"),
    ]
    counts = turning_counts(events[::-1], ARMS)
    assert counts.movements == {
        ("east", "east", "car"): 1, ("north", "east", "cyclist"): 1, ("north", "south", "car"): 2, ("south", "north", "car"): 1,
    }  # fmt: skip
    assert counts.unfinished == {("south", "car"): 1}
    assert counts.matrix() == [[0, 1, 2], [0, 1, 0], [1, 0, 0]]
    assert counts.matrix("cyclist") == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert counts.finished_share == 5 / 6


def test_nobody() -> None:
    counts = turning_counts([], ARMS)
    assert (counts.movements, counts.unfinished, counts.finished_share) == ({}, {}, None)
    assert counts.matrix() == [[0] * 3] * 3
