"""The evaluation of a model: run on every clip of a split, its answers tracked, counted and scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.video.detect import Detections
from analytics.video.measures.lines import Crossing, LineCounter
from analytics.video.scene import Scene, street
from analytics.video.street.address import read_address
from analytics.video.tracking.track import Tracker
from experiments.answers import Answer, run_model
from experiments.sandbox import Level, choose_level
from experiments.scoring import ARRAYS, FEW_CLIPS, SEGMENTS, GateResult, Results, Score, check_gates, score
from experiments.task import Split, Task
from experiments.vetting import vet

WARM_UP = 1
"""Frames of a clip that do not count for the speed."""


@dataclass(frozen=True)
class Evaluation:
    """How a model did on one split of a task.

    Attributes:
        task: The task.
        split: The split.
        sha256: Digest of the model.
        sandbox_level: Level at which it ran.
        scores: Every metric of the task, with its interval.
        gates: Every gate of the task.
        results: Counts and truth by clip; they stay with the city.
        is_underpowered: Whether there are too few clips for the intervals to be trusted.
        seed: Seed of the resampling.
    """

    task: str
    split: Split
    sha256: str
    sandbox_level: Level
    scores: dict[str, Score]
    gates: tuple[GateResult, ...]
    results: Results
    is_underpowered: bool
    seed: int

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return all(gate.status == "passed" for gate in self.gates)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {**asdict(self), "results": self.results.to_dict()}

    @staticmethod
    def from_dict(document: dict[str, Any]) -> Evaluation:
        """Read what `to_dict` wrote."""
        given = dict(document)
        given["scores"] = {name: Score(**value) for name, value in given["scores"].items()}
        given["gates"] = tuple(GateResult(**value) for value in given["gates"])
        given["results"] = Results.from_dict(given["results"])
        return Evaluation(**given)


def evaluate(
    model: Path,
    task: Task,
    split: Split,
    *,
    seed: int,
    secret: str | None = None,
    level: Level | None = None,
    trusted: bool = False,
    base_factor: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Vet a model, run it in the sandbox on every clip of a split, count, and score the counts.

    Args:
        model: The ONNX file.
        task: The task.
        split: `dev` or `sealed`.
        seed: Seed of the resampling.
        secret: The city's secret, for the sealed split.
        level: Sandbox level; None means the strongest that works here.
        trusted: Whether somebody here vouches for the model.
        base_factor: Speed of this machine relative to the organiser's, for `ai_city_s1`.
        progress: Told how many clips are done, of how many.

    Raises:
        SubmissionError: The model fails a check, or fails in the sandbox.
        TaskError: The split is sealed and there is no secret.
    """
    chosen = choose_level(level, trusted=trusted)
    scenes = task.scenes(split, secret=secret)
    vetting = vet(model, task, level=chosen, trusted=trusted)
    vetting.require()
    parts = []
    for number, source in enumerate(scenes):
        if progress:
            progress(number, len(scenes))
        scene = street(**read_address(source))
        answers = run_model(
            model,
            scene.frames(),
            road_users=len(task.road_users),
            max_boxes=task.limits.max_boxes,
            wall_s=task.limits.wall_s,
            memory_mb=task.limits.memory_mb,
            level=chosen,
            trusted=trusted,
        )
        parts.append(_clip(task, scene, answers))
    if progress:
        progress(len(scenes), len(scenes))
    names = tuple(f"{split}_{number}" for number in range(len(scenes)))
    arrays = {name: np.stack([part[name] for part in parts]) for name in ARRAYS}
    results = Results(clips=names, road_users=task.road_users, base_factor=base_factor, **arrays)
    scores = score(results, task.metrics, seed=seed)
    gates = check_gates(results, task.gates)
    few = len(scenes) < FEW_CLIPS
    return Evaluation(task.id, split, vetting.sha256, chosen, scores, gates, results, few, seed)


def _clip(task: Task, scene: Scene, answers: Iterator[Answer]) -> dict[str, npt.NDArray[np.float64]]:
    """Track and count what a model found in one clip, beside the truth; the arrays of `Results`, for one clip."""
    tracker, counter = Tracker(), LineCounter(task.counting_lines)
    found: list[Crossing] = []
    times = []
    for frame, answer in enumerate(answers):
        labels = tuple(task.road_users[label] for label in answer.labels)
        tracks = tracker.update(Detections(answer.boxes, answer.scores, labels), frame / scene.frame_rate)
        found += counter.update(tracks, frame)
        times.append(answer.model_s)
    truth = scene.crossings(task.counting_lines)
    intervals, segment_s = int(-(-scene.seconds // task.interval_s)), scene.seconds / SEGMENTS
    timed = times[WARM_UP:]
    return {
        "counted": _table(task, found, intervals, task.interval_s),
        "reference": _table(task, truth, intervals, task.interval_s),
        "counted_segments": np.cumsum(_table(task, found, SEGMENTS, segment_s), axis=-1),
        "reference_segments": np.cumsum(_table(task, truth, SEGMENTS, segment_s), axis=-1),
        "video_s": np.array(scene.seconds),
        "model_s": np.array(sum(timed)),
        "timed_frames": np.array(float(len(timed))),
        "frames": np.array(float(scene.frame_count)),
        "answered": np.array(float(len(times))),
    }


def _table(task: Task, events: Sequence[Crossing], bins: int, bin_s: float) -> npt.NDArray[np.float64]:
    """Crossings by movement, road user and bin."""
    counts = Counter(
        (event.line, event.direction, event.road_user, min(bins - 1, max(0, int(event.time_s // bin_s)))) for event in events
    )
    return np.array(
        [
            [[counts[line, way, user, number] for number in range(bins)] for user in task.road_users]
            for line, way in task.movements
        ],
        dtype=np.float64,
    )
