"""What indices write keeps its contract."""

from __future__ import annotations

from analytics.lake import memory
from analytics.sensing.indices.aqi import air_quality_index
from analytics.sensing.indices.noise import noise_indicators
from analytics.sensing.indices.tables import IndexTable, NowcastTable, tables
from data_contracts.contract import load_contract
from data_contracts.gate import check
from tests.analytics.sensing.indices.hours import hours, write_hours


def test_every_index_keeps_its_contract() -> None:
    properties = {"pm25": 400.0, "pm10": 20.0, "no2": 60.0, "o3": 120.0, "so2": 9.0}
    rows = [row for name, value in properties.items() for row in hours([value, None, *[value] * 40], name)]
    with memory() as connection:
        write_hours(connection, rows)
        for name, table in tables().items():
            if isinstance(table, IndexTable | NowcastTable):
                air_quality_index(connection, "hourly", table="found", index=name, timezone="Europe/London")
                report = check(connection, "found", load_contract("air_quality_index"), accepted="good", quarantined="bad")
                assert report.passed and report.accepted == report.rows > 6, [rule for rule in report.rules if rule.reason]


def test_noise_keeps_its_contract() -> None:
    with memory() as connection:
        write_hours(connection, hours([60.0] * 30, "noise_laeq", "dBA"))
        noise_indicators(connection, "hourly", table="found", timezone="Pacific/Auckland")
        report = check(connection, "found", load_contract("noise_indicators"), accepted="good", quarantined="bad")
    assert report.passed and report.accepted == report.rows > 20, [rule for rule in report.rules if rule.reason]
