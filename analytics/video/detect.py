"""Detectors: what moves (no model needed), or what an ONNX model sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from analytics.video.source import SourceError

if TYPE_CHECKING:
    import onnxruntime

Image = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]

COCO_ROAD_USERS = {0: "pedestrian", 1: "cyclist", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck"}
"""Road users among the 80 classes of COCO, in the order in which common detectors number them."""


@dataclass(frozen=True)
class Detections:
    """What a detector found in one frame.

    Attributes:
        boxes: Boxes x1, y1, x2, y2, shape `(n, 4)`. [px]
        scores: Confidence of each, shape `(n,)`, 0 to 1.
        labels: Road-user class of each; `any` where the detector cannot tell.
    """

    boxes: Float
    scores: Float
    labels: tuple[str, ...]


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


class OnnxDetector:
    """A detector in an ONNX file, run on the processor with a fixed number of threads.

    Two conventions are read. Plain: outputs `boxes (k, 4)` in pixels of the model's picture, `scores (k,)` and
    `labels (k,)`; the picture is stretched to a fixed input size. YOLOX: one output `(1, n, 85)` before decoding; the
    picture keeps its shape and is padded. A plain model with two pictures in its input gets the previous frame and
    this one.
    """

    def __init__(
        self,
        path: str,
        *,
        min_score: float = 0.3,
        classes: Sequence[str] | None = None,
        threads: int = 1,
    ) -> None:
        """Load a model.

        Args:
            path: The ONNX file; one that keeps weights in other files is refused.
            min_score: Detections below are dropped.
            classes: Road-user class of each label from 0 on; by default the labels are those of COCO.
            threads: Threads of the runtime.

        Raises:
            SourceError: The file is missing, is not ONNX, or has inputs or outputs of another convention.
        """
        self._path = path
        self.min_score = min_score
        self._classes = dict(enumerate(classes)) if classes is not None else COCO_ROAD_USERS
        self._session = _session(path, threads)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = list(inputs[0].shape)
        names = [output.name for output in outputs]
        self._yolox = len(outputs) == 1 and len(outputs[0].shape) == 3 and outputs[0].shape[2] == 85
        self._outputs = [names[0]] if self._yolox else ["boxes", "scores", "labels"]
        if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3 or inputs[0].type not in ("tensor(float)", "tensor(uint8)"):
            found = ", ".join(f"{item.name} {item.shape} {item.type}" for item in inputs)
            raise SourceError(
                f"{path}: the input is '{found}'; expected one float or uint8 [1, 3, height, width]; convert the model"
            )
        if not self._yolox and not set(self._outputs) <= set(names):
            raise SourceError(
                f"{path}: the outputs are '{', '.join(names)}'; expected boxes, scores, labels or YOLOX's "
                "[1, n, 85]; convert the model"
            )
        self._input = inputs[0].name
        self._pictures = shape[0] if isinstance(shape[0], int) else 1
        self._size = (shape[2], shape[3]) if isinstance(shape[2], int) and isinstance(shape[3], int) else None
        if self._yolox and self._size is None:
            raise SourceError(
                f"{path}: the input size is '{shape[2]}x{shape[3]}'; expected a fixed size; export the model with one"
            )
        self._type: type[np.float32 | np.uint8] = np.float32 if inputs[0].type == "tensor(float)" else np.uint8
        self._previous: npt.NDArray[np.float32 | np.uint8] | None = None

    @property
    def road_users(self) -> tuple[str, ...]:
        """Classes that the detector can tell apart."""
        return tuple(self._classes.values())

    def __call__(self, image: Image) -> Detections:
        """Find road users in a BGR picture, shape `(height, width, 3)`."""
        picture, scale = self._feed(image)
        given = picture[None]
        if self._pictures == 2:
            given = np.stack([picture if self._previous is None else self._previous, picture])
            self._previous = picture
        answers = [np.asarray(answer) for answer in self._session.run(self._outputs, {self._input: given})]
        if self._yolox:
            assert self._size is not None
            boxes, scores, labels = _decode_yolox(answers[0][0], self._size, self.min_score)
        else:
            boxes = answers[0].reshape(-1, 4).astype(np.float32)
            scores, labels = answers[1].reshape(-1).astype(np.float32), answers[2].reshape(-1).astype(np.int64)
        if not len(boxes) == len(scores) == len(labels) or not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise SourceError(
                f"{self._path}: a frame gave '{len(boxes)} boxes'; expected as many finite scores and labels; correct the model"
            )
        keep = (scores >= self.min_score) & np.isin(labels, list(self._classes))
        boxes, scores, labels = boxes[keep] * scale, scores[keep], labels[keep]
        chosen = _suppress(boxes, scores, labels) if self._yolox else np.arange(len(boxes))
        return Detections(
            boxes[chosen].astype(np.float32),
            scores[chosen],
            tuple(self._classes[int(label)] for label in labels[chosen]),
        )

    def _feed(self, image: Image) -> tuple[npt.NDArray[np.float32 | np.uint8], Float]:
        """The picture as the model wants it, and the factors that bring its boxes back."""
        import cv2

        height, width = image.shape[:2]
        scale = np.ones(4, dtype=np.float32)
        if self._yolox and self._size is not None:
            ratio = min(self._size[0] / height, self._size[1] / width)
            inner = cv2.resize(image, (int(width * ratio), int(height * ratio)), interpolation=cv2.INTER_LINEAR)
            padded = np.full((*self._size, 3), 114, dtype=np.uint8)
            padded[: inner.shape[0], : inner.shape[1]] = inner
            image, scale = padded, scale / np.float32(ratio)
        elif self._size is not None and self._size != (height, width):
            image = cv2.resize(image, (self._size[1], self._size[0]), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            scale = np.array([width / self._size[1], height / self._size[0]] * 2, dtype=np.float32)
        return np.ascontiguousarray(image.transpose(2, 0, 1)).astype(self._type, copy=False), scale


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
        return OnnxDetector(name)
    raise SourceError(f"{name}: found 'an unknown detector'; expected motion or the path of a model.onnx; choose one of these")


def _session(path: str, threads: int) -> onnxruntime.InferenceSession:
    """Load a model; weights listed as inputs are made constants, which the runtime would otherwise complain about."""
    import onnx
    import onnxruntime
    from google.protobuf.message import DecodeError
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    if not Path(path).is_file():
        raise SourceError(f"{path}: found 'no such file'; expected an ONNX model; check the path")
    hint = "expected an ONNX model in one file; export it again"
    try:
        model = onnx.load_model_from_string(Path(path).read_bytes())
    except DecodeError:
        raise SourceError(f"{path}: found 'no ONNX in it'; {hint}") from None
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    if not inputs or not model.graph.output:
        raise SourceError(f"{path}: found 'a graph without inputs or outputs'; {hint}")
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except (
        state.Fail,
        state.InvalidGraph,
        state.InvalidArgument,
        state.InvalidProtobuf,
        state.NotImplemented,
    ) as error:
        cause = str(error).splitlines()[0][:160]
        raise SourceError(f"{path}: the runtime found '{cause}'; {hint}") from None


def _decode_yolox(answer: Float, size: tuple[int, int], min_score: float) -> tuple[Float, Float, npt.NDArray[np.int64]]:
    """Boxes, scores and labels from the raw grid of YOLOX.

    Source:
        YOLOX (Ge et al., 2021), `demo_postprocess`: strides 8, 16 and 32, row by row.
    """
    places, strides = [], []
    for stride in (8, 16, 32):
        rows, columns = np.mgrid[0 : size[0] // stride, 0 : size[1] // stride]
        places.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((rows.size, 1), stride))
    place, step = np.concatenate(places), np.concatenate(strides)
    labels = answer[:, 5:].argmax(axis=1)
    scores = answer[:, 4] * answer[np.arange(len(answer)), 5 + labels]
    keep = scores >= min_score
    centre = (answer[keep, :2] + place[keep]) * step[keep]
    half = np.exp(answer[keep, 2:4]) * step[keep] / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return boxes, scores[keep].astype(np.float32), labels[keep].astype(np.int64)


def _suppress(boxes: Float, scores: Float, labels: npt.NDArray[np.int64], overlap: float = 0.5) -> npt.NDArray[np.int64]:
    """Indices of the boxes that remain when a better box of the same class hides those it overlaps."""
    order = np.argsort(-scores, kind="stable")
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        both = np.clip(high - low, 0, None).prod(axis=1)
        share = both / np.maximum(area[best] + area[order] - both, 1e-9)
        order = order[(share <= overlap) | (labels[order] != labels[best])]
    return np.array(kept, dtype=np.int64)
