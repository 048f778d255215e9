"""The audit of a sensor as one page: verdict, targets, picture. No scripts, nothing loaded, words before colours."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from analytics.sensing.calibration.collocation import Collocation
from analytics.sensing.readings import SourceError
from data_contracts.reports.page import STYLE
from experiments.collocation_plot import collocation_svgs
from flows.show_sensing import asked, channels, told

Document = dict[str, Any]

WORDS = {"meets": "Meets the targets.", "fails": "Does not meet the targets.", "incomplete": "Cannot be said."}
MARKS = {True: ("passed", "met"), False: ("failed", "not met"), None: ("skipped", "not judged")}
EXPLAINED = {
    "slope": "slope of sensor against reference; 1 is best",
    "intercept": "what the sensor shows where the reference is 0",
    "R2": "share of the sensor's variance that a line explains",
    "RMSE": "root mean square error",
    "NRMSE": "the same in percent of the reference's mean",
    "MB": "mean bias, sensor minus reference",
    "MGE": "mean absolute error",
    "NMB": "bias in percent of the reference",
    "NMGE": "mean absolute error in percent of the reference; of counts the WAPE",
    "SD": "standard deviation between units",
    "CV": "the same in percent",
}
MORE = """
.pictures{display:flex;flex-wrap:wrap;gap:.5rem}.pictures svg{flex:1 1 15rem;min-width:0}
.pictures svg:first-child{flex:1.6 1 24rem}
[aria-labelledby=metrics] :is(th,td:nth-child(2)){white-space:nowrap}
@media print{@page{size:A4;margin:10mm}html{font-size:7.2pt}body{font-size:1rem;line-height:1.3}header{margin:0 0 .5rem}
h1{font-size:1.7rem;margin:.1rem 0}h2{margin:.7rem 0 .15rem;font-size:1.15rem}h3{margin:.3rem 0;font-size:1rem}
p,ul{margin:.2rem 0}figure{margin:0}.pictures{flex-wrap:nowrap}.pictures svg{height:4.6cm}caption{padding:0;max-width:none}
th,td{padding:.14rem .6rem .14rem 0}tbody th{min-width:0}.verdict{font-size:1.1rem}
li{margin:0}.more{columns:2;column-gap:7mm}.more h2{margin-top:0}.more section{break-inside:avoid;margin-bottom:.7rem}}
"""


def write_page(document: Document, pairs: Collocation, path: Path) -> None:
    """Write the page.

    Raises:
        SourceError: The file cannot be written.
    """
    try:
        path.write_text(audit_page(document, pairs), encoding="utf-8")
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be written ({error.strerror}); expected a folder that exists; correct --html"
        ) from None


def audit_page(document: Document, pairs: Collocation) -> str:
    """One audit as a static page.

    Args:
        document: From `flows.audit_sensor.audit_files`.
        pairs: The pairs it stands on.

    Returns:
        The HTML document.
    """
    verdict = document["verdict"]
    title = f"Sensor audit: {document['observed_property']}, {document['start_at'][:10]} to {document['end_at'][:10]}"
    kind = "good" if verdict["status"] == "meets" else "bad"
    many = f"{len(document['units'])} unit{'' if len(document['units']) == 1 else 's'}"
    calibration = f", calibrated with {_e(document['calibration'])}" if document["calibration"] else ", as the sensors give it"
    parts = [
        f'<header class="{kind}"><p class="kicker">Audit of sensors beside a reference</p><h1>{_e(title)}</h1>'
        f'<p class="verdict"><strong>{WORDS[verdict["status"]]}</strong> {_e(verdict["sentence"])}</p>'
        f"<p>{many}{calibration}; {document['intervals']:,} of {document['expected']:,} "
        f"{'hours' if document['interval_s'] == 3600 else 'days'} measured by both.</p></header>",
        _picture(document, pairs),
        _targets(document),
        f'<div class="more">{_units(document)}{_uncertainty(document)}{_metrics(document)}</div>',
        _about(document),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_e(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{MORE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _picture(document: Document, pairs: Collocation) -> str:
    found = document["metrics"]
    slope, intercept = found["slope"]["value"], found["intercept"]["value"]
    unit = document["unit"]
    name = f"{document['observed_property']}, {unit}"
    words = (
        f"First: the reference and the mean of the units over time. Second: each pair of sensor and reference, the line of "
        f"equal values and the line of least squares. The reference lies between {pairs.reference.min():.3g} and "
        f"{pairs.reference.max():.3g} {unit}; the sensors differ from it by {_value(found['MB'])} {unit} on average."
    )
    svgs = collocation_svgs(pairs, name, slope=slope, intercept=intercept)
    said = _e(words)
    return (
        f'<figure><div class="pictures" role="img" aria-label="{said}">{"".join(svgs)}</div>'
        f'<figcaption class="quiet">{said}</figcaption></figure>'
    )


def _targets(document: Document) -> str:
    targets = document["targets"]
    rows = []
    for one in targets["rows"] if targets else ():
        kind, word = MARKS[one["passed"]]
        found = ", ".join(f"{name} {told(document['metrics'][name])}" for name in one["metrics"])
        sure = (
            "" if one["passed"] is None else "the interval leaves no doubt" if one["is_sure"] else "the interval leaves doubt"
        )
        rows.append(_row(kind, [_e(one["wanted"]), _e(found), f'<span class="mark">{word}</span>', sure]))
    for one in document["conditions"]:
        kind, word = MARKS[one["met"]]
        found = "" if one["found"] is None else f"{one['found']:.4g}"
        rows.append(_row(kind, [_e(asked(one)), found, f'<span class="mark">{word}</span>', "of the collocation"]))
    if not rows:
        return ""
    about = (
        f"{targets['title']}, since {targets['effective']} (table {targets['id']}, version {targets['version']}). "
        f"Source: {targets['source']}. {'' if targets['verified'] else 'Not verified at its source.'}"
        if targets
        else "No targets were applied."
    )
    return _table("targets", "Targets", about, ["Asked", "Found [interval]", "Result", ""], rows)


def _metrics(document: Document) -> str:
    rows = [
        _row("", [name, told(metric), _e(EXPLAINED[name])])
        for name, metric in document["metrics"].items()
        if name in EXPLAINED and metric["value"] is not None
    ]
    left = document["left_out"]
    note = (
        f"With {document['level']:.0%} intervals: how far these units could have come out in another time like this one, from "
        f"leaving out {left['stretches']} long and {left['parts']} short parts one by one. On invented months of PM2.5, 95 % "
        "intervals held the truth in 90 to 98 of 100 where errors last hours, in 85 to 98 with smoke or errors of days. "
        "Another season, and drift, are beyond them. "
        f"Slope, intercept and R2 are means over units. Unit: {document['unit']}."
    )
    return _table("metrics", "All metrics", note, ["Metric", "Value [interval]", "Meaning"], rows)


def _units(document: Document) -> str:
    shown = ("slope", "intercept", "R2", "RMSE", "MB")
    rows = [
        _row("", [_e(one["name"]), f"{one['n']:,}", f"{one['uptime']:.1%}", *(_of(one[name]) for name in shown)])
        for one in document["units"]
    ]
    note = "Uptime is the share of all intervals for which a unit gave a value, whether the reference did or not."
    return _table("units", "Each unit", note, ["Unit", "Pairs", "Uptime", *shown], rows)


def _uncertainty(document: Document) -> str:
    found = document["uncertainty"]
    if found is None:
        return ""
    rows = [_row(*_objective(one["name"], one["most"], one["passed"])) for one in found["objectives"]] + [
        _row(*_objective(f"CEN/TS 17660 class {number}", most, found["expanded"] <= most))
        for number, most in enumerate(found["classes"], start=1)
    ]
    reach = "" if found["reaches"] else " The reference never reached it: the line is carried on beyond what was measured."
    note = (
        f"{found['expanded']:.1f} % at {found['at']:g} {found['unit']} ({found['of']}), from an orthogonal fit.{reach} "
        f"Source: {found['source']}. {'' if found['verified'] else 'Not verified at its source.'}"
    )
    return _table("uncertainty", "Expanded uncertainty at the limit value", note, ["Objective", "At most, %", "Result"], rows)


def _objective(name: str, most: float, passed: bool) -> tuple[str, list[str]]:
    kind, word = MARKS[passed]
    return kind, [_e(name), f"{most:g}", f'<span class="mark">{word}</span>']


def _about(document: Document) -> str:
    clock = document["clock"]
    lines = [f"{one['what']}: {one['why']}" for one in document["skipped"]]
    skipped = f"<h3>Not done, and why</h3><ul>{''.join(f'<li>{_e(line)}</li>' for line in lines)}</ul>" if lines else ""
    moved = (
        ""
        if clock is None
        else f"<p>Clocks: {clock['moved_h']:+d} h were added to the reference's stamps; the best correlation "
        f"({clock['correlation']:.3f}) is at {clock['hours']:+d} h.</p>"
    )
    files = "".join(
        f"<li>{_e(name)}: {document['rows'][name]:,} readings, {document['refused'][name]:,} refused"
        f"{''.join(f' ({_e(why)})' for why in document['reasons'][name])}; SHA-256 {digest[:16]}…</li>"
        for name, digest in document["digests"].items()
    )
    files += "".join(f"<li>{_e(line)}</li>" for line in channels(document))
    return (
        f'<section aria-labelledby="about"><h2 id="about">What this stands on</h2>{skipped}{moved}<ul>{files}</ul>'
        f"<p>{document['unpaired']:,} intervals had only one side.</p></section>"
    )


def _table(name: str, title: str, caption: str, header: list[str], rows: list[str]) -> str:
    head = "".join(f'<th scope="col">{one}</th>' if one else "<td></td>" for one in header)
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2><div class="wide" tabindex="0" role="region" '
        f'aria-labelledby="{name}"><table><caption>{_e(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _row(kind: str, cells: list[str]) -> str:
    first, *rest = cells
    return f'<tr class="{kind}"><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'


def _value(metric: Document) -> str:
    return _of(metric["value"])


def _of(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _e(text: object) -> str:
    return html.escape(str(text))
