"""Indices, limits, noise indicators and totals of accepted rows: worked out, judged by their contracts, and made open data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory
from analytics.sensing.footfall.totals import total_footfall
from analytics.sensing.indices.aqi import air_quality_index
from analytics.sensing.indices.noise import noise_indicators
from analytics.sensing.indices.tables import LimitsTable, tables
from analytics.sensing.indices.thresholds import limit_exceedances, threshold_episodes
from data_contracts.contract import load_contract
from data_contracts.rows.casting import identifier, literal
from experiments.figures import MADE_OF, Figures
from experiments.pilot import Pilot
from experiments.settings import Settings
from flows.digests import code_version, digest_of, file_digest
from flows.feeds import contract_digest, kept
from flows.gather import Gathered
from flows.judged_table import judge_table, report_of
from flows.open_data import open_data_terms
from flows.orchestrate import Steps

OPEN_TOTALS = "open_totals"


@dataclass(frozen=True)
class Figured:
    """Figures of one contract.

    Attributes:
        stage: `open_data` where they leave as they are; `figures` where they do not.
        folder: Of the contract's check.
    """

    stage: str
    folder: Path

    def checks(self) -> list[tuple[str, Path, dict[str, Any]]]:
        """Stage, folder and report of the check."""
        return [(self.stage, self.folder, report_of(self.folder))]


def work_out(connection: Connection, rows: str, contract: str, figures: Figures, timezone: str, *, into: str) -> None:
    """Work out the figures of one contract.

    Args:
        connection: Holds the rows.
        rows: Table of the contract they are made of, see `MADE_OF`.
        contract: Their own.
        figures: What is asked for.
        timezone: IANA name of the local clock.
        into: Name of the temporary table to create.
    """
    if contract == "noise_indicators":
        noise_indicators(connection, rows, table=into, timezone=timezone)
        return
    if contract == "footfall_totals":
        country, part = figures.country, figures.subdivision
        total_footfall(connection, rows, table="all_totals", timezone=timezone, country=country, subdivision=part)
        chosen = ", ".join(literal(period) for period in figures.totals)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {into} AS SELECT * EXCLUDE (source_row) FROM all_totals WHERE period IN ({chosen}) "
            "ORDER BY ALL"
        )
        return
    parts = []
    for name in figures.indices if contract == "air_quality_index" else figures.limits:
        part = f"{into}_{name}"
        if contract == "air_quality_index":
            at_kerb = figures.traffic_sites
            air_quality_index(connection, rows, table=part, index=name, timezone=timezone, traffic_sites=at_kerb)
        elif isinstance(tables()[name], LimitsTable) != (contract == "limit_exceedances"):
            continue
        elif contract == "limit_exceedances":
            limit_exceedances(connection, rows, table=part, limits=name, timezone=timezone)
        else:
            threshold_episodes(connection, rows, table=part, thresholds=name, timezone=timezone)
        parts.append(f"FROM {identifier(part)}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS {' UNION ALL '.join(parts)}")


def open_totals(connection: Connection, totals: str, counts: str, timezone: str, credit: str, small: int, *, into: str) -> None:
    """Totals as they may leave: rounded, without small ones, and without those that hold a day that is withheld.

    A total that holds a withheld day is withheld, too: less the published days it would give that day away.

    Args:
        connection: Sees both.
        totals: SQL of rows of contract `footfall_totals`.
        counts: SQL of the run's rows of contract `open_counts`.
        timezone: IANA name of the local clock.
        credit: How to name the source.
        small: The smallest count that the pilot lets out, where it is larger than the contract's.
        into: Name of the temporary table to create.
    """
    terms = load_contract(OPEN_TOTALS).custom
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        WITH hidden AS (
            SELECT DISTINCT site_id, road_user, period, true AS is_hidden,
                   date_trunc(period, (period_start_at AT TIME ZONE $zone)::DATE)::DATE AS period_start
            FROM ({counts}), (VALUES ('day'), ('week'), ('year')) periods(period) WHERE suppressed
        ), judged AS (
            SELECT t.*, coalesce(is_hidden OR estimate < $small, false) AS suppressed,
                   CASE WHEN NOT suppressed THEN estimate END AS shown
            FROM ({totals}) t LEFT JOIN hidden USING (site_id, road_user, period, period_start)
        )
        SELECT site_id, road_user, period, period_start::TIMESTAMP AT TIME ZONE $zone AS period_start_at,
               (round(shown / $base) * $base)::BIGINT AS estimate,
               CASE WHEN shown IS NOT NULL THEN (round(lower / $base) * $base)::BIGINT END AS lower,
               CASE WHEN shown IS NOT NULL THEN (round(upper / $base) * $base)::BIGINT END AS upper,
               suppressed, coverage, $credit AS attribution
        FROM judged ORDER BY ALL
        """,
        {
            "zone": timezone,
            "small": max(int(terms["testbed.small_count"]), small),
            "base": int(terms["testbed.round_to"]),
            "credit": credit,
        },
    )


def figured(
    steps: Steps, pilot: Pilot, gathered: Sequence[Gathered], settings: Settings, at: datetime, progress: Callable[[str], None]
) -> list[Figured]:
    """The figures a pilot asks for, each contract's as a step that is kept; none where a feed was stopped by its gate."""
    found: list[Figured] = []
    if any(not report["passed"] for one in gathered for _, _, report in one.checks()):
        return found
    asked, now, cache = pilot.figures.model_dump(mode="json"), at.isoformat(), str(settings.cache)
    for contract in pilot.figures.contracts():
        progress(f"{pilot.id}: {contract}")
        own = [one for feed, one in zip(pilot.feeds, gathered, strict=True) if feed.contract == MADE_OF[contract]]
        results = [str(one.result) for one in own]
        terms = {"contract": contract, "asked": asked, "timezone": pilot.timezone, "now": now}
        depends = [Path(folder).name for folder in results], contract_digest(contract), figure_digests(pilot), code_version()
        key = digest_of("figures", terms, *depends)
        folder = steps.run(work_out_step, results=results, **terms, key=key, cache_folder=cache)
        found.append(Figured("figures" if contract == "footfall_totals" else "open_data", Path(folder)))
        if contract == "footfall_totals":
            counts, said = [str(one.open_data) for one in own], open_data_terms(pilot)
            leaving = {"timezone": pilot.timezone, "credit": said["credit"], "small_count": said["small_count"], "now": now}
            key = digest_of(OPEN_TOTALS, key, leaving, [Path(one).name for one in counts], contract_digest(OPEN_TOTALS))
            folder = steps.run(open_totals_step, totals=folder, counts=counts, **leaving, key=key, cache_folder=cache)
            found.append(Figured("open_data", Path(folder)))
    return found


def work_out_step(
    results: list[str], contract: str, asked: dict[str, Any], timezone: str, now: str, key: str, cache_folder: str
) -> str:
    """Work figures out of accepted rows, and let their contract judge them."""

    def build(folder: Path) -> None:
        with memory() as connection:
            connection.execute(f"CREATE TEMP TABLE made_of AS {_accepted(results)}")
            work_out(connection, "made_of", contract, Figures.model_validate(asked), timezone, into=contract)
            judge_table(connection, contract, contract, folder, now=now)

    return str(kept(Path(cache_folder), key, build))


def open_totals_step(
    totals: str, counts: list[str], timezone: str, credit: str, small_count: int, now: str, key: str, cache_folder: str
) -> str:
    """Make open data of totals, and let their contract judge them."""

    def build(folder: Path) -> None:
        with memory() as connection:
            accepted = _accepted([totals])
            open_totals(connection, accepted, _accepted(counts), timezone, credit, small_count, into=OPEN_TOTALS)
            judge_table(connection, OPEN_TOTALS, OPEN_TOTALS, folder, now=now)

    return str(kept(Path(cache_folder), key, build))


def figure_digests(pilot: Pilot) -> list[str]:
    """What the figures of a pilot depend on beside its rows: SHA-256 of their contracts and of the tables they name."""
    folder = Path(str(files("analytics.sensing.indices").joinpath("tables")))
    return [contract_digest(name) for name in (*pilot.figures.contracts(), *open_kinds(pilot))] + [
        file_digest(folder / f"{name}.yaml") for name in pilot.figures.tables()
    ]


def open_kinds(pilot: Pilot) -> list[str]:
    """Contracts under which a pilot's figures leave."""
    return [OPEN_TOTALS if name == "footfall_totals" else name for name in pilot.figures.contracts()]


def remake(connection: Connection, pilot: Pilot, kind: str, mine: Callable[[str], str], credit: str, *, into: str) -> None:
    """Make open figures anew from the accepted rows that the lake holds.

    Args:
        connection: From `open_lake`.
        pilot: The pilot.
        kind: Their open contract.
        mine: Gives SQL of the run's rows in a table of the lake.
        credit: How to name the source.
        into: Name of the temporary table to create.
    """
    contract = "footfall_totals" if kind == OPEN_TOTALS else kind
    connection.execute(f"CREATE OR REPLACE TEMP TABLE made_of AS SELECT * FROM {mine(MADE_OF[contract])}")
    made = "totals_anew" if kind == OPEN_TOTALS else into
    work_out(connection, "made_of", contract, pilot.figures, pilot.timezone, into=made)
    if kind == OPEN_TOTALS:
        counts, small = f"SELECT * FROM {mine('open_counts')}", pilot.privacy.small_count
        open_totals(connection, f"FROM {made}", counts, pilot.timezone, credit, small, into=into)


def _accepted(folders: Sequence[str]) -> str:
    listed = ", ".join(literal(f"{folder}/accepted.parquet") for folder in folders)
    return f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"
