"""The picture of an audit: sensors and reference over time, and against each other."""

from __future__ import annotations

import io
import re
import warnings
from datetime import UTC, datetime

import numpy as np

from analytics.sensing.calibration.collocation import Collocation

REFERENCE, SENSORS = "#0b3c5d", "#b8500c"
MANY = 1500
"""More points than this are drawn as one picture."""


def collocation_svg(pairs: Collocation, name: str, *, slope: float | None, intercept: float | None) -> str:
    """Draw the reference and the mean of the units over time, and every pair with the line of least squares.

    Args:
        pairs: The pairs.
        name: What is observed, with its unit.
        slope: Of the line; none is drawn where None.
        intercept: Of the line.

    Returns:
        An `<svg>` element without a prologue; its texts are texts, in the font of the page.
    """
    import matplotlib
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "testbed", "font.family": "sans-serif"}):
        figure = Figure(figsize=(10, 4), layout="constrained")
        time, cloud = figure.subplots(1, 2, width_ratios=(1.7, 1))
        at = [datetime.fromtimestamp(int(second), UTC) for second in pairs.start_s]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # an interval may lack a unit
            mean = np.nanmean(pairs.sensors, axis=0)
        units = "sensor" if len(pairs.names) == 1 else f"mean of {len(pairs.names)} sensors"
        style = {"marker": "o", "ms": 3} if len(at) <= 120 else {}
        time.plot(at, mean, color=SENSORS, lw=1.2, ls="--", label=units, **style)
        time.plot(at, pairs.reference, color=REFERENCE, lw=1.4, label="reference", **style)
        locator = AutoDateLocator()
        time.xaxis.set_major_locator(locator)
        time.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        time.set_ylabel(name)
        time.legend(frameon=False, loc="upper left", ncols=2, bbox_to_anchor=(0, 1.12))
        x = np.broadcast_to(pairs.reference, pairs.sensors.shape).ravel()
        y = pairs.sensors.ravel()
        cloud.scatter(x, y, s=7, color=SENSORS, alpha=0.35, lw=0, rasterized=x.size > MANY)
        low, high = float(min(x.min(), np.nanmin(y))), float(max(x.max(), np.nanmax(y)))
        cloud.plot([low, high], [low, high], color="#59636e", lw=1, ls=":", label="1 to 1")
        if slope is not None and intercept is not None:
            ends = np.array([x.min(), x.max()])
            cloud.plot(ends, intercept + slope * ends, color=REFERENCE, lw=1.5, label=f"{intercept:.3g} + {slope:.3g} x")
        cloud.set_xlabel(f"reference, {name}")
        cloud.set_ylabel("sensors")
        cloud.legend(frameon=False, loc="upper left", ncols=2, bbox_to_anchor=(0, 1.12))
        for axes in (time, cloud):
            axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=150)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
