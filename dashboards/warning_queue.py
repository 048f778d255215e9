"""Changes of level that were proposed, and who decided on them: what waits stands first."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import streamlit as st

from dashboards import layout
from dashboards.language import UNITS, Words
from dashboards.reading import Row, read, records

SHOWN = 10
"""So many rows stand on the page; the others open below."""
SHORT = 28
"""Letters of a pilot's title beside a place."""
DECIDED = {"approved": "✓", "rejected": "✕", "proposed": "○"}


@st.cache_data(max_entries=2, show_spinner=False)
def warnings_of(snapshot: int) -> list[Row]:
    """Every warning of the queue with its evidence: those that wait first, of them those that raise a level, the newest first.

    Args:
        snapshot: The lake's newest snapshot.
    """
    query = """
        FROM (SELECT DISTINCT ON (warning_id) * FROM lake.warnings_queue ORDER BY warning_id, proposed_at)
        ORDER BY status <> 'proposed', (evidence->>'$.is_raise') = 'false', interval_start_at DESC, district, warning_id
    """
    return [{**row, "evidence": json.loads(row["evidence"])} for row in read(lambda connection: records(connection, query))]


def show_warnings(titles: dict[str, str], snapshot: int, say: Words) -> None:
    """How many warnings wait for a person, and each with what it stands on."""
    st.header(say("warnings"), anchor=False)
    found = warnings_of(snapshot)
    layout.text(say("warnings_text") if found else say("warnings_none"))
    if not found:
        return
    waiting = sum(row["status"] == "proposed" for row in found)
    layout.facts(
        [
            (say("warnings_wait"), say.number(waiting), say("warnings_wait_note")),
            *(
                (say(f"warning_{word}"), say.number(sum(row["status"] == word for row in found)), say("warnings_by_name"))
                for word in ("approved", "rejected")
            ),
        ]
    )
    rows = [_row(row, titles, say) for row in found]
    layout.table(rows[:SHOWN], say("warnings_alt"))
    if rows[SHOWN:]:
        with st.expander(say("warnings_more", count=say.number(len(rows) - SHOWN))):
            layout.table(rows[SHOWN:], say("warnings_alt"))
    st.markdown(say("warnings_hint"))


def _row(row: Row, titles: dict[str, str], say: Words) -> dict[str, str]:
    evidence = row["evidence"]
    pilot = textwrap.shorten(titles.get(evidence.get("pilot_id", ""), ""), SHORT, placeholder="…")
    what = say.get(f"property_{row['observed_property']}", row["observed_property"])
    return {
        say("warning_status"): _status(row, say),
        say("warning_place"): layout.plain(row["district"]) + (f" ({layout.plain(pilot)})" if pilot else ""),
        say("warning_change"): layout.plain(f"{what}: {_level(row['from_level'], say)} → {_level(row['to_level'], say)}"),
        say("warning_why"): layout.plain(_why(evidence, say)),
        say("warning_based_on"): say(f"warning_{row['based_on']}"),
        say("warning_at"): f"{row['interval_start_at']:%Y-%m-%d %H:%M} UTC",
        say("warning_levels"): layout.plain(f"{row['levels']} {row['levels_version']}"),
        say("warning_id"): f"`{row['warning_id']}`",
    }


def _status(row: Row, say: Words) -> str:
    sign = DECIDED[row["status"]]
    if row["status"] == "proposed":
        return f"{sign} {say('warning_proposed')}"
    told = say("warning_by", status=say(f"warning_{row['status']}"), name=row["decided_by"], day=say.day(row["decided_at"]))
    return layout.plain(f"{sign} {told}" + (f": {row['note']}" if row["note"] else ""))


def _level(name: str, say: Words) -> str:
    return say("warning_no_level") if name == "none" else name.replace("_", " ")


def _why(evidence: dict[str, Any], say: Words) -> str:
    """The threshold, and the highest value that reached it; of a level that falls, the threshold alone."""
    own = evidence.get("unit", "")
    unit = "" if own == "count" else UNITS.get(own, own)
    digits = 0 if float(evidence["threshold"]).is_integer() else 1
    bound = f"{say.number(evidence['threshold'], digits)} {unit}".strip()
    values = [value for value in evidence["values"].values() if value is not None]
    if not evidence.get("is_raise") or not values:
        return say("warning_below", bound=bound)
    if own == "count":
        return f"≥ {bound}"  # people are not told exactly: open counts are rounded, and this would undo it
    return say("warning_reached", value=say.number(max(values), 1), bound=bound)
