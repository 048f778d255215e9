"""Published corrections by name, for sensors that are known from many collocations elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Correction:
    """A published correction.

    Attributes:
        name: How it is asked for.
        observed_property: What it corrects, in the unit it is kept in.
        covariates: What else it needs, in their kept units.
        function: (sensor, covariates) -> corrected.
        source: Where it was published.
        is_verified: Whether the formula was read at its source, or in several copies that agree.
    """

    name: str
    observed_property: str
    covariates: tuple[str, ...]
    function: Callable[[Floats, Mapping[str, Floats]], Floats]
    source: str
    is_verified: bool

    @property
    def sensor_property(self) -> str:
        """What it is applied to."""
        return self.observed_property

    def apply(self, sensor: Floats, covariates: Mapping[str, Floats]) -> Floats:
        """Corrected values; NaN where the sensor or a covariate has none."""
        return self.function(sensor, covariates)


def barkjohn(pm25: npt.ArrayLike, humidity: npt.ArrayLike) -> Floats:
    """US-wide correction of PurpleAir sensors: 0.524 p - 0.0862 RH + 5.75, at least 0.

    A fit of 2017 to 2020 in the United States; in other climates fit locally and report both.

    Args:
        pm25: Mean of channels A and B, as the `cf_1` data of the device. [ug/m3]
        humidity: Relative humidity measured in the device. [%]

    Returns:
        Corrected PM2.5. [ug/m3]

    Source:
        Barkjohn, Gantt and Clements (2021), Atmos. Meas. Tech. 14, 4617.

    Example:
        >>> barkjohn([20.0], [50.0]).round(2)
        array([11.92])
    """
    p, rh = np.asarray(pm25, dtype=np.float64), np.asarray(humidity, dtype=np.float64)
    return np.maximum(0.524 * p - 0.0862 * rh + 5.75, 0.0)


def barkjohn_smoke(pm25: npt.ArrayLike, humidity: npt.ArrayLike) -> Floats:
    """The US-wide correction with its extension to smoke: steeper from 30 ug/m3, quadratic from 210 ug/m3, at least 0.

    Args:
        pm25: Mean of channels A and B, as the `cf_1` data of the device. [ug/m3]
        humidity: Relative humidity measured in the device. [%]

    Returns:
        Corrected PM2.5. [ug/m3]

    Source:
        As on the AirNow Fire and Smoke Map; from one copy of its code, the publication was not read.

    Example:
        >>> barkjohn_smoke([40.0], [50.0]).round(2)
        array([27.64])
    """
    p, rh = np.asarray(pm25, dtype=np.float64), np.asarray(humidity, dtype=np.float64)
    damp = 0.0862 * rh
    rise, bend = p / 20 - 1.5, p / 50 - 4.2
    branches = [
        0.524 * p - damp + 5.75,
        (0.786 * rise + 0.524 * (1 - rise)) * p - damp + 5.75,
        0.786 * p - damp + 5.75,
        (0.69 * bend + 0.786 * (1 - bend)) * p - damp * (1 - bend) + 2.966 * bend + 5.75 * (1 - bend) + 8.84e-4 * p**2 * bend,
        2.966 + 0.69 * p + 8.84e-4 * p**2 + 0 * rh,
    ]
    return np.maximum(np.select([p < 30, p < 50, p < 210, p < 260, p >= 260], branches, np.nan), 0.0)


CORRECTIONS: dict[str, Correction] = {
    one.name: one
    for one in (
        Correction(
            "barkjohn_2021",
            "pm25",
            ("humidity",),
            lambda sensor, covariates: barkjohn(sensor, covariates["humidity"]),
            "Barkjohn et al. (2021), Atmos. Meas. Tech. 14, 4617",
            True,
        ),
        Correction(
            "barkjohn_2021_smoke",
            "pm25",
            ("humidity",),
            lambda sensor, covariates: barkjohn_smoke(sensor, covariates["humidity"]),
            "AirNow Fire and Smoke Map, from one copy of its code",
            False,
        ),
    )
}
"""Published corrections by name."""


def channels_agree(a: npt.ArrayLike, b: npt.ArrayLike, *, apart: float = 5.0, relative: float = 0.70) -> npt.NDArray[np.bool_]:
    """Whether the two channels of a device agree; where they do not, the value is not used.

    They disagree when they are `apart` or more from each other and their relative difference, 2 |A - B| / (A + B), is
    `relative` or more. A channel without a value agrees with nothing.

    Args:
        a: Channel A. [ug/m3]
        b: Channel B, same shape. [ug/m3]
        apart: [ug/m3]
        relative: 0.70 for hours, 0.61 for means of 24 h.

    Source:
        Barkjohn et al. (2021): 5 ug/m3 and 61 % on 24 h; AirNow uses 70 % on hours (recalled).

    Example:
        >>> channels_agree([10, 10, 100], [12, 40, 104])
        array([ True, False,  True])
    """
    one, two = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    gap, total = np.abs(one - two), one + two
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, 2 * gap / total, np.inf)
    return np.isfinite(gap) & ~((gap >= apart) & (share >= relative))
