"""The counts that pages may show or hand out: nothing small, nothing too old, and nothing that gives a small one away.

All that is published of a run is looked at together: its open data, its weekly outcomes and the counts of short intervals.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from analytics.lake import Connection
from dashboards.reading import Row, read, records
from data_contracts.contract import load_contract
from data_contracts.privacy.budget import Budget, budget_of
from data_contracts.privacy.publishable import kept_rows, publishable, retained

WIDER = (1, 2, 4, 20, 60, 240)
"""By how much intervals may be widened until their counts are large enough to be shown."""
ENOUGH = 0.8
"""Share of the measured cells that must be large enough."""


@dataclass(frozen=True)
class Intervals:
    """Counts of short intervals, as they may be shown.

    Attributes:
        interval_s: Length of the intervals in which they were counted. [s]
        shown_s: Length of the intervals shown: long enough for counts that may be shown. [s]
        counts: Line, start, count (None: withheld or not measured), whether withheld and share measured.
        uptime: Start and share measured, of each interval in which was counted.
        audited: Whether counts have bounds from an audit.
    """

    interval_s: int
    shown_s: int
    counts: list[Row]
    uptime: list[Row]
    audited: bool


@st.cache_data(max_entries=50, show_spinner=False)
def outcomes(snapshot: int, run_id: str) -> list[Row]:
    """Weekly outcomes of a run, counted and expected, in order of the weeks, less those that a small count stands behind.

    A week is left out where one of the sites that were used counted fewer in it than the contract `open_counts` lets out:
    the other sites' published days would give that one away.
    """
    query = """
        WITH used AS (
            SELECT (result->'sites')::JSON[] AS sites,
                   (SELECT any_value(plan->>'timezone') FROM lake.plans p WHERE p.pilot_id = r.pilot_id) AS zone
            FROM lake.runs r WHERE run_id = $run
        ), small AS (
            SELECT date_trunc('week', interval_start_at AT TIME ZONE zone)::DATE AS week
            FROM lake.counts_hourly, used
            WHERE run_id = $run AND list_contains(
                list_transform(list_filter(sites, lambda s: (s->>'is_used')::BOOLEAN), lambda s: s->>'site_id'), site_id
            )
            GROUP BY week, site_id HAVING sum(crossings) < $small
        )
        SELECT * EXCLUDE (pilot_id, run_id) FROM lake.outcomes
        WHERE run_id = $run AND period_start NOT IN (FROM small) ORDER BY period_start
    """
    values = {"run": run_id, "small": load_contract("open_counts").custom["testbed.small_count"]}
    return read(lambda connection: records(connection, query, values))


@st.cache_data(max_entries=20, show_spinner=False)
def open_counts(snapshot: int, run_id: str, now: datetime) -> bytes | None:
    """A run's open data as CSV, instants in UTC; None where it has none that may leave.

    What is too old for the contract is left out. Where one row breaks the contract's privacy rules, none leaves: those rows
    are not what the gate accepted.

    Args:
        snapshot: The lake's newest snapshot.
        run_id: The run.
        now: The instant that counts as now.
    """
    contract = load_contract("open_counts")

    def work(connection: Connection) -> list[Row]:
        connection.execute(
            "CREATE TEMP TABLE mine AS SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_counts WHERE run_id = ?", [run_id]
        )
        retained(connection, "mine", contract, into="leaving", now=now)
        return records(connection, "FROM leaving ORDER BY ALL") if kept_rows(connection, "leaving", contract) else []

    return _csv(read(work))


@st.cache_data(max_entries=20, show_spinner=False)
def open_readings(snapshot: int, run_id: str, now: datetime) -> bytes | None:
    """A run's open values of sensors as CSV, instants in UTC; None where it has none.

    What is too old for the contract is left out; where a column is not the contract's, nothing leaves.

    Args:
        snapshot: The lake's newest snapshot.
        run_id: The run.
        now: The instant that counts as now.
    """
    contract = load_contract("open_readings")

    def work(connection: Connection) -> list[Row]:
        connection.execute(
            "CREATE TEMP TABLE read AS SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_readings WHERE run_id = ?", [run_id]
        )
        retained(connection, "read", contract, into="leaving", now=now)
        rows = records(connection, "FROM leaving ORDER BY ALL")
        return rows if rows and set(rows[0]) == set(contract.column_names) else []

    return _csv(read(work))


def _csv(rows: list[Row]) -> bytes | None:
    """Rows of open data as CSV; None where there are none."""
    if not rows:
        return None
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows({**row, "period_start_at": f"{row['period_start_at']:%Y-%m-%dT%H:%M:%SZ}"} for row in rows)
    return out.getvalue().encode()


@dataclass(frozen=True)
class Account:
    """What one pilot has spent of its privacy budget.

    Attributes:
        pilot_id: The pilot.
        spent: Epsilon spent by its releases.
        releases: How many they are.
        budget: What the contract allows.
    """

    pilot_id: str
    spent: float
    releases: int
    budget: Budget


@st.cache_data(max_entries=2, show_spinner=False)
def accounts(snapshot: int) -> list[Account]:
    """The privacy budget of every pilot that released counts with noise."""
    budget = budget_of(load_contract("noisy_counts"))
    query = """
        SELECT pilot_id, sum(epsilon) AS spent, count(*) AS releases FROM lake.privacy_budget
        WHERE epsilon > 0 AND contract = 'noisy_counts' GROUP BY pilot_id ORDER BY pilot_id
    """
    rows = read(lambda connection: records(connection, query))
    return [Account(**row, budget=budget) for row in rows] if budget else []


@st.cache_data(max_entries=20, show_spinner=False)
def intervals(snapshot: int, run_id: str, small_count: int = 0) -> Intervals | None:
    """A run's counts of short intervals, by line; None where it has none, or none that may be shown.

    Nobody can be singled out: intervals are widened until most counts reach the smallest that the contract `open_counts`
    lets out; what stays below is withheld, and the rest rounded, by that contract's own rules. The sum of an hour's intervals
    is the sum of that hour's open data: an hour of which the open data withhold all is withheld here, and where a sum
    cannot be shown in safety, nothing is.

    Args:
        snapshot: The lake's newest snapshot.
        run_id: The run.
        small_count: The smallest count that the pilot lets out, where it is larger than the contract's.
    """

    def work(connection: Connection) -> Intervals | None:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE counted AS SELECT * FROM lake.counts_by_interval WHERE run_id = ?", [run_id]
        )
        whole = records(
            connection, "SELECT any_value(interval_s) AS s, bool_or(lower IS NOT NULL) AS audited, count(*) AS n FROM counted"
        )[0]
        if not whole["n"]:
            return None
        contract = load_contract("open_counts")
        small, interval_s = max(int(contract.custom["testbed.small_count"]), small_count), int(whole["s"])
        connection.execute(
            "CREATE TEMP TABLE secret AS SELECT site_id, line, period_start_at AS hour, true AS is_secret "
            "FROM lake.open_counts WHERE run_id = ? GROUP BY ALL HAVING bool_and(suppressed)",
            [run_id],
        )
        for factor in WIDER:
            width = factor * interval_s
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE wider AS SELECT site_id, line, 'any' AS road_user, NULL::VARCHAR AS direction, "
                f"time_bucket(INTERVAL {width} SECOND, interval_start_at) AS period_start_at, {width} AS period_s, "
                "sum(crossings)::INTEGER AS crossings, coalesce(is_secret, false) AS suppressed, "
                f"least(1, sum(uptime * interval_s) / count(DISTINCT (direction, road_user)) / {width}) AS coverage, "
                "'' AS attribution, hour FROM (SELECT *, date_trunc('hour', interval_start_at) AS hour FROM counted) "
                "LEFT JOIN secret USING (site_id, line, hour) GROUP BY ALL ORDER BY ALL"
            )
            share = records(connection, f"SELECT avg((crossings >= {small})::INTEGER) AS share FROM wider")[0]["share"]
            if share is None or share >= ENOUGH:
                break
        families = [("site_id", "line", "hour"), ()]
        found = publishable(connection, "wider", contract, into="shown", totals=families, small_count=small_count)
        hidden = {(t.of["site_id"], t.of["line"], t.of["hour"]) for t in found if t.suppressed and t.of}
        whole_is_told = not any(total.suppressed and not total.of for total in found)
        if not whole_is_told or hidden - set(connection.execute("SELECT site_id, line, hour FROM secret").fetchall()):
            return None
        return Intervals(
            interval_s,
            width,
            records(
                connection,
                "SELECT site_id, line, period_start_at AS start_at, crossings, suppressed, coverage FROM shown "
                "ORDER BY site_id, start_at, line",
            ),
            records(
                connection, "SELECT interval_start_at AS start_at, avg(uptime) AS uptime FROM counted GROUP BY ALL ORDER BY ALL"
            ),
            bool(whole["audited"]),
        )

    return read(work)
