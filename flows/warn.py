"""Early warning: hours of a network pass the machine of levels, a forecast goes on from them, and a person decides.

Nothing is sent anywhere: a change of level is a row of `warnings_queue` that somebody approves or rejects by name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from analytics.sensing.footfall.calendar import holidays_of
from analytics.sensing.warning.forecast import WEEK, hours_of, version_of
from analytics.sensing.warning.intervals import backtests_with
from analytics.sensing.warning.levels import NONE, EarlyWarningError, Level, Levels, Rule, load_levels
from analytics.sensing.warning.machine import HOUR, Transition, Values, run_levels, step_values
from analytics.sensing.warning.verify import verify
from experiments.pilot import PilotError, find_pilot, load_pilot
from experiments.settings import Settings
from flows.warn_hours import Network, read_network
from flows.warnings_queue import Proposal, propose

RECENT = timedelta(hours=24)
"""A change of level older than this, seen from the newest hour, is logged but not proposed."""
HISTORY, REFIT = 26 * WEEK, 4 * WEEK
"""A forecast is learned from this many newest hours, and a learned model is fitted anew this often. [h]"""
CALIBRATED = 12 * WEEK
"""Intervals are made from the forecasts of this many newest hours; where there are fewer, models are fitted each week. [h]"""
JUDGED = 52 * WEEK
"""Skill is judged over this many newest hours. [h]"""
ALPHA = 0.1


@dataclass(frozen=True)
class Outlook:
    """How a network is looked ahead.

    Attributes:
        model: A baseline or learned model.
        horizon: How far to forecast. [h]
        interval: Method of the intervals, see `analytics.sensing.warning.intervals.METHODS`.
        timezone: IANA name of the local clock; None for the pilot's own, or UTC.
        country: ISO 3166-1 code of the country whose holidays count; None for none.
        subdivision: Its part, as the library `holidays` names it.
        inputs: Other properties of the same sources that a learned model may use.
        weather: Another pilot, or other files, that a learned model may use.
    """

    model: str = "persistence"
    horizon: int = 24
    interval: str = "adaptive"
    timezone: str | None = None
    country: str | None = None
    subdivision: str | None = None
    inputs: tuple[str, ...] = ()
    weather: tuple[str, ...] = ()


def warn(
    sources: Sequence[str],
    settings: Settings,
    *,
    levels: str,
    observed: str,
    outlook: Outlook | None = None,
    until: datetime | None = None,
    is_verified: bool = False,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Judge each site's hours, or each declared district's, against levels, forecast, and propose what changed.

    Args:
        sources: A pilot, or files of contract `hourly_readings`.
        settings: Where the lake is.
        levels: Built-in levels or a file.
        observed: Observed property.
        outlook: How to look ahead.
        until: Judge as at this instant, without any later hour; None for all that is there.
        is_verified: Add the table of skill of the model.
        now: When the call is made.

    Returns:
        The document of `testbed warn --json`.

    Raises:
        EarlyWarningError: Levels, property, unit, model or clock do not fit, or there is nothing to judge.
        SourceError: The country of the holidays is unknown.
        ContractError: A file cannot be read.
    """
    ahead = outlook or Outlook()
    table = load_levels(levels)
    rule = table.rule_for(observed)
    network = read_network(sources, observed, settings, inputs=ahead.inputs, weather=ahead.weather, until=until)
    if network.unit != rule.unit:
        raise EarlyWarningError(
            f"{network.name}: {observed} is in '{network.unit}'; expected '{rule.unit}' as in {table.id}; convert it first"
        )
    timezone = _timezone(ahead.timezone, network, settings)
    free_days = _free_days(network, ahead, timezone)
    districts = table.districts_of(network.stations)
    forecast = _forecast(network, ahead, timezone, free_days)
    steps, starts = step_values(network.values, rule, start_at=network.start_at, timezone=timezone)
    log, states = run_levels(steps, rule, stations=network.stations, starts=starts, districts=districts)
    whole = np.vstack([network.values, forecast[0]])
    longer, longer_starts = step_values(whole, rule, start_at=network.start_at, timezone=timezone)
    every, _ = run_levels(longer, rule, stations=network.stations, starts=longer_starts, districts=districts)
    to_come = [change for change in every if change.step >= len(steps)]
    refit_every, first_fit = _fits(min(len(network.values), HISTORY))
    version = version_of(ahead.model, refit_every=refit_every, first_fit=first_fit)
    hours = _told_hours(network, forecast)
    made = [
        _proposal(network, table, observed, change, "observed", None)
        for change in log
        if change.interval_start_at >= network.ends_at - RECENT
    ]
    foreseen = {change.district: change for change in reversed(to_come)}
    for change in to_come:
        if change.from_level == NONE or change == foreseen[change.district]:  # the first, and each that warns anew
            own = [hour for hour in hours if hour["station"] in districts[change.district]]
            told = {"model": version, "interval": ahead.interval, "made_at": network.ends_at.isoformat(), "hours": own}
            made.append(_proposal(network, table, observed, change, "forecast", told))
    added = propose(settings, made, now or datetime.now(UTC))
    names = (NONE, *(level.name for level in rule.levels))
    newest = states[-1] if len(states) else np.zeros(len(districts), dtype=np.int64)
    return {
        "sources": list(sources),
        "network": network.name,
        "stations": list(network.stations),
        "inputs": list(network.known),
        "observed_property": observed,
        "levels": table.id,
        "levels_version": table.version,
        "levels_verified": table.verified,
        "timezone": timezone,
        "holidays": len(free_days),
        "hours": len(network.values),
        "missing": int((~np.isfinite(network.values)).sum()),
        "until": network.ends_at.isoformat(),
        "level": names[int(newest.max(initial=0))],
        "districts": [
            {"district": name, "stations": list(inside), "level": names[int(level)]}
            for (name, inside), level in zip(districts.items(), newest, strict=True)
        ],
        "transitions": [_told(change) for change in log],
        "forecast": {
            "model": version,
            "interval": ahead.interval,
            "horizon_h": ahead.horizon,
            "hours": hours,
            "transitions": [_told(change) for change in to_come],
        },
        "skill": _skill(network, rule, ahead, timezone, free_days) if is_verified else [],
        "proposed": added,
    }


def _timezone(given: str | None, network: Network, settings: Settings) -> str:
    """The clock that was given, else the pilot's own, else UTC."""
    name = given or "UTC"
    if given is None and network.pilot_id:
        try:
            name = load_pilot(find_pilot(network.pilot_id, settings.pilots)).timezone
        except PilotError:
            name = "UTC"  # its rows are in the lake, its file is not here
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise EarlyWarningError(
            f"time zone '{name}' is unknown; expected an IANA name such as Europe/Brussels; correct --timezone"
        ) from None
    return name


def _free_days(network: Network, ahead: Outlook, timezone: str) -> frozenset[int]:
    """Ordinals of the holidays among the days of the hours and those to come."""
    if ahead.country is None:
        return frozenset()
    zone = ZoneInfo(timezone)
    first: date = network.start_at.astimezone(zone).date()
    last = (network.ends_at + ahead.horizon * HOUR).astimezone(zone).date()
    return frozenset(day.toordinal() for day in holidays_of(ahead.country, ahead.subdivision, first, last))


def _fits(known: int) -> tuple[int, int]:
    """How often a learned model is fitted anew, and at which hour first, so that the last fit knows all; both in hours."""
    spare = max(known - 2 * WEEK, 0)
    refit_every = REFIT if spare >= CALIBRATED else WEEK
    return refit_every, max(known - min(CALIBRATED, spare // refit_every * refit_every), 2 * WEEK)


def _forecast(network: Network, ahead: Outlook, timezone: str, free_days: frozenset[int]) -> Values:
    """Forecasts of the hours to come with intervals of 90 %, shape `(3, horizon, stations)`."""
    first = max(len(network.values) - HISTORY, 0)
    series = hours_of(
        network.values[first:],
        network.start_at + first * HOUR,
        timezone=timezone,
        free_days=free_days,
        known={name: seen[first:] for name, seen in network.known.items()},
    ).longer(ahead.horizon, timezone, free_days)
    refit_every, first_fit = _fits(len(series.values) - ahead.horizon)
    calibrated = slice(max(len(series.values) - CALIBRATED, 0), None)
    low = np.fmin.reduce(series.values, axis=0, initial=np.inf)
    floor = np.where(low >= 0, 0.0, -np.inf)
    found = np.full((3, ahead.horizon, len(network.stations)), np.nan)
    horizons = range(1, ahead.horizon + 1)
    backtests = backtests_with(
        ahead.interval, ahead.model, series, horizons, alpha=ALPHA, refit_every=refit_every, first_fit=first_fit
    )
    for one in backtests:
        intervals = one.newest(calibrated).intervals(series.values[calibrated], ahead.interval, alpha=ALPHA, floor=floor)
        back = one.horizon - ahead.horizon - 1
        found[:, one.horizon - 1] = one.forecasts[back], intervals.lower[back], intervals.upper[back]
    return found


def _skill(network: Network, rule: Rule, ahead: Outlook, timezone: str, free_days: frozenset[int]) -> list[dict[str, Any]]:
    """The table of skill over the newest year, of the lowest level; a day's mean is judged as that of 24 hours."""
    first = max(len(network.values) - JUDGED - HISTORY, 0)
    series = hours_of(
        network.values[first:],
        network.start_at + first * HOUR,
        timezone=timezone,
        free_days=free_days,
        known={name: seen[first:] for name, seen in network.known.items()},
    )
    rows = verify(
        series,
        _reached(rule.levels[0]),
        models=[ahead.model],
        horizons=sorted({h for h in (1, 6, 24, ahead.horizon) if h <= ahead.horizon}),
        mean_over=24 if rule.step == "day" else rule.mean_over,
        min_share=rule.min_share,
        method=ahead.interval,
        refit_every=REFIT,
        first_fit=max(2 * WEEK, min(HISTORY, len(series.values) // 3)),
    )
    told = []
    for row in rows:
        sites = [{"station": name, **site} for name, site in zip(network.stations, row.sites, strict=True)]
        named = {"level": rule.levels[0].name, "interval": ahead.interval if row.model == ahead.model else "adaptive"}
        told.append(_finite(named | row.__dict__ | {"intervals": row.intervals.__dict__, "sites": sites}))
    return told


def _reached(level: Level) -> float:
    """The least value that reaches a level."""
    return level.at_least if level.at_least is not None else float(np.nextafter(level.threshold, np.inf))


def _finite(value: Any) -> Any:
    """The same with None for what is no number, as JSON has it."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _told_hours(network: Network, forecast: Values) -> list[dict[str, Any]]:
    ends = network.ends_at
    return [
        {"station": station, "interval_start_at": (ends + i * HOUR).isoformat(), "value": _plain(forecast[0, i, k]),
         "lower": _plain(forecast[1, i, k]), "upper": _plain(forecast[2, i, k])}
        for k, station in enumerate(network.stations) for i in range(forecast.shape[1])
    ]  # fmt: skip


def _proposal(
    network: Network, table: Levels, observed: str, change: Transition, based_on: str, forecast: dict[str, Any] | None
) -> Proposal:
    evidence = {
        **_told(change),
        "pilot_id": network.pilot_id,
        "unit": network.unit,
        "forecast": forecast,
        "levels_verified": table.verified,
        "source": table.source,
    }
    return Proposal(
        change.district, observed, table.id, table.version, change.from_level, change.to_level, based_on,
        change.interval_start_at, json.dumps(evidence, ensure_ascii=False, sort_keys=True, allow_nan=False),
        network.pilot_id, change.is_raise,
    )  # fmt: skip


def _told(change: Transition) -> dict[str, Any]:
    return {**change.__dict__, "interval_start_at": change.interval_start_at.isoformat(), "stations": list(change.stations)}


def _plain(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
