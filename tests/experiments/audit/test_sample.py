"""Sampling: reproducible, with known probabilities, in every stratum, and large enough for what is asked."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.audit.sample import Population, draw, intervals_needed
from experiments.metrics import ScoringError


def population(intervals=60, *, users=("any",), rare=0.0):
    rng = np.random.default_rng(5)
    cells = tuple(("gate", way, user) for way in ("in", "out") for user in users)
    automatic = rng.poisson(4.0, (len(cells), intervals)).astype(float)
    if rare:
        automatic[[cell[2] == "cyclist" for cell in cells]] = (rng.random((2, intervals)) < rare).astype(float)
    brightness = np.where(np.arange(intervals) < intervals // 2, 140.0, 30.0)
    return Population(cells, 15.0 * np.arange(intervals), 15, automatic, brightness, np.linspace(0, 0.5, intervals))


def test_the_same_seed_draws_the_same_and_another_draws_others():
    people = population()
    one, two, other = (draw(people, 12, seed=seed) for seed in (1, 1, 2))
    assert (one.drawn == two.drawn).all() and (one.twice == two.twice).all()
    assert (one.drawn != other.drawn).any()


def test_every_interval_is_drawn_as_often_as_its_probability_says():
    people = population()
    samples = [draw(people, 12, seed=seed) for seed in range(800)]
    share = np.mean([sample.drawn for sample in samples], axis=0)
    assert np.abs(share - samples[0].inclusion).max() < 0.08  # 800 draws: five standard errors at most
    assert (samples[0].inclusion > 0).all()


def test_every_stratum_is_drawn_from_and_a_tenth_is_counted_twice():
    people = population(users=("pedestrian", "cyclist"), rare=0.05)
    sample = draw(people, 12, seed=1)
    strata = np.array(sample.strata)
    assert {stratum for stratum, drawn in zip(strata, sample.drawn, strict=True) if drawn} == set(strata)
    assert any(stratum.endswith("cyclist") for stratum in strata)
    assert any(stratum.startswith("night") for stratum in strata) and any(stratum.startswith("day") for stratum in strata)
    assert sample.twice.sum() >= 2 and not (sample.twice & ~sample.drawn).any()


def test_any_beside_classes_is_not_counted_twice():
    people = population(users=("any", "pedestrian"))
    assert people.volume().shape == (2, 60)
    assert people.volume().sum() < people.automatic.sum()


def test_narrower_intervals_need_larger_samples():
    people = population()
    needed = [intervals_needed(people, width) for width in (0.2, 0.05, 0.02)]
    assert needed == sorted(needed) and needed[0] < needed[2] <= 60
    assert intervals_needed(people, 0.05, dispersion=3.0) > needed[1]


def test_the_sample_that_is_needed_gives_the_width_that_was_asked_for():
    from experiments.audit.bounds import fit

    people, rng = population(200), np.random.default_rng(1)
    size = intervals_needed(people, 0.05, dispersion=0.3)
    widths = []
    for seed in range(40):
        truth = np.clip(people.automatic + np.round(rng.normal(0, np.sqrt(0.3 * (people.automatic + 0.5)))), 0, None)
        sample = draw(people, size, seed=seed)
        whole = fit(people.automatic, np.where(sample.drawn, truth, np.nan), sample.inclusion, people.light())
        total = whole.together(np.ones(2, dtype=bool)).total()
        widths.append((total.upper - total.lower) / 2 / total.value)
    assert 0.03 < np.mean(widths) < 0.075


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ScoringError, match="a sample of '0' intervals"):
        draw(population(), 0, seed=1)
    with pytest.raises(ScoringError, match="width is '0'"):
        intervals_needed(population(), 0)
