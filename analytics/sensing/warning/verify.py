"""Skill of forecasts and of the alerts made from them, on a rolling origin, against persistence and seasonal-naive.

Every model is judged on the same hours: those at which all of them made a forecast. A model that loses stands in the table
like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.sensing.warning import skill
from analytics.sensing.warning.conformal import Coverage, adaptive, exceedance, judge_intervals
from analytics.sensing.warning.forecast import DAY, WEEK, Hours, Values, backtest
from analytics.sensing.warning.levels import EarlyWarningError

REFERENCES = ("persistence", "seasonal_naive_24", "seasonal_naive_168")
"""What every table holds beside the models that were asked for."""
Scored = tuple[float, float, float]
"""A score with the lower and upper end of its 95 % interval; NaN where it is not defined."""


@dataclass(frozen=True)
class Row:
    """One model at one horizon.

    Attributes:
        model: Its name.
        horizon_h: Hours from the origin. [h]
        hours: Hours that were judged. [h]
        events: Hours of them at or above the threshold.
        episodes: Episodes those are of, less than 12 quiet hours apart inside: the blocks of the bootstrap.
        mae: Mean absolute error, in the unit of the series.
        mae_skill: 1 less its error over that of persistence, with an interval from blocks of three days.
        mase: Error over that of the seasonal-naive forecast before the hours judged.
        scores: POD, FAR (ratio), CSI, bias, HSS, SEDI of alerts, each with interval; POFD beside them.
        begins: POD and CSI of hours that began at a quiet origin: what a repeated value cannot tell.
        brier: Of the probabilities, with interval.
        brier_skill: Against the frequency of events known at each origin.
        lead_h: Median hours of warning before an episode began, over all horizons of the table; 0 where none came. [h]
        intervals: Coverage of the 90 % adaptive intervals, also by hour of the day.
    """

    model: str
    horizon_h: int
    hours: int
    events: int
    episodes: int
    mae: float
    mae_skill: Scored
    mase: float
    scores: dict[str, Scored]
    begins: dict[str, Scored]
    brier: Scored
    brier_skill: float
    lead_h: float
    intervals: Coverage


def verify(
    hours: Hours,
    threshold: float,
    *,
    models: Sequence[str],
    horizons: Sequence[int] = (1, 6, 24),
    refit_every: int = WEEK,
    first_fit: int = 2 * WEEK,
    draws: int = 500,
    seed: int = 7,
) -> list[Row]:
    """The table of skill.

    Args:
        hours: The series.
        threshold: An hour at or above it is an event.
        models: Beside `REFERENCES`.
        horizons: Hours from the origin. [h]
        refit_every: Hours after which a learned model is fitted, and the threshold of alerts chosen, anew. [h]
        first_fit: Hours known at the first fit; nothing is judged before. [h]
        draws: Of each bootstrap.
        seed: Of models and bootstraps.

    Returns:
        A row for each horizon and model, references first.

    Raises:
        EarlyWarningError: A model is unknown, or no hour can be judged.
    """
    names = list(dict.fromkeys([*REFERENCES, *models]))
    events = np.nan_to_num(hours.values, nan=-np.inf) >= threshold
    found: dict[int, dict[str, Values]] = {}
    chances: dict[int, dict[str, Values]] = {}
    use = np.isfinite(hours.values)
    use[:first_fit] = False
    for h in horizons:
        found[h] = {n: backtest(n, hours, h, refit_every=refit_every, first_fit=first_fit, seed=seed) for n in names}
        chances[h] = {n: exceedance(f, hours.values, h, threshold=threshold) for n, f in found[h].items()}
        for name in names:
            use &= np.isfinite(found[h][name]) & np.isfinite(chances[h][name])
    if not use.any():
        raise EarlyWarningError(
            f"no hour of {len(hours.values)} can be judged; expected a series of more than {first_fit + max(horizons)} hours, "
            "with values; give a longer one"
        )
    alerts = {h: {n: skill.tuned_alerts(chances[h][n], events, h, every=refit_every) for n in names} for h in horizons}
    leads = {n: skill.lead_times(events & use, {h: alerts[h][n] & use for h in horizons}) for n in names}
    blocks = skill.episodes(events[use])
    rows = []
    for h in horizons:
        frequency = np.clip(_frequency(events, hours.values, h), 1e-6, 1 - 1e-6)[use]
        origin = np.concatenate([np.zeros(h, dtype=np.bool_), events[:-h]])[use]
        plain = found[h]["persistence"][use]
        rows += [
            _row(
                name, h, hours, use, events[use], found[h][name], chances[h][name][use], alerts[h][name][use],
                (frequency, origin, plain, blocks), leads[name], hours.values[:first_fit], (draws, seed),
            )
            for name in names
        ]  # fmt: skip
    return rows


def _row(
    name: str,
    h: int,
    hours: Hours,
    use: npt.NDArray[np.bool_],
    events: npt.NDArray[np.bool_],
    forecasts: Values,
    chance: Values,
    alerts: npt.NDArray[np.bool_],
    beside: tuple[Values, npt.NDArray[np.bool_], Values, npt.NDArray[np.int64]],
    leads: list[int],
    before: Values,
    drawing: tuple[int, int],
) -> Row:
    frequency, origin, plain, blocks = beside
    values, guess = hours.values[use], forecasts[use]
    floor = 0.0 if np.nanmin(hours.values) >= 0 else -np.inf
    intervals = adaptive(forecasts, hours.values, h, floor=floor)
    judged = np.where(use, hours.values, np.nan)
    every = np.arange(len(values))

    def scored(score: skill.Score, among: npt.NDArray[np.int64] = blocks) -> Scored:
        return score(every), *skill.bootstrap(score, among, draws=drawing[0], seed=drawing[1])

    def of(key: str, at_origin: npt.NDArray[np.bool_] | None = None) -> Scored:
        def score(at: npt.NDArray[np.int64]) -> float:
            chosen = at if at_origin is None else at[at_origin[at]]
            return skill.contingency(alerts[chosen], events[chosen]).scores()[key]

        return scored(score)

    return Row(
        name,
        h,
        len(values),
        int(events.sum()),
        int(blocks.max()) + 1 if events.any() else 0,
        float(np.abs(values - guess).mean()),
        scored(lambda at: skill.mae_skill(values[at], guess[at], plain[at]), every // (3 * DAY)),
        skill.mase(values, guess, before),
        {key: of(key) for key in ("pod", "far_ratio", "pofd", "csi", "bias", "hss", "sedi")},
        {key: of(key, ~origin) for key in ("pod", "far_ratio", "csi")},
        scored(lambda at: skill.brier(chance[at], events[at])),
        skill.brier_skill(chance, events, frequency),
        float(np.median(leads)) if leads else float("nan"),
        judge_intervals(intervals, judged, hours.hour),
    )


def _frequency(events: npt.NDArray[np.bool_], values: Values, horizon: int) -> Values:
    """Share of events among the hours measured by each origin; one half before the first."""
    seen = np.concatenate([[0], np.cumsum(np.isfinite(values))])
    came = np.concatenate([[0], np.cumsum(events)])
    known = np.maximum(np.arange(len(values)) - horizon + 1, 0)
    return np.where(seen[known] > 0, came[known] / np.maximum(seen[known], 1), 0.5)
