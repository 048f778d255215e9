from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import scoring
from experiments.scoring import (
    GATES,
    METRICS,
    Results,
    ScoringError,
    ai_city_s1,
    bias,
    bootstrap,
    check_gates,
    draws,
    geh,
    score,
    wape,
    wape_by_class,
)


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


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(scoring).failed == 0


def test_golden_geh() -> None:
    # METHODS.md, section 10: GEH of (110,100) (550,500) (1100,1000) veh/h.
    np.testing.assert_allclose(geh([110, 550, 1100], [100, 500, 1000]), [0.9759, 2.1822, 3.0861], atol=5e-5)
    # METHODS.md, section 1.1: a quarter of the flow halves the statistic, so flows must be hourly.
    np.testing.assert_allclose(geh([27.5], [25]), [0.488], atol=5e-4)


def test_golden_ai_city() -> None:
    # METHODS.md, section 10: k=10, truth 2,4..20, prediction truth+1: wRMSE 1.0, nwRMSE .95.
    truth = np.arange(2, 21, 2)[None]
    assert ai_city_s1(truth + 1, truth, time_s=0, video_s=1) == pytest.approx(0.3 + 0.7 * 0.95)
    # METHODS.md, section 10: S1_eff of 300 s for 600 s of video, base 1: .54545.
    assert ai_city_s1(truth, truth, time_s=300, video_s=600) == pytest.approx(0.3 * 0.54545 + 0.7, abs=1e-5)


def test_ai_city_gives_nothing_for_an_error_above_the_total() -> None:
    truth = np.array([[0, 1], [0, 0]])
    assert ai_city_s1([[9, 9], [5, 5]], truth, time_s=1e9, video_s=1) == 0


def test_errors_cancel_in_the_bias_and_not_in_wape() -> None:
    assert bias([5, 15], [10, 10]) == 0
    assert wape([5, 15], [10, 10]) == 50


def test_many_cars_cannot_hide_a_few_cyclists() -> None:
    by_class = wape_by_class([[100, 0, 0]], [[100, 2, 0]], ["car", "cyclist", "bus"])
    assert by_class == {"car": 0.0, "cyclist": 100.0}
    both = results(np.array([[[[100], [0]]]]), np.array([[[[100], [2]]]]), ("car", "cyclist"))
    assert METRICS["wape_by_class"].figure(both) == 50
    assert METRICS["wape"].figure(both) < 2


@pytest.mark.parametrize(
    ("counted", "reference", "message"),
    [
        ([1, 2], [1], "one count for each row"),
        ([np.nan], [1], "counts: found 'nan'"),
        ([-1], [1], "counts: found '-1'"),
        ([1], [np.inf], "reference: found 'inf'"),
        ([1], [0], "the sum is '0'"),
    ],
)
def test_what_cannot_be_scored(counted: list[float], reference: list[float], message: str) -> None:
    with pytest.raises(ScoringError, match=message):
        wape(counted, reference)
    with pytest.raises(ScoringError, match=message):
        bias(counted, reference)


counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12)


@given(counts, st.data())
def test_leaving_rows_out_never_helps_a_vendor(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    counted, truth = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    gone = data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=1))
    blank = counted.copy()
    blank[list(gone)] = np.nan
    for name in (wape, bias, geh):
        with pytest.raises(ScoringError):  # a row that is empty
            name(blank, truth)
        with pytest.raises(ScoringError):  # a row that is not there
            name(np.delete(counted, list(gone)), truth)


@given(counts)
def test_wape_is_never_below_the_bias_and_zero_only_when_right(rows: list[tuple[int, int]]) -> None:
    counted, truth = zip(*rows, strict=True)
    if sum(truth) == 0:
        return
    assert wape(counted, truth) >= abs(bias(counted, truth)) - 1e-9
    assert (wape(counted, truth) == 0) == (counted == truth)


@given(counts)
def test_geh_is_symmetric_and_never_negative(rows: list[tuple[int, int]]) -> None:
    counted, truth = zip(*rows, strict=True)
    assert (geh(counted, truth) >= 0).all()
    np.testing.assert_array_equal(geh(counted, truth), geh(truth, counted))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented_and_has_an_interval_around_its_value(name: str) -> None:
    assert METRICS[name].text.endswith(".")
    found = score(some(1), [name], seed=3)[name]
    assert found.lower <= found.value <= found.upper
    assert score(some(1), [name], seed=3)[name] == found


def test_a_perfect_count_has_no_interval() -> None:
    perfect = some(2, error=0.0)
    assert score(perfect, ["wape"], seed=1)["wape"] == scoring.Score(0, 0, 0)


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
