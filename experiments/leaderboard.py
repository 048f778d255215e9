"""The leaderboard: who is better, who is tied, and how often a vendor may try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from experiments.evaluation import Evaluation
from experiments.metrics import ScoringError
from experiments.sandbox import SubmissionError
from experiments.scoring import METRICS, Results, Score, bootstrap, draws
from experiments.task import Budget, Split, Task


@dataclass(frozen=True)
class Entry:
    """A submission that was evaluated.

    Attributes:
        submission: Name of the submission.
        name: Name of the model, as shown.
        evaluation: How it did.
    """

    submission: str
    name: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Row:
    """A row of the leaderboard.

    Attributes:
        rank: Place, shared by all of a tie group; None where a gate was not passed.
        tie_group: Number of the group within which no difference is established; None where a gate was not passed.
        submission: Name of the submission.
        name: Name of the model, as shown.
        metrics: Every metric with its interval.
        gates: Status of every gate.
        sandbox_level: Level at which the model ran.
    """

    rank: int | None
    tie_group: int | None
    submission: str
    name: str
    metrics: Mapping[str, Score]
    gates: Mapping[str, str]
    sandbox_level: str


def difference(first: Results, second: Results, metric: str, *, seed: int) -> Score:
    """By how much the first model's loss exceeds the second's, on the same resampled clips.

    Args:
        first: Results of one model.
        second: Results of the other, on the same clips.
        metric: What to compare; a positive difference means that the second is better.
        seed: Seed of the resampling.

    Raises:
        ScoringError: The two were not measured on the same clips.
    """
    if first.clips != second.clips or (first.reference != second.reference).any():
        raise ScoringError(
            f"comparison: the clips are '{len(first.clips)}' and '{len(second.clips)}' with different truth; expected the same "
            "split and secret; evaluate both again"
        )
    merit = METRICS[metric]

    def gap(one: Results, other: Results) -> float:
        return merit.loss(merit.figure(one)) - merit.loss(merit.figure(other))

    lower, upper = bootstrap(lambda drawn: gap(first.take(drawn), second.take(drawn)), draws(len(first.clips), seed=seed))
    return Score(gap(first, second), lower, upper)


def rank(entries: Iterable[Entry], metric: str, *, seed: int) -> list[Row]:
    """Rank submissions; those between whom no difference is established share a rank.

    The best of a group leads it. The next one joins as long as the interval of its difference from the leader includes 0;
    otherwise it leads the next group. The order in which entries are given does not matter.

    Args:
        entries: Submissions that were evaluated on the same split.
        metric: What ranks.
        seed: Seed of the resampling.

    Raises:
        ScoringError: Two were not measured on the same clips, or a submission is given twice.
    """
    merit = METRICS[metric]
    given = sorted(entries, key=lambda entry: (merit.loss(entry.evaluation.scores[metric].value), entry.submission))
    for name in (entry.submission for entry in given):
        if sum(entry.submission == name for entry in given) > 1:
            raise ScoringError(f"leaderboard: submission '{name}' is given 'twice'; expected once; keep its latest evaluation")
    rows: list[Row] = []
    refused: list[Row] = []
    leader: Entry | None = None
    place = group = 0
    for entry in given:
        if not entry.evaluation.passed:
            refused.append(_row(entry, None, None))
            continue
        if leader is None or difference(entry.evaluation.results, leader.evaluation.results, metric, seed=seed).lower > 0:
            leader, place, group = entry, len(rows) + 1, group + 1
        rows.append(_row(entry, place, group))
    return rows + refused


def leaderboard(entries: Sequence[Entry], task: Task, split: Split, *, seed: int) -> dict[str, Any]:
    """The leaderboard of one split of a task, as `testbed leaderboard --json` prints it."""
    chosen = [entry for entry in entries if entry.evaluation.task == task.id and entry.evaluation.split == split]
    return {"task": task.id, "split": split, "rows": [asdict(row) for row in rank(chosen, task.rank_by, seed=seed)]}


def check_budget(vendor: str, past: Sequence[datetime], budget: Budget, *, now: datetime) -> int:
    """Whether a vendor may submit now.

    Args:
        vendor: The vendor, for the message.
        past: When the vendor has submitted to this task before.
        budget: What the task allows.
        now: The present.

    Returns:
        How many submissions are left in all, this one not yet taken off.

    Raises:
        SubmissionError: The budget of the week or of the task is used up.
    """
    if len(past) >= budget.total:
        raise SubmissionError(
            f"{vendor}: has submitted '{len(past)}' times; expected at most {budget.total} in all; the budget is used up"
        )
    recent = sorted(at for at in past if at > now - timedelta(days=7))
    if len(recent) >= budget.per_week:
        free = recent[-budget.per_week] + timedelta(days=7)
        raise SubmissionError(
            f"{vendor}: has submitted '{len(recent)}' times in seven days; expected at most {budget.per_week}; submit again "
            f"after {free:%Y-%m-%d %H:%M} UTC"
        )
    return budget.total - len(past)


def _row(entry: Entry, place: int | None, group: int | None) -> Row:
    done = entry.evaluation
    gates = {gate.gate: gate.status for gate in done.gates}
    return Row(place, group, entry.submission, entry.name, done.scores, gates, done.sandbox_level)
