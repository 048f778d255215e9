"""Effects: planted ones are found, absent ones are not, and the interval covers what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.impact import METHODS, descriptive, diff_in_diff, simplex_weights, synthetic_control
from experiments.outcome import Panel


def make(seed: int, effect: float, *, units: int = 20, before: int = 40, after: int = 40, noise: float = 0.03) -> Panel:
    """Streets that follow two common factors with AR(1) noise; the first is treated."""
    rng = np.random.default_rng(seed)
    weeks = before + after
    factors = np.cumsum(rng.normal(0, 0.03, size=(weeks, 2)), axis=0)
    loads = rng.dirichlet([1, 1], size=units)
    shocks = rng.normal(0, noise, size=(weeks, units))
    for t in range(1, weeks):
        shocks[t] += 0.5 * shocks[t - 1]
    level = rng.uniform(500, 5000, size=units)
    values = level * np.exp(factors @ loads.T + shocks)
    is_after = np.arange(weeks) >= before
    values[is_after, 0] *= 1 + effect
    dates = np.datetime64("2024-01-01") + 7 * np.arange(weeks)
    names = tuple(f"s{i}" for i in range(1, units))
    return Panel(dates, is_after, values[:, 0], values[:, 1:], names, (), 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("effect", [-0.4, 0.0, 0.5])
def test_a_planted_effect_is_recovered(method, effect):
    found = [METHODS[method](make(seed, effect)) for seed in range(30)]
    middle = np.median([e.relative for e in found])
    assert abs(np.log1p(middle) - np.log1p(effect)) < 0.05
    covered = np.mean([e.relative_lower <= effect <= e.relative_upper for e in found])
    assert covered >= 0.8  # 95 % level, 30 draws: 24 or more with probability 0.999


@pytest.mark.parametrize("method", METHODS)
def test_without_an_effect_small_p_values_are_as_rare_as_they_should_be(method):
    p = np.array([METHODS[method](make(seed, 0.0)).p_value for seed in range(200)])
    assert (p <= 0.05).mean() <= 0.10  # 5 % nominal, standard error 1.5 points
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("method", METHODS)
def test_p_cannot_be_smaller_than_the_design_allows(method):
    effect = METHODS[method](make(1, 2.0, units=9))
    assert effect.p_value == pytest.approx(1 / 9)
    assert effect.smallest_p == pytest.approx(1 / 9)
    assert effect.level == pytest.approx(8 / 9)


@pytest.mark.parametrize("method", METHODS)
@given(scale=st.floats(0.01, 1000), shuffle=st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_relative_effect_depends_neither_on_units_nor_on_the_order_of_controls(method, scale, shuffle):
    panel = make(3, 0.2, units=8)
    order = list(range(7))
    shuffle.shuffle(order)
    other = Panel(
        panel.weeks, panel.is_after, panel.treated * scale, panel.controls[:, order] * scale, panel.control_ids, (), 0
    )
    a, b = METHODS[method](panel), METHODS[method](other)
    assert a.relative == pytest.approx(b.relative, abs=1e-6)
    assert a.p_value == b.p_value


def test_the_same_panel_gives_the_same_figures_to_the_last_digit():
    assert synthetic_control(make(5, 0.1)).to_dict() == synthetic_control(make(5, 0.1)).to_dict()


def test_a_treated_unit_that_no_mix_of_controls_can_follow_decides_nothing():
    panel = make(2, 0.0)
    wild = panel.treated * np.where(np.arange(80) % 2, 3.0, 0.3)
    effect = synthetic_control(Panel(panel.weeks, panel.is_after, wild, panel.controls, panel.control_ids, (), 0))
    assert not effect.is_conclusive
    assert "decides nothing" in effect.notes[-1]


def test_weights_agree_with_a_peer_library():
    # pysyncon 1.7, penalty-free: same problem, another solver
    from pysyncon.base import VanillaOptimMixin

    panel = make(4, 0.0, units=10)
    before = ~panel.is_after
    y = panel.treated[before] / panel.treated[before].mean()
    x = panel.controls[before] / panel.controls[before].mean(axis=0)
    ours = simplex_weights(y, x)
    theirs, _ = VanillaOptimMixin.w_optimize(V_mat=np.eye(len(y)), X0=x, X1=y)
    assert ours.sum() == pytest.approx(1) and (ours >= 0).all()
    assert ((y - x @ ours) ** 2).sum() <= ((y - x @ np.asarray(theirs)) ** 2).sum() * 1.001


def test_difference_in_differences_is_the_difference_of_changes_also_with_a_week_of_nobody():
    panel = make(6, 0.3, units=5)
    panel.controls[3, 1] = 0.0
    values = np.column_stack([panel.treated, panel.controls])
    change = np.log(values[panel.is_after].mean(axis=0) / values[~panel.is_after].mean(axis=0))
    effect = diff_in_diff(panel)
    assert np.log1p(effect.relative) == pytest.approx(change[0] - change[1:].mean())
    expected = effect.counterfactual
    assert panel.treated[panel.is_after].mean() / expected[panel.is_after].mean() - 1 == pytest.approx(effect.relative)
    assert expected[~panel.is_after].mean() == pytest.approx(panel.treated[~panel.is_after].mean())


def test_the_interval_of_a_flow_covers_its_mean():
    rng = np.random.default_rng(1)
    covered = []
    for seed in range(200):
        effect = descriptive(rng.poisson(12, size=40), 15, seed, draws=400)
        covered.append(effect.lower <= 48 <= effect.upper)
    assert np.mean(covered) >= 0.85  # a percentile bootstrap of 40 blocks is a little short of 95 %
