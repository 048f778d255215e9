"""The picture of an audit: sensors and reference over time, and against each other."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.sensing.calibration.collocation import Collocation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = tuple[float | None, float | None]
REFERENCE, SENSORS = "#0b3c5d", "#b8500c"
MANY = 1500
"""More points than this are drawn as one picture."""


def collocation_svgs(pairs: Collocation, name: str, *, slope: float | None, intercept: float | None) -> tuple[str, str]:
    """Draw the reference and the mean of the units over time, and every pair with the line of least squares.

    Args:
        pairs: The pairs.
        name: What is observed, with its unit.
        slope: Of the line; none is drawn where None.
        intercept: Of the line.

    Returns:
        Two `<svg>` elements without a prologue; their texts are texts, in the font of the page.
    """
    import matplotlib
    from matplotlib.figure import Figure

    found = []
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "testbed", "font.family": "sans-serif"}):
        for width, draw in ((6.4, _over_time), (4.0, _cloud)):
            figure = Figure(figsize=(width, 3.8), layout="constrained")
            axes = figure.subplots()
            draw(axes, pairs, name, (slope, intercept))
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, loc="lower left", ncols=2, bbox_to_anchor=(0, 1))
            found.append(_svg(figure))
    return found[0], found[1]


def _over_time(axes: Axes, pairs: Collocation, name: str, _: Line) -> None:
    from matplotlib import dates

    of_dates: Any = dates  # its classes have no types
    at: Any = [datetime.fromtimestamp(int(second), UTC) for second in pairs.start_s]
    mean = np.nansum(pairs.sensors, axis=0) / np.isfinite(pairs.sensors).sum(axis=0)
    units = "sensor" if len(pairs.names) == 1 else f"mean of {len(pairs.names)} sensors"
    style = "o" if len(at) <= 120 else ""
    axes.plot(at, mean, color=SENSORS, lw=1.2, ls="--", marker=style, ms=3, label=units)
    axes.plot(at, pairs.reference, color=REFERENCE, lw=1.4, marker=style, ms=3, label="reference")
    locator = of_dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(of_dates.ConciseDateFormatter(locator))
    axes.set_ylabel(name)


def _cloud(axes: Axes, pairs: Collocation, name: str, line: Line) -> None:
    x, y = np.broadcast_to(pairs.reference, pairs.sensors.shape).ravel(), pairs.sensors.ravel()
    axes.scatter(x, y, s=9, color=SENSORS, alpha=0.45, lw=0, rasterized=x.size > MANY)
    low, high = float(min(x.min(), np.nanmin(y))), float(max(x.max(), np.nanmax(y)))
    axes.plot([low, high], [low, high], color="#59636e", lw=1.2, ls=":", label="1 to 1")
    slope, intercept = line
    if slope is not None and intercept is not None:
        ends = np.array([x.min(), x.max()])
        axes.plot(ends, intercept + slope * ends, color=REFERENCE, lw=1.5, label=f"{intercept:.3g} + {slope:.3g} x")
    axes.set_xlabel(f"reference, {name}")
    axes.set_ylabel("sensors")


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=150)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
