"""How well `motion` counts in rendered streets, whose truth is known by construction: the WAPE by light.

    python tests/benchmarks/bench_streets.py [FIRST_SEED] [SEEDS] [SECONDS] [mixed]

One JSON line for each light, and one for all. With `mixed` cyclists, cars, vans and buses ride through the street, and there
is one line for each class of road user, too: of `motion`, which knows no classes, by the crossings that it missed (those that
match none within 2 s) and of the true boxes themselves, followed and counted, by the counts of each class.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy.optimize import linear_sum_assignment

from analytics.video.count import count_source
from analytics.video.counting import Counting
from analytics.video.detect import Detections
from analytics.video.measures.lines import Crossing, Line, parse_line
from analytics.video.scene import LIGHTS, Scene, street
from analytics.video.street.address import read_address

LINES = ("west=250,0,250,576", "east=520,0,520,576")
TARGET = 5.0
MIXED = "&cyclists_per_minute=5&vehicles_per_minute=10&trees=3"
MATCH_S = 2.0
"""A counted crossing and a true one of the same line and direction are the same if they are no further apart. [s]"""

Wrong = dict[tuple[str, str], tuple[int, int]]
"""Errors and true crossings by detector and class."""


def main(first: int = 500, seeds: int = 30, seconds: int = 60, mixed: str = "") -> None:
    """Count every street and add the errors of each line and direction up."""
    jobs = [(seed, light, seconds, bool(mixed)) for light in LIGHTS for seed in range(first, first + seeds)]
    sums: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    with ProcessPoolExecutor() as pool:
        for (_, light, *_), found in zip(jobs, pool.map(one, jobs), strict=True):
            for (detector, road_user), (errors, crossings) in found.items():
                for name in (light, "all"):
                    sums[name, detector, road_user][0] += errors
                    sums[name, detector, road_user][1] += crossings
    order = (*LIGHTS, "all")
    for name, detector, road_user in sorted(sums, key=lambda key: (order.index(key[0]), key[1:])):
        wrong, crossings = sums[name, detector, road_user]
        wape = 100 * wrong / max(1, crossings)
        kind = {"road_user": road_user} if mixed else {}
        found = {"wrong": wrong, "crossings": crossings, "wape": round(wape, 1), "target": TARGET, "met": wape <= TARGET}
        print(json.dumps({"name": f"street_{name}", "detector": detector, **kind, **found}), flush=True)


def one(job: tuple[int, str, int, bool]) -> Wrong:
    """Errors and crossings of one street, over lines and directions."""
    seed, light, seconds, mixed = job
    lines = [parse_line(line) for line in LINES]
    source = f"scene:street?seed={seed}&seconds={seconds}&light={light}{MIXED if mixed else ''}"
    scene = street(**read_address(source))
    true = scene.crossings(lines)
    counted = count_source(source, lines).events
    found = {("motion", "any"): _error(true, counted)}
    if mixed:
        exact = _follow_truth(scene, lines)
        missed = Counter(event.road_user for event in _unmatched(true, counted))
        for road_user in {event.road_user for event in true}:
            mine = [event for event in true if event.road_user == road_user]
            found["motion", road_user] = missed[road_user], len(mine)
            found["truth", road_user] = _error(mine, [event for event in exact if event.road_user == road_user])
    return found


def _error(true: Sequence[Crossing], counted: Sequence[Crossing]) -> tuple[int, int]:
    """Sum of absolute errors over lines and directions, and true crossings."""
    one, two = (Counter((event.line, event.direction) for event in events) for events in (true, counted))
    return sum(abs(one[cell] - two[cell]) for cell in {*one, *two}), len(true)


def _unmatched(true: Sequence[Crossing], counted: Sequence[Crossing]) -> Iterable[Crossing]:
    """True crossings to which no counted one belongs."""
    for cell in {(event.line, event.direction) for event in true}:
        mine, theirs = ([e for e in events if (e.line, e.direction) == cell] for events in (true, counted))
        apart = np.abs(np.array([e.time_s for e in mine])[:, None] - np.array([e.time_s for e in theirs])[None])
        rows, columns = linear_sum_assignment(np.where(apart <= MATCH_S, apart, 1e6))
        taken = {int(row) for row, column in zip(rows, columns, strict=True) if apart[row, column] <= MATCH_S}
        yield from (event for row, event in enumerate(mine) if row not in taken)


def _follow_truth(scene: Scene, lines: Sequence[Line]) -> tuple[Crossing, ...]:
    """Crossings of the true boxes, given to the tracker without their identities."""
    counting = Counting(None, lines, frame_rate=scene.frame_rate)
    for index in range(scene.frame_count):
        _, boxes, labels = scene.truth_boxes(index)
        scores = np.full(len(boxes), 0.9, dtype=np.float32)
        counting.take(Detections(boxes, scores, labels), index / scene.frame_rate, index, scene.height)
    return counting.events()


if __name__ == "__main__":
    given = [word for word in sys.argv[1:] if word != "mixed"]
    main(*map(int, given), **({"mixed": "mixed"} if "mixed" in sys.argv else {}))
