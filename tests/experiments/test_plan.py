"""The plan's hash covers what decides, and nothing else."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.pilot import load_pilot
from experiments.plan import deviations, plan_hash, plan_of
from experiments.settings import ROOT

PILOT = load_pilot(ROOT / "experiments" / "pilots" / "k_road_streetscape.yaml")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"asks": "Something else?"}, "asks"),
        ({"after": ((date(2023, 2, 1), date(2023, 6, 30)),)}, "after"),
        ({"method": "diff_in_diff"}, "method"),
        (
            {"succeeds_if": PILOT.succeeds_if.model_copy(update={"relative_effect_above": -0.5})},
            "succeeds_if.relative_effect_above",
        ),
        ({"sites": PILOT.sites.model_copy(update={"treated": ("150_k_road",)})}, "sites.treated"),
        ({"outcome": PILOT.outcome.model_copy(update={"min_period_coverage": 0.1})}, "outcome.min_period_coverage"),
        ({"seed": 8}, "seed"),
    ],
)
def test_a_change_of_what_decides_is_a_deviation(change, field):
    changed = PILOT.model_copy(update=change)
    assert plan_hash(plan_of(changed)) != plan_hash(plan_of(PILOT))
    assert [d.field for d in deviations(plan_of(PILOT), plan_of(changed))] == [field]


@pytest.mark.parametrize(
    "change",
    [{"title": {"en": "Other"}}, {"what_else_happened": ("A storm",)}, {"attribution": "x"}, {"citizens": {}}],
)
def test_words_may_be_improved_at_any_time(change):
    changed = PILOT.model_copy(update=change)
    assert plan_hash(plan_of(changed)) == plan_hash(plan_of(PILOT))
    assert deviations(plan_of(PILOT), plan_of(changed)) == []


values = st.recursive(
    st.integers() | st.text(max_size=5) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=4), values, max_size=4))
def test_the_hash_does_not_depend_on_the_order_of_keys(plan):
    assert plan_hash(dict(reversed(plan.items()))) == plan_hash(plan)
    assert deviations(plan, plan) == []
