"""Indices, limits, noise indicators and totals of sensor files: the hours of all files together, as a pilot would have them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory
from analytics.sensing.hourly import sense_hourly
from analytics.sensing.indices.aqi import index_summary
from analytics.sensing.indices.tables import IndexTable, LimitsTable, NowcastTable, ThresholdsTable, id_of, table_of
from analytics.sensing.readings import SourceError
from data_contracts.contract import load_contract
from data_contracts.gate import check
from data_contracts.standard.faults import suggest
from experiments.figures import MADE_OF, Figures
from flows.figures import work_out

PERIODS = ("day", "week", "year")
LEVELS = ("site_id", "interval_start_at", "interval_s", "observed_property", "value", "unit", "coverage", "flags", "qc")
"""Columns of judged readings that noise indicators are made of."""


@dataclass
class Rows:
    """What the figures are made of: tables of all files, by contract.

    Attributes:
        figures: What is asked for.
        parts: Contract -> Arrow tables; noise is made of judged readings, which are shorter than hours.
    """

    figures: Figures
    parts: dict[str, list[Any]] = field(default_factory=dict)


def asked_figures(indices: Sequence[str], limits: Sequence[str], totals: Sequence[str], *, noise: bool) -> Figures:
    """Figures by the names that people give; tables may be called without country and year.

    Raises:
        SourceError: A name is unknown.
    """
    kinds, of_limits = (IndexTable, NowcastTable), (LimitsTable, ThresholdsTable)
    for option, names, wanted in (("--index", indices, kinds), ("--limits", limits, of_limits)):
        for name in names:
            try:
                table_of(id_of(name, *wanted), *wanted)
            except SourceError as error:
                raise SourceError(f"{option}: {error}") from None
    for name in totals:
        if name not in PERIODS:
            raise SourceError(
                f"--totals: '{name}' is unknown; expected one of {', '.join(PERIODS)}{suggest(name, PERIODS)}; correct it"
            )
    return Figures.model_validate(
        {
            "indices": [id_of(name, *kinds) for name in indices],
            "limits": [id_of(name, *of_limits) for name in limits],
            "totals": list(totals),
            "noise": noise,
        }
    )


def keep_hours(connection: Connection, readings: str, judged: str, rows: Rows, timezone: str, now: datetime) -> None:
    """Make hours of readings, let their contract judge them, and keep those it accepts.

    Args:
        connection: Holds both.
        readings: Table of contract `sensor_readings`.
        judged: Table of what was judged of them.
        rows: Where they are kept.
        timezone: IANA name of the local clock.
        now: Instant at which service levels are judged.

    Raises:
        SourceError: Readings are longer than an hour.
    """
    asked = set(rows.figures.contracts())
    noise = "observed_property = 'noise_laeq'"
    # levels that say how long they last are judged as they are; of others the hour tells how much of it was measured
    lengths = connection.execute(f"SELECT count(*), count(*) FILTER (interval_s > 0) FROM {judged} WHERE {noise}").fetchone()
    has_lengths = lengths is not None and lengths[0] == lengths[1]
    if "noise_indicators" in asked and has_lengths:
        query = f"SELECT {', '.join(LEVELS)} FROM {judged} WHERE {noise}"
        rows.parts.setdefault("noise_indicators", []).append(connection.execute(query).to_arrow_table())
        asked.remove("noise_indicators")
    if not asked:
        return
    sense_hourly(connection, readings, table="hours", timezone=timezone)
    check(connection, "hours", load_contract("hourly_readings"), accepted="good_hours", quarantined="bad_hours", now=now)
    rows.parts.setdefault("hourly_readings", []).append(connection.execute("FROM good_hours").to_arrow_table())
    if "footfall_totals" in asked:
        rows.parts.setdefault("counts_hourly", []).append(connection.execute(_COUNTS, [COUNTED]).to_arrow_table())
    if "noise_indicators" in asked:
        as_levels = f"SELECT *, 3600.0 AS interval_s, 1 AS qc FROM good_hours WHERE {noise}"
        query = f"SELECT {', '.join(LEVELS)} FROM ({as_levels})"
        rows.parts.setdefault("noise_indicators", []).append(connection.execute(query).to_arrow_table())


COUNTED = {"pedestrian": "pedestrian", "cyclist": "cyclist", "car": "car", "heavy_vehicle": "lorry", "vehicle": "any"}
"""Observed property -> road user."""
_COUNTS = """
    SELECT site_id, map_extract_value($1::MAP(VARCHAR, VARCHAR), observed_property) AS road_user, interval_start_at,
           value AS crossings, coverage, flags
    FROM good_hours WHERE map_contains($1::MAP(VARCHAR, VARCHAR), observed_property)
"""


def keep_counts(connection: Connection, accepted: str, rows: Rows) -> None:
    """Keep the hours of one file's counters that their contract accepted."""
    if "footfall_totals" in rows.figures.contracts():
        rows.parts.setdefault("counts_hourly", []).append(connection.execute(f"FROM {accepted}").to_arrow_table())


def figures_document(rows: Rows, timezone: str, now: datetime, out: Path | None) -> dict[str, Any]:
    """Work out what was asked for.

    Args:
        rows: Of all files.
        timezone: IANA name of the local clock.
        now: Instant at which service levels are judged.
        out: Folder for a CSV of each contract's rows; none are written where None.

    Returns:
        By contract: `version`, `rows`, `passed`, `not_evaluated` (why there is nothing; empty otherwise) and `found`: of
        indices `index_summary`, of the others the rows. `files` are those that were written.

    Raises:
        SourceError: The folder cannot be written.
    """
    document: dict[str, Any] = {}
    files = []
    for contract in rows.figures.contracts():
        source = contract if contract == "noise_indicators" else MADE_OF[contract]
        with memory() as connection:
            if not _load(connection, rows.parts.get(source, [])):
                wanted = {"noise_indicators": "readings of noise_laeq", "footfall_totals": "counts of hourly counters"}
                why = f"there are no {wanted.get(contract, 'hours that were accepted')}"
                document[contract] = {"version": None, "rows": 0, "passed": None, "not_evaluated": why, "found": []}
                continue
            work_out(connection, "made_of", contract, rows.figures, timezone, into=contract)
            report = check(connection, contract, load_contract(contract), accepted="good", quarantined="bad", now=now)
            cursor = connection.execute("FROM good ORDER BY ALL")
            names = [column[0] for column in cursor.description or []]
            plain = [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in cursor.fetchall()]
            none = "no hour has a property of these tables, or none lies above" if not plain else ""
            document[contract] = {
                "version": report.version,
                "rows": report.accepted,
                "passed": report.passed,
                "not_evaluated": none,
                "found": index_summary(connection, "good") if contract == "air_quality_index" else plain,
            }
            if out is not None:
                files.append(_write(out, contract, names, plain))
    return document | {"files": files}


def _load(connection: Connection, parts: list[Any]) -> bool:
    """Put the tables of all files together; returns whether there is a row."""
    for number, part in enumerate(parts):
        connection.register(f"part_{number}", part)
    union = " UNION ALL BY NAME ".join(f"FROM part_{number}" for number in range(len(parts)))
    if union:
        connection.execute(f"CREATE TEMP TABLE made_of AS {union}")
    return bool(sum(len(part) for part in parts))


def _plain(value: Any) -> Any:
    return (
        value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else str(value) if hasattr(value, "year") else value
    )


def _write(folder: Path, contract: str, names: list[str], rows: list[dict[str, Any]]) -> str:
    path = folder / f"{contract}.csv"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise SourceError(f"{path}: cannot be written ({error.strerror}); expected a folder; correct --out") from None
    return str(path)
