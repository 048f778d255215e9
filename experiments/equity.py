"""Who gains: the effect by group of hours, so that a good mean does not hide a worse night.

Nobody is told apart here: the groups are times of day, not people. Groups of places follow with the sites' districts.
"""

from __future__ import annotations

from dataclasses import dataclass

from analytics.lake import Connection
from experiments.impact import METHODS
from experiments.outcome import panel
from experiments.pilot import Pilot

HOURS = {"day (06:00 to 20:00)": tuple(range(6, 20)), "night (20:00 to 06:00)": (*range(20, 24), *range(6))}
"""Groups of local hours; together they are the whole day."""


@dataclass(frozen=True)
class GroupEffect:
    """The effect within one group; None where nothing could be measured, never zero.

    Attributes:
        group: Name of the group.
        relative: Change against what would have been expected.
        lower: Lower end of its interval.
        upper: Upper end.
        p_adjusted: p-value after Benjamini-Hochberg over the groups.
        share: Share of the treated sites' crossings before the change, 0 to 1; of a mean, of the sum of the groups' means.
    """

    group: str
    relative: float | None
    lower: float | None
    upper: float | None
    p_adjusted: float | None
    share: float | None


def by_hours(connection: Connection, table: str, pilot: Pilot) -> list[GroupEffect]:
    """The pilot's method within each group of hours.

    Args:
        connection: Holds the counts.
        table: Accepted hourly counts.
        pilot: Its method must compare.

    Returns:
        One row per group, in the order of `HOURS`.
    """
    found, before = {}, {}
    for group, hours in HOURS.items():
        data = panel(connection, table, pilot, hours=hours)
        if len(data.treated) and data.control_ids[1:] and data.is_after.any() and (~data.is_after).sum() > 1:
            found[group] = METHODS[pilot.method](data)
            before[group] = float(data.treated[~data.is_after].mean())
    adjusted = benjamini_hochberg({g: e.p_value for g, e in found.items() if e.p_value is not None})
    whole = sum(before.values())
    return [
        GroupEffect(
            group,
            found[group].relative,
            found[group].relative_lower,
            found[group].relative_upper,
            adjusted.get(group),
            before[group] / whole,
        )
        if group in found
        else GroupEffect(group, None, None, None, None, None)
        for group in HOURS
    ]


def benjamini_hochberg(p_values: dict[str, float]) -> dict[str, float]:
    """Adjusted p-values; rejecting those up to q keeps the false discovery rate at q.

    Source:
        Benjamini and Hochberg (1995).

    Example:
        >>> benjamini_hochberg({"a": 0.01, "b": 0.04})
        {'a': 0.02, 'b': 0.04}
    """
    ordered = sorted(p_values.items(), key=lambda item: item[1], reverse=True)
    smallest, adjusted = 1.0, {}
    for position, (name, p) in enumerate(ordered):
        smallest = min(smallest, p * len(ordered) / (len(ordered) - position))
        adjusted[name] = smallest
    return {name: adjusted[name] for name in p_values}
