"""Where a value stands: a column, a field of an object, an item of an array, a key or a value of a map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from open_data_contract_standard.model import SchemaProperty

from data_contracts.rows.casting import identifier, literal, sql_type
from data_contracts.rules.rule import RAW, Rule, Severity, count_of, said


@dataclass(frozen=True)
class Place:
    """One property of a contract's schema and the SQL that reaches its values.

    Attributes:
        name: Path in reports, such as `address.street` or `tags.items`.
        column: The property.
        expression: SQL expression of one value.
        kind: DuckDB type of the value; None where the contract names none that DuckDB has.
        given: Type of the column as it came; None for a property inside a column.
        lists: Lists that the value is taken from, each with the name of its item; outermost first.
        outer: SQL expression of the column as a whole, for messages; the same as `expression` where no list is between.
        parent: SQL expression of the value that holds this one; None for a column.
    """

    name: str
    column: SchemaProperty
    expression: str
    kind: str | None
    given: str | None = None
    lists: tuple[tuple[str, str], ...] = ()
    outer: str = ""
    parent: str | None = None

    @property
    def raw(self) -> str:
        """SQL expression of a column's value as it came."""
        if self.given is None or self.kind in (None, self.given):
            return self.expression
        return identifier(RAW + str(self.column.name))

    @property
    def is_column(self) -> bool:
        """Whether this is a column, not a property inside one."""
        return self.given is not None

    def any_of(self, condition: str) -> str:
        """SQL condition of a row where a condition on one value is true for any value at this place."""
        for values, item in reversed(self.lists):
            condition = f"len(list_filter({values}, lambda {item}: coalesce({condition}, false))) > 0"
        return condition

    def rule(self, key: str, condition: str, expected: str, *, shown: str | None = None) -> Rule:
        """A rule about single values at this place.

        Args:
            key: Last part of the rule's name.
            condition: SQL condition of a value that breaks the rule.
            expected: What is valid, as in "expected 0 or more".
            shown: SQL expression of the value that messages show; the value itself where nothing is said.

        Returns:
            A *must* rule that allows no row to break it.
        """
        failing = self.any_of(condition)
        reason = said(self.name, shown or (self.outer if self.lists else self.expression), expected)
        return Rule(f"{self.name}.{key}", "must", f"{self.name} is {expected}", failing, reason, count_of(failing))

    def skipped(self, key: str, reason: str, severity: Severity = "must") -> Rule:
        """A rule of this place that is not executed."""
        return Rule(f"{self.name}.{key}", severity, f"{self.name}.{key}", skipped=reason)


def column_place(column: SchemaProperty, given: dict[str, str]) -> Place:
    """The place of a column of the table.

    Args:
        column: The column.
        given: Type of each column as it came, by name.

    Returns:
        The place.
    """
    name = str(column.name)
    return Place(name, column, identifier(name), sql_type(column), given[name], outer=identifier(name))


def inside(place: Place) -> Iterator[Place]:
    """The properties directly inside a property.

    Args:
        place: Where the outer property stands.

    Yields:
        Fields of an object, the items of an array, the key and the value of a map.
    """
    column, value = place.column, place.expression

    def part(name: str, inner: SchemaProperty, expression: str, lists: Any = None) -> Place:
        lists = place.lists if lists is None else lists
        outer = place.outer if place.lists or lists != place.lists else expression
        return Place(name, inner, expression, sql_type(inner), None, lists, outer, parent=value)

    item = f"x{len(place.lists) + 1}"
    for field in column.properties or ():
        yield part(f"{place.name}.{field.name}", field, f"struct_extract({value}, {literal(str(field.name))})")
    if column.items is not None:
        yield part(f"{place.name}.items", column.items, item, (*place.lists, (value, item)))
    if column.map is not None:
        for key, inner in (("key", column.map.key), ("value", column.map.value)):
            if inner is not None:
                yield part(f"{place.name}.{key}", inner, item, (*place.lists, (f"map_{key}s({value})", item)))
