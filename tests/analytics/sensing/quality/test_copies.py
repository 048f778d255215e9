"""The wind of calm nights, which stays as it is for hours, is no copy of other calm nights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analytics.sensing.quality.copies import find_copies
from analytics.sensing.quality.grid import Series
from tests.analytics.sensing.quality.networks import network


def wind(seed: int, days: int = 1000) -> Series:
    """Hourly wind that hardly ever repeats itself, but for calm spells of some hours in which it is 1 m/s nearly throughout."""
    random = np.random.default_rng(seed)
    level = np.zeros(days * 24)
    for hour, step in enumerate(random.normal(0, 0.2, days * 24)):
        level[hour] = 0.95 * level[hour - 1] + step
    values = np.round(3 * np.exp(level), 2)
    for start in random.integers(0, days * 24 - 30, 2 * days // 10):
        hours = int(random.integers(5, 18))
        values[start : start + hours] = random.choice([1.0, 0.5, 1.25], hours, p=[0.92, 0.04, 0.04])
    return replace(network(0, sites=1, days=days), observed_property="wind_speed", is_count=False, values=values[None])


@pytest.mark.parametrize("seed", range(5))
def test_calm_nights_are_alike_without_being_copies(seed):
    assert find_copies(wind(seed)).findings == []


@pytest.mark.parametrize("seed", range(5))
def test_a_day_of_such_wind_that_is_a_copy_is_found(seed):
    series = wind(seed)
    values = series.values.copy()
    values[0, 15_000:15_024] = values[0, 8_000:8_024]
    found = find_copies(replace(series, values=values)).findings
    assert [one.kind for one in found] == ["copied_day"] and 24 <= found[0].evidence["hours"] <= 26
