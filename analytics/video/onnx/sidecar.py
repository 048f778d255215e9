"""The small YAML beside a model: its family, how it is fed, and what its labels mean."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from analytics.video.onnx.classes import COCO, ROAD_USER_OF
from analytics.video.source import SourceError

Family = Literal[
    "boxes_scores_labels",
    "yolox",
    "nanodet",
    "picodet",
    "fastestdet",
    "yolov5",
    "yolov8",
    "yolov10",
    "rtdetr",
    "dfine",
]
FAMILIES: tuple[Family, ...] = get_args(Family)
Resize = Literal["stretch", "letterbox", "letterbox_centred"]

_IMAGENET_BGR = {"mean": (103.53, 116.28, 123.675), "std": (57.375, 57.12, 58.395)}
_UNIT = {"std": (255.0, 255.0, 255.0)}
_ULTRALYTICS = {"resize": "letterbox_centred", "pad": 114, "channel_order": "rgb", **_UNIT}
USUAL: dict[Family, dict[str, Any]] = {
    "boxes_scores_labels": {"resize": "stretch", "interpolation": "area", "overlap": None},
    "yolox": {"resize": "letterbox", "pad": 114},
    "nanodet": {"resize": "letterbox_centred", "pad": 0, **_IMAGENET_BGR},
    "picodet": {"resize": "stretch", **_IMAGENET_BGR},
    "fastestdet": {"resize": "stretch", "interpolation": "area", **_UNIT},
    "yolov5": _ULTRALYTICS,
    "yolov8": _ULTRALYTICS,
    "yolov10": {**_ULTRALYTICS, "overlap": None},
    "rtdetr": {"resize": "stretch", "channel_order": "rgb", "overlap": None, **_UNIT},
    "dfine": {"resize": "stretch", "channel_order": "rgb", "overlap": None, **_UNIT},
}
"""How each family is usually exported; what the YAML does not say is taken from here."""

_Share = Annotated[float, Field(ge=0, le=1)]
_Three = tuple[float, float, float]


class Sidecar(BaseModel):
    """What must be known of a model to feed and to read it.

    Attributes:
        family: How its outputs are decoded.
        input_size: Width and height of its input, where the file leaves them open. [px]
        resize: Stretched to the input, or keeping its shape with the rest padded at right and bottom or all around.
        interpolation: How the picture is made smaller.
        pad: Grey value of what is padded, 0 to 255.
        channel_order: Order of the colours in the input.
        mean: Subtracted from each channel, in that order, from values of 0 to 255.
        std: Each channel is then divided by this.
        classes: `coco`, or the name of each label from 0 on: a name of COCO, a road user, or any other, which is left out.
        min_score: Detections below are dropped.
        overlap: Overlap (IoU) above which the better box hides the other; empty where the model does it itself.
        is_class_aware: Whether a box hides only boxes of its own class.
        name: What people call the model.
        licence: Licence of the weights.
        url: Where the file came from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Family
    input_size: tuple[Annotated[int, Field(ge=32, le=4096)], Annotated[int, Field(ge=32, le=4096)]] | None = None
    resize: Resize = "stretch"
    interpolation: Literal["linear", "area"] = "linear"
    pad: Annotated[int, Field(ge=0, le=255)] = 0
    channel_order: Literal["bgr", "rgb"] = "bgr"
    mean: _Three = (0.0, 0.0, 0.0)
    std: _Three = (1.0, 1.0, 1.0)
    classes: tuple[str, ...] = COCO
    min_score: _Share = 0.3
    overlap: _Share | None = 0.5
    is_class_aware: bool = True
    name: str = ""
    licence: str = ""
    url: str = ""

    @field_validator("classes", mode="before")
    @classmethod
    def _coco(cls, value: object) -> object:
        return COCO if value == "coco" else value

    @field_validator("classes")
    @classmethod
    def _some_road_user(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not any(name in ROAD_USER_OF for name in value):
            raise ValueError(f"no road user; expected at least one of {', '.join(sorted(ROAD_USER_OF))}")
        return value

    @field_validator("std")
    @classmethod
    def _divides(cls, value: _Three) -> _Three:
        if not all(math.isfinite(number) and number > 0 for number in value):
            raise ValueError("not above 0; expected three positive numbers")
        return value


def usual(family: Family) -> Sidecar:
    """How a family is usually exported."""
    return Sidecar(family=family, **USUAL[family])


def sidecar_path(model: Path) -> Path:
    """Where the YAML of a model lies: beside it, with the same stem."""
    return model.with_suffix(".yaml")


def read_sidecar(model: Path) -> Sidecar | None:
    """Read the YAML beside a model.

    Args:
        model: The ONNX file.

    Returns:
        What it says, completed by what is usual for its family; None where there is no YAML.

    Raises:
        SourceError: It is no YAML, or says something unknown or impossible; all faults are named at once.
    """
    path = sidecar_path(model)
    if not path.is_file():
        return None
    try:
        return parse_sidecar(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise SourceError(f"{path}: found 'bytes that are no text'; expected YAML; write it as UTF-8") from None


def parse_sidecar(text: str, name: str) -> Sidecar:
    """Read a sidecar from its text.

    Args:
        text: The YAML.
        name: What to call it in an error.

    Raises:
        SourceError: As `read_sidecar`.
    """
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}" if where is not None else "it"
        raise SourceError(f"{name}: found 'no YAML' at {line}; expected 'family: …'; {example('yolox')}") from None
    if not isinstance(said, dict) or "family" not in said:
        found = ", ".join(map(str, said)) if isinstance(said, dict) else str(said)
        raise SourceError(f"{name}: found '{found}'; expected at least 'family', one of {', '.join(FAMILIES)}; add it")
    try:
        return Sidecar(**{**USUAL.get(said["family"], {}), **{str(key): value for key, value in said.items()}})
    except ValidationError as error:
        raise SourceError(_faults(name, error)) from None


def example(family: Family) -> str:
    """What to write, as one line."""
    return f"write for example 'family: {family}', 'classes: coco' and, where they differ, resize, mean, std, channel_order"


def _faults(name: str, error: ValidationError) -> str:
    """Every fault of a sidecar as one line."""
    faults = []
    for fault in error.errors():
        field = ".".join(map(str, fault["loc"]))
        given = "" if fault["type"] == "missing" else f" is '{fault['input']}'"
        if fault["type"] == "extra_forbidden":
            faults.append(f"'{field}' is unknown; expected one of {', '.join(Sidecar.model_fields)}")
        else:
            said = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
            faults.append(f"{field}{given}; expected {said.partition('expected ')[2] or said}")
    return f"{name}: {' · '.join(faults)}; correct the file"
