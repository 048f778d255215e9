"""Money with its uncertainty. Discount factors: Green Book schedule, METHODS' golden values."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.benefit import assess, pert, present_value_factor
from experiments.impact import Effect
from experiments.pilot import Money, PriceBase, load_pilot
from experiments.settings import ROOT

PLAZA = load_pilot(ROOT / "experiments" / "pilots" / "plaza_crossings.yaml")


def sure(amount: float, **options) -> Money:
    return Money(name="x", low=amount, likely=amount, high=amount, source="test", **options)


def pilot(costs, benefits, **prices):
    base = PriceBase(currency="EUR", year=2026, **prices)
    return PLAZA.model_copy(update={"costs": tuple(costs), "benefits": tuple(benefits), "prices": base})


@pytest.mark.parametrize(("year", "factor"), [(1, 0.9662), (10, 0.7089), (30, 0.3563)])
def test_discount_factors(year, factor):
    assert round(present_value_factor(0.035, year, year), 4) == factor


def test_sure_sums_give_the_textbook_figures():
    found = assess(pilot([sure(1000)], [sure(400, per="year")], horizon_years=4, discount_rate=0.1), None)
    worth = 400 * (1 + 1 / 1.1 + 1 / 1.21 + 1 / 1.331)
    assert found is not None
    assert found.npv == pytest.approx((worth - 1000,) * 3)
    assert found.bcr == pytest.approx(worth / 1000)
    assert found.p_npv_positive == 1.0
    assert found.switching_factor == pytest.approx(1000 / worth)


def test_optimism_bias_raises_capital_costs_alone():
    found = assess(pilot([sure(100, capital=True), sure(100)], [sure(600)]), None)
    assert found is not None
    assert (found.bcr, found.bcr_with_optimism_bias) == (pytest.approx(3.0), pytest.approx(1.5))
    assert found.category == "medium"


def test_an_uncertain_effect_makes_uncertain_money():
    effect = Effect("diff_in_diff", 100, -100, 300, 0.1, -0.1, 0.3)
    found = assess(pilot([sure(1000)], [sure(1, per="extra_crossing")], horizon_years=1), effect)
    assert found is not None
    assert found.benefit[1] == pytest.approx(100 * 365.25, rel=0.05)
    assert found.benefit[0] < 0 < found.benefit[2]
    assert 0.5 < found.p_npv_positive < 0.95


def test_no_money_is_not_zero_money():
    assert assess(PLAZA.model_copy(update={"costs": ()}), None) is None


def test_the_same_seed_gives_the_same_money():
    assert assess(PLAZA, None) == assess(PLAZA, None)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100))
def test_pert_stays_in_its_range_and_has_its_mean(a, b, c):
    low, likely, high = sorted((a, b, c))
    drawn = pert(low, likely, high, np.random.default_rng(1), 4000)
    assert drawn.min() >= low - 1e-9 and drawn.max() <= high + 1e-9
    assert drawn.mean() == pytest.approx((low + 4 * likely + high) / 6, abs=0.05 * (high - low) + 1e-6)


def test_dates_do_not_matter_for_money():
    assert assess(PLAZA.model_copy(update={"after": ((date(2020, 1, 1), date(2020, 1, 2)),)}), None) == assess(PLAZA, None)
