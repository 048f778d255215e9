"""Reading ahead: the next frames are decoded in a thread of their own while this one is looked at."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread

from analytics.video.source import Frame

DEPTH = 4
"""Frames that may wait; enough for a decoder's uneven pace, few enough to keep memory flat."""
_LOOK_S = 0.1


@dataclass(frozen=True)
class _End:
    """Marks the last frame; carries what went wrong, if anything did."""

    error: BaseException | None = None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ahead(frames: Generator[Frame | None], depth: int = DEPTH) -> Generator[Frame | None]:
    """The same frames, read in a thread; closing the iterator stops the thread and closes `frames`.

    On a single core there is no thread: it would only cost.

    Args:
        frames: What is read; it runs, and is closed, in the thread only.
        depth: Frames that may wait to be taken.

    Yields:
        Each frame, in order.

    Raises:
        BaseException: Whatever `frames` raised, at the same place in the order.
    """
    if cores() == 1:
        with closing(frames):
            yield from frames
        return
    waiting: Queue[Frame | _End | None] = Queue(depth)
    stopped = Event()

    def put(item: Frame | _End | None) -> bool:
        while not stopped.is_set():
            with suppress(Full):
                waiting.put(item, timeout=_LOOK_S)
                return True
        return False

    def read() -> None:
        end = _End()
        with closing(frames):
            try:
                for frame in frames:
                    if not put(frame):
                        return
            except BaseException as error:  # raised again where the frames are taken
                end = _End(error)
        put(end)

    thread = Thread(target=read, name="frames", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        with suppress(Empty):
            while True:
                waiting.get_nowait()
        thread.join()
