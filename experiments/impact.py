"""The effect of a pilot, with an interval and a p-value from placebo assignments.

One street or square is one unit of assignment: the treated sites are pooled, and inference compares their change with the
change of every control taken as if it had been treated. With J controls no p-value below 1/(J+1) can come out, and no
interval above the level 1 - 1/(J+1) can be had; both are reported.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from experiments.outcome import Panel

Floats = npt.NDArray[np.float64]
POOR_FIT = 2.0
"""A synthetic control whose fit before the change is worse than this many times the placebos' median decides nothing."""


@dataclass(frozen=True)
class Effect:
    """What a method found.

    Attributes:
        method: `synthetic_control`, `diff_in_diff` or `descriptive`.
        estimate: Mean difference to what would have been expected. [the outcome's: crossings/day or
            the unit of the readings; crossings/minute when descriptive]
        lower: Lower end of the interval of `estimate`.
        upper: Upper end.
        relative: The difference as a share of what would have been expected; None when nothing was expected.
        relative_lower: Lower end of its interval.
        relative_upper: Upper end.
        level: Level of both intervals, 0 to 1.
        p_value: Share of assignments with a change at least as large; None when nothing is compared.
        smallest_p: The smallest p-value this design can give.
        units: Units compared, the treated one included.
        notes: What a reader must know, in sentences.
        is_conclusive: False when the method's own conditions are not met.
        counterfactual: What would have been expected in each week, shape `(t,)`. [the outcome's]
        band: Half-width of the interval around `counterfactual` as a factor, shape `(t,)`.
        weights: Control site -> weight, for a synthetic control.
    """

    method: str
    estimate: float
    lower: float
    upper: float
    relative: float | None = None
    relative_lower: float | None = None
    relative_upper: float | None = None
    level: float = 0.95
    p_value: float | None = None
    smallest_p: float | None = None
    units: int = 1
    notes: tuple[str, ...] = ()
    is_conclusive: bool = True
    counterfactual: Floats = field(default_factory=lambda: np.empty(0))
    band: Floats = field(default_factory=lambda: np.empty(0))
    weights: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """The keys of `run --json`, then what explains them; no arrays."""
        return {
            "method": self.method,
            "estimate": self.estimate,
            "lower": self.lower,
            "upper": self.upper,
            "relative": self.relative,
            "relative_lower": self.relative_lower,
            "relative_upper": self.relative_upper,
            "p_value": self.p_value,
            "level": self.level,
            "smallest_p": self.smallest_p,
            "units": self.units,
            "notes": list(self.notes),
            "is_conclusive": self.is_conclusive,
            "weights": self.weights,
        }


def simplex_weights(target: npt.ArrayLike, donors: npt.ArrayLike) -> Floats:
    """Weights, none negative and summing to 1, whose mix of the donors is nearest to the target.

    Args:
        target: Series to match, shape `(t,)`.
        donors: One column per donor, shape `(t, n)`.

    Returns:
        Weights, shape `(n,)`.

    Source:
        Abadie, Diamond and Hainmueller (2010), outcomes before the change as predictors; solved as non-negative least
        squares with the sum as a heavily weighted equation (Lawson and Hanson 1995, chapter 23).

    Example:
        >>> simplex_weights([1.0, 2.0, 4.0], [[1.0, 0.0], [2.0, 5.0], [4.0, 1.0]]).round(6)
        array([1., 0.])
    """
    from scipy.optimize import nnls

    y, x = np.asarray(target, dtype=float), np.asarray(donors, dtype=float)
    heavy = 1e4 * max(1.0, float(np.abs(x).max()))
    weights, _ = nnls(np.vstack([x, np.full((1, x.shape[1]), heavy)]), np.append(y, heavy))
    total = weights.sum()
    return np.asarray(weights / total)


def synthetic_control(panel: Panel) -> Effect:
    """Compare the treated unit with the mix of controls that moved most like it before the change.

    Every series is divided by its own mean before the change, so that streets of different size can be mixed. The gap
    after the change is the ratio of the means. Placebo inference: each control is treated in turn as if it had been
    changed, with the remaining controls as donors.

    Args:
        panel: Weekly outcomes; at least 2 weeks before and 1 after, at least 2 controls.

    Returns:
        The effect; `is_conclusive` is false when the fit before the change is poor against the placebos' median.

    Source:
        Abadie (2021), "Using Synthetic Controls"; ratio of root mean squared prediction errors as the test statistic.
    """
    before = ~panel.is_after
    base = panel.treated[before].mean()
    index = panel.treated / base
    donors = panel.controls / panel.controls[before].mean(axis=0)
    weights = simplex_weights(index[before], donors[before])
    mix = donors @ weights
    log_gap, ratio, misfit = _gap(index, mix, before)
    placebo = []
    for j in range(donors.shape[1]):
        others = np.delete(donors, j, axis=1)
        fitted = others @ simplex_weights(donors[before, j], others[before])
        placebo.append(_gap(donors[:, j], fitted, before))
    ratios = np.array([p[1] for p in placebo])
    median_misfit = float(np.median([p[2] for p in placebo]))
    half, level = _half_width(np.array([p[0] for p in placebo]))
    units = donors.shape[1] + 1
    notes = [
        f"The comparison is a weighted mix of {int((weights > 0.005).sum())} of {donors.shape[1]} other sites that moved "
        f"like the treated ones in the {int(before.sum())} weeks before.",
        f"The interval comes from {donors.shape[1]} placebo effects; with so many sites its level cannot exceed "
        f"{1 - 1 / units:.0%} and no p-value below {1 / units:.3f} is possible.",
    ]
    good = misfit <= POOR_FIT * median_misfit
    if not good:
        notes.append(
            f"Before the change the mix misses the treated sites by {misfit:.1%}, more than {POOR_FIT:g} times the "
            f"placebos' median of {median_misfit:.1%}: this method decides nothing here."
        )
    return _effect(
        "synthetic_control",
        log_gap,
        half,
        level,
        p_value=float((1 + (ratios >= ratio).sum()) / units),
        units=units,
        counterfactual=mix * base,
        after=panel.is_after,
        notes=tuple(notes),
        is_conclusive=good,
        weights={s: round(float(w), 6) for s, w in zip(panel.control_ids, weights, strict=True) if w > 0.005},
    )


def diff_in_diff(panel: Panel) -> Effect:
    """Compare the treated unit's change with the mean change of the controls, as ratios of means.

    The p-value is exact for the assignment: each unit takes the treated unit's place. The interval is as wide as the
    controls' own changes against each other, at 95 % or the highest level the design allows.

    Args:
        panel: Weekly outcomes; at least 1 week before and after and 2 controls; no unit is zero throughout a period.

    Returns:
        The effect of the treated unit.

    Source:
        Difference-in-differences of a multiplicative model, which a week without anyone does not break: with one change
        date, Poisson regression with unit and period effects gives the same ratios for equal weights. Permutation inference
        for few treated units as in Conley and Taber (2011) and MacKinnon and Webb (2020).
    """
    before, after = ~panel.is_after, panel.is_after
    values = np.column_stack([panel.treated, panel.controls])
    change = np.log(values[after].mean(axis=0)) - np.log(values[before].mean(axis=0))
    units = len(change)
    gaps = np.array([change[j] - np.delete(change, j).mean() for j in range(units)])
    among_controls = change[1:]
    placebo = np.array([c - np.delete(among_controls, j).mean() for j, c in enumerate(among_controls)])
    half, level = _half_width(placebo)
    shape = (panel.controls / panel.controls[before].mean(axis=0)).mean(axis=1)
    grown = np.exp(among_controls.mean()) / shape[after].mean()
    expected = panel.treated[before].mean() * shape * np.where(after, grown, 1.0)
    return _effect(
        "diff_in_diff",
        float(gaps[0]),
        half,
        level,
        p_value=float((np.abs(gaps) >= np.abs(gaps[0]) - 1e-12).mean()),
        units=units,
        counterfactual=expected,
        after=after,
        notes=(
            f"The comparison is the mean change of {units - 1} other sites, each with the same weight; it assumes that "
            "without the change the treated sites would have changed like them.",
            f"No p-value below {1 / units:.3f} is possible with {units} units.",
        ),
    )


def descriptive(counts: npt.ArrayLike, interval_s: float, seed: int, *, draws: int = 2_000) -> Effect:
    """Mean crossings per minute with an interval from resampled blocks of intervals; it compares nothing.

    Args:
        counts: Crossings in each measured interval, in order, shape `(n,)`. [crossings]
        interval_s: Length of an interval. [s]
        seed: Of the resampling.
        draws: Resamples.

    Returns:
        An effect whose `estimate` is the mean flow. [crossings/minute]

    Source:
        Moving-block bootstrap, Künsch (1989), block length n^(1/3).
    """
    found = np.asarray(counts, dtype=float)
    n = len(found)
    block = max(1, round(n ** (1 / 3)))
    starts = np.random.default_rng(seed).integers(0, n - block + 1, size=(draws, -(-n // block)))
    samples = found[(starts[..., None] + np.arange(block)).reshape(draws, -1)[:, :n]]
    per_minute = 60.0 / interval_s
    low, high = np.quantile(samples.mean(axis=1), [0.025, 0.975]) * per_minute
    return Effect(
        "descriptive",
        float(found.mean() * per_minute),
        float(low),
        float(high),
        notes=(
            "Descriptive, not causal: nothing is compared. The interval shows how much the flow varied while the camera "
            "looked, not how right the counts are.",
        ),
    )


METHODS = {"synthetic_control": synthetic_control, "diff_in_diff": diff_in_diff}
"""Methods that compare, by the name a pilot file calls them."""


def _gap(found: Floats, expected: Floats, before: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Log ratio of the means after; ratio of the misfits after and before; misfit before (share of the mean)."""
    miss = found - expected
    misfit_before = float(np.sqrt((miss[before] ** 2).mean()))
    misfit_after = float(np.sqrt((miss[~before] ** 2).mean()))
    log_gap = float(np.log(found[~before].mean() / expected[~before].mean()))
    return log_gap, misfit_after / max(misfit_before, 1e-12), misfit_before


def _half_width(placebo: Floats, level: float = 0.95) -> tuple[float, float]:
    """Half-width of the interval in logarithms, and the level that so few placebos allow."""
    units = len(placebo) + 1
    rank = min(len(placebo), int(np.ceil(level * units)))
    return float(np.sort(np.abs(placebo))[rank - 1]), min(level, rank / units)


def _effect(
    method: str,
    log_gap: float,
    half: float,
    level: float,
    *,
    p_value: float,
    units: int,
    counterfactual: Floats,
    after: npt.NDArray[np.bool_],
    notes: tuple[str, ...],
    is_conclusive: bool = True,
    weights: dict[str, float] | None = None,
) -> Effect:
    relative, low, high = (float(np.expm1(log_gap + d)) for d in (0.0, -half, half))
    expected = float(counterfactual[after].mean())
    return Effect(
        method,
        estimate=relative * expected,
        lower=low * expected,
        upper=high * expected,
        relative=relative,
        relative_lower=low,
        relative_upper=high,
        level=level,
        p_value=p_value,
        smallest_p=1 / units,
        units=units,
        notes=notes,
        is_conclusive=is_conclusive,
        counterfactual=counterfactual,
        band=np.where(after, np.exp(half), 1.0),
        weights=weights or {},
    )
