"""Where people walk and traffic rides on a rendered street, and how large they look there."""

from __future__ import annotations

from dataclasses import dataclass

HORIZON = -0.35
"""Row of the horizon, above the picture. [heights of the picture]"""
HEIGHT_M = 1.72
"""Height of the usual person. [m]"""
DEPTH = 0.45
"""Rows that a metre away from the camera takes, in those that a metre of height takes: seen from 27 degrees above."""
_DRAWN = (0.36, 0.93)  # range of the number from which a walker's row follows


@dataclass(frozen=True)
class Lane:
    """A lane of the carriageway.

    Attributes:
        row: Where wheels touch the ground. [heights of the picture]
        heading: 1 towards the right edge of the picture, -1 towards the left.
        is_for_cycling: Whether it is a cycle lane.
    """

    row: float
    heading: int
    is_for_cycling: bool


@dataclass(frozen=True)
class Layout:
    """How a street is divided from back to front; all rows are shares of the picture's height.

    Attributes:
        scale: Height of the usual person per row below the horizon.
        walks: Rows of each pavement in which walkers start.
        edges: Rows of each pavement that walkers do not leave.
        freedom: How far walkers leave a straight line, 1 on an open place.
        carriageway: First and last row of the carriageway.
        lanes: Its lanes.
    """

    scale: float
    walks: tuple[tuple[float, float], ...]
    edges: tuple[tuple[float, float], ...]
    freedom: float
    carriageway: tuple[float, float]
    lanes: tuple[Lane, ...] = ()

    def walk(self, drawn: float) -> tuple[float, tuple[float, float]]:
        """Row in which a walker starts, and the rows that this walker does not leave.

        Args:
            drawn: A number drawn evenly from 0.36 to 0.93; each pavement gets a part of the walkers as wide as it is.
        """
        if len(self.walks) == 1:
            return drawn, self.edges[0]
        low, high = _DRAWN
        along = (drawn - low) / (high - low) * sum(last - first for first, last in self.walks)
        for (first, last), edges in zip(self.walks[:-1], self.edges, strict=False):
            if along < last - first:
                return first + along, edges
            along -= last - first
        return self.walks[-1][0] + along, self.edges[-1]

    def metre(self, row: float, height: int) -> float:
        """Pixels that a metre takes in a row, given as a share of the picture's height [px/m]."""
        return self.scale * (row - HORIZON) * height / HEIGHT_M


PLAZA = Layout(0.175, (_DRAWN,), ((0.33, 0.96),), 1.0, (0.78, 1.0))
"""People only; they walk wherever they like, seen from near."""

ROAD = Layout(
    scale=0.1,
    walks=((0.29, 0.36), (0.77, 0.94)),
    edges=((0.275, 0.385), (0.75, 0.96)),
    freedom=0.15,
    carriageway=(0.42, 0.72),
    lanes=(Lane(0.46, -1, True), Lane(0.54, -1, False), Lane(0.64, 1, False), Lane(0.7, 1, True)),
)
"""A carriageway with a lane and a cycle lane each way, traffic on the right, between two pavements; seen from afar."""
