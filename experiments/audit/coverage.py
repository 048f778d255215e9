"""How often an audit's intervals hold the truth, on invented streets whose every crossing is known.

`python -m experiments.audit.coverage [REPLICATES]` prints the shares; a test holds them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.audit.bounds import Floats, fit
from experiments.audit.sample import Population, draw


@dataclass(frozen=True)
class Regime:
    """How a counter errs, and how much is audited.

    Attributes:
        name: Name of the regime.
        missed: Share of the crossings that is missed on average; each cell has its own.
        false: False crossings per cell and interval.
        spread: How much misses and false crossings differ from interval to interval; 0 is not at all.
        dark: Share missed beside in the last three tenths of the intervals, which are night.
        cells: Cells.
        intervals: Intervals.
        flow: True crossings per cell and interval on average.
        audited: Intervals counted by hand.
    """

    name: str
    missed: float
    false: float
    spread: float
    dark: float
    cells: int
    intervals: int
    flow: float
    audited: int


@dataclass(frozen=True)
class Coverage:
    """Shares of the intervals that held the truth.

    Attributes:
        regime: Name of the regime.
        each: Of single counts that were not counted by hand.
        cell: Of the totals of a cell.
        total: Of the total of all cells.
        width: Mean width of a cell's interval relative to its true total.
    """

    regime: str
    each: float
    cell: float
    total: float
    width: float


REGIMES = (
    Regime("perfect", 0, 0, 0, 0, 6, 40, 2, 10),
    Regime("few missed", 0.05, 0, 0, 0, 6, 240, 2, 20),
    Regime("a fifth missed", 0.2, 0, 0, 0, 6, 240, 8, 60),
    Regime("false ones", 0, 0.2, 0, 0, 6, 240, 2, 20),
    Regime("both", 0.1, 0.1, 0.1, 0, 6, 240, 2, 20),
    Regime("both, quiet street", 0.1, 0.1, 0.1, 0, 12, 240, 0.3, 20),
    Regime("in bursts", 0.2, 0.2, 0.3, 0, 6, 240, 2, 20),
    Regime("in bursts, busy street", 0.2, 0.2, 0.3, 0, 4, 240, 30, 20),
    Regime("worse at night", 0.05, 0.05, 0.1, 0.3, 6, 240, 8, 60),
    Regime("bad, in bursts", 0.4, 0.3, 0.3, 0.2, 6, 240, 2, 20),
    Regime("small audit", 0.1, 0.1, 0.1, 0, 2, 40, 2, 8),
)


def streets(regime: Regime, rng: np.random.Generator) -> Iterator[tuple[Population, Floats]]:
    """Invented streets without end: what was counted, and the truth, shape `(cells, intervals)`."""
    shape = (regime.cells, regime.intervals)
    night = np.arange(regime.intervals) >= 0.7 * regime.intervals if regime.dark else np.zeros(regime.intervals, dtype=bool)
    names = tuple((f"line{cell}", "ahead", "any") for cell in range(regime.cells))
    while True:
        level = regime.flow * rng.gamma(2, 0.5, (regime.cells, 1)) * np.exp(rng.normal(0, 0.7, regime.intervals))
        true = rng.poisson(level * rng.gamma(1 / 0.3, 0.3, shape))
        missed = np.clip(regime.missed * rng.gamma(8, 1 / 8, (regime.cells, 1)), 0, 0.9) + np.where(night, regime.dark, 0.0)
        missed = np.clip(missed, 0, 0.95) * np.ones(shape)
        false = regime.false * np.ones(shape)
        if regime.spread:
            missed = rng.beta(np.maximum(missed / regime.spread, 1e-6), np.maximum((1 - missed) / regime.spread, 1e-6))
            false = false * rng.gamma(1 / regime.spread, regime.spread, shape)
        counted = (rng.binomial(true, 1 - missed) + rng.poisson(false)).astype(np.float64)
        start_s = 15.0 * np.arange(regime.intervals, dtype=np.float64)
        brightness = np.where(night, 20.0, 150.0)
        yield Population(names, start_s, 15, counted, brightness, np.zeros(regime.intervals)), true.astype(np.float64)


def coverage(regime: Regime, replicates: int, *, level: float = 0.9, seed: int = 1) -> Coverage:
    """Audit many invented streets and see how often the intervals hold the truth."""
    each, cell, total, width = [], [], [], []
    made = streets(regime, np.random.default_rng(seed))
    for replicate in range(replicates):
        people, truth = next(made)
        sample = draw(people, regime.audited, seed=replicate)
        manual = np.where(sample.drawn, truth, np.nan)
        fitted = fit(people.automatic, manual, sample.inclusion, people.light())
        lower, upper = fitted.each(level=level)
        each.append(((lower <= truth) & (truth <= upper))[:, ~sample.drawn].mean())
        totals = [fitted.total(number, level=level) for number in range(regime.cells)]
        sums = truth.sum(axis=1)
        cell.append(np.mean([one.lower <= true <= one.upper for one, true in zip(totals, sums, strict=True)]))
        width.append(sum(one.upper - one.lower for one in totals) / max(1.0, sums.sum()))
        whole = fitted.together(np.ones(regime.cells, dtype=bool)).total(level=level)
        total.append(whole.lower <= sums.sum() <= whole.upper)
    return Coverage(regime.name, *(float(np.mean(values)) for values in (each, cell, total, width)))


def main() -> None:
    """Print the coverage of every regime, nominally 90 and 95 percent."""
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    for level in (0.9, 0.95):
        for regime in REGIMES:
            found = coverage(regime, replicates, level=level)
            print(
                f"{level:.0%}  {found.regime:24s} each {found.each:.3f}  cell {found.cell:.3f}  total {found.total:.3f}  "
                f"width {found.width:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
