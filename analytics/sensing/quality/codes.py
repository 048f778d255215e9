"""Codes stored as values: -200, -999 or 9999 for what is missing.

A code stands apart from all that was measured, and it is always the same. Of n readings beyond a gap G all fall on one value,
of those that the sensor's resolution r can tell apart there, with the chance (r / G)^(n-1).
"""

from __future__ import annotations

import numpy as np

from analytics.sensing.quality.findings import ALPHA, Finding, Found
from analytics.sensing.quality.grid import Series


def find_codes(series: Series) -> Found:
    """Find the value that a sensor stores where it measured nothing.

    Args:
        series: Readings of one observed property.

    Returns:
        Findings `missing_code`, one for each stretch of the code; zeros of counters are left to the search for dead sensors.
    """
    found = Found()
    for site, place in enumerate(series.sites):
        values = series.values[site]
        seen, number = np.unique(values[np.isfinite(values)], return_counts=True)
        for code, gap, count in _ends(seen, number):
            resolution = float(np.min(np.diff(seen)))
            expected = (resolution / gap) ** (count - 1) * 2 * len(series.sites)
            # a spread as wide as the gap may be a tail; and a counter at rest says 0
            if expected > ALPHA or (series.is_count and code == 0) or not _stands_apart(seen, number, code, gap):
                continue
            stored = values == code
            edges = np.flatnonzero(np.diff(np.concatenate([[False], stored, [False]]).astype(np.int8)))
            for begin, end in zip(edges[::2], edges[1::2], strict=True):
                evidence: dict[str, float | str] = {
                    "value": float(code),
                    "hours": int(end - begin) * series.step_s / 3600,
                    "times_in_record": int(count),
                    "gap_to_others": float(gap),
                }
                span = series.start(begin), series.start(end)
                found.findings.append(Finding(place, series.observed_property, "missing_code", *span, 1 - expected, evidence))
    return found


def _ends(seen: np.ndarray, number: np.ndarray) -> list[tuple[float, float, int]]:
    """Smallest and largest value: the value, its distance to the next one, how often it was stored."""
    if len(seen) < 4:
        return []
    ends = [(seen[0], seen[1] - seen[0], number[0]), (seen[-1], seen[-1] - seen[-2], number[-1])]
    return [(float(value), float(gap), int(count)) for value, gap, count in ends]


def _stands_apart(seen: np.ndarray, number: np.ndarray, code: float, gap: float) -> bool:
    """Whether the gap is wider than ten times any gap among the nearer half of the other values."""
    others = np.repeat(seen, number)[np.repeat(seen, number) != code]
    near = np.sort(np.abs(others - code))[: max(2, len(others) // 2)]
    return gap > 10 * float(np.max(np.diff(np.unique(near)), initial=0.0))
