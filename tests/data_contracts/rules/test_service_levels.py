"""Service levels are executed at a given instant, and keep their row or break it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import duckdb
import pytest

from data_contracts.contract import Contract, ContractError, parse_contract
from data_contracts.gate import CheckReport, RuleResult, check

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


def contract_of(*levels: dict[str, Any], **top: Any) -> Contract:
    columns = [
        {"name": "seen_at", "logicalType": "timestamp"},
        {"name": "sent_at", "logicalType": "timestamp"},
        {"name": "day", "logicalType": "date"},
        {"name": "label", "logicalType": "string", "required": True},
    ]
    document = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "readings",
        "version": "1.0.0",
        "schema": [{"name": "readings", "properties": columns}],
        "slaProperties": list(levels),
        **top,
    }
    return parse_contract(json.dumps(document), "readings.odcs.yaml")


def judge(
    contract: Contract, rows: list[tuple[str | None, ...]], now: datetime | None = NOW, zone: str = "Pacific/Auckland"
) -> tuple[CheckReport, list[Any]]:
    """Judge rows of (seen_at, sent_at, day); figures must not depend on the session's time zone."""
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        connection.execute("CREATE TEMP TABLE readings (seen_at TIMESTAMPTZ, sent_at TIMESTAMPTZ, day DATE, label VARCHAR)")
        for row in rows:
            filled = [*row, *[None] * (3 - len(row))]
            connection.execute("INSERT INTO readings VALUES (?, ?, ?, 'x')", filled)
        report = check(connection, "readings", contract, accepted="good", quarantined="bad", now=now)
        return report, connection.execute("SELECT source_row, rules, reasons FROM bad ORDER BY 1").fetchall()


def level(report: CheckReport) -> RuleResult:
    return next(result for result in report.rules if result.rule.startswith("sla."))


def sla(name: str, value: Any, unit: str | None = None, element: str | None = "readings.seen_at") -> dict[str, Any]:
    given = {"property": name, "value": value, "unit": unit, "element": element}
    return {key: entry for key, entry in given.items() if entry is not None}


def at(text: str) -> tuple[str]:
    return (f"2026-{text}+00",)


KEPT_OR_BROKEN: list[tuple[dict[str, Any], list[tuple[str | None, ...]], list[tuple[str | None, ...]]]] = [
    # service level, rows that keep it, rows that break it; it is 2026-03-31 12:00 UTC
    (sla("freshness", 2, "h"), [at("03-31 10:00:00"), at("01-01 00:00:00")], [at("03-31 09:59:59")]),
    (sla("freshness", 30, "min"), [at("03-31 11:30:00")], [at("03-31 11:29:59")]),
    (sla("freshness", 1, "d", "readings.day"), [(None, None, "2026-03-31")], [(None, None, "2026-03-30")]),
    (sla("freshness", "PT2H"), [at("03-31 10:00:00")], [at("03-31 09:59:59")]),
    (sla("freshness", "2", "hours"), [at("03-31 10:00:00")], [at("03-31 09:59:59")]),
    (sla("freshness", 1, "h"), [at("03-31 11:00:00")], [at("04-01 00:00:00"), at("03-31 10:00:00")]),  # to come: not counted
    (sla("freshness", 1, "h"), [at("03-31 11:00:00")], []),  # nothing measured keeps no limit
    (sla("latency", 90, "min"), [at("03-31 10:30:00")], [at("03-31 10:29:59")]),
    (
        sla("latency", 1, "h", "readings.seen_at, readings.sent_at"),
        [("2026-03-01 00:00:00+00", "2026-03-01 01:00:00+00"), ("2026-03-01 00:00:00+00", None)],
        [("2026-03-01 00:00:00+00", "2026-03-01 01:00:01+00")],
    ),
    (
        sla("frequency", 1, "h"),
        [at("03-01 00:00:00"), at("03-01 02:00:00"), at("03-01 01:00:00"), at("03-01 01:00:00")],
        [at("03-01 00:00:00"), at("03-01 01:00:01")],
    ),
    (sla("frequency", 1, "m"), [at("01-31 00:00:00"), at("02-28 00:00:00")], [at("02-01 00:00:00"), at("03-01 00:00:01")]),
    (sla("frequency", 1, "d", "day"), [(None, None, "2026-03-01"), (None, None, "2026-03-02")],
     [(None, None, "2026-03-01"), (None, None, "2026-03-03")]),
    (sla("frequency", 1, "d"), [at("03-01 00:00:00"), at("03-02 00:00:00")], [at("03-01 00:00:00")]),  # one shows none
    (sla("completeness", 50, "percent"), [at("03-01 00:00:00"), (None,)], [(None,), (None,), at("03-01 00:00:00")]),
    (sla("completeness", 0.5, "ratio"), [at("03-01 00:00:00"), (None,)], [(None,)]),
    (sla("completeness", 100, element=None), [(None,)], []),  # the required columns
]  # fmt: skip


@pytest.mark.parametrize(("written", "kept", "broken"), KEPT_OR_BROKEN)
def test_a_service_level_is_kept_or_broken(
    written: dict[str, Any], kept: list[tuple[str | None, ...]], broken: list[tuple[str | None, ...]]
) -> None:
    contract = contract_of(written)
    for zone in ("UTC", "Pacific/Auckland"):
        report, refused = judge(contract, kept, zone=zone)
        assert level(report).status == "passed", level(report).reason
        assert not refused
        report, refused = judge(contract, broken, zone=zone)
        assert level(report).status == "failed", level(report).reason
        assert not refused and level(report).failed_rows is None
        assert report.passed  # a service level is a should


@pytest.mark.parametrize(
    ("value", "unit", "oldest_kept", "broken"),
    [
        (10, "y", "2016-03-31 12:00:00+00", "2016-03-31 11:59:59+00"),
        (1, "m", "2026-02-28 12:00:00+00", "2026-02-28 11:59:59+00"),  # by the calendar: there is no 31 February
        (30, "d", "2026-03-01 12:00:00+00", "2026-03-01 11:59:59+00"),
        (0.5, "y", "2025-09-30 12:00:00+00", "2025-09-30 11:59:59+00"),
        ("P1W", None, "2026-03-24 12:00:00+00", "2026-03-24 11:59:59+00"),
    ],
)
def test_rows_older_than_the_retention_are_refused(value: Any, unit: str | None, oldest_kept: str, broken: str) -> None:
    contract = contract_of(sla("retention", value, unit))
    for zone in ("UTC", "Pacific/Auckland"):
        report, refused = judge(contract, [(oldest_kept,), (broken,), (None,)], zone=zone)
        assert [row[:2] for row in refused] == [(2, ["sla.retention"])]
        assert level(report).status == "failed" and level(report).failed_rows == 1 and report.passed
    assert "old" in refused[0][2][0]


def test_a_service_level_can_be_a_must() -> None:
    must = {"customProperties": [{"property": "testbed.severity", "value": "must"}]}
    report, _ = judge(contract_of({**sla("freshness", 1, "h"), **must}), [at("01-01 00:00:00")])
    assert not report.passed and level(report).severity == "must"
    report, _ = judge(contract_of({**sla("freshness", 1, "h"), **must}), [at("03-31 12:00:00")], now=None)
    assert not report.passed and level(report).status == "skipped"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("generalAvailability", "2026-03-31", True),
        ("generalAvailability", "2026-04-01", False),
        ("endOfSupport", "2026-04-01T00:00:00Z", True),
        ("endOfLife", "2026-03-31", False),
    ],
)
def test_days_of_a_datasets_life_are_judged_by_now(name: str, value: str, kept: bool) -> None:
    report, _ = judge(contract_of(sla(name, value, element=None)), [at("03-31 12:00:00")])
    assert level(report).status == ("passed" if kept else "failed")


def test_the_deprecated_default_element_is_read() -> None:
    report, _ = judge(contract_of(sla("freshness", 2, "h", None), slaDefaultElement="readings.seen_at"), [at("03-31 11:00:00")])
    assert level(report).status == "passed"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (sla("availability", 99.9, "percent"), "measured where data are served"),
        (sla("timeToDetect", 1, "d"), "measured where data are served"),
        (sla("friendliness", 5), "service level 'friendliness' is unknown"),
        (sla("freshness", 2, "fortnights"), "unit is 'fortnights'; expected one of y, m, w, d, h, min, s"),
        (sla("freshness", 2), "unit is None"),
        (sla("freshness", -2, "h"), "expected a number above 0"),
        (sla("freshness", True, "h"), "expected a number above 0"),
        (sla("freshness", "soon", "h"), "expected a number above 0"),
        (sla("retention", 1e9, "y"), "at most 1000 years"),
        (sla("retention", 0.3, "m"), "whole months"),
        (sla("freshness", 2, "h", None), "names no element"),
        (sla("freshness", 2, "h", "readings.nothing"), "'readings.nothing' is not a column of readings"),
        (sla("freshness", 2, "h", "readings.label"), "column label holds VARCHAR; expected days or instants"),
        (sla("freshness", 2, "h", "seen_at,sent_at"), "names 2 elements; expected one"),
        (sla("latency", 2, "h", "seen_at,sent_at,day"), "names 3 elements; expected one or two"),
        (sla("completeness", 101, "percent"), "expected a share of rows"),
        (sla("completeness", 1, "rows"), "expected percent or ratio"),
        (sla("endOfLife", "soon"), "expected a day"),
        ({**sla("freshness", 2, "h"), "valueExt": 3}, "valueExt 3 is not executed"),
    ],
)
def test_what_is_not_executed_says_why(written: dict[str, Any], why: str) -> None:
    report, _ = judge(contract_of(written), [at("03-31 11:00:00")])
    assert level(report).status == "skipped" and why in level(report).reason
    assert report.passed


@pytest.mark.parametrize("name", ["freshness", "latency", "retention", "endOfLife"])
def test_the_clock_is_never_read(name: str) -> None:
    report, _ = judge(contract_of(sla(name, 1, "h")), [at("03-31 11:00:00")], now=None)
    assert level(report).status == "skipped" and "no instant `now` was given" in level(report).reason


def test_now_needs_a_time_zone_and_any_will_do() -> None:
    contract = contract_of(sla("freshness", 2, "h"))
    with pytest.raises(ContractError, match="expected an instant with its time zone"):
        judge(contract, [at("03-31 11:00:00")], now=NOW.replace(tzinfo=None))
    for now in (NOW, NOW.astimezone(timezone(timedelta(hours=13)))):
        assert level(judge(contract, [at("03-31 10:00:00")], now=now)[0]).status == "passed"
        assert level(judge(contract, [at("03-31 09:59:59")], now=now)[0]).status == "failed"
