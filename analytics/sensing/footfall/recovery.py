"""Recovery: how much of a base period's footfall a period has, day for comparable day, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.sensing.footfall.calendar import Days
from analytics.sensing.readings import SourceError

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
FEWEST_WEEKS = 3
"""So many weeks of each period are needed for an interval."""


@dataclass(frozen=True)
class Recovery:
    """A recovery index.

    Attributes:
        index: 100 where the period has as many as the base.
        lower: Of the 95 % interval.
        upper: Of the 95 % interval.
        days: Days of the period that had a comparable day in the base.
        left_out: Days of the period that had none, or no total.
    """

    index: float
    lower: float
    upper: float
    days: int
    left_out: int


def recovery(days: Days, totals: Values, *, base: Flags, period: Flags, draws: int = 1000, seed: int = 7) -> Recovery:
    """Index of a period against a base period, with the same mix of months, weekdays and holidays on both sides.

    Each day of the period is compared with the mean of the base's days of the same kind, weekday and month; where the base
    has none of that month, the day is left out and counted. The interval draws whole weeks of both periods.

    Args:
        days: The calendar, `n` days.
        totals: Total of each day, NaN where it is not known, shape `(n,)`.
        base: Days of the base period, shape `(n,)`.
        period: Days of the period, shape `(n,)`.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        SourceError: The periods share days, or have too few weeks or nothing to compare.
    """
    if (base & period).any():
        raise SourceError("base and period share days; expected two periods apart; correct the dates")
    cell = _cells(days)
    known = np.isfinite(totals)
    was, now = np.flatnonzero(base & known), np.flatnonzero(period & known)
    comparable = now[np.isin(cell[now], cell[was])]
    weeks = [_by_week(days, places) for places in (was, comparable)]
    if min(map(len, weeks)) < FEWEST_WEEKS:
        raise SourceError(
            f"base and period have {len(weeks[0])} and {len(weeks[1])} comparable weeks; expected {FEWEST_WEEKS} each; "
            "choose longer periods that share months"
        )
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        drawn = [np.concatenate([own[i] for i in rng.integers(0, len(own), len(own))]) for own in weeks]
        found.append(_ratio(totals, cell, drawn[0], drawn[1]))
    whole = np.array([one for one in found if np.isfinite(one)])
    low, high = np.quantile(whole, [0.025, 0.975])
    index = _ratio(totals, cell, was, comparable)
    return Recovery(index, float(low), float(high), len(comparable), int(period.sum()) - len(comparable))


def _cells(days: Days) -> npt.NDArray[np.int64]:
    """A number for each kind of day, weekday and month; holidays have no weekday."""
    dates = (days.ordinal - 719_163).astype("datetime64[D]")  # ordinal of 1970-01-01
    month = dates.astype("datetime64[M]").astype(np.int64) % 12
    return np.asarray((month * 10 + days.kind) * 10 + np.where(days.kind == 0, days.weekday, 7))


def _by_week(days: Days, places: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    week = (days.ordinal[places] - 1) // 7
    return [places[week == one] for one in np.unique(week)]


def _ratio(totals: Values, cell: npt.NDArray[np.int64], was: npt.NDArray[np.int64], now: npt.NDArray[np.int64]) -> float:
    """100 times the sum of the period over what the base's means of the same cells add up to."""
    size = int(cell.max()) + 1
    count = np.bincount(cell[was], minlength=size)
    mean = np.bincount(cell[was], weights=totals[was], minlength=size) / np.maximum(count, 1)
    both = now[count[cell[now]] > 0]
    expected = float(mean[cell[both]].sum())
    return 100 * float(totals[both].sum()) / expected if expected > 0 else float("nan")
