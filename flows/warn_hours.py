"""The hours that early warning looks at: of a pilot in the lake or of files, with weather beside them, on one grid of hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from analytics.lake import Connection, memory, open_lake
from analytics.sensing.warning.levels import EarlyWarningError
from analytics.sensing.warning.machine import HOUR, Values
from data_contracts.contract import load_contract
from data_contracts.gate import check_file
from experiments.settings import Settings

LONGEST = 24 * 366 * 20
"""More hours than this are no network's series but a date gone wrong. [h]"""


@dataclass(frozen=True)
class Network:
    """The hours of a network's stations, without holes in time.

    Attributes:
        name: Of the pilot, or of the first file.
        pilot_id: The pilot; empty where the hours come from files.
        stations: Names, one a column.
        values: Shape `(hours, stations)`; NaN where nothing was measured.
        start_at: Start of the first hour, UTC.
        unit: Of the values.
        known: What was measured beside them, such as weather; name -> shape `(hours, stations)`.
    """

    name: str
    pilot_id: str
    stations: tuple[str, ...]
    values: Values
    start_at: datetime
    unit: str
    known: dict[str, Values]

    @property
    def ends_at(self) -> datetime:
        """End of the last hour, UTC."""
        return self.start_at + len(self.values) * HOUR


def read_network(
    sources: Sequence[str],
    observed: str,
    settings: Settings,
    *,
    inputs: Sequence[str] = (),
    weather: Sequence[str] = (),
    until: datetime | None = None,
) -> Network:
    """Hours of an observed property, with what else was measured in them.

    Args:
        sources: A pilot, or files of contract `hourly_readings`.
        observed: Observed property; of a pilot that counts, its road user.
        settings: Where the lake is.
        inputs: Other properties of the same sources.
        weather: Another pilot, or other files, whose properties are all taken in.
        until: Hours that end later are not known; None for all.

    Raises:
        EarlyWarningError: There are no such hours, units are mixed, or a source is not there.
        ContractError: A file cannot be read.
    """
    with memory() as connection:
        connection.execute(
            "CREATE TEMP TABLE every (is_weather BOOLEAN, site_id VARCHAR, property VARCHAR, hour_at TIMESTAMPTZ, "
            "value DOUBLE, unit VARCHAR)"
        )
        _take(connection, sources, settings, [observed, *inputs], is_weather=False)
        if weather:
            _take(connection, weather, settings, None, is_weather=True)
            if connection.execute("FROM every WHERE is_weather LIMIT 1").fetchone() is None:
                raise EarlyWarningError(
                    f"{', '.join(weather)}: no hours were found; expected a published pilot or files; correct --weather"
                )
        if until is not None:
            connection.execute("DELETE FROM every WHERE hour_at > ?::TIMESTAMPTZ - INTERVAL 1 HOUR", [until])
        is_file = Path(sources[0]).is_file()
        name = Path(sources[0]).stem if is_file else sources[0]
        return _grid(connection, name, "" if is_file else sources[0], observed, [*inputs])


def _take(
    connection: Connection, sources: Sequence[str], settings: Settings, wanted: list[str] | None, *, is_weather: bool
) -> None:
    """Put the wanted properties of some sources, or all of them, into the table `every`."""
    files = [source for source in sources if Path(source).is_file()]
    if files and len(files) < len(sources):
        lost = next(source for source in sources if source not in files)
        raise EarlyWarningError(f"{lost}: the file was not found; expected files, or one pilot; correct the path")
    if not files and len(sources) != 1:
        raise EarlyWarningError(f"{', '.join(sources)}: no files were found; expected files, or one pilot; correct them")
    for file in files:
        check_file(connection, file, load_contract("hourly_readings"), accepted="accepted", quarantined="refused")
        connection.execute(
            "INSERT INTO every SELECT ?, site_id, observed_property, interval_start_at, value, unit FROM accepted "
            "WHERE ? IS NULL OR list_contains(?, observed_property)", [is_weather, wanted, wanted],
        )  # fmt: skip
    if files:
        return
    with open_lake(settings.catalog, settings.lake_files) as lake:
        found = lake.execute(
            "SELECT ? AS is_weather, site_id, property, hour_at, value, unit FROM ("
            "  SELECT pilot_id, site_id, road_user AS property, interval_start_at AS hour_at, crossings::DOUBLE AS value, "
            "  'count' AS unit FROM lake.counts_hourly UNION ALL"
            "  SELECT pilot_id, site_id, observed_property, interval_start_at, value, unit FROM lake.hourly_readings) "
            "WHERE pilot_id = ? AND (? IS NULL OR list_contains(?, property))", [is_weather, sources[0], wanted, wanted],
        ).to_arrow_table()  # fmt: skip
    connection.register("of_lake", found)
    connection.execute("INSERT INTO every FROM of_lake")
    connection.unregister("of_lake")


def _grid(connection: Connection, name: str, pilot_id: str, observed: str, inputs: list[str]) -> Network:
    """Rows of `every` on a grid of whole hours; hours without a row are NaN."""
    own = "FROM every WHERE hour_at IS NOT NULL AND NOT is_weather AND property = ?"
    row = connection.execute(
        "SELECT count(*), min(date_trunc('hour', hour_at)), max(date_trunc('hour', hour_at)), "
        f"list(DISTINCT unit ORDER BY unit), list(DISTINCT site_id ORDER BY site_id) {own}", [observed],
    ).fetchone()  # fmt: skip
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
    connection.execute("CREATE TEMP TABLE places AS SELECT unnest(?::VARCHAR[]) AS site_id, unnest(range(?)) AS place",
                       [stations, len(stations)])  # fmt: skip
    shape = length, len(stations)
    cells: dict[str, Any] = connection.execute(
        "SELECT date_diff('hour', ?, hour_at) AS step, place, value FROM every JOIN places USING (site_id) "
        "WHERE hour_at IS NOT NULL AND NOT is_weather AND property = ?", [first, observed],
    ).fetchnumpy()  # fmt: skip
    values = _means(cells["step"] * shape[1] + cells["place"], cells["value"], length * shape[1]).reshape(shape)
    known = _beside(connection, name, observed, inputs, (first, *shape))
    return Network(name, pilot_id, tuple(stations), values, first.astimezone(UTC), str(units[0]), known)


def _beside(
    connection: Connection, name: str, observed: str, inputs: list[str], shape: tuple[datetime, int, int]
) -> dict[str, Values]:
    """What else was measured: at a station itself, else the mean of all sites; directions as sine and cosine."""
    first, length, count = shape
    others = "hour_at IS NOT NULL AND (is_weather OR property <> ?)"
    found = connection.execute(
        f"SELECT property, list(DISTINCT unit ORDER BY unit) FROM every WHERE {others} GROUP BY ALL ORDER BY ALL", [observed]
    ).fetchall()
    there = [name for name, _ in found]
    if lost := [one for one in inputs if one not in there]:
        raise EarlyWarningError(
            f"{name}: no hours of '{lost[0]}' were found; expected one of {', '.join(there) or 'none'}; correct --inputs"
        )
    known: dict[str, Values] = {}
    for one, units in found:
        if len(units) > 1:
            raise EarlyWarningError(f"{name}: '{one}' comes in {', '.join(units)}; expected one unit; convert it first")
        parts = (
            {f"{one}_sin": "sin(radians(value))", f"{one}_cos": "cos(radians(value))"}
            if units == ["degree"]
            else {one: "value"}
        )
        for part, formula in parts.items():
            cells: dict[str, Any] = connection.execute(
                f"SELECT date_diff('hour', ?, hour_at) AS step, coalesce(place, ?) AS place, {formula} AS value "
                f"FROM every LEFT JOIN places USING (site_id) WHERE {others} AND property = ? AND hour_at >= ? AND hour_at < ?",
                [first, count, observed, one, first, first + timedelta(hours=length)],
            ).fetchnumpy()  # fmt: skip
            mean = _means(cells["step"], cells["value"], length)[:, None]
            own = _means(cells["step"] * (count + 1) + cells["place"], cells["value"], length * (count + 1))
            own = own.reshape(length, count + 1)[:, :count]
            known[part] = np.where(np.isfinite(own).any(axis=0), own, mean)
        if not np.isfinite(known[part]).any():
            raise EarlyWarningError(
                f"{name}: no hour of '{one}' lies within the hours of '{observed}'; expected hours of the same time; "
                "leave it out or give others"
            )
    return known


def _means(cell: Any, value: Any, count: int) -> Values:
    """Mean of the values of each cell, NaN where there is none, shape `(count,)`."""
    is_there = ~np.ma.getmaskarray(value)
    places, found = np.ma.getdata(cell)[is_there], np.ma.getdata(value)[is_there]
    rows = np.bincount(places, minlength=count)
    total = np.bincount(places, weights=found, minlength=count)
    return np.where(rows > 0, total / np.maximum(rows, 1), np.nan)
