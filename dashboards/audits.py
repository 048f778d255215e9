"""How wrong the counts of a pilot were where somebody counted by hand."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import layout
from dashboards.language import Words
from dashboards.queries import Run

_SHOWN = ("all", "class", "light", "occlusion", "flow")
_SMALL = 10  # an error of fewer crossings would tell how many there were


def _error(row: dict[str, Any], key: str, say: Words) -> str:
    value = row[key]
    if value is None or max(row["manual"], row["automatic"]) < _SMALL:
        return say("audit_no_sample")
    return say.percent(value / 100, signed=key == "bias")


def show_audits(run: Run, say: Words) -> None:
    """A table for each audited feed; walking and cycling always have a row of their own. Counts below 10 tell no error."""
    for audit in run.document.get("audits", []):
        if audit["status"] != "audited":
            if "void" in audit["reason"]:  # that nobody ever counted is said already
                layout.text(say("audit_reason", reason=audit["reason"]))
            continue
        layout.text(say("audit_text", intervals=audit["intervals"], site=audit["site_id"]))
        rows = [
            {
                say("audit_where"): " ".join(
                    (say(f"audit_by_{row['by']}"), say.texts.get(f"audit_{row['group']}", row["group"]))
                )
                if row["by"] != "all"
                else say("audit_by_all"),
                say("audit_intervals"): say.number(row["intervals"]),
                say("audit_wrong"): _error(row, "wape", say),
                say("audit_bias"): _error(row, "bias", say),
            }
            for row in audit["errors"]
            if row["by"] in _SHOWN
        ]
        with st.expander(say("audit_title"), expanded=False):
            layout.table(rows, say("audit_title"), figures=[say(f"audit_{name}") for name in ("intervals", "wrong", "bias")])
