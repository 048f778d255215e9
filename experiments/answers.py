"""What a model answers: it is run on frames inside the sandbox, and nothing that comes out is believed unchecked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.conversation import Conversation
from experiments.sandbox import Level, SubmissionError, choose_level, shown

OUTPUTS = ("boxes", "scores", "labels")
BYTES_PER_BOX = 400


@dataclass(frozen=True)
class Answer:
    """What a model found in one frame.

    Attributes:
        boxes: Boxes x1, y1, x2, y2, shape `(k, 4)`, inside the frame. [px]
        scores: Confidence of each box, shape `(k,)`.
        labels: Index of each box's road user in the task's list, shape `(k,)`.
        model_s: Time the model took. [s]
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    model_s: float


def run_model(
    model: Path,
    frames: Iterable[npt.NDArray[np.uint8]],
    *,
    road_users: int,
    max_boxes: int,
    wall_s: float,
    memory_mb: int,
    level: Level | None = None,
    trusted: bool = False,
) -> Iterator[Answer]:
    """Run a model on the frames of one clip, inside the sandbox.

    The model sees the previous and the current frame (the first frame stands for both). One frame is prepared while the model
    works on the one before it.

    Args:
        model: The ONNX file; vet it first.
        frames: Images `(h, w, 3)`, blue-green-red, all of one size.
        road_users: How many labels the task knows.
        max_boxes: Most boxes in one frame.
        wall_s: How long the model may keep us waiting over the whole clip, its loading included. [s]
        memory_mb: Memory limit. [MB]
        level: Sandbox level; None means the strongest that works here.
        trusted: Whether somebody here vouches for the model.

    Yields:
        One answer for each frame, in order.

    Raises:
        SubmissionError: The model is too slow, too big, crashes, or answers what the task does not allow.
    """
    chosen = choose_level(level, trusted=trusted)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        return
    height, width = first.shape[:2]
    order = {"do": "run", "height": height, "width": width, "outputs": OUTPUTS, "max_boxes": max_boxes}
    most_bytes = 4096 + BYTES_PER_BOX * max_boxes
    with Conversation(model, order, chosen, wall_s=wall_s, memory_mb=memory_mb, most_bytes=most_bytes) as talk:
        talk.begin(trusted=trusted)
        talk.receive()
        talk.send(first.tobytes())
        sent, answered = 1, 0
        for frame in iterator:
            talk.send(np.ascontiguousarray(frame).tobytes())
            sent += 1
            yield _answer(model.name, answered, talk.receive(), road_users, max_boxes, width, height)
            answered += 1
        while answered < sent:
            yield _answer(model.name, answered, talk.receive(), road_users, max_boxes, width, height)
            answered += 1


def _answer(who: str, frame: int, message: dict[str, Any], road_users: int, max_boxes: int, width: int, height: int) -> Answer:
    """Check one answer; nothing that comes out of the sandbox is believed."""
    where = f"{who}: frame {frame}"
    missing = [name for name in (*OUTPUTS, "model_s") if name not in message]
    if missing:
        raise SubmissionError(f"{where}: output '{missing[0]}' is missing; expected {', '.join(OUTPUTS)}; correct the model")
    try:
        boxes = np.array(message["boxes"], dtype=np.float64).reshape(-1, 4)
        scores = np.array(message["scores"], dtype=np.float64)
        labels = np.array(message["labels"], dtype=np.float64)
        model_s = float(message["model_s"])
    except (TypeError, ValueError, OverflowError):
        raise SubmissionError(
            f"{where}: the outputs are '{shown(json.dumps(message).encode())}'; expected boxes (k, 4), scores (k,) and "
            "labels (k,); correct the model"
        ) from None
    if scores.shape != (len(boxes),) or labels.shape != (len(boxes),) or len(boxes) > max_boxes:
        raise SubmissionError(
            f"{where}: the outputs have '{len(boxes)}' boxes, '{scores.size}' scores and '{labels.size}' labels; expected "
            f"as many of each, at most {max_boxes}; correct the model"
        )
    for name, values in (("boxes", boxes), ("scores", scores), ("labels", labels)):
        if not np.isfinite(values).all():
            found = values[~np.isfinite(values)].flat[0]
            raise SubmissionError(f"{where}: output {name} holds '{found}'; expected finite numbers; correct the model")
    wrong = labels[(labels < 0) | (labels >= road_users) | (labels != np.floor(labels))]
    if wrong.size:
        raise SubmissionError(
            f"{where}: label '{wrong[0]:g}' is unknown; expected 0 to {road_users - 1}; use the task's list of road users"
        )
    swapped = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if swapped.any():
        raise SubmissionError(
            f"{where}: box '{boxes[swapped][0].tolist()}' is inside out; expected x1 <= x2 and y1 <= y2; correct the model"
        )
    boxes = np.clip(boxes, 0, [width, height, width, height])
    return Answer(boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64), model_s)
