"""Service levels of a contract, as rules over its rows and an instant `now` that the caller gives.

The standard names its service levels but does not define their arithmetic. Here they mean:

- `freshness`: from the newest instant of the element that is not after `now`, to `now`: at most the value.
- `latency`: with one element the same; with two, `event, arrival`, from one to the other: at most the value in every row.
- `frequency`: from each instant of the element to the next, over the whole table: at most the value between all.
- `retention`: from the element to `now`: at most the value. An older row breaks the rule and is quarantined.
- `completeness`: the share of rows that have a value in each element, in each required column where no element is named: at
  least the value.
- `generalAvailability`: `now` is on the value's day or later. `endOfSupport`, `endOfLife`: `now` is before the value's day.

Every other property speaks of a service (how long it is up, how fast it answers), which rows cannot show: it is reported as
skipped. A service level is a *should* unless its custom property `testbed.severity` says `must`.

Source:
    ODCS 3.2, `slaProperties`; freshness and completeness are not in its list of words, but in use. The standard prefers
    latency to freshness.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from open_data_contract_standard.model import ServiceLevelAgreementProperty

from data_contracts.contract import Contract, ContractError
from data_contracts.rows.casting import INSTANT, identifier, literal, sql_type
from data_contracts.rules.rule import BATCH, Rule, count_of, said
from data_contracts.standard.faults import custom_of
from data_contracts.standard.severity import severity_of

UNITS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(("y", "yr", "yrs", "year", "years", "a"), ("months", 12)),
    **dict.fromkeys(("m", "mo", "mon", "month", "months"), ("months", 1)),
    **dict.fromkeys(("w", "wk", "week", "weeks"), ("seconds", 604_800)),
    **dict.fromkeys(("d", "day", "days"), ("seconds", 86_400)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("seconds", 3_600)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), ("seconds", 60)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("seconds", 1)),
}
"""Units of time: `m` is a month, `min` a minute. Years and months are those of the calendar, a day has 24 hours."""
LONGEST_MONTHS, LONGEST_SECONDS = 12 * 1_000, 1_000 * 366 * 86_400
TIMED = ("freshness", "latency", "frequency", "retention")
DATED = {"generalAvailability": "from", "endOfSupport": "before", "endOfLife": "before"}
OF_A_SERVICE = (
    "availability",
    "throughput",
    "errorRate",
    "timeToDetect",
    "timeToNotify",
    "timeToRepair",
    "timeOfAvailability",
)
Span = tuple[str, float]


class _NotExecuted(Exception):
    """Why a service level cannot be executed."""


def service_level_rules(contract: Contract, given: Mapping[str, str], now: datetime | None) -> Iterator[Rule]:
    """A rule for each service level that a contract declares.

    Args:
        contract: The contract.
        given: Type of each column as it came, by name.
        now: The instant at which the rows are judged; None where none was given: what needs it is skipped.

    Yields:
        Rules named `sla.<property>`.

    Raises:
        ContractError: `now` has no time zone.
    """
    if now is not None and now.tzinfo is None:
        raise ContractError(f"now is '{now.isoformat()}'; expected an instant with its time zone; add it")
    for level in contract.sla:
        unit = f" {level.unit}" if level.unit else ""
        words = (level.description or f"{level.property} is {level.value}{unit}").rstrip(".")
        severity = severity_of(custom_of(level.customProperties).get("testbed.severity"), "should")
        bare = Rule(f"sla.{level.property}", severity, words)
        try:
            yield _level_rule(contract, given, level, bare, now)
        except _NotExecuted as why:
            yield Rule(bare.name, severity, words, skipped=str(why))


def expired(contract: Contract, given: Mapping[str, str], level: ServiceLevelAgreementProperty, now: datetime) -> str:
    """SQL condition of a row that is older than a service level `retention` allows.

    Args:
        contract: The contract.
        given: Type of each column as it came, by name.
        level: The service level.
        now: The instant at which the rows are judged.

    Returns:
        The condition; NULL for a row without its instant.

    Raises:
        ContractError: The service level cannot be read.
    """
    try:
        column = _one_element(contract, given, level)
        return f"{_instant_of(contract, given, column)} < {_instant_literal(_before(now, _span(level)))}"
    except _NotExecuted as why:
        unit = f" {level.unit}" if level.unit else ""
        said = f"retention is {level.value}{unit} of '{level.element}': {why}"
        raise ContractError(f"{contract.id}: {said}; correct the service level") from why


def _one_element(contract: Contract, given: Mapping[str, str], level: ServiceLevelAgreementProperty, most: int = 1) -> str:
    columns = _elements(contract, given, level)
    if not columns:
        raise _NotExecuted(f"names no element; expected {contract.table_name}.<column>")
    if len(columns) > most:
        raise _NotExecuted(f"names {len(columns)} elements; expected {'one or two' if most == 2 else 'one'}")
    return columns[0]


def _level_rule(
    contract: Contract, given: Mapping[str, str], level: ServiceLevelAgreementProperty, bare: Rule, now: datetime | None
) -> Rule:
    kind = str(level.property)
    if kind in OF_A_SERVICE:
        raise _NotExecuted(f"{kind} is measured where data are served, not in their rows")
    if kind not in (*TIMED, *DATED, "completeness"):
        raise _NotExecuted(f"service level '{kind}' is unknown; expected one of {', '.join((*TIMED, 'completeness', *DATED))}")
    if level.valueExt is not None:
        raise _NotExecuted(f"valueExt {level.valueExt!r} is not executed; expected value and unit alone")
    if kind in DATED:
        return _dated_rule(level, bare, _needed(now))
    columns = _elements(contract, given, level)
    if kind == "completeness":
        return _completeness(contract, level, bare, columns)
    _one_element(contract, given, level, most=2 if kind == "latency" else 1)
    instants = [_instant_of(contract, given, name) for name in columns]
    span, words = _span(level), f"{level.value} {level.unit}" if level.unit else str(level.value)
    local = [f"timezone('UTC', {instant})" for instant in instants]  # the calendar of UTC, whatever the session's
    if kind == "retention":
        oldest = _instant_literal(_before(_needed(now), span))
        failing = f"{instants[0]} < {oldest}"
        at = _needed(now)
        reason = said(columns[0], identifier(columns[0]), f"an instant at most {words} old")
        return Rule(bare.name, bare.severity, f"{bare.description} ({_judged(at)})", failing, reason, count_of(failing))
    if kind == "frequency":
        ordered = f"(SELECT DISTINCT {local[0]} AS t FROM {BATCH} WHERE {instants[0]} IS NOT NULL)"
        gaps = f"(SELECT t, lead(t) OVER (ORDER BY t) AS next FROM {ordered})"
        late = f"count(*) FILTER (WHERE next > t + {_interval(span)})"
        measure = f"(SELECT CASE WHEN count(next) > 0 THEN {late} END FROM {gaps})"  # one instant shows no frequency
        return _valued(bare, f"gaps longer than {words}", measure)
    if len(instants) == 2:
        late = f"count(*) FILTER (WHERE {local[1]} > {local[0]} + {_interval(span)})"
        both = f"count(*) FILTER (WHERE {instants[0]} IS NOT NULL AND {instants[1]} IS NOT NULL)"
        return _valued(bare, f"rows later than {words}", f"CASE WHEN {both} > 0 THEN {late} END")
    at = _needed(now)
    newest = f"max({instants[0]}) FILTER (WHERE {instants[0]} <= {_instant_literal(at)})"
    stale = f"CASE WHEN {newest} IS NOT NULL THEN ({newest} < {_instant_literal(_before(at, span))})::INTEGER END"
    return _valued(bare, f"the newest row older than {words}, {_judged(at)}: 1 where it is", stale)


def _judged(now: datetime) -> str:
    return f"judged at {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _valued(bare: Rule, words: str, measure: str) -> Rule:
    return Rule(bare.name, bare.severity, f"{bare.description} ({words})", measure=measure, unit="value")


def _dated_rule(level: ServiceLevelAgreementProperty, bare: Rule, now: datetime) -> Rule:
    try:
        day = date.fromisoformat(str(level.value)[:10])
    except ValueError:
        raise _NotExecuted(f"value is {level.value!r}; expected a day such as 2026-01-31") from None
    kept = now.astimezone(UTC).date() >= day if DATED[str(level.property)] == "from" else now.astimezone(UTC).date() < day
    stated = f"judged at {now.astimezone(UTC).date().isoformat()}: 0 where it holds"
    return _valued(bare, stated, str(int(not kept)))


def _completeness(contract: Contract, level: ServiceLevelAgreementProperty, bare: Rule, columns: list[str]) -> Rule:
    names = columns or [str(column.name) for column in contract.columns if column.required or column.primaryKey]
    unit, asked = str(level.unit or "percent").strip().lower(), _number(level.value)
    if unit not in ("percent", "%", "ratio"):
        raise _NotExecuted(f"unit is {level.unit!r}; expected percent or ratio")
    if asked is None or not 0 <= asked <= (1 if unit == "ratio" else 100):
        raise _NotExecuted(f"value is {level.value!r}; expected a share of rows in {unit}")
    if not names:
        raise _NotExecuted("names no element, and no column is required; name one")
    whole = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in names)
    measure = f"{1 if unit == 'ratio' else 100}.0::DOUBLE * {count_of(whole)} / nullif(count(*), 0)"
    description = f"{bare.description} (rows with a value in {', '.join(names)})"
    return Rule(
        bare.name, bare.severity, description, measure=measure, limits=(("mustBeGreaterOrEqualTo", asked),), unit="value"
    )


def _elements(contract: Contract, given: Mapping[str, str], level: ServiceLevelAgreementProperty) -> list[str]:
    """Columns that a service level is about; the deprecated `slaDefaultElement` where it names none."""
    written = level.element or contract.document.slaDefaultElement or ""
    found = []
    for element in (part.strip() for part in written.split(",")):
        name = element.removeprefix(f"{contract.table_name}.")
        if element and (name not in contract.column_names or name not in given):
            raise _NotExecuted(f"element '{element}' is not a column of {contract.table_name}")
        found += [name] if element else []
    return found


def _instant_of(contract: Contract, given: Mapping[str, str], name: str) -> str:
    column = next(column for column in contract.columns if column.name == name)
    kind, spelled = sql_type(column) or given[name], identifier(name)
    if kind == INSTANT:
        return spelled
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return f"timezone('UTC', {spelled}::TIMESTAMP)"  # a day begins at midnight, UTC
    raise _NotExecuted(f"column {name} holds {kind}; expected days or instants")


def _needed(now: datetime | None) -> datetime:
    if now is None:
        raise _NotExecuted("no instant `now` was given at which the rows are judged; give it")
    return now


def _span(level: ServiceLevelAgreementProperty) -> Span:
    """A value with its unit, as calendar months or as seconds."""
    value, unit = level.value, str(level.unit or "").strip().lower()
    number = _number(value)
    if not unit:
        found = re.fullmatch(r"P(T?)(\d+)([YMWDHS])", str(value).strip().upper())  # ISO 8601, one part
        if found and (found[3] in "HMS" if found[1] else found[3] in "YMWD"):
            number, unit = float(found[2]), "min" if found[1] and found[3] == "M" else found[3].lower()
    if unit not in UNITS:
        raise _NotExecuted(f"unit is {level.unit!r}; expected one of y, m, w, d, h, min, s")
    kind, factor = UNITS[unit]
    if number is None or number <= 0:
        raise _NotExecuted(f"value is {value!r}; expected a number above 0")
    length = number * factor
    if kind == "months" and length != int(length):
        raise _NotExecuted(f"value is {value!r} {unit}; expected whole months; give it in days")
    if length > (LONGEST_MONTHS if kind == "months" else LONGEST_SECONDS):
        raise _NotExecuted(f"value is {value!r} {unit}; expected at most 1000 years")
    return kind, length


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number and abs(number) != float("inf") else None


def _before(now: datetime, span: Span) -> datetime:
    """The instant one span before another, by the calendar of UTC; the first of all instants where there is none."""
    at, (kind, length) = now.astimezone(UTC), span
    try:
        if kind == "seconds":
            return at - timedelta(seconds=length)
        years, month = divmod(at.year * 12 + at.month - 1 - int(length), 12)
        first = at.replace(year=years, month=month + 1, day=1)
        days = ((first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
        return first.replace(day=min(at.day, days))
    except (OverflowError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


def _interval(span: Span) -> str:
    kind, length = span
    return f"INTERVAL ({int(length)}) MONTH" if kind == "months" else f"to_microseconds({round(length * 1_000_000)}::BIGINT)"


def _instant_literal(at: datetime) -> str:
    return f"{literal(at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f').zfill(26) + '+00')}::TIMESTAMPTZ"
