"""Load and list data contracts (Open Data Contract Standard 3.1 and 3.2, `<name>.odcs.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
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

from data_contracts.standard.document import read_document
from data_contracts.standard.faults import PlainLoader, custom_of, suggest

FOLDER = Path(__file__).parent
SUFFIX = ".odcs.yaml"
LARGEST_BYTES = 1_000_000
NAME = r"[a-z][a-z0-9_]*"


class ContractError(ValueError):
    """A contract, or data offered under one, cannot be used. One line for each fault."""


@dataclass(frozen=True)
class Contract:
    """A contract, and which of its tables is spoken of; where it has one, that one.

    Attributes:
        id: Name of the contract in reports, files and tables: its `id` where that is a plain name (the standard recommends
            a UUID), else its file's name or its own in plain letters.
        version: Version of the contract.
        source: The file it was read from, as shown in messages.
        document: The whole document, as the standard's own model.
        table: Number of the table that is spoken of; None where none was chosen.
    """

    id: str
    version: str
    source: str
    document: OpenDataContractStandard
    table: int | None = None

    @property
    def tables(self) -> tuple[Contract, ...]:
        """The contract once for each of its tables (schema objects), in order."""
        return tuple(replace(self, table=number) for number in range(len(self.document.schema_ or ())))

    def of(self, name: str) -> Contract:
        """The contract with one of its tables chosen.

        Args:
            name: The table's `name` or `physicalName`.

        Returns:
            The contract, speaking of that table.

        Raises:
            ContractError: It has no such table.
        """
        for key in ("name", "physicalName"):
            for one in self.tables:
                if getattr(one.schema, key) == name:
                    return one
        known = [one.table_name for one in self.tables]
        found = f"table '{name}' is not in the contract; expected one of {', '.join(known)}{suggest(name, known)}"
        raise ContractError(f"{self.source}: {found}")

    @property
    def schema(self) -> SchemaObject:
        """The table that is spoken of.

        Raises:
            ContractError: The contract has several and none was chosen.
        """
        tables = self.document.schema_ or [SchemaObject()]
        if self.table is None and len(tables) > 1:
            known = ", ".join(str(table.name) for table in tables)
            raise ContractError(
                f"{self.source}: holds {len(tables)} tables; expected one of {known}; name it, as in --table {tables[0].name} "
                f"or, in a pilot, {self.id}.{tables[0].name}"
            )
        return tables[self.table or 0]

    @property
    def dataset(self) -> str:
        """What reports call the table: the contract's name, with the table's after it where the contract has several."""
        return self.id if len(self.document.schema_ or ()) < 2 else f"{self.id}.{self.table_name}"

    @property
    def columns(self) -> tuple[SchemaProperty, ...]:
        """The table's columns, in order; a measure (ODCS 3.2, `semanticType`) is computed and is no column."""
        return tuple(column for column in self.schema.properties or () if column.semanticType != "measure")

    @property
    def measures(self) -> tuple[SchemaProperty, ...]:
        """Properties that are computed from the columns, not stored."""
        return tuple(column for column in self.schema.properties or () if column.semanticType == "measure")

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the table's columns, in order."""
        return tuple(str(column.name) for column in self.columns)

    @property
    def quality(self) -> tuple[DataQuality, ...]:
        """The quality rules of the table as a whole; those of a column are on the column."""
        return tuple(self.schema.quality or ())

    @property
    def table_name(self) -> str:
        """Name of the table, as references to it have it."""
        return str(self.schema.name or self.id)

    @property
    def relationships(self) -> tuple[Relationship, ...]:
        """Relationships of the table as a whole; those of a column are on the column."""
        return tuple(self.schema.relationships or ())

    @property
    def sla(self) -> tuple[ServiceLevelAgreementProperty, ...]:
        """The service levels declared, but for those whose element is of another table of the contract."""
        levels = tuple(self.document.slaProperties or ())
        others = {str(table.name) for table in self.document.schema_ or ()} - {self.table_name}
        return tuple(level for level in levels if not others or not tables_of(level) or tables_of(level) - others)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key, by their position."""
        keys = [column for column in self.columns if column.primaryKey]
        return tuple(str(column.name) for column in sorted(keys, key=lambda key: key.primaryKeyPosition or 0))

    @property
    def custom(self) -> dict[str, Any]:
        """`testbed.` properties of the contract and its table, by name."""
        return {**custom_of(self.document.customProperties), **custom_of(self.schema.customProperties)}


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


def tables_of(level: ServiceLevelAgreementProperty) -> set[str]:
    """Names of the tables that a service level's elements stand in, empty text for a column without its table.

    Args:
        level: The service level.

    Returns:
        The names; none where it names no element.
    """
    return {part.strip().rpartition(".")[0] for part in (level.element or "").split(",") if part.strip()}


def load_contract(name_or_path: str | Path, table: str | None = None) -> Contract:
    """Read a contract and check that it can be executed.

    Args:
        name_or_path: Name of one of the project's contracts, with `.table` after it for one of several; or the path of a file.
        table: The table that is spoken of, for a contract with several.

    Returns:
        The contract.

    Raises:
        ContractError: The file cannot be read or is faulty; one line for each fault.
    """
    name, _, named = str(name_or_path).partition(".")
    if named and table is None and name in contracts():
        return load_contract(name, named)
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
    found = parse_contract(text, shown)
    return found if table is None else found.of(table)


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
    return Contract(_plain_name(document, source), str(document.version), source, document)


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


def _plain_name(document: OpenDataContractStandard, source: str) -> str:
    """The name a contract goes by: lower-case letters, digits and _, not the UUID that the standard recommends as its id."""
    if re.fullmatch(NAME, str(document.id)):
        return str(document.id)
    file = re.sub(r"(\.odcs)?\.ya?ml$", "", Path(source).name)
    for text in (file if file != Path(source).name else "", str(document.name or ""), f"contract_{document.id}"):
        plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
        if re.fullmatch(NAME, plain):
            return plain
    return "contract"


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
