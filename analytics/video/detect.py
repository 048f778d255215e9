"""Detectors: what moves (no model needed), or what an ONNX model sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from analytics.video.source import SourceError

Image = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Detections:
    """What a detector found in one frame.

    Attributes:
        boxes: Boxes x1, y1, x2, y2, shape `(n, 4)`. [px]
        scores: Confidence of each, shape `(n,)`, 0 to 1.
        labels: Road-user class of each; `any` where the detector cannot tell.
        is_fresh: Whether the detector looked at this frame; if not, these are what it found last.
    """

    boxes: Float
    scores: Float
    labels: tuple[str, ...]
    is_fresh: bool = True


class Detector(Protocol):
    """Anything that finds road users in a picture."""

    def __call__(self, image: Image) -> Detections:
        """Find road users in a BGR picture, shape `(height, width, 3)`."""


@runtime_checkable
class Scored(Protocol):
    """A detector whose scores are confidences, and that can be asked for less sure boxes too.

    Attributes:
        min_score: Detections below are dropped.
    """

    min_score: float


def make_detector(name: str, *, frame_rate: float = 10.0) -> Detector:
    """The built-in `motion` detector, or the one in an ONNX file.

    Args:
        name: `motion`, or the path of a model that ends in `.onnx`.
        frame_rate: Frames per second of the source. [1/s]

    Raises:
        SourceError: The name is neither, or the model cannot be used.
    """
    if name == "motion":
        from analytics.video.motion import MotionDetector

        return MotionDetector(frame_rate=frame_rate)
    if name.endswith(".onnx"):
        from analytics.video.onnx.detector import OnnxDetector

        return OnnxDetector(name)
    raise SourceError(f"{name}: found 'an unknown detector'; expected motion or the path of a model.onnx; choose one of these")
