"""How a video is counted: every choice that a count, a pilot's feed and a followed stream share, in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.video.counting import Counting, check_road_users
from analytics.video.counts import ANY

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.video.detect import Detector
    from analytics.video.measures.lines import Crossing, Line
    from analytics.video.tracking.track import Track


@dataclass(frozen=True, kw_only=True)
class CountOptions:
    """How a video is counted; a pilot file gives each under `params`.

    Attributes:
        detector: `motion` (knows only the road user `any`), or the path of an ONNX model.
        road_users: Classes to count; `any` counts all together.
        frame_rate: Frames per second to believe instead of what the source says. [1/s]
        tracker: `own`, or `bytetrack`, `ocsort` or `botsort` of the library `trackers`.
        anchor: Point of a box that is counted: `foot` (where it touches the ground) or `centre`.
        gate: `motion` lets a network look only where and when something moves; `off` at every frame.
        tiling: Tiles across the frame at which a network looks besides the whole; 1 for none.
        class_agnostic: Take whatever a network detects as a road user of class `any`.
    """

    detector: str = "motion"
    road_users: Sequence[str] = (ANY,)
    frame_rate: float | None = None
    tracker: str = "own"
    anchor: str = "foot"
    gate: str = "off"
    tiling: int = 1
    class_agnostic: bool = False

    def make_detector(self, frame_rate: float, models: Path | None = None) -> Detector:
        """The detector, which can tell every road user that is asked for.

        Args:
            frame_rate: Frames per second of the source. [1/s]
            models: Folder of installed models, by whose names the detector may be called.

        Raises:
            SourceError: The detector or a road user cannot be used.
        """
        from analytics.video.detect import make_detector

        find = make_detector(
            self.detector,
            frame_rate=frame_rate,
            models=models,
            gate=self.gate,
            tiling=self.tiling,
            class_agnostic=self.class_agnostic,
        )
        check_road_users(self.road_users, self.detector, find)
        return find

    def counting(
        self,
        find: Detector,
        lines: Sequence[Line],
        frame_rate: float,
        on_crossing: Callable[[Crossing, Track], None] | None = None,
    ) -> Counting:
        """What finds, follows and counts, see `Counting`.

        Args:
            find: The detector.
            lines: Lines with different names, in pixels of the source.
            frame_rate: Frames per second of the source. [1/s]
            on_crossing: Called for each crossing with its track.
        """
        return Counting(find, lines, tracker=self.tracker, anchor=self.anchor, frame_rate=frame_rate, on_crossing=on_crossing)


AS_USUAL = CountOptions()
