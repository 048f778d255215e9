"""Trackers by name: our own, and those of the library `trackers` behind the same function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from analytics.video.detect import Detections
from analytics.video.measures.ground import GroundPoint
from analytics.video.source import SourceError
from analytics.video.tracking.track import ANCHORS, Track, Tracker

if TYPE_CHECKING:
    import supervision

OWN = "own"
"""Our own tracker, the default: `tests/benchmarks/bench_mot.py` holds it against the others."""
LIBRARY = ("bytetrack", "ocsort", "botsort")
"""Trackers of the library `trackers`; BoT-SORT without camera motion, which a fixed camera does not have."""
_HIDDEN_S = 1.6  # as our own


class AnyTracker(Protocol):
    """Anything that follows boxes from frame to frame."""

    def update(
        self, detections: Detections, time_s: float, frame: int | None = None, *, height: float = math.inf
    ) -> list[Track]:
        """Take the detections of the next frame in and return the living tracks."""


def make_tracker(
    name: str, *, frame_rate: float = 10.0, sure_score: float = 0.0, birth_score: float = 0.0, anchor: str = "foot"
) -> AnyTracker:
    """Our own tracker, or one of the library `trackers` at that library's own settings.

    Args:
        name: `own`, `bytetrack`, `ocsort` or `botsort`.
        frame_rate: Frames per second. [1/s]
        sure_score: For `own`: boxes below can only continue a track.
        birth_score: For `own`: boxes below begin no track.
        anchor: Point of a box that is counted, `foot` or `centre`.

    Raises:
        SourceError: The name or the anchor is unknown, or the library is not installed.
    """
    if anchor not in ANCHORS:
        raise SourceError(f"anchor is '{anchor}'; expected one of {', '.join(ANCHORS)}; choose one of these")
    if name == OWN:
        return Tracker(sure_score=sure_score, birth_score=birth_score, anchor=anchor)
    if name not in LIBRARY:
        raise SourceError(f"tracker '{name}' is unknown; expected one of {', '.join((OWN, *LIBRARY))}; choose one of these")
    try:
        import trackers
    except ModuleNotFoundError:
        raise SourceError(
            f"tracker '{name}': found 'no library trackers'; expected it to be installed; "
            "run pip install 'city-testbed[trackers]', or choose own"
        ) from None
    makers: dict[str, Callable[[], Any]] = {
        "bytetrack": lambda: trackers.ByteTrackTracker(frame_rate=frame_rate),
        "ocsort": lambda: trackers.OCSORTTracker(frame_rate=frame_rate),
        "botsort": lambda: trackers.BoTSORTTracker(frame_rate=frame_rate, enable_cmc=False),
    }
    return _LibraryTracker(makers[name](), ANCHORS[anchor])


class _LibraryTracker:
    """Gives a tracker of the library our interface; points from before it names a track are not known to it."""

    def __init__(self, follow: Any, raise_by: float) -> None:
        self._follow = follow
        self._raise_by = raise_by
        self._tracks: dict[int, Track] = {}
        self._frame = -1

    def update(
        self, detections: Detections, time_s: float, frame: int | None = None, *, height: float = math.inf
    ) -> list[Track]:
        """Take the detections of the next frame in and return the living tracks."""
        import numpy as np
        import supervision

        self._frame = self._frame + 1 if frame is None else frame
        given: supervision.Detections = supervision.Detections(
            xyxy=detections.boxes.astype(np.float64).reshape(-1, 4),
            confidence=detections.scores.astype(np.float64),
            class_id=np.arange(len(detections.boxes)),  # the order is not kept: this brings each label back
        )
        found = self._follow.update(given)
        for track in self._tracks.values():
            track.missed_s = time_s - track.history[-1].time_s
        if found.tracker_id is not None:
            for number, box, index in zip(found.tracker_id.tolist(), found.xyxy.tolist(), found.class_id.tolist(), strict=True):
                if number < 0:
                    continue
                x1, y1, x2, y2 = box
                track = self._tracks.setdefault(number, Track(number, (x1, y1, x2, y2)))
                track.box, track.missed_s = (x1, y1, x2, y2), 0.0
                foot = min(y2, height) - self._raise_by * (y2 - y1)
                track.history.append(GroundPoint(self._frame, time_s, (x1 + x2) / 2, foot, y2 - y1))
                label = detections.labels[index]
                track.score = float(detections.scores[index])
                track.votes[label] = track.votes.get(label, 0.0) + track.score
        self._tracks = {number: track for number, track in self._tracks.items() if track.missed_s <= _HIDDEN_S}
        return list(self._tracks.values())
