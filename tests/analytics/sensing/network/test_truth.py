"""The truth of rendered streets: what the change did is known exactly, and weather and traffic look like themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analytics.sensing.network.address import Address
from analytics.sensing.network.truth import EPISODE_TIMES, render_truth

START = datetime(2025, 1, 6, tzinfo=UTC)
CHANGE, END = START + timedelta(days=21), START + timedelta(days=42)


def address(**more: float) -> Address:
    return Address(**({"seed": 4, "days": 42, "change_day": 21} | more))  # type: ignore[arg-type]


def test_nothing_changes_before_the_change_nor_elsewhere() -> None:
    truth = render_truth(address())
    before = truth.at < np.datetime64("2025-01-27")
    for name, values in truth.values.items():
        assert np.array_equal(values[:, before], truth.unchanged[name][:, before])
        assert np.array_equal(values[3:], truth.unchanged[name][3:])
    assert truth.relative_effect("pm25", START, CHANGE) == 0


def test_a_street_without_traffic_has_the_background_left() -> None:
    truth = render_truth(address(traffic_change=-1.0))
    after = truth.at >= np.datetime64("2025-01-27")
    ratio = truth.values["no2"][0, after] / truth.values["pm25"][0, after]
    assert ratio == pytest.approx(0.9)
    assert truth.values["noise_laeq"][0, after] == pytest.approx(44)


def test_half_the_traffic_takes_half_of_what_traffic_adds() -> None:
    half, none = (render_truth(address(traffic_change=change)).relative_effect("pm25", CHANGE, END) for change in (-0.5, -1.0))
    assert half == pytest.approx(none / 2)
    assert -0.4 < half < -0.05
    assert render_truth(address(traffic_change=0.0)).relative_effect("pm25", CHANGE, END) == 0


def test_the_episode_raises_all_streets_while_it_lasts() -> None:
    truth = render_truth(address())
    first, end = (np.datetime64(one.replace(tzinfo=None)) for one in truth.episode)
    span = (truth.at >= first) & (truth.at < end)
    nearby = (truth.at >= first - np.timedelta64(3, "D")) & (truth.at < end + np.timedelta64(3, "D")) & ~span
    rise = truth.unchanged["pm25"][:, span].mean(axis=1) / truth.unchanged["pm25"][:, nearby].mean(axis=1)
    assert ((rise > 1.1) & (rise < 2 * EPISODE_TIMES)).all()


def test_traffic_follows_the_local_clock_across_the_change_to_summer_time() -> None:
    truth = render_truth(Address(seed=2, days=84, start="2025-02-17", treated=0, change_day=84))
    noise, hours = truth.unchanged["noise_laeq"].mean(axis=0), truth.at.astype("datetime64[h]").astype(np.int64) % 24
    summer = truth.at >= np.datetime64("2025-03-30T01:00:00")
    busiest = [np.argmax([noise[part & (hours == hour)].mean() for hour in range(24)]) for part in (~summer, summer)]
    assert busiest[0] - busiest[1] == 1


def test_ten_minutes_are_six_times_as_many() -> None:
    assert len(render_truth(address(interval_s=600)).at) == 6 * len(render_truth(address()).at)
