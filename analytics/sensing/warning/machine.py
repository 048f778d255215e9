"""Levels as a state machine: raised after n steps in a row, lowered with hysteresis, kept for a least time, all logged.

A step without a value neither raises nor lowers: it ends a run of exceedances at its station, and while it could hide one
that would keep the level up, it ends the run of clear steps of the district as well. A station that has been silent for
longer than `silent_after` steps no longer keeps a level up; a district that is silent altogether keeps its level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        district: What was judged: a declared district, or a site of its own.
        step: Number of the step whose value decided.
        interval_start_at: Start of that step, UTC.
        from_level: Name of the level before.
        to_level: Name of the level after.
        is_raise: Whether the level went up.
        threshold: What was reached (raised) or, less the hysteresis, fallen below (lowered).
        stations: Those of the district that reached it; of a lowering, those that were measured below.
        values: Each of its stations' value in this step; None where nothing was measured.
    """

    district: str
    step: int
    interval_start_at: datetime
    from_level: str
    to_level: str
    is_raise: bool
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
    return running_means(hourly, rule.mean_over, rule.min_share), starts


def running_means(hourly: Values, hours: int, min_share: float) -> Values:
    """Means of so many hours up to each, shape of `hourly`; NaN where less than `min_share` of them was measured."""
    is_seen = np.isfinite(hourly)
    plain = np.where(is_seen, hourly, 0.0)
    total, measured = np.zeros(hourly.shape), np.zeros(hourly.shape, dtype=np.int64)
    for back in range(min(hours, len(hourly))):  # sums of their own: a running sum would carry its rounding along
        total[back:] += plain[: len(hourly) - back]
        measured[back:] += is_seen[: len(hourly) - back]
    return np.where(measured >= min_share * hours, total / np.maximum(measured, 1), np.nan)


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
    values: Values,
    rule: Rule,
    *,
    stations: Sequence[str],
    starts: Sequence[datetime],
    districts: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[Transition], Counts]:
    """Pass steps through the machines, one for each district, from no warning on.

    Args:
        values: From `step_values`, shape `(steps, stations)`.
        rule: The rule.
        stations: Names, one a column.
        starts: Start of each step.
        districts: Name -> its stations; None for one district of them all.

    Returns:
        Every transition in order of time, then of district, and the level of each district after each step, 0 for none,
        shape `(steps, districts)`.

    Raises:
        EarlyWarningError: A district has fewer stations than the rule asks for, or one that is not there.
    """
    named = {"": stations} if districts is None else districts
    place = {station: column for column, station in enumerate(stations)}
    members = [[_place(place, name, station) for station in inside] for name, inside in named.items()]
    for name, inside in zip(named, members, strict=True):
        if len(inside) < rule.stations:
            raise EarlyWarningError(
                f"{name or 'the district'}: the rule for '{rule.observed_property}' asks for {rule.stations} stations, the "
                f"district has {len(inside)}; expected at least as many; declare districts of more stations in the levels' "
                "file, or lower the rule's number"
            )
    states = _states(values, rule, members)
    before = np.vstack([np.zeros((1, len(members)), dtype=np.int64), states[:-1]])
    names = list(named)
    log = [
        _transition(names[d], int(step), (int(before[step, d]), int(states[step, d])), rule, values[step, members[d]],
                    [stations[column] for column in members[d]], starts[step])
        for step, d in np.argwhere(states != before)
    ]  # fmt: skip
    return log, states


def _place(place: Mapping[str, int], district: str, station: str) -> int:
    if station not in place:
        raise EarlyWarningError(
            f"{district}: station '{station}' has no hours; expected one of {', '.join(place)}; correct the district"
        )
    return place[station]


def _states(values: Values, rule: Rule, members: Sequence[Sequence[int]]) -> Counts:
    """The level of every district after each step, shape `(steps, districts)`; all districts take a step at once."""
    raised = np.array([_of_districts(_lasting(values, level), members) >= rule.stations for level in rule.levels])
    is_dark = _of_districts(np.isfinite(values), members) == 0
    clear = np.array([_run((_of_districts(_may_be_up(values, level, rule), members) < rule.stations) & ~is_dark)
                      for level in rule.levels])  # fmt: skip
    rank = np.arange(1, len(rule.levels) + 1)[:, None]
    since = np.full((len(rule.levels), len(members)), np.iinfo(np.int64).max // 2)
    state, states = np.zeros(len(members), dtype=np.int64), np.zeros((len(values), len(members)), dtype=np.int64)
    reached = (raised * rank[:, None]).max(axis=0)
    for step in range(len(values)):
        since = np.where(rank <= reached[step], 0, since + 1)
        is_kept = (rank <= state) & ((clear[:, step] < rule.lower_after) | (since < rule.keep_at_least))
        state = states[step] = np.maximum(reached[step], (is_kept * rank).max(axis=0))
    return states


def _of_districts(true: npt.NDArray[np.bool_], members: Sequence[Sequence[int]]) -> Counts:
    """At how many stations of each district something holds, shape `(steps, districts)`."""
    columns = np.concatenate([np.asarray(inside, dtype=np.int64) for inside in members])
    first = np.cumsum([0, *(len(inside) for inside in members)])[:-1]
    return np.add.reduceat(true[:, columns].astype(np.int64), first, axis=1)


def _reached(values: Values, level: Level) -> npt.NDArray[np.bool_]:
    return values >= level.at_least if level.at_least is not None else values > level.threshold


def _lasting(values: Values, level: Level) -> npt.NDArray[np.bool_]:
    """Steps at which a station has reached a level so many times in a row; NaN reaches nothing."""
    return _run(_reached(values, level)) >= level.raise_after


def _may_be_up(values: Values, level: Level, rule: Rule) -> npt.NDArray[np.bool_]:
    """Steps at which a station lies at or above the lower threshold, or could without our knowing."""
    missing = ~np.isfinite(values)
    return (values >= level.threshold * (1 - rule.hysteresis)) | (missing & (_run(missing) <= rule.silent_after))


def _run(true: npt.NDArray[np.bool_]) -> Counts:
    """How many steps in a row have been true, up to each step."""
    steps = np.arange(1, len(true) + 1)[:, None]
    return steps - np.maximum.accumulate(np.where(true, 0, steps), axis=0)


def _transition(
    district: str, step: int, change: tuple[int, int], rule: Rule, values: Values, stations: Sequence[str], at: datetime
) -> Transition:
    before, after = change
    names = (NONE, *(level.name for level in rule.levels))
    level = rule.levels[max(before, after) - 1]
    if after > before:
        threshold, those = level.threshold, _reached(values, level)
    else:
        threshold = level.threshold * (1 - rule.hysteresis)
        those = values < threshold
    return Transition(
        district,
        step,
        at,
        names[before],
        names[after],
        after > before,
        threshold,
        tuple(name for name, is_one in zip(stations, those, strict=True) if is_one),
        {n: (float(v) if np.isfinite(v) else None) for n, v in zip(stations, values, strict=True)},
    )
