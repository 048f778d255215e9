"""Comparable days: what a street would usually have on such a day, in such a season, in such weather."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analytics.sensing.footfall.calendar import CLASSES, HOLIDAY, WORKDAY, Days
from analytics.sensing.readings import SourceError

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
NEAR = (56, 120)
"""How far away in time a comparable day may lie; the second where the first holds too few. [d]"""
FEWEST = 4
"""So many comparable days make a baseline."""


def comparable_days(days: Days, day: int, usable: npt.NDArray[np.bool_], *, near: tuple[int, ...] = NEAR) -> Places:
    """Days of the same kind near a day: workdays of the same weekday, Saturdays, Sundays, holidays, bridge days.

    Where too few holidays or bridge days are near, Sundays stand in for holidays and workdays for bridge days. Days on which
    school is alike come first: others only count where there are too few of them.

    Args:
        days: The calendar.
        day: Place of the day.
        usable: Days that may be compared with, shape `(n,)`.
        near: Distances that are tried in turn. [d]

    Returns:
        Their places in order of time, without the day itself; empty where fewer than `FEWEST` are found.
    """
    kind = days.kind[day]
    same = days.kind == kind
    if CLASSES[kind] == WORKDAY:
        same &= days.weekday == days.weekday[day]
    instead = days.kind == (2 if CLASSES[kind] == HOLIDAY else 0)
    distance = np.abs(days.ordinal - days.ordinal[day])
    open_days = usable & (distance > 0)
    alike = days.is_school_free == days.is_school_free[day]
    tries = [same & alike, same] + ([same | instead] if kind >= 3 else [])
    for reach in near:
        for one in tries:
            found = np.flatnonzero(open_days & one & (distance <= reach))
            if len(found) >= FEWEST:
                return found
    return np.array([], dtype=np.int64)


def baseline(days: Days, totals: Values, *, base: npt.NDArray[np.bool_] | None = None) -> Values:
    """Median total of the comparable days of each day.

    Args:
        days: The calendar, `n` days.
        totals: Total of each day, NaN where it is not known, shape `(n,)`.
        base: Days that may be compared with, such as those before a change; all where not given, shape `(n,)`.

    Returns:
        Shape `(n,)`; NaN where too few comparable days are known.
    """
    usable = np.isfinite(totals) if base is None else np.isfinite(totals) & base
    found = np.full(len(totals), np.nan)
    for day in range(len(totals)):
        those = comparable_days(days, day, usable)
        if len(those):
            found[day] = np.median(totals[those])
    return found


def weather_slopes(days: Days, totals: Values, usual: Values, weather: Values) -> tuple[Values, Values]:
    """What weather does to the logarithm of a day's total, from days against their comparable days.

    Seasons and years do not enter: a day is held against days near it, in totals and in weather alike.

    Args:
        days: The calendar, `n` days.
        totals: Total of each day, shape `(n,)`.
        usual: From `baseline`, shape `(n,)`.
        weather: Such as temperature and rain, NaN where not known, shape `(n, variables)`.

    Returns:
        Change of the logarithm for each unit of weather, shape `(variables,)`; and how far each day's weather lies from the
        median of its comparable days, shape `(n, variables)`.

    Raises:
        SourceError: Fewer than ten days for each variable are known.
    """
    departure = weather - np.column_stack([baseline(days, one) for one in weather.T])
    use = (totals > 0) & (usual > 0) & np.isfinite(departure).all(axis=1)
    if use.sum() < 10 * (weather.shape[1] + 1):
        raise SourceError(
            f"{int(use.sum())} days have counts, a baseline and weather; expected at least {10 * (weather.shape[1] + 1)}; "
            "give a longer series or leave the weather out"
        )
    spread = np.where(departure[use].std(axis=0) > 0, departure[use].std(axis=0), 1.0)
    design = np.column_stack([np.ones(int(use.sum())), departure[use] / spread])
    weights, *_ = np.linalg.lstsq(design, np.log(totals[use] / usual[use]), rcond=None)
    return np.asarray(weights[1:] / spread), departure


def weather_adjusted(days: Days, totals: Values, usual: Values, weather: Values) -> Values:
    """A baseline moved to each day's weather; arguments and errors as in `weather_slopes`.

    Returns:
        What comparable days would have had in the weather of the day, shape `(n,)`; NaN where weather or baseline is not known.
    """
    slopes, departure = weather_slopes(days, totals, usual, weather)
    return np.asarray(usual * np.exp(departure @ slopes))


def at_average_weather(days: Days, totals: Values, usual: Values, weather: Values) -> Values:
    """Totals moved to the average weather of all days; arguments and errors as in `weather_slopes`.

    Returns:
        What each day would have had in average weather, shape `(n,)`; NaN where weather is not known.
    """
    slopes, _ = weather_slopes(days, totals, usual, weather)
    return np.asarray(totals * np.exp(-(weather - np.nanmean(weather, axis=0)) @ slopes))
