"""The formulas behind the scores: counts against a reference, as plain functions over arrays.

Counts are never compared with themselves left out: a missing count is an error, so that leaving something out cannot help.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class ScoringError(ValueError):
    """Counts cannot be scored."""


def _pair(counted: npt.ArrayLike, reference: npt.ArrayLike) -> tuple[Floats, Floats]:
    found, truth = np.asarray(counted, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if found.shape != truth.shape:
        raise ScoringError(
            f"counts: shape '{found.shape}' against a reference of '{truth.shape}'; expected one count for each row of the "
            "reference; add what is missing"
        )
    for name, values in (("counts", found), ("reference", truth)):
        wrong = values[~(np.isfinite(values) & (values >= 0))]
        if wrong.size:
            raise ScoringError(f"{name}: found '{wrong.flat[0]:g}'; expected 0 or more in every row; count what is missing")
    return found, truth


def traffic(truth: Floats) -> float:
    """Sum of the true counts.

    Raises:
        ScoringError: It is 0, and a relative error cannot be had.
    """
    total = float(truth.sum())
    if total == 0:
        raise ScoringError("reference: the sum is '0'; expected at least one crossing; a relative error needs traffic")
    return total


def wape(counted: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Weighted absolute percentage error: what was counted wrong, in percent of the truth.

    The headline error. Unlike the mean of percentages it is defined in quiet intervals.

    Args:
        counted: Counts of the system under test, any shape.
        reference: True counts of the same rows.

    Returns:
        The error, never negative. [%]

    Raises:
        ScoringError: The shapes differ, a count is missing or negative, or the reference is 0 throughout.

    Source:
        METHODS.md, section 1.1.

    Example:
        >>> wape([9, 2], [10, 0])
        30.0
    """
    found, truth = _pair(counted, reference)
    return 100.0 * float(np.abs(found - truth).sum()) / traffic(truth)


def bias(counted: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Volume-weighted percentage deviation: positive when too much was counted.

    Errors of both signs cancel here; always read it beside `wape`.

    Args:
        counted: Counts of the system under test, any shape.
        reference: True counts of the same rows.

    Returns:
        The deviation. [%]

    Raises:
        ScoringError: As `wape`.

    Source:
        METHODS.md, section 1.1 (WAPD).

    Example:
        >>> bias([9, 2], [10, 0])
        10.0
    """
    found, truth = _pair(counted, reference)
    return 100.0 * float(found.sum() - truth.sum()) / traffic(truth)


def geh(counted: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """GEH statistic of counted against reference hourly flows.

    A relative error that stays fair to quiet streets. Below 5 is commonly read as a good match. Two zero flows agree: 0.
    Meant for vehicles: at pedestrian flows it permits large errors.

    Args:
        counted: Flows from the system under test, shape `(n,)`. [veh/h]
        reference: Flows counted by hand for the same hours, shape `(n,)`. [veh/h]

    Returns:
        GEH of each hour, shape `(n,)`, never negative. [(veh/h)^0.5]

    Raises:
        ScoringError: The shapes differ, or a flow is negative.

    Source:
        UK TAG unit M3.1.

    Example:
        >>> geh([110, 0], [100, 0]).round(2)
        array([0.98, 0.  ])
    """
    found, truth = _pair(counted, reference)
    total = found + truth
    return np.sqrt(2.0 * (found - truth) ** 2 / np.where(total > 0, total, 1.0))


def wape_by_class(counted: npt.ArrayLike, reference: npt.ArrayLike, road_users: Sequence[str]) -> dict[str, float]:
    """`wape` of each class of road user, so that many cars cannot hide a few cyclists.

    Args:
        counted: Counts, shape `(n, classes)`.
        reference: True counts, same shape.
        road_users: Names of the classes.

    Returns:
        The error of each class that occurs in the reference; the others have none. [%]

    Raises:
        ScoringError: As `wape`; or there are more or fewer names than columns.

    Example:
        >>> wape_by_class([[10, 0]], [[8, 2]], ["car", "cyclist"])
        {'car': 25.0, 'cyclist': 100.0}
    """
    found, truth = _pair(counted, reference)
    if found.shape[-1] != len(road_users):
        raise ScoringError(
            f"road users: '{len(road_users)}' names for '{found.shape[-1]}' columns; expected one each; correct the call"
        )
    traffic(truth)
    present = [index for index in range(len(road_users)) if truth[..., index].sum() > 0]
    return {road_users[index]: wape(found[..., index], truth[..., index]) for index in present}


def ai_city_s1(
    counted: npt.ArrayLike, reference: npt.ArrayLike, *, time_s: float, video_s: float, base_factor: float = 1.0
) -> float:
    """Score S1 of the AI City Challenge's track 1: 0.3 efficiency + 0.7 effectiveness.

    Args:
        counted: Cumulative counts at the end of each of k equal segments, one row for each video, movement and class,
            shape `(n, k)`.
        reference: True cumulative counts, same shape.
        time_s: Time the system took for all videos. [s]
        video_s: Length of all videos. [s]
        base_factor: Speed of the machine relative to the organiser's; measure it, and print it beside the score.

    Returns:
        The score, 0 to 1, higher is better.

    Raises:
        ScoringError: As `wape`.

    Source:
        METHODS.md, section 1.3 (AI City Challenge 2021, track 1); k is 10 here.

    Example:
        >>> ai_city_s1([[1, 2]], [[1, 2]], time_s=0, video_s=60)
        1.0
    """
    found, truth = _pair(counted, reference)
    efficiency = max(0.0, 1.0 - time_s * base_factor / (1.1 * video_s))
    totals = truth[:, -1]
    volume = traffic(totals)
    segments = truth.shape[1]
    weights = 2.0 * np.arange(1, segments + 1) / (segments * (segments + 1))
    error = np.sqrt(((found - truth) ** 2 * weights).sum(axis=1))
    # No traffic has weight 0 and drops out; an error above the total counts as nothing right.
    share = np.where(error > totals, 0.0, 1.0 - error / np.where(totals > 0, totals, 1.0))
    return 0.3 * efficiency + 0.7 * float((totals * share).sum()) / volume
