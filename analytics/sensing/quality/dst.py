"""Daylight saving handled in one way this year and in another the next; hours mislabelled and hours doubled.

After each change of the local clock the courses of all days are compared with usual ones: where they fit better an hour off,
the feed kept its old clock until the day on which that ends. The hours about the change are looked at one by one: two different
readings of one instant are an hour mislabelled, and one that holds as much as two beside one that is missing is a doubled
hour (`lost_hour` where it holds no more than one). Two different readings of one instant at any other time are reported too,
with the nearest gap they may belong to.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analytics.sensing.quality.clocks import best_stretch, gains_by_day
from analytics.sensing.quality.findings import ALPHA, Finding, Found, Skipped
from analytics.sensing.quality.grid import Floats, Series

HEAVY = 4
"""Degrees of freedom of Student's t where days and nights are weighed: they differ by more than a normal law allows."""
LEARNT_DAYS = 120
"""Days before a change from which is learnt what is usual. [d]"""
FEWEST_DAYS = 21
"""With fewer of them nothing is said about a change."""
FEWEST_WEEKS = 8
"""With fewer other nights nothing is said about a repeated hour."""
LEAD_DAYS = 14
"""A change that shows so many days before is none of the clock. [d]"""
LONGEST_DAYS = 60
"""A kept clock is followed so far. [d]"""
GAP_DAYS = 8
"""The gap that a mislabelled hour left is looked for so far away. [d]"""


def find_clock_changes(series: Series) -> Found:
    """Find how a feed met each change of the local clock, where it met it wrongly, and hours with two readings.

    Args:
        series: Readings of one observed property, without what was not measured.

    Returns:
        Findings `clock_change` (the old clock was kept), `doubled_hour`, `lost_hour` and `mislabelled_hour`.
    """
    found = Found(findings=_mislabelled(series))
    changes = np.flatnonzero(np.diff(series.local_s - series.at_s) != 0) + 1
    if not len(changes):
        reason = f"the clock of {series.timezone} does not change between {series.start(0):%Y-%m-%d} and "
        reason += f"{series.start(len(series.at_s)):%Y-%m-%d}"
        found.skipped.append(Skipped("dst", "*", series.observed_property, reason))
        return found
    if series.step_s > 3600:
        reason = f"a reading every {series.step_s} s; expected an hour or less"
        found.skipped.append(Skipped("dst", "*", series.observed_property, reason))
        return found
    if series.is_count:
        found.findings.extend(_kept_clocks(series, changes))
    else:
        reason = "what is no count follows the sun and the weather, not the clock; only hours with two readings were looked for"
        found.skipped.append(Skipped("dst", "*", series.observed_property, reason))
    doubled = _doubled(series, changes)
    return Found([*found.findings, *doubled.findings], [*found.skipped, *doubled.skipped])


def _kept_clocks(series: Series, changes: npt.NDArray[np.intp]) -> list[Finding]:
    """The old clock, kept by the whole feed from a change on: a sequential test of each day against its mirror image.

    Moving a right day by an hour gains -g as often as moving one that is an hour off gains g; so each day's gain is weighed
    by how likely it, and how likely its opposite, is on the days before the change.
    """
    from scipy import stats  # half a second that no other command should wait for

    hour = 3600 // series.step_s
    lags = [-hour, hour]
    stack = np.stack([gains_by_day(series, site, lags) for site in range(len(series.sites))])
    network = np.full(stack.shape[1:], np.nan)
    some = np.isfinite(stack).any(axis=0)
    network[some] = np.nanmedian(stack[:, some], axis=0)
    first_day = int(series.day[0])
    findings = list[Finding]()
    for change in (int(one) for one in changes):
        day = int(series.day[change]) - first_day
        best = (0.0, 0, 0)
        for number in (0, 1):
            before = network[number, max(0, day - LEARNT_DAYS) : day]
            before = before[np.isfinite(before)]
            if len(before) < FEWEST_DAYS:
                continue
            gain = np.nan_to_num(network[number, day - LEAD_DAYS : day + LONGEST_DAYS], nan=0.0)
            middle = float(np.median(before))
            scatter = max(1e-6, 1.4826 * float(np.median(np.abs(before - middle))))
            told = stats.t.logpdf((-gain - middle) / scatter, HEAVY) - stats.t.logpdf((gain - middle) / scatter, HEAVY)
            begin, end, weight = best_stretch(np.where(gain > 0, told, -np.abs(told)))
            # what began before the clock changed is no matter of the clock, nor what is nearer to no gain than to the mirror's
            if begin >= LEAD_DAYS - 1 and float(np.mean(gain[begin:end])) >= -middle / 2:
                best = max(best, (weight, number, end - LEAD_DAYS))
        weight, number, days = best
        expected = len(changes) * 2 * LONGEST_DAYS * float(np.exp(-min(700.0, weight)))
        if days < 2 or expected > ALPHA:
            continue
        until = series.start(int(np.searchsorted(series.day, first_day + day + days)))
        evidence: dict[str, float | str] = {"hours": -lags[number] / hour, "days": days, "sensors": len(series.sites)}
        evidence["log_likelihood_ratio"] = round(weight, 1)
        findings += [
            Finding(site, series.observed_property, "clock_change", series.start(change), until, 1 - expected, evidence)
            for at, site in enumerate(series.sites)
            if np.isfinite(stack[at, number, day : day + days]).any()
        ]
    return findings


def _doubled(series: Series, changes: npt.NDArray[np.intp]) -> Found:
    """What became of the hour that the clock has twice, in counters: two hours in one, or one of them lost."""
    found = Found()
    hour = 3600 // series.step_s
    if not series.is_count:
        return found
    offset = series.local_s - series.at_s
    for change in (int(one) for one in changes if offset[one] < offset[one - 1]):
        hours = _hours(series, change - 2 * hour, hour)
        if hours is None:
            continue
        present = np.isfinite(hours)
        # the hour before, either of the two that share a name, the hour after
        sites = np.flatnonzero(present[:, 0] & present[:, 3] & (present[:, 1] != present[:, 2]))
        if not len(sites):
            continue
        full = 1 if present[sites, 1].all() else 2
        total = np.nansum(hours[sites], axis=0)
        chance = _two_hours(series, sites, change, hour, full, total)
        if chance is None:
            continue
        year = f"{series.start(change):%Y-%m-%d}"
        if 0.05 < chance < 0.95:
            reason = f"the repeated hour of {year} is missing; whether the other holds both it cannot tell ({chance:.2f})"
            found.skipped.append(Skipped("dst", "*", series.observed_property, reason))
            continue
        kind = "doubled_hour" if chance > 0.5 else "lost_hour"
        begin = change - hour if (full == 1) == (kind == "doubled_hour") else change
        evidence: dict[str, float | str] = {
            "times_hours_around": round(float(total[full] / np.sqrt(total[0] * total[3])), 2),
            "chance_of_two_hours": round(chance, 4),
            "sensors": len(sites),
        }
        span = series.start(begin), series.start(begin + hour)
        found.findings.extend(
            Finding(series.sites[at], series.observed_property, kind, *span, max(chance, 1 - chance), evidence) for at in sites
        )
    return found


def _hours(series: Series, first: int, hour: int) -> Floats | None:
    """Sums of four hours in a row from a step on, shape `(sites, 4)`; None outside the record."""
    if first < 0 or first + 4 * hour > len(series.at_s):
        return None
    sums: Floats = series.values[:, first : first + 4 * hour].reshape(len(series.sites), 4, hour).sum(axis=2)
    return sums


def _two_hours(series: Series, sites: npt.NDArray[np.intp], change: int, hour: int, full: int, total: Floats) -> float | None:
    """Chance that one hour holds two, from what one and two of them are to the hours around on other weeks' same nights."""
    from scipy import stats

    local, weekday = series.time_of_day, series.weekday
    one, two = list[float](), list[float]()
    for at in np.flatnonzero((local == local[change - 2 * hour]) & (weekday == weekday[change - 2 * hour])):
        hours = _hours(series, int(at), hour) if abs(int(at) - change) > 4 * hour else None
        if hours is None:
            continue
        night = hours[sites][np.isfinite(hours[sites]).all(axis=1)].sum(axis=0)
        if night.min() > 0:
            around = np.log(night[0] * night[3]) / 2
            one.append(float(np.log(night[full]) - around))
            two.append(float(np.log(night[1] + night[2]) - around))
    if len(one) < FEWEST_WEEKS or total[[0, full, 3]].min() <= 0:
        return None
    seen = float(np.log(total[full]) - np.log(total[0] * total[3]) / 2)
    likely = []
    for sample in (one, two):
        middle = float(np.median(sample))
        scatter = max(1e-6, 1.4826 * float(np.median(np.abs(np.array(sample) - middle))))
        likely.append(float(stats.t.pdf((seen - middle) / scatter, HEAVY)) / scatter)
    return likely[1] / (likely[0] + likely[1])


def _mislabelled(series: Series) -> list[Finding]:
    """Steps with more different readings than they have room for."""
    findings = list[Finding]()
    for site, place in enumerate(series.sites):
        twice = series.rows[site] >= series.due[site] + 1
        edges = np.flatnonzero(np.diff(np.concatenate([[False], twice, [False]]).astype(np.int8)))
        gaps = np.flatnonzero(series.rows[site] == 0)
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            evidence: dict[str, float | str] = {
                "readings": float(series.rows[site, begin:end].sum()),
                "room_for": float(series.due[site] * (end - begin)),
            }
            if len(gaps):
                nearest = int(gaps[np.argmin(np.abs(gaps - begin))])
                if abs(nearest - begin) <= GAP_DAYS * series.steps_a_day:
                    evidence["nearest_gap_at"] = series.start(nearest).isoformat()
            span = series.start(begin), series.start(end)
            findings.append(Finding(place, series.observed_property, "mislabelled_hour", *span, 1.0, evidence))
    return findings
