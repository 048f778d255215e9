"""Turning counts: from which section to which each road user went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analytics.video.measures.lines import Crossing


@dataclass(frozen=True)
class TurningCounts:
    """Movements over one junction.

    Attributes:
        sections: Names of the sections (counting lines across the arms).
        movements: Road users by origin, destination and class; a U-turn has its origin as destination.
        unfinished: Road users that were seen at one section only, by section and class: they belong to no movement.
    """

    sections: tuple[str, ...]
    movements: dict[tuple[str, str, str], int]
    unfinished: dict[tuple[str, str], int]

    def matrix(self, road_user: str | None = None) -> list[list[int]]:
        """Origins as rows and destinations as columns, in the order of the sections; of one class, or of all."""
        return [
            [
                sum(
                    number
                    for (origin, destination, kind), number in self.movements.items()
                    if (origin, destination) == (row, column) and road_user in (None, kind)
                )
                for column in self.sections
            ]
            for row in self.sections
        ]

    @property
    def finished_share(self) -> float | None:
        """Share of the road users whose movement is known; None where nobody was seen."""
        known, lost = sum(self.movements.values()), sum(self.unfinished.values())
        return known / (known + lost) if known + lost else None


def turning_counts(events: Sequence[Crossing], sections: Sequence[str]) -> TurningCounts:
    """Count movements from the crossings of the sections.

    A road user's origin is the section it crossed first, its destination the one it crossed last. One that crossed the
    same section twice and no other made a U-turn; one that was seen at a single crossing is unfinished.

    Args:
        events: Crossings, each with the class its track voted for.
        sections: Names of the lines that are sections; crossings of other lines are left alone.

    Source:
        Origin-destination flows between sections as in OTAnalytics.
    """
    by_track: dict[int, list[Crossing]] = {}
    for event in sorted(events, key=lambda event: event.time_s):
        if event.line in sections:
            by_track.setdefault(event.track_id, []).append(event)
    movements: Counter[tuple[str, str, str]] = Counter()
    unfinished: Counter[tuple[str, str]] = Counter()
    for crossed in by_track.values():
        first, last = crossed[0], crossed[-1]
        if len(crossed) == 1:
            unfinished[first.line, first.road_user] += 1
        else:
            movements[first.line, last.line, last.road_user] += 1
    return TurningCounts(tuple(sections), dict(sorted(movements.items())), dict(sorted(unfinished.items())))
