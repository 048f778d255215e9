"""What a new version of a contract breaks: for those who send data under it, and for those who use the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from open_data_contract_standard.model import DataQuality, ServiceLevelAgreementProperty

from data_contracts.change import Change, both, links, said
from data_contracts.column_changes import columns
from data_contracts.contract import Contract, rules_of
from data_contracts.standard.faults import OPERATORS, custom_of
from data_contracts.standard.severity import severity_of, severity_of_rule

ASK_AT_MOST = ("mustBeLessThan", "mustBeLessOrEqualTo")
ASK_AT_LEAST = ("mustBeGreaterThan", "mustBeGreaterOrEqualTo")
LESS_IS_STRICTER = ("freshness", "latency", "frequency")
PRIVACY = ("small_count", "round_to", "forbidden_columns", "count_column", "suppressed_column", "personal_data")
NOISE = ("epsilon", "epsilon_total", "contribution_bound", "privacy_unit")
MORE_IS_STRICTER = ("completeness", "availability")


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
            changes += both(where, "removed" if name in before else "added", producer=name in before, consumer=name in before)
    return sorted(changes)


def _table(old: Contract, new: Contract) -> list[Change]:
    """Every difference of one table, its rules and what the contract says of it."""
    changes = list(columns(old, new))
    changes += _rules(old, new)
    for name in sorted({*old.custom, *new.custom}):
        before, after = old.custom.get(name), new.custom.get(name)
        if before != after:
            changes += _custom(name, before, after)
    for name, was, is_now in (("id", old.document.id, new.document.id), ("table", old.table_name, new.table_name)):
        if was != is_now:
            changes += both(name, f"was '{was}', is '{is_now}'", producer=True, consumer=True)
    before_key, after_key = old.primary_key, new.primary_key
    if before_key != after_key:
        tighter, looser = not set(before_key) <= set(after_key) or not before_key, bool(before_key)
        what = f"was ({', '.join(before_key)}), is ({', '.join(after_key)})"
        changes += both("primary key", what, producer=tighter and bool(after_key), consumer=looser)
    changes += links("the table", old.relationships, new.relationships)
    changes += _service_levels(old, new)
    return changes


def _rules(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = _named_rules(old), _named_rules(new)
    for name in sorted({*before, *after}):
        then, now = before.get(name), after.get(name)
        where = f"rule '{name}'"
        if then is None or now is None:
            stated = now or then
            must = stated is not None and not _is_advice(stated)
            yield from both(
                where, "added" if now else "removed", producer=must and now is not None, consumer=must and now is None
            )
            continue
        if _is_advice(then) != _is_advice(now):
            what = "now a 'should' rule" if _is_advice(now) else "now a 'must' rule"
            yield from both(where, what, producer=not _is_advice(now), consumer=_is_advice(now))
        if _asks(then) != _asks(now):
            yield from both(where, "asks for something else", producer=True, consumer=True)
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
    what = f"limits were {said(then)}, are {said(now)}"
    tighter = looser = True
    if len(then) == len(now) == 1 and then.keys() == now.keys():
        (operator,) = then
        if operator in ASK_AT_MOST or operator in ASK_AT_LEAST:
            tighter = now[operator] < then[operator] if operator in ASK_AT_MOST else now[operator] > then[operator]
            looser = not tighter
    yield from both(where, what, producer=tighter, consumer=looser)


def _limits_of(rule: DataQuality) -> dict[str, Any]:
    prefixed = {name.removeprefix("testbed."): value for name, value in custom_of(rule.customProperties).items()}
    own = {operator: getattr(rule, operator) for operator in OPERATORS if getattr(rule, operator) is not None}
    return {**{name: value for name, value in prefixed.items() if name in OPERATORS}, **own}


def _service_levels(old: Contract, new: Contract) -> Iterator[Change]:
    for level in sorted({str(entry.property) for entry in (*old.sla, *new.sla)}):
        before, after = ([e for e in c.sla if e.property == level] for c in (old, new))
        where = f"service level '{level}'"
        then, now = ([(e.value, e.unit) for e in entries] for entries in (before, after))
        if then != now:
            tighter, looser = bool(now), bool(then)
            if len(before) == len(after) == 1 and before[0].unit == after[0].unit:
                tighter, looser = _stricter(level, before[0], after[0])
            yield from both(where, f"was {then}, is {now}", producer=tighter, consumer=looser)
        about_then, about_now = ([e.element for e in entries] for entries in (before, after))
        if then and now and about_then != about_now:
            yield from both(where, f"element was {about_then}, is {about_now}", producer=True, consumer=True)
        was, is_now = ([severity_of(_severity(e), "should") for e in entries] for entries in (before, after))
        if then and now and was != is_now:
            what = f"severity was {', '.join(was)}, is {', '.join(is_now)}"
            yield from both(where, what, producer="must" in is_now, consumer="must" in was)


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
    plain, producer, consumer = name.removeprefix("testbed."), False, False
    if plain in PRIVACY or plain in NOISE:
        producer, consumer = new is not None, True
    elif plain == "publication":  # what was kept in the house leaves it, or no longer does
        producer, consumer = new == "open", old == "open"
    elif plain == "extra_columns":
        producer = old == "dropped"
    elif plain == "tolerance_percent":
        producer, consumer = float(new or 0) < float(old or 0), float(new or 0) > float(old or 0)
    yield from both(f"property '{name}'", f"was {said(old)}, is {said(new)}", producer=producer, consumer=consumer)
