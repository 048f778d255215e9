"""Audits: draw intervals, take counts by hand in, and say how wrong the counts are: the work behind `testbed audit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from analytics.lake import Connection, memory, open_lake
from analytics.video.identity import digest_of
from analytics.video.source import open_source
from data_contracts.contract import ContractError, load_contract
from experiments.audit.bounds import Estimate
from experiments.audit.errors import agreement, errors
from experiments.audit.records import (
    Audit,
    again,
    bounds,
    find_audit,
    keep_audit,
    keep_manual,
    manual_of,
    other_audits,
)
from experiments.audit.sample import draw, intervals_needed
from experiments.metrics import ScoringError
from experiments.settings import Settings
from flows.audit_subject import Subject, count_population, published_population


def begin(
    subject: Subject, settings: Settings, *, size: int, seed: int, weather: str = "", now: datetime | None = None
) -> tuple[Audit, str]:
    """The audit of a subject: the one that was begun, else a new one, whose recording is counted first.

    Counts by hand of the same recording and lines hold for any counter: when the counter has changed, the earlier
    sample is counted again by the new one.

    Returns:
        The audit, and a sentence on where it comes from.
    """
    counter = subject.counter()
    hashes = digest_of(counter), digest_of(counter["lines"])
    source_digest = ""
    if subject.source:
        with open_source(subject.source) as opened:
            source_digest = opened.digest()
    with open_lake(settings.catalog, settings.lake_files) as connection:
        found = find_audit(connection, subject.site_id, hashes[0])
        if found is not None and found.source_digest == source_digest and found.population.interval_s == subject.interval_s:
            return found, f"the audit of {int(found.sample.drawn.sum())} intervals that was begun"
        people = count_population(subject) if subject.source else published_population(connection, subject)
        earlier = next(
            (
                one
                for _, lines, digest, one in other_audits(connection, subject.site_id, hashes[0])
                if lines == hashes[1] and digest == source_digest and one.population.interval_s == subject.interval_s
            ),
            None,
        )
        at = now or datetime.now(UTC)
        if earlier is not None and len(earlier.population.start_s) == len(people.start_s):
            audit = again(earlier, digest_of([hashes[0], source_digest, earlier.audit_id])[:16], counter, people)
            keep_audit(connection, audit, hashes, at)
            keep_manual(connection, audit.audit_id, _rows_of(connection, earlier.audit_id), at)
            return audit, "the counter has changed: its earlier sample and counts by hand, with the counts of the new counter"
        audit = Audit(
            digest_of([hashes[0], source_digest, subject.interval_s, size, seed, weather])[:16],
            subject.site_id,
            counter,
            subject.source,
            source_digest,
            subject.started_at,
            seed,
            weather,
            people,
            draw(people, size, seed=seed),
        )
        keep_audit(connection, audit, hashes, at)
    return audit, f"a new audit of {int(audit.sample.drawn.sum())} intervals"


def take_in(audit: Audit, rows: Sequence[dict[str, Any]], settings: Settings, *, now: datetime | None = None) -> None:
    """Let the contract `counts_manual` judge counts by hand, and keep them.

    Raises:
        ContractError: A row breaks the contract, or is not of the audit's sample.
    """
    from data_contracts.gate import check

    columns = ("site_id", "line", "direction", "road_user", "interval_start_at", "interval_s", "annotator", "crossings")
    with memory() as connection:
        connection.execute(
            "CREATE TABLE given (site_id VARCHAR, line VARCHAR, direction VARCHAR, road_user VARCHAR, interval_start_at "
            "TIMESTAMPTZ, interval_s INTEGER, annotator VARCHAR, crossings INTEGER)"
        )
        if rows:
            connection.executemany(
                "INSERT INTO given VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [[row[name] for name in columns] for row in rows]
            )
        report = check(connection, "given", load_contract("counts_manual"), accepted="accepted", quarantined="refused")
    if not report.passed or report.quarantined:
        broken = "; ".join(f"{rule.rule}: {rule.reason}" for rule in report.rules if rule.status == "failed")
        raise ContractError(f"counts_manual: {broken}; expected rows of the contract; correct them and give them again")
    for number, row in enumerate(rows, start=1):
        _require_drawn(audit, row, number)
    with open_lake(settings.catalog, settings.lake_files) as connection:
        keep_manual(connection, audit.audit_id, rows, now or datetime.now(UTC))


def take_in_file(audit: Audit, path: Path, settings: Settings) -> int:
    """Take counts by hand from a CSV file of the contract `counts_manual`; returns how many rows.

    Raises:
        ContractError: The file breaks the contract, or a row is not of the audit's sample.
    """
    from data_contracts.gate import check_file

    with memory() as connection:
        report = check_file(connection, path, load_contract("counts_manual"), accepted="accepted", quarantined="refused")
        if not report.passed or report.quarantined:
            broken = "; ".join(f"{rule.rule}: {rule.reason}" for rule in report.rules if rule.status == "failed")
            raise ContractError(f"{path}: {broken}; expected rows of the contract counts_manual; correct the file")
        found = connection.execute("SELECT * FROM accepted")
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for number, row in enumerate(rows, start=1):
        _require_drawn(audit, row, number)
    with open_lake(settings.catalog, settings.lake_files) as connection:
        keep_manual(connection, audit.audit_id, rows, datetime.now(UTC))
    return len(rows)


def _require_drawn(audit: Audit, row: dict[str, Any], number: int) -> None:
    index = audit.index_of(row["interval_start_at"])
    said = f"counts_manual: row {number}, "
    if row["site_id"] != audit.site_id:
        raise ContractError(f"{said}site_id is '{row['site_id']}'; expected '{audit.site_id}'; correct it")
    if (row["line"], row["direction"], row["road_user"]) not in audit.population.cells:
        cell = f"{row['line']}, {row['direction']}, {row['road_user']}"
        raise ContractError(f"{said}'{cell}' is not counted; expected a line, direction and road user of the audit; correct it")
    if index is None or not audit.sample.drawn[index] or row["interval_s"] != audit.population.interval_s:
        raise ContractError(
            f"{said}interval '{row['interval_start_at']}' of {row['interval_s']} s was not drawn; expected one of the sample, "
            "since intervals of one's own choice say nothing of the others; see 'testbed audit --json'"
        )


def _rows_of(connection: Connection, audit_id: str) -> list[dict[str, Any]]:
    found = connection.execute("SELECT * EXCLUDE (audit_id, counted_at) FROM lake.counts_manual WHERE audit_id = ?", [audit_id])
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def report(audit: Audit, settings: Settings, *, width: float = 0.1) -> dict[str, Any]:
    """What an audit says so far: the document of `testbed audit --json`."""
    with open_lake(settings.catalog, settings.lake_files) as connection:
        manual = manual_of(connection, audit)
    people, sample = audit.population, audit.sample
    counted = sorted({index for index, _ in manual})
    status, reason, dispersion = "audited", "", None
    estimates: list[Estimate | None] = [None] * len(people.cells)
    total: dict[str, Any] = {"value": None, "lower": None, "upper": None}
    try:
        found = bounds(audit, manual, people.start_s, people.automatic, same_source=True)
        estimates = [found.fitted.total(cell) for cell in range(len(people.cells))]
        dispersion = float(found.fitted.dispersion.mean())
        users = np.array([cell[2] for cell in people.cells])
        total = asdict(found.fitted.together(users == "any" if "any" in users else np.ones(len(users), dtype=bool)).total())
    except ScoringError as error:
        status, reason = "not audited", str(error).removeprefix("not audited: ")
    try:
        needed = intervals_needed(people, width, **({} if dispersion is None else {"dispersion": dispersion}))
    except ScoringError:
        needed = None
    return {
        "audit_id": audit.audit_id,
        "site_id": audit.site_id,
        "source": audit.source,
        "detector": audit.counter["detector"],
        "seed": audit.seed,
        "intervals": len(people.start_s),
        "interval_s": people.interval_s,
        "drawn": int(sample.drawn.sum()),
        "counted": len(counted),
        "needed": {"width": width, "intervals": needed},
        "status": status,
        "reason": reason,
        "annotators": sorted({annotator for _, annotator in manual}),
        "agreement": agreement(manual),
        "counts": [
            {
                **dict(zip(("line", "direction", "road_user"), cell, strict=True)),
                "crossings": int(people.automatic[number].sum()),
                "lower": one.lower if one is not None else None,
                "upper": one.upper if one is not None else None,
            }
            for number, (cell, one) in enumerate(zip(people.cells, estimates, strict=True))
        ],
        "total": {"crossings": int(people.volume().sum()), **total},
        "errors": errors(audit, manual),
        "sample": [
            {
                "interval_start_at": audit.start_at(index).isoformat(),
                "start_s": float(people.start_s[index]),
                "stratum": sample.strata[index],
                "inclusion": float(sample.inclusion[index]),
                "twice": bool(sample.twice[index]),
                "annotators": sorted(annotator for i, annotator in manual if i == index),
            }
            for index in np.flatnonzero(sample.drawn).tolist()
        ],
    }
