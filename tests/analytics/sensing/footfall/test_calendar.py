"""Days are what people there take them for."""

from __future__ import annotations

from datetime import date

import pytest

from analytics.sensing.footfall.calendar import CLASSES, days_between
from analytics.sensing.readings import SourceError


def kinds(first, last, **place):
    return [CLASSES[kind] for kind in days_between(first, last, **place).kind]


def test_auckland_around_anzac_day():
    # 2024-04-25 (Anzac Day) was a Thursday: the Friday is a bridge to the weekend
    assert kinds(date(2024, 4, 24), date(2024, 4, 29), country="NZ", subdivision="AUK") == [
        *("workday", "holiday", "bridge", "saturday", "sunday", "workday")
    ]
    # Auckland's anniversary is no holiday in Wellington
    assert kinds(date(2024, 1, 29), date(2024, 1, 29), country="NZ", subdivision="AUK") == ["holiday"]
    assert kinds(date(2024, 1, 29), date(2024, 1, 29), country="NZ", subdivision="WGN") == ["workday"]


def test_a_bridge_at_the_edge_of_the_series_is_seen():
    assert kinds(date(2024, 4, 26), date(2024, 4, 26), country="NZ") == ["bridge"]


def test_school_free_days_are_those_that_are_given():
    days = days_between(date(2026, 3, 2), date(2026, 3, 8), school_free=[(date(2026, 3, 4), date(2026, 3, 5))])
    assert days.is_school_free.tolist() == [False, False, True, True, False, False, False]
    assert days.weekday.tolist() == [0, 1, 2, 3, 4, 5, 6] and not days.is_holiday.any()


def test_unknown_places_and_no_days_are_refused():
    with pytest.raises(SourceError, match="'XX' are unknown; expected a code of the library holidays"):
        days_between(date(2026, 1, 1), date(2026, 1, 2), country="XX")
    with pytest.raises(SourceError, match="'XX' is no part of NZ; expected one of AUK, BOP"):
        days_between(date(2026, 1, 1), date(2026, 1, 2), country="NZ", subdivision="XX")
    with pytest.raises(SourceError, match="expected the first before the last"):
        days_between(date(2026, 1, 2), date(2026, 1, 1))
