"""Scores agree with worked examples of the literature and with the library `scores`."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.sensing.warning import skill
from analytics.sensing.warning.levels import EarlyWarningError
from analytics.sensing.warning.skill import Contingency

FINLEY = Contingency(28, 72, 23, 2680)


def test_finleys_tornadoes():
    # Finley 1884 in Jolliffe and Stephenson; the digits are those of `scores` 2.7 (BinaryContingencyManager)
    found = FINLEY.scores()
    golden = {"pod": 0.549020, "far_ratio": 0.72, "pofd": 0.026163, "csi": 0.227642, "bias": 1.960784, "hss": 0.355325}
    assert {name: found[name] for name in golden} == pytest.approx(golden, abs=1e-6)
    assert found["sedi"] == pytest.approx(0.752804, abs=1e-6)


def test_undefined_scores_are_not_numbers():
    found = Contingency(0, 0, 0, 10).scores()
    assert math.isnan(found["pod"]) and math.isnan(found["csi"]) and found["pofd"] == 0 and math.isnan(found["sedi"])


def test_contingency_and_transitions_by_hand():
    events = np.array([0, 1, 1, 1, 0, 0, 1], dtype=bool)
    persisting = np.array([0, 0, 1, 1, 1, 0, 0], dtype=bool)
    assert skill.contingency(persisting, events) == Contingency(2, 1, 2, 2)
    begins, lasts = skill.split_transitions(persisting, events, persisting)
    assert begins == Contingency(0, 0, 2, 2) and lasts == Contingency(2, 1, 0, 0)
    with pytest.raises(EarlyWarningError, match="same hours"):
        skill.contingency(events, events[1:])


def test_brier_and_errors_by_hand():
    chance, events = np.array([0.1, 0.8, 0.6]), np.array([False, True, False])
    assert skill.brier(chance, events) == pytest.approx((0.01 + 0.04 + 0.36) / 3)
    assert skill.brier_skill(chance, events, np.full(3, 0.5)) == pytest.approx(1 - 0.41 / 0.75)
    values, good, poor = np.array([1.0, 2.0, np.nan, 4.0]), np.array([1.0, 3.0, 9.0, 4.0]), np.array([3.0, 2.0, 9.0, 2.0])
    assert skill.mae_skill(values, good, poor) == pytest.approx(0.75)
    # errors of the season-2 naive in sample are 1, 3: scale 2; own errors 0, 1, 0
    assert skill.mase(values, good, np.array([0.0, 0, 1, 3]), season=2) == pytest.approx((1 / 3) / 2)


def test_lead_time_is_from_the_first_alert():
    events = np.array([0, 0, 0, 1, 1, 0, 0, 1], dtype=bool)
    said = {1: events.copy(), 3: np.array([0, 0, 0, 1, 0, 0, 0, 0], dtype=bool)}
    begins, leads = skill.lead_times(events, said)
    assert np.flatnonzero(begins).tolist() == [3, 7] and leads[begins].tolist() == [3, 1]
    assert skill.lead_times(events, {})[1].tolist() == [0] * 8
    both = skill.lead_times(np.stack([events, ~events], axis=1), {h: np.stack([a, a], axis=1) for h, a in said.items()})
    assert both[1][:, 0].tolist() == leads.tolist() and both[0][:, 1].tolist() == [True] + [False] * 4 + [True] + [False] * 2


def test_wilson_agrees_with_the_published_interval():
    # Newcombe 1998, table I, method 3: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611
    assert skill.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert skill.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=120), st.integers(1, 10))
def test_no_block_cuts_an_episode(flags, gap):
    events = np.array(flags)
    blocks = skill.episodes(events, gap=gap)
    assert blocks[0] == 0 and set(np.diff(blocks)) <= {0, 1}
    at = np.flatnonzero(events)
    for a, b in pairwise(at):
        assert (blocks[a] == blocks[b]) == (b - a <= gap)


def test_the_bootstrap_is_wider_where_days_hang_together_and_repeats_itself():
    rng = np.random.default_rng(1)
    table = rng.poisson(6, (400, 4)).astype(float)
    weeks = np.repeat(rng.poisson(6, (57, 4)).astype(float), 7, axis=0)

    def csi(sums):
        return skill.alert_scores(sums)["csi"]

    found = {name: skill.bootstrap(days, [csi], draws=400) for name, days in (("alone", table), ("weeks", weeks))}
    assert found["alone"] == skill.bootstrap(table, [csi], draws=400)
    (low, high), (from_, to) = found["alone"][0], found["weeks"][0]
    assert low < csi(table.sum(axis=0)) < high and to - from_ > 1.5 * (high - low)
    # the interval of independent days is that of the ratio's standard error (delta method)
    hits, rest = table[:, 0], table[:, 1:3].sum(axis=1)
    ratio = hits.sum() / (hits + rest).sum()
    error = np.std(hits - ratio * (hits + rest)) / np.sqrt(400) / (hits + rest).mean()
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.2)
    assert all(map(math.isnan, skill.bootstrap(table[:14], [csi], draws=10)[0]))
    undefined = skill.bootstrap(np.zeros((100, 4)), [csi], draws=10)[0]
    assert all(map(math.isnan, undefined))


def test_alert_thresholds_are_tuned_on_the_past_alone():
    rng = np.random.default_rng(2)
    chance = rng.random(2000) * 0.5
    events = rng.random(2000) < chance
    alerts = skill.tuned_alerts(chance, events, 6, every=100)
    assert alerts[500:].mean() > 0.2 > 0.0 == alerts[:100].mean()  # one half is never reached; a lower threshold is better
    events[1200:] = ~events[1200:]
    np.testing.assert_array_equal(alerts[:1206], skill.tuned_alerts(chance, events, 6, every=100)[:1206])
