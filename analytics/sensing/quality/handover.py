"""A channel change: one series ends and another begins within a day, as when a counter's channels are numbered anew."""

from __future__ import annotations

import numpy as np

from analytics.sensing.quality.findings import ALPHA, Finding, Found, Skipped
from analytics.sensing.quality.series import Floats, Series

MARGIN_DAYS = 14
"""A series that ends, or begins, this near to the end or the beginning of the whole record does neither. [d]"""
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
    for old, end in ends:
        for new, begin in begins:
            if old == new:
                continue
            apart = abs(begin - end) / series.steps_a_day
            days = max(1.0, (last - first) / series.steps_a_day)
            expected = len(ends) * len(begins) * 2 * max(apart, 1 / 24) / days
            if apart > 2 or expected > ALPHA * max(1.0, 2 * apart):
                if apart <= 2:
                    reason = f"ends within {apart:.1f} days of {series.sites[new]}, with so many others that it may be chance"
                    found.skipped.append(Skipped("handover", series.sites[old], series.observed_property, reason))
                continue
            before, after = _level(series, old, end, -1), _level(series, new, begin, 1)
            evidence: dict[str, float | str] = {
                "continues_as": series.sites[new],
                "days_between": round(apart, 2),
                "level_after_over_before": round(after / before, 3) if before else 0.0,
            }
            span = series.start(min(end + 1, begin)), series.start(max(end + 1, begin))
            confidence = max(0.0, 1 - expected)
            found.findings.append(
                Finding(series.sites[old], series.observed_property, "channel_change", *span, confidence, evidence)
            )
    return found


def _level(series: Series, site: int, step: int, direction: int) -> float:
    """Mean reading of the weeks before or after a step."""
    reach = BESIDE_DAYS * series.steps_a_day
    part: Floats = (
        series.values[site, max(0, step - reach) : step + 1] if direction < 0 else series.values[site, step : step + reach]
    )
    return float(np.nanmean(part)) if np.isfinite(part).any() else 0.0
