"""What the rendered sensors send of the truth: biased, noisy, sometimes broken, and not always in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from analytics.lake import Connection
from analytics.sensing.network.address import Address, read_address
from analytics.sensing.network.truth import Floats, Truth, render_truth
from analytics.sensing.readings import quoted

REFERENCE = "reference"
"""The site of the reference, beside the last street."""
UNITS = {"pm25": "µg/m³", "no2": "ppb", "noise_laeq": "dB(A)", "temperature": "°C", "humidity": "%"}
"""Units in which the low-cost sensors send; NO2 has another unit than it is kept in."""
PPB = 1.9125
"""A ppb of NO2 at 20 degC and 101.3 kPa. [ug/m3]"""
NOISE = {"pm25": 0.6, "no2": 1.5, "noise_laeq": 0.5, "temperature": 0.2, "humidity": 1.0}
"""Standard deviation of a low-cost sensor's reading, in the unit kept."""
KINDS = ("dead", "copied_days", "clock_shift", "wrong_unit", "outage", "drift")
LASTS_DAYS = {"dead": 5, "copied_days": 2, "clock_shift": 10, "wrong_unit": 3, "outage": 4}
"""How long a fault lasts; a drift lasts to the end. [d]"""
SHIFT_H = 3
DRIFT_A_DAY = 0.002
AGAIN, LATE, EMPTY = 0.003, 0.003, 0.0005
"""Shares of rows that come twice, come up to a day late, or come without a value."""


@dataclass(frozen=True)
class Fault:
    """A sensor's fault, from `start_at` until before `end_at`.

    Attributes:
        kind: One of `KINDS`: `dead` sends zeros, `copied_days` repeats the days of a week before, `clock_shift` stamps
            `SHIFT_H` hours late, `wrong_unit` calls µg/m³ mg/m³, `outage` sends nothing, `drift` reads ever higher.
        site_id: The sensor.
        start_at: When it begins.
        end_at: When it is over.
    """

    kind: str
    site_id: str
    start_at: datetime
    end_at: datetime


def planted_faults(address: Address) -> tuple[Fault, ...]:
    """Which sensor fails when; one fault of each kind, at untreated streets as long as there are enough."""
    if not address.faults:
        return ()
    rng = np.random.default_rng([address.seed, 2])
    start = datetime.fromisoformat(address.start).replace(tzinfo=UTC)
    spare = rng.permutation(np.arange(address.treated, address.sites) if address.treated < address.sites else address.sites)
    found = []
    for number, kind in enumerate(KINDS):
        shortest = LASTS_DAYS.get(kind, address.days // 2)
        first = int(rng.integers(min(8, address.days - shortest), address.days - shortest + 1))
        last = first + LASTS_DAYS[kind] if kind in LASTS_DAYS else address.days
        site_id = f"street_{spare[number % len(spare)] + 1:02d}"
        found.append(Fault(kind, site_id, start + timedelta(days=first), start + timedelta(days=last)))
    return tuple(found)


def rendered_network(connection: Connection, source: str, *, table: str) -> None:
    """Read a rendered network: the readings its sensors sent, in the order in which they came.

    Args:
        connection: Where the table is made.
        source: `network:street?seed=3&days=168`, see `Address`.
        table: Table to create, of contract `sensor_readings`.

    Raises:
        SourceError: The address is wrong.
    """
    truth = render_truth(read_address(source))
    parts = [part for name in truth.address.observe.split(",") for part in _sent(truth, name)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sites = pa.table({"site": np.arange(len(truth.site_ids) + 1), "site_id": [*truth.site_ids, REFERENCE]})
    units = pa.table({"unit": np.arange(len(UNITS) + 2), "name": [*UNITS.values(), "ug/m3", "mg/m³"]})
    tables = {"network_sent": pa.table(columns), "network_sites": sites, "network_units": units}
    for name, given in tables.items():
        connection.register(name, given)
    names = "[" + ", ".join(f"'{name}'" for name in truth.values) + "]"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
        SELECT row_number() OVER (ORDER BY came, site, property, n) AS source_row, site_id,
               {names}[property + 1] AS observed_property, strftime(start_at, '%Y-%m-%dT%H:%M:%SZ') AS interval_start_at,
               {truth.address.interval_s}::DOUBLE AS interval_s,
               CASE WHEN NOT empty THEN printf('%.1f', value) END AS value, u.name AS unit,
               NULL::DOUBLE AS coverage, NULL::VARCHAR AS flags
        FROM (SELECT *, row_number() OVER () AS n FROM network_sent) JOIN network_sites USING (site)
             JOIN network_units u USING (unit)
        ORDER BY source_row
        """
    )
    for name in tables:
        connection.unregister(name)


def _sent(truth: Truth, name: str) -> Iterator[dict[str, np.ndarray]]:
    """What each sensor sends of one property, one street after the other, the reference at the end."""
    n, count = truth.values[name].shape
    number = list(truth.values).index(name)
    rng = np.random.default_rng([truth.address.seed, 3, number])
    wet = 1 + 0.35 * (truth.values["humidity"][0] / 100) ** 6
    faults = planted_faults(truth.address)
    for site in range(n + 1):
        real = truth.values[name][min(site, n - 1)]
        value = real + NOISE[name] * rng.standard_normal(count) * (0.2 if site == n else 1)
        unit = np.full(count, list(UNITS).index(name))
        at, kept = truth.at.copy(), np.ones(count, dtype=bool)
        if site < n:
            value = _seen(name, value, real, wet, rng)
            for fault in faults:
                if fault.site_id == truth.site_ids[site]:
                    _break(fault, name, truth, value, unit, at, kept)
        elif name == "no2":
            unit[:] = len(UNITS)
        if name not in ("temperature", "noise_laeq"):
            value = np.clip(value, 0, 100 if name == "humidity" else None)
        drawn = np.maximum(rng.random((3, count)), 1 - truth.address.faults)
        again, late, empty = drawn[0] < AGAIN, drawn[1] < LATE, drawn[2] < EMPTY
        came = truth.at.astype(np.int64) + np.where(late, rng.integers(3600, 86_400, count), 0)
        rows = np.concatenate([np.flatnonzero(kept), np.flatnonzero(kept & again)])
        yield {
            "came": came[rows],
            "site": np.full(len(rows), site),
            "property": np.full(len(rows), number),
            "start_at": at[rows],
            "value": value[rows],
            "unit": unit[rows],
            "empty": empty[rows],
        }


def _seen(name: str, value: Floats, real: Floats, wet: Floats, rng: np.random.Generator) -> Floats:
    """A low-cost sensor's bias: its own gain and zero, and for particles the water that grows on them in humid air."""
    gain = rng.uniform(0.9, 1.2)
    if name == "pm25":
        return np.asarray(gain * (real * wet) + (value - real))
    if name == "no2":
        return np.asarray((gain * real + rng.uniform(-1, 1) + value - real) / PPB)
    return np.asarray(value + rng.uniform(-0.5, 0.5))


def _break(fault: Fault, name: str, truth: Truth, value: Floats, unit: np.ndarray, at: np.ndarray, kept: np.ndarray) -> None:
    """Let a fault work on what a sensor sends, in place."""
    first, end = (np.datetime64(one.replace(tzinfo=None), "s") for one in (fault.start_at, fault.end_at))
    span = (truth.at >= first) & (truth.at < end)
    if fault.kind == "outage":
        kept &= ~span
    elif fault.kind == "dead" and name in ("pm25", "no2"):
        value[span] = 0.0
    elif fault.kind == "copied_days":
        week = 7 * 86_400 // truth.address.interval_s
        value[span] = value[np.flatnonzero(span) - week]
    elif fault.kind == "clock_shift":
        at[span] += np.timedelta64(SHIFT_H, "h")
    elif fault.kind == "wrong_unit" and name == "pm25":
        unit[span] = len(UNITS) + 1
    elif fault.kind == "drift" and name == "pm25":
        days = (truth.at[span] - first) / np.timedelta64(1, "D")
        value[span] *= 1 + DRIFT_A_DAY * days
