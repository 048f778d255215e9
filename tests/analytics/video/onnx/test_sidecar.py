"""The YAML beside a model: what it leaves out is usual for its family, and every fault is named at once."""

from __future__ import annotations

import pytest

from analytics.video.onnx.classes import COCO
from analytics.video.onnx.sidecar import FAMILIES, parse_sidecar, usual
from analytics.video.source import SourceError


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_alone_is_enough(family: str) -> None:
    assert parse_sidecar(f"family: {family}", "m.yaml") == usual(family)


def test_what_is_said_goes_before_what_is_usual() -> None:
    sidecar = parse_sidecar("family: yolov8\nclasses: [person, tram]\npad: 0\noverlap: null\n", "m.yaml")
    assert (sidecar.classes, sidecar.pad, sidecar.overlap) == (("person", "tram"), 0, None)
    assert (sidecar.resize, sidecar.channel_order, sidecar.std) == ("letterbox_centred", "rgb", (255, 255, 255))
    assert parse_sidecar("family: yolox\nclasses: coco\n", "m.yaml").classes == COCO


def test_all_faults_are_named_at_once() -> None:
    text = "family: yolox\nresize: shrink\nmin_score: 3\nstd: [1, 0, 1]\nclasses: [tram]\ncolour: rgb\n"
    with pytest.raises(SourceError) as caught:
        parse_sidecar(text, "m.yaml")
    said = str(caught.value)
    assert "\n" not in said
    for part in (
        "resize is 'shrink'; expected 'stretch', 'letterbox' or 'letterbox_centred'",
        "min_score is '3'; expected less than or equal to 1",
        "expected three positive numbers",
        "expected at least one of any,",
        "'colour' is unknown; expected one of family, input_size",
    ):
        assert part in said


@pytest.mark.parametrize("text", ["", "resize: stretch", "- yolox", "family: [", "family: yolo2000"])
def test_what_is_no_sidecar(text: str) -> None:
    with pytest.raises(SourceError, match=r"^m\.yaml: .*yolo"):
        parse_sidecar(text, "m.yaml")
