"""Waggle (Sage, Array of Things): one measurement a line, `{"name", "timestamp", "meta", "value"}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analytics.sensing.formats.documents import Observation, at_path, document_reader, number_of, written

EXPECTED = "Waggle records, one a line, with name, timestamp, meta and value"
NAMES = {
    "env.temperature": ("temperature", "degC"),
    "env.relative_humidity": ("humidity", "percent"),
    "env.pressure": ("pressure", "Pa"),
    "env.raingauge.event_acc": ("precipitation", "mm"),
    "wxt.env.temp": ("temperature", "degC"),
    "wxt.env.humidity": ("humidity", "percent"),
    "wxt.env.pressure": ("pressure", "hPa"),
    "wxt.wind.speed": ("wind_speed", "m/s"),
    "wxt.wind.direction": ("wind_direction", "degree"),
    "env.count.person": ("pedestrian", "count"),
    "env.count.bicycle": ("cyclist", "count"),
    "env.count.car": ("car", "count"),
}
"""Waggle's names: the observed property here and the unit, from Sage's list of measurements and plugins' documentation. A name
that is not here goes on as it is, without a unit, which `analytics.sensing.units` then refuses."""
_NANOSECONDS = 10**9


def looks_like_waggle(document: Any) -> bool:
    """Whether a document is a record of Waggle's."""
    return isinstance(document, dict) and {"name", "timestamp", "meta", "value"} <= set(document)


def waggle_observations(document: Any) -> Iterator[Observation]:
    """The record of a line; a list of records as well."""
    for one in document if isinstance(document, list) else [document]:
        if not looks_like_waggle(one):
            continue
        name = written(one["name"]) or ""
        ours, unit = NAMES.get(name, (name, None))
        node = written(at_path(one, "meta", "vsn") or at_path(one, "meta", "node"))
        sensor = written(at_path(one, "meta", "sensor"))
        site = node if sensor is None or node is None else f"{node} {sensor}"
        yield Observation(site, instant_of(one["timestamp"]), [(ours, one["value"], unit)])


waggle = document_reader(waggle_observations, EXPECTED)
"""Reader of Waggle. A node's sensors are sites of their own (`w022_bme680`), because several measure the same. Timestamps in
nanoseconds are cut to microseconds. Source: docs.sagecontinuum.org, "Access and use data"."""


def instant_of(timestamp: Any) -> str | None:
    """A timestamp in nanoseconds since 1970, or ISO 8601 with nine decimals, as ISO 8601 with at most six.

    Example:
        >>> instant_of("2026-03-01T10:00:00.123456789Z")
        '2026-03-01T10:00:00.123456Z'
    """
    stamp = written(timestamp)
    if stamp is None:
        return None
    if stamp.isdigit() and (count := number_of(stamp)) is not None and count < 2**63:
        from datetime import UTC, datetime, timedelta

        at = datetime.fromtimestamp(int(stamp) // _NANOSECONDS, UTC) + timedelta(microseconds=int(stamp) % _NANOSECONDS // 1000)
        return at.isoformat()
    whole, dot, rest = stamp.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{whole}.{digits[:6]}{rest[len(digits) :]}" if dot and len(digits) > 6 else stamp
