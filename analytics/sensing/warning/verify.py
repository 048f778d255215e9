"""Skill of forecasts and of the alerts made from them, on a rolling origin, against persistence and seasonal-naive.

Every model is judged on the same hours: those at which all of them made a forecast. A model that loses stands in the table
like any other. What is judged is what levels are about: where a rule takes means of hours, means that are measured up to the
origin and forecast from there on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.sensing.warning import skill
from analytics.sensing.warning.conformal import Coverage, exceedance, judge_intervals
from analytics.sensing.warning.forecast import DAY, WEEK, Hours, Values, earlier
from analytics.sensing.warning.intervals import Backtest, backtests_with
from analytics.sensing.warning.levels import EarlyWarningError
from analytics.sensing.warning.machine import running_means

REFERENCES = ("persistence", "seasonal_naive_24", "seasonal_naive_168")
"""What every table holds beside the models that were asked for."""
ALPHA = 0.1
Scored = tuple[float, float, float]
"""A score with the lower and upper end of its 95 % interval; NaN where it is not defined."""
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Row:
    """One model at one horizon, over all sites.

    Attributes:
        model: Its name.
        horizon_h: Hours from the origin. [h]
        hours: Hours of sites that were judged. [h]
        events: Those of them at or above the threshold.
        episodes: Episodes those are of, less than 12 quiet hours at all sites apart inside.
        mae: Mean absolute error, in the unit of the series.
        mae_skill: 1 less its error over that of persistence.
        mase: Error over that of the seasonal-naive forecast before the hours judged.
        scores: POD, FAR (ratio), CSI, bias, HSS, SEDI of alerts; POFD beside them.
        begins: POD, FAR (ratio) and CSI of hours that began at a quiet origin: what a repeated value cannot tell.
        brier: Of the probabilities.
        brier_skill: Against the frequency of events known at each origin, over all sites.
        lead_h: Mean hours of warning before an event began at a site, over all horizons of the table; 0 where none came. [h]
        coverage: Of intervals of 90 %, with an interval of its own.
        intervals: The same with width and Winkler score, and by hour of the day.
        sites: POD, FAR (ratio), CSI and number of events of each site, in order of the columns.
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
    brier_skill: Scored
    lead_h: Scored
    coverage: Scored
    intervals: Coverage
    sites: list[dict[str, float]]


def verify(
    hours: Hours,
    threshold: float,
    *,
    models: Sequence[str],
    horizons: Sequence[int] = (1, 6, 24),
    mean_over: int = 1,
    min_share: float = 0.75,
    method: str = "adaptive",
    refit_every: int = WEEK,
    first_fit: int = 2 * WEEK,
    draws: int = 1000,
    seed: int = 7,
) -> list[Row]:
    """The table of skill.

    Args:
        hours: The series of one site or several.
        threshold: An hour at or above it is an event.
        models: Beside `REFERENCES`.
        horizons: Hours from the origin. [h]
        mean_over: Hours whose running mean is compared with the threshold. [h]
        min_share: Share of them that must have been measured.
        method: Of the intervals, see `intervals.METHODS`.
        refit_every: Hours after which a learned model is fitted, and the threshold of alerts chosen, anew. [h]
        first_fit: Hours known at the first fit; nothing is judged before. [h]
        draws: Of each bootstrap.
        seed: Of models and bootstraps.

    Returns:
        A row for each horizon and model, references first.

    Raises:
        EarlyWarningError: A model is unknown, or no hour can be judged.
    """
    names, wanted = list(dict.fromkeys([*REFERENCES, *models])), sorted(set(horizons))
    values = hours.values.reshape(len(hours.values), -1)
    panel = Hours(values, hours.start_at, hours.hour, hours.weekday, hours.is_holiday, hours.known)
    judged = running_means(values, mean_over, min_share) if mean_over > 1 else values
    events = np.nan_to_num(judged, nan=-np.inf) >= threshold
    found: dict[tuple[str, int], Backtest] = {}
    chances: dict[tuple[str, int], Values] = {}
    use = np.isfinite(judged)
    use[:first_fit] = False
    for name in names:
        how = method if name in models else "adaptive"  # quantiles are learned once, for what was asked for
        steps = range(1, wanted[-1] + 1) if mean_over > 1 else wanted
        made = backtests_with(how, name, panel, steps, refit_every=refit_every, first_fit=first_fit, seed=seed)
        for one in _of_means(made, values, wanted, mean_over, min_share):
            key = name, one.horizon
            found[key] = one
            chances[key] = exceedance(one.forecasts, judged, one.horizon, threshold=threshold)
            use &= np.isfinite(one.forecasts) & np.isfinite(chances[key])
    if not use.any():
        raise EarlyWarningError(
            f"no hour of {len(values)} can be judged; expected a series of more than {first_fit + wanted[-1]} hours, "
            "with values; give a longer one"
        )
    alerts = {key: skill.tuned_alerts(chance, events, key[1], every=refit_every) for key, chance in chances.items()}
    leads = {n: skill.lead_times(events & use, {h: alerts[n, h] & use for h in wanted}) for n in names}
    seen = _Seen(judged, events, use, hours.hour, judged[:first_fit], int(np.argmax(use.any(axis=1))), draws, seed)
    rows = []
    for h in wanted:
        frequency = np.clip(_frequency(events, judged, h), 1e-6, 1 - 1e-6)[:, None]
        plain = found["persistence", h].forecasts
        rows += [
            _row(name, found[name, h], seen, (chances[name, h], frequency), alerts[name, h], plain, leads[name], method)
            for name in names
        ]
    return rows


@dataclass(frozen=True)
class _Seen:
    """What every row is judged by."""

    values: Values
    events: Truths
    use: Truths
    hour: npt.NDArray[np.int64]
    before: Values
    first: int
    draws: int
    seed: int

    def by_day(self, parts: Sequence[npt.NDArray[Any]]) -> Values:
        """Sums of each day over the hours that are judged, shape `(days, parts)`; days begin with the first such hour."""
        hourly = np.stack([np.where(self.use, part, 0).sum(axis=1) for part in parts], axis=1)[self.first :]
        return np.add.reduceat(hourly, np.arange(0, len(hourly), DAY), axis=0)


ALERTS = ("pod", "far_ratio", "pofd", "csi", "bias", "hss", "sedi")
FREE_OF_EVENTS = ("mae_skill", "brier", "brier_skill", "coverage", "pofd")
"""Scores whose intervals do not ask for several episodes."""


def _alert_score(key: str, first: int) -> skill.Score:
    """A score of alerts from the four sums that begin with a part."""

    def score(sums: Values) -> Values:
        return skill.alert_scores(sums[..., first : first + 4])[key]

    return score


def _ratio(part: int, whole: int, *, is_skill: bool = False) -> skill.Score:
    """One sum over another, or 1 less that."""

    def score(sums: Values) -> Values:
        found = skill.over(sums[..., part], sums[..., whole])
        return 1 - found if is_skill else found

    return score


SCORES: dict[str, skill.Score] = {
    **{key: _alert_score(key, 0) for key in ALERTS},
    **{f"begins_{key}": _alert_score(key, 4) for key in ("pod", "far_ratio", "csi")},
    "mae_skill": _ratio(8, 9, is_skill=True),
    "brier": _ratio(10, 12),
    "brier_skill": _ratio(10, 11, is_skill=True),
    "coverage": _ratio(13, 14),
    "lead_h": _ratio(15, 16),
}
"""Scores of the sums that `_row` makes, by their places."""


def _row(
    name: str,
    made: Backtest,
    seen: _Seen,
    chances: tuple[Values, Values],
    alerts: Truths,
    plain: Values,
    leads: tuple[Truths, npt.NDArray[np.int64]],
    method: str,
) -> Row:
    values, events, use, h = seen.values, seen.events, seen.use, made.horizon
    floor = np.where(np.fmin.reduce(values, axis=0) >= 0, 0.0, -np.inf)
    intervals = made.intervals(values, method, alpha=ALPHA, floor=floor)
    was_quiet = ~np.concatenate([np.zeros((h, values.shape[1]), dtype=np.bool_), events[:-h]])
    table = [alerts & events, alerts & ~events, ~alerts & events, ~alerts & ~events]
    parts: list[npt.NDArray[Any]] = [*table, *(one & was_quiet for one in table)]
    parts += [np.abs(values - made.forecasts), np.abs(values - plain)]
    parts += [(chance - events) ** 2 for chance in chances]
    parts += [use, (intervals.lower <= values) & (values <= intervals.upper), ~np.isnan(intervals.upper), leads[1], leads[0]]
    days = seen.by_day(parts)
    ends = skill.bootstrap(days, list(SCORES.values()), draws=seen.draws, seed=seen.seed)
    came: Truths = np.logical_or.reduce(events & use, axis=1)
    episodes = int(skill.episodes(came[np.logical_or.reduce(use, axis=1)]).max()) + 1 if came.any() else 0
    total, scored = days.sum(axis=0), dict[str, Scored]()
    for (key, score), end in zip(SCORES.items(), ends, strict=True):
        is_enough = key in FREE_OF_EVENTS or episodes >= skill.FEWEST_EPISODES
        scored[key] = (float(score(total)), *(end if is_enough else (float("nan"), float("nan"))))
    judged = np.where(use, values, np.nan)
    return Row(
        name,
        h,
        int(use.sum()),
        int((events & use).sum()),
        episodes,
        float(np.nanmean(np.abs(judged - made.forecasts))),
        scored["mae_skill"],
        skill.mase(judged, made.forecasts, seen.before),
        {key: scored[key] for key in ALERTS},
        {key: scored[f"begins_{key}"] for key in ("pod", "far_ratio", "csi")},
        scored["brier"],
        scored["brier_skill"],
        scored["lead_h"],
        scored["coverage"],
        judge_intervals(intervals, judged, np.broadcast_to(seen.hour[:, None], values.shape)),
        _sites(np.stack([(one & use).sum(axis=0) for one in table], axis=-1).astype(np.float64)),
    )


def _sites(tables: Values) -> list[dict[str, float]]:
    """POD, FAR (ratio), CSI and events of each site, from its contingency table."""
    scores = skill.alert_scores(tables)
    return [
        {"events": float(table[0] + table[2]), **{key: float(scores[key][site]) for key in ("pod", "far_ratio", "csi")}}
        for site, table in enumerate(tables)
    ]


def _of_means(
    made: Iterable[Backtest], values: Values, wanted: Sequence[int], mean_over: int, min_share: float
) -> Iterator[Backtest]:
    """Backtests of running means: of each, the hours up to the origin as measured, the hours after it as forecast."""
    if mean_over == 1:
        yield from made
        return
    sums = {h: np.zeros((4, *values.shape)) for h in wanted}  # of forecast, low and high, and how many hours are in
    for h in wanted:
        for back in range(h, mean_over):
            _add(sums[h], earlier(values, back), [earlier(values, back)] * 3)
    for one in made:
        for h in wanted:
            back = h - one.horizon
            if 0 <= back < mean_over:
                parts = [earlier(part, back) for part in (one.forecasts, one.low, one.high)]
                _add(sums[h], parts[0], parts)
    for h in wanted:
        count = sums[h][3]
        mean = np.where(count >= min_share * mean_over, sums[h][:3] / np.maximum(count, 1), np.nan)
        yield Backtest(h, mean[0], mean[1], mean[2])


def _add(sums: Values, known: Values, parts: Sequence[Values]) -> None:
    is_there = np.isfinite(known)
    for total, part in zip(sums, [*parts, is_there], strict=True):
        total += np.where(is_there, part, 0.0)


def _frequency(events: Truths, values: Values, horizon: int) -> Values:
    """Share of events among the hours of all sites measured by each origin, one half before the first, shape `(n,)`."""
    seen = np.concatenate([[0], np.cumsum(np.isfinite(values).sum(axis=1))])
    came = np.concatenate([[0], np.cumsum(events.sum(axis=1))])
    known = np.maximum(np.arange(len(values)) - horizon + 1, 0)
    return np.where(seen[known] > 0, came[known] / np.maximum(seen[known], 1), 0.5)
