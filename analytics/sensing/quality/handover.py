"""A channel change: one series ends and another begins by the next day, as when a counter's channels are numbered anew."""

from __future__ import annotations

import numpy as np

from analytics.sensing.quality.findings import ALPHA, Finding, Found, Skipped
from analytics.sensing.quality.grid import Floats, Series

MARGIN_DAYS = 14
"""A series that ends, or begins, this near to the end or the beginning of the whole record does neither. [d]"""
FARTHEST_DAYS = 1.5
"""A series goes on under another name within so many days: a day may be lost at a change of months. [d]"""
BESIDE_DAYS = 56
"""Days before and after that are compared. [d]"""


def find_channel_changes(series: Series) -> Found:
    """Find series that go on under another name.

    The chance of a coincidence counts all series that end and all that begin within the record, anywhere in it.

    Args:
        series: Readings of one observed property, without what was not measured.

    Returns:
        Findings `channel_change` at the old series' place, from the last old to the first new reading.
    """
    from scipy import stats  # half a second that no other command should wait for

    found = Found()
    present = np.isfinite(series.values)
    spans = [(int(np.argmax(row)), len(row) - 1 - int(np.argmax(row[::-1]))) if row.any() else None for row in present]
    known = [span for span in spans if span is not None]
    if not known:
        return found
    first, last = min(span[0] for span in known), max(span[1] for span in known)
    margin = MARGIN_DAYS * series.steps_a_day
    ends = [(site, span[1]) for site, span in enumerate(spans) if span and span[1] < last - margin]
    begins = [(site, span[0]) for site, span in enumerate(spans) if span and span[0] > first + margin]
    pairs = [
        (abs(float(np.log(max(after, 1e-9) / max(before, 1e-9)))), old, new, end, begin, after / before if before else 0.0)
        for old, end in ends
        for new, begin in begins
        if old != new and abs(begin - end) <= FARTHEST_DAYS * series.steps_a_day
        for before, after in [(_level(series, old, end, -1), _level(series, new, begin, 1))]
    ]
    # sensors that end, or begin, together are one event; so many events meet by chance
    moments = [len({step // series.steps_a_day for _, step in some}) for some in (ends, begins)]
    chance = moments[0] * moments[1] * 2 * FARTHEST_DAYS / max(1.0, (last - first) / series.steps_a_day)
    met = len({end // series.steps_a_day for _, _, _, end, *_ in pairs})
    expected = float(stats.poisson.sf(met - 1, chance)) if met else 1.0
    taken = set[int]()
    for _, old, new, end, begin, ratio in sorted(pairs):
        if old in taken or new in taken:
            continue
        taken |= {old, new}
        if expected > ALPHA:
            reason = f"ends as {series.sites[new]} begins, to {FARTHEST_DAYS:g} days; that may be chance ({expected:.2f})"
            found.skipped.append(Skipped("handover", series.sites[old], series.observed_property, reason))
            continue
        evidence: dict[str, float | str] = {
            "continues_as": series.sites[new],
            "days_between": round((begin - end) / series.steps_a_day, 2),
            "level_after_over_before": round(ratio, 3),
        }
        span = series.start(min(end + 1, begin)), series.start(max(end + 1, begin))
        found.findings.append(
            Finding(series.sites[old], series.observed_property, "channel_change", *span, 1 - expected, evidence)
        )
    return found


def _level(series: Series, site: int, step: int, direction: int) -> float:
    """Mean reading of the weeks before or after a step."""
    reach = BESIDE_DAYS * series.steps_a_day
    part: Floats = (
        series.values[site, max(0, step - reach) : step + 1] if direction < 0 else series.values[site, step : step + reach]
    )
    return float(np.nanmean(part)) if np.isfinite(part).any() else 0.0
