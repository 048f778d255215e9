"""Dead sensors: stored as zeros, or as one value that never changes.

Zeros of a counter are judged by what it usually counts in the same hours of the week: even where only a twentieth of the
usual number came, or as little as at the quieter of its neighbours in those hours, a Poisson count would be 0 so long less than
`ALPHA` times in the whole network. Any other value is judged by how often it is followed by itself elsewhere in the record: a
run of n has the chance p^(n-1).
"""

from __future__ import annotations

import numpy as np

from analytics.sensing.quality.findings import ALPHA, Finding, Found
from analytics.sensing.quality.grid import Floats, Integers, Series, usual_values

QUIETEST = 0.05
"""The share of its usual count that a street still has at its quietest: the deepest weeks of a lockdown."""
PRIOR_REPEATS = 10.0
"""A value's own rate of repeats counts in full once it was seen this many times; before, the sensor's rate leads."""
SHORTEST_H = 3.0
"""A shorter run is no outage, however unlikely. [h]"""


def find_dead(series: Series) -> Found:
    """Find runs of zeros and of other constants that no living sensor has.

    Args:
        series: Readings of one observed property.

    Returns:
        Findings `stuck_zero` and `stuck_value`, from the first to the last equal reading.
    """
    found = Found()
    runs = [_runs(values) for values in series.values]
    total = max(1, sum(len(first) for first, *_ in runs))
    usual = np.empty((0, 0))
    if series.is_count:
        usual = np.stack([np.nan_to_num(usual_values(series, site)) for site in range(len(series.sites))])
        usual[~np.isfinite(series.values)] = 0
    for site, (first, last, number, value) in enumerate(runs):
        if not len(first):
            continue
        chance = _chance_of_constants(number, value, is_count=series.is_count)
        missed = np.full(len(first), np.nan)
        if series.is_count:
            until = np.concatenate([[0.0], np.cumsum(usual[site])])
            missed = until[last + 1] - until[first]
            chance[value == 0] = np.exp(-np.minimum(700, QUIETEST * missed[value == 0]))
            for at in np.flatnonzero((value == 0) & (chance * total <= ALPHA)):
                share = _share_of_others(series, usual, site, int(first[at]), int(last[at]) + 1)
                chance[at] = np.exp(-min(700.0, share * missed[at]))
        expected = chance * total
        hours = number * series.step_s / 3600
        for at in np.flatnonzero((expected <= ALPHA) & (hours >= SHORTEST_H)):
            kind = "stuck_zero" if value[at] == 0 else "stuck_value"
            evidence: dict[str, float | str] = {"value": float(value[at]), "hours": float(hours[at])}
            if series.is_count:
                evidence["usual_count"] = round(float(missed[at]), 1)
            start, end = series.start(int(first[at])), series.start(int(last[at]) + 1)
            confidence = 1 - float(expected[at])
            found.findings.append(Finding(series.sites[site], series.observed_property, kind, start, end, confidence, evidence))
    return found


def _share_of_others(series: Series, usual: Floats, site: int, first: int, end: int) -> float:
    """The share of its usual count that the quieter of the others had in some steps, at most `QUIETEST`."""
    counted = np.nansum(series.values[:, first:end], axis=1)
    expected = usual[:, first:end].sum(axis=1)
    # one that counted nothing at all may be dead itself
    living = (counted > 0) & (expected > 0)
    living[site] = False
    return min(QUIETEST, float(np.quantile(counted[living] / expected[living], 0.25))) if living.any() else QUIETEST


def _runs(values: Floats) -> tuple[Integers, Integers, Integers, Floats]:
    """First step, last step, length and value of each run of equal readings; missing steps do not end a run."""
    at = np.flatnonzero(np.isfinite(values))
    if not len(at):
        return at, at, at, np.empty(0)
    seen = values[at]
    begins = np.concatenate([[0], np.flatnonzero(np.diff(seen) != 0) + 1])
    ends = np.concatenate([begins[1:] - 1, [len(seen) - 1]])
    return at[begins], at[ends], ends - begins + 1, seen[begins]


def _chance_of_constants(number: Integers, value: Floats, *, is_count: bool) -> Floats:
    """Chance of each run under the rate at which its value repeats elsewhere, shape `(runs,)`."""
    _, which = np.unique(value, return_inverse=True)
    repeats, followed = np.bincount(which, weights=number - 1), np.bincount(which, weights=number)
    other_repeats, other = repeats[which] - (number - 1), followed[which] - number
    rate = (repeats.sum() - (number - 1)) / np.maximum(1, followed.sum() - number)
    rate = np.clip(rate, 0.01, 0.99)
    p = (other_repeats + PRIOR_REPEATS * rate) / (other + PRIOR_REPEATS)
    if is_count:
        # as often as a Poisson count of an unchanging mean repeats, whatever the rest of the day does
        p = np.maximum(p, 1 / np.sqrt(2 * np.pi * np.maximum(value, 1)))
    chance: Floats = np.exp((number - 1) * np.log(np.clip(p, 1e-6, 1 - 1e-9)))
    return chance
