"""Words that the standard knows, and what is wrong with a property, a rule or a relationship of a contract."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterator
from typing import Any

import yaml
from open_data_contract_standard.model import (
    CustomProperty,
    DataQuality,
    Relationship,
    SchemaProperty,
)
from pydantic import BaseModel

from data_contracts.rows.casting import LOGICAL_TO_SQL, sql_type
from data_contracts.standard.option_faults import RANGE_OPTIONS, expected_option, is_above

API_VERSIONS = ("v3.1.0", "v3.2.0")
LOGICAL_TYPES = (
    "string",
    "date",
    "timestamp",
    "time",
    "number",
    "integer",
    "boolean",
    "object",
    "array",
    "map",
    "vector",
)
OPERATORS = (
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
)
LONGEST_NAME = 200
LARGEST_NUMBER = 10**30
METRICS = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")
TYPE_OPTIONS: dict[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": (*RANGE_OPTIONS, "multipleOf", "format"),
    "number": (*RANGE_OPTIONS, "multipleOf", "format"),
    "date": (*RANGE_OPTIONS, "format"),
    "time": (*RANGE_OPTIONS, "format", "timezone", "defaultTimezone"),
    "timestamp": (*RANGE_OPTIONS, "format", "timezone", "defaultTimezone"),
    "object": ("minProperties", "maxProperties", "required"),
    "array": ("minItems", "maxItems", "uniqueItems"),
    "vector": ("dimensions", "elementType", "distanceMetric", "embeddingModel", "embeddingModelVersion", "normalized"),
}
CUSTOM_PROPERTIES: dict[str, str] = {
    "testbed.personal_data": "does the dataset hold personal data? true or false",
    "testbed.publication": "`internal` or `open`: open data pass the privacy rules before they leave",
    "testbed.small_count": "smallest count that may be published",
    "testbed.round_to": "base to which published counts are rounded",
    "testbed.count_column": "the column that holds the counts the privacy rules speak of",
    "testbed.suppressed_column": "the column that says whether a count was withheld",
    "testbed.counts_people": "false where open data hold no count of people, so that no small one can leave",
    "testbed.forbidden_columns": "columns that may never be in the dataset",
    "testbed.epsilon": "what one release with differential privacy spends",
    "testbed.epsilon_total": "what all releases of a pilot may spend together",
    "testbed.contribution_bound": "counts that one unit of privacy changes by at most",
    "testbed.privacy_unit": "whom the promise of differential privacy is made to, in words",
    "testbed.extra_columns": "`refused` (default) or `dropped`: what happens to columns the contract does not name",
    "testbed.tolerance_percent": "share of rows below which a column's or the key's rule is kept that says no limit itself",
    "testbed.severity": "`must` or `should` of a service level or a relationship",
    **{f"testbed.{operator}": f"`{operator}` of a custom rule, in its unit" for operator in OPERATORS},
}


class PlainLoader(yaml.SafeLoader):
    """YAML without aliases (they can blow a small file up) and without repeated keys (the last would win unseen)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias; else as ever."""
        if self.check_event(yaml.events.AliasEvent):
            untyped: Any = self
            event = untyped.peek_event()
            raise yaml.composer.ComposerError(None, None, f"alias '*{event.anchor}' is not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice; else as ever."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key.value}' stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def custom_of(properties: list[CustomProperty] | None) -> dict[str, Any]:
    """Custom properties as a dictionary.

    Args:
        properties: The list of a document, table, column or rule; None where there is none.

    Returns:
        Value of each property, by name.
    """
    return {str(entry.property): entry.value for entry in properties or ()}


def suggest(word: str, known: typing.Iterable[str]) -> str:
    """The end of a message about an unknown word: what is close to it.

    Args:
        word: What was found.
        known: What would have been valid.

    Returns:
        `; did you mean '...'?`, or nothing where no valid word is close.
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that a type annotation names, such as those of `list[A] | B`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from models_in(part)


def parts_of(column: SchemaProperty) -> Iterator[tuple[str, SchemaProperty]]:
    """The properties directly inside a property: fields of an object, the items of an array, key and value of a map.

    Args:
        column: The outer property.

    Yields:
        The name each has in a path, such as `items`, and the property.
    """
    for part in column.properties or ():
        yield str(part.name), part
    if column.items is not None:
        yield "items", column.items
    if column.map is not None:
        yield from ((name, part) for name, part in (("key", column.map.key), ("value", column.map.value)) if part is not None)


def column_faults(column: SchemaProperty, path: str = "") -> Iterator[str]:
    """What is wrong with a property and all that is inside it.

    Args:
        column: The property.
        path: Its place, such as `address.street`; its name where nothing is said.

    Yields:
        One line for each fault.
    """
    where = f"column '{path or column.name}'"
    if column.logicalType is not None:
        yield from one_of(f"{where}: logicalType", column.logicalType, LOGICAL_TYPES)
    for name, part in parts_of(column):
        yield from column_faults(part, f"{path or column.name}.{name}")
    if sql_type(column) is None and (column.physicalType or column.logicalType in LOGICAL_TO_SQL):
        yield f"{where}: physicalType is {short(column.physicalType)}; expected a type that DuckDB has; correct it"
    known = TYPE_OPTIONS.get(str(column.logicalType), ())
    options = column.logicalTypeOptions or {}
    for key in options if column.logicalType is not None else ():
        if key not in known:
            expected = f"expected one of {', '.join(known)}{suggest(key, known)}" if known else "expected none; leave it out"
            yield f"{where}: option '{key}' is unknown for {column.logicalType}; {expected}"
        else:
            yield from _option_faults(where, column, key, options[key])
    if "pattern" in options:
        yield from _pattern_faults(where, options["pattern"])
    for least, most in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        low, high = options.get(least), options.get(most)
        if is_above(str(column.logicalType), low, high):
            yield f"{where}: {least} {low} is above {most} {high}; expected {least} <= {most}; correct one"
    for link in column.relationships or ():
        yield from link_faults(where, link, needs_from=False)
    yield from unknown_custom(where, column.customProperties)
    for rule in column.quality or ():
        yield from rule_faults(where, rule)


def _option_faults(where: str, column: SchemaProperty, key: str, value: Any) -> Iterator[str]:
    expected = expected_option(str(column.logicalType), key, value)
    if expected:
        yield f"{where}: {key} is {short(value)}; expected {expected}; correct it"


def link_faults(where: str, link: Relationship, *, needs_from: bool) -> Iterator[str]:
    """What is wrong with a relationship, one line for each fault; `needs_from` where it stands at a table."""
    yield from unknown_custom(where, link.customProperties)
    if not link.to:
        yield f"{where}: a relationship has no 'to'; expected table.column; add it"
    if needs_from and not link.from_:
        yield f"{where}: a relationship has no 'from'; expected columns of this table; add it"
    if not needs_from and link.from_:
        yield f"{where}: a relationship has 'from'; expected 'to' alone, under the column it starts at; remove it"


def rule_faults(where: str, rule: DataQuality) -> Iterator[str]:
    """What is wrong with a quality rule, one line for each fault."""
    where = f"{where}, rule '{rule.name or rule.metric or rule.rule or rule.type}'"
    kind = rule.type or "library"
    if rule.name and not str(rule.name).isprintable():
        yield f"{where}: its name holds a line break or a control character; expected printable text; rename it"
    if rule.name and len(str(rule.name)) > LONGEST_NAME:
        yield f"{where}: its name has {len(str(rule.name))} characters; expected at most {LONGEST_NAME}; shorten it"
    yield from one_of(f"{where}: type", kind, ("library", "sql", "text", "custom"))
    yield from unknown_custom(where, rule.customProperties)
    used = [operator for operator in OPERATORS if getattr(rule, operator) is not None]
    if len(used) > 1:
        yield f"{where}: has {' and '.join(used)}; expected one operator; make them two rules"
    if kind == "library":
        metric = rule.metric or rule.rule
        yield from one_of(f"{where}: metric", metric, METRICS)
        if metric == "rowCount" and not used:
            yield f"{where}: no operator is given; expected one of {', '.join(OPERATORS)}; add one"
        arguments = rule.arguments or {}
        if metric == "invalidValues" and "pattern" in arguments:
            yield from _pattern_faults(where, arguments["pattern"])
        values = arguments.get("validValues", ["any"])
        if not isinstance(values, list) or all(value is None for value in values):
            yield f"{where}: validValues is {short(values)}; expected a list of values; add them"
    if kind == "sql" and not rule.query:
        yield f"{where}: query is missing; expected one SELECT; add it"
    if kind == "sql" and not used:
        yield f"{where}: no operator is given; expected one of {', '.join(OPERATORS)}; add one"
    if kind == "custom" and (not rule.engine or not rule.implementation):
        yield f"{where}: engine or implementation is missing; expected both; add them"


def _pattern_faults(where: str, pattern: Any) -> Iterator[str]:
    try:
        re.compile(str(pattern))
    except re.error as error:
        yield f"{where}: pattern '{pattern}' is not a regular expression ({error}); expected one; correct it"


def unknown_custom(where: str, properties: list[CustomProperty] | None) -> Iterator[str]:
    """Custom properties of `testbed.` that nothing reads, one line for each."""
    for name in custom_of(properties):
        if name.startswith("testbed.") and name not in CUSTOM_PROPERTIES:
            expected = f"expected one of {', '.join(CUSTOM_PROPERTIES)}{suggest(name, CUSTOM_PROPERTIES)}"
            yield f"{where}: custom property '{name}' is unknown; {expected}"
    names = custom_of(properties).get("testbed.forbidden_columns", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield f"{where}: testbed.forbidden_columns is {short(names)}; expected a list of names; correct it"
    percent = custom_of(properties).get("testbed.tolerance_percent", 1)
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 < percent <= 100:
        yield f"{where}: testbed.tolerance_percent is {short(percent)}; expected a number above 0, at most 100; correct it"


def one_of(what: str, found: Any, known: tuple[str, ...]) -> Iterator[str]:
    """The line about a word that is not one of those known; none where it is."""
    if found not in known:
        stated = "is missing" if found is None else f"is {short(found)}"
        valid = " or ".join(known) if len(known) < 4 else f"one of {', '.join(known)}"
        yield f"{what} {stated}; expected {valid}{suggest(str(found), known)}"


def short(value: Any) -> str:
    """A value as messages quote it, long ones cut."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
