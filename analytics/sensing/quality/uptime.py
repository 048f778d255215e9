"""Nothing was measured, but a value was stored: readings whose own coverage says 0."""

from __future__ import annotations

import numpy as np

from analytics.sensing.quality.findings import Finding, Found, Skipped
from analytics.sensing.quality.grid import Series

NOBODY = "the source says nothing of coverage or uptime; expected a share from 0 to 1 beside each reading"


def find_unmeasured(series: Series) -> Found:
    """Find stretches of readings that were stored although the sensor was not up.

    Args:
        series: Readings of one observed property.

    Returns:
        Findings `not_measured`; their confidence is 1, since the source says so itself.
    """
    found = Found()
    if not np.isfinite(series.coverage).any():
        return Found(skipped=[Skipped("uptime", "*", series.observed_property, NOBODY)])
    for site, place in enumerate(series.sites):
        told = np.isfinite(series.coverage[site])
        if not told.any():
            found.skipped.append(Skipped("uptime", place, series.observed_property, NOBODY))
            continue
        asleep = told & (series.coverage[site] == 0) & np.isfinite(series.values[site])
        edges = np.flatnonzero(np.diff(np.concatenate([[False], asleep, [False]]).astype(np.int8)))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            stored = series.values[site, begin:end]
            evidence: dict[str, float | str] = {
                "hours": int(end - begin) * series.step_s / 3600,
                "zeros_stored": int((stored == 0).sum()),
                "others_stored": int((stored != 0).sum()),
            }
            span = series.start(begin), series.start(end)
            found.findings.append(Finding(place, series.observed_property, "not_measured", *span, 1.0, evidence))
    return found
