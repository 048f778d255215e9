"""Indices, exceedances, episodes and totals of a run, as pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from analytics.lake import Connection
from analytics.sensing.indices.tables import IndexTable, NowcastTable, table_of, tables
from dashboards.reading import Row, read, records
from data_contracts.contract import load_contract
from data_contracts.privacy.publishable import kept_rows, retained


@dataclass(frozen=True)
class Course:
    """An index of all sites of a run, day by day.

    Attributes:
        index_id: The table.
        title: Its title.
        version: Its version.
        verified: Whether somebody read it in its source.
        bands: Name, colour and last number of each band, in order.
        is_of_site: Whether it is the index of a site; else, where a site's lacks pollutants, the highest of a pollutant.
        days: `site_id`, `day` (local), `index_value` (highest of the day), `band`, `observed_property`, `value`, `unit`.
        newest: The newest of each site, the same columns and `start_at` (local).
        without: Periods without an index.
        periods: All periods.
        why: Flag -> periods without an index.
    """

    index_id: str
    title: str
    version: str
    verified: bool
    bands: list[tuple[str, str, int]]
    is_of_site: bool
    days: list[Row]
    newest: list[Row]
    without: int
    periods: int
    why: dict[str, int]


_SUBJECT = """
    CREATE OR REPLACE TEMP TABLE course AS
    SELECT * FROM (
        SELECT *, interval_start_at AT TIME ZONE $zone AS start_at,
               count(index_value) FILTER (observed_property = 'all') OVER (PARTITION BY index_id) > 0 AS is_of_site
        FROM lake.air_quality_index WHERE run_id = $run
    ) WHERE (observed_property = 'all') = is_of_site
"""
_COLUMNS = (
    "index_value, band, coalesce(critical_pollutant, observed_property) AS observed_property, value, unit, start_at, index_id"
)


@st.cache_data(max_entries=20, show_spinner=False)
def courses(snapshot: int, run_id: str, zone: str) -> list[Course]:
    """Every index of a run.

    Args:
        snapshot: The lake's newest snapshot.
        run_id: The run.
        zone: IANA name of the local clock.
    """

    def work(connection: Connection) -> list[Course]:
        connection.execute(_SUBJECT, {"zone": zone, "run": run_id})
        rows = records(
            connection,
            "SELECT index_id, any_value(index_version) AS version, bool_or(is_of_site) AS is_of_site, count(*) AS periods, "
            "count(*) - count(index_value) AS without FROM course "
            "GROUP BY index_id ORDER BY any_value(interval_s) DESC, index_id",
        )
        best = f"SELECT site_id, start_at::DATE AS day, {_COLUMNS} FROM course WHERE index_value IS NOT NULL AND index_id = ? "
        pick = "QUALIFY row_number() OVER (PARTITION BY site_id{} ORDER BY {} DESC) = 1 ORDER BY site_id, start_at"
        flags = (
            "SELECT flag, count(*) AS periods FROM (SELECT unnest(string_split(flags, ',')) AS flag FROM course "
            "WHERE index_value IS NULL AND index_id = ?) GROUP BY flag ORDER BY flag"
        )
        found = []
        for row in rows:
            one = tables().get(row["index_id"])
            scale = table_of(one.breakpoints, IndexTable) if isinstance(one, NowcastTable) else one
            if one is None or not isinstance(scale, IndexTable):
                continue  # a table that was taken away since
            own = [row["index_id"]]
            found.append(
                Course(
                    index_id=one.id,
                    title=one.title,
                    version=row["version"],
                    verified=one.verified,
                    bands=[(band.name, band.colour, band.index[1]) for band in scale.bands],
                    is_of_site=row["is_of_site"],
                    days=records(connection, best + pick.format(", start_at::DATE", "index_value"), own),
                    newest=records(connection, best + pick.format("", "start_at"), own),
                    without=row["without"],
                    periods=row["periods"],
                    why={one["flag"]: one["periods"] for one in records(connection, flags, own)},
                )
            )
        return found

    return read(work)


@st.cache_data(max_entries=20, show_spinner=False)
def limits(snapshot: int, run_id: str) -> list[Row]:
    """Each limit of a run's newest year: the site that is worst, and how many are above, kept or cannot be told yet."""
    query = """
        SELECT index_id, any_value(index_version) AS version, level, observed_property, statistic, year, limit_value,
               any_value(unit) AS unit, any_value(allowed) AS allowed, max(exceedances) AS exceedances,
               arg_max(site_id, coalesce(exceedances, value)) AS worst_site, max(value) AS value,
               count(*) FILTER (is_exceeded) AS exceeded, count(*) FILTER (NOT is_exceeded) AS kept,
               count(*) FILTER (is_exceeded IS NULL) AS unknown, count(*) AS sites, max(coverage) AS coverage
        FROM (SELECT * FROM lake.limit_exceedances WHERE run_id = ? QUALIFY year = max(year) OVER ())
        GROUP BY ALL ORDER BY index_id DESC, statistic, observed_property, limit_value
    """
    return read(lambda connection: records(connection, query, [run_id]))


@st.cache_data(max_entries=20, show_spinner=False)
def exceedances(snapshot: int, run_id: str) -> list[Row]:
    """Exceedances of each site, limit and year, as plain rows."""
    query = "SELECT * EXCLUDE (pilot_id, run_id) FROM lake.limit_exceedances WHERE run_id = ? ORDER BY ALL"
    return read(lambda connection: records(connection, query, [run_id]))


@st.cache_data(max_entries=20, show_spinner=False)
def episodes(snapshot: int, run_id: str, zone: str) -> list[Row]:
    """Episodes of a run with local start and end, newest first."""
    query = """
        SELECT * EXCLUDE (pilot_id, run_id)
               REPLACE (start_at AT TIME ZONE $zone AS start_at, end_at AT TIME ZONE $zone AS end_at)
        FROM lake.threshold_episodes WHERE run_id = $run ORDER BY start_at DESC, level, site_id
    """
    return read(lambda connection: records(connection, query, {"zone": zone, "run": run_id}))


@st.cache_data(max_entries=20, show_spinner=False)
def has_checked(snapshot: int, run_id: str, contract: str) -> bool:
    """Whether a run judged rows of a contract, though there may be none."""
    query = "SELECT count(*) AS n FROM lake.checks WHERE run_id = ? AND contract = ?"
    return bool(read(lambda connection: records(connection, query, [run_id, contract]))[0]["n"])


@st.cache_data(max_entries=20, show_spinner=False)
def totals(snapshot: int, run_id: str, zone: str, now: datetime) -> list[Row]:
    """Open totals of a run with the local first day of each period; none where a row breaks the contract's privacy rules.

    What is too old for the contract is left out.

    Args:
        snapshot: The lake's newest snapshot.
        run_id: The run.
        zone: IANA name of the local clock.
        now: The instant that counts as now.
    """
    contract = load_contract("open_totals")

    def work(connection: Connection) -> list[Row]:
        connection.execute(
            "CREATE TEMP TABLE totals_read AS SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_totals WHERE run_id = ?",
            [run_id],
        )
        retained(connection, "totals_read", contract, into="leaving", now=now)
        if not kept_rows(connection, "leaving", contract):
            return []
        query = "SELECT *, (period_start_at AT TIME ZONE ?)::DATE AS day FROM leaving ORDER BY site_id, period, day"
        return records(connection, query, [zone])

    return read(work)
