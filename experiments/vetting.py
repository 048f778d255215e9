"""The vetting of a model: static checks of what it declares. It is parsed inside the sandbox and never run."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experiments.conversation import Conversation
from experiments.sandbox import Level, SubmissionError, choose_level
from experiments.task import Task

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
OUTPUT_FORMS: dict[str, tuple[str, int]] = {"boxes": ("float32", 2), "scores": ("float32", 1), "labels": ("int64", 1)}


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


def inspect_model(
    model: Path, *, wall_s: float = 30.0, memory_mb: int = 4096, level: Level | None = None, trusted: bool = False
) -> dict[str, Any]:
    """Parse a model inside the sandbox and return what it declares; nothing of it is run.

    Args:
        model: The ONNX file.
        wall_s: Time limit. [s]
        memory_mb: Memory limit. [MB]
        level: Sandbox level; None means the strongest that works here.
        trusted: Whether somebody here vouches for the model.

    Raises:
        SubmissionError: Parsing takes too long or too much memory, or no safe level works here.
    """
    chosen = choose_level(level, trusted=trusted)
    order = {"do": "inspect"}
    with Conversation(model, order, chosen, wall_s=wall_s, memory_mb=memory_mb, most_bytes=1 << 20) as talk:
        talk.begin(trusted=trusted)
        return talk.receive()


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
