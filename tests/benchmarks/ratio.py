"""What every benchmark here prints: one JSON line, ours against a named rival in the same run."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any


def compare(
    name: str, ours: Callable[[], object], rival: str, theirs: Callable[[], object], *, target: float, runs: int = 5
) -> None:
    """Time two pieces of work in turn and print their ratio.

    Args:
        name: Name of the benchmark.
        ours: Our work.
        rival: What it is held against.
        theirs: The rival's work.
        target: The ratio ours / rival that must not be exceeded.
        runs: How often each is run, after one run that does not count.
    """
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(runs + 1):
        for key, work in (("ours", ours), ("theirs", theirs)):
            started = time.perf_counter()
            work()
            if number:
                times[key].append(time.perf_counter() - started)
    our_s, their_s = (statistics.median(times[key]) for key in ("ours", "theirs"))
    report(name, our_s, rival, their_s, target=target, runs=runs)


def report(
    name: str, our_s: float, rival: str, their_s: float, *, target: float, runs: int, extra: dict[str, Any] | None = None
) -> None:
    """Print the line of one comparison.

    Args:
        name: Name of the benchmark.
        our_s: Median time of our work. [s]
        rival: What it is held against.
        their_s: Median time of the rival's work. [s]
        target: The ratio ours / rival that must not be exceeded.
        runs: How often each was run.
        extra: What else to tell, such as memory.
    """
    ratio = our_s / their_s
    line = {"name": name, "ours_s": round(our_s, 4), "rival": rival, "rival_s": round(their_s, 4), "ratio": round(ratio, 3)}
    print(json.dumps({**line, "target": round(target, 3), "met": ratio <= target, "runs": runs, **(extra or {})}), flush=True)
