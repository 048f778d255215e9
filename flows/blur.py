"""How much of the people the filled preview covers: the work behind `testbed audit --blur`."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.video.blur import GROW, HOLD_S, Recall
from analytics.video.count import count_source
from analytics.video.identity import counter_of, digest_of
from analytics.video.measures.lines import Line
from analytics.video.options import CountOptions
from analytics.video.source import SourceError, open_source
from experiments.settings import Settings

TARGET = 0.98
"""Share of heads that must be covered before pictures leave (METHODS.md, section 7)."""


def measure_blur(
    source: str, truth: Path, settings: Settings, *, detector: str = "motion", frame_rate: float | None = None
) -> dict[str, Any]:
    """Measure, and keep for the warning of later previews, how much of the true people a detector's boxes cover.

    Args:
        source: Path of a video, or a rendered scene.
        truth: True person boxes in MOT Challenge rows; rows whose seventh column is 0 are ignored.
        settings: Where the result is kept.
        detector: `motion`, or the path of a model.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]

    Returns:
        `source`, `detector`, `target`, `met`, `painted`, `grow`, `hold_s` and `groups`: share of person boxes and of heads
        fully covered, over all and by distance.

    Raises:
        SourceError: The source, the detector or the truth cannot be used.
    """
    boxes = _read_truth(truth)
    with open_source(source, frame_rate=frame_rate) as opened:
        size, rate = opened.size, opened.frame_rate
    recall = Recall(rate, size, lambda index: boxes.get(index + 1, np.empty((0, 4))))
    outside = Line("none", 0, 0, 0, 1)  # nothing is counted here
    count_source(source, [outside], CountOptions(detector=detector, frame_rate=frame_rate), watch=recall.see)
    groups, painted = recall.result()
    if not groups[0].people:
        raise SourceError(
            f"{truth}: found 'no box in the frames of {source}'; expected true boxes of this video; give its truth"
        )
    document = {
        "source": source,
        "detector": Path(detector).name,
        "target": TARGET,
        "met": groups[0].heads >= TARGET,
        "painted": painted,
        "grow": GROW,
        "hold_s": HOLD_S,
        "groups": [asdict(group) for group in groups],
    }
    place = _place(settings, detector)
    place.parent.mkdir(exist_ok=True)
    partial = place.with_suffix(".part")
    partial.write_text(json.dumps(document), encoding="utf-8")
    partial.replace(place)
    return document


def warning_of(settings: Settings, detector: str) -> str:
    """The line that stands in every filled picture: what is known of the share of heads that is covered."""
    place = _place(settings, detector)
    if not place.is_file():
        return "people painted over by machine: recall not measured, faces may show"
    found = json.loads(place.read_text(encoding="utf-8"))
    heads = found["groups"][0]["heads"]
    said = f"people painted over by machine: recall {heads:.1%} of heads on {Path(found['source']).name}"
    return f"{said}, {'target met there' if found['met'] else f'below {TARGET:.0%}: faces may show'}"


def _place(settings: Settings, detector: str) -> Path:
    """Where a detector's result is kept; another model or other code has none yet."""
    return settings.home / "blur" / f"{digest_of(counter_of(detector, (), ()))[:16]}.json"


def _read_truth(path: Path) -> dict[int, npt.NDArray[np.float64]]:
    """True boxes by frame, from 1."""
    found: dict[int, list[list[float]]] = defaultdict(list)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: found '{error}'; expected true boxes in MOT Challenge rows; check the path") from None
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.split(",")
        try:
            frame, left, top, wide, tall = int(float(parts[0])), *(float(part) for part in parts[2:6])
            counts = len(parts) < 7 or float(parts[6]) != 0
        except (ValueError, IndexError):
            raise SourceError(
                f"{path}: row {number} is '{line[:80]}'; expected frame,id,left,top,width,height,…; correct the file"
            ) from None
        if counts:
            found[frame].append([left, top, left + wide, top + tall])
    return {frame: np.array(boxes) for frame, boxes in found.items()}
