"""Levels as a state machine: raised after n steps in a row, lowered with hysteresis, kept for a least time, all logged.

A step without a value neither raises nor lowers: it ends a run of exceedances at its station, and while it could hide one
that would keep the level up, it ends the run of clear steps of the district as well. A station that has been silent for
longer than `silent_after` steps no longer keeps a level up; a district that is silent altogether keeps its level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from analytics.sensing.warning.levels import NONE, EarlyWarningError, Level, Rule

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Transition:
    """A level that changed, with the values that changed it.

    Attributes:
        step: Number of the step whose value decided.
        interval_start_at: Start of that step, UTC.
        from_level: Name of the level before.
        to_level: Name of the level after.
        threshold: What was reached (raised) or, less the hysteresis, fallen below (lowered).
        stations: Those that reached it; of a lowering, those that were measured below.
        values: Each station's value in this step; None where nothing was measured.
    """

    step: int
    interval_start_at: datetime
    from_level: str
    to_level: str
    threshold: float
    stations: tuple[str, ...]
    values: dict[str, float | None]


def step_values(hourly: Values, rule: Rule, *, start_at: datetime, timezone: str = "UTC") -> tuple[Values, list[datetime]]:
    """What a rule judges: running means of hours, or means of local days.

    Args:
        hourly: One value an hour and station, NaN where nothing was measured, shape `(hours, stations)`.
        rule: The rule.
        start_at: Start of the first hour; timezone-aware.
        timezone: IANA name of the clock by which days begin.

    Returns:
        Values of each step, NaN where less than `min_share` was measured, and the start of each step's last hour (hours)
        or of the day (days), UTC. The last day counts only when the hours reach its end.

    Raises:
        EarlyWarningError: The rule is about shorter readings than hours.
    """
    if rule.needs_interval_s < 3600:
        raise EarlyWarningError(
            f"the levels of '{rule.observed_property}' are about readings of {rule.needs_interval_s} s; expected levels for "
            "hours; hourly means hide the peaks they warn of"
        )
    starts = [start_at + i * HOUR for i in range(len(hourly))]
    if rule.step == "day":
        return _days(hourly, rule, starts, timezone)
    if rule.mean_over == 1:
        return hourly.copy(), starts
    window = rule.mean_over
    padded = np.vstack([np.full((window - 1, hourly.shape[1]), np.nan), hourly])
    seen = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    return _mean(seen, window, rule.min_share), starts


def _days(hourly: Values, rule: Rule, starts: list[datetime], timezone: str) -> tuple[Values, list[datetime]]:
    zone = ZoneInfo(timezone)
    days = np.array([at.astimezone(zone).date().toordinal() for at in starts], dtype=np.int64)
    means, at = [], []
    for day in np.unique(days):
        inside = np.flatnonzero(days == day)
        begins = datetime.fromordinal(int(day)).replace(tzinfo=zone)
        ends = (begins.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
        hours = round((ends.timestamp() - begins.timestamp()) / 3600)
        if starts[inside[-1]].timestamp() + 3600 < ends.timestamp():
            continue  # the day has not ended
        means.append(_mean(hourly[inside].T, hours, rule.min_share))
        at.append(begins.astimezone(starts[0].tzinfo))
    return np.array(means).reshape(-1, hourly.shape[1]), at


def _mean(seen: Values, of: int, min_share: float) -> Values:
    """Means over the last axis where enough of `of` values are there."""
    measured = np.isfinite(seen).sum(axis=-1)
    total = np.where(np.isfinite(seen), seen, 0.0).sum(axis=-1)
    return np.where(measured >= min_share * of, total / np.maximum(measured, 1), np.nan)


def run_levels(
    values: Values, rule: Rule, *, stations: Sequence[str], starts: Sequence[datetime]
) -> tuple[list[Transition], Counts]:
    """Pass steps through the machine, from no warning on.

    Args:
        values: From `step_values`, shape `(steps, stations)`.
        rule: The rule.
        stations: Names, one a column.
        starts: Start of each step.

    Returns:
        Every transition in order, and the level after each step, 0 for none, shape `(steps,)`.

    Raises:
        EarlyWarningError: The district has fewer stations than the rule asks for.
    """
    if len(stations) < rule.stations:
        raise EarlyWarningError(
            f"the rule for '{rule.observed_property}' asks for {rule.stations} stations, the district has {len(stations)}; "
            "expected at least as many; name more stations or lower the rule's number"
        )
    raised = np.array([_raised(values, level, rule.stations) for level in rule.levels])
    clear = np.array([_run(_clear(values, level, rule)) for level in rule.levels])
    since = np.full(len(rule.levels), np.iinfo(np.int64).max // 2)
    log, state, states = list[Transition](), 0, np.zeros(len(values), dtype=np.int64)
    for step in range(len(values)):
        held = raised[:, step]
        reached = int(np.flatnonzero(held)[-1]) + 1 if held.any() else 0
        since += 1
        since[:reached] = 0
        kept = [k for k in range(1, state + 1) if clear[k - 1, step] < rule.lower_after or since[k - 1] < rule.keep_at_least]
        after = max(reached, kept[-1] if kept else 0)
        if after != state:
            log.append(_transition(step, state, after, rule, values[step], stations, starts[step]))
        state = states[step] = after
    return log, states


def _reached(values: Values, level: Level) -> npt.NDArray[np.bool_]:
    return values >= level.at_least if level.at_least is not None else values > level.threshold


def _raised(values: Values, level: Level, stations: int) -> npt.NDArray[np.bool_]:
    """Steps at which enough stations have each reached a level so many times in a row; NaN reaches nothing."""
    runs = np.stack([_run(column) for column in _reached(values, level).T], axis=1)
    return np.asarray((runs >= level.raise_after).sum(axis=1) >= stations)


def _clear(values: Values, level: Level, rule: Rule) -> npt.NDArray[np.bool_]:
    """Steps at which too few stations lie at or above the lower threshold, or could without our knowing."""
    missing = ~np.isfinite(values)
    silent = np.stack([_run(column) for column in missing.T], axis=1) > rule.silent_after
    up = values >= level.threshold * (1 - rule.hysteresis)
    return np.asarray(((up | (missing & ~silent)).sum(axis=1) < rule.stations) & ~missing.all(axis=1))


def _run(true: npt.NDArray[np.bool_]) -> Counts:
    """How many steps in a row have been true, up to each step."""
    steps = np.arange(1, len(true) + 1)
    return steps - np.maximum.accumulate(np.where(true, 0, steps))


def _transition(
    step: int, before: int, after: int, rule: Rule, values: Values, stations: Sequence[str], at: datetime
) -> Transition:
    names = (NONE, *(level.name for level in rule.levels))
    level = rule.levels[max(before, after) - 1]
    if after > before:
        threshold, those = level.threshold, _reached(values, level)
    else:
        threshold = level.threshold * (1 - rule.hysteresis)
        those = values < threshold
    return Transition(
        step,
        at,
        names[before],
        names[after],
        threshold,
        tuple(name for name, is_one in zip(stations, those, strict=True) if is_one),
        {n: (float(v) if np.isfinite(v) else None) for n, v in zip(stations, values, strict=True)},
    )
