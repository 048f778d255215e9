"""The gate: judge a table by a contract, part accepted rows from refused ones, and report on every rule declared."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb

from data_contracts.casting import cast_of, identifier, literal, sql_type, table
from data_contracts.contract import Contract, ContractError
from data_contracts.faults import suggest
from data_contracts.files import read_file
from data_contracts.quarantine import Batch, part_rows, require_agreement
from data_contracts.rules import BATCH, RAW, ROW, ROW_ORDER, Rule, Severity, unexecutable
from data_contracts.translate import contract_rules

Status = Literal["passed", "failed", "skipped"]
SOURCE_ROW = "source_row"


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
        contract: Name of the contract.
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
    connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, *, accepted: str, quarantined: str
) -> CheckReport:
    """Judge a table by a contract.

    A row that breaks any rule about rows is quarantined, whatever the rule's tolerance; the tolerance decides only whether
    the rule, and with it the table, has failed. Of rows with the same key the first is kept.

    Args:
        connection: Connection that sees the table.
        relation: Name of the table or view. A column `source_row` (whole numbers) is kept in quarantine; without it rows are
            numbered from 1.
        contract: What the table must look like.
        accepted: Name of the temporary table to create for rows that broke no rule: the contract's columns in its types.
        quarantined: Name of the temporary table to create for the others: `source_row BIGINT, rules VARCHAR[],
            reasons VARCHAR[], row JSON`.

    Returns:
        The report.

    Raises:
        ContractError: The table lacks a column or has one too many, or a rule's SQL does not run.
    """
    if len({relation, accepted, quarantined}) < 3:
        raise ContractError(f"tables '{relation}', '{accepted}', '{quarantined}'; expected three names; rename one")
    given = _given_columns(connection, relation, contract)
    rules = contract_rules(contract, given)
    batch = f"__batch_{contract.id}"
    try:
        _create_batch(connection, relation, contract, given, batch)
        _require_binding(connection, batch, rules)
        rows, outcomes, document = _execute(connection, batch, contract, rules)
        counted = {rule.name: outcomes[rule.name].value for rule in rules if rule.refuses_rows}
        part_rows(connection, Batch(batch, contract, given, rules), counted, accepted=accepted, quarantined=quarantined)
    finally:
        connection.execute(f"DROP VIEW IF EXISTS temp.{identifier(batch)}")
        connection.execute(f"DROP TABLE IF EXISTS temp.{identifier(batch + '_rows')}")
    kept, refused = require_agreement(connection, rows, counted, accepted=accepted, quarantined=quarantined)
    results = tuple(_result(rule, outcomes.get(rule.name), rows) for rule in rules)
    passed = all(result.status == "passed" for result in results if result.severity == "must")
    return CheckReport(contract.id, contract.version, rows, kept, refused, passed, results, document)


def check_file(
    connection: duckdb.DuckDBPyConnection,
    path: str | Path,
    contract: Contract,
    *,
    accepted: str = "accepted",
    quarantined: str = "quarantined",
) -> CheckReport:
    """Judge a CSV, Parquet or JSON file by a contract.

    Values are read as text and cast by the contract, so that one of the wrong type quarantines its row and no other.

    Args:
        connection: Connection to read into.
        path: The file.
        contract: What the file must look like.
        accepted: Name of the temporary table to create for rows that broke no rule.
        quarantined: Name of the temporary table to create for the others.

    Returns:
        The report.

    Raises:
        ContractError: The file is not a table of the contract's columns.
    """
    staged = f"__file_{contract.id}"
    read_file(connection, Path(path), into=staged)
    try:
        return check(connection, staged, contract, accepted=accepted, quarantined=quarantined)
    except ContractError as error:
        raise ContractError(str(error).replace(staged, str(path))) from error
    finally:
        connection.execute(f"DROP TABLE IF EXISTS temp.{identifier(staged)}")


def _given_columns(connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract) -> dict[str, str]:
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {table(relation)}").fetchall()
    except duckdb.CatalogException as error:
        raise ContractError(f"{relation}: no such table; expected one to judge by {contract.id}; check the name") from error
    given = {str(name): str(kind) for name, kind, *_ in described}
    others = sorted(set(given) - set(contract.column_names))
    faults = [
        f"{relation}: column '{name}' is missing; expected the columns of {contract.id}; add it{suggest(name, others)}"
        for name in contract.column_names
        if name not in given
    ]
    forbidden = contract.custom.get("testbed.forbidden_columns", ())
    dropped = contract.custom.get("testbed.extra_columns") == "dropped"
    for name in given:
        if name not in contract.column_names and (name in forbidden or (name != SOURCE_ROW and not dropped)):
            why = f"is forbidden by {contract.id}" if name in forbidden else f"is not in {contract.id}"
            faults.append(f"{relation}: column '{name}' {why}; expected {', '.join(contract.column_names)}; leave it out")
    if faults:
        raise ContractError("\n".join(faults))
    return given


def _create_batch(
    connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, given: dict[str, str], batch: str
) -> None:
    """The view that rules are written over; see `data_contracts.rules`."""
    source = table(relation)
    if not _is_table(connection, relation):  # a view may give its rows in another order each time it is read
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(batch + '_rows')} AS SELECT * FROM {source}")
        source = identifier(batch + "_rows")
    chosen = []
    for column in contract.columns:
        name = str(column.name)
        if sql_type(column) is None or given[name] == sql_type(column):
            chosen.append(identifier(name))
        else:
            chosen.append(f"{cast_of(column, given[name])} AS {identifier(name)}")
            chosen.append(f"{identifier(name)} AS {identifier(RAW + name)}")
    order = f"coalesce(TRY_CAST({SOURCE_ROW} AS BIGINT), {ROW})" if SOURCE_ROW in given else ROW
    numbered = f"(SELECT *, row_number() OVER () AS {ROW} FROM {source})"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {identifier(batch)} AS "
        f"SELECT {', '.join(chosen)}, {ROW}, {order} AS {ROW_ORDER} FROM {numbered}"
    )


def _is_table(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    if "." in relation:
        return False
    return bool(_one(connection, f"SELECT count(*) FROM duckdb_tables() WHERE table_name = {literal(relation)}")) and not _one(
        connection, f"SELECT count(*) FROM duckdb_views() WHERE view_name = {literal(relation)}"
    )


def _require_binding(connection: duckdb.DuckDBPyConnection, batch: str, rules: tuple[Rule, ...]) -> None:
    """Find SQL that does not run before Great Expectations meets it: one bad metric spoils its whole bundle."""
    view = identifier(batch)
    live = [rule for rule in rules if rule.measure and not rule.skipped]
    measures = [(rule, str(rule.measure).replace(BATCH, view)) for rule in live]
    for written in (measures, [(rule, rule.reason) for rule in live]) if live else ():
        try:
            connection.execute(f"EXPLAIN SELECT {', '.join(sql for _, sql in written)} FROM {view}")
        except duckdb.Error:
            for rule, sql in written:
                try:
                    connection.execute(f"EXPLAIN SELECT {sql} FROM {view}")
                except duckdb.Error as error:
                    raise unexecutable(rule, error) from error
            raise


def _execute(
    connection: duckdb.DuckDBPyConnection, batch: str, contract: Contract, rules: tuple[Rule, ...]
) -> tuple[int, dict[str, Any], dict[str, Any]]:
    from data_contracts.expectations import run_expectations

    executed = [rule for rule in rules if rule.skipped is None]
    rows, outcomes, document = run_expectations(connection, batch, contract.id, executed)
    for rule in executed:
        outcome = outcomes[rule.name]
        if rule.expectation is None and outcome.error:
            for suspect in executed:  # the bundle failed as a whole: find the rule that spoils it
                if suspect.expectation is None:
                    try:
                        sql = str(suspect.measure).replace(BATCH, identifier(batch))
                        connection.execute(f"SELECT {sql} FROM {identifier(batch)}").fetchall()
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


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
