"""Clocks shifted by hours or parts of them, for a while or for the whole record.

For a while: each day's course is compared with the sensor's usual one, at the times it says and at others. What a shifted clock
gains in correlation, less what the other sensors gain on the same day, adds up over its days; the sum over the best stretch of
days of a random walk that loses on average exceeds S about n exp(-L S) times in n days, where L solves E[exp(L gain)] = 1
(Karlin and Altschul 1990). Gains of days and of weeks both give an L; the smaller one counts.

For the whole record: what is left of each day without the usual course is compared with the same of the other sensors: weather,
smoke and feasts come to all at once, even where one street is busy at noon and another at midnight. For a shift of
a while the chances of both are multiplied (Fisher), so that people who keep other hours are not taken for a clock.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analytics.sensing.quality.findings import ALPHA, Finding, Found, Skipped
from analytics.sensing.quality.grid import Floats, Series, medians_by
from analytics.sensing.quality.likeness import daily_correlations, daily_correlations_beyond, others_medians

FARTHEST_H = 12
"""Whole hours are tried to here. [h]"""
FINE_H = 3
"""Every step of the grid is tried to here. [h]"""
HEAVY = 4
"""Degrees of freedom of Student's t where days are weighed: they differ by more than a normal law allows."""
LONG_DAYS = 21
"""Beside others, a shift for so long or longer is looked for by the usual day first. [d]"""
SHORT_DAYS = 42
"""So long a shift, or a shorter one, is looked for by the usual day and the others at once. [d]"""
SHORTEST_DAYS = 3
"""A shift for less is more likely an unusual day. [d]"""
FEWEST_DAYS = 21
"""With fewer days nothing can be said. [d]"""
AGREED = 0.05
"""The others agree where chance does so less often."""
CLEARLY_LESS = 0.95
"""A time whose product with the others is below this share of that of the time said is not looked at closely."""
MOST_OTHERS = 40
"""So many of the others say what a stretch of days was like."""
MOST_SHIFTS = 20
"""At most so many shifts of a sensor are looked for."""


def find_clock_shifts(series: Series) -> Found:
    """Find sensors whose clock was wrong.

    Args:
        series: Readings of one observed property, without what was not measured.

    Returns:
        Findings `clock_shift`; `hours` is what must be added to the readings' stamps.
    """
    found = Found()
    name = series.observed_property

    def skip(site: str, reason: str) -> None:
        found.skipped.append(Skipped("clocks", site, name, reason))

    if series.step_s > 3600:
        skip("*", f"a reading every {series.step_s} s; expected an hour or less")
        return found
    lags = tried_lags(series)
    gains = [gains_by_day(series, site, lags) for site in range(len(series.sites))]
    usable = [site for site, gain in enumerate(gains) if np.isfinite(gain[0]).sum() >= FEWEST_DAYS]
    for site in set(range(len(series.sites))) - set(usable):
        skip(series.sites[site], f"{int(np.isfinite(gains[site][0]).sum())} whole days; expected {FEWEST_DAYS}")
    if len(usable) <= 2 and not series.is_count:
        skip("*", f"{len(usable)} sensors of what follows the weather; expected 3 for a shift in part of the record")
    searched = usable if len(usable) > 2 or series.is_count else []
    beside = len(usable) > 2
    common = others_medians(np.stack([gains[site] for site in searched])) if beside else None
    middles = others_medians(np.stack([_unusual(series, site, []) for site in searched])) if beside else None
    for place, site in enumerate(searched):
        gain = gains[site]
        if common is not None:
            # what most of the others gain on the same day is no clock of its own
            gain = gain - np.maximum(0.0, np.nan_to_num(common(place)))
        shifts = list[tuple[int, int, int, float, str]]()
        for lag, begin, end, own in _stretches(gain, len(lags) * len(usable), 1.0 if beside else ALPHA):
            if beside and end - begin < LONG_DAYS:
                continue
            by_others = _chance_beside(series, site, usable, lags[lag], begin, end) if beside else 0.0
            both = own * by_others
            # Fisher's product of two independent chances
            expected = both * (1 - float(np.log(max(both, 1e-300)))) if beside else own
            if expected <= ALPHA and by_others <= AGREED:
                shifts.append((lag, begin, end, expected, "own usual day"))
            elif own <= ALPHA:
                one = _finding(series, site, -lags[lag], begin, end, expected, "own usual day")
                stretch = f"from {one.start_at:%Y-%m-%d} to {one.end_at:%Y-%m-%d}"
                skip(
                    series.sites[site],
                    f"{stretch} its days are moved, but not what it shares with others: people kept other hours",
                )
        if middles is not None:
            level = _level(series.values[site])
            likeness = daily_correlations_beyond(series, level, _usual(series, level), middles(place), [*lags, 0])
            left = likeness[:-1] - likeness[-1]
            for _, begin, end, *_ in shifts:
                left[:, begin:end] = np.nan
            for stretch_found in _short_stretches(gain, left, len(lags) * len(usable)):
                shifts.append((*stretch_found, "own usual day and the others"))
        found.findings.extend(
            _finding(series, site, -lags[lag], begin, end, expected, against) for lag, begin, end, expected, against in shifts
        )
    if len(usable) < 2:
        skip("*", "one sensor alone: a shift through the whole record shows only beside another; expected 2 sensors")
        return found
    found.findings.extend(_whole_record(series, usable, lags, found))
    return found


def _short_stretches(gain: Floats, beside: Floats, tried: int) -> list[tuple[int, int, int, float]]:
    """Stretches of a few weeks that fit the others better when moved, and the usual day no worse: as `_stretches`.

    Moving a right day loses as much as moving a day that is so far off gains: each day's gain beside the others is weighed by
    how likely it, and how likely its opposite, is on this sensor's days. Who keeps other hours gains nothing beside them.
    """
    middle = np.nanmedian(beside, axis=1, keepdims=True)
    scatter = np.maximum(1e-6, 1.4826 * np.nanmedian(np.abs(beside - middle), axis=1, keepdims=True))
    # Student's density, of which the difference of logarithms needs no more
    usual, opposite = (np.log1p(((sign * beside - middle) / scatter) ** 2 / HEAVY) for sign in (1, -1))
    weight = (HEAVY + 1) / 2 * (usual - opposite)
    told = np.where(beside > 0, weight, -np.abs(weight))
    # a shift that days of this sensor do not lose by cannot be told by them
    told = np.where((middle < -scatter / 2) & np.isfinite(told), told, 0.0)
    found = list[tuple[int, int, int, float]]()
    for _ in range(MOST_SHIFTS):
        total, lag, begin, end = max((best_stretch(row)[::-1][0], lag, *best_stretch(row)[:2]) for lag, row in enumerate(told))
        expected = told.shape[1] * tried * float(np.exp(-min(700.0, total)))
        if expected > ALPHA:
            break
        if SHORTEST_DAYS <= end - begin <= SHORT_DAYS and gain[lag, begin:end].sum() > 0:
            found.append((lag, begin, end, expected))
        told[:, begin:end] = 0.0
    return found


def _chance_beside(series: Series, site: int, usable: list[int], lag: int, begin: int, end: int) -> float:
    """Chance that what is unusual about some days fits the others' so much better when moved."""
    day = series.day - series.day[0]
    part = series.only((day >= begin) & (day < end))
    others = [other for other in usable if other != site]
    others = others[:: -(-len(others) // MOST_OTHERS)]
    left = {one: _unusual(part, one, []) for one in [site, *others]}
    middle = _middle(np.stack([left[other] for other in others]))
    moved, still = daily_correlations(part, left[site], middle, [lag, 0])
    gain = (moved - still)[np.isfinite(moved - still)]
    return _chance_of_mean(gain) if len(gain) > 1 else 1.0


def _middle(rows: Floats) -> Floats:
    """Median of what is there, shape `(steps,)`."""
    middle = np.full(rows.shape[1], np.nan)
    some = np.isfinite(rows).any(axis=0)
    middle[some] = np.nanmedian(rows[:, some], axis=0)
    return middle


def tried_lags(series: Series) -> list[int]:
    """Shifts that are tried, in steps, none of them zero."""
    hour = 3600 // series.step_s
    fine = range(-FINE_H * hour, FINE_H * hour + 1)
    return sorted({*fine, *range(-FARTHEST_H * hour, FARTHEST_H * hour + 1, hour)} - {0})


def gains_by_day(series: Series, site: int, lags: list[int]) -> Floats:
    """What each day gains in likeness to the usual one when it is moved, shape `(lags, days)`."""
    level = _level(series.values[site])
    likeness = daily_correlations(series, level, _usual(series, level), [*lags, 0])
    gains: Floats = likeness[:-1] - likeness[-1]
    return gains


def _level(values: Floats) -> Floats:
    """Readings whose scatter hardly depends on how large they are."""
    with np.errstate(invalid="ignore"):
        return values if (values < 0).any() else np.sqrt(values)


def _usual(series: Series, level: Floats) -> Floats:
    slot = series.weekday * series.steps_a_day + series.time_of_day
    usual: Floats = medians_by(slot, level, np.isfinite(level), 7 * series.steps_a_day)[slot]
    return usual


def _stretches(gain: Floats, tried: int, allowed: float) -> list[tuple[int, int, int, float]]:
    """Stretches of days that fit better when moved: lag's number, first day, day after, expected number by chance."""
    gain = np.nan_to_num(gain.copy(), nan=0.0)
    found = list[tuple[int, int, int, float]]()
    days = gain.shape[1]
    for _ in range(MOST_SHIFTS):
        best: tuple[float, int, int, int] | None = None
        for lag in range(len(gain)):
            begin, end, total = best_stretch(gain[lag])
            if end - begin < SHORTEST_DAYS or total <= 0:
                continue
            rest = np.concatenate([gain[lag, :begin], gain[lag, end:]])
            most = float(np.abs(rest).max(initial=0.0)) / 2
            # a rate beyond this one would make a gain as large as half the largest loss too rare
            if most > 0 and days * tried * float(np.exp(-min(700.0, np.log(len(rest) + 1) / most * total))) > allowed:
                continue
            rate = decay(rest)
            expected = days * tried * float(np.exp(-min(700.0, rate * total)))
            if expected <= allowed and (best is None or total > best[0]):
                best = (total, lag, begin, end)
                chance = expected
        if best is None:
            break
        _, lag, begin, end = best
        found.append((lag, begin, end, chance))
        gain[:, begin:end] = 0.0
    return found


def best_stretch(gain: Floats) -> tuple[int, int, float]:
    """First element, element after the last and sum of the stretch with the largest sum."""
    total = np.concatenate([[0.0], np.cumsum(gain)])
    lowest = np.minimum.accumulate(total)
    end = int(np.argmax(total - lowest))
    begin = int(np.argmin(total[: end + 1]))
    return begin, end, float(total[end] - total[begin])


def decay(gain: Floats) -> float:
    """L of E[exp(L gain)] = 1, the smaller one of days and of weeks; 0 where moving pays on average."""
    found = []
    weeks = gain[: len(gain) // 7 * 7].reshape(-1, 7).sum(axis=1)
    for one in (gain[gain != 0], weeks[weeks != 0]):
        if len(one) < 3 or one.mean() >= 0:
            return 0.0
        # one gain as large as the largest loss may have gone unseen
        one = np.append(one, np.abs(one).max() / 2)
        low, high = 0.0, 700.0 / float(np.abs(one).max())
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if float(np.mean(np.exp(middle * one))) < 1 else (low, middle)
        found.append(low)
    return min(found)


def _whole_record(series: Series, usable: list[int], lags: list[int], found: Found) -> list[Finding]:
    """Sensors that are early or late through their whole record, beside the others."""
    left = {
        site: _unusual(series, site, [one for one in found.findings if one.site_id == series.sites[site]]) for site in usable
    }
    findings = list[Finding]()
    middles = others_medians(np.stack([left[site] for site in usable])) if len(usable) > 2 else None
    for place, site in enumerate(usable):
        middle = middles(place) if middles is not None else left[usable[1 - place]]
        if not _may_be_shifted(left[site], middle, lags):
            continue
        likeness = daily_correlations(series, left[site], middle, [*lags, 0])
        days = np.isfinite(likeness[-1])
        if days.sum() < FEWEST_DAYS:
            reason = f"{int(days.sum())} days beside others; expected {FEWEST_DAYS}"
            found.skipped.append(Skipped("clocks", series.sites[site], series.observed_property, reason))
            continue
        gains = likeness[:-1] - likeness[-1]
        mean = np.nanmean(gains[:, days], axis=1)
        best = int(np.argmax(mean))
        expected = _chance_of_mean(gains[best][days]) * len(lags) * len(usable)
        halves = np.array_split(gains[:, days], 2, axis=1)
        # the same shift, to a step or a tenth, in both halves of the record
        apart = [abs(lags[int(np.argmax(np.nanmean(half, axis=1)))] - lags[best]) for half in halves]
        if expected <= ALPHA and max(apart) <= max(1, abs(lags[best]) // 10):
            at = np.flatnonzero(days)
            which = "the other sensor; which of the two is wrong it cannot tell" if len(usable) == 2 else "the other sensors"
            findings.append(_finding(series, site, -lags[best], int(at[0]), int(at[-1]) + 1, expected, which))
    return findings


def _may_be_shifted(left: Floats, middle: Floats, lags: list[int]) -> bool:
    """Whether another time fits the whole record nearly as well as the one that is said, or days are too few to tell."""
    ours, theirs = np.nan_to_num(left), np.nan_to_num(middle)
    still = float(ours @ theirs)
    if np.isfinite(left + middle).sum() < FEWEST_DAYS * 2 * FARTHEST_H or still <= 0:
        return True
    return (
        max(float(ours[lag:] @ theirs[:-lag]) if lag > 0 else float(ours[:lag] @ theirs[-lag:]) for lag in lags)
        > CLEARLY_LESS * still
    )


def _unusual(series: Series, site: int, shifts: list[Finding]) -> Floats:
    """What is left of each day without the sensor's usual course, scaled to the day, and without days known to be shifted."""
    level = _level(series.values[site])
    usual = _usual(series, level)
    use = np.isfinite(level) & np.isfinite(usual)
    day = series.day - series.day[0]
    number = int(day[-1]) + 1
    steps = np.maximum(1, np.bincount(day[use], minlength=number))
    ours = np.where(use, level, 0.0) - (np.bincount(day[use], weights=level[use], minlength=number) / steps)[day]
    theirs = np.where(use, usual, 0.0) - (np.bincount(day[use], weights=usual[use], minlength=number) / steps)[day]
    both = np.bincount(day[use], weights=(ours * theirs)[use], minlength=number)
    scale = both / np.maximum(1e-12, np.bincount(day[use], weights=(theirs**2)[use], minlength=number))
    left: Floats = np.where(use, ours - scale[day] * theirs, np.nan)
    for one in shifts:
        left[(series.at_s >= one.start_at.timestamp()) & (series.at_s < one.end_at.timestamp())] = np.nan
    spread = float(np.nanstd(left)) if np.isfinite(left).any() else 1.0
    return left / (spread or 1.0)


def _chance_of_mean(gain: npt.NDArray[np.float64]) -> float:
    """Chance of so large a mean where there is none, by Student's t over days or weeks, whichever is larger."""
    from scipy import stats  # half a second that no other command should wait for

    gain = gain[np.isfinite(gain)]
    blocks = [gain, *([part] if len(part := gain[: len(gain) // 3 * 3].reshape(-1, 3).mean(axis=1)) > 5 else [])]
    chances = [float(stats.ttest_1samp(block, 0.0, alternative="greater").pvalue) for block in blocks if block.std() > 0]
    return max(chances, default=1.0)


def _finding(series: Series, site: int, lag: int, begin: int, end: int, expected: float, against: str) -> Finding:
    first_day = int(series.day[0])
    start, until = (series.start(int(np.searchsorted(series.day, first_day + day))) for day in (begin, end))
    evidence: dict[str, float | str] = {
        "hours": lag * series.step_s / 3600,
        "days": end - begin,
        "against": against,
    }
    name = series.observed_property
    return Finding(series.sites[site], name, "clock_shift", start, until, max(0.0, 1 - expected), evidence)
