"""The audit of a sensor of any kind: reference, collocation, targets, verdict. Air, noise and footfall follow one pattern."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from analytics.sensing.calibration.agreement import intervals, pooled, units
from analytics.sensing.calibration.collocation import DAY_S, Collocation
from analytics.sensing.calibration.jackknife import LEVEL, NO_INTERVAL, STRETCHES, parts
from analytics.sensing.calibration.longer import longer_means
from analytics.sensing.calibration.precision import precision, precision_intervals
from analytics.sensing.calibration.targets import Judged, Table, judge, table_for, targets
from analytics.sensing.calibration.uncertainty import expanded_uncertainty
from analytics.sensing.readings import SourceError
from analytics.sensing.units import conversion

LEAST_PAIRS = 8
"""With fewer common intervals nothing is said."""
VERDICTS = {"meets": "meet", "fails": "do not meet", "incomplete": "cannot be said to meet"}

Document = dict[str, Any]


def audit_sensor(
    pairs: Collocation,
    *,
    level: float = LEVEL,
    of_reference: float = 0.0,
    calibration: str | None = None,
    is_independent: bool = True,
) -> Document:
    """Hold the units of a collocation against the targets of their observed property.

    Args:
        pairs: The collocation; the units give the observed property, calibrated or not.
        level: Level of the intervals.
        of_reference: Random standard uncertainty of the reference, in the unit the property is kept in.
        calibration: What the units were calibrated with, for the document.
        is_independent: Whether the calibration was fitted to other readings than these; if not, the audit flatters, and no
            verdict says that targets are met.

    Returns:
        A document for JSON: `metrics` with intervals, each unit's, `targets` with what passed, `conditions`, `uncertainty`,
        `verdict` and `skipped`, what was declared and not done, and why.

    Raises:
        SourceError: The units give another property, or too few intervals are common.
    """
    if pairs.sensor_property != pairs.observed_property:
        raise SourceError(
            f"sensors: they give '{pairs.sensor_property}', the reference '{pairs.observed_property}'; expected the same; "
            "calibrate them (--calibration NAME)"
        )
    if len(pairs.reference) < LEAST_PAIRS:
        raise SourceError(
            f"{pairs.observed_property}: found {len(pairs.reference)} common intervals; expected {LEAST_PAIRS} or more; "
            "collocate for longer"
        )
    table = table_for(pairs.observed_property)
    skipped: list[dict[str, str]] = []
    kept = pairs
    if table is not None and table.unit != pairs.unit:
        factor = 1 / conversion(pairs.observed_property, table.unit).factor
        pairs = replace(pairs, unit=table.unit, reference=pairs.reference * factor, sensors=pairs.sensors * factor)
    if table is not None and pairs.interval_s != table.interval_s:
        skipped.append(
            {
                "what": f"targets '{table.id}'",
                "why": f"they are for intervals of {table.interval_s} s, these are of {pairs.interval_s} s",
            }
        )
        table = None
    elif table is None:
        skipped.append({"what": "targets", "why": f"none are published for '{pairs.observed_property}' that we know of"})
    metrics = measured(pairs, level=level)
    judged = judge(table, metrics) if table is not None else []
    for one in judged:
        if one.passed is None:
            skipped.append({"what": f"target '{one.wanted}'", "why": _why_not(one, pairs)})
    conditions = _conditions(table, pairs) if table is not None else []
    if calibration is not None:
        conditions.append(
            {"condition": "calibrated on other readings than these", "wanted": None, "found": None, "met": is_independent}
        )
    for condition in table.unchecked if table is not None else ():
        skipped.append({"what": f"condition '{condition}'", "why": "one collocation cannot show it"})
    uncertainty, why = _uncertainty(kept, of_reference)
    if why:
        skipped.append({"what": "expanded uncertainty", "why": why})
    if pairs.shift is None:
        skipped.append({"what": "check of the clocks", "why": "too few common hours, or a series that never changes"})
    return {
        "observed_property": pairs.observed_property,
        "unit": pairs.unit,
        "interval_s": pairs.interval_s,
        "calibration": calibration,
        "start_at": _instant(int(pairs.start_s[0])),
        "end_at": _instant(int(pairs.start_s[-1]) + pairs.interval_s),
        "intervals": len(pairs.reference),
        "expected": pairs.expected,
        "unpaired": pairs.unpaired,
        "level": level,
        "left_out": {"stretches": STRETCHES, "parts": parts(len(pairs.reference), pairs.per_day)},
        "clock": None if pairs.shift is None else asdict(pairs.shift) | {"moved_h": pairs.moved_h},
        "metrics": metrics,
        "units": [
            {"name": name, "uptime": up} | {key: _number(value) for key, value in one.items()}
            for name, up, one in zip(pairs.names, pairs.uptime, units(pairs.reference, pairs.sensors), strict=True)
        ],
        "targets": None if table is None else _targets(table, judged),
        "conditions": conditions,
        "uncertainty": uncertainty,
        "verdict": _verdict(table, judged, conditions, metrics, pairs),
        "skipped": skipped,
    }


def measured(pairs: Collocation, *, level: float = LEVEL) -> dict[str, dict[str, float | None]]:
    """Every metric of agreement, and SD and CV between units, with its interval.

    Args:
        pairs: The collocation, of `LEAST_PAIRS` intervals or more.
        level: Level of the intervals.

    Returns:
        Name -> `value`, `lower` and `upper`, each None where it cannot be had.
    """
    values = pooled(pairs.reference, pairs.sensors)
    reach = intervals(pairs.reference, pairs.sensors, per_day=pairs.per_day, level=level)
    found = precision(pairs.sensors)
    reach |= precision_intervals(pairs.sensors, per_day=pairs.per_day, level=level)
    return {
        name: {"value": _number(value)}
        | {end: _number(one) for end, one in zip(("lower", "upper"), reach.get(name, NO_INTERVAL), strict=True)}
        for name, value in (values | {"SD": found.SD, "CV": found.CV}).items()
    }


def _targets(table: Table, judged: list[Judged]) -> Document:
    about = table.model_dump(include={"id", "title", "effective", "source", "verified"})
    return about | {"version": targets().version, "rows": [asdict(one) for one in judged]}


def _conditions(table: Table, pairs: Collocation) -> list[Document]:
    wanted = table.conditions
    days = (int(pairs.start_s[-1]) - int(pairs.start_s[0]) + pairs.interval_s) / DAY_S
    highest = float(pairs.reference.max())
    share = len(pairs.reference) / pairs.expected
    rows: list[tuple[str, float | None, float]] = [
        ("identical units", wanted.units, len(pairs.names)),
        ("days", wanted.days, days),
        ("share of intervals with both", wanted.completeness, share),
        (f"largest reference value, {pairs.unit}", wanted.reaches, highest),
    ]
    return [
        {"condition": name, "wanted": least, "found": found, "met": found >= least}
        for name, least, found in rows
        if least is not None
    ]


def _why_not(one: Judged, pairs: Collocation) -> str:
    if set(one.metrics) & {"SD", "CV"}:
        return f"precision needs 2 or more units that measure at once; {len(pairs.names)} given"
    return "the series never change, or the reference is 0 throughout"


def _uncertainty(pairs: Collocation, of_reference: float) -> tuple[Document | None, str]:
    """Expanded uncertainty at the limit value, or why there is none; in the unit the property is kept in."""
    objectives = targets().uncertainty
    limit = objectives.limits.get(pairs.observed_property)
    if limit is None:
        return None, f"no limit value is known for '{pairs.observed_property}'"
    if limit.interval_s != pairs.interval_s:
        return None, f"the limit value is a {limit.of}; these intervals are of {pairs.interval_s} s"
    at = limit.limit * conversion(pairs.observed_property, limit.unit).factor
    has = np.isfinite(pairs.sensors)
    x, y = np.broadcast_to(pairs.reference, pairs.sensors.shape)[has], pairs.sensors[has]
    if limit.hours > 1:
        means = [longer_means(pairs.start_s, pairs.reference, one, hours=limit.hours) for one in pairs.sensors]
        x, y = (np.concatenate(side) for side in zip(*means, strict=True))
    if len(x) < 3:
        return None, f"the limit value is a {limit.of}; too few of these were measured by both"
    if x.std() == 0 or y.std() == 0:
        return None, "the series never change"
    found = expanded_uncertainty(x, y, at=at, of_reference=of_reference)
    number = next((n for n, most in enumerate(limit.classes, start=1) if found.expanded <= most), None)
    return {
        **{name: _number(value) for name, value in asdict(found).items() if name != "reaches"},
        "reaches": found.reaches,
        "unit": pairs.unit,
        "of": limit.of,
        "of_reference": of_reference,
        "objectives": [
            {"name": "fixed measurement", "most": limit.fixed, "passed": found.expanded <= limit.fixed},
            {"name": "indicative measurement", "most": limit.indicative, "passed": found.expanded <= limit.indicative},
        ],
        "class": number,
        "classes": list(limit.classes),
        "verified": objectives.verified,
        "source": objectives.source,
    }, ""


def _verdict(
    table: Table | None, judged: list[Judged], conditions: list[Document], metrics: Document, pairs: Collocation
) -> dict[str, str]:
    who = f"{len(pairs.names)} unit{'' if len(pairs.names) == 1 else 's'} of {pairs.observed_property}"
    span = f"{len(pairs.reference):,} common {'hours' if pairs.per_day == 24 else 'days'}"
    if table is None:
        return {"status": "incomplete", "sentence": f"{who}: no targets were applied; the metrics stand on {span}."}
    failed = [one for one in judged if one.passed is False]
    short = [one for one in conditions if not one["met"]]
    unknown = [one for one in judged if one.passed is None]
    status = "fails" if failed else "incomplete" if unknown or short else "meets"
    verb = VERDICTS[status] if len(pairs.names) != 1 else VERDICTS[status].replace("do not meet", "does not meet")
    if status == "meets" and len(pairs.names) == 1:
        verb = "meets"
    reasons = [f"{_said(one, metrics)}, where {one.wanted} is asked" for one in failed]
    reasons += [f"{' and '.join(one.metrics)} could not be had" for one in unknown]
    reasons += [
        f"{one['condition']}: {one['found']:.3g}, where {one['wanted']:g} or more are asked" for one in short if one["wanted"]
    ]
    reasons += ["the calibration was fitted to these very readings" for one in short if not one["wanted"]]
    unsure = sum(1 for one in judged if one.passed and not one.is_sure)
    doubt = f"; {unsure} of {len(judged)} so narrowly that the interval crosses the target" if unsure and not failed else ""
    why = f": {'; '.join(reasons)}" if reasons else ""
    return {"status": status, "sentence": f"{who} {verb} the targets '{table.title}' over {span}{why}{doubt}."}


def _said(one: Judged, metrics: Document) -> str:
    return " and ".join(
        f"{name} is {metrics[name]['value']:.3g}" for name in one.metrics if metrics.get(name, {}).get("value") is not None
    )


def _number(value: float | None) -> float | None:
    """A number for JSON: None where it is none."""
    return None if value is None or not np.isfinite(value) else value


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
