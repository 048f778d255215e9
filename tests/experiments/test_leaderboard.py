from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.evaluation import Evaluation
from experiments.leaderboard import Entry, check_budget, difference, leaderboard, rank
from experiments.metrics import ScoringError
from experiments.sandbox import SubmissionError
from experiments.scoring import Results, check_gates, score
from experiments.task import Budget, find_task

TASK = find_task("count_crossings")
CLIPS = 8
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def entry(name: str, error: float, seed: int = 0, answered: float = 210.0) -> Entry:
    """A model that errs by so many crossings on average, on the same truth as all others."""
    truth = np.random.default_rng(99).poisson(8.0, (CLIPS, 4, 1, 2)).astype(float) + 2
    noise = np.random.default_rng(seed).normal(error, 0.3, truth.shape) if error else 0.0
    counted = np.maximum(0, truth + np.round(noise))
    spread = np.linspace(0.1, 1, 10)
    results = Results(
        clips=tuple(f"sealed_{i}" for i in range(CLIPS)),
        road_users=("pedestrian",),
        counted=counted,
        reference=truth,
        counted_segments=counted.sum(-1, keepdims=True) * spread,
        reference_segments=truth.sum(-1, keepdims=True) * spread,
        video_s=np.full(CLIPS, 30.0),
        model_s=np.full(CLIPS, 2.0),
        timed_frames=np.full(CLIPS, 209.0),
        frames=np.full(CLIPS, 210.0),
        answered=np.full(CLIPS, answered),
    )
    scores = score(results, TASK.metrics, seed=1)
    gates = check_gates(results, TASK.gates)
    return Entry(name, name.upper(), Evaluation(TASK.id, "sealed", "0" * 64, "L3", scores, gates, results, True, 1))


ENTRIES = [entry("good", 0.4, 1), entry("twin", 0.4, 2), entry("fair", 2.0, 3), entry("poor", 5.0, 4)]


def test_clear_differences_rank_and_small_ones_tie() -> None:
    rows = rank(ENTRIES, "wape_by_class", seed=1)
    assert {row.submission for row in rows[:2]} == {"good", "twin"}
    assert [row.submission for row in rows[2:]] == ["fair", "poor"]
    assert [row.rank for row in rows] == [1, 1, 3, 4]
    assert [row.tie_group for row in rows] == [1, 1, 2, 3]


@settings(max_examples=3, deadline=None)
@given(st.permutations(ENTRIES))
def test_the_order_of_entries_does_not_matter(entries: list[Entry]) -> None:
    assert rank(entries, "wape_by_class", seed=1) == rank(ENTRIES, "wape_by_class", seed=1)


def test_a_model_is_tied_with_itself() -> None:
    same = difference(ENTRIES[0].evaluation.results, ENTRIES[0].evaluation.results, "wape", seed=1)
    assert (same.value, same.lower, same.upper) == (0, 0, 0)
    rows = rank([ENTRIES[0], replace(ENTRIES[0], submission="copy")], "wape", seed=1)
    assert [(row.rank, row.submission) for row in rows] == [(1, "copy"), (1, "good")]


def test_a_difference_has_a_sign() -> None:
    good, poor = ENTRIES[0].evaluation.results, ENTRIES[3].evaluation.results
    assert difference(poor, good, "wape", seed=1).lower > 0
    assert difference(good, poor, "wape", seed=1).upper < 0
    assert difference(poor, good, "ai_city_s1", seed=1).lower > 0


def test_a_failed_gate_is_shown_and_not_ranked() -> None:
    rows = rank([entry("lazy", 0.0, answered=100.0), ENTRIES[3]], "wape", seed=1)
    assert [(row.submission, row.rank, row.tie_group) for row in rows] == [("poor", 1, 1), ("lazy", None, None)]
    assert rows[1].gates == {"min_coverage": "failed"}


def test_models_measured_on_different_clips_are_not_compared() -> None:
    other = ENTRIES[1].evaluation
    moved = replace(other, results=replace(other.results, reference=other.results.reference + 1))
    with pytest.raises(ScoringError, match="expected the same"):
        rank([ENTRIES[0], replace(ENTRIES[1], evaluation=moved)], "wape", seed=1)
    with pytest.raises(ScoringError, match="given 'twice'"):
        rank([ENTRIES[0], ENTRIES[0]], "wape", seed=1)


def test_the_document_of_the_command() -> None:
    document = json.loads(json.dumps(leaderboard(ENTRIES, TASK, "sealed", seed=1)))
    assert list(document) == ["task", "split", "rows"]
    assert set(document["rows"][0]) == {"rank", "tie_group", "submission", "name", "metrics", "gates", "sandbox_level"}
    assert set(document["rows"][0]["metrics"]["wape"]) == {"value", "lower", "upper"}
    assert leaderboard(ENTRIES, TASK, "dev", seed=1)["rows"] == []


def test_the_budget_of_the_week_and_of_the_task() -> None:
    budget = Budget(per_week=3, total=5)
    days = [NOW - timedelta(days=d) for d in (1, 2, 3)]
    assert check_budget("Acme", [], budget, now=NOW) == 5
    assert check_budget("Acme", days[:2], budget, now=NOW) == 3
    with pytest.raises(SubmissionError, match=r"Acme: has submitted '3' times in seven days.*after 2026-06-19 12:00 UTC"):
        check_budget("Acme", days, budget, now=NOW)
    assert check_budget("Acme", days, budget, now=NOW + timedelta(days=4)) == 2
    with pytest.raises(SubmissionError, match="at most 5 in all"):
        check_budget("Acme", [NOW - timedelta(days=100)] * 5, budget, now=NOW)


@given(st.lists(st.integers(0, 30 * 24), max_size=8), st.integers(1, 4))
def test_waiting_as_told_is_enough(hours: list[int], per_week: int) -> None:
    past = [NOW - timedelta(hours=h) for h in hours]
    budget = Budget(per_week=per_week, total=100)
    try:
        check_budget("Acme", past, budget, now=NOW)
    except SubmissionError as error:
        free = datetime.strptime(str(error).split("after ")[1], "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
        assert check_budget("Acme", past, budget, now=free)
        with pytest.raises(SubmissionError):
            check_budget("Acme", past, budget, now=free - timedelta(minutes=1))
