"""A rule: what a contract asks for, as the SQL that counts the rows that break it.

Every rule is written over one relation, called `{batch}` in SQL, with the contract's columns in their declared types, the
columns as they came (prefix `__raw_`, only where a type had to be changed), and `__row`, the number of the row. A rule about
keys is written over `{twice}`: the rows whose key may be there twice, with the key, `__row` and `__source_row`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import duckdb

from data_contracts.contract import ContractError
from data_contracts.rows.casting import identifier, literal, shown

Severity = Literal["must", "should"]
Limit = tuple[str, Any]

ROW = "__row"
ROW_ORDER = "__source_row"
RAW = "__raw_"
BATCH = "{batch}"
TWICE = "{twice}"
PREPARED = "prepared"
NONE_ALLOWED: tuple[Limit, ...] = (("mustBe", 0),)
"""The limits, this very object, of a rule for which the contract says none."""


@dataclass(frozen=True)
class Rule:
    """One thing a contract declares, ready to be executed, or the reason why it cannot be.

    Attributes:
        name: Name in reports, unique within the contract.
        severity: `must` stops a run, `should` does not.
        description: What the rule asks for, in one sentence.
        failing: SQL condition, true for a row that breaks the rule; `PREPARED` where it takes a look at other rows (see
            `prepare`); None where the rule does not judge single rows.
        reason: SQL expression of the text that tells why a row was refused.
        measure: SQL aggregate over the batch: how many rows break the rule, or the value that is held against the limits.
        prepare: SELECT of the `__row` of the failing rows, where a condition on the row alone cannot tell; run only if needed.
        limits: What the measure must keep: operators of the standard with their values.
        unit: Unit of the limits: `rows`, or `percent` of the batch's rows.
        keys: Columns that have to be unique together, for a rule written over `{twice}`.
        expectation: Type and arguments of a Great Expectations expectation that is run as it stands.
        skipped: Why the rule is not executed; None where it is.
    """

    name: str
    severity: Severity = "must"
    description: str = ""
    failing: str | None = None
    reason: str = "NULL"
    measure: str | None = None
    prepare: str | None = None
    limits: tuple[Limit, ...] = NONE_ALLOWED
    unit: str = "rows"
    keys: tuple[str, ...] = ()
    expectation: tuple[str, dict[str, Any]] | None = None
    skipped: str | None = None

    @property
    def refuses_rows(self) -> bool:
        """Whether a row that breaks the rule is quarantined."""
        return self.failing is not None and self.skipped is None


def keeps(limits: tuple[Limit, ...], value: Any) -> bool:
    """Whether a measured value is within limits.

    `mustBeBetween` follows the standard's words, greater than the lower and less than the upper number, and its
    negation `mustNotBeBetween` follows from that.

    Args:
        limits: Operators of the standard with their values.
        value: What was measured; nothing measured keeps no limit.

    Returns:
        True where every limit is kept.
    """
    return value is not None and all(_keeps(operator, bound, value) for operator, bound in limits)


def _keeps(operator: str, bound: Any, value: Any) -> bool:
    match operator:
        case "mustBe":
            return bool(value == bound)
        case "mustNotBe":
            return bool(value != bound)
        case "mustBeGreaterThan":
            return bool(value > bound)
        case "mustBeGreaterOrEqualTo":
            return bool(value >= bound)
        case "mustBeLessThan":
            return bool(value < bound)
        case "mustBeLessOrEqualTo":
            return bool(value <= bound)
        case "mustBeBetween":
            return bool(bound[0] < value < bound[1])
        case _:
            return not bound[0] < value < bound[1]


def unexecutable(rule: Rule, error: duckdb.Error) -> ContractError:
    """The error for a rule whose SQL does not run on the table."""
    first = str(error).splitlines()[0]
    expected = "expected SQL over the contract's columns; correct the rule"
    return ContractError(f"rule '{rule.name}': its SQL does not run ({first}); {expected}")


def row_rule(name: str, column: str, failing: str, expected: str) -> Rule:
    """A rule about the value of one column.

    Args:
        name: Name of the rule.
        column: The column.
        failing: SQL condition of a value that breaks the rule; an empty value never does.
        expected: What is valid, as in "expected 0 or more".

    Returns:
        A *must* rule that allows no row to break it.
    """
    return Rule(name, "must", f"{column} is {expected}", failing, said(column, identifier(column), expected), count_of(failing))


def unique_rule(name: str, columns: tuple[str, ...]) -> Rule:
    """A rule that a key is there once. The first row that has it, by `source_row`, keeps it; later ones break the rule.

    Args:
        name: Name of the rule.
        columns: Columns of the key; a row where one is empty has no key.

    Returns:
        A *must* rule that allows no row to break it.
    """
    keys = ", ".join(identifier(column) for column in columns)
    later = f"SELECT {ROW} FROM {TWICE} QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {ROW_ORDER}, {ROW}) > 1"
    counted = f"(SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT count(*) AS n FROM {TWICE} GROUP BY {keys}))"
    values = " || ', ' || ".join(shown(identifier(column)) for column in columns)
    named = literal(f"{', '.join(columns)} is ")
    reason = f"{named} || {values} || ', as in an earlier row, expected each once'"
    return Rule(name, "must", f"{', '.join(columns)} is there once", PREPARED, reason, counted, prepare=later, keys=columns)


def unique_inside_rule(name: str, label: str, expression: str) -> Rule:
    """A rule that a value inside a column is there once. The first row that has it, by `source_row`, keeps it.

    Args:
        name: Name of the rule.
        label: What messages call the value.
        expression: SQL expression of the value; a row where it is empty has none.

    Returns:
        A *must* rule that allows no row to break it.
    """
    order = f"PARTITION BY {expression} ORDER BY {ROW_ORDER}, {ROW}"
    later = f"SELECT {ROW} FROM {BATCH} WHERE {expression} IS NOT NULL QUALIFY row_number() OVER ({order}) > 1"
    reason = f"{literal(label + ' is ')} || {shown(expression)} || ', as in an earlier row, expected each once'"
    measure = f"(SELECT count(*) FROM ({later}))"
    return Rule(name, "must", f"{label} is there once", PREPARED, reason, measure, prepare=later)


def count_of(failing: str) -> str:
    """SQL aggregate of the rows a condition is true for."""
    return f"count(*) FILTER (WHERE {failing})"


def unlike(expression: str, pattern: str) -> str:
    """SQL condition of a text that does not match a pattern."""
    return f"NOT regexp_matches({expression}, {literal(pattern)})"


def said(column: str, expression: str, expected: str) -> str:
    """SQL expression of the reason for which a value was refused."""
    return f"{literal(column + ' is ')} || {shown(expression)} || {literal(', expected ' + expected)}"
