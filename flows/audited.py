"""Counts with what an audit says of them: for `testbed count` and for the feeds of a pilot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from analytics.lake import Connection, open_lake
from analytics.video.counts import Counts
from analytics.video.formats.drawn import lines_of
from analytics.video.identity import counter_of, digest_of
from analytics.video.source import open_source
from experiments.audit.bounds import LEAST_INTERVALS
from experiments.audit.errors import agreement, errors
from experiments.audit.records import NO_CLOCK, Audit, Manual, bounds, find_audit, manual_of, other_audits
from experiments.metrics import ScoringError
from experiments.settings import Settings
from experiments.verdict import NOT_AUDITED

_CHANGED = {
    "detector": "the detector",
    "model": "the model",
    "lines": "the lines",
    "road_users": "the road users",
    "frame_rate": "the frame rate",
    "options": "how it looks and follows",
    "code": "the code that counts",
}
NEVER = "nobody has counted this by hand; run 'testbed audit'"


def has_lake(settings: Settings) -> bool:
    """Whether anything was ever kept: a lake is not made only to look for an audit."""
    catalog = settings.catalog
    return not catalog.startswith("sqlite:") or Path(catalog.removeprefix("sqlite:")).is_file()


def look_up(connection: Connection, site_id: str, counter: dict[str, Any]) -> tuple[Audit | None, Manual, str]:
    """The audit of a counter at a site, its counts by hand, and why there is none.

    An audit of another counter is void: what it found of that one says nothing of this one, and the reason tells what changed.
    """
    found = find_audit(connection, site_id, digest_of(counter))
    if found is not None:
        manual = manual_of(connection, found)
        taken = len({index for index, _ in manual})
        if taken >= LEAST_INTERVALS:
            return found, manual, ""
        drawn = int(found.sample.drawn.sum())
        return None, {}, f"{taken} of {drawn} drawn intervals were counted by hand; {LEAST_INTERVALS} are needed at least"
    others = other_audits(connection, site_id, digest_of(counter))
    if not others:
        return None, {}, NEVER
    before = others[0][3].counter
    changed = [words for name, words in _CHANGED.items() if before.get(name) != counter.get(name)]
    return (
        None,
        {},
        (
            f"the audit {others[0][0]} is void, since {' and '.join(changed)} changed after it; "
            "run 'testbed audit' again: counts by hand of the same recording and lines are used again"
        ),
    )


def summary(audit: Audit, manual: Manual) -> dict[str, Any]:
    """What an audit found, for a result: status, size, errors and agreement."""
    found = errors(audit, manual)
    return {
        "status": "audited",
        "reason": "",
        "audit_id": audit.audit_id,
        "site_id": audit.site_id,
        "intervals": len({index for index, _ in manual}),
        "wape": found[0]["wape"],
        "bias": found[0]["bias"],
        "agreement": agreement(manual),
        "errors": found,
    }


def unaudited(site_id: str, reason: str) -> dict[str, Any]:
    """A result without an audit."""
    nothing: dict[str, Any] = {
        "audit_id": None,
        "site_id": site_id,
        "intervals": 0,
        "wape": None,
        "bias": None,
        "agreement": None,
        "errors": [],
    }
    return {"status": "not audited", "reason": reason, **nothing}


def of_count(
    counts: Counts, site_id: str, source_digest: str, frame_rate: float | None, settings: Settings
) -> tuple[dict[tuple[str, str, str], tuple[int, int]], dict[str, Any]]:
    """Lower and upper end of every cell's total, and what the audit says; no ends where the count is not audited."""
    if not has_lake(settings):
        return {}, unaudited(site_id, NEVER)
    counter = counter_of(counts.detector, counts.lines, counts.road_users, frame_rate, dict(counts.options))
    with open_lake(settings.catalog, settings.lake_files) as connection:
        audit, manual, reason = look_up(connection, site_id, counter)
    if audit is None:
        return {}, unaudited(site_id, reason)
    length = audit.population.interval_s
    starts = np.arange(max(1, int(np.ceil(counts.video_s / length - 1e-9))), dtype=np.float64) * length
    tallies = [counts.tally(start, start + length) for start in starts.tolist()]
    automatic = np.array([[tally[cell] for tally in tallies] for cell in audit.population.cells], dtype=np.float64)
    try:
        found = bounds(audit, manual, starts, automatic, same_source=source_digest == audit.source_digest)
    except ScoringError as error:
        return {}, unaudited(site_id, str(error).removeprefix("not audited: "))
    chosen = np.arange(found.fitted.automatic.shape[1]) >= found.first
    totals = [found.fitted.total(number, chosen) for number in range(len(audit.population.cells))]
    ends = {cell: (one.lower, one.upper) for cell, one in zip(audit.population.cells, totals, strict=True)}
    return ends, summary(audit, manual)


def of_feed(connection: Connection, params: dict[str, Any], location: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The audit of a feed that counts video, as plain values for `bound_table`, and what a result says of it."""
    lines = lines_of(params["lines"], location, frame_rate=params.get("frame_rate"))
    road_users = params.get("road_users", ["any"])
    counter = counter_of(params.get("detector", "motion"), lines, road_users, params.get("frame_rate"), params)
    audit, manual, reason = look_up(connection, params["site_id"], counter)
    if audit is None:
        return None, unaudited(params["site_id"], reason)
    if audit.population.interval_s != params.get("interval_s", 15):
        reason = f"the audit is of intervals of {audit.population.interval_s} s; counts of others cannot take it over"
        return None, unaudited(params["site_id"], reason)
    with open_source(location) as opened:
        same_source = audit.source_digest in ("", opened.digest())  # published intervals are this site's own
    given = {
        "audit_id": audit.audit_id,
        "document": audit.to_json(),
        "manual": [[index, who, [[*cell, n] for cell, n in counts.items()]] for (index, who), counts in sorted(manual.items())],
        "same_source": same_source,
    }
    return given, summary(audit, manual)


def bound_table(connection: Connection, table: str, given: dict[str, Any]) -> None:
    """Fill `lower` and `upper` of a table of the contract `counts_by_interval`; intervals that were not seen keep none.

    Args:
        connection: Connection that sees the table.
        table: The table, of one site.
        given: From `of_feed`.
    """
    audit = Audit.from_json(given["audit_id"], given["document"])
    manual: Manual = {
        (index, who): {(line, way, user): n for line, way, user, n in counts} for index, who, counts in given["manual"]
    }
    rows = connection.execute(
        f"SELECT line, direction, road_user, interval_start_at, crossings FROM {table} WHERE crossings IS NOT NULL"
    ).fetchall()
    instants: list[datetime] = sorted({row[3] for row in rows})
    if not instants:
        return
    place = {at: number for number, at in enumerate(instants)}
    cells = {cell: number for number, cell in enumerate(audit.population.cells)}
    automatic = np.zeros((len(cells), len(instants)))
    for line, way, user, at, crossings in rows:
        automatic[cells[line, way, user], place[at]] = crossings
    origin = audit.started_at if given["same_source"] and audit.started_at != NO_CLOCK else instants[0]
    starts = np.array([(at - origin).total_seconds() for at in instants])
    found = bounds(audit, manual, starts, automatic, same_source=given["same_source"])
    lower, upper = found.fitted.each()
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE bounded (line VARCHAR, direction VARCHAR, road_user VARCHAR, start_at TIMESTAMPTZ, "
        "low INTEGER, high INTEGER)"
    )
    connection.executemany(
        "INSERT INTO bounded VALUES (?, ?, ?, ?, ?, ?)",
        [
            [*row[:4], *(int(ends[cells[row[0], row[1], row[2]], found.first + place[row[3]]]) for ends in (lower, upper))]
            for row in rows
        ],
    )
    connection.execute(
        f"UPDATE {table} AS t SET lower = b.low, upper = b.high FROM bounded AS b WHERE t.line = b.line AND "
        "t.direction = b.direction AND t.road_user = b.road_user AND t.interval_start_at = b.start_at"
    )


def sentence(audits: Sequence[dict[str, Any]]) -> str:
    """What the answer of a pilot says of its counts' error; empty where no video was counted."""
    if not audits:
        return ""
    done = [one for one in audits if one["status"] == "audited"]
    if len(done) < len(audits):
        return NOT_AUDITED
    parts = []
    for one in done:
        error = "" if one["wape"] is None else f": {one['wape']:.0f} % counted wrong, {one['bias']:+.0f} % in all"
        parts.append(f"{one['intervals']} intervals of {one['site_id']} were counted by hand{error}")
    return f"The counts have been audited: {'; '.join(parts)}."
