"""Examples of refused rows that may be shown: personal fields are masked, in the values and in the reasons."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import duckdb

from data_contracts.contract import Contract
from data_contracts.rows.casting import identifier
from data_contracts.standard.faults import custom_of

MASK = "•••"
SHOWN_CLASSES = ("", "public", "open", "internal")
"""Classifications whose values may be shown; every other word keeps them from reports."""
PERSONAL_NAMES = re.compile(
    r"(^|_)(name|surname|email|e_?mail|phone|mobile|address|birth(day|date)?|plate|licen[cs]e|face|image|photo|imei|mac|ip|"
    r"device_id|track_id|person_id|user_id|ssn|iban)($|_)",
    re.IGNORECASE,
)
_VALUE_SAID = re.compile(r"^(.*?\bis\s).*(,\s(?:expected|as in)\b.*)$", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One refused row.

    Attributes:
        source_row: Its line or number in the source.
        rules: The rules it breaks.
        reasons: Why, in the same order, with personal values masked.
        row: Its values as text, personal ones masked; None where empty.
    """

    source_row: int | None
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    row: dict[str, str | None]


def masked_columns(contract: Contract) -> frozenset[str]:
    """Columns whose values no report may show.

    Those are columns with a `classification` other than public, open or internal, or the custom property
    `testbed.personal_data`; those whose name is forbidden or sounds personal; and in a dataset of personal data
    every column that is not classified as public or open.

    Args:
        contract: The contract.

    Returns:
        Their names.
    """
    forbidden = {str(name).lower() for name in contract.custom.get("testbed.forbidden_columns", ())}
    found = set()
    for column in contract.columns:
        name, given = str(column.name), str(column.classification or "").strip().lower()
        if (
            given not in SHOWN_CLASSES
            or custom_of(column.customProperties).get("testbed.personal_data") is True
            or name.lower() in forbidden
            or (PERSONAL_NAMES.search(name) and given not in SHOWN_CLASSES[1:3])
            or (contract.custom.get("testbed.personal_data") is True and given not in SHOWN_CLASSES[1:3])
        ):
            found.add(name)
    return frozenset(found)


def examples(connection: duckdb.DuckDBPyConnection, quarantined: str, contract: Contract, *, each: int = 3) -> list[Example]:
    """The first refused rows under each rule, fit to be shown.

    Args:
        connection: Connection that sees the quarantine.
        quarantined: Name of the gate's table of refused rows.
        contract: The contract they were judged by.
        each: Rows shown for each rule at most.

    Returns:
        The rows in the order of the source, each once.
    """
    hidden = masked_columns(contract)
    rows = connection.execute(
        f"WITH numbered AS (SELECT *, row_number() OVER (ORDER BY source_row NULLS LAST, row::VARCHAR) AS n "
        f"FROM {identifier(quarantined)}), chosen AS (SELECT DISTINCT n FROM (SELECT n, unnest(rules) AS rule FROM numbered) "
        f"QUALIFY row_number() OVER (PARTITION BY rule ORDER BY n) <= {int(each)}) "
        "SELECT source_row, rules, reasons, row::VARCHAR FROM numbered SEMI JOIN chosen USING (n) ORDER BY n"
    ).fetchall()
    found = []
    for source_row, rules, reasons, text in rows:
        values = json.loads(text) if text else {}
        values = values if isinstance(values, dict) else {"line": text}
        plain = {k: None if v is None else v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
        unknown = set(plain) - set(contract.column_names)  # what no contract describes may be anything
        secret = hidden | (unknown if contract.custom.get("testbed.personal_data") is True else set())
        said = tuple(_masked(str(reason), plain, secret) for reason in reasons)
        row = {k: MASK if k in secret and v is not None else v for k, v in plain.items()}
        found.append(Example(source_row, tuple(rules), said, row))
    return found


def _masked(reason: str, values: dict[str, str | None], hidden: frozenset[str] | set[str]) -> str:
    """A reason without the values of hidden columns."""
    for name in hidden:
        if re.search(rf"\b{re.escape(name)}\b", reason):
            said = _VALUE_SAID.match(reason)
            reason = f"{said[1]}{MASK}{said[2]}" if said else f"{name}: {MASK}"
    for name in hidden:
        value = values.get(name)
        if value:
            reason = reason.replace(value, MASK).replace(value[:60], MASK)
    return reason
