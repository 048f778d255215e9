"""What became of each sensor's level beside its neighbours: steps and ramps, told apart, one after the other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from analytics.sensing.quality.beside import Course
from analytics.sensing.quality.findings import ALPHA
from analytics.sensing.quality.grid import Floats
from analytics.sensing.quality.shapes import (
    BOX,
    MEMORIES,
    RAMP,
    RESET,
    SEASON_WEEKS,
    STEP,
    Fit,
    Shape,
    chance_law,
    fit_shapes,
    memory_of,
)

FEWEST_WEEKS = 20
"""In a shorter record what wanders by itself cannot be told from what does not."""
MOST_CHANGES = 8
"""So many changes of a sensor are looked for."""
NO_STEP = 4.0
"""A ramp is one where it explains the record by so much better than a step, in log likelihood: it has one number more."""
NO_STAIRS = 8.0
"""A ramp is two steps where these explain the record by so much better: they have two numbers more, and more places."""
NO_SEASON = 6.0
"""A change is one where it explains the record by so much better than a season; exp(6 / 2) is twenty to one."""
FEWEST_SENSORS = 4
"""From so many sensors on their own wandering tells what is usual in the network."""


@dataclass(frozen=True)
class Change:
    """A change of a sensor's level beside its neighbours.

    Attributes:
        course: The sensor's course.
        shape: What it looks like, in weeks that were measured.
        height: By how much; a logarithm where the course is one.
        expected: How many such changes chance would make in the whole network.
        times_chance: Its likelihood ratio over the largest that is allowed.
        step_less: By how much a step explains the record less well than a ramp, as a log likelihood ratio.
    """

    course: Course
    shape: Shape
    height: float
    expected: float
    times_chance: float
    step_less: float

    @property
    def is_drift(self) -> bool:
        """Whether it came by and by."""
        return self.shape.kind in (RAMP, RESET)

    def day(self, week: int) -> int:
        """First day of a week that was measured; the day after the last one for one beyond it."""
        seen = self.course.seen
        return int(seen[week]) * 7 if week < len(seen) else len(self.course.days)

    def days(self) -> Floats:
        """What it adds to each day, shape `(days,)`."""
        # weeks that were not measured stand still
        at = np.interp(np.arange(len(self.course.days)) / 7 - 0.5, self.course.seen, np.arange(len(self.course.seen)))
        return self.height * self.shape.course(at if self.is_drift else np.floor(at + 0.5))


def changes_in(courses: list[Course]) -> list[Change]:
    """Every change of every sensor's level.

    Args:
        courses: Sensors of one network beside their neighbours; what has fewer than `FEWEST_WEEKS` weeks is not searched.

    Returns:
        The changes, by sensor and in order of time.
    """
    left = {course.site: course.weeks[course.seen] for course in courses if len(course.seen) >= FEWEST_WEEKS}
    of = {course.site: course for course in courses}
    found = list[Change]()
    usual, number = None, len(left)
    memory = _memories(left)
    for _ in range(MOST_CHANGES):
        fits = _fitted(left, memory)
        if usual is None:
            usual = _wandering(fits, left)
        for site, fit in fits.items():
            change = _change(of[site], fit, left[site], usual, number)
            if change is None:
                del left[site]
                continue
            found.append(change)
            left[site] = left[site] - change.height * _course(change.shape, left[site])
        if not left:
            break
    return sorted(found, key=lambda one: (one.course.site, one.shape.begin))


def _memories(left: dict[int, Floats]) -> dict[int, int]:
    """Memory of each sensor's weeks, in tenths: that of the network, or its own where that is clearly longer."""
    own = dict[int, float]()
    for sites in _alike(left):
        own.update(zip(sites, memory_of(np.stack([left[site] for site in sites])), strict=True))
    # a tenth is what a single record cannot tell
    common = int(np.ceil(float(np.median(list(own.values()))) * MEMORIES)) if own else 0
    return {site: min(MEMORIES - 1, max(common, int(one * MEMORIES) - 1)) for site, one in own.items()}


def _alike(left: dict[int, Floats]) -> list[list[int]]:
    """Sensors with as many weeks."""
    alike = defaultdict[int, list[int]](list)
    for site, weeks in left.items():
        alike[len(weeks)].append(site)
    return list(alike.values())


def _fitted(left: dict[int, Floats], memory: dict[int, int]) -> dict[int, Fit]:
    """The best shapes of each sensor's weeks."""
    found = dict[int, Fit]()
    for sites in _alike(left):
        for one in {memory[site] for site in sites}:
            same = [site for site in sites if memory[site] == one]
            found.update(zip(same, fit_shapes(np.stack([left[site] for site in same]), one), strict=True))
    return found


def _wandering(fits: dict[int, Fit], left: dict[int, Floats]) -> float:
    """By how much the best ratios of all sensors exceed those of records without a fault: their median, 1 or more."""
    if len(fits) < FEWEST_SENSORS:
        return 1.0
    return max(1.0, float(np.median([fit.best / chance_law(len(left[site]), fit.memory)[2] for site, fit in fits.items()])))


def _change(course: Course, fit: Fit, weeks: Floats, usual: float, sensors: int) -> Change | None:
    """The best shape of a sensor's weeks, where chance makes none so good."""
    ratio = {kind: one / usual for kind, one in fit.ratio.items()}
    step, ramp = (max(kinds, key=lambda one: ratio.get(one, 0.0)) for kinds in ((STEP, BOX), (RAMP, RESET)))
    is_drift = ratio.get(ramp, 0.0) > ratio[step] + NO_STEP
    mode, spread, _ = chance_law(len(weeks), fit.memory)
    best = ratio[ramp if is_drift else step]
    expected = -float(np.expm1(-np.exp((mode - best) / spread))) * sensors
    if expected > ALPHA or best < fit.season / usual + NO_SEASON:
        return None
    if not is_drift and step == BOX and len(weeks) < SEASON_WEEKS:
        # half a year of another level is what a season of its own looks like, too, where only one was seen
        return None
    if is_drift:
        shape = fit.shape[step]
        (again,) = fit_shapes((weeks - _height(shape, weeks) * _course(shape, weeks))[None, :], fit.memory)
        stairs = ratio[step] + max(again.ratio[STEP], again.ratio.get(BOX, 0.0)) / usual
        is_drift = ratio[ramp] > stairs - NO_STAIRS
    shape = fit.shape[ramp if is_drift else step]
    allowed = mode - spread * float(np.log(-np.log1p(-ALPHA / sensors)))
    less = ratio.get(ramp, 0.0) - ratio[step]
    return Change(course, shape, _height(shape, weeks), expected, best / allowed, less)


def _course(shape: Shape, weeks: Floats) -> Floats:
    return shape.course(np.arange(len(weeks), dtype=np.float64))


def _height(shape: Shape, weeks: Floats) -> float:
    """Height of a shape: least squares, weeks far from it left out."""
    course = _course(shape, weeks)
    use = np.ones(len(weeks), np.bool_)
    height = 0.0
    for _ in range(3):
        fitted = np.polyfit(course[use], weeks[use], 1)
        height = float(fitted[0])
        off = np.abs(weeks - np.polyval(fitted, course))
        use = off <= 4 * 1.4826 * float(np.median(off)) + 1e-12
        if np.ptp(course[use]) == 0:
            break
    return height
