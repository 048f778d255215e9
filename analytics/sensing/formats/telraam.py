"""Telraam: hourly traffic counts of a camera behind a window, and their totals by day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analytics.sensing.formats.documents import Observation, at_path, document_reader, number_of, share_of, written

EXPECTED = "Telraam JSON with 'report', 'data' or 'days'"
COUNTS = {"heavy": "heavy_vehicle", "car": "car", "bike": "cyclist", "pedestrian": "pedestrian"}
"""Telraam's road users in the words used here; both directions together."""
LENGTHS = {"hourly": 3600.0, "daily": 86_400.0, "quarterly": 900.0}
NOT_MEASURED = "uptime_zero"
"""Flag of counts of a time in which the camera saw nothing: Telraam writes 0 there."""


def looks_like_telraam(document: Any) -> bool:
    """Whether a document is Telraam's."""
    return any(
        "uptime" in (at_path(one, "totals") or one) or at_path(one, "totals", "uptime_avg") for one in _reports(document)
    )


def telraam_observations(document: Any) -> Iterator[Observation]:
    """The reports of a document."""
    device = written(at_path(document, "device_id"))
    for one in _reports(document):
        totals = one.get("totals")
        if isinstance(totals, dict):
            hours, mean = number_of(totals.get("hours")), number_of(totals.get("uptime_avg"))
            uptime = None if hours is None or mean is None else hours * mean / 24
            at, length, counts = f"{written(one.get('date'))}T00:00:00Z", 86_400.0, totals
        else:
            uptime, counts, at = number_of(one.get("uptime")), one, written(one.get("date")) or ""
            length = LENGTHS.get(str(one.get("interval")), 0.0)
        values = [(ours, counts.get(name), "count") for name, ours in COUNTS.items() if name in counts]
        if counts.get("v85") is not None:
            values.append(("speed_v85", counts["v85"], "km/h"))
        flags = NOT_MEASURED if uptime == 0 else None
        yield Observation(device or written(one.get("segment_id")), at, values, length or None, share_of(uptime), flags)


telraam = document_reader(telraam_observations, EXPECTED)
"""Reader of Telraam. `coverage` is the uptime; of a day the mean uptime of its hours times their share of the day, and
its date is taken as UTC. A count at uptime 0 is kept as written, with coverage 0 and the flag `uptime_zero`: it is no count.
Telraam's counts are already scaled up to the whole hour. Source: telraam.zendesk.com and telraam-api.net."""


def _reports(document: Any) -> list[dict[str, Any]]:
    for name in ("report", "data", "days"):
        found = at_path(document, name)
        if isinstance(found, list):
            return [one for one in found if isinstance(one, dict)]
    return [document] if isinstance(document, dict) and "uptime" in document else []
