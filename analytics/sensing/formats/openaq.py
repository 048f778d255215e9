"""OpenAQ v3: measurements, hours and days of `/v3/sensors/…`, and the latest value in a list of sensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analytics.sensing.formats.documents import Observation, at_path, document_reader, length_of, share_of, written

EXPECTED = "OpenAQ v3 JSON with 'results' of measurements"


def looks_like_openaq(document: Any) -> bool:
    """Whether a document is OpenAQ's."""
    first = at_path(document, "results", 0) or document
    said = at_path(document, "meta", "name") == "openaq-api"
    return isinstance(first, dict) and (said or {"period", "parameter", "value"} <= set(first))


def openaq_observations(document: Any) -> Iterator[Observation]:
    """The measurements of a document; one that is a measurement itself is one."""
    found = at_path(document, "results")
    for one in found if isinstance(found, list) else [document]:
        name, unit = at_path(one, "parameter", "name"), at_path(one, "parameter", "units")
        place = written(at_path(one, "location", "name") or at_path(one, "locationsId"))
        if isinstance(at_path(one, "period"), dict):
            start, end = (at_path(one, "period", key, "utc") for key in ("datetimeFrom", "datetimeTo"))
            is_flagged = at_path(one, "flagInfo", "hasFlags") is True
            yield Observation(
                place,
                written(start),
                [(written(name) or "", at_path(one, "value"), unit)],
                length_of(start, end),
                share_of(at_path(one, "coverage", "percentCoverage"), 100),
                "source_flagged" if is_flagged else None,
            )
        elif isinstance(at_path(one, "latest"), dict):
            latest = one["latest"]
            values = [(written(name) or "", at_path(latest, "value"), unit)]
            yield Observation(place, written(at_path(latest, "datetime", "utc")), values)


openaq = document_reader(openaq_observations, EXPECTED)
"""Reader of OpenAQ v3. A measurement's interval is its `period`; `coverage` is `percentCoverage`, at most the whole. It names
no site. Source: docs.openaq.org, API v3."""
