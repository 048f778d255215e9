"""The sandbox in which vendors' models are read and run: its levels, and what each lets a process see.

Three levels, the strongest that works here is taken and recorded:

* `L3`: bubblewrap. Own namespaces, no network, no capabilities, no environment; visible are the system's libraries, Python, the
  model and an empty folder in memory.
* `L2`: own user and network namespace (`unshare`).
* `L1`: a process with limits only. Refused for a model that nobody here vouches for.

`experiments.conversation` talks with what runs inside and keeps it within its limits. No truth is ever inside.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Level = Literal["L1", "L2", "L3"]

RUNNER = Path(__file__).with_name("sandbox_runner.py")
PACKAGES = ("numpy", "onnx", "onnxruntime", "google.protobuf", "ml_dtypes", "typing_extensions")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
COMPLAINT_BYTES = 4096
START_S = 20.0


class SubmissionError(ValueError):
    """A vendor's model, card or submission cannot be accepted or run."""


@dataclass(frozen=True)
class Probe:
    """The strongest level that works on this machine.

    Attributes:
        level: The level.
        reasons: Why each stronger level does not work, by level.
    """

    level: Level
    reasons: Mapping[str, str]


def command(level: Level, arguments: Sequence[str], model: Path | None = None) -> list[str]:
    """Command line that starts Python inside the sandbox.

    Args:
        level: Level to use.
        arguments: Arguments of Python. Inside, the runner and the model are where `inside` says.
        model: Model to make visible.
    """
    python = Path(sys.executable).resolve()
    start = [str(python), "-I", "-S", "-B", *arguments]
    if level == "L1":
        return start
    if level == "L2":
        return [shutil.which("unshare") or "unshare", "-rn", "--", *start]
    # the empty /tmp comes first: what is made visible may itself live below it
    visible = ["--proc", "/proc", "--dev", "/dev", "--size", str(1 << 20), "--tmpfs", "/tmp", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        folder = Path("/", name)
        if folder.is_symlink():
            visible += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            visible += ["--ro-bind", str(folder), str(folder)]
    base = Path(sys.base_prefix).resolve()
    for folder in dict.fromkeys([base, *(Path(package) for package in packages())]):
        if not folder.is_relative_to("/usr"):
            visible += ["--ro-bind", str(folder), str(folder)]
    visible += ["--ro-bind", str(RUNNER), inside(level, RUNNER)]
    if model is not None:
        visible += ["--ro-bind", str(model.resolve()), inside(level, model)]
    environment = {**ENVIRONMENT, "LD_LIBRARY_PATH": f"{base}/lib"}
    bwrap = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    bwrap += ["--cap-drop", "ALL", "--clearenv"]
    for name, value in environment.items():
        bwrap += ["--setenv", name, value]
    return [*bwrap, *visible, "--remount-ro", "/", "--uid", "65534", "--gid", "65534", "--chdir", "/tmp", "--", *start]


def inside(level: Level, path: Path) -> str:
    """Where a file of the host is seen inside the sandbox."""
    if level != "L3":
        return str(path.resolve())
    return "/runner.py" if path == RUNNER else "/model.onnx"


def runner_command(level: Level, order: Mapping[str, Any], model: Path) -> list[str]:
    """Command line that starts the runner inside the sandbox.

    Args:
        level: Level to use.
        order: What the runner is to do; where the model and the packages are is added.
        model: Model to make visible.
    """
    full = {**order, "model": inside(level, model), "packages": packages()}
    return command(level, [inside(level, RUNNER), json.dumps(full)], model)


@functools.cache
def packages() -> tuple[str, ...]:
    """Folders that hold the packages the runner needs."""
    folders = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise SubmissionError(f"sandbox: package '{name}' is missing; expected it installed; install the requirements")
        depth = name.count(".") + (2 if spec.submodule_search_locations else 1)
        folders.append(str(Path(spec.origin).resolve().parents[depth - 1]))
    return tuple(dict.fromkeys(folders))


@functools.cache
def probe() -> Probe:
    """Find the strongest level that works here, by trying it."""
    reasons: dict[str, str] = {}
    candidates: tuple[tuple[Level, str], ...] = (("L3", "bwrap"), ("L2", "unshare"))
    for level, program in candidates:
        if shutil.which(program) is None:
            reasons[level] = f"{program} is not installed"
            continue
        try:
            tried = subprocess.run(
                command(level, ["-c", "print(2)"]), capture_output=True, timeout=START_S, env=ENVIRONMENT, check=False
            )
        except subprocess.TimeoutExpired:
            reasons[level] = f"{program} did not start within {START_S:g} s"
            continue
        if tried.returncode == 0 and tried.stdout.strip() == b"2":
            return Probe(level, reasons)
        reasons[level] = last_line(tried.stderr) or f"{program} ended with {tried.returncode}"
    return Probe("L1", reasons)


def choose_level(level: Level | None = None, *, trusted: bool = False) -> Level:
    """The level to run at.

    Args:
        level: Level asked for; None means the strongest that works here.
        trusted: Whether somebody here vouches for the model: the built-in example, or a vendor's own at home.

    Raises:
        SubmissionError: The level asked for does not work here, or it is `L1` and the model is not trusted.
    """
    found = probe()
    why = ", ".join(f"{name}: {reason}" for name, reason in found.reasons.items())
    if level is not None and level > found.level:
        raise SubmissionError(
            f"sandbox: level '{level}' does not work here ({why}); expected at most '{found.level}'; ask for that, "
            "or install bubblewrap and allow user namespaces"
        )
    chosen = level or found.level
    if chosen == "L1" and not trusted:
        raise SubmissionError(
            f"sandbox: level 'L1' isolates too little for a vendor's model ({why or 'asked for'}); expected 'L2' or 'L3'; "
            "install bubblewrap and allow user namespaces"
        )
    return chosen


def shown(data: bytes) -> str:
    """A short printable piece of something a stranger wrote."""
    text = data[:COMPLAINT_BYTES].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text)[:160].strip()


def last_line(data: bytes) -> str:
    """The last line of what a program complained of, short and printable; empty where it said nothing."""
    lines = [line for line in data.splitlines() if line.strip()]
    return shown(lines[-1]) if lines else ""
