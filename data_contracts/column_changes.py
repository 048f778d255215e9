"""What changes between the columns of two versions of a contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from open_data_contract_standard.model import SchemaProperty

from data_contracts.change import Change, both, links, listed, said
from data_contracts.contract import Contract
from data_contracts.rows.casting import BITS, sql_type
from data_contracts.standard.faults import parts_of

LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
FLAGS = ("uniqueItems", "normalized")
ADVICE = ("distanceMetric", "embeddingModel", "embeddingModelVersion")
SHOWN = {"public": 0, "open": 0, "internal": 1}
"""How few may see values of a class; every other word, and none, keeps them to fewer still."""


def columns(old: Contract, new: Contract) -> Iterator[Change]:
    """Every difference between the columns of two versions."""
    before = {str(column.name): column for column in old.columns}
    after = {str(column.name): column for column in new.columns}
    added = [name for name in after if name not in before]
    drops_extras = new.custom.get("testbed.extra_columns") == "dropped"
    for name, column in before.items():
        if name in after:
            yield from _column(f"column '{name}'", column, after[name])
            continue
        renamed = next((other for other in added if _same_but_name(column, after[other])), None)
        if renamed:
            added.remove(renamed)
            yield from both(f"column '{name}'", f"renamed to '{renamed}'", producer=True, consumer=True)
        else:
            yield from both(f"column '{name}'", "removed", producer=not drops_extras, consumer=True)
    for name in added:
        what = "added, required" if after[name].required else "added"
        yield from both(f"column '{name}'", what, producer=True, consumer=False)


def _same_but_name(one: SchemaProperty, other: SchemaProperty) -> bool:
    left, right = (column.model_dump(exclude={"name", "id", "businessName"}) for column in (one, other))
    return bool(left == right and one.description)


def _column(where: str, old: SchemaProperty, new: SchemaProperty) -> Iterator[Change]:
    before_type, after_type = sql_type(old), sql_type(new)
    outside, inside = dict(parts_of(old)), dict(parts_of(new))
    is_inner = bool(outside.keys() & inside.keys()) and old.logicalType == new.logicalType
    if old.logicalType != new.logicalType or (before_type != after_type and not is_inner):
        what = f"type was {old.logicalType} ({before_type}), is {new.logicalType} ({after_type})"
        wider, narrower = _holds(after_type, before_type), _holds(before_type, after_type)
        yield from both(where, what, producer=not wider, consumer=not narrower)
    for flag in ("required", "unique"):
        before, after = bool(getattr(old, flag)), bool(getattr(new, flag))
        if before != after:
            what = f"now {flag}" if after else f"no longer {flag}"
            yield from both(where, what, producer=after, consumer=before)
    if old.semanticType != new.semanticType and "measure" in (old.semanticType, new.semanticType):
        what = f"semanticType was {said(old.semanticType)}, is {said(new.semanticType)}"
        yield from both(where, what, producer=True, consumer=True)
    yield from _confidence(where, old, new)
    yield from _values(where, allowed_values(old), allowed_values(new))
    then, now = old.logicalTypeOptions or {}, new.logicalTypeOptions or {}
    for option in sorted({*then, *now}):
        yield from _option(where, option, then.get(option), now.get(option))
    yield from links(where, tuple(old.relationships or ()), tuple(new.relationships or ()))
    for name in sorted({*outside, *inside}):
        inner = f"{where[:-1]}.{name}'"
        if name in outside and name in inside:
            yield from _column(inner, outside[name], inside[name])
        elif name in outside:
            yield from both(inner, "removed", producer=True, consumer=True)
        else:
            yield from both(inner, "added", producer=bool(inside[name].required), consumer=False)


def _holds(wide: str | None, narrow: str | None) -> bool:
    """Whether every value of one type is one of the other, unchanged."""
    if wide is None or narrow is None or wide == narrow:
        return wide == narrow
    if wide in ("DOUBLE", "FLOAT"):
        exact = 24 if wide == "FLOAT" else 64  # a count beyond 2^53 is no count
        return narrow == "FLOAT" or BITS.get(narrow.removeprefix("U"), 999) <= exact
    bits, own = BITS.get(wide.removeprefix("U")), BITS.get(narrow.removeprefix("U"))
    if bits is None or own is None:
        return False
    if wide.startswith("U") == narrow.startswith("U"):
        return bits >= own
    return bits > own and narrow.startswith("U")


def allowed_values(column: SchemaProperty) -> tuple[Any, ...] | None:
    """The values a column may hold.

    Args:
        column: The column.

    Returns:
        The values of its enumeration or of its `invalidValues` rule; None where any value may stand.
    """
    if column.enum:
        return tuple(entry.value for entry in column.enum)
    for rule in column.quality or ():
        if (rule.metric or rule.rule) == "invalidValues" and "validValues" in (rule.arguments or {}):
            return tuple((rule.arguments or {})["validValues"])
    return None


def _values(where: str, old: tuple[Any, ...] | None, new: tuple[Any, ...] | None) -> Iterator[Change]:
    if old is None or new is None:
        if old != new:
            what = "values are now listed" if old is None else "values are no longer listed"
            yield from both(where, what, producer=old is None, consumer=new is None)
        return
    yield from listed(where, old, new, gone="value '{}' is no longer allowed", come="value '{}' is now allowed", allows=True)


def _confidence(where: str, old: SchemaProperty, new: SchemaProperty) -> Iterator[Change]:
    """What a column's values are called where they lie, what they are measured in, and who may see them."""
    for key, then, now in (
        ("physicalName", old.physicalName, new.physicalName),
        ("unit", *(own_properties(column).get("unit") for column in (old, new))),
    ):
        if then != now:
            yield from both(where, f"{key} was {said(then)}, is {said(now)}", producer=True, consumer=True)
    then, now = (str(column.classification or "").strip().lower() for column in (old, new))
    if then != now:
        wider, narrower = (SHOWN.get(name, 2) for name in (then, now))
        what = f"classification was {said(then or None)}, is {said(now or None)}"
        yield from both(where, what, producer=narrower < wider, consumer=narrower > wider)


def own_properties(column: SchemaProperty) -> dict[str, Any]:
    """Custom properties of a column without the project's prefix, by name."""
    return {str(entry.property): entry.value for entry in column.customProperties or ()}


def _option(where: str, option: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    what = f"{option} was {said(old)}, is {said(new)}"
    tighter = looser = True
    if old is None or new is None:
        tighter, looser = old is None, new is None
    elif option in LOWER_BOUNDS or option in UPPER_BOUNDS:
        tighter = new > old if option in LOWER_BOUNDS else new < old
        looser = not tighter
    elif option == "multipleOf":
        tighter, looser = old % new != 0, new % old != 0
    elif option == "required":
        tighter, looser = bool(set(new) - set(old)), bool(set(old) - set(new))
    if option in FLAGS:
        tighter, looser = bool(new) and not old, bool(old) and not new
    if option in ADVICE:
        tighter = looser = False
    yield from both(where, what, producer=tighter, consumer=looser)
