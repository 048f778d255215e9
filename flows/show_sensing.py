"""Audits and calibrations of sensors, for people at a terminal."""

from __future__ import annotations

from typing import Any

from flows import show
from flows.show import table

Document = dict[str, Any]


WORDS = {
    "air_quality_index": "air quality index",
    "limit_exceedances": "limits",
    "threshold_episodes": "episodes above thresholds",
    "noise_indicators": "noise indicators",
    "footfall_totals": "totals",
}
NEWEST = 14
"""So many of the newest days, weeks and years of a site are printed; all are in --json and --out."""


def sense(document: Document) -> None:
    """Flags and outages, and the figures that were asked for."""
    show.sense(document)
    for contract, told_of in (document.get("figures") or {}).items():
        if contract == "files":
            print("".join(f"\nwritten: {file}" for file in told_of))
            continue
        print(f"\n{WORDS[contract]}{'' if told_of['passed'] is not False else ' (does not pass its contract)'}:")
        if told_of["not_evaluated"]:
            print(f"not evaluated: {told_of['not_evaluated']}")
            continue
        SHOWN[contract](told_of["found"])


def _indices(rows: list[Document]) -> None:
    def short(one: Document | None) -> str:
        return "-" if one is None else f"{one['index_value']} {one['band']} ({one['interval_start_at']})"

    table(
        ["site", "index", "version", "of", "newest", "highest", "periods", "without", "why without"],
        [
            [
                *(row["site_id"], row["index_id"], row["index_version"], row["observed_property"]),
                *(short(row["newest"]), short(row["highest"]), row["periods"], row["without_index"]),
                ", ".join(f"{flag} {periods:,}" for flag, periods in row["why"].items()),
            ]
            for row in rows
        ],
    )


def _limits(rows: list[Document]) -> None:
    judged = {True: "exceeded", False: "kept", None: "cannot tell yet"}
    table(
        ["site", "table", "version", "year", "limit", "found", "above", "allowed", "", "why"],
        [
            [
                *(row["site_id"], row["index_id"], row["index_version"], str(row["year"])),
                f"{row['level']} {row['observed_property']} {row['statistic']} {row['limit_value']:g} {row['unit']}",
                f"{row['value']:.4g}",
                *("-" if row[name] is None else str(row[name]) for name in ("exceedances", "allowed")),
                judged[row["is_exceeded"]],
                row["flags"] or "",
            ]
            for row in rows
        ],
    )


def _episodes(rows: list[Document]) -> None:
    table(
        ["site", "threshold", "version", "from", "to", "periods", "highest"],
        [
            [
                row["site_id"],
                f"{row['level']} {row['observed_property']} {row['statistic']} {row['threshold']:g} {row['unit']}",
                *(row["index_version"], row["start_at"], row["end_at"], row["periods"], f"{row['highest']:.4g}"),
            ]
            for row in rows
        ],
    )


def _noise(rows: list[Document]) -> None:
    spans: dict[tuple[str, str, str], dict[str, Document]] = {}
    for row in _newest(rows, "interval_start_at", ("site_id", "period", "indicator")):
        spans.setdefault((row["site_id"], row["period"], row["interval_start_at"]), {})[row["indicator"]] = row

    def level(of: dict[str, Document], name: str) -> str:
        return "-" if of[name]["value"] is None else f"{of[name]['value']:.1f}"

    names = {"laeq": "LAeq", "lden": "Lden", "lnight": "Lnight", "l10": "L10", "l50": "L50", "l90": "L90"}
    table(
        ["site", "of", "from", *names.values(), "measured", "band", "why some are not told"],
        [
            [
                *(*span, *(level(of, name) for name in names), f"{of['laeq']['coverage']:.0%}", _band(of["lden"])),
                ", ".join(sorted({flag for one in of.values() for flag in (one["flags"] or "").split(",") if flag})),
            ]
            for span, of in sorted(spans.items())
        ],
    )
    if rows:
        print(f"in dB(A); Lden of less than a year is of that period only. Tables: {rows[0]['index_version']}")


def _band(lden: Document) -> str:
    """The band of the Directive, which is of whole years."""
    return lden["band"] or "" if lden["name"] == "Lden" else ""


def _totals(rows: list[Document]) -> None:
    newest = _newest(rows, "period_start", ("site_id", "road_user", "period"))

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:,.0f}"

    table(
        ["site", "who", "period", "from", "counted", "total", "90 % interval", "measured"],
        [
            [
                *(row["site_id"], row["road_user"], row["period"], row["period_start"], number(row["measured"])),
                number(row["estimate"]) if row["estimate"] is not None else "too little measured",
                f"{number(row['lower'])} to {number(row['upper'])}" if row["estimate"] is not None else "",
                f"{row['coverage']:.1%}",
            ]
            for row in newest
        ],
    )


def _newest(rows: list[Document], instant: str, by: tuple[str, ...]) -> list[Document]:
    """The newest rows of each group, oldest first."""
    groups: dict[tuple[Any, ...], list[Document]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return [row for group in groups.values() for row in sorted(group, key=lambda row: str(row[instant]))[-NEWEST:]]


SHOWN = {
    "air_quality_index": _indices,
    "limit_exceedances": _limits,
    "threshold_episodes": _episodes,
    "noise_indicators": _noise,
    "footfall_totals": _totals,
}


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
