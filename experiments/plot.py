"""The effect plot that a run leaves in MLflow."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from experiments.impact import Effect
from experiments.outcome import Panel


def effect_png(title: str, panel: Panel, effect: Effect, credit: str, unit: str = "crossings per day and site") -> bytes:
    """Draw treated and expected weekly outcomes, with the interval as a band.

    Args:
        title: Headline.
        panel: The weekly outcomes.
        effect: From one of `experiments.impact.METHODS`, of the same panel.
        credit: Attribution of the data, printed below.
        unit: What the outcomes are, beside the axis.

    Returns:
        A PNG picture, 1200 x 600 pixels.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    for after in (False, True):
        chosen = panel.is_after == after
        breaks = [0, *(i + 1 for i, gap in enumerate(_gaps(panel, chosen)) if gap > 21), int(chosen.sum())]
        for start, stop in pairwise(breaks):
            part = slice(start, stop)
            weeks = panel.weeks[chosen][part]
            expected, band = effect.counterfactual[chosen][part], effect.band[chosen][part]
            first = not after and start == 0
            axes.plot(weeks, panel.treated[chosen][part], color="#0b3c5d", lw=1.8, label="treated sites" if first else None)
            axes.plot(weeks, expected, color="#b8500c", lw=1.5, ls="--", label="expected" if first else None)
            if after:
                axes.fill_between(weeks, expected / band, expected * band, color="#b8500c", alpha=0.15, lw=0)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(f"{effect.method}, {effect.level:.0%} interval. {credit}", fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _gaps(panel: Panel, chosen: npt.NDArray[np.bool_]) -> list[int]:
    """Days between neighbouring weeks."""
    return [int(days) for days in np.diff(panel.weeks[chosen]).astype(int)]
