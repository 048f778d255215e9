"""What a new version of a contract breaks: for those who send data under it, and for those who use the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from open_data_contract_standard.model import DataQuality, SchemaProperty

from data_contracts.casting import sql_type
from data_contracts.contract import Contract, rules_of
from data_contracts.faults import OPERATORS, custom_of

Side = Literal["consumer", "producer"]

LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
ASK_AT_MOST = ("mustBeLessThan", "mustBeLessOrEqualTo")
ASK_AT_LEAST = ("mustBeGreaterThan", "mustBeGreaterOrEqualTo")
WIDER_NUMBERS = (("integer", "number"),)


@dataclass(frozen=True, order=True)
class Change:
    """One difference between two versions, seen from one side.

    Attributes:
        where: `column '<name>'`, `rule '<name>'` or the key that changed.
        what: What changed, old and new value quoted.
        side: Who meets it: the `producer` sends data under the contract, the `consumer` uses them.
        breaks: Whether what worked under the old version can fail under the new one.
    """

    where: str
    what: str
    side: Side
    breaks: bool

    def __str__(self) -> str:
        """The change as one line."""
        return f"{self.side}: {self.where}: {self.what}; {'breaks' if self.breaks else 'does not break'}"


def compare(old: Contract, new: Contract) -> list[Change]:
    """Every difference between two versions of a contract, from both sides.

    A stricter contract breaks producers, whose data may be refused. A looser one breaks consumers, who may meet values they
    never met. The gate refuses columns that it does not know, so that every new column has to be sent.

    Args:
        old: The version in force.
        new: The version that is to follow it.

    Returns:
        The changes, sorted; each difference once for each side.
    """
    changes = list(_columns(old, new))
    changes += _rules(old, new)
    for name in sorted({*old.custom, *new.custom}):
        before, after = old.custom.get(name), new.custom.get(name)
        if before != after:
            changes += _custom(name, before, after)
    if old.id != new.id:
        changes += _both("id", f"was '{old.id}', is '{new.id}'", producer=True, consumer=True)
    before_key, after_key = old.primary_key, new.primary_key
    if before_key != after_key:
        tighter, looser = not set(before_key) <= set(after_key) or not before_key, bool(before_key)
        what = f"was ({', '.join(before_key)}), is ({', '.join(after_key)})"
        changes += _both("primary key", what, producer=tighter and bool(after_key), consumer=looser)
    for level in sorted({str(entry.property) for entry in (*old.sla, *new.sla)}):
        then, now = ([(e.value, e.unit) for e in c.sla if e.property == level] for c in (old, new))
        if then != now:
            changes += _both(f"service level '{level}'", f"was {then}, is {now}", producer=bool(now), consumer=bool(then))
    return sorted(changes)


def _both(where: str, what: str, *, producer: bool, consumer: bool) -> Iterator[Change]:
    yield Change(where, what, "consumer", consumer)
    yield Change(where, what, "producer", producer)


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
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
            yield from _both(f"column '{name}'", f"renamed to '{renamed}'", producer=True, consumer=True)
        else:
            yield from _both(f"column '{name}'", "removed", producer=not drops_extras, consumer=True)
    for name in added:
        what = "added, required" if after[name].required else "added"
        yield from _both(f"column '{name}'", what, producer=True, consumer=False)


def _same_but_name(one: SchemaProperty, other: SchemaProperty) -> bool:
    left, right = (column.model_dump(exclude={"name", "id", "businessName"}) for column in (one, other))
    return bool(left == right and one.description)


def _column(where: str, old: SchemaProperty, new: SchemaProperty) -> Iterator[Change]:
    if old.logicalType != new.logicalType or sql_type(old) != sql_type(new):
        what = f"type was {old.logicalType} ({sql_type(old)}), is {new.logicalType} ({sql_type(new)})"
        wider = (str(old.logicalType), str(new.logicalType)) in WIDER_NUMBERS
        yield from _both(where, what, producer=not wider, consumer=True)
    for flag, word in (("required", "required"), ("unique", "unique")):
        before, after = bool(getattr(old, flag)), bool(getattr(new, flag))
        if before != after:
            what = f"now {word}" if after else f"no longer {word}"
            yield from _both(where, what, producer=after, consumer=before)
    yield from _values(where, allowed_values(old), allowed_values(new))
    then, now = old.logicalTypeOptions or {}, new.logicalTypeOptions or {}
    for option in sorted({*then, *now}):
        yield from _option(where, option, then.get(option), now.get(option))


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
            yield from _both(where, what, producer=old is None, consumer=new is None)
        return
    for value in old:
        if value not in new:
            yield from _both(where, f"value '{value}' is no longer allowed", producer=True, consumer=False)
    for value in new:
        if value not in old:
            yield from _both(where, f"value '{value}' is now allowed", producer=False, consumer=True)


def _option(where: str, option: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    what = f"{option} was {_said(old)}, is {_said(new)}"
    tighter = looser = True
    if old is None or new is None:
        tighter, looser = old is None, new is None
    elif option in LOWER_BOUNDS or option in UPPER_BOUNDS:
        tighter = new > old if option in LOWER_BOUNDS else new < old
        looser = not tighter
    yield from _both(where, what, producer=tighter, consumer=looser)


def _rules(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = _named_rules(old), _named_rules(new)
    for name in sorted({*before, *after}):
        then, now = before.get(name), after.get(name)
        where = f"rule '{name}'"
        if then is None or now is None:
            stated = now or then
            must = stated is not None and not _is_advice(stated)
            yield from _both(
                where, "added" if now else "removed", producer=must and now is not None, consumer=must and now is None
            )
            continue
        if _is_advice(then) != _is_advice(now):
            what = "now a 'should' rule" if _is_advice(now) else "now a 'must' rule"
            yield from _both(where, what, producer=not _is_advice(now), consumer=_is_advice(now))
        if _asks(then) != _asks(now):
            yield from _both(where, "asks for something else", producer=True, consumer=True)
        yield from _limits(where, then, now)


def _named_rules(contract: Contract) -> dict[str, DataQuality]:
    """Rules by name, but for lists of values, which are compared value by value."""
    return {
        rule.name or f"{place}.{rule.metric or rule.type}": rule
        for place, rule in rules_of(contract)
        if not (rule.metric == "invalidValues" and "validValues" in (rule.arguments or {}))
    }


def _is_advice(rule: DataQuality) -> bool:
    return rule.type == "text" or str(rule.severity).lower() in ("should", "info", "warning", "low", "medium")


def _asks(rule: DataQuality) -> tuple[Any, ...]:
    return (rule.type or "library", rule.metric, rule.query, rule.engine, rule.implementation, rule.arguments, rule.unit)


def _limits(where: str, old: DataQuality, new: DataQuality) -> Iterator[Change]:
    then, now = _limits_of(old), _limits_of(new)
    if then == now:
        return
    what = f"limits were {_said(then)}, are {_said(now)}"
    tighter = looser = True
    if len(then) == len(now) == 1 and then.keys() == now.keys():
        (operator,) = then
        if operator in ASK_AT_MOST or operator in ASK_AT_LEAST:
            tighter = now[operator] < then[operator] if operator in ASK_AT_MOST else now[operator] > then[operator]
            looser = not tighter
    yield from _both(where, what, producer=tighter, consumer=looser)


def _limits_of(rule: DataQuality) -> dict[str, Any]:
    prefixed = {name.removeprefix("testbed."): value for name, value in custom_of(rule.customProperties).items()}
    own = {operator: getattr(rule, operator) for operator in OPERATORS if getattr(rule, operator) is not None}
    return {**{name: value for name, value in prefixed.items() if name in OPERATORS}, **own}


def _custom(name: str, old: Any, new: Any) -> Iterator[Change]:
    what = f"was {_said(old)}, is {_said(new)}"
    privacy = name in ("testbed.small_count", "testbed.round_to", "testbed.forbidden_columns", "testbed.count_column")
    yield from _both(f"property '{name}'", what, producer=privacy and new is not None, consumer=privacy)


def _said(value: Any) -> str:
    return "not stated" if value in (None, {}) else str(value)
