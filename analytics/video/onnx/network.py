"""One network: a picture in, boxes in the pixels of that picture out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.video.onnx.decode import Found, decode
from analytics.video.onnx.layout import Layout, check_layout, recognise
from analytics.video.onnx.session import load_graph, open_session
from analytics.video.onnx.sidecar import FAMILIES, Sidecar, example, read_sidecar, sidecar_path, usual
from analytics.video.source import SourceError

if TYPE_CHECKING:
    import onnx
    import onnxruntime

Image = npt.NDArray[np.uint8]
_Tensor = npt.NDArray[np.float32 | np.uint8]

STEP = 32
"""Sides of the picture of a network that takes any size are multiples of this, its largest stride. [px]"""
_PROBE = (64, 96)  # a small picture on which it is tried whether the graph takes any size [px]


class Network:
    """A detection network in an ONNX file, fed and read as its sidecar says.

    Attributes:
        path: The file.
        sidecar: What is known of it.
        was_recognised: Whether its family was told from its outputs, there being no YAML.
        size: Height and width of the picture that the file declares. [px]
        is_flexible: Whether it takes pictures of other sizes, in steps of `STEP`.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        """Load a network.

        Args:
            path: The ONNX file; a YAML of the same stem beside it says how it is fed and read.
            threads: Threads of the runtime.

        Raises:
            SourceError: The file or the YAML cannot be used, or does not fit the other.
        """
        model = load_graph(path)
        self.path = path
        session = open_session(model, path, threads)
        layout = Layout.of(session)
        said = read_sidecar(path)
        self.was_recognised = said is None
        if said is None:
            family = recognise(layout)
            if family is None:
                raise SourceError(
                    f"{path}: the outputs are '{layout.outputs_text}'; expected boxes, scores, labels or the outputs of one of "
                    f"{', '.join(FAMILIES)}; if it is one of these, say so in {sidecar_path(path).name}: {example('yolov8')}"
                )
            said = usual(family)
        self.sidecar: Sidecar = said
        self.size, self._outputs = check_layout(path, layout, said)
        self.pictures = layout.pictures
        self._input = layout.image
        self._sizes_input = layout.sizes
        self._type: type[np.float32 | np.uint8] = np.float32 if layout.is_float else np.uint8
        flexible = _any_size(model, path, layout, self._outputs, threads) if said.family == "yolox" else None
        self.is_flexible = flexible is not None
        self._session = flexible or session
        self._previous: _Tensor | None = None
        self._buffer: _Tensor = np.empty((0,), self._type)
        mean, std = np.array(said.mean, np.float32), np.array(said.std, np.float32)
        self._mean = mean if mean.any() else None
        self._factor = 1 / std if (std != 1).any() else None

    def see(self, picture: Image, min_score: float) -> Found:
        """Find objects in a picture that has the network's size already.

        Args:
            picture: BGR picture; height and width are `size`, or multiples of `STEP` where `is_flexible`.
            min_score: Detections below are left out.

        Returns:
            Boxes x1, y1, x2, y2 `(n, 4)` in pixels of the picture, scores and labels; not yet suppressed.

        Raises:
            SourceError: The network gave numbers that are not finite, or lists of different lengths.
        """
        tensor = self._tensor(picture)
        if self.pictures == 2:
            given = np.stack([tensor[0] if self._previous is None else self._previous, tensor[0]])
            self._previous = tensor[0].copy()
        else:
            given = tensor
        feed: dict[str, npt.NDArray[np.generic]] = {self._input: given}
        if self._sizes_input is not None:
            feed[self._sizes_input] = np.array([[picture.shape[1], picture.shape[0]]], np.int64)
        answers = [np.asarray(answer) for answer in self._session.run(self._outputs, feed)]
        boxes, scores, labels = decode(self.sidecar.family, answers, (picture.shape[0], picture.shape[1]), min_score)
        sound = all(np.isfinite(answer.sum()) for answer in answers) and bool(np.isfinite(boxes).all())
        if not len(boxes) == len(scores) == len(labels) or not sound:
            raise SourceError(
                f"{self.path}: a frame gave '{len(boxes)} boxes'; expected as many finite scores and labels; correct the model"
            )
        return boxes.astype(np.float32, copy=False), scores, labels

    def _tensor(self, picture: Image) -> _Tensor:
        """The picture as numbers `(1, 3, height, width)`, in a buffer that the next call uses again."""
        import cv2

        shape = (1, 3, picture.shape[0], picture.shape[1])
        if self._buffer.shape != shape:
            self._buffer = np.empty(shape, self._type)
        planes = cv2.split(picture)
        if self.sidecar.channel_order == "rgb":
            planes = planes[::-1]
        for channel, plane in enumerate(planes):
            target = self._buffer[0, channel]
            if self._mean is not None:
                np.subtract(plane, self._mean[channel], out=target, casting="unsafe")
            else:
                np.copyto(target, plane)
            if self._factor is not None:
                np.multiply(target, self._factor[channel], out=target, casting="unsafe")
        return self._buffer


def _any_size(
    model: onnx.ModelProto, path: Path, layout: Layout, outputs: list[str], threads: int
) -> onnxruntime.InferenceSession | None:
    """The network with its picture's size left open, where the graph allows it; None where it has sizes built in."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    from analytics.video.onnx.decode import YOLO_STRIDES, grid_cells

    if layout.pictures != 1 or not layout.is_float:
        return None
    for axis, side in zip((2, 3), ("height", "width"), strict=True):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = side
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "cells"
    del model.graph.value_info[:]
    try:
        session = open_session(model, path, threads)
        answer = session.run(outputs, {layout.image: np.zeros((1, 3, *_PROBE), np.float32)})[0]
    except (SourceError, state.InvalidArgument, state.RuntimeException, state.Fail):
        return None
    return session if np.asarray(answer).shape[1] == grid_cells(_PROBE, YOLO_STRIDES) else None
