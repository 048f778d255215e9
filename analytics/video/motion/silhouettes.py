"""From the mask of what differs to bodies: shadows dropped, pieces joined, merged people split by their usual size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from cv2.typing import MatLike

    from analytics.video.motion.scale import PersonScale

FILL = 0.5
"""Share of a walking person's box that the body fills."""
_GAIN, _GAIN_AGAIN = 0.4, 0.2  # share of a silhouette that a further person must explain: a new one, and one seen before
_STEP = 2  # distance of the places that are tried [px]
_FEW = 12  # pixels from which nothing can be told
_SAME_GROUND = 0.6  # correlation from which two pictures show the same ground
_SOLID, _LONG = 0.75, 1.0  # a vehicle fills this share of its box and is this many body heights long


class Blob(NamedTuple):
    """One connected part of a mask, in pixels."""

    left: float
    top: float
    right: float
    bottom: float
    area: float


def blobs(mask: MatLike, smallest: float) -> list[Blob]:
    """Bounding box and area (holes filled) of each connected part of a mask with at least some area in pixels."""
    import cv2

    found = []
    for outline in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
        steps = len(outline)
        if steps * steps < 8 * smallest and steps < smallest:  # a closed outline holds no more than a circle does
            continue
        area = cv2.contourArea(outline) + steps / 2 + 1  # the outline runs through the middle of border pixels
        if area >= smallest:
            x, y, wide, tall = cv2.boundingRect(outline)
            found.append(Blob(float(x), float(y), float(x + wide), float(y + tall), area))
    return found


def drop_shadows(mask: MatLike, small: MatLike, still: MatLike, scale: PersonScale) -> MatLike:
    """Remove what only darkens the ground without changing its colour, unless it lies within a body.

    Args:
        mask: What differs.
        small: The picture, BGR.
        still: The empty street, BGR.
        scale: How tall people are.

    Source:
        Brightness and chromaticity distortion of Horprasert, Harwood and Davis, 1999.
    """
    import cv2

    places = np.flatnonzero(mask != 0)
    if not len(places):
        return mask
    now = small.reshape(-1, 3).take(places, axis=0).T.astype(np.float32, order="C")
    then = still.reshape(-1, 3).take(places, axis=0).T.astype(np.float32, order="C")
    share = np.einsum("ij,ij->j", now, then) / np.maximum(np.einsum("ij,ij->j", then, then), 1.0)
    blue, green, red = np.abs(now - share * then)
    colour = np.maximum(np.maximum(blue, green), red)
    brightest = np.maximum(np.maximum(then[0], then[1]), then[2])
    is_shadow = (share > 0.5) & (share < 0.96) & (colour < 6.0 + 0.03 * brightest)
    sure: MatLike = np.array(mask)
    sure.reshape(-1)[places[is_shadow]] = 0
    sure = cv2.medianBlur(sure, 3)
    for left, top, right, bottom, _ in blobs(cv2.morphologyEx(sure, cv2.MORPH_CLOSE, np.ones((7, 3), np.uint8)), 12):
        foot = scale.foot_below(top) if scale.known else top + 2.4 * (right - left)
        part = (slice(int(top), max(int(bottom), round(foot))), slice(int(left), int(right)))
        cv2.bitwise_or(sure[part], mask[part], sure[part])
    return sure


def join(parts: list[Blob], scale: PersonScale) -> list[Blob]:
    """Put pieces of one body together: above each other, and together no taller than a person."""
    parts = sorted(parts, key=lambda part: -part.area)
    first = 0
    while first < len(parts):
        one = parts[first]
        for second in range(first + 1, len(parts)):
            two = parts[second]
            overlap = min(one.right, two.right) - max(one.left, two.left)
            if overlap < 0.4 * min(one.right - one.left, two.right - two.left):
                continue
            left, top = min(one.left, two.left), min(one.top, two.top)
            right, bottom = max(one.right, two.right), max(one.bottom, two.bottom)
            tall, wide = scale.at(bottom)
            if bottom - top <= 1.2 * tall and right - left <= 1.5 * wide:
                parts[first] = Blob(left, top, right, bottom, one.area + two.area)
                del parts[second]
                break
        else:
            first += 1
    return parts


def is_vehicle(blob: Blob, scale: PersonScale) -> bool:
    """Whether a blob is too long and too solid for people side by side, between whom the ground shows."""
    long, tall = blob.right - blob.left, blob.bottom - blob.top
    return long >= _LONG * scale.at(blob.bottom)[0] and blob.area >= _SOLID * long * tall


def is_ghost(now: MatLike, then: MatLike, mask: MatLike) -> bool:
    """Whether someone stood here while the background was learned and has left since.

    Such a ghost has its outline in the background and not in the picture; a person has it the other way round.
    """
    import cv2

    edge = cv2.subtract(mask, cv2.erode(mask, np.ones((3, 3), np.uint8))) > 0
    if np.count_nonzero(edge) < _FEW:
        return False
    return bool(_steepness(then)[edge].mean() > 1.5 * _steepness(now)[edge].mean() + 4)


def is_light(now: MatLike, then: MatLike, mask: MatLike) -> bool:
    """Whether the ground is still seen, only lighter or darker: its texture is the same.

    Source:
        Normalised cross-correlation as a test for changes of light: Jacques, Jung and Musse, 2005.
    """
    import cv2

    inside = cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0
    if np.count_nonzero(inside) < _FEW:
        return False
    grain = []
    for picture in (now, then):
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
        grain.append((grey - cv2.blur(grey, (5, 5)))[inside])
    spread = [float(part.std()) for part in grain]
    return min(spread) > 0.5 and float(np.mean(grain[0] * grain[1])) > _SAME_GROUND * spread[0] * spread[1]


def split(mask: MatLike, blob: Blob, scale: PersonScale, before: int) -> list[tuple[Blob, float]]:
    """Cover a blob with as few person-sized boxes as explain it.

    Args:
        mask: What differs.
        blob: The blob.
        scale: How tall people are.
        before: How many people were seen here in the picture before: so many are believed more easily.

    Returns:
        The boxes with their scores, the best first.
    """
    import cv2

    x0, y0, x1, y1 = int(blob.left), int(blob.top), int(blob.right), int(blob.bottom)
    whole = (mask[y0:y1, x0:x1] > 0).view(np.uint8)
    rest = whole.copy()
    feet = np.arange(y1 - y0, 0, -_STEP)
    tall = scale.heights(y0 + feet.astype(np.float64))
    count = int((feet >= 0.7 * tall).sum())
    if not count:
        return []
    feet, tall = feet[:count], tall[:count]
    wide = scale.aspect * tall
    centres = np.arange(0, x1 - x0 + 1, _STEP)
    # Corners of each candidate box as places in the table of sums.
    across = x1 - x0 + 1
    upper = np.maximum(feet - tall, 0).round().astype(np.intp)
    half = (wide / 2).round().astype(np.intp)[:, None]
    west, east = np.maximum(centres - half, 0), np.minimum(centres + half, x1 - x0)
    above, below = across * upper[:, None], across * feet[:, None]
    corners = np.array([below + east, above + east, below + west, above + west])
    expected = (FILL * tall * wide)[:, None]

    def inside() -> npt.NDArray[np.float64]:
        lower_right, upper_right, lower_left, upper_left = cv2.integral(rest).ravel().take(corners)
        return np.asarray((lower_right - upper_right - lower_left + upper_left) / expected, dtype=np.float64)

    alone = inside()
    # Someone's feet are the lowest of the blob, and someone is its left end: to begin there keeps two people side by side
    # from being explained by one box in the middle.
    every = (len(feet), len(centres))
    starts = (
        every,
        (every[0], min(every[1], 1 + int(0.6 * wide[0] / _STEP))),
        (min(every[0], 1 + int(0.1 * tall[0] / _STEP)), every[1]),
    )
    best_value, best_cover = 0.0, []
    firsts = dict.fromkeys(divmod(int(alone[:high, :left].argmax()), left) for high, left in starts)
    for first in firsts:
        gain, cover, value = alone, [], 0.0
        rest[:] = whole
        for number in range(12):
            row, column = divmod(int((gain + 0.25 * alone).argmax()), len(centres)) if number else first
            best, least = float(gain[row, column]), _GAIN_AGAIN if number < before else _GAIN
            if best < least:
                break
            value += best - least
            aside = float(wide[row]) / 2
            x, y = x0 + float(centres[column]), y0 + float(feet[row])
            cover.append((Blob(x - aside, y - float(tall[row]), x + aside, y, best), min(1.0, best)))
            rest[upper[row] : feet[row], west[row, column] : east[row, column]] = 0
            least = _GAIN_AGAIN if number + 1 < before else _GAIN
            if cv2.countNonZero(rest) < least * float(expected[-1, 0]):  # too little is left for the smallest person
                break
            gain = inside()
        if value > best_value:
            best_value, best_cover = value, cover
    return best_cover


def _steepness(picture: MatLike) -> npt.NDArray[np.float32]:
    """How much the brightness changes from pixel to pixel."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0, None, 3, 0.25), cv2.Sobel(grey, cv2.CV_32F, 0, 1, None, 3, 0.25)
    return np.asarray(cv2.magnitude(across, down), dtype=np.float32)
