"""Choosing a detector by its name."""

from __future__ import annotations

import pytest

from analytics.video.detect import make_detector
from analytics.video.motion.detector import MotionDetector
from analytics.video.source import SourceError


def test_make_detector() -> None:
    assert isinstance(make_detector("motion"), MotionDetector)
    with pytest.raises(SourceError, match=r"expected motion or the path of a model\.onnx"):
        make_detector("magic")
