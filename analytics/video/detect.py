"""Detectors: what moves (no model needed), or what an ONNX model sees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
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
class Scored(Detector, Protocol):
    """A detector whose scores are confidences, and that can be asked for less sure boxes too.

    Attributes:
        min_score: Detections below are dropped.
    """

    min_score: float


def make_detector(
    name: str,
    *,
    frame_rate: float = 10.0,
    models: Path | None = None,
    gate: str = "off",
    tiling: int = 1,
    class_agnostic: bool = False,
) -> Detector:
    """The built-in `motion` detector, or the one in an ONNX file.

    Args:
        name: `motion`, the name of an installed model, or the path of a model that ends in `.onnx`.
        frame_rate: Frames per second of the source. [1/s]
        models: Folder of installed models.
        gate: `motion` lets the network look only where and when something moves; `off` at every frame.
        tiling: Tiles across the frame at which the network looks besides the whole; 1 for none.
        class_agnostic: Take whatever the network detects as a road user of class `any`.

    Raises:
        SourceError: The name is neither, the model cannot be used, or an option is unknown or does not fit.
    """
    from analytics.video.onnx.installed import find_model, installed

    if gate not in ("off", "motion"):
        raise SourceError(f"{name}: gate is '{gate}'; expected off or motion; choose one")
    if name == "motion":
        if tiling != 1 or class_agnostic or gate != "off":
            raise SourceError(
                "motion: found 'an option of networks'; expected none of gate, tiling, class_agnostic; leave them out"
            )
        from analytics.video.motion.detector import MotionDetector

        return MotionDetector(frame_rate=frame_rate)
    path = name if name.endswith(".onnx") else find_model(name, models)
    if path is None:
        there = ", ".join(("motion", *installed(models))) if models is not None else "motion"
        raise SourceError(
            f"{name}: found 'an unknown detector'; expected {there} or the path of a model.onnx; "
            "choose one of these, or install it with testbed models add"
        )
    from analytics.video.onnx.detector import OnnxDetector

    found = OnnxDetector(path, tiling=tiling, class_agnostic=class_agnostic)
    if gate == "off":
        return found
    if tiling != 1 or found.network.pictures != 1:
        why = f"tiling is '{tiling}'" if tiling != 1 else "the model takes '2' pictures"
        raise SourceError(f"{name}: {why}; expected 1 where the gate is motion; leave out one of them")
    from analytics.video.onnx.gating import GatedDetector

    return GatedDetector(found, frame_rate=frame_rate)
