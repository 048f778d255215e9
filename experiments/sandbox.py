"""The sandbox in which vendors' models are read and run.

Three levels, the strongest that works here is taken and recorded:

* `L3`: bubblewrap. Own namespaces, no network, no capabilities, no environment; visible are the system's libraries, Python, the
  model and an empty folder in memory.
* `L2`: own user and network namespace (`unshare`).
* `L1`: a process with limits only. Refused for a model that nobody here vouches for.

At every level memory, processor time, file size and open files are limited, at `L2` and `L3` processes too; the parent kills
the whole group when the time is up. Frames go in, boxes come out; no truth is ever inside.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib.util
import json
import os
import re
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

Level = Literal["L1", "L2", "L3"]

RUNNER = Path(__file__).with_name("sandbox_runner.py")
PACKAGES = ("numpy", "onnx", "onnxruntime", "google.protobuf", "ml_dtypes", "typing_extensions")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
OUTPUTS = ("boxes", "scores", "labels")
BYTES_PER_BOX = 400
COMPLAINT_BYTES = 4096
START_S = 20.0
PIPE_BYTES = 1 << 20
PROCESSES = 16


class SubmissionError(ValueError):
    """A vendor's model, card or submission cannot be accepted or run."""


@dataclass(frozen=True)
class Answer:
    """What a model found in one frame.

    Attributes:
        boxes: Boxes x1, y1, x2, y2, shape `(k, 4)`, inside the frame. [px]
        scores: Confidence of each box, shape `(k,)`.
        labels: Index of each box's road user in the task's list, shape `(k,)`.
        model_s: Time the model took. [s]
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    model_s: float


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
    visible = ["--ro-bind", "/usr", "/usr"]
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
    bwrap += [*visible, "--proc", "/proc", "--dev", "/dev", "--size", str(1 << 20), "--tmpfs", "/tmp"]
    return [*bwrap, "--remount-ro", "/", "--uid", "65534", "--gid", "65534", "--chdir", "/tmp", "--", *start]


def inside(level: Level, path: Path) -> str:
    """Where a file of the host is seen inside the sandbox."""
    if level != "L3":
        return str(path.resolve())
    return "/runner.py" if path == RUNNER else "/model.onnx"


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
        reasons[level] = _last_line(tried.stderr) or f"{program} ended with {tried.returncode}"
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


class _Conversation:
    """A sandboxed runner that is sent messages and answers them, within limits."""

    def __init__(
        self, model: Path, order: dict[str, Any], level: Level, *, wall_s: float, memory_mb: int, most_bytes: int
    ) -> None:
        self._who = model.name
        self._wall_s, self._memory_mb, self._most_bytes = wall_s, memory_mb, most_bytes
        self._left_s, self._mark = wall_s + START_S, time.monotonic()
        self._inbox, self._complaint = bytearray(), bytearray()
        limits = {
            "RLIMIT_AS": memory_mb << 20,
            "RLIMIT_CPU": int(2 * wall_s + START_S) + 1,
            "RLIMIT_FSIZE": 0,
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 64,
        }
        if level != "L1" and _counts_by_namespace():
            limits["RLIMIT_NPROC"] = PROCESSES
        full = {**order, "model": inside(level, model), "packages": packages(), "limits": limits}
        self._process = subprocess.Popen(
            command(level, [inside(level, RUNNER), json.dumps(full)], model),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env=ENVIRONMENT,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in, self._out, self._err = (
            stream.fileno() for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        for stream in (self._in, self._out, self._err):
            os.set_blocking(stream, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # a frame in few pieces instead of many
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._selector.register(self._err, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._selector.close()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        self._process.wait()

    def start_clock(self) -> None:
        """From here on the model's own limit counts, not the interpreter's start."""
        self._left_s = self._wall_s

    def send(self, data: bytes) -> None:
        """Send one message; answers that come meanwhile are kept."""
        left = memoryview(struct.pack("<I", len(data)) + data)
        self._mark = time.monotonic()
        self._selector.register(self._in, selectors.EVENT_WRITE)
        try:
            while left:
                ready = self._wait()
                if self._out in ready and not self._fill():
                    return  # the next receive says why
                if self._in in ready:
                    left = left[os.write(self._in, left) :]
        except BrokenPipeError:
            pass  # as above
        finally:
            self._selector.unregister(self._in)

    def receive(self) -> dict[str, Any]:
        """Wait for one answer.

        Raises:
            SubmissionError: It came too late, is too long, is not JSON, is an error, or the runner died.
        """
        self._mark = time.monotonic()
        while True:
            if len(self._inbox) >= 4:
                length = int(struct.unpack_from("<I", self._inbox)[0])
                if length > self._most_bytes:
                    raise self._flood(length)
                if len(self._inbox) >= 4 + length:
                    data = bytes(self._inbox[4 : 4 + length])
                    del self._inbox[: 4 + length]
                    return self._read(data)
            if self._out in self._wait() and not self._fill():
                raise self._death()

    def _read(self, data: bytes) -> dict[str, Any]:
        try:
            message = json.loads(data)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise SubmissionError(f"{self._who}: an answer is '{_shown(data)}'; expected a JSON object; report this")
        if "error" not in message:
            return message
        text = _shown(str(message.get("text", "")).encode())
        if message["error"] == "memory":
            raise self._short_of_memory(text)
        if message["error"] == "output":
            raise SubmissionError(
                f"{self._who}: output '{text}'; expected the outputs and the number of boxes that the task allows; "
                "correct the model"
            )
        raise SubmissionError(f"{self._who}: the model failed with '{text}'; expected it to run; correct the model")

    def _wait(self) -> set[int]:
        """Wait for a stream that is ready, and charge the time to the limit."""
        ready = {int(key.fd) for key, _ in self._selector.select(max(0.0, self._left_s))}
        now = time.monotonic()
        self._left_s, self._mark = self._left_s - (now - self._mark), now
        if self._left_s <= 0:
            raise self._too_slow()
        if self._err in ready:
            chunk = os.read(self._err, 1 << 16)
            self._complaint = (self._complaint + chunk)[-COMPLAINT_BYTES:]
            if not chunk:
                self._selector.unregister(self._err)
        return ready

    def _fill(self) -> bool:
        chunk = os.read(self._out, 1 << 16)
        self._inbox += chunk
        if len(self._inbox) > 2 * self._most_bytes + (1 << 16):
            raise self._flood(len(self._inbox))
        return bool(chunk)

    def _flood(self, found: int) -> SubmissionError:
        return SubmissionError(
            f"{self._who}: an answer is '{found}' bytes long; expected at most {self._most_bytes}; return fewer boxes"
        )

    def _too_slow(self) -> SubmissionError:
        return SubmissionError(
            f"{self._who}: not done after '{self._wall_s:g}' s; expected every frame of a clip answered within that time; "
            "make the model faster"
        )

    def _short_of_memory(self, text: str) -> SubmissionError:
        return SubmissionError(
            f"{self._who}: out of memory ('{text}'); expected at most {self._memory_mb} MB; make the model smaller"
        )

    def _death(self) -> SubmissionError:
        """Why the runner ended without an answer. Bubblewrap reports a signal as 128 + its number."""
        code = self._process.wait()
        number = -code if code < 0 else code - 128 if code > 128 else 0
        if number == signal.SIGXCPU:
            return self._too_slow()
        name = signal.Signals(number).name if number in set(signal.Signals) else f"exit code {code}"
        text = _last_line(bytes(self._complaint))
        if "MemoryError" in text or "bad_alloc" in text:
            return self._short_of_memory(text)
        return SubmissionError(
            f"{self._who}: crashed with '{name}{': ' + text if text else ''}'; expected an answer; correct the model"
        )


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
    with _Conversation(model, order, chosen, wall_s=wall_s, memory_mb=memory_mb, most_bytes=1 << 20) as talk:
        _check_limits(talk.receive(), trusted)
        talk.start_clock()
        return talk.receive()


def run_model(
    model: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    road_users: int,
    max_boxes: int,
    wall_s: float,
    memory_mb: int,
    level: Level | None = None,
    trusted: bool = False,
) -> Iterator[Answer]:
    """Run a model on the frames of one clip, inside the sandbox.

    The model sees the previous and the current frame (the first frame stands for both). One frame is prepared while the model
    works on the one before it.

    Args:
        model: The ONNX file; vet it first.
        frames: Images `(h, w, 3)`, blue-green-red, all of one size.
        road_users: How many labels the task knows.
        max_boxes: Most boxes in one frame.
        wall_s: How long the model may keep us waiting over the whole clip, its loading included. [s]
        memory_mb: Memory limit. [MB]
        level: Sandbox level; None means the strongest that works here.
        trusted: Whether somebody here vouches for the model.

    Yields:
        One answer for each frame, in order.

    Raises:
        SubmissionError: The model is too slow, too big, crashes, or answers what the task does not allow.
    """
    chosen = choose_level(level, trusted=trusted)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        return
    height, width = first.shape[:2]
    order = {"do": "run", "height": height, "width": width, "outputs": OUTPUTS, "max_boxes": max_boxes}
    most_bytes = 4096 + BYTES_PER_BOX * max_boxes
    with _Conversation(model, order, chosen, wall_s=wall_s, memory_mb=memory_mb, most_bytes=most_bytes) as talk:
        _check_limits(talk.receive(), trusted)
        talk.start_clock()
        talk.receive()
        talk.send(first.tobytes())
        sent, answered = 1, 0
        for frame in iterator:
            talk.send(np.ascontiguousarray(frame).tobytes())
            sent += 1
            yield _answer(model.name, answered, talk.receive(), road_users, max_boxes, width, height)
            answered += 1
        while answered < sent:
            yield _answer(model.name, answered, talk.receive(), road_users, max_boxes, width, height)
            answered += 1


def _answer(who: str, frame: int, message: dict[str, Any], road_users: int, max_boxes: int, width: int, height: int) -> Answer:
    """Check one answer; nothing that comes out of the sandbox is believed."""
    where = f"{who}: frame {frame}"
    missing = [name for name in (*OUTPUTS, "model_s") if name not in message]
    if missing:
        raise SubmissionError(f"{where}: output '{missing[0]}' is missing; expected {', '.join(OUTPUTS)}; correct the model")
    try:
        boxes = np.array(message["boxes"], dtype=np.float64).reshape(-1, 4)
        scores = np.array(message["scores"], dtype=np.float64)
        labels = np.array(message["labels"], dtype=np.float64)
        model_s = float(message["model_s"])
    except (TypeError, ValueError, OverflowError):
        raise SubmissionError(
            f"{where}: the outputs are '{_shown(json.dumps(message).encode())}'; expected boxes (k, 4), scores (k,) and "
            "labels (k,); correct the model"
        ) from None
    if scores.shape != (len(boxes),) or labels.shape != (len(boxes),) or len(boxes) > max_boxes:
        raise SubmissionError(
            f"{where}: the outputs have '{len(boxes)}' boxes, '{scores.size}' scores and '{labels.size}' labels; expected "
            f"as many of each, at most {max_boxes}; correct the model"
        )
    for name, values in (("boxes", boxes), ("scores", scores), ("labels", labels)):
        if not np.isfinite(values).all():
            found = values[~np.isfinite(values)].flat[0]
            raise SubmissionError(f"{where}: output {name} holds '{found}'; expected finite numbers; correct the model")
    wrong = labels[(labels < 0) | (labels >= road_users) | (labels != np.floor(labels))]
    if wrong.size:
        raise SubmissionError(
            f"{where}: label '{wrong[0]:g}' is unknown; expected 0 to {road_users - 1}; use the task's list of road users"
        )
    swapped = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if swapped.any():
        raise SubmissionError(
            f"{where}: box '{boxes[swapped][0].tolist()}' is inside out; expected x1 <= x2 and y1 <= y2; correct the model"
        )
    boxes = np.clip(boxes, 0, [width, height, width, height])
    return Answer(boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64), model_s)


def _counts_by_namespace() -> bool:
    """Whether the limit on processes counts only those in the sandbox; before Linux 5.14 it counts all of the user's."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return sys.platform == "linux" and version is not None and tuple(map(int, version.groups())) >= (5, 14)


def _check_limits(message: dict[str, Any], trusted: bool) -> None:
    unlimited = message.get("unlimited")
    if unlimited and not trusted:
        raise SubmissionError(
            f"sandbox: the system refused the limits '{', '.join(unlimited)}'; expected all to hold; run on Linux"
        )


def _shown(data: bytes) -> str:
    """A short printable piece of something a stranger wrote."""
    text = data[:COMPLAINT_BYTES].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text)[:160].strip()


def _last_line(data: bytes) -> str:
    lines = [line for line in data.splitlines() if line.strip()]
    return _shown(lines[-1]) if lines else ""
