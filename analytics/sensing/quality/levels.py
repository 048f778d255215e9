"""Level shifts: a sensor that from one week on reads more or less than its neighbours say it should.

As climatology finds breaks in its station records (Alexandersson 1986; Menne and Williams 2009): the logarithm of a sensor's
daily reading less the median of its most similar neighbours', by weeks. Two searches. Near by: where the medians of the weeks
before and of those after differ by more than those of an autoregressive series with the same memory and scatter do anywhere in
the record, by simulation, the level has shifted; both are taken with the largest jump left out. It finds large jumps also
where a city is upset. Far and wide: steps of the whole record (`changes`), which are found down to a fifth where streets keep
their ways. What came by and by is a drift, and none of this.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from analytics.sensing.quality.beside import FEWEST, courses_beside, is_ratio, weekly
from analytics.sensing.quality.changes import Change, changes_in
from analytics.sensing.quality.findings import ALPHA, Finding, Found, Skipped
from analytics.sensing.quality.grid import Floats, Series

MOST_SIMILAR = 5
"""So many of the others stand for all where jumps are looked for near by."""
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
    is_log = is_ratio(series)
    first_day = int(series.day[0])
    moved = dict[str, list[tuple[datetime, float]]]()
    courses, without = courses_beside(series, neighbours=MOST_SIMILAR)
    changes = changes_in(courses_beside(series)[0])
    for site, reason in without.items():
        skip(series.sites[site], reason)
    for course in courses:
        place, near = series.sites[course.site], course.near
        own = [one for one in changes if one.course.site == course.site]
        days = course.days - sum((one.days() for one in own if one.is_drift), np.zeros(len(course.days)))
        weekly_course = weekly(days[None, :])[0]
        seen = np.flatnonzero(np.isfinite(weekly_course))
        if len(seen) < FEWEST_WEEKS:
            skip(place, f"{len(seen)} weeks beside its neighbours; expected {FEWEST_WEEKS}")
            continue
        week = weekly_course[seen]
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
        told = list[tuple[int, int, float, float, float]]()
        for position in at:
            over = -float(np.expm1(-np.exp((mode - abs(float(jumps[position])) / scatter) / spread))) * len(series.sites)
            begin = _refine(days, int(seen[position]) * 7, SIDE_WEEKS * 7)
            told.append((begin, len(days), float(jumps[position]), over, abs(float(jumps[position])) / allowed))
        told += [
            (one.day(one.shape.begin), one.day(one.shape.end), one.height, one.expected, one.times_chance)
            for one in own
            if not one.is_drift and abs(one.height) >= smallest and not _known(one, [begin for begin, *_ in told])
        ]
        told.sort()
        for (begin, until, jump, over, times), after in zip(told, [*(one[0] for one in told), len(days)][1:], strict=True):
            evidence: dict[str, float | str] = {
                "jump": round(jump, 4),
                "relative_change" if is_log else "change": round(float(np.expm1(jump)) if is_log else jump, 4),
                "times_chance": round(times, 2),
                "neighbours": ", ".join(series.sites[other] for other in near),
            }
            start, end = (series.start(int(np.searchsorted(series.day, first_day + day))) for day in (begin, min(until, after)))
            found.findings.append(Finding(place, name, "level_shift", start, end, max(0.0, 1 - over), evidence))
    return Found(_told_apart(found.findings, moved, len(series.sites)), found.skipped)


def _known(change: Change, begins: list[int]) -> bool:
    """Whether a change of the whole record begins, or ends, where the level is known to have shifted."""
    edges = [change.day(week) for week in (change.shape.begin, change.shape.end) if week < len(change.course.seen)]
    return any(abs(edge - begin) <= SIDE_WEEKS * 7 for edge in edges for begin in begins)


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
