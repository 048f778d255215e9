"""Which intervals to count by hand: a random sample, stratified by light, flow and road user, with known probabilities."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.audit.bounds import Floats, Integers
from experiments.metrics import ScoringError

Cell = tuple[str, str, str]
"""Line, direction and road user."""
LIGHTS = ("day", "dusk", "night", "not known")
FLOWS = ("low", "middle", "high")
OCCLUSIONS = ("free", "some", "much", "not known")
_DUSK, _NIGHT = 105.0, 55.0  # mean brightness of the picture below which it is dusk, and night [0..255]
_SOME, _MUCH = 0.1, 0.3  # share of the road users in view that hide one another
_RARE = 0.1  # a class with a smaller share of the crossings has strata of its own, so that some of it is drawn
_GUESS = 0.3  # residual variance per crossing of a fair counter, before anything was counted by hand


@dataclass(frozen=True)
class Population:
    """Every interval of a count, from which some are drawn.

    Attributes:
        cells: Lines, directions and road users.
        start_s: Start of each interval after the start of the source, shape `(intervals,)`. [s]
        interval_s: Length of an interval. [s]
        automatic: Automatic counts, shape `(cells, intervals)`.
        brightness: Mean brightness of the picture, 0 to 255, NaN where not known, shape `(intervals,)`.
        occlusion: Share of the road users in view that hide one another, NaN where not known, shape `(intervals,)`.
    """

    cells: tuple[Cell, ...]
    start_s: Floats
    interval_s: int
    automatic: Floats
    brightness: Floats
    occlusion: Floats

    def light(self) -> Integers:
        """Light of each interval, an index into `LIGHTS`."""
        bands = np.where(self.brightness < _NIGHT, 2, np.where(self.brightness < _DUSK, 1, 0))
        return np.where(np.isnan(self.brightness), 3, bands).astype(np.int64)

    def hidden(self) -> Integers:
        """Occlusion of each interval, an index into `OCCLUSIONS`."""
        bands = np.where(self.occlusion > _MUCH, 2, np.where(self.occlusion > _SOME, 1, 0))
        return np.where(np.isnan(self.occlusion), 3, bands).astype(np.int64)

    def flow(self) -> Integers:
        """Tercile of the automatic count of all cells together, an index into `FLOWS`."""
        counted = self.volume().sum(axis=0)
        tercile: Integers = np.searchsorted(np.quantile(counted, [1 / 3, 2 / 3]), counted, side="left").astype(np.int64)
        return tercile

    def rarest(self) -> list[str]:
        """The rarest class counted in each interval among those with a small share of all; empty where there is none."""
        named = [cell[2] for cell in self.cells]
        totals = Counter({name: self.automatic[[n == name for n in named]].sum() for name in set(named) - {"any"}})
        rare = [name for name, total in sorted(totals.items(), key=lambda item: item[1]) if total < _RARE * totals.total()]
        rows = {name: self.automatic[[n == name for n in named]].sum(axis=0) for name in rare}
        return [next((name for name in rare if rows[name][i] > 0), "") for i in range(len(self.start_s))]

    def volume(self) -> Floats:
        """Automatic counts without counting anyone twice: where `any` stands beside classes, `any` alone."""
        if any(cell[2] == "any" for cell in self.cells):
            return self.automatic[[cell[2] == "any" for cell in self.cells]]
        return self.automatic

    def strata(self) -> list[str]:
        """Stratum of each interval, such as `dusk, high flow` or `day, low flow, cyclist`."""
        parts = zip(self.light().tolist(), self.flow().tolist(), self.rarest(), strict=True)
        return [f"{LIGHTS[light]}, {FLOWS[flow]} flow" + (f", {rare}" if rare else "") for light, flow, rare in parts]


@dataclass(frozen=True)
class Sample:
    """The intervals to count by hand.

    Attributes:
        drawn: Whether each interval was drawn, shape `(intervals,)`.
        inclusion: Probability with which each could be drawn, above 0, same shape.
        strata: Stratum of each.
        twice: Whether each drawn interval is for a second annotator as well, same shape.
    """

    drawn: npt.NDArray[np.bool_]
    inclusion: Floats
    strata: tuple[str, ...]
    twice: npt.NDArray[np.bool_]


def draw(population: Population, size: int, *, seed: int) -> Sample:
    """Draw intervals at random within strata; the same seed draws the same.

    Every stratum gets at least one; the rest is shared out by the stratum's size times the root of its flow, since a
    count's error grows about as its root (Neyman allocation). One drawn interval in ten, and at least two, is for a second
    annotator too (METHODS.md, section 1.1).

    Args:
        population: Every interval.
        size: How many to draw; more are drawn where there are more strata.
        seed: Seed of the draw.

    Raises:
        ScoringError: The size is below 1.
    """
    if size < 1:
        raise ScoringError(f"audit: a sample of '{size}' intervals was asked for; expected 1 or more; ask for more")
    rng = np.random.default_rng(seed)
    strata = population.strata()
    counted = population.volume().sum(axis=0)
    names = sorted(set(strata))
    members = {name: np.flatnonzero([stratum == name for stratum in strata]) for name in names}
    importance = {name: len(rows) * math.sqrt(counted[rows].mean() + 1) for name, rows in members.items()}
    share = size / sum(importance.values())
    drawn, inclusion = np.zeros(len(strata), dtype=bool), np.zeros(len(strata))
    for name, rows in members.items():
        take = min(len(rows), max(1, round(importance[name] * share)))
        drawn[rng.choice(rows, take, replace=False)] = True
        inclusion[rows] = take / len(rows)
    twice = np.zeros(len(strata), dtype=bool)
    chosen = np.flatnonzero(drawn)
    twice[rng.choice(chosen, min(len(chosen), max(2, math.ceil(len(chosen) / 10))), replace=False)] = True
    return Sample(drawn, inclusion, tuple(strata), twice)


def intervals_needed(population: Population, width: float, *, dispersion: float = _GUESS) -> int:
    """How many intervals to count by hand for the total of all cells to be known to within plus or minus a share of it.

    Args:
        population: Every interval.
        width: Half width of the 95 percent interval, relative to the total, such as 0.1.
        dispersion: Residual variance per crossing; from an earlier audit, or the guess for a fair counter.

    Raises:
        ScoringError: The width is not above 0, or nothing was counted.
    """
    if not 0 < width < 10:
        raise ScoringError(f"audit: width is '{width}'; expected a share above 0, such as 0.1; correct it")
    counted = population.volume().sum(axis=0) + 0.5
    total, intervals = float(counted.sum()), len(counted)
    if population.volume().sum() == 0:
        raise ScoringError("audit: '0' crossings were counted; expected some; a relative width needs traffic")
    for n in range(1, intervals):
        rest = total * (1 - n / intervals)
        if 1.96 * math.sqrt(dispersion * rest * (1 + rest / (total * n / intervals))) <= width * total:
            return n
    return intervals
