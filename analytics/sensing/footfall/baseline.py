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


def weather_adjusted(totals: Values, usual: Values, weather: Values) -> Values:
    """A baseline moved to each day's weather, by a log-linear regression of total over baseline.

    Args:
        totals: Total of each day, shape `(n,)`.
        usual: From `baseline`, shape `(n,)`.
        weather: Such as temperature and rain, standardised or not, shape `(n, variables)`.

    Returns:
        The baseline times what the day's weather does against average weather; NaN where weather or baseline is not known.

    Raises:
        SourceError: Fewer than ten days for each variable are known.
    """
    use = (totals > 0) & (usual > 0) & np.isfinite(weather).all(axis=1)
    if use.sum() < 10 * (weather.shape[1] + 1):
        raise SourceError(
            f"{int(use.sum())} days have counts, a baseline and weather; expected at least {10 * (weather.shape[1] + 1)}; "
            "give a longer series or leave the weather out"
        )
    centre = weather[use].mean(axis=0)
    spread = np.where(weather[use].std(axis=0) > 0, weather[use].std(axis=0), 1.0)
    moved = (weather - centre) / spread
    design = np.column_stack([np.ones(int(use.sum())), moved[use]])
    weights, *_ = np.linalg.lstsq(design, np.log(totals[use] / usual[use]), rcond=None)
    return np.asarray(usual * np.exp(moved @ weights[1:]))
