"""Calibrations at work: hours of judged readings become calibrated hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from analytics.lake import Connection
from analytics.sensing.calibration.corrections import CORRECTIONS, Correction
from analytics.sensing.calibration.fits import SENSOR, Calibration, calibration_of
from analytics.sensing.readings import SourceError, quoted
from analytics.sensing.units import known_property

CALIBRATED, BEYOND, NOT = "calibrated", "beyond_calibration", "not_calibrated"
"""Flags: calibrated; by inputs that the fit has not seen; a covariate is missing, and the value with it."""


def resolved(calibration: str | Mapping[str, Any]) -> Calibration | Correction:
    """The calibration that a pilot's parameter means.

    Args:
        calibration: Name of a published correction, or the document of a fitted calibration, which a flow puts in place of
            `NAME@VERSION`.

    Raises:
        SourceError: It is neither.
    """
    if not isinstance(calibration, str):
        return calibration_of(calibration)
    if calibration not in CORRECTIONS:
        raise SourceError(
            f"calibration '{calibration}' is unknown; expected one of {', '.join(CORRECTIONS)} or NAME@VERSION of the "
            "registry; fit it with 'testbed calibrate'"
        )
    return CORRECTIONS[calibration]


def apply_calibration(connection: Connection, hours: str, *, calibration: str | Mapping[str, Any]) -> None:
    """Calibrate the hours of one property in place; other properties stay as they are.

    An hour that lacks a covariate has no value afterwards, so that contract `hourly_readings` sets it aside with its flag:
    raw and calibrated values are never mixed.

    Args:
        connection: Holds the hours.
        hours: Table with `site_id`, `observed_property`, `interval_start_at`, `value`, `unit` and `flags`.
        calibration: See `resolved`.

    Raises:
        SourceError: The calibration is unknown, or no hour is of the property it is applied to.
    """
    by, table = resolved(calibration), quoted(hours)
    joins = "".join(
        f" LEFT JOIN {table} c{number} ON c{number}.site_id = h.site_id AND c{number}.observed_property = '{name}' "
        f"AND c{number}.interval_start_at = h.interval_start_at"
        for number, name in enumerate(by.covariates)
    )
    wanted = "".join(f", c{number}.value AS {quoted(name)}" for number, name in enumerate(by.covariates))
    found = connection.execute(
        f"SELECT h.rowid AS place, h.value AS {SENSOR}{wanted} FROM {table} h{joins} WHERE h.observed_property = $name",
        {"name": by.sensor_property},
    ).fetchnumpy()
    if not len(found["place"]):
        raise SourceError(
            f"calibration: no hour of '{by.sensor_property}' to apply it to; expected some; correct the feed or the calibration"
        )
    given = {name: np.ma.masked_array(found[name], dtype=np.float64).filled(np.nan) for name in (SENSOR, *by.covariates)}
    sensor, covariates = given[SENSOR], {name: given[name] for name in by.covariates}
    values = by.apply(sensor, covariates)
    beyond = by.outside(sensor, covariates) if isinstance(by, Calibration) else np.zeros(len(values), dtype=np.bool_)
    flags = np.where(np.isnan(values), NOT, np.where(beyond, f"{CALIBRATED},{BEYOND}", CALIBRATED))
    calibrated = pa.table({"place": found["place"], "value": pa.array(values, from_pandas=True), "flag": flags})
    connection.register("calibrated_hours", calibrated)
    connection.execute(
        f"UPDATE {table} SET value = c.value, observed_property = $name, unit = $unit, "
        f"flags = concat_ws(',', nullif(flags, ''), c.flag) FROM calibrated_hours c WHERE {table}.rowid = c.place",
        {"name": by.observed_property, "unit": known_property(by.observed_property).unit},
    )
    connection.unregister("calibrated_hours")
