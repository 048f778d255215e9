"""What every benchmark here prints: one JSON line, ours against a named rival in the same run."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable


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
    ratio = our_s / their_s
    line = {"name": name, "ours_s": round(our_s, 4), "rival": rival, "rival_s": round(their_s, 4), "ratio": round(ratio, 3)}
    print(json.dumps({**line, "target": target, "met": ratio <= target, "runs": runs}), flush=True)
