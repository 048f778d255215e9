"""When following a stream ends: after a while, or when told to."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from analytics.video.source import SourceError


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set an event; the second one interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def seconds(text: str | None) -> float:
    """A length of time such as `90`, `90s`, `15m`, `2h` or `1d`; endless when None. [s].

    Raises:
        SourceError: It is none.

    Example:
        >>> seconds("15m")
        900.0
    """
    if text is None:
        return math.inf
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        found = float(number) * unit
    except ValueError:
        found = math.nan
    if not found >= 0:
        raise SourceError(f"--for: found '{text}'; expected a length of time; try 90s, 15m or 2h")
    return found
