"""Footfall of a period against a base period, comparable day for comparable day, with what such days usually have."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.lake import memory, shut_in
from analytics.sensing.footfall.baseline import at_average_weather, baseline, weather_adjusted
from analytics.sensing.footfall.calendar import CLASSES, Days, days_between
from analytics.sensing.footfall.recovery import recovery
from analytics.sensing.readings import SourceError
from data_contracts.contract import load_contract
from data_contracts.gate import check_file
from experiments.figures import Figures
from flows.sense import sense_files
from flows.sense_figures import COUNTED

Values = npt.NDArray[np.float64]
Span = tuple[date, date]
MEASURED = 0.75
"""Days of which less was measured are not compared."""
LASTING = ("same_readings", "clock_shift", "level_shift", "drift")
"""Faults of a sensor that may look like a change of the street."""
SUMMED = ("precipitation",)
"""Weather whose hours add up to a day; others are averaged."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared.

    Attributes:
        base: First and last day of the base period.
        period: First and last day of the period that is held against it.
        country: Whose holidays, ISO 3166-1.
        subdivision: Its part.
        school_free: First and last days of school holidays.
        weather: Files of contract `hourly_readings`; days are moved to the weather of an average day.
        day_starts_at_hour: Hour at which the day of hourly counters begins. [h]
    """

    base: Span
    period: Span
    country: str | None = None
    subdivision: str | None = None
    school_free: tuple[Span, ...] = ()
    weather: tuple[str, ...] = ()
    day_starts_at_hour: int = 0


def span_of(text: str, option: str) -> Span:
    """First and last day of `FIRST:LAST`.

    Raises:
        SourceError: They are none.
    """
    try:
        first, last = (date.fromisoformat(part) for part in text.split(":"))
    except ValueError:
        first, last = date.max, date.min
    if last < first:
        raise SourceError(f"{option} '{text}' is no period; expected FIRST:LAST such as 2019-01-01:2019-12-31; correct it")
    return first, last


def recover_files(
    files: list[str],
    read_as: str,
    comparison: Comparison,
    *,
    timezone: str | None = None,
    reader_params: Mapping[str, Any] | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Hold a period of counters against a base period.

    Args:
        files: Paths of counters' files, read as `sense_files` does.
        read_as: Name of a reader, or `auto`.
        comparison: What is compared.
        timezone: IANA name of the local clock; UTC where None.
        reader_params: Parameters of the reader.
        out: CSV to write each day to: what was counted, and what comparable days have.

    Returns:
        The document of `testbed recovery --json`: `sites`, each with `site_id`, `road_user`, `index` (100: as many as in the
        base), `lower` and `upper` (95 %), `days`, `left_out`, or `not_evaluated` with the reason, and `doubts`, faults of the
        sensor that touch what is compared; and the `weather` used.

    Raises:
        SourceError: A file cannot be read, holds no counts, or a period or country is wrong.
    """
    asked = Figures(totals=("day",), country=comparison.country, subdivision=comparison.subdivision)
    document = sense_files(
        files, read_as, timezone=timezone, day_starts_at_hour=comparison.day_starts_at_hour, reader_params=reader_params,
        figures=asked,
    )  # fmt: skip
    found = document["figures"]["footfall_totals"]
    if not found["found"]:
        raise SourceError(
            f"{', '.join(files)}: {found['not_evaluated']}; expected counts of people or vehicles; correct the path"
        )
    counters: dict[tuple[str, str], dict[date, float]] = {}
    for row in found["found"]:
        counted = counters.setdefault((row["site_id"], row["road_user"]), {})
        if row["estimate"] is not None and row["coverage"] >= MEASURED:
            counted[date.fromisoformat(row["period_start"])] = row["estimate"]
    every = [day for counted in counters.values() for day in counted]
    days = days_between(
        min((*every, comparison.base[0], comparison.period[0])), max((*every, comparison.base[1], comparison.period[1])),
        country=comparison.country, subdivision=comparison.subdivision, school_free=comparison.school_free,
    )  # fmt: skip
    names, weather = _weather(comparison.weather, days, timezone or "UTC")
    doubts = _doubts(document["findings"], comparison)
    sites, lines = [], []
    for (site, road_user), counted in sorted(counters.items()):
        totals = np.array([counted.get(date.fromordinal(int(one)), np.nan) for one in days.ordinal])
        told, usual = _told(days, totals, comparison, weather)
        sites.append({"site_id": site, "road_user": road_user, **told, "doubts": doubts.get((site, road_user), [])})
        lines += [(site, road_user, *line) for line in _days(days, totals, usual)]
    if out is not None:
        _write(out, lines)
    periods = {name: [day.isoformat() for day in getattr(comparison, name)] for name in ("base", "period")}
    return {"files": files, **periods, "weather": names, "measured_from": MEASURED, "sites": sites}


def _told(days: Days, totals: Values, comparison: Comparison, weather: Values | None) -> tuple[dict[str, Any], Values]:
    """The recovery of one counter, or why there is none; and what its comparable days usually have."""
    within = [
        (days.ordinal >= first.toordinal()) & (days.ordinal <= last.toordinal())
        for first, last in (comparison.base, comparison.period)
    ]
    usual = baseline(days, totals)
    try:
        compared = totals
        if weather is not None:
            compared = at_average_weather(days, totals, usual, weather)
            usual = weather_adjusted(days, totals, usual, weather)
        return {**asdict(recovery(days, compared, base=within[0], period=within[1])), "not_evaluated": ""}, usual
    except SourceError as error:
        none = dict.fromkeys(("index", "lower", "upper", "days", "left_out"))
        return {**none, "not_evaluated": str(error)}, usual


def _doubts(findings: list[dict[str, Any]], comparison: Comparison) -> dict[tuple[str, str], list[str]]:
    """Site and road user -> what was found of the sensor itself in the days compared: that may be no change of the street."""
    doubts: dict[tuple[str, str], list[str]] = {}
    for one in findings:
        first, last = (datetime.fromisoformat(one[end]).date() for end in ("start_at", "end_at"))
        if one["kind"] in LASTING and any(
            first <= end and last >= begin for begin, end in (comparison.base, comparison.period)
        ):
            counter = one["site_id"], COUNTED.get(one["observed_property"], one["observed_property"])
            doubts.setdefault(counter, []).append(f"{one['kind']} {first} to {last}")
    return doubts


def _weather(files: Sequence[str], days: Days, timezone: str) -> tuple[list[str], Values | None]:
    """Names and daily values of the weather, shape `(days, variables)`; means of all sites."""
    if not files:
        return [], None
    with memory() as connection:
        connection.execute("CREATE TEMP TABLE hours (name VARCHAR, start_at TIMESTAMPTZ, value DOUBLE)")
        for file in files:
            if not Path(file).is_file():
                raise SourceError(
                    f"{file}: the file was not found; expected hours of contract hourly_readings; correct --weather"
                )
            check_file(connection, file, load_contract("hourly_readings"), accepted="accepted", quarantined="refused")
            connection.execute("INSERT INTO hours SELECT observed_property, interval_start_at, value FROM accepted")
        shut_in(connection)
        summed = ", ".join(f"'{name}'" for name in SUMMED)
        found = connection.execute(
            f"""
            WITH hourly AS (SELECT name, start_at, avg(value) AS value FROM hours GROUP BY ALL)
            SELECT name, (start_at AT TIME ZONE ?)::DATE AS day, avg(value) * CASE WHEN name IN ({summed}) THEN 24 ELSE 1 END
            FROM hourly WHERE value IS NOT NULL GROUP BY name, day HAVING count(*) >= 18 ORDER BY ALL
            """,
            [timezone],
        ).fetchall()
    names = list(dict.fromkeys(str(name) for name, _, _ in found))
    if not names:
        raise SourceError(f"{', '.join(files)}: no day has 18 hours of weather; expected hourly readings; correct --weather")
    values = np.full((len(days.ordinal), len(names)), np.nan)
    first = int(days.ordinal[0])
    for name, day, value in found:
        place = day.toordinal() - first
        if 0 <= place < len(values):
            values[place, names.index(str(name))] = value
    return names, values


def _days(days: Days, totals: Values, usual: Values) -> list[tuple[object, ...]]:
    """Each day that was counted or has comparable ones: date, kind of day, total, what is usual, their ratio."""
    known = np.isfinite(totals) | np.isfinite(usual)

    def shown(value: float, digits: int) -> float | None:
        return round(float(value), digits) if np.isfinite(value) else None

    return [
        (
            date.fromordinal(int(days.ordinal[n])).isoformat(), CLASSES[days.kind[n]], shown(totals[n], 1), shown(usual[n], 1),
            shown(totals[n] / usual[n], 3) if usual[n] > 0 else None,
        )
        for n in np.flatnonzero(known)
    ]  # fmt: skip


def _write(path: Path, lines: list[tuple[object, ...]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("site_id", "road_user", "day", "kind", "total", "usual", "ratio"))
            writer.writerows(lines)
    except OSError as error:
        raise SourceError(f"{path}: cannot be written ({error.strerror}); expected a CSV to write; correct --out") from None
