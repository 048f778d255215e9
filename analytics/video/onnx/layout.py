"""Inputs and outputs of a network: what family they look like, and whether they fit what the sidecar says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from analytics.video.onnx.decode import YOLO_STRIDES, grid_cells
from analytics.video.onnx.sidecar import Family, Sidecar
from analytics.video.source import SourceError

if TYPE_CHECKING:
    import onnxruntime

_NAMES = ("boxes", "scores", "labels")
_MOST_QUERIES = 1000  # a network that suppresses by itself answers with at most so many rows


@dataclass(frozen=True)
class Layout:
    """Inputs and outputs as the file declares them; a side left open is None.

    Attributes:
        image: Name of the input that takes the picture.
        image_text: That input as it is declared.
        pictures: Pictures that it takes at once.
        size: Height and width of the picture. [px]
        is_float: Whether it takes floating-point numbers rather than bytes.
        is_usable: Whether that input is `[1, 3, height, width]` of a known type and all other inputs are known.
        sizes: Name of the input `orig_target_sizes`, or None.
        outputs: Name and shape of each output.
    """

    image: str
    image_text: str
    pictures: int
    size: tuple[int | None, int | None]
    is_float: bool
    is_usable: bool
    sizes: str | None
    outputs: tuple[tuple[str, tuple[int | None, ...]], ...]

    @classmethod
    def of(cls, session: onnxruntime.InferenceSession) -> Self:
        """Read them from a session."""
        inputs = session.get_inputs()
        sizes = next((item.name for item in inputs if item.name == "orig_target_sizes"), None)
        images = [item for item in inputs if item.name != sizes]
        image = images[0] if images else inputs[0]
        shape = [side if isinstance(side, int) and side > 0 else None for side in image.shape]
        kind = image.type in ("tensor(float)", "tensor(uint8)")
        whole = [*shape, None, None, None, None]
        return cls(
            image=image.name,
            image_text=", ".join(f"{item.name} {item.shape} {item.type}" for item in images),
            pictures=whole[0] or 1,
            size=(whole[2], whole[3]),
            is_float=image.type == "tensor(float)",
            is_usable=len(images) == 1 and len(shape) == 4 and shape[1] in (3, None) and kind,
            sizes=sizes,
            outputs=tuple(
                (item.name, tuple(side if isinstance(side, int) and side > 0 else None for side in item.shape))
                for item in session.get_outputs()
            ),
        )

    @property
    def outputs_text(self) -> str:
        """The outputs, for an error."""
        return ", ".join(
            f"{name} [{', '.join('?' if side is None else str(side) for side in shape)}]" for name, shape in self.outputs
        )


def recognise(layout: Layout) -> Family | None:
    """The family that outputs of this form belong to; None where they could be several or are unknown."""
    names = {name for name, _ in layout.outputs}
    shapes = [shape for _, shape in layout.outputs]
    if set(_NAMES) <= names:
        return "boxes_scores_labels" if layout.sizes is None else "rtdetr"
    levels = _levels(shapes)
    if levels:
        return "nanodet" if levels == 3 else "picodet"
    if len(shapes) != 1:
        return None
    shape, (height, width) = shapes[0], layout.size
    if len(shape) == 4:
        fits = height is not None and shape[2] == height // 16 and (shape[1] or 0) > 5
        return "fastestdet" if fits else None
    if len(shape) != 3 or height is None or width is None:
        return None
    cells = grid_cells((height, width), YOLO_STRIDES)
    _, rows, columns = shape
    if rows is None or columns is None:
        return None
    if columns == cells and rows > 4:
        return "yolov8"
    if rows == 3 * cells and columns > 5:
        return "yolov5"
    if rows == cells and columns > 5:
        return "yolox"
    return "yolov10" if columns == 6 and rows <= _MOST_QUERIES else None


def _levels(shapes: Sequence[tuple[int | None, ...]]) -> int:
    """How many levels have a class map and a map of distances in as many bins on each side; 0 where this is no such network."""
    half = len(shapes) // 2
    if len(shapes) not in (6, 8) or any(len(shape) != 3 for shape in shapes):
        return 0
    sides = {shape[2] for shape in shapes[half:]}
    classes = {shape[2] for shape in shapes[:half]}
    distances = next(iter(sides))
    return half if len(sides) == len(classes) == 1 and distances is not None and distances % 4 == 0 else 0


def check_layout(path: Path, layout: Layout, sidecar: Sidecar) -> tuple[tuple[int, int] | None, list[str]]:
    """Make sure that a network is what its sidecar says.

    Args:
        path: The file, for errors.
        layout: Its inputs and outputs.
        sidecar: What is said of it.

    Returns:
        Height and width of its picture, None where a plain network takes any; and the outputs in the order in which
        `decode` reads them.

    Raises:
        SourceError: An input or an output is of another form, or the size is open and not said.
    """
    if not layout.is_usable:
        raise SourceError(
            f"{path}: the input is '{layout.image_text}'; expected one float or uint8 [1, 3, height, width]; convert the model"
        )
    family = sidecar.family
    names = [name for name, _ in layout.outputs]
    if set(_NAMES) <= set(names) and family in ("boxes_scores_labels", "rtdetr", "dfine"):
        outputs, expected = list(_NAMES), ""
    elif family in ("nanodet", "picodet"):
        levels = _levels([shape for _, shape in layout.outputs])
        outputs, expected = names, "" if levels else "class maps, then as many maps of distances"
    else:
        outputs = names[:1]
        form = {
            "yolox": "[1, n, 5 + classes]",
            "yolov5": "[1, n, 5 + classes]",
            "yolov8": "[1, 4 + classes, n]",
            "yolov10": "[1, n, 6]",
            "fastestdet": "[1, 5 + classes, rows, columns]",
            "rtdetr": "labels, boxes, scores or [1, n, 4 + classes]",
        }.get(family, "boxes, scores, labels")
        shape = layout.outputs[0][1]
        wanted = {"fastestdet": 4, "boxes_scores_labels": 0, "dfine": 0}.get(family, 3)
        width = {"yolov8": shape[1:2], "fastestdet": shape[1:2]}.get(family, shape[-1:])
        other = len(sidecar.classes) + {"yolox": 5, "yolov5": 5, "fastestdet": 5, "yolov8": 4, "rtdetr": 4}.get(family, 0)
        fits = len(shape) == wanted and (family == "yolov10" or not width or width[0] in (None, other))
        if family == "yolov10" and len(shape) == 3:
            fits = shape[2] in (None, 6)
        expected = "" if fits else f"{form} with {len(sidecar.classes)} classes"
    if expected:
        raise SourceError(
            f"{path}: the outputs are '{layout.outputs_text}'; expected {expected} of family {family}; "
            "correct family or classes in the YAML beside it"
        )
    size = _size(path, layout, sidecar)
    return size, outputs


def _size(path: Path, layout: Layout, sidecar: Sidecar) -> tuple[int, int] | None:
    """Height and width of the picture: the file's, else what the YAML says."""
    said = (sidecar.input_size[1], sidecar.input_size[0]) if sidecar.input_size else None
    height, width = layout.size
    if height is not None and width is not None:
        if said and said != (height, width):
            raise SourceError(
                f"{path}: the input is '{width}x{height}'; expected input_size {said[1]}x{said[0]}; correct the YAML"
            )
        return height, width
    if said is None and sidecar.family != "boxes_scores_labels":
        raise SourceError(
            f"{path}: the input size is '{height or '?'}x{width or '?'}'; expected a fixed size; "
            "export the model with one, or add input_size: [width, height] to the YAML beside it"
        )
    if said and sidecar.family in ("yolox", "nanodet", "picodet") and math.gcd(*said) % 32:
        raise SourceError(f"{path}: input_size is '{said[1]}x{said[0]}'; expected multiples of 32; correct input_size")
    return said
