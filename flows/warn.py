"""Early warning: hours of a district pass the machine of levels, a forecast goes on from them, and a person decides.

Nothing is sent anywhere: a change of level is a row of `warnings_queue` that somebody approves or rejects by name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from analytics.lake import TABLES, Connection, memory, open_lake
from analytics.sensing.warning.conformal import adaptive
from analytics.sensing.warning.forecast import WEEK, backtest, hours_of, version_of
from analytics.sensing.warning.levels import NONE, EarlyWarningError, Levels, load_levels
from analytics.sensing.warning.machine import HOUR, Transition, Values, run_levels, step_values
from analytics.sensing.warning.verify import verify
from data_contracts.contract import load_contract
from data_contracts.gate import check_file
from experiments.settings import Settings
from flows.warnings_queue import Proposal, propose

RECENT = timedelta(hours=24)
"""A change of level older than this, seen from the newest hour, is logged but not proposed."""
HISTORY, REFIT = 26 * WEEK, 4 * WEEK
"""A forecast is learned from this many newest hours, and a learned model is fitted anew this often. [h]"""
LONGEST = 24 * 366 * 20
"""More hours than this are no district's series but a date gone wrong. [h]"""


@dataclass(frozen=True)
class District:
    """The hours of a district's stations, without holes in time.

    Attributes:
        name: Of the district.
        stations: Names, one a column.
        values: Shape `(hours, stations)`; NaN where nothing was measured.
        start_at: Start of the first hour, UTC.
        unit: Of the values.
    """

    name: str
    stations: tuple[str, ...]
    values: Values
    start_at: datetime
    unit: str


def warn(
    sources: list[str],
    settings: Settings,
    *,
    levels: str,
    observed: str,
    model: str = "persistence",
    horizon: int = 24,
    timezone: str = "UTC",
    is_verified: bool = False,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Judge a district's hours against declared levels, forecast, and propose what changed.

    Args:
        sources: A pilot, or files of contract `hourly_readings`.
        settings: Where the lake is.
        levels: Built-in levels or a file.
        observed: Observed property.
        model: A baseline or learned model.
        horizon: How far to forecast. [h]
        timezone: IANA name of the local clock.
        is_verified: Add the table of skill of the model at its horizon.
        now: When the call is made.

    Returns:
        The document of `testbed warn --json`.

    Raises:
        EarlyWarningError: Levels, property, unit or model do not fit, or there is nothing to judge.
        ContractError: A file cannot be read.
    """
    table = load_levels(levels)
    rule = table.rule_for(observed)
    district = _district(sources, observed, settings)
    if district.unit != rule.unit:
        raise EarlyWarningError(
            f"{district.name}: {observed} is in '{district.unit}'; expected '{rule.unit}' as in {table.id}; convert it first"
        )
    ahead, lower, upper = _ahead(district, model, horizon, timezone)
    steps, starts = step_values(district.values, rule, start_at=district.start_at, timezone=timezone)
    log, states = run_levels(steps, rule, stations=district.stations, starts=starts)
    whole, whole_starts = step_values(np.vstack([district.values, ahead]), rule, start_at=district.start_at, timezone=timezone)
    to_come, _ = run_levels(whole, rule, stations=district.stations, starts=whole_starts)
    to_come = [change for change in to_come if change.step >= len(steps)]
    ends = district.start_at + len(district.values) * HOUR
    version = version_of(model, refit_every=REFIT)
    hours = [
        {"station": s, "interval_start_at": (ends + i * HOUR).isoformat(), "value": _plain(ahead[i, k]),
         "lower": _plain(lower[i, k]), "upper": _plain(upper[i, k])}
        for k, s in enumerate(district.stations) for i in range(len(ahead))
    ]  # fmt: skip
    recent = [change for change in log if change.interval_start_at >= ends - RECENT]
    made = [_proposal(district, table, observed, change, "observed", None) for change in recent]
    made += [
        _proposal(district, table, observed, change, "forecast", {"model": version, "hours": hours})
        for change in to_come
        if change.from_level == NONE or change.step == to_come[0].step
    ]
    added = propose(settings, made, now or datetime.now(UTC))
    names = (NONE, *(level.name for level in rule.levels))
    return {
        "sources": sources,
        "district": district.name,
        "stations": list(district.stations),
        "observed_property": observed,
        "levels": table.id,
        "levels_version": table.version,
        "levels_verified": table.verified,
        "hours": len(district.values),
        "missing": int((~np.isfinite(district.values)).sum()),
        "until": ends.isoformat(),
        "level": names[int(states[-1])] if len(states) else NONE,
        "transitions": [_told(change) for change in log],
        "forecast": {"model": version, "horizon_h": horizon, "hours": hours, "transitions": [_told(c) for c in to_come]},
        "skill": _skill(district, rule.levels[0].threshold, model, horizon, timezone) if is_verified else [],
        "proposed": added,
    }


def _ahead(district: District, model: str, horizon: int, timezone: str) -> tuple[Values, Values, Values]:
    """Forecasts of the hours to come with intervals of 90 %, each of shape `(horizon, stations)`."""
    found = np.full((3, horizon, len(district.stations)), np.nan)
    for column in range(len(district.stations)):
        known = district.values[-HISTORY:, column]
        first_at = district.start_at + (len(district.values) - len(known)) * HOUR
        series = hours_of(known, first_at, timezone=timezone).longer(horizon, timezone)
        floor = 0.0 if np.nanmin(series.values, initial=0.0) >= 0 else -np.inf
        for h in range(1, horizon + 1):
            forecasts = backtest(model, series, h, refit_every=REFIT)
            intervals = adaptive(forecasts, series.values, h, floor=floor)
            hour = len(known) + h - 1
            found[:, h - 1, column] = forecasts[hour], intervals.lower[hour], intervals.upper[hour]
    return found[0], found[1], found[2]


def _skill(district: District, threshold: float, model: str, horizon: int, timezone: str) -> list[dict[str, Any]]:
    rows = []
    for column, station in enumerate(district.stations):
        series = hours_of(district.values[:, column], district.start_at, timezone=timezone)
        for row in verify(series, threshold, models=[model], horizons=(horizon,)):
            rows.append({"station": station, **_finite(row.__dict__ | {"intervals": row.intervals.__dict__})})
    return rows


def _finite(value: Any) -> Any:
    """The same with None for what is no number, as JSON has it."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _district(sources: list[str], observed: str, settings: Settings) -> District:
    files = [source for source in sources if Path(source).is_file()]
    if files and len(files) < len(sources):
        lost = next(source for source in sources if source not in files)
        raise EarlyWarningError(f"{lost}: the file was not found; expected files, or one pilot; correct the path")
    if files:
        with memory() as connection:
            connection.execute("CREATE TEMP TABLE hours (site_id VARCHAR, hour_at TIMESTAMPTZ, value DOUBLE, unit VARCHAR)")
            for file in files:
                check_file(connection, file, load_contract("hourly_readings"), accepted="accepted", quarantined="refused")
                connection.execute(
                    "INSERT INTO hours SELECT site_id, interval_start_at, value, unit FROM accepted "
                    "WHERE observed_property = ?", [observed],
                )  # fmt: skip
            return _grid(connection, Path(files[0]).stem, observed)
    if len(sources) != 1:
        raise EarlyWarningError(f"{', '.join(sources)}: no files were found; expected files, or one pilot; correct them")
    with open_lake(settings.catalog, settings.lake_files) as connection:
        connection.execute(
            "CREATE TEMP TABLE hours AS SELECT site_id, interval_start_at AS hour_at, crossings::DOUBLE AS value, "
            "'count' AS unit FROM lake.counts_hourly WHERE pilot_id = ? AND road_user = ?", [sources[0], observed],
        )  # fmt: skip
        if "hourly_readings" in TABLES:
            connection.execute(
                "INSERT INTO hours SELECT site_id, interval_start_at, value, unit FROM lake.hourly_readings "
                "WHERE pilot_id = ? AND observed_property = ?", [sources[0], observed],
            )  # fmt: skip
        return _grid(connection, sources[0], observed)


def _grid(connection: Connection, name: str, observed: str) -> District:
    """Rows of `hours` on a grid of whole hours; hours without a row are NaN."""
    row = connection.execute(
        "SELECT count(*), min(date_trunc('hour', hour_at)), max(date_trunc('hour', hour_at)), "
        "list(DISTINCT unit ORDER BY unit), list(DISTINCT site_id ORDER BY site_id) FROM hours WHERE hour_at IS NOT NULL"
    ).fetchone()
    assert row is not None
    rows, first, last, units, stations = row
    if not rows:
        raise EarlyWarningError(f"{name}: no hours of '{observed}' were found; expected a published pilot or files with them")
    if len(units) > 1:
        raise EarlyWarningError(f"{name}: '{observed}' comes in {', '.join(units)}; expected one unit; convert it first")
    length = int((last - first) / HOUR) + 1
    if length > LONGEST:
        raise EarlyWarningError(
            f"{name}: the hours reach from {first:%Y-%m-%d} to {last:%Y-%m-%d}; expected 20 years at most; correct the dates"
        )
    cells = connection.execute(
        "SELECT date_diff('hour', ?, hour_at), list_position(?, site_id) - 1, avg(value ORDER BY value) FROM hours "
        "WHERE hour_at IS NOT NULL GROUP BY ALL", [first, stations],
    ).fetchnumpy()  # fmt: skip
    step, station, value = (np.asarray(column) for column in cells.values())
    values = np.full((length, len(stations)), np.nan)
    values[step.astype(np.int64), station.astype(np.int64)] = value
    return District(name, tuple(stations), values, first.astimezone(UTC), str(units[0]))


def _proposal(
    district: District, table: Levels, observed: str, change: Transition, based_on: str, forecast: dict[str, Any] | None
) -> Proposal:
    evidence = {**_told(change), "forecast": forecast, "levels_verified": table.verified, "source": table.source}
    return Proposal(
        district.name, observed, table.id, table.version, change.from_level, change.to_level, based_on,
        change.interval_start_at, json.dumps(evidence, ensure_ascii=False, sort_keys=True, allow_nan=False),
    )  # fmt: skip


def _told(change: Transition) -> dict[str, Any]:
    return {**change.__dict__, "interval_start_at": change.interval_start_at.isoformat(), "stations": list(change.stations)}


def _plain(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
