"""Shapes that a fault leaves in a sensor's weeks beside its neighbours.

A step, one that is taken back, a ramp that stays, a ramp that was put right. Each is fitted to the weeks by generalised least
squares with the memory of an autoregressive series; the likelihood ratio of the best one against none is compared with the
same of simulated records without a fault, of the same length and memory (Alexandersson 1986; Menne and Williams 2009). Where
all sensors of a network wander more than such records, all of their ratios are as much too large, and are divided by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analytics.sensing.quality.grid import Floats

STEP, BOX, RAMP, RESET = "step", "box", "ramp", "reset"
SIDE_WEEKS = 4
"""A step has so many weeks on either side."""
RAMP_WEEKS = 12
"""A ramp takes so many weeks or more: what is faster is a step."""
GRID = 48
"""Ramps begin and end at so many places of a record, at most; the best one is then refined."""
YEAR_WEEKS = 365.25 / 7
SEASON_WEEKS = round(2 * YEAR_WEEKS)
"""From so many weeks on a sensor's own season is taken out of its record; in a shorter one it competes with all shapes."""
SIMULATIONS = 400
"""Simulated records of each length and memory."""
MEMORIES = 10
"""Memories are told apart in tenths, from 0 to 0.9."""


@dataclass(frozen=True)
class Shape:
    """A shape in a record.

    Attributes:
        kind: `STEP`, `BOX`, `RAMP` or `RESET`.
        begin: First week of it: of the new level, or the last of the old one before a ramp.
        end: Week in which a ramp has come to its end, or it was put right; the number of weeks for a step.
    """

    kind: str
    begin: int
    end: int

    def course(self, week: Floats) -> Floats:
        """The shape with height 1, shape `(weeks,)`."""
        if self.kind == STEP:
            return (week >= self.begin).astype(np.float64)
        if self.kind == BOX:
            return ((week >= self.begin) & (week < self.end)).astype(np.float64)
        ramp: Floats = np.clip((week - self.begin) / max(1, self.end - self.begin), 0.0, 1.0)
        return np.where(week < self.end, ramp, 0.0) if self.kind == RESET else ramp


@dataclass(frozen=True)
class Fit:
    """The best shapes of a record.

    Attributes:
        memory: Of the weeks about the best shape, in tenths.
        ratio: Log likelihood ratio of the best shape of each kind against none, by kind.
        shape: The best shape of each kind, by kind.
        season: The ratio of a season, a year's sine: it competes in records that are too short to tell it.
    """

    memory: int
    ratio: dict[str, float]
    shape: dict[str, Shape]
    season: float

    @property
    def best(self) -> float:
        """The largest ratio of all shapes."""
        return max(self.ratio.values())


def candidates(number: int) -> list[Shape]:
    """All shapes that are looked for in so many weeks."""
    places = sorted({round(one) for one in np.linspace(0, number, min(number, GRID) + 1)})
    ramps = [(begin, end) for begin in places for end in places if end - begin >= RAMP_WEEKS]
    inside = [one for one in places if SIDE_WEEKS <= one <= number - SIDE_WEEKS]
    return [
        *(Shape(STEP, at, number) for at in range(SIDE_WEEKS, number - SIDE_WEEKS + 1)),
        *(Shape(BOX, begin, end) for begin in inside for end in inside if end - begin >= SIDE_WEEKS),
        *(Shape(RAMP, begin, end) for begin, end in ramps),
        *(Shape(RESET, begin, end) for begin, end in ramps if end <= number - SIDE_WEEKS),
    ]


@lru_cache(maxsize=64)
def _basis(number: int, memory: int) -> tuple[tuple[Shape, ...], Floats, Floats, Floats]:
    """Shapes, their whitened and normalised courses, an orthonormal basis of what is no shape, and of a season."""
    week = np.arange(number, dtype=np.float64)
    shapes = tuple(candidates(number))
    courses = np.stack([one.course(week) for one in shapes])
    year = 2 * np.pi * week / YEAR_WEEKS
    season = np.stack([np.sin(year), np.cos(year)])
    level = np.ones((1, number))
    nuisance = _whitened(np.concatenate([level, season]) if number >= SEASON_WEEKS else level, memory)
    flat = np.linalg.qr(nuisance.T)[0].T
    sine = _without(_whitened(season, memory), flat)
    # a year's sine stands only where most of a year was seen and not two
    sine = np.linalg.qr(sine.T)[0].T if 0.75 * YEAR_WEEKS <= number < SEASON_WEEKS else np.zeros((2, number))
    courses = _without(_whitened(courses, memory), flat)
    size = np.sqrt((courses**2).sum(axis=1, keepdims=True))
    return shapes, courses / np.maximum(size, 1e-9) * (size > 1e-6), flat, sine


def _whitened(rows: Floats, memory: int) -> Floats:
    """Rows without their memory, shape `(rows, weeks)`."""
    keep = memory / MEMORIES
    result = rows.copy()
    result[:, 1:] -= keep * rows[:, :-1]
    result[:, 0] *= np.sqrt(1 - keep**2)
    return result


def _without(rows: Floats, flat: Floats) -> Floats:
    """Rows without their part in an orthonormal basis."""
    left: Floats = rows - (rows @ flat.T) @ flat
    return left


def _ratios(rows: Floats, memory: int) -> tuple[Floats, Floats]:
    """Log likelihood ratio of each shape, and of a season, in some records, shapes `(rows, shapes)` and `(rows,)`."""
    number = rows.shape[1]
    _, courses, flat, sine = _basis(number, memory)
    left = _without(_whitened(rows, memory), flat)
    total = np.maximum((left**2).sum(axis=1, keepdims=True), 1e-12)
    explained = (left @ courses.T) ** 2 / total
    season = ((left @ sine.T) ** 2).sum(axis=1) / total[:, 0]
    return -number * np.log1p(-np.minimum(explained, 1 - 1e-9)), -number * np.log1p(-np.minimum(season, 1 - 1e-9))


def memory_of(rows: Floats) -> Floats:
    """Memory of the weeks about their best shape, as far as so few weeks tell, 0 to 1, shape `(rows,)`."""
    told: Floats = np.interp(_seeming(rows), _seeming_usually(rows.shape[1]), np.arange(MEMORIES) / MEMORIES)
    return told


def _seeming(rows: Floats) -> Floats:
    """Autocorrelation of the weeks about their best shape: shapes and level take some of the memory with them."""
    _, courses, flat, _ = _basis(rows.shape[1], 0)
    left = _without(rows, flat)
    best = np.argmax((left @ courses.T) ** 2, axis=1)
    left = left - (left * courses[best]).sum(axis=1, keepdims=True) * courses[best]
    share: Floats = (left[:, 1:] * left[:, :-1]).sum(axis=1) / np.maximum((left**2).sum(axis=1), 1e-12)
    return share


def fit_shapes(rows: Floats, memory: int) -> list[Fit]:
    """The best shapes of some records of the same length, without gaps.

    Args:
        rows: Weeks of each, shape `(records, weeks)`.
        memory: Memory of their weeks, in tenths.
    """
    shapes = _basis(rows.shape[1], memory)[0]
    kinds = np.array([shape.kind for shape in shapes])
    fits = []
    for ratio, season in zip(*_ratios(rows, memory), strict=True):
        best = {str(kind): int(np.flatnonzero(kinds == kind)[np.argmax(ratio[kinds == kind])]) for kind in np.unique(kinds)}
        told = {kind: float(ratio[number]) for kind, number in best.items()}
        fits.append(Fit(memory, told, {kind: shapes[number] for kind, number in best.items()}, float(season)))
    return fits


@lru_cache(maxsize=256)
def _simulated(number: int, memory: int) -> Floats:
    """Records without a fault."""
    random = np.random.default_rng([20_090_201, memory])
    rows, keep = random.standard_normal((SIMULATIONS, number)), memory / MEMORIES
    for at in range(1, number):
        rows[:, at] = keep * rows[:, at - 1] + np.sqrt(1 - keep**2) * rows[:, at]
    return rows


@lru_cache(maxsize=64)
def _seeming_usually(number: int) -> Floats:
    """What memory the records without a fault seem to have, of each memory, shape `(MEMORIES,)`."""
    usual = np.array([np.median(_seeming(_simulated(number, memory)[: SIMULATIONS // 4])) for memory in range(MEMORIES)])
    return np.maximum.accumulate(usual + 1e-9 * np.arange(MEMORIES))


@lru_cache(maxsize=256)
def chance_law(number: int, memory: int) -> tuple[float, float, float]:
    """Mode and spread of the Gumbel law of the best ratio in records without a fault, and its median."""
    best = _ratios(_simulated(number, memory), memory)[0].max(axis=1)
    spread = float(best.std() * np.sqrt(6) / np.pi)
    return float(best.mean()) - float(np.euler_gamma) * spread, spread, float(np.median(best))
