"""From costs, benefits and an uncertain effect to money, with its uncertainty.

Real prices of one base year; year 0 is not discounted (HM Treasury, Green Book). What is not given as money is not
counted, and is listed beside the result by whoever writes the pilot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.impact import Effect
from experiments.pilot import Money, Pilot

OPTIMISM = 2.0
"""Upper bound of optimism bias on capital cost of equipment and development: 200 % (Mott MacDonald 2002, as in the Green
Book's supplementary guidance). A digital pilot starts here."""
DAYS_A_YEAR = 365.25

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Benefit:
    """Costs and benefits of a pilot over its horizon, as a distribution.

    Attributes:
        currency: Currency and price base, such as `EUR 2026`.
        horizon_years: Years counted. [a]
        cost: Present value of the costs at 5, 50 and 95 %.
        benefit: Present value of the benefits at 5, 50 and 95 %.
        npv: Net present value at 5, 50 and 95 %.
        bcr: Benefit-cost ratio at the median.
        bcr_with_optimism_bias: The same with capital costs raised by `OPTIMISM`.
        p_npv_positive: Probability that the benefits outweigh the costs.
        category: Value for money as the UK Department for Transport words it, from `bcr_with_optimism_bias`.
        switching_factor: By how much all benefits must be multiplied for the median net present value to be 0.
        draws: Monte Carlo draws.
        seed: Of the draws.
    """

    currency: str
    horizon_years: int
    cost: tuple[float, float, float]
    benefit: tuple[float, float, float]
    npv: tuple[float, float, float]
    bcr: float
    bcr_with_optimism_bias: float
    p_npv_positive: float
    category: str
    switching_factor: float
    draws: int
    seed: int


def present_value_factor(rate: float, first: int, last: int) -> float:
    """Sum of the discount factors of the years first to last.

    Args:
        rate: Real discount rate per year. [1/a]
        first: First year in which money flows; 0 is now.
        last: Last year, included.

    Example:
        >>> round(present_value_factor(0.035, 1, 1), 4)
        0.9662
        >>> round(present_value_factor(0.035, 10, 10), 4)
        0.7089
    """
    return float(sum((1 + rate) ** -year for year in range(first, last + 1)))


def pert(low: float, likely: float, high: float, generator: np.random.Generator, draws: int) -> Floats:
    """Draws from the PERT distribution (a beta distribution with weight 4 on the likely value), shape `(draws,)`."""
    if high == low:
        return np.full(draws, likely)
    a, b = 1 + 4 * (likely - low) / (high - low), 1 + 4 * (high - likely) / (high - low)
    return low + (high - low) * generator.beta(a, b, size=draws)


def value_for_money(bcr: float) -> str:
    """Category of a benefit-cost ratio.

    Source:
        UK Department for Transport, Value for Money Framework.

    Example:
        >>> [value_for_money(r) for r in (0.9, 1.2, 1.7, 2.5, 5)]
        ['poor', 'low', 'medium', 'high', 'very high']
    """
    return next(
        word for top, word in ((1, "poor"), (1.5, "low"), (2, "medium"), (4, "high"), (np.inf, "very high")) if bcr < top
    )


def assess(pilot: Pilot, effect: Effect | None, *, draws: int = 10_000) -> Benefit | None:
    """Cost-benefit of a pilot; None when it gives no money at all.

    The effect enters as a normal distribution of its logarithm as wide as its interval; a benefit `per: extra_crossing`
    counts the extra crossings of a year.

    Args:
        pilot: Gives costs, benefits, price base and seed.
        effect: The pilot's effect, for benefits that depend on it.
        draws: Monte Carlo draws.
    """
    if pilot.prices is None or not pilot.costs:
        return None
    generator = np.random.default_rng(pilot.seed)
    extra = np.zeros(draws)
    if effect is not None and effect.relative is not None:
        from scipy.stats import norm

        spread = (effect.upper - effect.lower) / 2 / float(norm.ppf(0.5 + effect.level / 2))
        extra = generator.normal(effect.estimate, spread, size=draws) * DAYS_A_YEAR
    total = {name: np.zeros(draws) for name in ("costs", "benefits", "biased")}
    for kind, items in (("costs", pilot.costs), ("benefits", pilot.benefits)):
        for item in items:
            flow = _present_value(item, pilot, generator, draws) * (extra if item.per == "extra_crossing" else 1.0)
            total[kind] += flow
            if kind == "costs":
                total["biased"] += flow * (1 + OPTIMISM if item.capital else 1.0)
    net = total["benefits"] - total["costs"]
    low, middle, high = (_three(total["costs"]), _three(total["benefits"]), _three(net))
    biased_cost = float(np.median(total["biased"]))
    bcr_biased = middle[1] / biased_cost
    return Benefit(
        currency=f"{pilot.prices.currency} {pilot.prices.year}",
        horizon_years=pilot.prices.horizon_years,
        cost=low,
        benefit=middle,
        npv=high,
        bcr=middle[1] / low[1],
        bcr_with_optimism_bias=bcr_biased,
        p_npv_positive=float((net > 0).mean()),
        category=value_for_money(bcr_biased),
        switching_factor=low[1] / middle[1] if middle[1] > 0 else float("inf"),
        draws=draws,
        seed=pilot.seed,
    )


def _present_value(item: Money, pilot: Pilot, generator: np.random.Generator, draws: int) -> Floats:
    assert pilot.prices is not None
    last = item.year
    if item.per in ("year", "extra_crossing"):
        last = item.every_year_until if item.every_year_until is not None else pilot.prices.horizon_years - 1
    factor = present_value_factor(pilot.prices.discount_rate, item.year, last)
    return pert(item.low, item.likely, item.high, generator, draws) * factor


def _three(values: Floats) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)
