"""Whole days copied from earlier days of the same or another sensor.

A stretch of readings equal to an earlier one is a copy when so many equal values are beyond chance. Each value tells as much
as it is rare: the chance that it comes again is taken as the largest of how often the sensor has it at that time of day, how
often it makes that step from its predecessor, how often that predecessor is followed by it, and, for a count n, of the most
likely value of a Poisson count of mean n, which is what two equally busy days would share. The product over the stretch, times
the pairs of stretches there are, is how many such copies chance would make.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analytics.sensing.quality.findings import ALPHA, Finding, Found, Skipped
from analytics.sensing.quality.grid import Floats, Integers, Series

WINDOW_H = 6
"""Stretches are looked up by so many hours in a row. [h]"""
LEAST_BITS = 10.0
"""A window that tells less is not looked up: quiet nights are alike."""
NEAREST_H = 12
"""The same sensor's readings are compared when this far apart or more. [h]"""
_BASE = np.uint64(0x9E3779B97F4A7C15)


def find_copies(series: Series) -> Found:
    """Find stretches that repeat earlier readings of the same sensor, or those of another one.

    Args:
        series: Readings of one observed property, without dead sensors.

    Returns:
        Findings `copied_day` over the later stretch, and `same_readings` where two sensors read the same at the same instants:
        one is stored as the other too, or one is the sum of which the other is all there is.
    """
    found = Found()
    size = max(4, WINDOW_H * 3600 // series.step_s)
    steps = series.values.shape[1]
    if series.step_s > 3600 or steps < size:
        reason = f"a reading every {series.step_s} s over {steps} steps; expected an hour or less and {WINDOW_H} hours"
        found.skipped.append(Skipped("copies", "*", series.observed_property, reason))
        return found
    bits = np.stack([_bits(series, site) for site in range(len(series.sites))])
    cells = np.isfinite(series.values).sum()
    pairs = float(cells) ** 2 / 2
    for site, source, first, last, lag in _stretches(series.values, bits, size, max(1, NEAREST_H * 3600 // series.step_s)):
        # the first value has no predecessor of its own; a copy begins with it all the same
        told = float(bits[site, first + 1 : last + 1].sum())
        expected = pairs * 2.0 ** -min(told, 1000)
        if expected > ALPHA:
            continue
        evidence: dict[str, float | str] = {
            "hours": (last - first + 1) * series.step_s / 3600,
            "copied_from": series.sites[source],
            "copied_from_at": series.start(first - lag).isoformat(),
            "days_back": lag * series.step_s / 86_400,
            "bits": round(told, 1),
        }
        kind = "copied_day" if lag else "same_readings"
        for copy in [site] if lag else [site, source]:
            evidence = {**evidence, "copied_from": series.sites[site if copy == source and not lag else source]}
            span = series.start(first), series.start(last + 1)
            found.findings.append(Finding(series.sites[copy], series.observed_property, kind, *span, 1 - expected, evidence))
    return found


def _bits(series: Series, site: int) -> Floats:
    """How much each value tells that it is the same as another one, in bits, shape `(steps,)`."""
    values = series.values[site]
    seen = np.isfinite(values)
    bits = np.zeros(len(values))
    if seen.sum() < 2:
        return bits
    _, kind = np.unique(np.where(seen, values, 0.0), return_inverse=True)
    slot = kind * series.steps_a_day + series.time_of_day
    chance = _frequency(slot, seen) * _number_at(series.time_of_day, seen) ** -1.0
    with np.errstate(over="ignore"):
        step = np.concatenate([[np.nan], np.round(np.diff(values), 9)])
    moved = np.isfinite(step)
    _, change = np.unique(np.where(moved, step, 0.0), return_inverse=True)
    chance = np.maximum(chance, np.where(moved, _frequency(change, moved) / max(1, moved.sum()), 1.0))
    # as in a calm night: this value after its predecessor, in the other hours with such a predecessor
    before = np.concatenate([[0], kind[:-1]])
    _, pair = np.unique(before * (int(kind.max()) + 1) + kind, return_inverse=True)
    others = np.maximum(_frequency(pair, moved) - 2, 0) / np.maximum(_frequency(before, moved) - 2, 1)
    chance = np.maximum(chance, np.where(moved, others, 1.0))
    if series.is_count:
        mean = np.maximum(np.where(seen, values, 0.0), 0.0)
        likeliest = np.where(mean < 1, 1.0, 1 / np.sqrt(2 * np.pi * np.maximum(mean, 1)))
        chance = np.maximum(chance, np.minimum(1.0, likeliest))
    bits[seen] = -np.log2(np.clip(chance[seen], 1e-9, 1.0))
    return bits


def _frequency(kind: npt.NDArray[np.intp], use: npt.NDArray[np.bool_]) -> Floats:
    """How often each used step's kind occurs, shape `(steps,)`."""
    counted: Floats = np.bincount(kind[use], minlength=int(kind.max()) + 1).astype(np.float64)[kind]
    return counted


def _number_at(slot: Integers, use: npt.NDArray[np.bool_]) -> Floats:
    number: Floats = np.maximum(1.0, np.bincount(slot[use], minlength=int(slot.max()) + 1).astype(np.float64))[slot]
    return number


def _stretches(values: Floats, bits: Floats, size: int, nearest: int) -> list[tuple[int, int, int, int, int]]:
    """Every stretch equal to an earlier one: sensor, source, first and last step, lag in steps."""
    sites, steps = values.shape
    windows = steps - size + 1
    marks = np.empty((sites, windows), np.uint64)
    worth = np.empty((sites, windows), np.bool_)
    for site in range(sites):
        raw = np.where(np.isfinite(values[site]), values[site], 0.0).view(np.uint64)
        mixed = (raw ^ (raw >> np.uint64(31))) * _BASE
        mark = np.zeros(windows, np.uint64)
        for offset in range(size):
            mark = (mark * np.uint64(6364136223846793005)) + mixed[offset : offset + windows]
        marks[site] = mark
        told = np.concatenate([[0.0], np.cumsum(bits[site])])
        missing = np.concatenate([[0], np.cumsum(~np.isfinite(values[site]))])
        worth[site] = (told[size:] - told[:-size] >= LEAST_BITS) & (missing[size:] == missing[:-size])
    ordered = np.sort(marks[worth])
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if not len(twice):
        return []
    for site in range(sites):
        at = np.minimum(np.searchsorted(twice, marks[site]), len(twice) - 1)
        worth[site] &= twice[at] == marks[site]
    site_at, step_at = np.nonzero(worth)
    order = np.lexsort((site_at, step_at, marks[site_at, step_at]))
    site_at, step_at = site_at[order], step_at[order]
    group = np.searchsorted(twice, marks[site_at, step_at])
    first_of: dict[int, list[tuple[int, int]]] = {}
    matches: dict[tuple[int, int, int], list[int]] = {}
    for number, site, step in zip(group.tolist(), site_at.tolist(), step_at.tolist(), strict=True):
        earlier = first_of.setdefault(number, [])
        # the sensor's own earliest stretch explains a copy better than another sensor's
        own = [one for one in earlier if one[0] == site and step - one[1] >= nearest]
        other = [one for one in earlier if one[0] != site]
        for source, since in (own or other)[:1]:
            matches.setdefault((site, source, step - since), []).append(step)
        earlier.append((site, step))
    found = []
    for (site, source, lag), starts in matches.items():
        at = np.array(sorted(starts))
        cut = np.flatnonzero(np.diff(at) > size)
        for begin, end in zip(np.concatenate([[0], cut + 1]), np.concatenate([cut, [len(at) - 1]]), strict=True):
            found += _confirmed(values, site, source, int(at[begin]), int(at[end]) + size - 1, lag)
    return found


def _confirmed(values: Floats, site: int, source: int, first: int, last: int, lag: int) -> list[tuple[int, int, int, int, int]]:
    """The parts of a stretch that truly are equal, extended as far as they are."""
    later, earlier = values[site], values[source]
    while first - 1 - lag >= 0 and first >= 1 and later[first - 1] == earlier[first - 1 - lag]:
        first -= 1
    while last + 1 < len(later) and later[last + 1] == earlier[last + 1 - lag]:
        last += 1
    same = later[first : last + 1] == earlier[first - lag : last + 1 - lag]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return [
        (site, source, first + int(begin), first + int(end) - 1, lag)
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
    ]
