"""Which rules of a contract were executed: declared, executed, skipped and why.

What the standard lets a contract say is parted into keys that declare a rule and keys that only describe. Every key of the
standard's model is in one of the two tables below, so that a later version of the standard cannot bring a rule that nobody
executes and nobody misses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from open_data_contract_standard.model import SchemaProperty

from data_contracts.contract import Contract
from data_contracts.standard.faults import OPERATORS, parts_of

ELEMENT = (
    *("id", "name", "physicalName", "description", "businessName", "deprecated", "synonyms", "authoritativeDefinitions"),
    "tags",
)
"""Keys that describe a property as well as a table. A column may come under its `physicalName`, which is no rule."""
RULES = {
    "contract": ("schema", "slaProperties", "customProperties"),
    "object": ("properties", "relationships", "quality", "customProperties"),
    "property": (
        *("logicalType", "physicalType", "logicalTypeOptions", "required", "unique", "primaryKey", "enum"),
        *("relationships", "quality", "properties", "items", "map"),
    ),
    "quality": (
        *("type", "metric", "rule", "arguments", "query", "engine", "implementation", "unit", "severity", "customProperties"),
        *OPERATORS,
    ),
    "relationship": ("type", "from", "to", "customProperties"),
    "service level": ("property", "value", "valueExt", "unit", "element", "customProperties"),
    "enum value": ("value",),
}
"""Keys that declare rules or say what one asks for; of custom properties those of `testbed.` that the gate knows."""
DESCRIBES = {
    "contract": (
        *("version", "kind", "apiVersion", "id", "name", "tenant", "tags", "status", "servers", "dataProduct", "description"),
        *("domain", "support", "price", "team", "roles", "slaDefaultElement", "authoritativeDefinitions", "context"),
        "contractCreatedTs",
    ),
    "object": (*ELEMENT, "physicalType", "logicalType", "dataGranularityDescription", "context"),
    "property": (
        *(*ELEMENT, "customProperties", "primaryKeyPosition", "semanticType", "partitioned", "partitionKeyPosition"),
        *("classification", "encryptedName", "transformSourceObjects", "transformLogic", "transformDescription", "examples"),
        "criticalDataElement",
    ),
    "quality": (
        *("id", "name", "description", "authoritativeDefinitions", "businessImpact", "dimension", "method", "schedule"),
        *("scheduler", "tags"),
    ),
    "relationship": ("id",),
    "service level": ("id", "description", "driver", "schedule", "scheduler", "authoritativeDefinitions"),
    "enum value": ("id", "label", "description", "tags", "authoritativeDefinitions", "customProperties"),
}
"""Keys that say something about the data and ask for nothing that rows could break.

`schedule` and `scheduler` say when a rule is run elsewhere: here it is run each time rows are judged. `slaDefaultElement` and
`primaryKeyPosition` say what other keys mean, `semanticType: measure` that a property is no column.
"""
PRIVACY = ("testbed.small_count", "testbed.round_to", "testbed.forbidden_columns")


class Judged(Protocol):
    """One rule of a report, such as `data_contracts.gate.RuleResult`."""

    @property
    def rule(self) -> str:
        """Name of the rule."""

    @property
    def status(self) -> str:
        """`passed`, `failed` or `skipped`."""

    @property
    def reason(self) -> str:
        """What was found, or why it was skipped."""


@dataclass(frozen=True)
class Coverage:
    """What became of a contract's rules.

    Attributes:
        declared: How many rules the report speaks of: those declared and those the gate adds (a number is finite).
        executed: How many of them were executed.
        skipped: Why each of the others was not, by name.
    """

    declared: int
    executed: int
    skipped: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """The coverage as a JSON document."""
        return {"declared": self.declared, "executed": self.executed, "skipped": dict(self.skipped)}

    def __str__(self) -> str:
        """The coverage as one line."""
        return f"{self.executed} of {self.declared} rules executed, {len(self.skipped)} skipped"


def coverage_of(rules: Iterable[Judged]) -> Coverage:
    """How many of a report's rules were executed, and why the others were not.

    Args:
        rules: The rules of a report, `report.rules`.

    Returns:
        The coverage.
    """
    judged = list(rules)
    skipped = {result.rule: result.reason for result in judged if result.status == "skipped"}
    return Coverage(len(judged), len(judged) - len(skipped), skipped)


def declared_rules(contract: Contract) -> Iterator[str]:
    """Every rule that a contract declares, read from its text alone, without making or executing it.

    Args:
        contract: The contract.

    Yields:
        The name each has in a report, but for the numbers that tell rules of the same name apart.
    """
    for column in (*contract.columns, *contract.measures):
        if column.logicalType or column.physicalType:
            yield f"{column.name}.type"
        if column.semanticType == "measure":  # never a column, and so never part of the key
            yield from (f"{column.name}.{key}" for key in ("required", "primaryKey") if getattr(column, key))
        elif column.required or column.primaryKey:
            yield f"{column.name}.required"
        yield from _declared(column, str(column.name))
    if contract.primary_key:
        yield "primary_key"
    for link in contract.relationships:
        yield link.id or "relationships"
    for rule in contract.quality:
        yield rule.name or str(rule.metric or rule.rule or rule.type)
    yield from (f"privacy.{name.removeprefix('testbed.')}" for name in PRIVACY if name in contract.custom)
    for level in contract.sla:
        yield f"sla.{level.property}"


def _declared(column: SchemaProperty, path: str) -> Iterator[str]:
    """What is declared about a property's values, but for its type and whether it is required."""
    if column.unique:
        yield f"{path}.unique"
    yield from (f"{path}.{option}" for option in column.logicalTypeOptions or {})
    if column.enum:
        yield f"{path}.enum"
    for rule in column.quality or ():
        yield rule.name or f"{path}.{rule.metric or rule.rule or rule.type}"
    for link in column.relationships or ():
        yield link.id or f"{path}.relationships"
    for name, part in parts_of(column):
        if part.required:
            yield f"{path}.{name}.required"
        if part.primaryKey:
            yield f"{path}.{name}.primaryKey"
        yield from _declared(part, f"{path}.{name}")
