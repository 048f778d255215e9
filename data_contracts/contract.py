"""Load, list and lint data contracts (Open Data Contract Standard 3.1 and 3.2, `<name>.odcs.yaml`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from open_data_contract_standard.model import (
    DataQuality,
    OpenDataContractStandard,
    Relationship,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
)

from data_contracts.standard.faults import PlainLoader, custom_of, read_document, suggest

FOLDER = Path(__file__).parent
SUFFIX = ".odcs.yaml"
LARGEST_BYTES = 1_000_000
STATUSES = ("proposed", "draft", "active", "deprecated", "retired")


class ContractError(ValueError):
    """A contract, or data offered under one, cannot be used. One line for each fault."""


@dataclass(frozen=True)
class Contract:
    """One dataset's contract: a single table with its columns and rules.

    Attributes:
        id: Name of the contract, its file and its table.
        version: Version of the contract.
        source: The file it was read from, as shown in messages.
        document: The whole document, as the standard's own model.
    """

    id: str
    version: str
    source: str
    document: OpenDataContractStandard

    @property
    def columns(self) -> tuple[SchemaProperty, ...]:
        """The table's columns, in order; a measure (ODCS 3.2, `semanticType`) is computed and is no column."""
        return tuple(column for column in self._table.properties or () if column.semanticType != "measure")

    @property
    def measures(self) -> tuple[SchemaProperty, ...]:
        """Properties that are computed from the columns, not stored."""
        return tuple(column for column in self._table.properties or () if column.semanticType == "measure")

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the table's columns, in order."""
        return tuple(str(column.name) for column in self.columns)

    @property
    def quality(self) -> tuple[DataQuality, ...]:
        """The quality rules of the table as a whole; those of a column are on the column."""
        return tuple(self._table.quality or ())

    @property
    def table_name(self) -> str:
        """Name of the table, as references to it have it."""
        return str(self._table.name or self.id)

    @property
    def relationships(self) -> tuple[Relationship, ...]:
        """Relationships of the table as a whole; those of a column are on the column."""
        return tuple(self._table.relationships or ())

    @property
    def sla(self) -> tuple[ServiceLevelAgreementProperty, ...]:
        """The service levels declared."""
        return tuple(self.document.slaProperties or ())

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key, by their position."""
        keys = [column for column in self.columns if column.primaryKey]
        return tuple(str(column.name) for column in sorted(keys, key=lambda key: key.primaryKeyPosition or 0))

    @property
    def custom(self) -> dict[str, Any]:
        """`testbed.` properties of the contract and its table, by name."""
        return {**custom_of(self.document.customProperties), **custom_of(self._table.customProperties)}

    @property
    def _table(self) -> SchemaObject:
        return (self.document.schema_ or [SchemaObject()])[0]


def contracts() -> dict[str, Path]:
    """Every contract of the project.

    Returns:
        Path of each contract, by name, in alphabetical order.
    """
    return {path.name.removesuffix(SUFFIX): path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def example_of(name: str) -> Path:
    """Path of the few valid rows that illustrate a contract of the project.

    Args:
        name: Name of the contract.

    Returns:
        Path of its CSV file.
    """
    return FOLDER / "examples" / f"{name}.csv"


def load_contract(name_or_path: str | Path) -> Contract:
    """Read a contract and check that it can be executed.

    Args:
        name_or_path: Name of one of the project's contracts, or the path of a file.

    Returns:
        The contract.

    Raises:
        ContractError: The file cannot be read or is faulty; one line for each fault.
    """
    path, shown = _find(name_or_path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ContractError(
                f"{shown}: the file has {path.stat().st_size} bytes; expected at most {LARGEST_BYTES}; shorten it"
            )
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ContractError(f"{shown}: byte {error.start} is not UTF-8; expected UTF-8 text; save the file as UTF-8") from error
    except OSError as error:
        raise ContractError(f"{shown}: cannot be read ({error.strerror}); expected a readable file; check the path") from error
    return parse_contract(text, shown)


def parse_contract(text: str, source: str) -> Contract:
    """Read a contract from text.

    Args:
        text: The YAML document.
        source: What to call it in messages.

    Returns:
        The contract.

    Raises:
        ContractError: The text is faulty; one line for each fault.
    """
    try:
        raw = yaml.load(text, Loader=PlainLoader)
    except (yaml.YAMLError, ValueError, IndexError, AttributeError, RecursionError) as error:  # 2026-02-30, !!int ''
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0] if str(error) else "nested too deeply"
        raise ContractError(f"{source}: {where}{problem}; expected plain YAML; correct the file") from error
    if not isinstance(raw, dict):
        kind = "nothing" if raw is None else f"a {type(raw).__name__}"
        raise ContractError(f"{source}: holds {kind}; expected a mapping with apiVersion, kind, id; see the standard ODCS 3.1")
    document, faults = read_document(raw)
    if faults or document is None:
        raise ContractError("\n".join(f"{source}: {' '.join(fault.split())}" for fault in faults))
    return Contract(str(document.id), str(document.version), source, document)


def lint(contract: Contract) -> list[str]:
    """What a contract lacks although it can be executed.

    Args:
        contract: The contract.

    Returns:
        One line for each finding; none for a clean contract.
    """
    document, found = contract.document, []
    if not document.description or not document.description.purpose:
        found.append("description.purpose is missing; say what the dataset is for")
    if not document.name:
        found.append("name is missing; give the dataset a name people read")
    if "testbed.personal_data" not in contract.custom:
        found.append("custom property 'testbed.personal_data' is missing; say true or false")
    if document.status not in STATUSES:
        found.append(f"status is '{document.status}'; tools expect one of {', '.join(STATUSES)}")
    found += [
        f"column '{c.name}' has no logicalType; say what kind of value it holds" for c in contract.columns if not c.logicalType
    ]
    found += [
        f"column '{c.name}' has no description; say what it holds and its unit" for c in contract.columns if not c.description
    ]
    has_key = contract.primary_key or any(column.unique for column in contract.columns)
    if not has_key and not any(rule.dimension == "uniqueness" for _, rule in rules_of(contract)):
        found.append("no column is a primary key or unique; say what makes a row one of a kind")
    for where, rule in rules_of(contract):
        if rule.type != "library" and not rule.name:
            found.append(f"a rule of {where} has no name; name it, so that reports can")
        if not rule.description and rule.type != "text":
            found.append(f"rule '{rule.name or rule.metric}' of {where} has no description; say why it is there")
        if rule.mustBeBetween or rule.mustNotBeBetween:
            found.append(
                f"rule '{rule.name or rule.metric}' of {where} uses a 'between' that tools read in two ways; use two rules"
            )
    if contract.custom.get("testbed.publication") == "open":
        for needed in ("testbed.small_count", "testbed.round_to", "testbed.forbidden_columns", "testbed.count_column"):
            if needed not in contract.custom:
                found.append(f"open data lack custom property '{needed}'; the privacy rules need it")
    return [f"{contract.source}: {line}" for line in found]


def rules_of(contract: Contract) -> Iterator[tuple[str, DataQuality]]:
    """Every quality rule of a contract, with the place it stands.

    Args:
        contract: The contract.

    Yields:
        `column '<name>'` or `the table`, and the rule.
    """
    for column in contract.columns:
        for rule in column.quality or ():
            yield f"column '{column.name}'", rule
    for rule in contract.quality:
        yield "the table", rule


def _find(name_or_path: str | Path) -> tuple[Path, str]:
    known = contracts()
    text = str(name_or_path)
    if text in known:
        return known[text], f"data_contracts/{known[text].name}"
    path = Path(name_or_path)
    if path.is_file():
        return path, text
    if path.suffix in {".yaml", ".yml"} or "/" in text:
        raise ContractError(f"{text}: no such file; expected an Open Data Contract Standard document; check the path")
    raise ContractError(f"contract '{text}' is unknown; expected one of {', '.join(known)} or a file{suggest(text, known)}")
