"""The talk with a process in the sandbox: messages go in, answers come out, and the process is kept within its limits.

A message is a length (4 bytes, little endian) and that many bytes. At every level memory, processor time, file size and open
files are limited, at `L2` and `L3` processes too; the whole group of processes is killed when the time is up.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import selectors
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from experiments.sandbox import COMPLAINT_BYTES, ENVIRONMENT, START_S, Level, SubmissionError, last_line, runner_command, shown

PIPE_BYTES = 1 << 20
PROCESSES = 16


class Conversation:
    """A sandboxed runner that is sent messages and answers them, within limits.

    Args:
        model: The model it is about.
        order: What the runner is to do.
        level: Level of the sandbox.
        wall_s: How long the runner may keep us waiting, once it has begun. [s]
        memory_mb: Memory limit. [MB]
        most_bytes: Longest answer. [bytes]
    """

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
        self._process = subprocess.Popen(
            runner_command(level, {**order, "limits": limits}, model),
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

    def begin(self, *, trusted: bool) -> None:
        """Wait until the runner has taken its limits; from here on the model's own time counts, not the interpreter's start.

        Args:
            trusted: Whether somebody here vouches for the model, so that a limit the system refuses may pass.

        Raises:
            SubmissionError: The system refused a limit, or as `receive`.
        """
        unlimited = self.receive().get("unlimited")
        if unlimited and not trusted:
            raise SubmissionError(
                f"sandbox: the system refused the limits '{', '.join(unlimited)}'; expected all to hold; run on Linux"
            )
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
            raise SubmissionError(f"{self._who}: an answer is '{shown(data)}'; expected a JSON object; report this")
        if "error" not in message:
            return message
        text = shown(str(message.get("text", "")).encode())
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
        text = last_line(bytes(self._complaint))
        if "MemoryError" in text or "bad_alloc" in text:
            return self._short_of_memory(text)
        return SubmissionError(
            f"{self._who}: crashed with '{name}{': ' + text if text else ''}'; expected an answer; correct the model"
        )


def _counts_by_namespace() -> bool:
    """Whether the limit on processes counts only those in the sandbox; before Linux 5.14 it counts all of the user's."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return sys.platform == "linux" and version is not None and tuple(map(int, version.groups())) >= (5, 14)
