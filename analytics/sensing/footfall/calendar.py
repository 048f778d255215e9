"""Local days as streets know them: weekday, public holiday, bridge day, school-free day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from analytics.sensing.readings import SourceError

Flags = npt.NDArray[np.bool_]
WORKDAY, SATURDAY, SUNDAY, HOLIDAY, BRIDGE = "workday", "saturday", "sunday", "holiday", "bridge"
CLASSES = (WORKDAY, SATURDAY, SUNDAY, HOLIDAY, BRIDGE)


@dataclass(frozen=True)
class Days:
    """Local days in a row.

    Attributes:
        ordinal: Proleptic ordinal of each date, shape `(n,)`.
        weekday: Monday is 0, shape `(n,)`.
        is_holiday: Public holidays, shape `(n,)`.
        is_bridge: Single workdays between a holiday and another free day, shape `(n,)`.
        is_school_free: Days without school, where periods were given, shape `(n,)`.
        kind: Place in `CLASSES`, shape `(n,)`.
    """

    ordinal: npt.NDArray[np.int64]
    weekday: npt.NDArray[np.int64]
    is_holiday: Flags
    is_bridge: Flags
    is_school_free: Flags
    kind: npt.NDArray[np.int64]


def holidays_of(country: str, subdivision: str | None, first: date, last: date) -> dict[date, str]:
    """Public holidays by the library `holidays`.

    Args:
        country: ISO 3166-1 code, such as `NZ`.
        subdivision: Its part, as the library names it, such as `AUK`; None for the whole country.
        first: First day.
        last: Last day, included.

    Raises:
        SourceError: The country or its part is not in the library.
    """
    import holidays

    known = holidays.list_supported_countries()
    if country not in known:
        raise SourceError(
            f"holidays of '{country}' are unknown; expected a code of the library holidays, such as NZ; correct country"
        )
    if subdivision is not None and subdivision not in known[country]:
        parts = f"one of {', '.join(known[country])}" if known[country] else "none"
        raise SourceError(f"'{subdivision}' is no part of {country}; expected {parts}; correct subdivision")
    found = holidays.country_holidays(country, subdiv=subdivision, years=range(first.year, last.year + 1))
    return {day: name for day, name in sorted(found.items()) if first <= day <= last}


def days_between(
    first: date,
    last: date,
    *,
    country: str | None = None,
    subdivision: str | None = None,
    school_free: Sequence[tuple[date, date]] = (),
) -> Days:
    """Every local day from the first to the last, with its kind.

    Args:
        first: First day.
        last: Last day, included.
        country: Whose holidays; None for none.
        subdivision: Its part.
        school_free: First and last days of school holidays.

    Raises:
        SourceError: The last day lies before the first, or the country is unknown.
    """
    if last < first:
        raise SourceError(f"days from {first} to {last} are none; expected the first before the last; correct them")
    # two days more on either side: whether a day is a bridge depends on its neighbours
    ordinal = np.arange(first.toordinal() - 2, last.toordinal() + 3)
    known = holidays_of(country, subdivision, date.fromordinal(ordinal[0]), date.fromordinal(ordinal[-1])) if country else {}
    weekday = (ordinal - 1) % 7
    is_holiday = np.isin(ordinal, [day.toordinal() for day in known])
    is_free = is_holiday | (weekday >= 5)
    before, after = np.roll(is_free, 1), np.roll(is_free, -1)
    by_holiday = np.roll(is_holiday, 1) | np.roll(is_holiday, -1)
    is_bridge = ~is_free & before & after & by_holiday
    school = np.zeros(len(ordinal), dtype=np.bool_)
    for begins, ends in school_free:
        school |= (ordinal >= begins.toordinal()) & (ordinal <= ends.toordinal())
    kind = np.select([is_holiday, is_bridge, weekday == 5, weekday == 6], [3, 4, 1, 2], default=0)
    inside = slice(2, -2)
    return Days(
        ordinal[inside], weekday[inside], is_holiday[inside], is_bridge[inside], school[inside], kind[inside].astype(np.int64)
    )
