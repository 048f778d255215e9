"""Scores of a model: the metrics and gates of a task over its results, with intervals by resampling whole clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from experiments.metrics import Floats, ScoringError, ai_city_s1, bias, geh, traffic, wape, wape_by_class

SEGMENTS = 10
DRAWS = 2000
CONFIDENCE = 0.95
FEW_CLIPS = 20
"""Below this many clips an interval is printed as underpowered."""


@dataclass(frozen=True)
class Results:
    """What was counted and what is true, clip by clip.

    Attributes:
        clips: Names of the clips; they hold no seed.
        road_users: Classes of road users.
        counted: Crossings counted, shape `(clips, movements, road users, intervals)`.
        reference: True crossings, same shape.
        counted_segments: Cumulative counts at the ends of ten equal segments, `(clips, movements, road users, 10)`.
        reference_segments: True cumulative counts, same shape.
        video_s: Length of each clip, shape `(clips,)`. [s]
        model_s: Time the model took for each clip, warm-up excluded, shape `(clips,)`. [s]
        timed_frames: Frames that time was measured on, shape `(clips,)`.
        frames: Frames of each clip, shape `(clips,)`.
        answered: Frames the model answered, shape `(clips,)`.
        base_factor: Speed of the machine, for `ai_city_s1`.
    """

    clips: tuple[str, ...]
    road_users: tuple[str, ...]
    counted: Floats
    reference: Floats
    counted_segments: Floats
    reference_segments: Floats
    video_s: Floats
    model_s: Floats
    timed_frames: Floats
    frames: Floats
    answered: Floats
    base_factor: float = 1.0

    def take(self, index: npt.NDArray[np.int64]) -> Results:
        """The same results with other clips, in another order or repeated."""
        clips = tuple(self.clips[i] for i in index)
        arrays = {name: getattr(self, name)[index] for name in ARRAYS}
        return Results(clips=clips, road_users=self.road_users, base_factor=self.base_factor, **arrays)

    def to_dict(self) -> dict[str, Any]:
        """Everything as lists, for JSON."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in asdict(self).items()}

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> Results:
        """Read what `to_dict` wrote."""
        arrays = {name: np.array(document[name], dtype=np.float64) for name in ARRAYS}
        return Results(
            clips=tuple(document["clips"]),
            road_users=tuple(document["road_users"]),
            base_factor=float(document["base_factor"]),
            **arrays,
        )


ARRAYS = (
    *("counted", "reference", "counted_segments", "reference_segments"),
    *("video_s", "model_s", "timed_frames", "frames", "answered"),
)


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
        figure: Computes it.
        unit: Its unit.
        better: Which way is better.
        text: What it says.
        is_timed: Whether it depends on the machine's speed, and so differs a little from run to run.
    """

    figure: Callable[[Results], float]
    unit: str
    better: Literal["lower", "higher", "nearer zero"]
    text: str
    is_timed: bool = False

    def loss(self, value: float) -> float:
        """The value turned so that less is better."""
        return {"lower": value, "higher": -value, "nearer zero": abs(value)}[self.better]


def _mean_class_wape(results: Results) -> float:
    columns = (-1, len(results.road_users))
    found = np.moveaxis(results.counted, 2, -1).reshape(columns)
    truth = np.moveaxis(results.reference, 2, -1).reshape(columns)
    return float(np.mean(list(wape_by_class(found, truth, results.road_users).values())))


def _mean_geh(results: Results) -> float:
    hours = results.video_s.sum() / 3600
    found, truth = (values.sum(axis=(0, 3)).ravel() / hours for values in (results.counted, results.reference))
    traffic(truth)
    return float(geh(found, truth)[(found + truth) > 0].mean())


def _s1(results: Results) -> float:
    rows = (-1, results.reference_segments.shape[-1])
    return ai_city_s1(
        results.counted_segments.reshape(rows),
        results.reference_segments.reshape(rows),
        time_s=float(results.model_s.sum()),
        video_s=float(results.video_s.sum()),
        base_factor=results.base_factor,
    )


def _frames_per_second(results: Results) -> float:
    seconds = float(results.model_s.sum())
    if seconds <= 0:
        raise ScoringError("speed: the model's time is '0' s; expected a measured time; give clips of two frames or more")
    return float(results.timed_frames.sum()) / seconds


METRICS: dict[str, Metric] = {
    "wape": Metric(lambda r: wape(r.counted, r.reference), "%", "lower", "Counted wrong, in percent of the truth."),
    "wape_by_class": Metric(_mean_class_wape, "%", "lower", "Counted wrong, averaged over the classes of road users."),
    "bias": Metric(lambda r: bias(r.counted, r.reference), "%", "nearer zero", "Counted too much (+) or too little (-)."),
    "geh": Metric(_mean_geh, "(veh/h)^0.5", "lower", "Mean GEH of the hourly flows of all movements; for vehicles."),
    "ai_city_s1": Metric(_s1, "0..1", "higher", "AI City Challenge score: effectiveness and speed.", is_timed=True),
    "frames_per_second": Metric(_frames_per_second, "1/s", "higher", "Speed of the model on one core.", is_timed=True),
}


@dataclass(frozen=True)
class Score:
    """A figure with its interval.

    Attributes:
        value: The figure.
        lower: Lower end of its 95 % interval.
        upper: Upper end.
    """

    value: float
    lower: float
    upper: float


def draws(clips: int, *, seed: int, count: int = DRAWS) -> npt.NDArray[np.int64]:
    """Clips drawn with replacement, shape `(count, clips)`; the same for every model, so that comparisons are paired."""
    return np.sort(np.random.default_rng(seed).integers(0, clips, (count, clips)), axis=1)


def bootstrap(figure: Callable[[npt.NDArray[np.int64]], float], index: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Percentile interval of a figure over resampled clips.

    Whole clips are drawn, since the frames and intervals of one clip resemble each other.

    Args:
        figure: Computes the figure from the drawn clips.
        index: What `draws` returns.

    Returns:
        Lower and upper end of the 95 % interval. Draws in which the figure is undefined (no traffic) are left out.

    Raises:
        ScoringError: The figure is undefined in more than one draw of ten.
    """
    values: list[float] = []
    # With few clips many draws are the same: each is computed once.
    for drawn, times in zip(*np.unique(index, axis=0, return_counts=True), strict=True):
        try:
            values += [figure(drawn)] * int(times)
        except ScoringError:
            continue
    if len(values) < 0.9 * len(index):
        raise ScoringError(
            f"interval: the figure is undefined in '{len(index) - len(values)}' of {len(index)} draws; expected at most one "
            "in ten; use longer or busier clips"
        )
    lower, upper = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(lower), float(upper)


def score(results: Results, metrics: Sequence[str], *, seed: int) -> dict[str, Score]:
    """Every metric asked for, with its interval.

    Raises:
        ScoringError: A metric is unknown or cannot be computed.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ScoringError(f"metric '{unknown[0]}' is unknown; expected one of {', '.join(METRICS)}; correct the task")
    index = draws(len(results.clips), seed=seed)
    scores = {}
    for name in metrics:
        lower, upper = bootstrap(_resampled(METRICS[name].figure, results), index)
        scores[name] = Score(METRICS[name].figure(results), lower, upper)
    return scores


def _resampled(figure: Callable[[Results], float], results: Results) -> Callable[[npt.NDArray[np.int64]], float]:
    return lambda drawn: figure(results.take(drawn))


@dataclass(frozen=True)
class Gate:
    """A bar that a model must clear whatever its score.

    Attributes:
        figure: Computes what is compared; raises ScoringError where it cannot.
        is_least: Whether the limit is the least that passes; otherwise the most.
        text: What it says.
    """

    figure: Callable[[Results], float]
    is_least: bool
    text: str


def _cyclist_over_car(results: Results) -> float:
    errors = {}
    for name in ("cyclist", "car"):
        if name not in results.road_users:
            raise ScoringError(f"gate: no '{name}' in the reference; expected cyclists and cars; use a street with both")
        column = results.road_users.index(name)
        errors[name] = wape(results.counted[:, :, column], results.reference[:, :, column])
    if errors["car"]:
        return errors["cyclist"] / errors["car"]
    return float("inf") if errors["cyclist"] else 1.0


def _coverage(results: Results) -> float:
    return float(results.answered.sum() / results.frames.sum())


GATES: dict[str, Gate] = {
    "cyclist_error_over_car_error": Gate(_cyclist_over_car, False, "Cyclists are counted about as well as cars."),
    "min_coverage": Gate(_coverage, True, "Share of the frames that the model answered."),
}


@dataclass(frozen=True)
class GateResult:
    """Whether a gate was passed.

    Attributes:
        gate: Name of the gate.
        limit: What the task demands.
        value: What was found; None where it could not be computed.
        status: `passed`, `failed`, or `skipped` where it could not be computed; only `passed` lets a model through.
        reason: Why it was skipped.
    """

    gate: str
    limit: float
    value: float | None
    status: Literal["passed", "failed", "skipped"]
    reason: str = ""


def check_gates(results: Results, gates: Mapping[str, float]) -> tuple[GateResult, ...]:
    """Check every gate of a task."""
    found = []
    for name, limit in gates.items():
        try:
            value = GATES[name].figure(results)
        except ScoringError as error:
            found.append(GateResult(name, limit, None, "skipped", str(error)))
            continue
        passed = value >= limit if GATES[name].is_least else value <= limit
        found.append(GateResult(name, limit, value, "passed" if passed else "failed"))
    return tuple(found)
