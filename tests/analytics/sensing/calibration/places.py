"""Invented sensors beside an invented reference, whose truth is known."""

from __future__ import annotations

import numpy as np

from analytics.sensing.calibration.collocation import HOUR_S, Collocation
from analytics.sensing.units import known_property

START_S = 1_767_225_600  # 2026-01-01, UTC


def air(n: int, seed: int = 1) -> np.ndarray:
    """Hourly values that change slowly, as air does; shape `(n,)`, above 0."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.2, n)
    level = np.zeros(n)
    for i in range(1, n):
        level[i] = 0.97 * level[i - 1] + steps[i]
    return 12 * np.exp(level)


def beside(
    reference: np.ndarray,
    sensors: np.ndarray,
    *,
    name: str = "pm25",
    sensor: str | None = None,
    interval_s: int = HOUR_S,
    **covariates: np.ndarray,
) -> Collocation:
    """A collocation without gaps."""
    rows = np.atleast_2d(sensors)
    return Collocation(
        name,
        sensor or name,
        known_property(name).unit,
        interval_s,
        START_S + interval_s * np.arange(len(reference)),
        reference,
        tuple(f"unit_{i}" for i in range(len(rows))),
        rows,
        {key: np.broadcast_to(values, rows.shape) for key, values in covariates.items()},
        len(reference),
        (len(reference),) * len(rows),
    )
