"""Submissions: the card and the model of a vendor, their vetting, their keeping and their evaluation."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics.video.detect import Detections
from analytics.video.lines import Crossing, LineCounter
from analytics.video.scene import Scene, street
from analytics.video.track import Tracker
from experiments.sandbox import Answer, Level, SubmissionError, choose_level, inspect_model, run_model
from experiments.scoring import ARRAYS, FEW_CLIPS, SEGMENTS, GateResult, Results, Score, check_gates, score
from experiments.task import Split, Task, faults

__all__ = ["Card", "Check", "Evaluation", "Kept", "SubmissionError", "Vetting", "evaluate", "keep_secret", "load_card"]
__all__ += ["load_kept", "store", "vet"]

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
OUTPUT_FORMS: dict[str, tuple[str, int]] = {"boxes": ("float32", 2), "scores": ("float32", 1), "labels": ("int64", 1)}
WARM_UP = 1
"""Frames of a clip that do not count for the speed."""


class Card(BaseModel):
    """What a vendor states about a model.

    Attributes:
        name: Name of the model, as shown.
        vendor: Who submits it.
        contact: Whom to ask.
        version: Version of the model.
        licence: Licence of the model.
        decodes: How its outputs are read.
        training_data: What it was trained on.
        intended_use: What it is meant for.
        limitations: What it is known to do badly.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=80)
    vendor: str = Field(min_length=1, max_length=80)
    contact: str = Field(min_length=3, max_length=200)
    version: str = Field(min_length=1, max_length=40)
    licence: str = Field(min_length=2, max_length=200)
    decodes: Literal["boxes_scores_labels"]
    training_data: str = Field(min_length=3, max_length=2000)
    intended_use: str = Field(min_length=3, max_length=2000)
    limitations: str = Field(min_length=3, max_length=2000)


def load_card(path: Path) -> Card:
    """Read a card's YAML file.

    Raises:
        SubmissionError: The file cannot be read, or has faults: all of them, a line each.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise SubmissionError(f"{path}: cannot be read ('{why}'); expected a card in YAML; check the file") from None
    if not isinstance(document, dict):
        raise SubmissionError(f"{path}: found '{type(document).__name__}'; expected keys and values; start from the example")
    try:
        return Card.model_validate(document)
    except ValidationError as error:
        raise SubmissionError("\n".join(faults(path, error, Card))) from None


@dataclass(frozen=True)
class Check:
    """One static check of a model.

    Attributes:
        check: Name of the check.
        status: `passed`, `failed`, or `skipped` where an earlier failure prevented it.
        found: What was found.
        expected: What the task allows.
    """

    check: str
    status: Literal["passed", "failed", "skipped"]
    found: str
    expected: str


@dataclass(frozen=True)
class Vetting:
    """What the static checks say of a model.

    Attributes:
        file: The model's file name.
        sha256: Digest of the bytes that were checked; empty where the file is too big to read.
        size_bytes: Size of the file.
        checks: Every check, in order.
        sandbox_level: Level at which the file was parsed.
    """

    file: str
    sha256: str
    size_bytes: int
    checks: tuple[Check, ...]
    sandbox_level: Level

    @property
    def passed(self) -> bool:
        """Whether every check passed; a skipped one did not."""
        return all(check.status == "passed" for check in self.checks)

    def require(self) -> None:
        """Insist that all checks passed.

        Raises:
            SubmissionError: One did not: all of them, a line each.
        """
        wrong = [check for check in self.checks if check.status != "passed"]
        if wrong:
            raise SubmissionError(
                "\n".join(
                    f"{self.file}: check {check.check} {check.status}: found '{check.found}'; expected {check.expected}; "
                    "correct the model and submit again"
                    for check in wrong
                )
            )


def vet(path: Path, task: Task, *, level: Level | None = None, trusted: bool = False) -> Vetting:
    """Check a model without running it. The file is parsed inside the sandbox, the verdict falls outside.

    Args:
        path: The ONNX file.
        task: The task it is for.
        level: Sandbox level; None means the strongest that works here.
        trusted: Whether somebody here vouches for the model.

    Raises:
        SubmissionError: The file cannot be read, or no safe sandbox level works here.
    """
    chosen = choose_level(level, trusted=trusted)
    cap = int(task.accepts.max_mb * 1e6)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            data = file.read(cap + 1)
    except OSError as error:
        raise SubmissionError(f"{path}: cannot be read ('{error.strerror}'); expected an ONNX file; check the path") from None
    limit = f"1 byte to {task.accepts.max_mb:g} MB"
    if not 0 < len(data) <= cap:
        too_big = Check("size", "failed", f"{max(size, len(data))} bytes", limit)
        return Vetting(path.name, "", size, (too_big, Check("parse", "skipped", "size", "a file that can be read")), chosen)
    checks = [Check("size", "passed", f"{len(data)} bytes", limit)]
    # A copy of its own, so that the bytes that are hashed are the bytes that are parsed.
    with tempfile.TemporaryDirectory(prefix="vetting-") as folder:
        copy = Path(folder, path.name)
        copy.write_bytes(data)
        try:
            declared = inspect_model(copy, level=chosen, trusted=trusted)
        except SubmissionError as error:
            declared = {"unreadable": str(error).partition(": ")[2]}
    if "unreadable" in declared:
        checks.append(Check("parse", "failed", str(declared["unreadable"]), "an ONNX model"))
    else:
        checks += [Check("parse", "passed", "onnx", "an ONNX model"), *judge(declared, task)]
    return Vetting(path.name, hashlib.sha256(data).hexdigest(), len(data), tuple(checks), chosen)


def judge(declared: dict[str, Any], task: Task) -> list[Check]:
    """Hold what a model declares against what a task accepts."""
    accepts, video = task.accepts, task.video
    checks = []

    def check(name: str, good: bool, found: object, expected: str) -> None:
        checks.append(Check(name, "passed" if good else "failed", str(found), expected))

    external, domains = declared["external"], declared["domains"]
    check("external_data", not external, ", ".join(external) or "none", "all weights inside the file")
    foreign = [name for name in {*domains, *declared["opsets"]} if name not in DOMAINS]
    check("op_domains", not foreign, ", ".join(sorted(foreign)) or "ai.onnx", "operators of ai.onnx and ai.onnx.ml only")
    opset = max((version for name, version in declared["opsets"].items() if name in ("", "ai.onnx")), default=0)
    low, high = accepts.opset
    check("opset", low <= opset <= high, opset, f"{low} to {high}")
    check("node_count", 0 < declared["nodes"] <= accepts.max_nodes, declared["nodes"], f"1 to {accepts.max_nodes} nodes")
    loops = [name for name in declared["control_flow"] if name not in accepts.control_flow]
    allowed = ", ".join(accepts.control_flow)
    check("control_flow", not loops, ", ".join(loops) or "none", f"only {allowed}" if allowed else "no loops or branches")
    check("local_functions", declared["functions"] == 0, declared["functions"], "none; inline them")
    check("training_info", declared["training_info"] == 0, declared["training_info"], "none; export for inference")
    most = int(accepts.max_initialiser_mb * 1e6)
    weights = declared["initialiser_bytes"]
    check("initialiser_bytes", weights <= most, weights, f"at most {most} bytes of weights")
    inputs = [(TYPES.get(i["type"], f"type {i['type']}"), i["shape"]) for i in declared["inputs"]]
    shape = [task.input.frames, 3, video.height, video.width]
    good = len(inputs) == 1 and inputs[0][0] in task.input.types and inputs[0][1] == shape
    check("input_shape", good, _forms(inputs), f"one input {' or '.join(task.input.types)}{shape}")
    outputs = {o["name"]: (TYPES.get(o["type"], f"type {o['type']}"), o["shape"]) for o in declared["outputs"]}
    good = set(outputs) == set(OUTPUT_FORMS) and all(
        outputs[name][0] == kind and len(outputs[name][1]) == rank for name, (kind, rank) in OUTPUT_FORMS.items()
    )
    good = good and outputs["boxes"][1][1] == 4
    found = ", ".join(f"{name} {kind}{shape}" for name, (kind, shape) in outputs.items())
    check("output_shapes", good, found or "none", "boxes float32[k, 4], scores float32[k], labels int64[k]")
    check("valid", not declared["invalid"], declared["invalid"] or "yes", "a model that onnx.checker accepts")
    return checks


def _forms(values: Sequence[tuple[str, list[Any]]]) -> str:
    return ", ".join(f"{kind}{shape}" for kind, shape in values) or "none"


@dataclass(frozen=True)
class Kept:
    """A submission as kept.

    Attributes:
        submission_id: Name of the submission: the task and the start of the model's digest.
        sha256: Digest of the model.
        model: The kept model.
        card: Its card.
    """

    submission_id: str
    sha256: str
    model: Path
    card: Card


def store(path: Path, card: Card, vetting: Vetting, task: Task, folder: Path) -> Kept:
    """Keep a vetted model and its card under the model's digest; storing the same twice changes nothing.

    Raises:
        SubmissionError: The vetting was not passed, the card names outputs that the task cannot read, or the file is not the
            one that was vetted.
    """
    vetting.require()
    if card.decodes not in task.accepts.decodes:
        raise SubmissionError(
            f"{path.name}: the card says decodes '{card.decodes}'; expected one of {', '.join(task.accepts.decodes)}; "
            "choose another task"
        )
    home = folder / task.id / vetting.sha256
    home.mkdir(parents=True, exist_ok=True)
    number = f"{os.getpid()}-{secrets.token_hex(4)}"
    model, draft = home / "model.onnx", home / f".{number}.onnx"
    shutil.copyfile(path, draft)
    if _digest(draft) != vetting.sha256:
        draft.unlink()
        raise SubmissionError(f"{path}: the file is 'not the one that was vetted'; expected no change; submit again")
    draft.chmod(0o444)
    draft.replace(model)
    note = home / f".{number}.yaml"
    note.write_text(yaml.safe_dump(card.model_dump(), sort_keys=False, allow_unicode=True), encoding="utf-8")
    note.replace(home / "card.yaml")
    return Kept(f"{task.id}_{vetting.sha256[:12]}", vetting.sha256, model, card)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_kept(submission_id: str, folder: Path) -> tuple[str, Kept]:
    """Find a kept submission; returns its task's id and the submission.

    Raises:
        SubmissionError: There is none of that name, or its file was changed.
    """
    task_id, _, short = submission_id.rpartition("_")
    found = sorted((folder / task_id).glob(f"{short}*")) if task_id and len(short) == 12 and short.isalnum() else []
    if len(found) != 1:
        raise SubmissionError(f"submission '{submission_id}' is unknown; expected one that was submitted; look at the list")
    home = found[0]
    if _digest(home / "model.onnx") != home.name:
        raise SubmissionError(
            f"{submission_id}: the kept model has changed, 'not {short}'; expected its bytes; submit it again"
        )
    return task_id, Kept(submission_id, home.name, home / "model.onnx", load_card(home / "card.yaml"))


def keep_secret(path: Path) -> str:
    """The secret from which the sealed split's seeds follow; made and kept, for this user only, where there is none yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(draft, path)  # the first to come wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()


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
        scene = _scene(source)
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


def _scene(source: str) -> Scene:
    given = dict(parse_qsl(source.partition("?")[2]))
    people = given.get("people_per_minute")
    return street(
        int(given["seed"]),
        float(given["seconds"]),
        width=int(given["width"]),
        height=int(given["height"]),
        frame_rate=float(given["frame_rate"]),
        light=given.get("light", "day"),
        people_per_minute=None if people is None else float(people),
    )


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
