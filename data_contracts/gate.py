"""The gate: judge a table by a contract, part accepted rows from refused ones, and report on every rule declared."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import duckdb

from data_contracts.contract import Contract, ContractError, rules_of
from data_contracts.rows.batch import SOURCE_ROW, Batch, arrived_as, drop, is_temporary_view, narrow_keys, open_batch
from data_contracts.rows.casting import identifier, table
from data_contracts.rows.files import LINE_RULE, LINES, quarantine_lines, read_file
from data_contracts.rows.quarantine import part_rows, require_agreement
from data_contracts.rules.deadline import deadline, seconds_for
from data_contracts.rules.readonly import require_own_functions
from data_contracts.rules.relationships import look_up
from data_contracts.rules.rule import BATCH, TWICE, Rule, Severity, unexecutable
from data_contracts.rules.translate import contract_rules
from data_contracts.standard.faults import suggest

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class RuleResult:
    """What became of one rule.

    Attributes:
        rule: Name of the rule.
        severity: `must` or `should`.
        status: `passed`, `failed`, or `skipped` where it was not executed.
        failed_rows: Rows that break the rule; None for a rule that does not judge rows, or was not executed.
        reason: What was asked for and found, or why the rule was skipped.
    """

    rule: str
    severity: Severity
    status: Status
    failed_rows: int | None
    reason: str


@dataclass(frozen=True)
class CheckReport:
    """The gate's report.

    Attributes:
        contract: Name of the contract, with `.table` after it where it has several tables.
        version: Version of the contract.
        rows: Rows judged.
        accepted: Rows that broke no rule.
        quarantined: Rows that broke at least one.
        passed: Whether every *must* rule was executed and kept.
        rules: What became of every rule the contract declares.
        expectations: Great Expectations' own result, a JSON document.
    """

    contract: str
    version: str
    rows: int
    accepted: int
    quarantined: int
    passed: bool
    rules: tuple[RuleResult, ...]
    expectations: dict[str, Any] = field(repr=False, compare=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as `testbed check --json` prints it, without Great Expectations' document."""
        document = asdict(self)
        del document["expectations"]
        document["rules"] = list(document["rules"])
        return document


def check(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    contract: Contract,
    *,
    accepted: str,
    quarantined: str,
    now: datetime | None = None,
    others: Mapping[str, str] | None = None,
    copied: bool = True,
) -> CheckReport:
    """Judge a table by a contract.

    A row that breaks any rule about rows is quarantined, whatever the rule's tolerance; the tolerance decides only whether
    the rule, and with it the table, has failed. Of rows with the same key the first that breaks no other rule of its own is
    kept. A column may come under its `physicalName`; it then goes on under its `name`.

    Args:
        connection: Connection that sees the table.
        relation: Name of the table or view. A column `source_row` (whole numbers) is kept in quarantine; without it rows are
            numbered from 1.
        contract: What the table must look like.
        accepted: Name of the temporary table to create for rows that broke no rule: the contract's columns in its types.
        quarantined: Name of the temporary table to create for the others: `source_row BIGINT, rules VARCHAR[],
            reasons VARCHAR[], row JSON`.
        now: Instant at which service levels are judged, with its time zone; those that need it are skipped without.
        others: Table or view of each dataset that relationships point to, by `contract.table` or `table`.
        copied: Whether `accepted` is a table of its own, good for as long as the connection. Where False it is a view over
            the judged table, made without copying a row, for a caller that reads it before changing that table: rows
            added or removed, or the table dropped, end in an error when it is read; rows updated in place are not noticed.
            A table is made all the same where row numbers will not last: in a transaction that wrote the rows itself.

    Returns:
        The report.

    Raises:
        ContractError: The table lacks a column or has one too many, a rule's SQL does not run, or the database has functions
            of its own under DuckDB's names.
    """
    if len({relation, accepted, quarantined}) < 3:
        raise ContractError(f"tables '{relation}', '{accepted}', '{quarantined}'; expected three names; rename one")
    require_own_functions(connection)
    given, renamed = _given_columns(connection, relation, contract)
    rules = contract_rules(contract, given, now=now, others=look_up(connection, others))
    private, made = f"__rows_of_{accepted}", [f"__batch_{contract.id}"]
    keeps_private = False
    try:
        batch = open_batch(connection, relation, contract, given, rules, private=private, renamed=renamed)
        copied = copied or bool(batch.first)  # rows of an open transaction are numbered anew when it ends
        import data_contracts.expectations  # noqa: F401  # its import takes seconds that are not the rules'

        with _in_time(connection, batch):
            _require_binding(connection, batch)
            twice = narrow_keys(connection, batch, made)
            rows, outcomes, document = _execute(connection, batch, twice)
            counted = {rule.name: outcomes[rule.name].value for rule in rules if rule.refuses_rows}
            part_rows(connection, batch, counted, twice, accepted=accepted, quarantined=quarantined, copied=copied)
        keeps_private = batch.is_private and not copied
    finally:
        for name in made if keeps_private else (*made, private):
            drop(connection, name)
    kept, refused = require_agreement(connection, rows, counted, accepted=accepted, quarantined=quarantined)
    results = tuple(_result(rule, outcomes.get(rule.name), rows) for rule in rules)
    passed = all(result.status == "passed" for result in results if result.severity == "must")
    return CheckReport(contract.dataset, contract.version, rows, kept, refused, passed, results, document)


def check_file(
    connection: duckdb.DuckDBPyConnection,
    path: str | Path,
    contract: Contract,
    *,
    accepted: str = "accepted",
    quarantined: str = "quarantined",
    now: datetime | None = None,
    others: Mapping[str, str] | None = None,
    copied: bool = True,
    shut_in: bool = False,
) -> CheckReport:
    """Judge a CSV, Parquet or JSON file by a contract.

    Values are read as text and cast by the contract, so that one of the wrong type quarantines its row and no other.

    Args:
        connection: Connection to read into.
        path: The file.
        contract: What the file must look like.
        accepted: Name of the temporary table to create for rows that broke no rule.
        quarantined: Name of the temporary table to create for the others.
        now: Instant at which service levels are judged; see `check`.
        others: Tables that relationships point to; see `check`.
        copied: Whether `accepted` is a table of its own; where False it is a view over the rows read, which are kept.
        shut_in: Whether the connection gives up all access to files and networks, for good, before rules run.

    Returns:
        The report.

    Raises:
        ContractError: The file is not a table of the contract's columns.
    """
    staged = f"__file_of_{accepted}"
    lines = read_file(connection, Path(path), into=staged)
    if shut_in:
        connection.execute("SET enable_external_access = false")
    is_read = False
    names = {"accepted": accepted, "quarantined": quarantined}
    try:
        report = check(connection, staged, contract, **names, now=now, others=others, copied=copied)
        is_read = is_temporary_view(connection, accepted)
        return _with_lines(connection, report, lines, staged, quarantined) if lines else report
    except ContractError as error:
        raise ContractError(str(error).replace(staged, str(path))) from error
    finally:
        drop(connection, staged + LINES)
        if not is_read:
            drop(connection, staged)


def _with_lines(
    connection: duckdb.DuckDBPyConnection, report: CheckReport, lines: int, staged: str, quarantined: str
) -> CheckReport:
    """The report, once the lines that are no rows are in quarantine with the rows that were refused."""
    quarantine_lines(connection, staged, quarantined=quarantined)
    words = f"every line of the file is a row: {lines} {'lines are' if lines > 1 else 'line is'} not"
    found = RuleResult(LINE_RULE, "must", "failed", lines, words)
    rows, refused = report.rows + lines, report.quarantined + lines
    return replace(report, rows=rows, quarantined=refused, passed=False, rules=(*report.rules, found))


def _given_columns(
    connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract
) -> tuple[dict[str, str], dict[str, str]]:
    """Type of each column by the contract's name for it, and the names of those that came under their physical name."""
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {table(relation)}").fetchall()
    except duckdb.CatalogException as error:
        raise ContractError(f"{relation}: no such table; expected one to judge by {contract.id}; check the name") from error
    renamed = arrived_as([str(name) for name, *_ in described], contract)
    given = {renamed.get(str(name), str(name)): str(kind) for name, kind, *_ in described}
    others = sorted(set(given) - set(contract.column_names))
    faults = [
        f"{relation}: column '{name}' is missing; expected the columns of {contract.id}; add it{suggest(name, others)}"
        for name in contract.column_names
        if name not in given
    ]
    forbidden = contract.custom.get("testbed.forbidden_columns", ())
    dropped = contract.custom.get("testbed.extra_columns") == "dropped"
    for name in (*given, *(came for came in renamed if came in forbidden)):
        if name not in contract.column_names and (name in forbidden or (name != SOURCE_ROW and not dropped)):
            why = f"is forbidden by {contract.id}" if name in forbidden else f"is not in {contract.id}"
            faults.append(f"{relation}: column {name!r} {why}; expected {', '.join(contract.column_names)}; leave it out")
    if faults:
        raise ContractError("\n".join(faults))
    return given, renamed


def _in_time(connection: duckdb.DuckDBPyConnection, batch: Batch) -> AbstractContextManager[None]:
    """A deadline for a contract that brings SQL of its own; the gate's own rules read the rows once."""
    if not any(rule.type in ("sql", "custom") for _, rule in rules_of(batch.contract)):
        return nullcontext()
    rows = connection.execute(f"SELECT count(*) FROM {identifier(batch.name)}").fetchall()[0][0]
    return deadline(connection, batch.contract.id, seconds_for(rows))


def _require_binding(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Find SQL that does not run before Great Expectations meets it: one bad metric spoils its whole bundle."""
    view = identifier(batch.name)
    live = [rule for rule in batch.rules if rule.measure and not rule.skipped]
    measures = [(rule, str(rule.measure).replace(BATCH, view)) for rule in live if not rule.keys]
    for written in (measures, [(rule, rule.reason) for rule in live]):
        try:
            connection.execute(f"EXPLAIN SELECT {', '.join(sql for _, sql in written) or 'NULL'} FROM {view}")
        except duckdb.Error:
            for rule, sql in written:
                try:
                    connection.execute(f"EXPLAIN SELECT {sql} FROM {view}")
                except duckdb.Error as error:
                    raise unexecutable(rule, error) from error
            raise


def _execute(
    connection: duckdb.DuckDBPyConnection, batch: Batch, twice: dict[str, str]
) -> tuple[int, dict[str, Any], dict[str, Any]]:
    from data_contracts.expectations import run_expectations

    executed = [
        replace(rule, measure=str(rule.measure).replace(TWICE, identifier(twice[rule.name]))) if rule.keys else rule
        for rule in batch.rules
        if rule.skipped is None
    ]
    rows, outcomes, document = run_expectations(connection, batch.name, batch.contract.id, executed)
    for rule in executed:
        outcome = outcomes[rule.name]
        if rule.expectation is None and outcome.error:
            for suspect in executed:  # the bundle failed as a whole: find the rule that spoils it
                if suspect.expectation is None:
                    try:
                        sql = str(suspect.measure).replace(BATCH, identifier(batch.name))
                        connection.execute(f"SELECT {sql} FROM {identifier(batch.name)}").fetchall()
                    except duckdb.Error as error:
                        raise unexecutable(suspect, error) from error
            raise ContractError(f"rule '{rule.name}': not executed ({outcome.error}); expected a measure; report this")
    return rows, outcomes, document


def _result(rule: Rule, outcome: Any, rows: int) -> RuleResult:
    if rule.skipped or outcome is None or outcome.kept is None:
        return RuleResult(rule.name, rule.severity, "skipped", None, str(rule.skipped or outcome.error))
    status: Status = "passed" if outcome.kept else "failed"
    if rule.expectation is not None:
        return RuleResult(rule.name, rule.severity, status, None, rule.description)
    found = f"{outcome.value} rows break it" if rule.refuses_rows else f"found {outcome.value}"
    if rule.unit == "percent" and rows:
        found += f" ({100 * outcome.value / rows:.2f} percent)"
    asked = " and ".join(f"{operator} {bound}" for operator, bound in rule.limits)
    unit = f" {rule.unit}" if rule.unit != "value" else ""
    words = f"{rule.description}: {found}; {asked}{unit}"
    return RuleResult(rule.name, rule.severity, status, int(outcome.value) if rule.refuses_rows else None, words)
