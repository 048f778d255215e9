"""Audits and calibrations of sensors beside a reference: the work behind `testbed audit-sensor` and `testbed calibrate`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from analytics.sensing.calibration.agreement import METRICS
from analytics.sensing.calibration.audit import LEAST_PAIRS, audit_sensor, measured
from analytics.sensing.calibration.collocation import DAY_S, HOUR_S, Collocation
from analytics.sensing.calibration.evaluate import Origin, calibrate, out_of_sample, rolling
from analytics.sensing.calibration.fits import SENSOR, Calibration, Method, inputs_of
from analytics.sensing.calibration.targets import table_for
from analytics.sensing.readings import SourceError
from analytics.sensing.units import known_property
from experiments.settings import Settings
from flows.collocated import NAMED, Read, Sides, named_calibration, pair_files

INTERVALS = {"hour": HOUR_S, "day": DAY_S}
METHODS: tuple[Method, ...] = ("ols", "huber", "theil_sen")


def audit_files(
    sides: Sides,
    observed: str,
    settings: Settings,
    *,
    calibration: str | None = None,
    interval: str | None = None,
    of_reference: float = 0.0,
) -> tuple[dict[str, Any], Collocation]:
    """Audit the units of some files beside a reference.

    Args:
        sides: The files.
        observed: Observed property.
        settings: Where the registry is.
        calibration: Name of a correction or a calibration, applied first.
        interval: `hour` or `day`; that of the property's targets where None.
        of_reference: See `audit_sensor`.

    Returns:
        The document of `testbed audit-sensor --json`, and the pairs it stands on.

    Raises:
        SourceError: Something cannot be read, paired or calibrated.
    """
    name = known_property(observed).name
    if interval is not None and interval not in INTERVALS:
        raise SourceError(f"interval '{interval}' is unknown; expected {' or '.join(INTERVALS)}; correct --interval")
    table = table_for(name)
    interval_s = INTERVALS[interval] if interval else table.interval_s if table is not None else HOUR_S
    called, by = named_calibration(calibration, settings) if calibration is not None else (None, None)
    pairs, read = pair_files(sides, name, by=by, interval_s=interval_s)
    is_independent = True
    if isinstance(by, Calibration):
        same = set(by.made_from.values()) & {digest for key, digest in read.digests.items() if key.startswith("sensors")}
        overlaps = by.first_s <= int(pairs.start_s[-1]) and int(pairs.start_s[0]) <= by.last_s
        is_independent = not (same and overlaps)
    document = audit_sensor(pairs, of_reference=of_reference, calibration=called, is_independent=is_independent)
    return document | _files(sides, read), pairs


def calibrate_files(
    sides: Sides,
    observed: str,
    settings: Settings,
    *,
    name: str,
    sensor_property: str | None = None,
    terms: Sequence[str] = (SENSOR,),
    method: str = "ols",
    first_days: int = 14,
    step_days: int = 7,
    horizon_days: int = 7,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit a calibration to hours of some files, judge it by rolling origin, and register it.

    Args:
        sides: The files.
        observed: What the reference observes.
        settings: Where the registry is.
        name: Under which it is registered; a name used before gets a new version.
        sensor_property: What the units give; the same where None.
        terms: See `Calibration`.
        method: See `fit`.
        first_days: Days before the first origin. [d]
        step_days: Days between origins. [d]
        horizon_days: Days judged after each. [d]
        seed: Of a fit that draws.

    Returns:
        The document of `testbed calibrate --json`.

    Raises:
        SourceError: Something cannot be read, paired or fitted.
    """
    if not (matched := NAMED.fullmatch(name)) or matched[2]:
        raise SourceError(f"calibration '{name}' is no name; expected letters a-z, 0-9 and _; choose another --name")
    if method not in METHODS:
        raise SourceError(f"method '{method}' is unknown; expected one of {', '.join(METHODS)}; correct --method")
    if min(first_days, step_days, horizon_days) < 1:
        raise SourceError("rolling origin: found less than 1 day; expected 1 or more; correct --first-days and the others")
    covariates = tuple(known_property(one).name for one in inputs_of(terms) if one != SENSOR)
    pairs, read = pair_files(sides, observed, sensor_property=sensor_property, covariates=covariates)
    days = {"first_days": first_days, "step_days": step_days, "horizon_days": horizon_days}
    judge = partial(rolling, pairs, terms=terms, method=method, seed=seed)
    found = calibrate(pairs, terms=terms, method=method, seed=seed, made_from=read.digests)
    refitted, kept = (
        judge(refitted=anew, first_days=first_days, step_days=step_days, horizon_days=horizon_days) for anew in (True, False)
    )
    later = out_of_sample(pairs, terms=terms, method=method, first_days=first_days, step_days=step_days, seed=seed)
    version = _register(name, found, refitted, read, settings)
    return {
        "calibration": f"{name}@{version}",
        **found.model_dump(),
        "evaluation": {
            **days,
            "refitted": [_origin(one) for one in refitted],
            "kept": [_origin(one) for one in kept],
            "intervals": len(later.reference),
            "metrics": measured(later) if len(later.reference) >= LEAST_PAIRS else None,
        },
        **_files(sides, read),
    }


def _register(name: str, found: Calibration, refitted: Sequence[Origin], read: Read, settings: Settings) -> int:
    from experiments.tracking import Dataset, Record, register

    text = found.model_dump_json(indent=2).encode()
    last = refitted[-1].calibrated
    return register(
        settings.mlflow_uri,
        settings.home / "mlflow",
        name,
        text,
        Record(
            experiment=f"calibration_{name}",
            run_id=hashlib.sha256(name.encode() + b"\0" + text).hexdigest(),
            parameters={"method": found.method, "terms": ", ".join(found.terms), "pairs": found.pairs},
            metrics={f"last_{key}": last[key] for key in METRICS if last[key] == last[key]},
            tags={"testbed.observed_property": found.observed_property},
            datasets=tuple(Dataset(key, digest, key, read.rows[key]) for key, digest in read.digests.items()),
        ),
    )


def _files(sides: Sides, read: Read) -> dict[str, Any]:
    return {
        "files": list(sides.sensors),
        "reference": sides.reference,
        "digests": read.digests,
        "rows": read.rows,
        "refused": read.refused,
        "reasons": read.reasons,
        "channels": read.channels,
    }


def _origin(one: Origin) -> dict[str, Any]:
    shown = ("slope", "intercept", "R2", "RMSE", "NRMSE", "MGE", "MB")
    found = asdict(one)
    for side in ("raw", "calibrated"):
        found[side] = {key: _number(found[side][key]) for key in shown} if found[side] else None
    return found


def _number(value: float) -> float | None:
    return value if value == value else None


def terms_of(text: str) -> tuple[str, ...]:
    """Terms as a user lists them, separated by commas; other names of known properties are understood.

    Example:
        >>> terms_of("sensor, rh, sensor*rh")
        ('sensor', 'humidity', 'sensor*humidity')
    """
    terms = [one.strip() for one in text.split(",") if one.strip()]
    return tuple(re.sub(r"[^*\s]+", lambda part: _input(part[0]), one).replace(" ", "") for one in terms)


def _input(name: str) -> str:
    return SENSOR if name == SENSOR else known_property(name).name
