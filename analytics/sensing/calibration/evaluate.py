"""Calibrations before and after: fitted to what came first, judged on what came later, never shuffled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.sensing.calibration.agreement import pooled
from analytics.sensing.calibration.collocation import DAY_S, Collocation
from analytics.sensing.calibration.fits import SENSOR, Calibration, Method, fit, inputs_of
from analytics.sensing.readings import SourceError
from analytics.sensing.units import known_property

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Origin:
    """One origin of a rolling evaluation.

    Attributes:
        origin_s: What came before it was fitted to, seconds since 1970. [s]
        until_s: What came from it until here was judged. [s]
        fitted: Pairs fitted to.
        judged: Pairs judged.
        raw: Metrics of the sensor as it is; empty where it gives another property.
        calibrated: Metrics after the calibration.
    """

    origin_s: int
    until_s: int
    fitted: int
    judged: int
    raw: dict[str, float]
    calibrated: dict[str, float]


def calibrate(
    pairs: Collocation,
    *,
    terms: Sequence[str] = (SENSOR,),
    method: Method = "ols",
    seed: int = 0,
    made_from: dict[str, str] | None = None,
) -> Calibration:
    """Fit one calibration to all units of a collocation together.

    Args:
        pairs: The collocation, with the covariates that the terms need.
        terms: See `Calibration`.
        method: See `fit`.
        seed: See `fit`.
        made_from: SHA-256 of the inputs by name.

    Raises:
        SourceError: It cannot be fitted.
    """
    sensor = pairs.sensors.ravel()
    covariates = {name: values.ravel() for name, values in pairs.covariates.items()}
    reference = np.broadcast_to(pairs.reference, pairs.sensors.shape).ravel()
    intercept, coefficients = fit(reference, sensor, covariates, terms=terms, method=method, seed=seed)
    given = {SENSOR: sensor, **covariates}
    used = inputs_of(terms)
    has = np.all([np.isfinite(given[name]) for name in used], axis=0)
    times = np.broadcast_to(pairs.start_s, pairs.sensors.shape).ravel()[has]
    return Calibration(
        observed_property=pairs.observed_property,
        sensor_property=pairs.sensor_property,
        unit=pairs.unit,
        sensor_unit=known_property(pairs.sensor_property).unit,
        method=method,
        terms=tuple(terms),
        coefficients=coefficients,
        intercept=intercept,
        spans={name: (float(given[name][has].min()), float(given[name][has].max())) for name in used},
        pairs=int(has.sum()),
        first_s=int(times.min()),
        last_s=int(times.max()),
        interval_s=pairs.interval_s,
        made_from=made_from or {},
    )


def calibrated(pairs: Collocation, by: Calibration) -> Collocation:
    """The collocation with calibrated units."""
    return pairs.with_sensors(by.apply(pairs.sensors, pairs.covariates))


def origins(pairs: Collocation, *, first_days: int, step_days: int, horizon_days: int) -> Iterator[tuple[int, Bools, Bools]]:
    """Rolling origins: all that came before, and what came in the days after.

    Args:
        pairs: The collocation.
        first_days: Days before the first origin. [d]
        step_days: Days between origins. [d]
        horizon_days: Days judged after each. [d]

    Yields:
        The origin in seconds since 1970, and which intervals come before it and in its horizon, each of shape `(n,)`.
    """
    start, end = int(pairs.start_s[0]), int(pairs.start_s[-1])
    for origin in range(start + first_days * DAY_S, end + 1, step_days * DAY_S):
        after = (pairs.start_s >= origin) & (pairs.start_s < origin + horizon_days * DAY_S)
        if after.sum() > 1:
            yield origin, pairs.start_s < origin, after


def rolling(
    pairs: Collocation,
    *,
    terms: Sequence[str] = (SENSOR,),
    method: Method = "ols",
    first_days: int = 14,
    step_days: int = 7,
    horizon_days: int = 7,
    refitted: bool = True,
    seed: int = 0,
) -> list[Origin]:
    """Judge a way of calibrating as it would be used: fitted to the past, applied to what follows.

    Args:
        pairs: The collocation.
        terms: See `Calibration`.
        method: See `fit`.
        first_days: Days before the first origin. [d]
        step_days: Days between origins. [d]
        horizon_days: Days judged after each. [d]
        refitted: Fit anew at each origin; else the fit to the first days is kept, which shows drift.
        seed: See `fit`.

    Raises:
        SourceError: No origin has days after it, or the first days are too few to fit.
    """
    found, kept = [], None
    for origin, before, after in origins(pairs, first_days=first_days, step_days=step_days, horizon_days=horizon_days):
        if kept is None or refitted:
            kept = calibrate(pairs.part(before), terms=terms, method=method, seed=seed)
        later = pairs.part(after)
        corrected = calibrated(later, kept)
        if len(corrected.reference) < 2:
            continue
        is_same = pairs.sensor_property == pairs.observed_property
        found.append(
            Origin(
                origin,
                origin + horizon_days * DAY_S,
                kept.pairs,
                int(np.isfinite(corrected.sensors).sum()),
                pooled(later.reference, later.sensors) if is_same else {},
                pooled(corrected.reference, corrected.sensors),
            )
        )
    if not found:
        raise SourceError(
            f"calibration: nothing is left to judge after the first {first_days} days; expected a longer collocation; "
            "lower --first-days"
        )
    return found


def out_of_sample(
    pairs: Collocation,
    *,
    terms: Sequence[str] = (SENSOR,),
    method: Method = "ols",
    first_days: int = 14,
    step_days: int = 7,
    seed: int = 0,
) -> Collocation:
    """What follows the first days, each step calibrated by a fit to all that came before it, as one collocation.

    Agreement with the reference, and of the units with each other, are then those of readings no fit has seen.

    Args:
        pairs: The collocation.
        terms: See `Calibration`.
        method: See `fit`.
        first_days: Days before the first fit. [d]
        step_days: Days between fits. [d]
        seed: See `fit`.

    Raises:
        SourceError: The first days are too few to fit.
    """
    values = np.full(pairs.sensors.shape, np.nan)
    for _, before, after in origins(pairs, first_days=first_days, step_days=step_days, horizon_days=step_days):
        by = calibrate(pairs.part(before), terms=terms, method=method, seed=seed)
        values[:, after] = by.apply(pairs.sensors[:, after], {name: one[:, after] for name, one in pairs.covariates.items()})
    return pairs.with_sensors(values)
