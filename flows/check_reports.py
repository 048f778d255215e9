"""What a check by hand leaves to be looked at: a page, JUnit XML, Great Expectations' Data Docs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory, open_lake
from data_contracts.contract import Contract, ContractError, load_contract
from data_contracts.gate import CheckReport, RuleResult, check_file
from data_contracts.privacy.masking import examples
from data_contracts.reports.html import PastCheck, html_page, junit
from data_contracts.rows.batch import arrived_as
from data_contracts.rows.casting import identifier
from data_contracts.rows.files import read_file
from data_contracts.rules.relationships import targets_of
from experiments.settings import Settings

TREND = 11
"""Earlier checks shown on a page."""
LOOK_BACK = 40
"""Snapshots of the lake that are searched for them."""


def instant_of(text: str | None) -> datetime:
    """The instant that was asked for by hand, or the time of the call.

    Args:
        text: ISO 8601 with its offset from UTC; None where nothing was asked for.

    Returns:
        The instant.

    Raises:
        ContractError: The text is no such instant.
    """
    try:
        at = datetime.now(UTC) if text is None else datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ContractError(f"--now is '{text}'; expected an instant such as 2026-05-10T12:00:00Z; correct it")
    return at


def files_by_name(given: Sequence[str]) -> dict[str, Path]:
    """Files by the name of the table they hold.

    Args:
        given: `NAME=FILE` for each.

    Returns:
        Path of each file, by name.

    Raises:
        ContractError: One is not of that form, or a name is given twice.
    """
    found: dict[str, Path] = {}
    for entry in given:
        name, _, path = entry.partition("=")
        if not name or not path or name in found:
            raise ContractError(f"--with is '{entry}'; expected NAME=FILE, each name once; correct it")
        found[name] = Path(path)
    return found


def check_by_hand(
    contract: str,
    file: Path,
    settings: Settings,
    *,
    html: Path | None = None,
    junit_xml: Path | None = None,
    data_docs: Path | None = None,
    now: datetime | None = None,
    table: str | None = None,
    others: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """Judge a file by a contract.

    Args:
        contract: Name or path of the contract.
        file: The file.
        settings: Where the lake is, for the trend; it may not be there yet.
        html: Where to write the page.
        junit_xml: Where to write JUnit XML.
        data_docs: Folder to write Great Expectations' Data Docs into.
        now: The instant that counts as now.
        table: The table of the contract that the file holds; of several, the one that has the file's name where none is given.
        others: Files of the tables that relationships point to, by `contract.table`, `contract` or `table`.

    Returns:
        The document of `testbed check --json`.

    Raises:
        ContractError: The contract or the file cannot be used, or a report cannot be written.
    """
    found, at = _table_of(load_contract(contract, table), file), now or datetime.now(UTC)
    with memory() as connection:
        given = _read_others(connection, found, others or {})
        # nobody reads the accepted rows: a copy of them would be spilled to disk where the file is large
        names = {"accepted": "accepted", "quarantined": "quarantined"}
        report = check_file(connection, file, found, **names, now=at, others=given, copied=False, shut_in=True)
        if html is not None:
            past = _past(settings, found)
            rows = examples(connection, "quarantined", found)
            page = html_page(report, found, source=file.name, checked_at=at, rows=rows, past=past)
            _write(html, lambda: html.write_text(page, encoding="utf-8"))
    if junit_xml is not None:
        text = junit(report, source=file.name, checked_at=at)
        _write(junit_xml, lambda: junit_xml.write_text(text, encoding="utf-8"))
    if data_docs is not None:
        from data_contracts.expectations import write_data_docs

        _write(data_docs, lambda: write_data_docs(report.expectations, data_docs))
    return report.to_dict()


def _table_of(contract: Contract, file: Path) -> Contract:
    """The table that a file holds: of several the one that has its name."""
    if contract.table is not None or len(contract.tables) < 2:
        return contract
    stem = file.name.split(".")[0]
    return next((one for one in contract.tables if stem in (one.table_name, one.schema.physicalName)), contract)


def _read_others(connection: Connection, contract: Contract, others: Mapping[str, Path]) -> dict[str, str]:
    """Read the files that relationships look keys up in; returns the table of each."""
    targets = targets_of(contract)
    meant = {name for target in targets for name in target.best_of(others)}
    found = {}
    for number, (name, path) in enumerate(others.items()):
        if name not in meant:
            known = ", ".join(target.table for target in targets) or "none; it has no relationship to another table"
            raise ContractError(
                f"--with {name}: nothing in {contract.dataset} points to it; expected {known}; correct the name"
            )
        found[name] = f"looked_up_{number}"
        read_file(connection, path, into=found[name])
        for one in contract.tables:  # a table of the same contract may come under its physical names
            if one.table_name == name.rpartition(".")[2]:
                columns = [str(row[0]) for row in connection.execute(f"DESCRIBE {found[name]}").fetchall()]
                for came, meant_as in arrived_as(columns, one).items():
                    connection.execute(f"ALTER TABLE {found[name]} RENAME {identifier(came)} TO {identifier(meant_as)}")
    return found


def run_pages(
    connection: Connection, pilot: str, run_id: str, checks: Sequence[tuple[str, Path, dict[str, Any]]], at: datetime
) -> dict[str, bytes]:
    """A page for each check of a pilot's run.

    Args:
        connection: From `open_lake`.
        pilot: The pilot.
        run_id: The run, whose own checks are not part of the trend.
        checks: Stage, folder and report of each check.
        at: When the run was started.

    Returns:
        Name of each file and its content.
    """
    pages: dict[str, bytes] = {}
    for stage, folder, told in checks:
        contract = load_contract(str(told["contract"]))
        known = {key: told[key] for key in ("contract", "version", "rows", "accepted", "quarantined", "passed")}
        report = CheckReport(**known, rules=tuple(RuleResult(**rule) for rule in told["rules"]))
        with memory() as plain:
            plain.execute("CREATE TEMP TABLE quarantined AS FROM read_parquet(?)", [f"{folder}/quarantined.parquet"])
            rows = examples(plain, "quarantined", contract)
        past = past_checks(connection, contract.dataset, pilot=pilot, less=run_id)
        source, notes = f"{pilot}, {stage.replace('_', ' ')}", []
        if told["repairs"]:
            lost = ", ".join(map(str, told["repairs_not_applied"]))
            notes = [f"{told['repairs'] - len(told['repairs_not_applied'])} of {told['repairs']} repaired rows were put in."]
            notes += [f"No longer delivered, so not put in: the rows of the source {lost}."] if lost else []
        page = html_page(report, contract, source=source, checked_at=at, rows=rows, past=past, notes=notes)
        name = f"gate_{stage}_{contract.id}"
        name += f"_{sum(key.startswith(name) for key in pages) + 1}" if f"{name}.html" in pages else ""
        pages[f"{name}.html"] = page.encode()
    return pages


def past_checks(connection: Connection, contract: str, *, pilot: str | None = None, less: str = "") -> list[PastCheck]:
    """The last checks by a contract, oldest first; those of runs that later ones replaced are read from older snapshots.

    Args:
        connection: From `open_lake`.
        contract: Name of the contract.
        pilot: Only this pilot's checks; None for every pilot's.
        less: A run that is not looked at.
    """
    query = (
        "SELECT r.published_at, c.run_id, c.pilot_id, c.rows, c.quarantined, c.passed FROM lake.checks c {at} "
        "JOIN lake.runs r USING (run_id) WHERE c.contract = $contract AND c.run_id <> $less "
        "AND ($pilot IS NULL OR c.pilot_id = $pilot) {newest} ORDER BY r.published_at DESC, c.rows"
    )
    values = {"contract": contract, "less": less, "pilot": pilot}
    found = {row[:5]: row for row in connection.execute(query.format(at="", newest=""), values).fetchall()}
    replaced = connection.execute(
        "SELECT snapshot_id, commit_message FROM ducklake_snapshots('lake') "
        "WHERE commit_message IN (SELECT run_id FROM lake.runs) ORDER BY snapshot_id DESC LIMIT ?",
        [LOOK_BACK],
    ).fetchall()
    known = {row[1] for row in found}
    for snapshot, run in replaced:
        if len(found) >= TREND:
            break
        if run not in known and run != less:
            at, newest = f"AT (VERSION => {int(snapshot)})", "AND c.run_id = $run "
            old = connection.execute(query.format(at=at, newest=newest), {**values, "run": run}).fetchall()
            found |= {row[:5]: row for row in old}
    rows = sorted(found.values(), key=lambda row: (row[0], -row[3]), reverse=True)[:TREND]
    return [PastCheck(f"{at:%Y-%m-%d} {pilot} {run[:8]}", n, bad, ok) for at, run, pilot, n, bad, ok in reversed(rows)]


def _past(settings: Settings, contract: Contract) -> list[PastCheck]:
    kind, _, place = settings.catalog.partition(":")
    if kind == "sqlite" and not Path(place).is_file():
        return []
    with open_lake(settings.catalog, settings.lake_files, read_only=True) as connection:
        there = connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'").fetchall()
        return past_checks(connection, contract.dataset) if {("checks",), ("runs",)} <= set(there) else []


def _write(path: Path, work: Callable[[], object]) -> None:
    try:
        work()
    except OSError as error:
        raise ContractError(
            f"{path}: cannot be written ({error.strerror}); expected a place to write to; choose another"
        ) from error
