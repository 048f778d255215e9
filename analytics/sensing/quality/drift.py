"""Drift: a sensor that by and by reads more or less than its neighbours say it should.

A filter that clogs, a lens that dirties, a cell that ages. The logarithm of a sensor's daily reading (its reading, where it is
a level, a temperature or a share) less the median of its most similar neighbours', by weeks, follows a ramp: from its onset on,
until the record's end or until it was put right at once. Ramps are told from steps, pairs of steps and seasons by the
likelihood of the record (`changes`). What is no sensor's but a street's own, a place that by and by becomes another, looks the
same: a person who knows the street decides. Two sensors alone are searched where they stand beside each other, as a sensor and
its reference do; which of the two drifts they cannot tell. A sensor that has no other beside it cannot be told from its place.
"""

from __future__ import annotations

import numpy as np

from analytics.sensing.quality.beside import FEWEST, courses_beside, courses_of_two, is_ratio
from analytics.sensing.quality.changes import FEWEST_WEEKS, Change, changes_in
from analytics.sensing.quality.findings import Finding, Found, Skipped
from analytics.sensing.quality.grid import Series
from analytics.sensing.quality.shapes import RESET
from analytics.sensing.units import properties

SMALLEST = 0.1
"""A smaller relative change, in all, is within what makers of counters and low-cost sensors promise at best."""
MONTH_DAYS = 365.25 / 12


def find_drifts(series: Series) -> Found:
    """Find sensors that drift.

    Args:
        series: Readings of one observed property, without what was not measured.

    Returns:
        Findings `drift` from the onset to the day on which it was put right, or to the end of the record: what was read after a
        drift came to a stop is still wrong. `change_a_month` is a share of what neighbours say, or in the property's `unit`;
        `total_change` is what it came to, on `rose_until`.
    """
    found = Found()
    name = series.observed_property

    def skip(site: str, reason: str) -> None:
        found.skipped.append(Skipped("drift", site, name, reason))

    if len(series.sites) < 2:
        skip("*", "one sensor alone: what drifts cannot be told from its place; expected another one beside it")
        return found
    pair = len(series.sites) == 2
    if 2 < len(series.sites) <= FEWEST:
        skip("*", f"{len(series.sites)} sensors; expected 2 that stand beside each other, or {FEWEST + 1}")
        return found
    courses, without = courses_of_two(series) if pair else courses_beside(series)
    for site, reason in without.items():
        skip(series.sites[site], reason)
    for course in courses:
        if len(course.seen) < FEWEST_WEEKS:
            skip(series.sites[course.site], f"{len(course.seen)} weeks beside its neighbours; expected {FEWEST_WEEKS}")
    ratio = is_ratio(series)
    smallest = float(np.log1p(SMALLEST)) if ratio else 0.0
    for one in changes_in(courses):
        if one.is_drift and abs(one.height) >= smallest:
            found.findings.append(_finding(series, one, ratio, pair))
    return found


def _finding(series: Series, one: Change, ratio: bool, pair: bool) -> Finding:
    begin, end = one.day(one.shape.begin), one.day(one.shape.end)
    months = (end - begin) / MONTH_DAYS
    a_month, total = one.height / months, one.height
    until = end if one.shape.kind == RESET else len(one.course.days)
    first, known = int(series.day[0]), properties().get(series.observed_property)
    start, risen, over = (series.start(int(np.searchsorted(series.day, first + day))) for day in (begin, end, until))
    evidence: dict[str, float | str] = {
        "change_a_month": round(float(np.expm1(a_month)) if ratio else a_month, 4),
        "total_change": round(float(np.expm1(total)) if ratio else total, 4),
        "unit": "relative" if ratio else known.unit if known else "as given",
        "rose_until": risen.isoformat(),
        "was_put_right": "yes" if one.shape.kind == RESET else "no",
        "times_chance": round(one.times_chance, 2),
        "against": ", ".join(series.sites[other] for other in one.course.near),
    }
    if pair:
        evidence["against"] = f"{evidence['against']}; which of the two drifts it cannot tell"
    return Finding(
        series.sites[one.course.site], series.observed_property, "drift", start, over, max(0.0, 1 - one.expected), evidence
    )
