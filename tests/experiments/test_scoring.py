from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.metrics import ScoringError
from experiments.scoring import GATES, METRICS, Results, Score, bootstrap, check_gates, draws, score


def results(counted: np.ndarray, reference: np.ndarray, road_users: tuple[str, ...] = ("pedestrian",)) -> Results:
    """Results of clips of 30 s whose counts are spread over the segments like the truth."""
    clips = len(counted)
    spread = np.linspace(0.1, 1, 10)
    return Results(
        clips=tuple(f"dev_{i}" for i in range(clips)),
        road_users=road_users,
        counted=counted.astype(float),
        reference=reference.astype(float),
        counted_segments=counted.sum(-1, keepdims=True) * spread,
        reference_segments=reference.sum(-1, keepdims=True) * spread,
        video_s=np.full(clips, 30.0),
        model_s=np.full(clips, 2.0),
        timed_frames=np.full(clips, 200.0),
        frames=np.full(clips, 210.0),
        answered=np.full(clips, 210.0),
    )


def some(seed: int, clips: int = 6, classes: int = 1, error: float = 1.0) -> Results:
    rng = np.random.default_rng(seed)
    truth = rng.poisson(4.0, (clips, 4, classes, 2)) + 1
    counted = np.maximum(0, truth + np.round(rng.normal(0, error, truth.shape)))
    return results(counted, truth, ("pedestrian", "cyclist", "car")[:classes])


def test_many_cars_cannot_hide_a_few_cyclists() -> None:
    both = results(np.array([[[[100], [0]]]]), np.array([[[[100], [2]]]]), ("car", "cyclist"))
    assert METRICS["wape_by_class"].figure(both) == 50
    assert METRICS["wape"].figure(both) < 2


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented_and_has_an_interval_around_its_value(name: str) -> None:
    assert METRICS[name].text.endswith(".")
    found = score(some(1), [name], seed=3)[name]
    assert found.lower <= found.value <= found.upper
    assert score(some(1), [name], seed=3)[name] == found


def test_a_perfect_count_has_no_interval() -> None:
    perfect = some(2, error=0.0)
    assert score(perfect, ["wape"], seed=1)["wape"] == Score(0, 0, 0)


def test_intervals_cover_the_truth() -> None:
    """Of 60 samples of 40 clips from one population, the 95 % interval of WAPE covers the population's in most."""
    population = METRICS["wape"].figure(some(0, clips=4000))
    hits = 0
    for seed in range(60):
        found = score(some(100 + seed, clips=40), ["wape"], seed=seed)["wape"]
        hits += found.lower <= population <= found.upper
    assert hits >= 51


def test_draws_are_the_same_for_every_model() -> None:
    np.testing.assert_array_equal(draws(6, seed=4), draws(6, seed=4))
    assert draws(6, seed=4).max() == 5


def test_an_interval_that_is_mostly_undefined_is_an_error() -> None:
    quiet = some(1)
    reference = quiet.reference.copy()
    reference[1:] = 0
    with pytest.raises(ScoringError, match="undefined in"):
        score(replace(quiet, reference=reference), ["wape"], seed=1)
    assert bootstrap(lambda drawn: 1.0, draws(3, seed=1)) == (1.0, 1.0)


def test_unknown_metric() -> None:
    with pytest.raises(ScoringError, match="'hota' is unknown"):
        score(some(1), ["hota"], seed=1)


def test_results_survive_json() -> None:
    once = some(5)
    again = Results.from_dict(once.to_dict())
    assert again.to_dict() == once.to_dict()


@pytest.mark.parametrize("name", GATES)
def test_every_gate_passes_and_fails(name: str) -> None:
    assert GATES[name].text.endswith(".")
    three = some(3, classes=3)
    strict, lax = (1.01, 0.0) if GATES[name].is_least else (-1.0, 1e9)
    assert check_gates(three, {name: strict})[0].status == "failed"
    assert check_gates(three, {name: lax})[0].status == "passed"


def test_a_gate_that_cannot_be_computed_is_skipped_with_the_reason() -> None:
    gate = check_gates(some(3), {"cyclist_error_over_car_error": 1.25})[0]
    assert (gate.status, gate.value) == ("skipped", None)
    assert "no 'cyclist'" in gate.reason
