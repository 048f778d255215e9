"""One-off e-sensing: read, judge every reading, list outages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from analytics.lake import Connection, memory, shut_in
from analytics.sensing.footfall.hours import count_footfall
from analytics.sensing.formats import READERS
from analytics.sensing.formats.recognise import recognise
from analytics.sensing.judge import judge_readings
from analytics.sensing.known import flag_unknown
from analytics.sensing.quality.faults import find_faults
from analytics.sensing.quality.order import TESTS
from analytics.sensing.readings import SourceError
from analytics.sensing.together import bring_hours_together, bring_together, order_by_time
from analytics.sensing.units import properties, property_of
from data_contracts.contract import load_contract
from data_contracts.gate import CheckReport, check
from data_contracts.standard.faults import suggest
from experiments.figures import Figures
from flows.parameters import parameters_of, reader_arguments
from flows.sense_figures import Rows, figures_document, keep_counts, keep_hours

FOOTFALL = "footfall"
"""What hourly counters of people observe; `analytics.sensing.units` knows it as `pedestrian`."""
HOURLY_COUNTERS = "wide_hourly_csv"
"""The reader of hourly counters, whose labels are judged by contract `footfall_readings` and become hours."""
OUTAGES = {
    "stuck_zero": "zeros where people usually walk",
    "copied_day": "a copy of earlier hours",
    "stuck_value": "the same value all the time",
    "missing_code": "a number that means that nothing was measured",
    "not_measured": "the sensor was not measuring",
}
"""Findings that mean that nothing was measured, with what they mean."""
REFUSED = {"duplicate": "duplicate", "conflict": "conflict", "known_unit": "unknown_unit", "known_property": "unknown_property"}
"""Rules of contract `sensor_readings` that the summary counts by themselves, and as what."""
OUTAGE = timedelta(hours=12)
"""An outage is at least so long."""


@dataclass
class Sensed:
    """What was found in the files so far."""

    at: datetime
    figures: Rows
    rows: int = 0
    formats: list[str] = field(default_factory=list)
    sites: set[str] = field(default_factory=set)
    properties: set[str] = field(default_factory=set)
    flags: Counter[str] = field(default_factory=Counter)
    outages: set[tuple[str, str, str, str]] = field(default_factory=set)
    intervals: Counter[float] = field(default_factory=Counter)
    checks: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    not_searched: list[dict[str, Any]] = field(default_factory=list)


def sense_files(
    files: list[str],
    read_as: str,
    observed: str | None = None,
    *,
    timezone: str | None = None,
    day_starts_at_hour: int = 0,
    now: datetime | None = None,
    reader_params: Mapping[str, Any] | None = None,
    figures: Figures | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Read files of readings and judge every reading.

    Args:
        files: Paths.
        read_as: Name of a reader, or `auto`: told by each file's content.
        observed: Observed property; all that the files hold where None.
        timezone: IANA name of the local clock; UTC for hourly counters where None.
        day_starts_at_hour: Hour at which the day of hourly counters begins. [h]
        now: Instant at which service levels are judged; the time of the call where none is given.
        reader_params: Parameters of the reader, as a pilot file has them.
        figures: Indices, limits, noise indicators and totals to work out of the hours of all files.
        out: Folder for a CSV of each of them.

    Returns:
        The document of `testbed sense --json`; `figures` is there where some were asked for.

    Raises:
        SourceError: A file cannot be read, or the reader, a parameter, the property or a unit is unknown.
    """
    if observed is not None and observed != FOOTFALL and property_of(observed) is None:
        known = ", ".join((FOOTFALL, *sorted(properties())))
        raise SourceError(f"property '{observed}' is unknown; expected one of {known}; correct --property")
    if read_as not in ("auto", *READERS):
        raise SourceError(f"format '{read_as}' is unknown; expected auto or one of {', '.join(READERS)}; correct --format")
    found = Sensed(now or datetime.now(UTC), Rows(figures or Figures()))
    readings: dict[str, tuple[str, dict[str, Any]]] = {}
    counters: dict[str, pa.Table] = {}
    for file in dict.fromkeys(files):
        if not Path(file).is_file():
            raise SourceError(f"{file}: the file was not found; expected a file of readings; correct the path")
        reader = recognise(file) if read_as == "auto" else read_as
        found.formats.append(reader)
        arguments = reader_params_of(reader, reader_params or {}, timezone)
        if reader != HOURLY_COUNTERS:
            readings[file] = reader, arguments
            continue
        with memory() as connection:
            READERS[reader](connection, file, table="read", **arguments)
            shut_in(connection)
            counters[file] = _hours(connection, file, observed, found, timezone or "UTC", day_starts_at_hour)
    if counters:
        with memory() as connection:
            _sense_counters(connection, counters, found, timezone or "UTC")
    if readings:
        with memory() as connection:
            _sense_readings(connection, readings, observed, found, timezone or "UTC")
    common = found.intervals.most_common(1)
    asked = bool(found.figures.figures.contracts())
    more = {"figures": figures_document(found.figures, timezone or "UTC", found.at, out)} if asked else {}
    return more | {
        "files": files,
        "format": ", ".join(dict.fromkeys(found.formats)),
        "rows": found.rows,
        "sites": sorted(found.sites),
        "properties": sorted(found.properties),
        "flags": dict(found.flags),
        "outages": [
            {"site_id": site, "start_at": start, "end_at": end, "reason": reason}
            for site, start, end, reason in sorted(found.outages)
        ],
        "intervals": common[0][0] if common else None,
        "judged_at": found.at.astimezone(UTC).isoformat(),
        "checks": found.checks,
        "findings": found.findings,
        "not_searched": found.not_searched,
    }


def load_mapping(path: str | None) -> dict[str, Any]:
    """The reader's parameters that a YAML file gives, as a pilot file has them under `reader_params`.

    Raises:
        SourceError: The file is missing or no YAML of parameters.
    """
    if path is None:
        return {}
    expected = "expected a YAML file of the reader's parameters, such as 'columns:'"
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); {expected}; correct --mapping") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        said = str(error).splitlines()[0]
        raise SourceError(f"{path}: not YAML ({said}); {expected}; correct the file") from None
    if not isinstance(document, dict):
        raise SourceError(f"{path}: holds no parameters; {expected}; correct the file")
    return {str(name): value for name, value in document.items()}


def reader_params_of(reader: str, given: Mapping[str, Any], timezone: str | None) -> dict[str, Any]:
    """Parameters as a reader wants them.

    Raises:
        SourceError: One is unknown, missing or wrong.
    """
    valid = parameters_of(READERS[reader])
    unknown = [name for name in given if name not in valid]
    if unknown:
        names = ", ".join(valid) or "none"
        raise SourceError(
            f"parameter '{unknown[0]}' of {reader} is unknown; expected one of {names}{suggest(unknown[0], list(valid))}; "
            "correct the mapping"
        )
    arguments, faults = reader_arguments(reader, given, timezone)
    if faults:
        raise SourceError("\n".join(faults))
    return arguments


def _hours(
    connection: Connection, file: str, observed: str | None, found: Sensed, timezone: str, day_starts_at_hour: int
) -> pa.Table:
    """The hours of a file of hourly counters of people."""
    if observed not in (None, FOOTFALL) and property_of(str(observed)) != "pedestrian":
        raise SourceError(f"{file}: hourly counters of people; expected --property {FOOTFALL}; correct it or name the format")
    report = check(
        *(connection, "read", load_contract("footfall_readings")), accepted="received", quarantined="refused", now=found.at
    )
    count_footfall(connection, "received", table="hours", timezone=timezone, day_starts_at_hour=day_starts_at_hour)
    found.checks.append(_told(file, report))
    found.rows += report.rows
    found.flags["refused"] += report.quarantined
    found.sites |= set(_column(connection, "SELECT DISTINCT site_id FROM read WHERE site_id IS NOT NULL"))
    return connection.execute("FROM hours").to_arrow_table()


def _sense_counters(connection: Connection, counters: Mapping[str, pa.Table], found: Sensed, timezone: str) -> None:
    """Judge the hours of all files; of an hour that is in several the first file's stays."""
    for flag, number in bring_hours_together(connection, list(counters.values()), table="hours").items():
        found.flags[flag] += number
        found.flags["refused"] += number
    report = check(
        *(connection, "hours", load_contract("counts_hourly")), accepted="accepted", quarantined="quarantined", now=found.at
    )
    keep_counts(connection, "accepted", found.figures)
    found.properties.add(FOOTFALL)
    found.checks.append(_told(", ".join(counters), report))
    connection.execute(
        "CREATE TEMP VIEW judged AS "
        "SELECT *, 'pedestrian' AS observed_property, 3600.0 AS interval_s, crossings AS value FROM hours"
    )
    _add(connection, found, timezone)


def _sense_readings(
    connection: Connection,
    readings: Mapping[str, tuple[str, dict[str, Any]]],
    observed: str | None,
    found: Sensed,
    timezone: str,
) -> None:
    """Judge the readings of all files, of one property or of all that are known."""
    for place, (file, (reader, arguments)) in enumerate(readings.items()):
        READERS[reader](connection, file, table=f"read_{place}", **arguments)
        if observed is not None:
            _only(connection, f"read_{place}", file, str(property_of(observed)))
        flag_unknown(connection, f"read_{place}", file)
    shut_in(connection)
    bring_together(connection, [f"read_{place}" for place in range(len(readings))], table="read")
    report = check(
        connection, "read", load_contract("sensor_readings"), accepted="received", quarantined="refused", now=found.at
    )
    found.checks.append(_told(", ".join(readings), report))
    counts = {rule.rule: rule.failed_rows for rule in report.rules if rule.failed_rows}
    found.flags.update({name: counts[rule] for rule, name in REFUSED.items() if rule in counts})
    never = "SELECT count(*) FROM read WHERE list_contains(string_split(flags, ','), 'nonexistent_hour')"
    if skipped := connection.execute(never).fetchall()[0][0]:
        found.flags["nonexistent_hour"] += int(skipped)
    table = "received"
    if len(readings) > 1:
        order_by_time(connection, read="read", refused="refused", received="received", table=(table := "by_time"))
    known = _column(connection, "SELECT DISTINCT observed_property FROM received")
    found.properties |= {str(property_of(name)) for name in known}
    judge_readings(connection, table, table="judged", timezone=timezone)
    keep_hours(connection, table, "judged", found.figures, timezone, found.at)
    for test in TESTS:
        for flag, number in connection.execute(
            f"SELECT {test}, count(*) FROM judged WHERE {test} IN (3, 4) GROUP BY 1"
        ).fetchall():
            found.flags[f"{test}_{'suspect' if flag == 3 else 'fail'}"] += int(number)
    found.rows += report.rows
    found.flags["refused"] += report.quarantined
    found.sites |= set(_column(connection, "SELECT DISTINCT site_id FROM read WHERE site_id IS NOT NULL"))
    _add(connection, found, timezone)


def _only(connection: Connection, table: str, file: str, observed: str) -> None:
    """Keep readings of one property, and rows that say none."""
    names = _column(connection, f"SELECT DISTINCT observed_property FROM {table} WHERE observed_property IS NOT NULL")
    kept = [name for name in names if property_of(name) == observed]
    if not kept:
        shown = ", ".join(sorted(names)[:12]) or "none"
        raise SourceError(f"{file}: no readings of '{observed}'; expected one of {shown}; correct --property")
    connection.execute(f"DELETE FROM {table} WHERE observed_property NOT IN (SELECT unnest(?))", [kept])


def _add(connection: Connection, found: Sensed, timezone: str) -> None:
    """Search judged readings for faults, and add all to what was found."""
    faults = find_faults(connection, "judged", table="faults", timezone=timezone)
    document = faults.document()
    found.findings += document["findings"]
    found.not_searched += document["skipped"]
    flags = "SELECT unnest(string_split(flags, ',')) AS flag FROM faults_flags"
    for flag, number in connection.execute(f"SELECT flag, count(*) FROM ({flags}) GROUP BY 1 ORDER BY 1").fetchall():
        found.flags[str(flag)] += int(number)
    for one in faults.findings:
        if one.kind in OUTAGES and one.end_at - one.start_at >= OUTAGE:
            times = one.start_at.isoformat(), one.end_at.isoformat()
            found.outages.add((one.site_id, *times, OUTAGES[one.kind]))
    lengths = "SELECT interval_s, count(*) FROM judged WHERE interval_s IS NOT NULL GROUP BY 1"
    for length, number in connection.execute(lengths).fetchall():
        found.intervals[int(length) if length == int(length) else float(length)] += int(number)


def _column(connection: Connection, query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query).fetchall()]


def _told(file: str, report: CheckReport) -> dict[str, Any]:
    """What the gate said about a file: whether it passed, and why each rule did not that was not kept."""
    told = {key: getattr(report, key) for key in ("contract", "version", "rows", "accepted", "quarantined", "passed")}
    open_rules = [rule for rule in report.rules if rule.status != "passed"]
    return {"file": file, **told, "rules": [{"rule": r.rule, "status": r.status, "reason": r.reason} for r in open_rules]}
