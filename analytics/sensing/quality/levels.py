"""Level shifts: a sensor that from one week on reads more or less than its neighbours say it should.

As climatology finds breaks in its station records (Alexandersson 1986; Menne and Williams 2009): the logarithm of a sensor's
daily reading less the median of its most similar neighbours', by weeks; where the medians of the weeks before and of those
after differ by more than those of an autoregressive series with the same memory and scatter do anywhere in the record, by
simulation, the level has shifted. Both are taken with the largest jump left out.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from analytics.sensing.quality.findings import ALPHA, Finding, Found, Skipped
from analytics.sensing.quality.grid import Floats, Series, medians_by

NEIGHBOURS = 5
"""A sensor is compared with so many of the others, those whose weeks go up and down as its own do."""
FEWEST = 3
"""With fewer neighbours nobody can say whose level it was."""
SIDE_WEEKS = 6
"""Weeks before and after a shift whose medians are compared."""
SMALLEST = 0.1
"""A smaller relative change is within what makers of counters and low-cost sensors promise at best."""
SIMULATIONS = 500
SHARED = 1 / 3
"""Others moved with a sensor when they did by this share of its own jump."""
MOVED = 0.02
"""Chance of a jump in a clean record's side, from which on a sensor counts as one that moved with others."""
FEWEST_WEEKS = 48
"""In a shorter record a season cannot be told from a shift."""
COMMON_SHARE = 0.15
"""Where more than this share of the sensors, and more than two, jump within half a side, the city changed."""
DAY_SHARE = 0.8
"""A day counts when this share of its steps was measured."""


def find_level_shifts(series: Series) -> Found:
    """Find lasting jumps against the neighbours.

    Args:
        series: Readings of one observed property, without what was not measured.

    Returns:
        Findings `level_shift` (`common_shift` where many sensors shift at once) from the jump to the next one or the end of the
        record; `relative_change` is against the level before (`change`, in its unit, where readings can be negative).
    """
    found = Found()
    name = series.observed_property

    def skip(site: str, reason: str) -> None:
        found.skipped.append(Skipped("levels", site, name, reason))

    if len(series.sites) <= FEWEST:
        skip("*", f"{len(series.sites)} sensors; expected {FEWEST + 1}: with fewer nobody can say whose level shifted")
        return found
    with np.errstate(invalid="ignore"):
        is_log = not (series.values < 0).any()
    days, first_day = _days(series, is_log)
    moved = dict[str, list[tuple[datetime, float]]]()
    weeks = _weeks(days, first_day)
    with np.errstate(invalid="ignore"):
        differences = np.diff(weeks, axis=1)
    for site, place in enumerate(series.sites):
        near = _neighbours(differences, site)
        if len(near) < FEWEST:
            skip(place, f"{len(near)} neighbours move with it; expected {FEWEST}")
            continue
        course = _against(days, near, site)
        weekly = _weeks(course[None, :], first_day)[0]
        seen = np.flatnonzero(np.isfinite(weekly))
        if len(seen) < FEWEST_WEEKS:
            skip(place, f"{len(seen)} weeks beside its neighbours; expected {FEWEST_WEEKS}")
            continue
        week = weekly[seen]
        jumps = _jumps(week)
        memory, scatter = _noise(week, jumps)
        mode, spread, usual = _null(len(week), memory)
        # a record that wanders more than its weeks alone explain has larger jumps everywhere
        scatter = max(scatter, _wandering(jumps, usual))
        allowed = scatter * (mode - spread * float(np.log(-np.log1p(-ALPHA / len(series.sites)))))
        # so large that it comes in any `SIDE_WEEKS` weeks of a clean record with a chance of `MOVED`
        moves = scatter * (mode + spread * float(np.log(SIDE_WEEKS / (MOVED * len(week)))))
        moved[place] = [
            (series.start(int(np.searchsorted(series.day, first_day + int(seen[one]) * 7))), abs(float(jumps[one])))
            for one in _peaks(np.abs(jumps), moves)
        ]
        smallest = float(np.log1p(SMALLEST)) if is_log else 0.0
        at = _peaks(np.abs(jumps), max(allowed, smallest))
        begins = [_refine(course, int(seen[position]) * 7, SIDE_WEEKS * 7) for position in at]
        for begin, until, position in zip(begins, [*begins, len(course)][1:], at, strict=True):
            jump = float(jumps[position])
            over = -float(np.expm1(-np.exp((mode - abs(jump) / scatter) / spread))) * len(series.sites)
            change = "relative_change" if is_log else "change"
            evidence: dict[str, float | str] = {
                "jump": round(jump, 4),
                change: round(float(np.expm1(jump)) if is_log else jump, 4),
                "times_chance": round(abs(jump) / allowed, 2),
                "neighbours": ", ".join(series.sites[other] for other in near),
            }
            start, end = (series.start(int(np.searchsorted(series.day, first_day + day))) for day in (begin, until))
            found.findings.append(Finding(place, name, "level_shift", start, end, max(0.0, 1 - over), evidence))
    return Found(_told_apart(found.findings, moved, len(series.sites)), found.skipped)


def _told_apart(shifts: list[Finding], moved: dict[str, list[tuple[datetime, float]]], sites: int) -> list[Finding]:
    """Shifts at a time when many sensors move are an event of the city, not faults of sensors."""
    told = []
    for one in shifts:
        span = timedelta(weeks=SIDE_WEEKS / 2)
        # a shift of one neighbour moves the median of all by far less than itself
        size = SHARED * abs(float(one.evidence["jump"]))
        together = {
            site
            for site, moments in moved.items()
            if any(abs(moment - one.start_at) <= span and jump >= size for moment, jump in moments)
        }
        is_common = len(together | {one.site_id}) > max(2, COMMON_SHARE * sites)
        one.evidence["sensors_at_once"] = len(together | {one.site_id})
        told.append(replace(one, kind="common_shift") if is_common else one)
    return told


def _days(series: Series, is_log: bool) -> tuple[Floats, int]:
    """Mean reading of each local day as a logarithm, less the usual one of its weekday, shape `(sites, days)`."""
    first = int(series.day[0])
    day = series.day - first
    number = int(day[-1]) + 1
    found = np.full((len(series.sites), number), np.nan)
    weekday = (np.arange(number) + first + 3) % 7
    for site, values in enumerate(series.values):
        seen = np.isfinite(values)
        steps = np.bincount(day[seen], minlength=number)
        mean = np.bincount(day[seen], weights=values[seen], minlength=number) / np.maximum(1, steps)
        whole = steps >= DAY_SHARE * series.steps_a_day
        # one road user, or one smallest step, more: a logarithm that knows zero
        rest = (
            1 / series.steps_a_day
            if series.is_count
            else max(1e-9, 0.01 * float(np.nanmedian(np.abs(values))) if seen.any() else 1)
        )
        found[site, whole] = np.log(mean[whole] + rest) if is_log else mean[whole]
        found[site] -= medians_by(weekday, found[site], np.isfinite(found[site]), 7)[weekday]
    return found, first


def _weeks(days: Floats, first_day: int) -> Floats:
    """Median of each seven days with four or more, shape `(sites, weeks)`."""
    sites, number = days.shape
    padded = np.full((sites, -(-number // 7) * 7), np.nan)
    padded[:, :number] = days
    block = padded.reshape(sites, -1, 7)
    result = np.full(block.shape[:2], np.nan)
    some = np.isfinite(block).sum(axis=2) >= 4
    result[some] = np.nanmedian(block[some], axis=1)
    return result


def _neighbours(differences: Floats, site: int) -> list[int]:
    """The most similar others, best first: by rank correlation of what changes from week to week."""
    found = []
    for other in range(len(differences)):
        both = np.isfinite(differences[site]) & np.isfinite(differences[other])
        if other == site or both.sum() < 2 * SIDE_WEEKS:
            continue
        ours, theirs = (np.argsort(np.argsort(differences[one][both])) for one in (site, other))
        found.append((float(np.corrcoef(ours, theirs)[0, 1]), other))
    return [other for similar, other in sorted(found, reverse=True)[:NEIGHBOURS] if similar > 0]


def _against(days: Floats, near: list[int], site: int) -> Floats:
    """A sensor's course less the median of its neighbours' where two or more of them are there, shape `(days,)`."""
    beside = days[near]
    enough = np.isfinite(beside).sum(axis=0) >= 2
    middle = np.full(days.shape[1], np.nan)
    middle[enough] = np.nanmedian(beside[:, enough], axis=0)
    course: Floats = days[site] - middle
    return course


def _noise(week: Floats, jumps: Floats) -> tuple[float, float]:
    """Memory (in tenths, at most 0.9) and scatter of the weeks about their levels before and after the largest jump."""
    at = int(np.argmax(np.abs(jumps)))
    rest = np.concatenate([part - np.median(part) for part in (week[:at], week[at:]) if len(part)])
    most = 3 * 1.4826 * float(np.median(np.abs(rest)))
    rest = np.clip(rest, -most, most)
    scatter = max(1e-9, float(np.std(rest)))
    return float(np.round(np.clip(np.mean(rest[1:] * rest[:-1]) / scatter**2, 0.0, 0.9), 1)), scatter


def _wandering(jumps: Floats, usual: float) -> float:
    """Scatter of an autoregressive series with such usual jumps, but for the largest one and those around it."""
    away = np.abs(np.arange(len(jumps)) - int(np.argmax(np.abs(jumps)))) >= SIDE_WEEKS
    rest = np.abs(jumps[away & (jumps != 0)])
    return float(np.median(rest)) / usual if len(rest) > SIDE_WEEKS else 0.0


@lru_cache(maxsize=256)
def _null(number: int, memory: float) -> tuple[float, float, float]:
    """Mode and spread of the Gumbel law of the largest jump in simulated records of unit scatter, and the usual jump."""
    random = np.random.default_rng(20_090_201)
    noise = random.standard_normal((SIMULATIONS, number))
    course = np.empty_like(noise)
    course[:, 0] = noise[:, 0]
    for at in range(1, number):
        course[:, at] = memory * course[:, at - 1] + np.sqrt(1 - memory**2) * noise[:, at]
    jumps = np.abs(np.stack([_jumps(one) for one in course]))
    spread = float(jumps.max(axis=1).std() * np.sqrt(6) / np.pi)
    return float(jumps.max(axis=1).mean()) - float(np.euler_gamma) * spread, spread, float(np.median(jumps[jumps > 0]))


def _jumps(week: Floats) -> Floats:
    """Median of the weeks from each one on less that of the weeks before it, shape `(weeks,)`."""
    windows = np.lib.stride_tricks.sliding_window_view(week, SIDE_WEEKS)
    middle = np.median(windows, axis=1)
    jumps = np.zeros(len(week))
    jumps[SIDE_WEEKS : len(week) - SIDE_WEEKS + 1] = middle[SIDE_WEEKS:] - middle[: len(middle) - SIDE_WEEKS]
    return jumps


def _peaks(size: Floats, allowed: float) -> list[int]:
    """Places of the largest jumps beyond what is allowed, none within `SIDE_WEEKS` of a larger one."""
    found: list[int] = []
    for at in np.argsort(-size):
        if size[at] <= allowed:
            break
        if all(abs(int(at) - other) >= SIDE_WEEKS for other in found):
            found.append(int(at))
    return sorted(found)


def _refine(course: Floats, near: int, side: int) -> int:
    """The day, within two weeks, that best parts before from after: the split with the least absolute deviations."""
    best = (np.inf, near)
    for day in range(max(7, near - 14), min(len(course) - 7, near + 15)):
        before, after = course[max(0, day - side) : day], course[day : day + side]
        before, after = before[np.isfinite(before)], after[np.isfinite(after)]
        if len(before) and len(after):
            off = np.abs(before - np.median(before)).sum() + np.abs(after - np.median(after)).sum()
            best = min(best, (float(off) / (len(before) + len(after)), day))
    return best[1]
