from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import metrics
from experiments.metrics import ScoringError, ai_city_s1, bias, geh, wape, wape_by_class

counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12)


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(metrics).failed == 0


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
