"""Sensors that drift are found, and said when and how much; what is no drift is not called one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from analytics.lake import Connection, memory
from analytics.sensing.hourly import sense_hourly
from analytics.sensing.network.address import read_address
from analytics.sensing.network.sent import DRIFT_A_DAY, planted_faults, rendered_network
from analytics.sensing.quality.drift import find_drifts
from analytics.sensing.quality.faults import find_faults
from analytics.sensing.quality.levels import find_level_shifts
from tests.analytics.sensing.quality.networks import network

MONTH_H = 365.25 / 12 * 24
ONSET = timedelta(weeks=8)
"""A drift's onset is known so well: its first weeks are smaller than what streets do by themselves."""


def drifting(seed: int, a_month: float, *, days: int = 600, onset: int = 4800, until: int | None = None, site: int = 1):
    series = network(seed, days=days, sites=8)
    months = np.maximum(0, np.arange(days * 24) - onset) / MONTH_H
    months[until if until is not None else days * 24 :] = 0
    series.values[site] = np.round(series.values[site] * (1 + a_month) ** months)
    return series


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("a_month", [-0.08, 0.1])
def test_a_drift_is_found_with_its_onset_and_rate(seed, a_month):
    series = drifting(seed, a_month)
    (found,) = find_drifts(series).findings
    assert (found.site_id, found.kind, found.end_at) == ("street_1", "drift", series.start(14_400))
    assert abs(found.start_at - series.start(4800)) <= ONSET
    assert found.evidence["change_a_month"] == pytest.approx(a_month, rel=0.35)
    assert (found.evidence["unit"], found.evidence["was_put_right"]) == ("relative", "no")
    # and it is no level shift besides
    assert find_level_shifts(series).findings == []


def test_a_drift_that_was_put_right_ends_there():
    series = drifting(2, 0.1, until=10_800)
    (found,) = find_drifts(series).findings
    assert found.evidence["was_put_right"] == "yes" and abs(found.end_at - series.start(10_800)) <= timedelta(weeks=3)
    assert find_level_shifts(series).findings == []


@pytest.mark.parametrize("change", [-0.5, 1.0])
def test_a_street_that_changes_at_once_is_no_drift(change):
    series = network(3, days=600, sites=8)
    series.values[1, 7200:] = np.round(series.values[1, 7200:] * (1 + change))
    assert find_drifts(series).findings == []


@pytest.mark.parametrize("seed", range(5))
def test_a_city_that_changes_by_and_by_is_no_drift(seed):
    series = network(seed, days=500, sites=8)
    series.values[:] = np.round(series.values * 1.05 ** (np.arange(500 * 24) / MONTH_H))
    assert find_drifts(series).findings == []


def test_levels_drift_in_their_own_unit():
    series = drifting(1, 0.1)
    noise = replace(series, observed_property="noise_laeq", is_count=False, values=50 + 10 * np.log10(series.values + 5))
    (found,) = find_drifts(noise).findings
    assert (found.site_id, found.evidence["unit"]) == ("street_1", "dBA")
    assert found.evidence["change_a_month"] == pytest.approx(10 * np.log10(1.1), rel=0.35)


def test_of_two_sensors_beside_each_other_both_are_told():
    series = network(1, days=600, sites=1)
    random = np.random.default_rng(1)
    beside = np.vstack([series.values, series.values * 1.2]) * np.exp(random.normal(0, 0.05, (2, 14_400)))
    beside[1] *= 1.05 ** (np.maximum(0, np.arange(14_400) - 4800) / MONTH_H)
    pair = replace(series, observed_property="pm25", is_count=False, sites=("reference", "unit"), values=beside, due=np.ones(2))
    found = find_drifts(pair).findings
    assert [one.site_id for one in found] == ["reference", "unit"]
    assert all("which of the two" in str(one.evidence["against"]) for one in found)
    assert found[1].evidence["change_a_month"] == pytest.approx(0.05, rel=0.1)
    assert abs(found[1].start_at - series.start(4800)) <= timedelta(weeks=2)


@pytest.mark.parametrize(("sites", "reason"), [(1, "one sensor alone"), (2, "expected 0.7"), (3, "expected 2 that stand")])
def test_what_cannot_be_searched_is_said(sites, reason):
    series = network(1, days=200, sites=sites)
    series.values[0] = np.random.default_rng(1).permutation(series.values[0])
    found = find_drifts(series)
    assert found.findings == [] and reason in found.skipped[0].reason


SOURCE = "network:street?seed={}&days=364&observe=pm25,no2&change_day=182&treated=1"
SEEDS = (1, 3, 9)
SLOW_ONSET = timedelta(weeks=10)
"""Of 6 % a month, beside streets that wander by 7 % from week to week."""


@pytest.fixture(scope="module", params=SEEDS)
def hours(request) -> Iterator[tuple[str, Connection]]:
    source = SOURCE.format(request.param)
    with memory() as connection:
        rendered_network(connection, source, table="sent")
        connection.execute(
            "CREATE TABLE received AS SELECT * REPLACE (interval_start_at::TIMESTAMPTZ AS interval_start_at, "
            "value::DOUBLE AS value) FROM sent WHERE value IS NOT NULL"
        )
        sense_hourly(connection, "received", table="hours", timezone="Europe/Brussels", search_faults=False)
        connection.execute("CREATE VIEW searched AS SELECT *, 3600.0 AS interval_s FROM hours")
        yield source, connection


def test_the_drift_of_a_rendered_network_is_found_and_none_elsewhere(hours):
    source, connection = hours
    (planted,) = [fault for fault in planted_faults(read_address(source)) if fault.kind == "drift"]
    faults = find_faults(connection, "searched", table="faults", timezone="Europe/Brussels")
    (found,) = [one for one in faults.findings if one.kind == "drift"]
    assert (found.site_id, found.observed_property) == (planted.site_id, "pm25")
    assert abs(found.start_at - planted.start_at) <= SLOW_ONSET and found.end_at >= planted.end_at - timedelta(days=1)
    # a slow drift's rate is known to a factor of two
    assert 0.5 < found.evidence["change_a_month"] / (DRIFT_A_DAY * MONTH_H / 24) < 2
    flagged = connection.execute(
        "SELECT count(*), count(*) FILTER (contains(flags, 'drift')) FROM faults_flags WHERE site_id = ? AND "
        "observed_property = 'pm25' AND interval_start_at >= ?",
        [found.site_id, found.start_at],
    ).fetchone()
    # hours of a drift are measured: they stay, and say so
    assert flagged is not None and flagged[0] == flagged[1] > 4000
