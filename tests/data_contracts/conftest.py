"""Small contracts and tables that the gate's tests judge."""

from __future__ import annotations

from typing import Any

import duckdb

from data_contracts.contract import Contract, load_contract, parse_contract
from data_contracts.gate import CheckReport, RuleResult, check

HOURLY = load_contract("counts_hourly")
HEADER = (
    "source_row BIGINT, site_id VARCHAR, road_user VARCHAR, interval_start_at TIMESTAMPTZ, "
    "crossings INTEGER, coverage DOUBLE, flags VARCHAR"
)


def hourly(connection: duckdb.DuckDBPyConnection, rows: int = 20) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE counts ({HEADER})")
    connection.execute(
        "INSERT INTO counts SELECT i + 1, 'mill_lane', 'car', TIMESTAMPTZ '2026-03-02 00:00:00Z' + INTERVAL (i) HOUR, "
        "100 + i, 1.0, NULL "
        f"FROM range({rows}) AS r(i)"
    )


def judge(connection: duckdb.DuckDBPyConnection, contract: Contract = HOURLY, relation: str = "counts") -> CheckReport:
    return check(connection, relation, contract, accepted="good", quarantined="bad")


def rule(report: CheckReport, name: str) -> RuleResult:
    return next(result for result in report.rules if result.rule == name)


def contract_with(column: str, quality: str = "", custom: str = "") -> Contract:
    return parse_contract(
        f"""
apiVersion: v3.1.0
kind: DataContract
id: things
version: 1.0.0
status: active
customProperties: [{custom}]
schema:
  - name: things
    properties:
      - {{name: value, {column}}}
    quality: [{quality}]
""",
        "things.odcs.yaml",
    )


def judge_values(contract: Contract, values: list[Any], kind: str = "VARCHAR") -> tuple[CheckReport, list[Any]]:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE things (value {kind})")
        if values:
            connection.executemany("INSERT INTO things VALUES (?)", [[value] for value in values])
        report = judge(connection, contract, "things")
        return report, connection.execute("SELECT source_row, rules, reasons, row FROM bad ORDER BY 1").fetchall()
