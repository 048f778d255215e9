"""How good warnings are: contingency scores, Brier, lead time, and errors against baselines, each with an interval.

Hours of one day, days of one episode and sites of one network are not independent, so intervals come from a moving-block
bootstrap of whole days with all their sites. `wilson` is for rates whose cases are independent.

Source:
    Jolliffe and Stephenson, Forecast Verification, 2nd ed., chapters 3 and 7; Ferro and Stephenson 2011 (SEDI);
    Wilson 1927; Hyndman and Koehler 2006 (MASE); Künsch 1989 (moving blocks).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from analytics.sensing.warning.levels import EarlyWarningError

Values = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Score = Callable[[Values], Values]
"""A score from sums over some days, shape `(..., parts)` to `(...)`."""
FEWEST_EPISODES = 5
"""With fewer episodes an interval of a bootstrap says little; none is given."""


@dataclass(frozen=True)
class Contingency:
    """Alerts against events.

    Attributes:
        hits: Events with an alert.
        false_alarms: Alerts without an event.
        misses: Events without an alert.
        correct_negatives: Neither.
    """

    hits: int
    false_alarms: int
    misses: int
    correct_negatives: int

    def scores(self) -> dict[str, float]:
        """POD, FAR (ratio), POFD, CSI, bias, HSS and SEDI; NaN where a score is not defined.

        Example:
            >>> round(Contingency(82, 38, 23, 222).scores()["csi"], 3)
            0.573
        """
        counts = np.array([self.hits, self.false_alarms, self.misses, self.correct_negatives], dtype=np.float64)
        return {name: float(score) for name, score in alert_scores(counts).items()}


def alert_scores(counts: Values) -> dict[str, Values]:
    """Scores of many contingency tables at once, as `Contingency.scores` has them.

    Args:
        counts: Hits, false alarms, misses, correct negatives, shape `(..., 4)`.

    Returns:
        Name -> scores, NaN where not defined, shape `(...)`.
    """
    h, f, m, c = np.moveaxis(counts, -1, 0)
    pod, pofd = over(h, h + m), over(f, f + c)
    return {
        "pod": pod,
        "far_ratio": over(f, h + f),
        "pofd": pofd,
        "csi": over(h, h + m + f),
        "bias": over(h + f, h + m),
        "hss": over(2 * (h * c - f * m), (h + m) * (m + c) + (h + f) * (f + c)),
        "sedi": _sedi(pod, pofd),
    }


def over(part: npt.ArrayLike, whole: npt.ArrayLike) -> Values:
    """One over the other; NaN over 0."""
    below = np.asarray(whole, dtype=np.float64)
    return np.where(below != 0, part / np.where(below != 0, below, 1.0), np.nan)


def _sedi(pod: Values, pofd: Values) -> Values:
    is_defined = (pod > 0) & (pod < 1) & (pofd > 0) & (pofd < 1)
    hit, false = np.where(is_defined, pod, 0.5), np.where(is_defined, pofd, 0.5)
    f, h, not_f, not_h = np.log(false), np.log(hit), np.log(1 - false), np.log(1 - hit)
    return np.where(is_defined, over(f - h - not_f + not_h, f + h + not_f + not_h), np.nan)


def contingency(alerts: Truths, events: Truths) -> Contingency:
    """Count alerts against events, hour by hour; both of shape `(n,)`."""
    if alerts.shape != events.shape:
        raise EarlyWarningError(f"{alerts.shape} alerts and {events.shape} events; expected the same hours; align them")
    both = int((alerts & events).sum())
    return Contingency(both, int(alerts.sum()) - both, int(events.sum()) - both, int((~alerts & ~events).sum()))


def split_transitions(alerts: Truths, events: Truths, was_event: Truths) -> tuple[Contingency, Contingency]:
    """Contingency of hours whose origin was quiet (does it begin?) and of those whose origin was in an event (does it last?).

    Persistence never foresees a beginning; a score over all hours hides that.
    """
    return contingency(alerts[~was_event], events[~was_event]), contingency(alerts[was_event], events[was_event])


def brier(probabilities: Values, events: Truths) -> float:
    """Mean squared error of probabilities, shape `(n,)`; 0 is best."""
    return float(np.mean((probabilities - events) ** 2))


def brier_skill(probabilities: Values, events: Truths, reference: Values) -> float:
    """1 less Brier score over that of a reference, such as the climatological frequency known then."""
    return float(1 - over(brier(probabilities, events), brier(reference, events)))


def mae_skill(values: Values, forecasts: Values, reference: Values) -> float:
    """1 less mean absolute error over that of a reference, over the hours where all three are there."""
    use = np.isfinite(values) & np.isfinite(forecasts) & np.isfinite(reference)
    return float(1 - over(np.abs(values - forecasts)[use].sum(), np.abs(values - reference)[use].sum()))


def mase(values: Values, forecasts: Values, in_sample: Values, season: int = 24) -> float:
    """Mean absolute error over that of the seasonal-naive forecast in the sample before, `(m,)`, at a season of hours."""
    scale = np.nanmean(np.abs(in_sample[season:] - in_sample[:-season]))
    return float(over(np.nanmean(np.abs(values - forecasts)), scale))


def lead_times(events: Truths, alerts: dict[int, Truths]) -> tuple[Truths, npt.NDArray[np.int64]]:
    """Hours from the first alert for each event's beginning to it; 0 for an event that no alert foresaw.

    Args:
        events: Whether each hour is an event, shape `(n,)` or `(n, sites)`.
        alerts: Horizon -> whether the forecast made so many hours before spoke of an event, each of the same shape.

    Returns:
        Where events begin, and the lead there, both of the same shape. [h]
    """
    begins = events & ~np.concatenate([np.zeros_like(events[:1]), events[:-1]])
    lead = np.zeros(events.shape, dtype=np.int64)
    for horizon in sorted(alerts):
        lead[horizon:] = np.where(alerts[horizon][horizon:], horizon, lead[horizon:])
    return begins, np.where(begins, lead, 0)


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share of independent cases.

    Example:
        >>> [round(x, 4) for x in wilson(8, 10)]
        [0.4902, 0.9433]
    """
    if n == 0:
        return float("nan"), float("nan")
    z = float(norm.ppf(0.5 + level / 2))
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(middle - half), float(middle + half)


def episodes(events: Truths, *, gap: int = 12) -> npt.NDArray[np.int64]:
    """Blocks of time that each hold one episode: events less than `gap` hours apart, and half the quiet on either side.

    Returns:
        Number of each hour's block, from 0, shape `(n,)`; all 0 where there is at most one episode.
    """
    at = np.flatnonzero(events)
    breaks = np.flatnonzero(np.diff(at) > gap)
    cuts = (at[breaks] + at[breaks + 1]) // 2 + 1
    return np.searchsorted(cuts, np.arange(len(events)), side="right").astype(np.int64)


def bootstrap(
    days: Values,
    scores: Sequence[Score],
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> list[tuple[float, float]]:
    """Percentile intervals of scores by a moving-block bootstrap: blocks of days in a row are drawn with replacement.

    Args:
        days: Sums of each day, in order of time, shape `(days, parts)`.
        scores: Each takes sums of shape `(draws, parts)`.
        draws: Samples.
        level: Of the intervals.
        seed: Of the draw.

    Returns:
        Lower and upper end of each score; NaN where it is mostly undefined, or with fewer than `FEWEST_EPISODES` blocks. A
        block has as many days as the cube root of their number, at least three.
    """
    length = max(3, int(np.ceil(len(days) ** (1 / 3))))
    blocks = len(days) // length
    if blocks < FEWEST_EPISODES:
        return [(float("nan"), float("nan"))] * len(scores)
    total = np.concatenate([np.zeros((1, days.shape[1])), np.cumsum(days, axis=0)])
    first = np.random.default_rng(seed).integers(0, len(days) - length + 1, (draws, blocks))
    drawn = (total[first + length] - total[first]).sum(axis=1)
    return [_percentiles(score(drawn), level) for score in scores]


def _percentiles(found: Values, level: float) -> tuple[float, float]:
    is_there = np.isfinite(found)
    if is_there.mean() < 0.5:
        return float("nan"), float("nan")
    low, high = np.quantile(found[is_there], [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


GRID = np.linspace(0.05, 0.95, 19)
"""Thresholds of probability from which that of alerts is chosen."""


def tuned_alerts(probabilities: Values, events: Truths, horizon: int, *, every: int = 168) -> Truths:
    """Alerts where a probability reaches the threshold that had the best CSI, over all sites, in what the origin knows.

    Args:
        probabilities: From `exceedance`, NaN where there is none, shape `(n,)` or `(n, sites)`.
        events: What came, the same shape; unknown hours must be False and have no probability.
        horizon: Hours from the origin to the hour forecast. [h]
        every: Hours after which the threshold is chosen anew. [h]

    Returns:
        Whether there is an alert, the same shape; until ten events are known the threshold is one half.
    """
    reached = np.searchsorted(GRID, probabilities, side="right")  # so many thresholds; NaN would reach them all
    is_there = np.isfinite(probabilities)
    found = np.zeros(events.shape, dtype=np.bool_)
    came, quiet = np.zeros(len(GRID) + 1), np.zeros(len(GRID) + 1)
    learned = 0
    for first in range(0, len(events), every):
        known = max(first - horizon + 1, 0)
        rows = slice(learned, known)
        for total, which in ((came, events[rows]), (quiet, ~events[rows])):
            total += np.bincount(reached[rows][which & is_there[rows]], minlength=len(total))
        learned = known
        best = 0.5
        if came.sum() >= 10:
            hits, false = (one[::-1].cumsum()[::-1][1:] for one in (came, quiet))
            best = float(GRID[int(np.nanargmax(over(hits, came.sum() + false)))])
        block = slice(first, first + every)
        found[block] = np.nan_to_num(probabilities[block], nan=-1.0) >= best
    return found
