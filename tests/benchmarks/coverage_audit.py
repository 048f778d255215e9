"""How often an audit's intervals hold the truth on real and rendered streets: every interval's truth is known, some are drawn.

`python tests/benchmarks/coverage_audit.py [MODEL.onnx]`: PETS 2009 where its truth is in `../shared`, then rendered streets.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from analytics.video.measures.lines import GroundPoint, LineCounter, parse_line
from analytics.video.scene import street
from experiments.audit.bounds import fit
from experiments.audit.sample import draw
from experiments.settings import ROOT
from flows.audit_subject import Subject, count_population

PLAZA = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"
PETS = ROOT.parent / "shared" / "data" / "pets09-s2l1" / "gt.txt"
LINES = tuple(parse_line(f"x{x}={x},0,{x},576,west,east") for x in (250, 384, 560))
DRAWS = 200


def pets_crossings():
    """Crossings of the true people, by the counter's own rule."""
    rows = defaultdict(list)
    for text in PETS.read_text().splitlines():
        frame, who, left, top, wide, tall, counts = (float(part) for part in text.split(",")[:7])
        if counts:
            rows[int(who)].append(GroundPoint(int(frame) - 1, (frame - 1) / 7, left + wide / 2, top + tall))
    counter = LineCounter(LINES)
    for who, points in rows.items():
        for point in sorted(points, key=lambda one: one.frame):
            yield from counter.step(who, "any", point)


def held(name, subject, crossings, audited):
    """Print the share of intervals that held the truth over many draws."""
    people = count_population(subject)
    truth = np.zeros(people.automatic.shape)
    for one in crossings:
        index = int(one.time_s // subject.interval_s)
        if index < truth.shape[1]:
            truth[people.cells.index((one.line, one.direction, "any")), index] += 1
    wrong = np.abs(people.automatic - truth).sum() / truth.sum()
    for level in (0.9, 0.95):
        each, cell, total, width = [], [], [], []
        for seed in range(DRAWS):
            sample = draw(people, audited, seed=seed)
            fitted = fit(people.automatic, np.where(sample.drawn, truth, np.nan), sample.inclusion, people.light())
            lower, upper = fitted.each(level=level)
            each.append(((lower <= truth) & (truth <= upper))[:, ~sample.drawn].mean())
            ends = [fitted.total(number, level=level) for number in range(len(people.cells))]
            cell.append(np.mean([e.lower <= t <= e.upper for e, t in zip(ends, truth.sum(axis=1), strict=True)]))
            whole = fitted.together(np.ones(len(people.cells), dtype=bool)).total(level=level)
            total.append(whole.lower <= truth.sum() <= whole.upper)
            width.append((whole.upper - whole.lower) / truth.sum())
        print(
            f"{level:.0%}  {name:34s} {truth.sum():4.0f} crossings, WAPE of intervals {wrong:.1%}: each {np.mean(each):.3f}  "
            f"cell {np.mean(cell):.3f}  total {np.mean(total):.3f}  width of the total {np.mean(width):.2f}",
            flush=True,
        )


def main():
    models = ["motion", *sys.argv[1:]]
    if PETS.is_file() and Path(PLAZA).is_file():
        for model in models:
            for seconds in (5, 8):
                subject = Subject("plaza", PLAZA, LINES, model, frame_rate=7.0, interval_s=seconds)
                held(f"PETS, {Path(model).stem}, {seconds} s, 8 drawn", subject, pets_crossings(), 8)
    for seed in range(901, 905):
        for light in ("day", "dusk", "rain", "crowd"):
            scene = f"scene:street?seed={seed}&seconds=300&light={light}"
            crossings = street(seed, 300, light=light).crossings(LINES)
            held(f"rendered {seed}, {light}, 15 s, 8 drawn", Subject("street", scene, LINES), crossings, 8)


if __name__ == "__main__":
    main()
