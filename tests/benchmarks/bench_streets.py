"""How well `motion` counts in rendered streets, whose truth is known by construction: the WAPE by light.

    python tests/benchmarks/bench_streets.py [FIRST_SEED] [SEEDS] [SECONDS]

One JSON line for each light, and one for all.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from analytics.video.count import count_source
from analytics.video.measures.lines import parse_line
from analytics.video.scene import LIGHTS, street

LINES = ("west=250,0,250,576", "east=520,0,520,576")
TARGET = 5.0


def main(first: int = 500, seeds: int = 30, seconds: int = 60) -> None:
    """Count every street and add the errors of each line and direction up."""
    jobs = [(seed, light, seconds) for light in LIGHTS for seed in range(first, first + seeds)]
    wrong: Counter[str] = Counter()
    true: Counter[str] = Counter()
    with ProcessPoolExecutor() as pool:
        for (_, light, _), (errors, crossings) in zip(jobs, pool.map(one, jobs), strict=True):
            for name in (light, "all"):
                wrong[name] += errors
                true[name] += crossings
    for name in (*LIGHTS, "all"):
        wape = 100 * wrong[name] / max(1, true[name])
        found = {"wrong": wrong[name], "crossings": true[name], "wape": round(wape, 1), "target": TARGET, "met": wape <= TARGET}
        print(json.dumps({"name": f"street_{name}", "detector": "motion", **found}), flush=True)


def one(job: tuple[int, str, int]) -> tuple[int, int]:
    """Sum of absolute errors over lines and directions, and crossings, of one street."""
    seed, light, seconds = job
    lines = [parse_line(line) for line in LINES]
    true = Counter((event.line, event.direction) for event in street(seed, seconds, light=light).crossings(lines))
    events = count_source(f"scene:street?seed={seed}&seconds={seconds}&light={light}", lines).events
    counted = Counter((event.line, event.direction) for event in events)
    return sum(abs(counted[cell] - true[cell]) for cell in {*true, *counted}), sum(true.values())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
