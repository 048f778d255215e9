"""Every search for faults over every sensor of a relation: what was found, and what was not searched and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analytics.lake import Connection
from analytics.sensing.quality.clocks import find_clock_shifts
from analytics.sensing.quality.codes import find_codes
from analytics.sensing.quality.copies import find_copies
from analytics.sensing.quality.dead import find_dead
from analytics.sensing.quality.drift import find_drifts
from analytics.sensing.quality.dst import find_clock_changes
from analytics.sensing.quality.findings import EVENTS, Finding, Found, Skipped, write_findings
from analytics.sensing.quality.grid import Series, load_series
from analytics.sensing.quality.handover import find_channel_changes
from analytics.sensing.quality.levels import find_level_shifts
from analytics.sensing.quality.uptime import find_unmeasured
from analytics.sensing.readings import quoted

MEASURED: dict[str, Callable[[Series], Found]] = {
    "uptime": find_unmeasured,
    "codes": find_codes,
    "dead": find_dead,
    "copies": find_copies,
}
"""Searches for what was not measured, in order: what one finds, the next ones do not look at."""
COMPARED: dict[str, Callable[[Series], Found]] = {
    "handover": find_channel_changes,
    "clocks": find_clock_shifts,
    "dst": find_clock_changes,
    "levels": find_level_shifts,
    "drift": find_drifts,
}
"""Searches in what was measured."""


@dataclass(frozen=True)
class Faults:
    """What all searches found in a relation.

    Attributes:
        findings: By observed property, site and start.
        skipped: Searches that were not done, with the reason; nothing else was left out.
        searched: Search -> number of sensors that it looked at.
    """

    findings: list[Finding]
    skipped: list[Skipped]
    searched: dict[str, int]

    def document(self) -> dict[str, Any]:
        """The same as JSON knows it."""
        told = [{**vars(one), "start_at": one.start_at.isoformat(), "end_at": one.end_at.isoformat()} for one in self.findings]
        return {"findings": told, "skipped": [vars(one) for one in self.skipped], "searched": self.searched}


def find_faults(connection: Connection, readings: str, *, table: str, timezone: str = "UTC") -> Faults:
    """Run every search over every sensor.

    Creates `table` with one row per finding (`site_id`, `observed_property`, `kind`, `start_at`, `end_at`, `confidence`,
    `evidence` as JSON) and the view `<table>_flags`: the readings, as they were, with `flags` completed by the kinds of the
    findings they lie in. Findings of kinds in `EVENTS` flag nothing.

    Args:
        connection: Holds the readings.
        readings: Table or view with `site_id`, `observed_property`, `interval_start_at` (TIMESTAMPTZ), `interval_s`, `value`,
            `coverage` and `flags`.
        table: Table to create.
        timezone: IANA name of the clock that people live by where the sensors stand.

    Returns:
        What was found, and what was not searched.

    Raises:
        SourceError: The time zone is unknown.
    """
    networks, skipped = load_series(connection, readings, timezone=timezone)
    findings = list[Finding]()
    searched = dict.fromkeys([*MEASURED, *COMPARED], 0)
    for series in networks:
        measured = series
        for searches, narrow in ((MEASURED, True), (COMPARED, False)):
            for name, search in searches.items():
                found = search(measured)
                findings += found.findings
                skipped += found.skipped
                left_out = {one.site_id for one in found.skipped if one.search == name and name != "clocks"}
                searched[name] += 0 if "*" in left_out else len(set(series.sites) - left_out)
                if narrow:
                    measured = measured.without_findings(found.findings)
    findings.sort(key=lambda one: (one.observed_property, one.site_id, one.start_at, one.kind))
    write_findings(connection, findings, table)
    _flag(connection, readings, table)
    return Faults(findings, skipped, searched)


def _flag(connection: Connection, readings: str, table: str) -> None:
    """Make the view of readings with the kinds of the findings they lie in.

    Edges of findings, not findings, are joined: each reading looks up the last edge of its sensor before it.
    """
    events = ", ".join(f"'{kind}'" for kind in EVENTS)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table + "_edges")} AS
        WITH kept AS (FROM {quoted(table)} WHERE kind NOT IN ({events})),
        edges AS (
            SELECT DISTINCT site_id, observed_property, unnest([start_at, end_at]) AS edge_at FROM kept
        )
        SELECT e.site_id, e.observed_property, edge_at,
               string_agg(DISTINCT kind, ',' ORDER BY kind) FILTER (kind IS NOT NULL) AS kinds
        FROM edges e LEFT JOIN kept k ON k.site_id = e.site_id AND k.observed_property = e.observed_property
             AND e.edge_at >= k.start_at AND e.edge_at < k.end_at
        GROUP BY ALL
        """
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW {quoted(table + "_flags")} AS
        SELECT r.* REPLACE (nullif(concat_ws(',', r.flags, list_aggregate(list_filter(string_split(e.kinds, ','),
                   kind -> NOT list_contains(string_split(coalesce(r.flags, ''), ','), kind)), 'string_agg', ',')), '')
               AS flags)
        FROM {quoted(readings)} r ASOF LEFT JOIN {quoted(table + "_edges")} e
             ON r.site_id = e.site_id AND r.observed_property = e.observed_property AND r.interval_start_at >= e.edge_at
        """
    )
