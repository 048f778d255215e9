"""Vendor tasks: one YAML file is one thing asked of vendors."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self, get_args
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, field_validator, model_validator

from analytics.video.measures.lines import Line, parse_line
from analytics.video.source import SourceError
from analytics.video.street.address import TRAFFIC
from data_contracts.standard.faults import suggest
from experiments.faults import Part, load
from experiments.scoring import GATES, METRICS

TASKS = Path(__file__).with_name("tasks")
ID = re.compile(r"[a-z][a-z0-9_]*")

Split = Literal["dev", "sealed"]
SPLITS: tuple[Split, ...] = get_args(Split)


class TaskError(ValueError):
    """A vendor task cannot be used."""


class Accepts(Part):
    """What a submitted model may be.

    Attributes:
        format: File format.
        decodes: Output conventions the test bed can read; a model's card names its own.
        max_mb: Largest file. [MB]
        opset: Lowest and highest opset of the default domain.
        max_nodes: Most nodes, subgraphs included.
        max_initialiser_mb: Most constant data, as declared or as present. [MB]
        control_flow: Control-flow operators that are allowed all the same.
    """

    format: Literal["onnx"]
    decodes: tuple[Literal["boxes_scores_labels"], ...] = Field(min_length=1)
    max_mb: float = Field(200, gt=0, le=2000)
    opset: tuple[int, int] = (9, 23)
    max_nodes: int = Field(20_000, gt=0)
    max_initialiser_mb: float = Field(400, gt=0)
    control_flow: tuple[Literal["If", "Loop", "Scan", "SequenceMap"], ...] = ()


class Video(Part):
    """The video that models are tried on: rendered streets, whose truth is exact.

    Attributes:
        width: Width of a frame. [px]
        height: Height of a frame. [px]
        frame_rate: Frames per second. [1/s]
        seconds: Length of each clip. [s]
        dev: Scenes of the open split, with their seeds; vendors may render them at home.
        sealed: Scenes of the sealed split, without seeds: those follow from a secret of the city.

    `scene:street?seed=1&light=day` shows people only. With `cyclists_per_minute=4&vehicles_per_minute=8` it is a road whose
    truth knows pedestrian, cyclist, car, van and bus; the task's `road_users` are then some of these.
    """

    width: int = Field(768, ge=160, le=3840)
    height: int = Field(576, ge=120, le=2160)
    frame_rate: float = Field(7.0, ge=1, le=60)
    seconds: float = Field(30.0, gt=0, le=3600)
    dev: tuple[str, ...] = Field(min_length=1)
    sealed: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_scenes(self) -> Self:
        for split in SPLITS:
            for scene in getattr(self, split):
                known = {"light", "people_per_minute", *TRAFFIC} | ({"seed"} if split == "dev" else set())
                name, _, query = scene.partition("?")
                given = dict(parse_qsl(query, keep_blank_values=True))
                wrong = set(given) - known
                if name != "scene:street" or wrong or (split == "dev" and "seed" not in given):
                    form = f"scene:street?{'seed=1&' if split == 'dev' else ''}light=day"
                    why = "a seed in the file is no secret" if "seed" in wrong else f"write {form}"
                    raise ValueError(
                        f"{split} scene '{scene}' is not usable; expected '{form}' with {', '.join(sorted(known))}; {why}"
                    )
        return self


class Input(Part):
    """What the model is given, as one tensor `[frames, 3, height, width]`.

    Attributes:
        frames: Number of frames: the previous and the current one.
        types: Element types that are accepted; values are 0 to 255 in either.
        channels: Order of the colours.
    """

    frames: Literal[2] = 2
    types: tuple[Literal["uint8", "float32"], ...] = ("uint8", "float32")
    channels: Literal["bgr"] = "bgr"


class Limits(Part):
    """What a model may use.

    Attributes:
        wall_s: Longest time it may keep the test bed waiting over one clip. [s]
        memory_mb: Memory, interpreter included. [MB]
        max_boxes: Most boxes in one frame.
    """

    wall_s: float = Field(gt=0, le=3600)
    memory_mb: int = Field(ge=512, le=65536)
    max_boxes: int = Field(gt=0, le=10_000)


class Budget(Part):
    """How often a vendor may submit.

    Attributes:
        per_week: Most submissions in any seven days.
        total: Most submissions ever.
    """

    per_week: int = Field(gt=0)
    total: int = Field(gt=0)


class Task(Part):
    """One thing asked of vendors.

    Attributes:
        id: Name; also the file's stem.
        asks: The question, in one sentence.
        accepts: What a submitted model may be.
        input: What it is given.
        limits: What it may use.
        video: What it is tried on.
        lines: Counting lines, `NAME=x1,y1,x2,y2[,name_to_right,name_to_left]`. [px]
        road_users: Classes that are counted; a model's label is the index into this list.
        interval_s: Length of a counting interval. [s]
        reference: Where the truth comes from; vendors never see it.
        metrics: Figures that are computed.
        rank_by: The one that ranks.
        gates: Bars that must be cleared, with their limits.
        budget: How often a vendor may submit.
    """

    id: str
    asks: str = Field(min_length=10)
    accepts: Accepts
    input: Input = Input()
    limits: Limits = Field(default_factory=lambda: Limits(wall_s=60, memory_mb=2048, max_boxes=300))
    video: Video
    lines: tuple[str, ...] = Field(min_length=1)
    road_users: tuple[str, ...] = Field(min_length=1)
    interval_s: int = Field(15, gt=0)
    reference: Literal["rendered_street"]
    metrics: tuple[str, ...] = Field(min_length=1)
    rank_by: str
    gates: dict[str, float] = Field(default_factory=dict)
    budget: Budget

    @field_validator("id")
    @classmethod
    def _check_id(cls, value: str) -> str:
        if not ID.fullmatch(value):
            raise ValueError(f"is '{value}'; expected small letters, digits and '_', a letter first; rename it")
        return value

    @field_validator("lines")
    @classmethod
    def _check_lines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                parse_line(text)
            except SourceError as error:
                raise ValueError(f"has '{text}'; expected NAME=x1,y1,x2,y2[,name_to_right,name_to_left]; {error}") from None
        return value

    @field_validator("metrics", "rank_by")
    @classmethod
    def _check_metrics(cls, value: Any) -> Any:
        for name in (value,) if isinstance(value, str) else value:
            _known(name, METRICS)
        return value

    @field_validator("gates")
    @classmethod
    def _check_gates(cls, value: dict[str, float]) -> dict[str, float]:
        for name in value:
            _known(name, GATES)
        return value

    @model_validator(mode="after")
    def _check_rank(self) -> Self:
        if self.rank_by not in self.metrics:
            raise ValueError(
                f"rank_by '{self.rank_by}' is not computed; expected one of {', '.join(self.metrics)}; add it to metrics"
            )
        return self

    @property
    def counting_lines(self) -> tuple[Line, ...]:
        """The counting lines."""
        return tuple(parse_line(text) for text in self.lines)

    @property
    def movements(self) -> tuple[tuple[str, str], ...]:
        """Every line and direction, in order."""
        return tuple((line.name, way) for line in self.counting_lines for way in (line.to_right, line.to_left))

    def scenes(self, split: Split, *, secret: str | None = None) -> tuple[str, ...]:
        """The clips of a split, as sources that can be opened.

        Args:
            split: `dev` or `sealed`.
            secret: The city's secret from which the seeds of the sealed split follow; not needed for `dev`.

        Raises:
            TaskError: The split is sealed and there is no secret.
        """
        video = {name: f"{getattr(self.video, name):.10g}" for name in ("seconds", "width", "height", "frame_rate")}
        scenes = []
        for number, scene in enumerate(self.video.dev if split == "dev" else self.video.sealed):
            name, _, query = scene.partition("?")
            given = dict(parse_qsl(query))
            if split == "sealed":
                if not secret:
                    raise TaskError(f"{self.id}: the sealed split has no secret; expected the city's own; run it at the city")
                digest = hmac.digest(secret.encode(), f"{self.id}/{split}/{number}".encode(), hashlib.sha256)
                given["seed"] = str(int.from_bytes(digest[:6], "big"))
            scenes.append(f"{name}?{urlencode({**given, **video})}")
        return tuple(scenes)


def load_task(path: Path) -> Task:
    """Read a task's YAML file.

    Raises:
        TaskError: The file cannot be read, or has faults: all of them, a line each.
    """
    task = load(path, Task, TaskError, start="another task")
    if task.id != path.stem:
        raise TaskError(f"{path}: id is '{task.id}'; expected '{path.stem}', the file's name; rename one of the two")
    return task


def tasks(folder: Path = TASKS) -> dict[str, Path]:
    """The tasks of a folder: id and file."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_task(name: str, folder: Path = TASKS) -> Task:
    """Load a task by its id.

    Raises:
        TaskError: There is no such task, or its file has faults.
    """
    known = tasks(folder)
    if name not in known:
        raise TaskError(
            f"task '{name}' is unknown; expected one of {', '.join(known) or 'none: the folder is empty'}{suggest(name, known)}"
        )
    return load_task(known[name])


def _known(name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise ValueError(
            f"has '{name}', which is unknown; expected one of {', '.join(known)}{suggest(name, known) or '; remove it'}"
        )
