"""Calibrations fitted beside a reference: reference from sensor, humidity and temperature, by least squares or robustly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from analytics.sensing.readings import SourceError

Floats = npt.NDArray[np.float64]
Method = Literal["ols", "huber", "theil_sen"]

SENSOR = "sensor"
"""The term that is the sensor's own value."""
LEAST_PAIRS = 24
"""So many pairs for each coefficient, at the least a day of hours."""


class Calibration(BaseModel):
    """A fitted calibration: reference = intercept + sum of coefficient * term.

    Attributes:
        observed_property: What it gives.
        sensor_property: What it is applied to.
        unit: Unit of what it gives.
        sensor_unit: Unit of what it is applied to.
        method: How it was fitted.
        terms: `sensor`, covariates by name, or products of two such as `sensor*humidity`.
        coefficients: One for each term.
        intercept: In `unit`.
        spans: Least and greatest value of each input that the fit has seen; beyond them it is only carried on.
        pairs: How many pairs it was fitted to.
        first_s: Start of the first of them, seconds since 1970. [s]
        last_s: Start of the last. [s]
        interval_s: Length of the intervals it was fitted to. [s]
        made_from: SHA-256 of the inputs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    observed_property: str
    sensor_property: str
    unit: str
    sensor_unit: str
    method: Method
    terms: tuple[str, ...] = Field(min_length=1)
    coefficients: tuple[float, ...]
    intercept: float
    spans: dict[str, tuple[float, float]]
    pairs: int
    first_s: int
    last_s: int
    interval_s: int
    made_from: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_coefficient_for_each_term(self) -> Calibration:
        if len(self.terms) != len(self.coefficients) or set(inputs_of(self.terms)) != set(self.spans):
            raise ValueError("expected one coefficient for each term and a span for each input")
        return self

    @property
    def covariates(self) -> tuple[str, ...]:
        """What it needs beside the sensor's value."""
        return tuple(name for name in inputs_of(self.terms) if name != SENSOR)

    def apply(self, sensor: Floats, covariates: Mapping[str, Floats]) -> Floats:
        """Calibrated values of any shape, in `unit`; NaN where the sensor or a covariate has none."""
        return self.intercept + np.tensordot(np.array(self.coefficients), _columns(self.terms, sensor, covariates), axes=1)

    def outside(self, sensor: Floats, covariates: Mapping[str, Floats]) -> npt.NDArray[np.bool_]:
        """Where an input is beyond what the fit has seen."""
        given = {SENSOR: sensor, **covariates}
        beyond = np.zeros(np.shape(sensor), dtype=np.bool_)
        for name, (low, high) in self.spans.items():
            beyond |= (given[name] < low) | (given[name] > high)
        return beyond


def calibration_of(document: Mapping[str, object]) -> Calibration:
    """A calibration from its JSON document.

    Raises:
        SourceError: It is none.
    """
    try:
        return Calibration.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise SourceError(
            f"calibration: {where}: {first['msg']}; expected what 'testbed calibrate' wrote; fit it again"
        ) from None


def inputs_of(terms: Sequence[str]) -> tuple[str, ...]:
    """The inputs that terms are made of, each once.

    Example:
        >>> inputs_of(["sensor", "sensor*humidity"])
        ('sensor', 'humidity')
    """
    return tuple(dict.fromkeys(name for term in terms for name in term.split("*")))


def fit(
    reference: Floats,
    sensor: Floats,
    covariates: Mapping[str, Floats],
    *,
    terms: Sequence[str] = (SENSOR,),
    method: Method = "ols",
    seed: int = 0,
) -> tuple[float, tuple[float, ...]]:
    """Fit reference = intercept + sum of coefficient * term.

    Args:
        reference: Reference values, shape `(n,)`.
        sensor: Sensor values, same shape; of several units one behind the other.
        covariates: Covariates by name, same shape.
        terms: See `Calibration`.
        method: `ols` (least squares), `huber` (Huber's M-estimator, 1.35; withstands outliers of the reference, not of the
            sensor) or `theil_sen` (spatial median of fits to subsets; withstands both).
        seed: Of `theil_sen`, which draws subsets.

    Returns:
        The intercept and the coefficients, in the order of the terms.

    Raises:
        SourceError: There are too few pairs, or the terms do not vary independently.

    Source:
        scikit-learn: `LinearRegression`, `HuberRegressor`, `TheilSenRegressor`.
    """
    columns = _columns(terms, sensor, covariates)
    has = np.isfinite(columns).all(axis=0) & np.isfinite(reference)
    x, y = columns[:, has].T, reference[has]
    need = LEAST_PAIRS * (len(terms) + 1)
    if len(y) < need:
        raise SourceError(
            f"calibration: {len(y)} pairs have all of {', '.join(inputs_of(terms))}; expected {need} or more; "
            "collocate for longer, or use fewer terms"
        )
    scale = x.std(axis=0)
    centred = (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1)
    if np.linalg.matrix_rank(centred, tol=1e-6 * np.sqrt(len(y))) < len(terms):
        raise SourceError(
            f"calibration: terms {', '.join(terms)} do not vary independently; expected inputs that vary; use fewer terms"
        )
    model = _model(method, seed).fit(centred, y)
    coefficients = np.asarray(model.coef_, dtype=np.float64) / scale
    intercept = float(model.intercept_) - float(coefficients @ x.mean(axis=0))
    return intercept, tuple(float(one) for one in coefficients)


def _model(method: Method, seed: int) -> Any:
    from sklearn.linear_model import HuberRegressor, LinearRegression, TheilSenRegressor

    if method == "ols":
        return LinearRegression()
    if method == "huber":
        return HuberRegressor(alpha=0.0, max_iter=1000)
    return TheilSenRegressor(max_subpopulation=2000, random_state=seed)


def _columns(terms: Sequence[str], sensor: Floats, covariates: Mapping[str, Floats]) -> Floats:
    """Each term's values, shape `(terms, ...)`.

    Raises:
        SourceError: A term is none, or names a covariate that is not there.
    """
    given = {SENSOR: np.asarray(sensor, dtype=np.float64), **covariates}
    missing = [name for name in inputs_of(terms) if name not in given]
    if missing or len(set(terms)) < len(terms) or SENSOR not in inputs_of(terms):
        what = f"'{missing[0]}' is not there" if missing else f"terms {', '.join(terms)} repeat one or leave '{SENSOR}' out"
        raise SourceError(f"calibration: {what}; expected '{SENSOR}' and some of {', '.join(given)}; correct --terms")
    return np.array([np.prod([given[name] for name in term.split("*")], axis=0) for term in terms])
