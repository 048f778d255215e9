"""One-off e-sensing: read, judge every reading, list outages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analytics.lake import memory, shut_in
from analytics.sensing.footfall.hours import count_footfall
from analytics.sensing.formats import READERS
from analytics.sensing.readings import SourceError
from data_contracts.contract import load_contract
from data_contracts.gate import CheckReport, check

PROPERTIES = {"footfall": ("footfall_readings", "counts_hourly")}
"""Observed property -> raw contract and result contract."""
OUTAGES = {"stuck_zero": "zeros where people usually walk", "copied_day": "a copy of earlier hours"}
"""Flags that mean that nothing was measured, with what they mean."""


def sense_files(
    files: list[str],
    read_as: str,
    observed: str,
    *,
    timezone: str,
    day_starts_at_hour: int = 0,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Read files of one observed property and judge every reading.

    Args:
        files: Paths.
        read_as: Name of a reader, or `auto`.
        observed: Observed property.
        timezone: IANA name of the local clock.
        day_starts_at_hour: Hour at which the files' day begins. [h]
        now: Instant at which service levels are judged; the time of the call where none is given.

    Returns:
        The document of `testbed sense --json`.

    Raises:
        SourceError: A file cannot be read, or the reader or the property is unknown.
    """
    if observed not in PROPERTIES:
        raise SourceError(f"property '{observed}' is unknown; expected one of {', '.join(PROPERTIES)}; correct --property")
    if read_as not in ("auto", *READERS):
        raise SourceError(f"format '{read_as}' is unknown; expected auto or one of {', '.join(READERS)}; correct --format")
    raw, result = PROPERTIES[observed]
    reader = "wide_hourly_csv" if read_as == "auto" else read_as
    rows, sites, flags, outages = 0, set[str](), dict[str, int](), list[dict[str, Any]]()
    at, checks = now or datetime.now(UTC), list[dict[str, Any]]()
    for file in files:
        if not Path(file).is_file():
            raise SourceError(f"{file}: the file was not found; expected a file of readings; correct the path")
        with memory() as connection:
            READERS[reader](connection, file, table="read")
            shut_in(connection)
            first = check(connection, "read", load_contract(raw), accepted="received", quarantined="refused", now=at)
            rows += first.rows
            flags["refused"] = flags.get("refused", 0) + first.quarantined
            count_footfall(connection, "received", table="hours", timezone=timezone, day_starts_at_hour=day_starts_at_hour)
            second = check(connection, "hours", load_contract(result), accepted="accepted", quarantined="quarantined", now=at)
            checks += [_told(file, report) for report in (first, second)]
            sites |= {str(row[0]) for row in connection.execute("SELECT DISTINCT site_id FROM read").fetchall()}
            for flag, number in connection.execute(
                "SELECT flag, count(*) FROM (SELECT unnest(string_split(flags, ',')) AS flag FROM hours) GROUP BY 1 ORDER BY 1"
            ).fetchall():
                flags[str(flag)] = flags.get(str(flag), 0) + int(number)
            for flag, reason in OUTAGES.items():
                outages += [
                    {"site_id": site, "start_at": start.isoformat(), "end_at": end.isoformat(), "reason": reason}
                    for site, start, end in connection.execute(_OUTAGES, [flag]).fetchall()
                ]
    outages.sort(key=lambda outage: (outage["site_id"], outage["start_at"]))
    return {
        "files": files,
        "format": reader,
        "rows": rows,
        "sites": sorted(sites),
        "properties": [observed],
        "flags": flags,
        "outages": outages,
        "intervals": 3600,
        "judged_at": at.astimezone(UTC).isoformat(),
        "checks": checks,
    }


def _told(file: str, report: CheckReport) -> dict[str, Any]:
    """What the gate said about a file: whether it passed, and why each rule did not that was not kept."""
    told = {key: getattr(report, key) for key in ("contract", "version", "rows", "accepted", "quarantined", "passed")}
    open_rules = [rule for rule in report.rules if rule.status != "passed"]
    return {"file": file, **told, "rules": [{"rule": r.rule, "status": r.status, "reason": r.reason} for r in open_rules]}


_OUTAGES = """
    WITH marked AS (
        SELECT site_id, interval_start_at AS start_at, interval_start_at - to_hours(row_number() OVER
               (PARTITION BY site_id ORDER BY interval_start_at)::BIGINT) AS run
        FROM hours WHERE contains(flags, ?) AND interval_start_at IS NOT NULL
    )
    SELECT site_id, min(start_at), max(start_at) + INTERVAL 1 HOUR
    FROM marked GROUP BY site_id, run HAVING count(*) >= 12 ORDER BY 1, 2
"""
