"""Audits and calibrations of sensors, for people at a terminal."""

from __future__ import annotations

from typing import Any

from flows.show import table

Document = dict[str, Any]


def audit_sensor(document: Document) -> None:
    """The verdict, the targets and what was skipped."""
    print(document["verdict"]["sentence"])
    rows: list[list[object]] = []
    for target in (document["targets"] or {}).get("rows", []):
        found = ", ".join(f"{name} {told(document['metrics'][name])}" for name in target["metrics"])
        rows.append([target["wanted"], found, {True: "met", False: "not met", None: "not judged"}[target["passed"]]])
    rows += [
        [asked(one), "" if one["found"] is None else f"{one['found']:.4g}", "met" if one["met"] else "not met"]
        for one in document["conditions"]
    ]
    table(["asked", f"found [{document['level']:.0%} interval]", ""], rows)
    if document["uncertainty"] is not None:
        of = document["uncertainty"]
        print(f"expanded uncertainty {of['expanded']:.1f} % at {of['at']:g} {of['unit']} ({of['of']})")
    for line in channels(document):
        print(line)
    for one in document["skipped"]:
        print(f"skipped: {one['what']}: {one['why']}")


def channels(document: Document) -> list[str]:
    """What was set aside since the two channels of a device disagreed."""
    return [
        f"{name}: the channels disagree in {one['hours_disagree']:,} of {one['hours']:,} hours; {one['disagree']:,} readings "
        f"are not used for that, {one['alone']:,} for want of the other channel"
        for name, one in document["channels"].items()
    ]


def calibrate(document: Document) -> None:
    """The calibration and how it does on what came later."""
    terms = " ".join(f"{value:+.6g} x {term}" for term, value in zip(document["terms"], document["coefficients"], strict=True))
    print(
        f"{document['calibration']}: {document['observed_property']} = {document['intercept']:.6g} {terms} [{document['unit']}]"
    )
    rows: list[list[object]] = [
        [
            f"{(refitted['origin_s'] - document['first_s']) / 86_400:.0f}",
            *(_rmse(one) for one in (refitted["raw"], refitted["calibrated"], kept["calibrated"])),
        ]
        for refitted, kept in zip(document["evaluation"]["refitted"], document["evaluation"]["kept"], strict=True)
    ]
    for line in channels(document):
        print(line)
    table(["origin, days after the first", "RMSE raw", "RMSE fitted to all before", "RMSE fitted to the first days"], rows)
    if (found := document["evaluation"]["metrics"]) is not None:
        shown = ", ".join(
            f"{name} {told(found[name])}" for name in ("RMSE", "MB", "SD", "CV") if found[name]["value"] is not None
        )
        print(f"after the first days, each reading by a fit to those before it [95 % interval]: {shown}")


def asked(condition: Document) -> str:
    """What a condition asks of a collocation."""
    least = "" if condition["wanted"] is None else f": {condition['wanted']:g} or more"
    return f"{condition['condition']}{least}"


def told(metric: Document) -> str:
    """A metric with its interval."""
    if metric["value"] is None:
        return "-"
    if metric["lower"] is None or metric["upper"] is None:
        return f"{metric['value']:.3g}"
    return f"{metric['value']:.3g} [{metric['lower']:.3g}, {metric['upper']:.3g}]"


def _rmse(metrics: Document | None) -> str:
    return "-" if metrics is None or metrics["RMSE"] is None else f"{metrics['RMSE']:.3g}"
