"""A check made to be looked at: one page for the team that sends the data, and JUnit XML for machines.

The page has no scripts and loads nothing, says everything in words before it says it in colour, and prints well.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree

from data_contracts.contract import Contract
from data_contracts.gate import CheckReport, RuleResult
from data_contracts.privacy.masking import MASK, Example, masked_columns
from data_contracts.reports.page import STYLE, trend_picture

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MEND = (
    "Correct this where the data come from, and send the delivery again. What is binding has to hold before anything of it "
    "is used; rows that were set aside are kept, and nothing of them is used until they are mended."
)
STATUS_WORDS = {"passed": "kept", "failed": "broken", "skipped": "not checked"}


@dataclass(frozen=True)
class PastCheck:
    """An earlier check by the same contract.

    Attributes:
        label: What tells it from the others, such as the day and the run.
        rows: Rows judged.
        quarantined: Rows refused.
        passed: Whether the delivery passed.
    """

    label: str
    rows: int
    quarantined: int
    passed: bool


def html_page(
    report: CheckReport,
    contract: Contract,
    *,
    source: str,
    checked_at: datetime,
    rows: Sequence[Example] = (),
    past: Sequence[PastCheck] = (),
    notes: Sequence[str] = (),
) -> str:
    """One check as a static page.

    Args:
        report: The gate's report.
        contract: The contract of the check.
        source: What was checked, as its sender calls it.
        checked_at: When, UTC.
        rows: Examples of refused rows, masked (`data_contracts.privacy.masking.examples`).
        past: Earlier checks by the contract, oldest first.
        notes: What else the senders should know, a sentence each.

    Returns:
        The HTML document.
    """
    failed, skipped = _of(report, "failed"), _of(report, "skipped")
    blocking = [rule for rule in (*failed, *skipped) if rule.severity == "must"]
    word = "Accepted" if report.passed else "Refused"
    title = f"{word}: {source} by {contract.document.name or contract.id}"
    parts = [
        f'<header class="{"good" if report.passed else "bad"}"><p class="kicker">Check of a delivery</p>'
        f"<h1>{_e(source)}</h1><p class='verdict'><strong>{word}.</strong> {_e(_verdict(report, blocking))}</p>"
        f"<p>Contract <strong>{_e(contract.document.name or contract.id)}</strong> ({_e(contract.id)}, version "
        f"{_e(contract.version)}), checked on {checked_at:%-d %B %Y at %H:%M} UTC.</p>"
        f"{''.join(f'<p>{_e(note)}</p>' for note in notes)}</header>",
        _counts(report, len(failed), len(skipped)),
        _mend(failed, skipped, rows),
        _examples(rows, contract, report.quarantined),
        _rules(report),
        _trend(past, report),
        _about(contract),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_e(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>{''.join(part for part in parts if part)}</main></body></html>\n"
    )


def junit(report: CheckReport, *, source: str, checked_at: datetime) -> str:
    """One check as JUnit XML: a test case for each rule declared.

    The failures are exactly what made the check fail: broken *must* rules, and *must* rules that could not be executed.
    Other rules that were not executed are skipped; a broken *should* says so in its output.

    Args:
        report: The gate's report.
        source: What was checked.
        checked_at: When, UTC.

    Returns:
        The XML document.
    """
    refused = [rule for rule in report.rules if rule.severity == "must" and rule.status != "passed"]
    skipped = [rule for rule in report.rules if rule.severity != "must" and rule.status == "skipped"]
    totals = {"tests": len(report.rules), "failures": len(refused), "errors": 0, "skipped": len(skipped)}
    counted = {key: str(value) for key, value in totals.items()}
    suites = ElementTree.Element("testsuites", {"name": "data contracts", **counted})
    name = _text(f"{report.contract} {report.version}: {source}")
    suite = ElementTree.SubElement(
        suites, "testsuite", {"name": name, **counted, "timestamp": f"{checked_at:%Y-%m-%dT%H:%M:%S}"}
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key in ("rows", "accepted", "quarantined"):
        ElementTree.SubElement(properties, "property", {"name": key, "value": str(getattr(report, key))})
    for rule in report.rules:
        case = ElementTree.SubElement(suite, "testcase", {"classname": report.contract, "name": _text(rule.rule)})
        words = _text(rule.reason)
        if rule in refused:
            kind = "broken" if rule.status == "failed" else "not executed"
            ElementTree.SubElement(case, "failure", {"message": words, "type": kind}).text = words
        elif rule in skipped:
            ElementTree.SubElement(case, "skipped", {"message": words})
        elif rule.status == "failed":
            ElementTree.SubElement(case, "system-out").text = f"should, broken: {words}"
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _of(report: CheckReport, status: str) -> list[RuleResult]:
    return [rule for rule in report.rules if rule.status == status]


def _verdict(report: CheckReport, blocking: list[RuleResult]) -> str:
    if not report.rows:
        held = "The delivery holds no rows."
    elif not report.quarantined:
        held = f"All {report.rows:,} rows can be used."
    else:
        held = f"{report.accepted:,} of {report.rows:,} rows can be used, {report.quarantined:,} were set aside."
    if not blocking:
        return held
    count = "One binding rule is" if len(blocking) == 1 else f"{len(blocking)} binding rules are"
    return f"{count} not met, so the delivery cannot be used as it is. {held}"


def _counts(report: CheckReport, failed: int, skipped: int) -> str:
    figures = [
        (f"{report.rows:,}", "rows delivered"),
        (f"{report.accepted:,}", "rows accepted"),
        (f"{report.quarantined:,}", "rows set aside"),
        (f"{len(report.rules):,}", "rules declared"),
        (f"{len(report.rules) - skipped:,}", "rules executed"),
        (f"{failed:,}", "rules broken"),
        (f"{skipped:,}", "rules not executed"),
    ]
    items = "".join(f"<div><dt>{words}</dt><dd>{number}</dd></div>" for number, words in figures)
    return f'<section aria-labelledby="counts"><h2 id="counts">At a glance</h2><dl class="figures">{items}</dl></section>'


def _mend(failed: list[RuleResult], skipped: list[RuleResult], rows: Sequence[Example]) -> str:
    lines = []
    for rule in sorted(failed, key=lambda rule: (rule.severity != "must", -(rule.failed_rows or 0))):
        seen = next(((e.source_row, e.reasons[e.rules.index(rule.rule)]) for e in rows if rule.rule in e.rules), None)
        first = f"<br><span class='quiet'>For example row {seen[0]}:</span> {_e(seen[1])}" if seen else ""
        binding = "binding" if rule.severity == "must" else "advice, does not refuse the delivery"
        about = f"<span class='quiet'>(rule {_e(rule.rule)}; {binding})</span>"
        lines.append(f"<li><strong>{_e(_plain(rule.reason))}</strong> {about}{first}</li>")
    for rule in skipped:
        if rule.severity == "must":
            lines.append(f"<li><strong>{_e(rule.rule)}</strong> could not be checked: {_e(rule.reason)}</li>")
    if not lines:
        return ""
    return f'<section aria-labelledby="mend"><h2 id="mend">What to mend</h2><p>{MEND}</p><ol>{"".join(lines)}</ol></section>'


def _examples(rows: Sequence[Example], contract: Contract, refused: int) -> str:
    if not rows:
        return ""
    columns = list(dict.fromkeys(name for example in rows for name in example.row))
    head = "".join(f'<th scope="col">{_e(name)}</th>' for name in columns)
    body = ""
    for example in rows:
        marked = {name for name in columns for reason in example.reasons if re.search(rf"\b{re.escape(name)}\b", reason)}
        cells = "".join(
            f"<td{' class=wrong' if name in marked else ''}>{_value(example.row.get(name), name in marked)}</td>"
            for name in columns
        )
        reasons = "<br>".join(_e(reason) for reason in example.reasons)
        number = "-" if example.source_row is None else example.source_row
        body += f'<tr><th scope="row">{number}</th>{cells}<td class="why">{reasons}</td></tr>'
    hidden = sorted(masked_columns(contract) & set(columns))
    note = f"Values of {', '.join(hidden)} are masked ({MASK}): they may tell of a person." if hidden else ""
    return (
        f'<section aria-labelledby="examples"><h2 id="examples">Rows that were set aside</h2><div class="wide" tabindex="0" '
        f'role="region" aria-labelledby="examples"><table><caption>{len(rows)} of {refused:,} rows, up to three for each rule. '
        "Rows count from 1, without the header, where the data bring no number of their own. The value in question is "
        f"outlined. {_e(note)}</caption>"
        f'<thead><tr><th scope="col">Row in the source</th>{head}<th scope="col">Why</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _rules(report: CheckReport) -> str:
    order = {"failed": 0, "skipped": 1, "passed": 2}
    body = "".join(
        f'<tr class="{rule.status}"><th scope="row">{_e(rule.rule)}</th><td>{rule.severity}</td>'
        f'<td><span class="mark">{STATUS_WORDS[rule.status]}</span></td>'
        f"<td class=number>{'-' if rule.failed_rows is None else f'{rule.failed_rows:,}'}</td>"
        f"<td>{_e(_plain(rule.reason))}</td></tr>"
        for rule in sorted(report.rules, key=lambda rule: order[rule.status])
    )
    return (
        '<section aria-labelledby="rules"><h2 id="rules">Every rule of the contract</h2><div class="wide" tabindex="0" '
        'role="region" aria-labelledby="rules">'
        '<table id="rules-table"><caption>What was declared, what became of it '
        "and why. A broken or unchecked <em>must</em> refuses the delivery; a <em>should</em> does not. "
        "A row that breaks a rule is always set aside.</caption>"
        '<thead><tr><th scope="col">Rule</th><th scope="col">Binding</th><th scope="col">Result</th>'
        '<th scope="col" class="number">Rows</th><th scope="col">What was asked and found</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _trend(past: Sequence[PastCheck], report: CheckReport) -> str:
    if not past:
        return ""
    checks = [*past, PastCheck("this check", report.rows, report.quarantined, report.passed)]
    body = "".join(
        f'<tr><th scope="row">{_e(c.label)}</th><td class=number>{c.rows:,}</td><td class=number>{c.quarantined:,}</td>'
        f"<td class=number>{_share(c)}</td><td>{'accepted' if c.passed else 'refused'}</td></tr>"
        for c in checks
    )
    shares = [c.quarantined / c.rows if c.rows else 0.0 for c in checks]
    return (
        '<section aria-labelledby="trend"><h2 id="trend">Compared with earlier checks</h2>'
        f"{trend_picture([c.label for c in checks], shares, [c.passed for c in checks])}"
        '<div class="wide" tabindex="0" role="region" aria-labelledby="trend">'
        '<table><caption>Rows set aside under this contract, oldest first.</caption><thead><tr><th scope="col">Check</th>'
        '<th scope="col" class="number">Rows</th><th scope="col" class="number">Set aside</th>'
        '<th scope="col" class="number">Share</th><th scope="col">Result</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>"
    )


def _about(contract: Contract) -> str:
    told = contract.document.description
    words = [("What it is for", told.purpose), ("How it is used", told.usage), ("Its limits", told.limitations)] if told else []
    listed = "".join(f"<dt>{name}</dt><dd>{_e(text)}</dd>" for name, text in words if text)
    columns = "".join(
        f'<tr><th scope="row">{_e(column.name)}</th><td>{_e(column.logicalType or column.physicalType or "")}</td>'
        f"<td>{'yes' if column.required or column.primaryKey else 'no'}</td><td>{_e(column.description or '')}</td></tr>"
        for column in contract.columns
    )
    return (
        f'<section aria-labelledby="about"><h2 id="about">The contract</h2><dl>{listed}</dl>'
        '<div class="wide" tabindex="0" role="region" aria-labelledby="about"><table>'
        "<caption>The columns that are expected.</caption>"
        '<thead><tr><th scope="col">Column</th><th scope="col">Kind</th><th scope="col">Required</th>'
        f'<th scope="col">What it holds</th></tr></thead><tbody>{columns}</tbody></table></div></section>'
    )


def _plain(text: str) -> str:
    """A rule's reason in the words of people: operators of the standard spelled out."""
    text = re.sub(r"\b1 rows break it", "1 row breaks it", re.sub(r"\b0 rows break it", "no row breaks it", text))
    text = text.replace("no row breaks it; mustBe 0 rows", "no row breaks it").replace("; mustBe 0 rows", "; none may")
    return re.sub(r"\bmust(?:Not)?Be(?:[A-Z][a-z]+)*", lambda m: re.sub(r"(?<!^)(?=[A-Z])", " ", m[0]).lower(), text)


def _share(check: PastCheck) -> str:
    return f"{100 * check.quarantined / check.rows:.2f} %" if check.rows else "-"


def _value(value: str | None, is_marked: bool) -> str:
    shown = "<em>empty</em>" if value is None else _e(value if len(value) <= 60 else value[:59] + "…")
    return f"<mark>{shown}</mark>" if is_marked else shown


def _text(value: object) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _e(value: object) -> str:
    return html.escape(_text(value))
