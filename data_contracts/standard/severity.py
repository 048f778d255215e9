"""Severity: the standard leaves its words open; here each means *must* (stops a run) or *should* (does not)."""

from __future__ import annotations

from typing import Literal

from open_data_contract_standard.model import DataQuality

Severity = Literal["must", "should"]

MUST_WORDS = ("must", "error", "critical", "high", "major", "blocker", "fatal")
SHOULD_WORDS = ("should", "info", "warning", "warn", "low", "medium", "minor", "notice")


def severity_of(word: str | None, default: Severity = "must") -> Severity:
    """What a severity word means.

    Args:
        word: The word of the contract, in any case; None where it says nothing.
        default: What holds where nothing is said, or a word that is in neither list.

    Returns:
        `must` or `should`.

    Source:
        ODCS 3.2, `quality.severity`: free text, with info, warning and error as examples.
    """
    said = str(word or "").strip().lower()
    if said in SHOULD_WORDS:
        return "should"
    return "must" if said in MUST_WORDS else default


def severity_of_rule(rule: DataQuality) -> Severity:
    """Severity of a quality rule: *must* unless it says otherwise, but for a rule in words, which nobody can execute."""
    return severity_of(rule.severity, "should" if rule.type == "text" else "must")
