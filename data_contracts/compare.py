"""What a new version of a contract breaks: for those who send data under it, and for those who use the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from open_data_contract_standard.model import DataQuality, Relationship, SchemaProperty, ServiceLevelAgreementProperty

from data_contracts.contract import Contract, rules_of
from data_contracts.rows.casting import BITS, sql_type
from data_contracts.standard.faults import OPERATORS, custom_of, parts_of
from data_contracts.standard.severity import severity_of, severity_of_rule

Side = Literal["consumer", "producer"]

LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
FLAGS = ("uniqueItems", "normalized")
ADVICE = ("distanceMetric", "embeddingModel", "embeddingModelVersion")
ASK_AT_MOST = ("mustBeLessThan", "mustBeLessOrEqualTo")
ASK_AT_LEAST = ("mustBeGreaterThan", "mustBeGreaterOrEqualTo")
LESS_IS_STRICTER = ("freshness", "latency", "frequency")
MORE_IS_STRICTER = ("completeness", "availability")


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
    """Every difference between two versions of a contract, all its tables, from both sides.

    A stricter contract breaks producers, whose data may be refused. A looser one breaks consumers, who may meet values they
    never met. The gate refuses columns that it does not know, so that every new column has to be sent.

    Args:
        old: The version in force.
        new: The version that is to follow it.

    Returns:
        The changes, sorted; each difference once for each side.
    """
    if len(old.tables) < 2 and len(new.tables) < 2:
        return sorted(_table(old, new))
    before, after = ({one.table_name: one for one in contract.tables} for contract in (old, new))
    changes: list[Change] = []
    for name in sorted({*before, *after}):
        where = f"table '{name}'"
        if name in before and name in after:
            found = _table(before[name], after[name])
            changes += [replace(change, where=f"{where}, {change.where}") for change in found]
        else:
            changes += _both(where, "removed" if name in before else "added", producer=name in before, consumer=name in before)
    return sorted(changes)


def _table(old: Contract, new: Contract) -> list[Change]:
    """Every difference of one table, its rules and what the contract says of it."""
    changes = list(_columns(old, new))
    changes += _rules(old, new)
    for name in sorted({*old.custom, *new.custom}):
        before, after = old.custom.get(name), new.custom.get(name)
        if before != after:
            changes += _custom(name, before, after)
    if old.document.id != new.document.id:
        changes += _both("id", f"was '{old.document.id}', is '{new.document.id}'", producer=True, consumer=True)
    before_key, after_key = old.primary_key, new.primary_key
    if before_key != after_key:
        tighter, looser = not set(before_key) <= set(after_key) or not before_key, bool(before_key)
        what = f"was ({', '.join(before_key)}), is ({', '.join(after_key)})"
        changes += _both("primary key", what, producer=tighter and bool(after_key), consumer=looser)
    changes += _links("the table", old.relationships, new.relationships)
    changes += _service_levels(old, new)
    return changes


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
    before_type, after_type = sql_type(old), sql_type(new)
    is_inner = bool(dict(parts_of(old)).keys() & dict(parts_of(new)).keys()) and old.logicalType == new.logicalType
    if old.logicalType != new.logicalType or (before_type != after_type and not is_inner):
        what = f"type was {old.logicalType} ({before_type}), is {new.logicalType} ({after_type})"
        wider, narrower = _holds(after_type, before_type), _holds(before_type, after_type)
        yield from _both(where, what, producer=not wider, consumer=not narrower)
    keys = (("required", "required"), ("unique", "unique"))
    for flag, word in keys:
        before, after = bool(getattr(old, flag)), bool(getattr(new, flag))
        if before != after:
            what = f"now {word}" if after else f"no longer {word}"
            yield from _both(where, what, producer=after, consumer=before)
    if old.semanticType != new.semanticType and "measure" in (old.semanticType, new.semanticType):
        what = f"semanticType was {_said(old.semanticType)}, is {_said(new.semanticType)}"
        yield from _both(where, what, producer=True, consumer=True)
    yield from _values(where, allowed_values(old), allowed_values(new))
    then, now = old.logicalTypeOptions or {}, new.logicalTypeOptions or {}
    for option in sorted({*then, *now}):
        yield from _option(where, option, then.get(option), now.get(option))
    yield from _links(where, tuple(old.relationships or ()), tuple(new.relationships or ()))
    outside, inside = dict(parts_of(old)), dict(parts_of(new))
    for name in sorted({*outside, *inside}):
        inner = f"{where[:-1]}.{name}'"
        if name in outside and name in inside:
            yield from _column(inner, outside[name], inside[name])
        elif name in outside:
            yield from _both(inner, "removed", producer=True, consumer=True)
        else:
            yield from _both(inner, "added", producer=bool(inside[name].required), consumer=False)


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
    elif option == "multipleOf":
        tighter, looser = old % new != 0, new % old != 0
    elif option == "required":
        tighter, looser = bool(set(new) - set(old)), bool(set(old) - set(new))
    if option in FLAGS:
        tighter, looser = bool(new) and not old, bool(old) and not new
    if option in ADVICE:
        tighter = looser = False
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
    """Rules by name; those of the same name are told apart by their order."""
    found: dict[str, DataQuality] = {}
    for place, rule in rules_of(contract):
        name = rule.name or f"{place}.{rule.metric or rule.rule or rule.type}"
        same = sum(other == name or other.startswith(f"{name} (") for other in found)
        found[f"{name} ({same + 1})" if same else name] = rule
    return found


def _is_advice(rule: DataQuality) -> bool:
    return rule.type == "text" or severity_of_rule(rule) == "should"


def _asks(rule: DataQuality) -> tuple[Any, ...]:
    """What a rule measures; lists of values are compared value by value."""
    arguments = {name: value for name, value in (rule.arguments or {}).items() if name != "validValues"}
    metric, unit = rule.metric or rule.rule, rule.unit or "rows"
    return (rule.type or "library", metric, rule.query, rule.engine, rule.implementation, arguments, unit)


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


def _links(where: str, old: tuple[Relationship, ...], new: tuple[Relationship, ...]) -> Iterator[Change]:
    then, now = ([f"{link.from_ or ''} to {link.to}".strip() for link in links] for links in (old, new))
    for link in then:
        if link not in now:
            yield from _both(where, f"relationship {link} removed", producer=False, consumer=True)
    for link in now:
        if link not in then:
            yield from _both(where, f"relationship {link} added", producer=True, consumer=False)


def _service_levels(old: Contract, new: Contract) -> Iterator[Change]:
    for level in sorted({str(entry.property) for entry in (*old.sla, *new.sla)}):
        before, after = ([e for e in c.sla if e.property == level] for c in (old, new))
        where = f"service level '{level}'"
        then, now = ([(e.value, e.unit) for e in entries] for entries in (before, after))
        if then != now:
            tighter, looser = bool(now), bool(then)
            if len(before) == len(after) == 1 and before[0].unit == after[0].unit:
                tighter, looser = _stricter(level, before[0], after[0])
            yield from _both(where, f"was {then}, is {now}", producer=tighter, consumer=looser)
        about_then, about_now = ([e.element for e in entries] for entries in (before, after))
        if then and now and about_then != about_now:
            yield from _both(where, f"element was {about_then}, is {about_now}", producer=True, consumer=True)
        was, is_now = ([severity_of(_severity(e), "should") for e in entries] for entries in (before, after))
        if then and now and was != is_now:
            what = f"severity was {', '.join(was)}, is {', '.join(is_now)}"
            yield from _both(where, what, producer="must" in is_now, consumer="must" in was)


def _severity(level: ServiceLevelAgreementProperty) -> str | None:
    found = custom_of(level.customProperties).get("testbed.severity")
    return None if found is None else str(found)


def _stricter(level: str, old: ServiceLevelAgreementProperty, new: ServiceLevelAgreementProperty) -> tuple[bool, bool]:
    """Whether a service level asks for more, and whether for less; both where that cannot be said."""
    numbers = isinstance(old.value, int | float) and isinstance(new.value, int | float)
    if not numbers or level not in (*LESS_IS_STRICTER, *MORE_IS_STRICTER):
        return True, True
    more = float(new.value or 0) > float(old.value or 0)
    tighter = more if level in MORE_IS_STRICTER else not more
    return tighter, not tighter


def _custom(name: str, old: Any, new: Any) -> Iterator[Change]:
    what = f"was {_said(old)}, is {_said(new)}"
    privacy = name in ("testbed.small_count", "testbed.round_to", "testbed.forbidden_columns", "testbed.count_column")
    yield from _both(f"property '{name}'", what, producer=privacy and new is not None, consumer=privacy)


def _said(value: Any) -> str:
    return "not stated" if value in (None, {}) else str(value)
