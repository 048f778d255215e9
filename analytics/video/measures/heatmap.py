"""Heat map: how many road users passed each cell of the picture, as numbers without a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analytics.video.measures.ground import CountedTrack


@dataclass(frozen=True)
class Cell:
    """One cell of the grid.

    Attributes:
        x1: Left edge. [px]
        y1: Upper edge. [px]
        x2: Right edge. [px]
        y2: Lower edge. [px]
        road_users: How many different road users touched the ground here; None where they are too few to tell.
    """

    x1: float
    y1: float
    x2: float
    y2: float
    road_users: int | None


class HeatMap:
    """Counts in each cell the road users whose ground point was there, each once however long it stays."""

    def __init__(self, size: tuple[float, float], *, columns: int = 48) -> None:
        """Start with an empty grid of square cells.

        Args:
            size: Width and height of the picture. [px]
            columns: Cells across.
        """
        self._size = size
        self._side = size[0] / columns
        self._columns = columns
        self._rows = max(1, -int(-size[1] // self._side))
        self._touched: Counter[tuple[int, int]] = Counter()
        self._been: dict[int, tuple[int, set[tuple[int, int]]]] = {}

    def update(self, tracks: Sequence[CountedTrack]) -> None:
        """Take the new ground points of the living tracks in; a track that is absent is forgotten."""
        for track in tracks:
            last, been = self._been.get(track.id, (-1, set()))
            newest = last
            for point in reversed(track.history):
                if point.frame <= last:
                    break
                newest = max(newest, point.frame)
                cell = (
                    min(self._columns - 1, max(0, int(point.x // self._side))),
                    min(self._rows - 1, max(0, int(point.y // self._side))),
                )
                if cell not in been:
                    been.add(cell)
                    self._touched[cell] += 1
            self._been[track.id] = (newest, been)
        for gone in self._been.keys() - {track.id for track in tracks}:
            del self._been[gone]

    def cells(self, *, small_count: int = 0) -> Iterator[Cell]:
        """Every cell, row by row from the upper left.

        Args:
            small_count: Counts from 1 to below this are withheld: a path that one person alone took would be told.
        """
        for row in range(self._rows):
            for column in range(self._columns):
                number = self._touched[column, row]
                told = None if 0 < number < small_count else number
                x1, y1 = column * self._side, row * self._side
                yield Cell(x1, y1, min(self._size[0], x1 + self._side), min(self._size[1], y1 + self._side), told)
