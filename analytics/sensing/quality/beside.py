"""A sensor's course beside its neighbours': what is left of its days and weeks without what all of them share.

Weather, season and feasts come to all; what one sensor alone does by and by, or from one day on, is its own street's or its own
fault. Concentrations and counts are compared as logarithms (a changed gain moves them by one amount), levels in dB,
temperatures and shares as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.sensing.quality.grid import Floats, Series, medians_by
from analytics.sensing.units import properties

NEIGHBOURS = 9
"""A sensor is compared with so many of the others, those whose weeks go up and down as its own do."""
FEWEST = 3
"""With fewer neighbours nobody can say whose reading it was."""
FEWEST_DIFFERENCES = 12
"""Sensors are alike, or not, by so many changes from week to week."""
BESIDE = 0.7
"""Two sensors stand beside each other where their days rise and fall together by this correlation or more."""
DAY_SHARE = 0.8
"""A day counts when this share of its steps was measured."""
RATIOS = ("ug/m3", "mg/m3", "ppm", "count", "dimensionless", "m/s", "km/h", "mm")
"""Units of which twice as much means something."""
NEGATIVE_SHARE = 0.01
"""More negative readings than this are no noise about zero."""


@dataclass(frozen=True)
class Course:
    """What a sensor reads beside its neighbours.

    Attributes:
        site: Its number.
        near: Numbers of its neighbours, the most similar one first.
        days: Its days less the median of its neighbours', shape `(days,)`; a logarithm where `is_ratio`.
        weeks: Median of each seven days of it, shape `(weeks,)`.
    """

    site: int
    near: tuple[int, ...]
    days: Floats
    weeks: Floats

    @property
    def seen(self) -> npt.NDArray[np.intp]:
        """Numbers of the weeks that were measured."""
        return np.flatnonzero(np.isfinite(self.weeks))


def is_ratio(series: Series) -> bool:
    """Whether readings are compared as logarithms."""
    known = properties().get(series.observed_property)
    with np.errstate(invalid="ignore"):
        negative = int((series.values < 0).sum())
    few = negative <= NEGATIVE_SHARE * max(1, int(np.isfinite(series.values).sum()))
    return few and known.unit in RATIOS if known else negative == 0


def courses_beside(series: Series, *, neighbours: int = NEIGHBOURS) -> tuple[list[Course], dict[int, str]]:
    """Each sensor's course beside its neighbours.

    Args:
        series: Readings of one observed property, without what was not measured.
        neighbours: How many of the most similar others stand for all of them.

    Returns:
        The courses, and number of a sensor -> why it has none.
    """
    days = usual_days(series, as_logarithm=is_ratio(series))
    weeks = weekly(days)
    near = _neighbours(np.diff(weeks, axis=1), neighbours)
    found, without = list[Course](), dict[int, str]()
    for site, others in enumerate(near):
        if len(others) < FEWEST:
            without[site] = f"{len(others)} neighbours move with it; expected {FEWEST}"
            continue
        course = days[site] - _middle(days[list(others)])
        found.append(Course(site, others, course, weekly(course[None, :])[0]))
    return found, without


def courses_of_two(series: Series) -> tuple[list[Course], dict[int, str]]:
    """The courses of two sensors beside each other, each less what the other says, at the rate at which they rise together.

    Args:
        series: Readings of one observed property of two sensors, without what was not measured.

    Returns:
        As `courses_beside`.
    """
    days = usual_days(series, as_logarithm=is_ratio(series))
    rises: Floats = np.diff(days, axis=1)
    rises = rises[:, np.isfinite(rises).all(axis=0)]
    alike = (
        float(np.asarray(np.corrcoef(rises))[0, 1])
        if rises.shape[1] >= 7 * FEWEST_DIFFERENCES and rises.std(axis=1).min() > 0
        else 0.0
    )
    if alike < BESIDE:
        reason = (
            f"its days go up and down with the other's by {alike:.2f}; expected {BESIDE} of two that stand beside each other"
        )
        return [], dict.fromkeys(range(2), reason)
    found = []
    for site, other in ((0, 1), (1, 0)):
        # a reduced major axis: neither of the two is without noise
        course = days[site] - float(rises[site].std() / rises[other].std()) * days[other]
        found.append(Course(site, (other,), course, weekly(course[None, :])[0]))
    return found, {}


def usual_days(series: Series, *, as_logarithm: bool) -> Floats:
    """Mean reading of each local day, less the usual one of its weekday, shape `(sites, days)`."""
    first = int(series.day[0])
    day = series.day - first
    number = int(day[-1]) + 1
    found = np.full((len(series.sites), number), np.nan)
    weekday = (np.arange(number) + first + 3) % 7
    for site, values in enumerate(series.values):
        seen = np.isfinite(values)
        if not seen.any():
            continue
        steps = np.bincount(day[seen], minlength=number)
        mean = np.bincount(day[seen], weights=values[seen], minlength=number) / np.maximum(1, steps)
        whole = steps >= DAY_SHARE * series.steps_a_day
        if as_logarithm:
            # one road user, or one smallest step, more: a logarithm that knows zero
            rest = 1 / series.steps_a_day if series.is_count else max(1e-9, 0.01 * float(np.median(np.abs(values[seen]))))
            mean = np.log(np.maximum(mean, 0) + rest)
        found[site, whole] = mean[whole]
        found[site] -= medians_by(weekday, found[site], np.isfinite(found[site]), 7)[weekday]
    return found


def weekly(days: Floats) -> Floats:
    """Median of each seven days with four or more, shape `(sites, weeks)`."""
    sites, number = days.shape
    padded = np.full((sites, -(-number // 7) * 7), np.nan)
    padded[:, :number] = days
    block = np.sort(padded.reshape(sites, -1, 7), axis=2)
    there = np.isfinite(block).sum(axis=2)
    low, high = (
        np.take_along_axis(block, at[:, :, None], axis=2)[:, :, 0] for at in (np.maximum(0, there - 1) // 2, there // 2 % 7)
    )
    return np.where(there >= 4, (low + high) / 2, np.nan)


def _middle(rows: Floats) -> Floats:
    """Median where two or more are there, shape `(days,)`."""
    enough = np.isfinite(rows).sum(axis=0) >= 2
    middle = np.full(rows.shape[1], np.nan)
    middle[enough] = np.nanmedian(rows[:, enough], axis=0)
    return middle


def _neighbours(differences: Floats, number: int) -> list[tuple[int, ...]]:
    """The most similar others of each sensor, best first: by rank correlation of what changes from week to week."""
    there = np.isfinite(differences)
    order = np.argsort(np.argsort(np.where(there, differences, np.inf), axis=1), axis=1)
    use = there.astype(np.float64)
    # ranks about their own middle and between -1 and 1, so that sums over common weeks stay small
    count = np.maximum(1.0, use.sum(axis=1, keepdims=True))
    rank = np.where(there, 2 * (order + 0.5) / count - 1, 0.0)
    both_there, ours = use @ use.T, rank @ use.T
    theirs, squared, both = ours.T, (rank**2) @ use.T, rank @ rank.T
    safe = np.maximum(1.0, both_there)
    scatter = (squared - ours**2 / safe) * (squared.T - theirs**2 / safe)
    similar = np.where(scatter > 0, (both - ours * theirs / safe) / np.sqrt(np.maximum(scatter, 1e-12)), 0.0)
    similar[both_there < FEWEST_DIFFERENCES] = 0.0
    np.fill_diagonal(similar, 0.0)
    best = np.argsort(-similar, axis=1, kind="stable")[:, :number]
    return [tuple(int(other) for other in row if similar[site, other] > 0) for site, row in enumerate(best)]
