"""Read a contract's document and find every fault of it at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject
from pydantic import BaseModel, ValidationError

from data_contracts.standard.faults import (
    API_VERSIONS,
    LARGEST_NUMBER,
    column_faults,
    link_faults,
    models_in,
    one_of,
    rule_faults,
    short,
    suggest,
    unknown_custom,
)


def read_document(raw: dict[str, Any]) -> tuple[OpenDataContractStandard | None, list[str]]:
    """Check a contract's content against the standard and against what the gate can execute.

    Args:
        raw: The content as read from YAML.

    Returns:
        The document, None where the standard's model refuses it, and its faults.
    """
    unusable = list(_odd_numbers(raw, ""))
    if unusable:
        return None, unusable
    faults = list(_unknown_keys(OpenDataContractStandard, raw, ""))
    try:
        document = OpenDataContractStandard.model_validate(raw)
    except ValidationError as error:
        for item in error.errors():
            place = ".".join(str(part) for part in item["loc"])
            if item["type"] != "extra_forbidden":
                faults.append(f"'{place}' is {short(item.get('input'))}; expected {_lower(item['msg'])}; correct it")
        return None, faults
    return document, faults + list(_faults(document))


def _unknown_keys(model: type[BaseModel], raw: dict[str, Any], place: str) -> Iterator[str]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, value in raw.items():
        here = f"{place}.{key}" if place else str(key)
        if key not in fields:
            yield f"'{here}' is unknown; expected one of {', '.join(fields)}{suggest(str(key), fields)}"
            continue
        nested = list(models_in(fields[key].annotation))
        for i, item in enumerate(value if isinstance(value, list) else [value]):
            if nested and isinstance(item, dict):
                inner = nested[-1] if isinstance(value, list) else nested[0]
                yield from _unknown_keys(inner, item, f"{here}[{item.get('name', i)}]" if isinstance(value, list) else here)


def _faults(document: OpenDataContractStandard) -> Iterator[str]:
    yield from one_of("apiVersion", document.apiVersion, API_VERSIONS)
    yield from one_of("kind", document.kind, ("DataContract",))
    if document.status is None and document.apiVersion != "v3.2.0":
        yield "'status' is missing; expected text such as active; add it"
    for key in ("id", "version"):
        if not getattr(document, key):
            yield f"'{key}' is missing; expected text; add it"
    tables = document.schema_ or []
    if not tables or not all(table.properties for table in tables):
        yield f"schema holds {len(tables)} tables; expected one or more, each with properties; complete the contract"
        return
    yield from unknown_custom("the contract", document.customProperties)
    names = [str(table.name) for table in tables]
    for number, table in enumerate(tables):
        which = f"table {short(table.name or number + 1)}, " if len(tables) > 1 else ""
        if len(tables) > 1 and (table.name is None or names.count(table.name) > 1):
            yield f"{which}name is {short(table.name)}; expected a name of its own for each table; rename it"
        for fault in _table_faults(table):
            yield which + fault
    for level in document.slaProperties or ():
        where = f"service level '{level.property}'"
        if not level.property:
            yield "a service level has no property; expected one such as freshness; add it"
        yield from unknown_custom(where, level.customProperties)


def _table_faults(table: SchemaObject) -> Iterator[str]:
    yield from unknown_custom("the table", table.customProperties)
    names: list[str] = []
    for i, column in enumerate(table.properties or ()):
        if not column.name or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column.name) or column.name.startswith("__"):
            yield f"column {i + 1} is named {short(column.name)}; expected letters, digits and _; rename it"
        elif column.name in names:
            yield f"column '{column.name}' stands twice; expected each name once; remove one"
        names.append(str(column.name))
        yield from column_faults(column)
    if all(column.semanticType == "measure" for column in table.properties or ()):
        yield "schema holds measures alone; expected columns that they are computed from; add them"
    for rule in table.quality or ():
        yield from rule_faults("the table", rule)
    for link in table.relationships or ():
        yield from link_faults("the table", link, needs_from=True)


def _odd_numbers(value: Any, place: str) -> Iterator[str]:
    """Numbers that no rule can be held against: not finite, or beyond what a DOUBLE holds exactly many times over."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _odd_numbers(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _odd_numbers(item, f"{place}[{i}]")
    elif isinstance(value, (int, float)) and not abs(value) <= LARGEST_NUMBER:
        yield f"'{place}' is {short(value)}; expected a number from -1e30 to 1e30; correct it"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
