"""What of a source's time was seen, and what was not, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analytics.video.source import Image

GAP_S = 1.0
"""A longer stretch without a frame was not observed: a walker moves by nearly a body height in it [s]."""
FROZEN_S = 5.0
"""A picture that stays the same to the last bit for so long is a stuck one: a camera's noise changes every frame [s]."""
_FEWEST_REPEATS = 3


@dataclass(frozen=True)
class Loss:
    """A stretch of a source's time that was not observed.

    Attributes:
        start_s: Where it starts. [s]
        end_s: Where it ends. [s]
        reason: `unreadable` (no frame there), `frozen` (the same picture again and again) or `away` (no stream).
    """

    start_s: float
    end_s: float
    reason: str


def overlap_s(losses: tuple[Loss, ...] | list[Loss], start_s: float, end_s: float) -> float:
    """How much of a stretch of time the losses cover; losses do not overlap each other [s].

    Example:
        >>> overlap_s([Loss(2.0, 5.0, "frozen")], 4.0, 10.0)
        1.0
    """
    return sum(max(0.0, min(end_s, loss.end_s) - max(start_s, loss.start_s)) for loss in losses)


class Coverage:
    """Watches the frames of one source go by.

    A frame stands for the time up to the next one, unless that is further away than `GAP_S` (or two and a half frames
    of a slow source): then for one frame's time only.
    """

    def __init__(self, frame_rate: float, reason: str = "unreadable") -> None:
        """Start before the first frame.

        Args:
            frame_rate: Frames per second of the source. [1/s]
            reason: Why a frame is missing, where one is.
        """
        self._period_s = 1 / frame_rate
        self._gap_s = max(GAP_S, 2.5 / frame_rate)
        self._reason = reason
        self._last_s = float("nan")
        self._image: Image | None = None
        self._same_since_s = 0.0
        self._repeats = 0
        self.first_s = float("nan")
        self.losses: list[Loss] = []

    @property
    def end_s(self) -> float:
        """End of what was read, 0 before the first frame [s]."""
        return 0.0 if self._image is None else self._last_s + self._period_s

    def see(self, time_s: float, image: Image) -> None:
        """Take note of the next frame."""
        if self._image is None:
            self.first_s = self._same_since_s = time_s
        elif time_s - self._last_s > self._gap_s:
            self.losses.append(Loss(self.end_s, time_s, self._reason))
            self._same_since_s, self._repeats = time_s, 0
        elif not _same(image, self._image):
            self._same_since_s, self._repeats = time_s, 0
        else:
            self._repeats += 1
            if self._repeats >= _FEWEST_REPEATS and time_s - self._same_since_s >= FROZEN_S:
                self._freeze(time_s)
        self._last_s, self._image = time_s, image

    def seen_s(self, start_s: float, end_s: float) -> float:
        """How much of a stretch of time was observed [s]."""
        if self._image is None:
            return 0.0
        start_s, end_s = max(start_s, self.first_s), min(end_s, self.end_s)
        return max(0.0, end_s - start_s - overlap_s(self.losses, start_s, end_s))

    def forget(self, before_s: float) -> None:
        """Drop losses that ended before an instant."""
        self.losses = [loss for loss in self.losses if loss.end_s >= before_s]

    def _freeze(self, time_s: float) -> None:
        """The picture has not changed for long: from its first repeat on, nothing was observed."""
        begin_s = self._same_since_s + self._period_s
        if self.losses and self.losses[-1].reason == "frozen" and self.losses[-1].start_s == begin_s:
            self.losses[-1] = replace(self.losses[-1], end_s=time_s + self._period_s)
        else:
            self.losses.append(Loss(begin_s, time_s + self._period_s, "frozen"))


def _same(one: Image, other: Image) -> bool:
    """Whether two pictures are equal to the last bit; a sample of their pixels mostly tells at once that they are not."""
    return np.array_equal(one[::16, ::16], other[::16, ::16]) and np.array_equal(one, other)
