"""The empty street: learned from the first seconds, and followed as the light changes and the camera shakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.video.detect import Float, Image

if TYPE_CHECKING:
    from cv2.typing import MatLike

_FLOOR, _SIGMAS = 14.0, 3.5  # a difference counts above this many grey levels plus this many times the mean difference
_CAP = 90  # where the picture flickers more than this nothing is told apart anyway [grey levels]
_LIGHT_S, _HIDDEN_S = 12.0, 90.0  # time constants of the ground that is seen and of the ground something stands on [s]
_NO_GAIN = 0.004  # a change of brightness too small to matter
_SHAKEN, _SHIFT = 0.015, 0.4  # more of the picture than this differs at once; shifts from this on are undone [px]
_SHAKING_S = 2.0  # for so long after a shift each picture is looked at for another [s]
_REPLACED = 0.6  # when so much of the picture differs, it is another picture


class Background:
    """What the camera sees where nobody is, with its noise, at working size.

    Attributes:
        still: The empty street, BGR, shape `(height, width, 3)`.
    """

    def __init__(self, frame_rate: float) -> None:
        """Start without knowledge of the street.

        Args:
            frame_rate: Pictures per second. [1/s]
        """
        self.still: Image | None = None
        self._mean: Float = np.zeros(0, dtype=np.float32)
        self._noise: Float = np.zeros(0, dtype=np.float32)
        self._limit: MatLike = np.zeros(0, dtype=np.uint8)
        self._frame_rate = frame_rate
        self._usual = 0.0  # share of the picture that differs usually
        self._shaking = 0  # pictures to look at for shifts
        self._many = 0  # pictures in a row in which most of it differed

    def learn(self, pictures: Sequence[Image]) -> None:
        """Take the median of some pictures for the street, and the median difference from it for the noise."""
        import cv2

        still = _median(list(pictures))
        spread = [_largest(cv2.absdiff(picture, still)) for picture in pictures]
        self._mean = still.astype(np.float32)
        self._noise = _median(spread).astype(np.float32) if len(spread) > 1 else np.full(still.shape[:2], 2.0, dtype=np.float32)
        self._refresh()

    def difference(self, small: Image) -> tuple[Image, MatLike, MatLike, MatLike]:
        """Where a picture differs from the empty street.

        Args:
            small: The picture, BGR.

        Returns:
            The picture moved to where the camera usually looks, the empty street in the light of now, the difference of
            each pixel, and the mask of differences beyond the noise.
        """
        import cv2

        if self.still is None or self.still.shape != small.shape:
            self.learn([small])
        assert self.still is not None
        still, difference, mask = self._compare(small)
        share = cv2.countNonZero(mask) / mask.size
        self._shaking -= 1
        if self._shaking > 0 or share > _SHAKEN + 1.5 * self._usual:
            moved = self._steady(small)
            if moved is not small:
                small, self._shaking = moved, round(_SHAKING_S * self._frame_rate)
                still, difference, mask = self._compare(small)
                share = cv2.countNonZero(mask) / mask.size
            self._many = self._many + 1 if share > _REPLACED else 0
            if self._many > 0.5 * self._frame_rate:
                self._many = 0
                self.learn([small])
                return small, self.still, difference, np.zeros_like(mask)
        else:
            self._many = 0
        self._usual += min(1.0, 1.0 / (_LIGHT_S * self._frame_rate)) * (share - self._usual)
        return small, still, difference, mask

    def follow(self, small: Image, hidden: MatLike, difference: MatLike, seconds: float) -> None:
        """Take in how the street looks now, soon where nothing stands and slowly where something does.

        Args:
            small: The picture.
            hidden: Mask of the pixels that something stands on.
            difference: Difference of each pixel.
            seconds: Time since the last call. [s]
        """
        import cv2

        assert self.still is not None
        seen, spread = small.copy(), np.array(difference)
        cv2.copyTo(cv2.addWeighted(self.still, 1 - _LIGHT_S / _HIDDEN_S, small, _LIGHT_S / _HIDDEN_S, 0.0), hidden, seen)
        cv2.copyTo(cv2.convertScaleAbs(self._noise), hidden, spread)
        rate = min(0.5, seconds / _LIGHT_S)
        cv2.accumulateWeighted(seen, self._mean, rate)
        cv2.accumulateWeighted(spread, self._noise, rate)
        self._refresh()

    def replace(self, window: tuple[slice, slice], small: MatLike, mask: MatLike) -> None:
        """Take what is seen now for the street, where a mask says so within a window."""
        assert self.still is not None
        gone = mask[window] > 0
        self._mean[window][gone] = small[window][gone]
        self.still[window][gone] = small[window][gone]

    def disturb(self, window: tuple[slice, slice], difference: MatLike, mask: MatLike) -> None:
        """Take the differences within a window for noise, where a mask says so; calm ground forgets that again."""
        noise, part = self._noise[window], mask[window] > 0
        noise[part] = np.maximum(noise[part], difference[window][part] / _SIGMAS)
        self._limit_noise()

    def _refresh(self) -> None:
        import cv2

        self.still = np.asarray(cv2.convertScaleAbs(self._mean), dtype=np.uint8)
        self._limit_noise()
        # The green of every 16th pixel of every 16th row, where it is bright enough to tell a change.
        height, width, channels = self.still.shape
        sample = ((np.arange(8, height, 16) * width)[:, None] + np.arange(8, width, 16)).ravel() * channels + 1
        then = self.still.reshape(-1).take(sample)
        self._bright, self._then = sample[then > 24], then[then > 24].astype(np.float32)

    def _limit_noise(self) -> None:
        import cv2

        self._limit = np.minimum(cv2.convertScaleAbs(self._noise, None, _SIGMAS, _FLOOR), np.uint8(_CAP))

    def _compare(self, small: Image) -> tuple[MatLike, MatLike, MatLike]:
        """The street in the light of now, the difference, and where it exceeds the limit."""
        import cv2

        assert self.still is not None
        gain = self._gain(small)
        still: MatLike = self.still if abs(gain - 1) < _NO_GAIN else cv2.convertScaleAbs(self.still, None, gain, 0.0)
        difference = _largest(cv2.absdiff(small, still))
        return still, difference, cv2.medianBlur(cv2.compare(difference, self._limit, cv2.CMP_GT), 3)

    def _gain(self, small: Image) -> float:
        """How much brighter the picture is than the street as a whole."""
        if len(self._bright) < 50:
            return 1.0
        ratio = small.reshape(-1).take(self._bright) / self._then
        ratio.partition(len(ratio) // 2)
        return float(min(max(ratio[len(ratio) // 2], 0.6), 1.6))

    def _steady(self, small: Image) -> Image:
        """The picture moved back by as much as the camera shook, or itself."""
        import cv2

        assert self.still is not None
        now, then = (cv2.cvtColor(part, cv2.COLOR_BGR2GRAY).astype(np.float32) for part in (small, self.still))
        (right, down), _ = cv2.phaseCorrelate(then, now, cv2.createHanningWindow(then.shape[::-1], cv2.CV_32F))
        if not _SHIFT <= max(abs(right), abs(down)) <= 0.05 * small.shape[1]:
            return small
        move = np.array([[1.0, 0.0, right], [0.0, 1.0, down]])
        size = (small.shape[1], small.shape[0])
        # Beyond the border of the picture nothing is known: the empty street is seen there.
        moved = cv2.warpAffine(
            small, move, size, self.still.copy(), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_TRANSPARENT
        )
        return np.asarray(moved, dtype=np.uint8)


def _largest(difference: MatLike) -> MatLike:
    """The largest of the three channels."""
    import cv2

    blue, green, red = cv2.split(difference)
    return cv2.max(cv2.max(blue, green), red)


def _median(pictures: list[MatLike]) -> npt.NDArray[np.uint8]:
    """Median of each pixel; a bubble sort of whole pictures, which is faster than sorting each pixel by itself."""
    import cv2

    half = len(pictures) // 2
    for end in range(len(pictures) - 1, half - 1, -1):
        for low in range(end):
            one, two = pictures[low], pictures[low + 1]
            pictures[low], pictures[low + 1] = cv2.min(one, two), cv2.max(one, two)
    return np.array(pictures[half], dtype=np.uint8)
