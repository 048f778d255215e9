"""Open data of a run, judged by a contract of their own: counts in coarser cells without small ones, or hours of readings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory
from data_contracts.contract import load_contract
from data_contracts.privacy.publishable import publishable
from data_contracts.rows.casting import literal
from experiments.pilot import Pilot
from flows.feeds import OPEN_CONTRACTS, kept
from flows.judged_table import judge_table

_HOURLY = """
    SELECT site_id, NULL::VARCHAR AS line, road_user, NULL::VARCHAR AS direction,
           (day::TIMESTAMP AT TIME ZONE $zone) AS period_start_at,
           date_diff('second', day::TIMESTAMP AT TIME ZONE $zone, (day + 1)::TIMESTAMP AT TIME ZONE $zone)::INTEGER
               AS period_s,
           sum(crossings)::INTEGER AS crossings, false AS suppressed,
           least(1.0, sum(round(coverage * 3600)::BIGINT) / period_s) AS coverage, $credit AS attribution
    FROM (SELECT *, (interval_start_at AT TIME ZONE $zone)::DATE AS day FROM accepted)
    GROUP BY site_id, road_user, day
"""
_BY_INTERVAL = """
    SELECT site_id, line, road_user, direction, date_trunc('hour', interval_start_at) AS period_start_at,
           3600::INTEGER AS period_s, sum(crossings)::INTEGER AS crossings, false AS suppressed,
           least(1.0, sum(round(uptime * interval_s * 1000)::BIGINT) / 3600000) AS coverage, $credit AS attribution
    FROM accepted WHERE $zone IS NOT NULL GROUP BY ALL
"""
_READINGS = """
    SELECT site_id, observed_property, interval_start_at AS period_start_at, 3600::INTEGER AS period_s,
           round(value, 2) AS value, unit, coverage, flags, $credit AS attribution
    FROM accepted WHERE unit <> 'count'
"""
"""Counts of people stay out: they leave as counts, without small ones, or not at all."""
OPEN_DATA = {"counts_hourly": _HOURLY, "counts_by_interval": _BY_INTERVAL}
"""Result contract -> query that makes open data of it: days for hours, hours for shorter intervals."""

TOTALS: dict[str, list[tuple[str, ...]]] = {
    "counts_hourly": [("total_of",)],
    "counts_by_interval": [("site_id", "line", "period_start_at"), ()],
}
"""Result contract -> totals of its open data that are published elsewhere: weekly outcomes (`total_of` is the week of a site
that a day is counted in), the counts of short intervals, and crossings a minute of the whole pilot."""


def open_data(
    result: str,
    contract: str,
    timezone: str,
    credit: str,
    small_count: int,
    days: list[list[str]],
    min_day_coverage: float,
    now: str,
    key: str,
    cache_folder: str,
) -> str:
    """Make open data of accepted rows, counts without small ones, and let their contract judge what would leave."""

    def build(folder: Path) -> None:
        with memory() as connection:
            accepted = f"read_parquet({literal(f'{result}/accepted.parquet')})"
            leaving = OPEN_CONTRACTS[contract]
            if contract in OPEN_DATA:
                aggregate(connection, accepted, contract, timezone, credit, days, min_day_coverage, into="cells")
                totals = TOTALS[contract]
                terms = load_contract(leaving)
                publishable(connection, "cells", terms, into=leaving, totals=totals, small_count=small_count)
            else:
                open_hours(connection, accepted, credit, into=leaving)
            judge_table(connection, leaving, leaving, folder, now=now)

    return str(kept(Path(cache_folder), key, build))


def open_hours(connection: Connection, rows: str, credit: str, *, into: str) -> None:
    """Hours of readings as open data.

    Args:
        connection: Connection that sees the rows.
        rows: SQL of accepted rows of contract `hourly_readings`.
        credit: How to name the source.
        into: Name of the temporary table to create.
    """
    query = _READINGS.replace("FROM accepted", f"FROM {rows}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {query} ORDER BY ALL", {"credit": credit})


def open_data_terms(pilot: Pilot) -> dict[str, Any]:
    """What of a pilot decides its open data, as plain values: the arguments of `open_data`."""
    return {
        "timezone": pilot.timezone,
        "credit": pilot.attribution or pilot.owner.team,
        "small_count": pilot.privacy.small_count,
        "days": [[str(first), str(last)] for first, last in (*pilot.before, *pilot.after)],
        "min_day_coverage": pilot.outcome.min_day_coverage,
    }


def aggregate(
    connection: Connection,
    rows: str,
    contract: str,
    timezone: str,
    credit: str,
    days: list[list[str]],
    min_day_coverage: float,
    *,
    into: str,
) -> None:
    """Cells of open data from accepted rows; `total_of` names the weekly outcome that a cell is a part of, or itself.

    Args:
        connection: Connection that sees the rows.
        rows: SQL of the accepted rows.
        contract: The result contract they were accepted by.
        timezone: The pilot's.
        credit: How to name the source.
        days: First and last day of each of the pilot's periods.
        min_day_coverage: Least share of a day that must be measured for it to count in a week.
        into: Name of the temporary table to create.
    """
    query = OPEN_DATA[contract].replace("FROM accepted", f"FROM {rows}")
    part = "WHEN false THEN 0 " + " ".join(
        f"WHEN day BETWEEN DATE {literal(first)} AND DATE {literal(last)} THEN {number}"
        for number, (first, last) in enumerate(days)
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {into} AS SELECT * EXCLUDE (day), coalesce(CASE WHEN coverage >= $least THEN "
        f"site_id || ' ' || road_user || ' ' || date_trunc('week', day) || ' ' || (CASE {part} END) END, "
        "'alone ' || row_number() OVER ()) AS total_of "
        f"FROM (SELECT *, (period_start_at AT TIME ZONE $zone)::DATE AS day FROM ({query})) ORDER BY ALL",
        {"zone": timezone, "credit": credit, "least": min_day_coverage},
    )
