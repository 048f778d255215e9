"""What a search for faults reports: a fault with its times and its evidence, or why something was not searched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from analytics.lake import Connection
from analytics.sensing.readings import quoted

ALPHA = 0.01
"""Most findings of one kind that a whole network without faults may have by chance, in expectation. Every threshold follows."""

NOT_MEASURED = ("not_measured", "missing_code", "stuck_zero", "stuck_value", "copied_day")
"""Kinds of faults whose values were not measured; the other searches leave these rows out."""
SUSPECT = ("same_readings", "clock_shift", "clock_change", "doubled_hour", "mislabelled_hour", "level_shift", "drift")
"""Kinds of faults whose values were measured, but not when or as much as they say."""
EVENTS = ("channel_change", "common_shift", "lost_hour")
"""Kinds of findings that flag no row: they say what happened to a network."""


@dataclass(frozen=True)
class Finding:
    """A fault of one sensor.

    Attributes:
        site_id: The sensor's place.
        observed_property: What it observes.
        kind: One of `NOT_MEASURED`, `SUSPECT` or `EVENTS`.
        start_at: First instant concerned, UTC.
        end_at: First instant no longer concerned, UTC.
        confidence: One minus how many such findings a network without faults is expected to have by chance; 1 where the
            source itself says it.
        evidence: The numbers it stands on.
    """

    site_id: str
    observed_property: str
    kind: str
    start_at: datetime
    end_at: datetime
    confidence: float
    evidence: dict[str, float | str]


@dataclass(frozen=True)
class Skipped:
    """A search that was not done.

    Attributes:
        search: Name of the search.
        site_id: The sensor's place; `*` for all.
        observed_property: What it observes.
        reason: Why.
    """

    search: str
    site_id: str
    observed_property: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What one search found in one observed property, and what it could not search."""

    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def instant(seconds: float) -> datetime:
    """An instant in UTC from seconds since 1970."""
    return datetime.fromtimestamp(float(seconds), UTC)


def write_findings(connection: Connection, findings: list[Finding], table: str) -> None:
    """Create `table` with one row per finding: its attributes, `evidence` as JSON."""
    columns = ("site_id", "observed_property", "kind", "start_at", "end_at", "confidence")
    kinds = (pa.string(), pa.string(), pa.string(), *(pa.timestamp("us", tz="UTC"),) * 2, pa.float64())
    arrays = [pa.array([getattr(one, name) for one in findings], type=kind) for name, kind in zip(columns, kinds, strict=True)]
    arrays.append(pa.array([json.dumps(one.evidence) for one in findings], type=pa.string()))
    connection.register("findings_batch", pa.Table.from_arrays(arrays, names=[*columns, "evidence"]))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS FROM findings_batch")
    connection.unregister("findings_batch")
