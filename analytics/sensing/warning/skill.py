"""How good warnings are: contingency scores, Brier, lead time, and errors against baselines, each with an interval.

Hours of one episode are not independent, so intervals come from a bootstrap whose blocks each hold one episode with half of
the quiet time on either side. `wilson` is for rates whose cases are independent.

Source:
    Jolliffe and Stephenson, Forecast Verification, 2nd ed., chapters 3 and 7; Ferro and Stephenson 2011 (SEDI);
    Wilson 1927; Hyndman and Koehler 2006 (MASE).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from analytics.sensing.warning.levels import EarlyWarningError

Values = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Score = Callable[[npt.NDArray[np.int64]], float]
"""A score of some hours, by their numbers."""
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
        h, f, m, c = (float(n) for n in (self.hits, self.false_alarms, self.misses, self.correct_negatives))
        pod, pofd = _over(h, h + m), _over(f, f + c)
        return {
            "pod": pod,
            "far_ratio": _over(f, h + f),
            "pofd": pofd,
            "csi": _over(h, h + m + f),
            "bias": _over(h + f, h + m),
            "hss": _over(2 * (h * c - f * m), (h + m) * (m + c) + (h + f) * (f + c)),
            "sedi": _sedi(pod, pofd),
        }


def _over(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _sedi(pod: float, pofd: float) -> float:
    if not (0 < pod < 1 and 0 < pofd < 1):
        return float("nan")
    f, h, not_f, not_h = np.log(pofd), np.log(pod), np.log(1 - pofd), np.log(1 - pod)
    return float((f - h - not_f + not_h) / (f + h + not_f + not_h))


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
    return 1 - _over(brier(probabilities, events), brier(reference, events))


def mae_skill(values: Values, forecasts: Values, reference: Values) -> float:
    """1 less mean absolute error over that of a reference, over the hours where all three are there."""
    use = np.isfinite(values) & np.isfinite(forecasts) & np.isfinite(reference)
    return 1 - _over(float(np.abs(values - forecasts)[use].sum()), float(np.abs(values - reference)[use].sum()))


def mase(values: Values, forecasts: Values, in_sample: Values, season: int = 24) -> float:
    """Mean absolute error over that of the seasonal-naive forecast in the sample before, `(m,)`, at a season of hours."""
    scale = np.nanmean(np.abs(in_sample[season:] - in_sample[:-season]))
    return _over(float(np.nanmean(np.abs(values - forecasts))), float(scale))


def lead_times(events: Truths, alerts: dict[int, Truths]) -> list[int]:
    """Hours from the first alert for each event's beginning to it; 0 for an event that no alert foresaw.

    Args:
        events: Whether each hour is an event, shape `(n,)`.
        alerts: Horizon -> whether the forecast made so many hours before spoke of an event, each of shape `(n,)`.

    Returns:
        One number for each event. [h]
    """
    begins = np.flatnonzero(events & ~np.concatenate([[False], events[:-1]]))
    return [max((h for h, said in alerts.items() if said[t] and t >= h), default=0) for t in begins]


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
    score: Score,
    blocks: npt.NDArray[np.int64],
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 7,
) -> tuple[float, float]:
    """Percentile interval of a score, by drawing whole blocks with replacement.

    Args:
        score: Takes the numbers of the drawn hours, some more than once.
        blocks: From `episodes`, shape `(n,)`.
        draws: Samples.
        level: Of the interval.
        seed: Of the draw.

    Returns:
        Lower and upper end; NaN where there are fewer than `FEWEST_EPISODES` blocks or the score is mostly undefined.
    """
    places = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    if len(places) < FEWEST_EPISODES:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    drawn = [score(np.concatenate([places[i] for i in rng.integers(0, len(places), len(places))])) for _ in range(draws)]
    found = np.array([one for one in drawn if np.isfinite(one)])
    if len(found) < draws / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def tuned_alerts(probabilities: Values, events: Truths, horizon: int, *, every: int = 168) -> Truths:
    """Alerts where a probability reaches the threshold that had the best CSI in what was known at the origin.

    Args:
        probabilities: From `exceedance`, NaN where there is none, shape `(n,)`.
        events: What came, shape `(n,)`; unknown hours must be False and have no probability.
        horizon: Hours from the origin to the hour forecast. [h]
        every: Hours after which the threshold is chosen anew. [h]

    Returns:
        Whether there is an alert, shape `(n,)`; until ten events are known the threshold is one half.
    """
    found = np.zeros(len(events), dtype=np.bool_)
    grid = np.linspace(0.05, 0.95, 19)
    for first in range(0, len(events), every):
        known = np.arange(max(first - horizon + 1, 0))
        known = known[np.isfinite(probabilities[known])]
        best = 0.5
        if int(events[known].sum()) >= 10:
            reached = [contingency(probabilities[known] >= p, events[known]).scores()["csi"] for p in grid]
            best = float(grid[int(np.nanargmax(reached))])
        block = slice(first, first + every)
        found[block] = np.nan_to_num(probabilities[block], nan=-1.0) >= best
    return found
