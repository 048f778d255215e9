"""Where and when something changes: a cheap look at a small grey picture, before any network is asked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_ACROSS = 192  # width of the small picture: a far pedestrian of 12 px in a frame of 768 is 3 px wide in it
_FLOOR, _NOISE = 8.0, 5.0  # what differs by this many grey values, and by so many times the usual difference, has changed
_TURMOIL = 6.0  # a usual difference above is no noise any more: the camera shakes, or it pours [grey values]
_SMALLEST = 12  # a road user at its smallest: 12 px by 30 px in a frame of 768 [px of the small picture]
_SUDDEN = 0.4  # where more than this share of the picture changes at once, it is the light or the camera


class Activity:
    """Tells what has changed since the network last looked at each place.

    There is no learned background: what creeps adds up until it is looked at, and what has passed leaves no trail.
    """

    def __init__(self) -> None:
        """Start without a picture."""
        self._then: Image | None = None
        self._now: Image = np.zeros((0, 0), np.uint8)

    def __call__(self, image: Image) -> tuple[Mask, bool]:
        """Look at the next frame.

        Args:
            image: BGR picture, shape `(height, width, 3)`.

        Returns:
            Which pixels of the small picture have changed, and whether nothing can be said: the first frame, or one in
            which the light or the camera has changed as a whole.
        """
        import cv2

        step = max(1, round(image.shape[1] / _ACROSS))
        self._now = cv2.blur(np.ascontiguousarray(image[::step, ::step, 1]), (3, 3)).astype(np.uint8, copy=False)
        if self._then is None or self._then.shape != self._now.shape:
            return np.ones(self._now.shape, bool), True
        light = float(np.median(self._now[::4, ::4].astype(np.int16) - self._then[::4, ::4]))
        then = cv2.convertScaleAbs(self._then, None, 1.0, light) if light else self._then
        difference = cv2.absdiff(self._now, then)
        usual = float(np.median(difference[::4, ::4]))
        changed = np.asarray(difference > _FLOOR + _NOISE * usual)
        unknown = usual > _TURMOIL or bool(np.count_nonzero(changed) > _SUDDEN * changed.size)
        return cv2.erode(changed.view(np.uint8), np.ones((2, 2), np.uint8)).view(bool), unknown

    def goes_beyond(self, changed: Mask, rims: npt.NDArray[np.float32]) -> bool:
        """Whether so much has changed outside of rectangles that it may be a road user.

        Args:
            changed: What has changed in the latest frame.
            rims: Rectangles x1, y1, x2, y2 as shares of the picture's sides, shape `(n, 4)`.
        """
        beyond = changed.copy()
        for rows, columns in self._slices(rims):
            beyond[rows, columns] = False
        return bool(np.count_nonzero(beyond) >= _SMALLEST)

    def looked(self, rims: npt.NDArray[np.float32] | None = None) -> None:
        """Say where the network has looked at the latest frame.

        Args:
            rims: Rectangles x1, y1, x2, y2 as shares of the picture's sides, shape `(n, 4)`; None for all of it.
        """
        if rims is None or self._then is None:
            self._then = self._now
            return
        for rows, columns in self._slices(rims):
            self._then[rows, columns] = self._now[rows, columns]

    def _slices(self, rims: npt.NDArray[np.float32]) -> list[tuple[slice, slice]]:
        """Rows and columns of the small picture that rectangles cover."""
        height, width = self._now.shape
        corners = np.clip(np.rint(rims * np.array([width, height] * 2)), 0, None).astype(int).tolist()
        return [(slice(y1, y2), slice(x1, x2)) for x1, y1, x2, y2 in corners]
