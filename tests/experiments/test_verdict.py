"""The rule decides; words follow from the figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.impact import Effect
from experiments.pilot import Rule
from experiments.verdict import decide


def effect(low: float, middle: float, high: float, **options) -> Effect:
    return Effect("diff_in_diff", 1, 1, 1, middle, low, high, notes=("Poor fit.",), **options)


@pytest.mark.parametrize(
    ("rule", "interval", "word"),
    [
        (Rule(relative_effect_above=0.05), (0.06, 0.1, 0.2), "succeeded"),
        (Rule(relative_effect_above=0.05), (0.04, 0.1, 0.2), "inconclusive"),
        (Rule(relative_effect_above=0.05), (-0.3, -0.1, 0.05), "not succeeded"),
        (Rule(relative_effect_below=-0.2), (-0.4, -0.3, -0.21), "succeeded"),
        (Rule(relative_effect_below=-0.2), (-0.4, -0.3, -0.1), "inconclusive"),
        (Rule(relative_effect_below=-0.2), (-0.2, -0.1, 0.0), "not succeeded"),
    ],
)
def test_the_whole_interval_must_lie_on_one_side(rule, interval, word):
    assert decide(rule, effect(*interval)).word == word


def test_a_method_that_decides_nothing_is_inconclusive_whatever_it_found():
    verdict = decide(Rule(relative_effect_above=0.0), effect(0.5, 0.6, 0.7, is_conclusive=False))
    assert verdict.word == "inconclusive" and "Poor fit." in verdict.answer


def test_nothing_measured_is_said_not_zero():
    verdict = decide(Rule(relative_effect_above=0.0), None, missing="The sensor was dead.")
    assert (verdict.word, verdict.answer) == ("not measured", "The sensor was dead.")


def test_an_inconclusive_answer_says_what_is_ruled_out():
    answer = decide(Rule(relative_effect_above=0.0), effect(-0.1, 0.05, 0.2)).answer
    assert "A fall of more than 10% and a rise of more than 20% are ruled out" in answer


@pytest.mark.parametrize(("uptime", "word"), [(0.96, "succeeded"), (0.95, "not succeeded"), (None, "not measured")])
def test_uptime_decides_where_the_rule_says_so(uptime, word):
    assert decide(Rule(uptime_above=0.95), None, uptime=uptime).word == word


@given(st.floats(-0.9, 2), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(-0.9, 2))
def test_success_and_failure_exclude_each_other(middle, left, right, bound):
    found = effect(middle - left, middle, middle + right)
    above = decide(Rule(relative_effect_above=bound), found).word
    below = decide(Rule(relative_effect_below=bound), found).word
    assert {above, below} != {"succeeded"}
    if above == "succeeded":
        assert below == "not succeeded"
