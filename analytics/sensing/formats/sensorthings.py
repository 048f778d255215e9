"""OGC SensorThings API 1.1: Things, Datastreams, MultiDatastreams and Observations as JSON, with its pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from analytics.lake import Connection
from analytics.sensing.formats.documents import Observation, at_path, documents_of, interval_of, read_documents, written
from analytics.sensing.formats.pages import with_pages
from analytics.sensing.readings import SourceError
from analytics.sensing.units import conversion, property_of

EXPECTED = "SensorThings 1.1 JSON with Observations"
NEXT, STREAM_NEXT = "@iot.nextLink", "Observations@iot.nextLink"


def looks_like_sensorthings(document: Any) -> bool:
    """Whether a document is of a SensorThings service."""
    first = at_path(document, "value", 0)
    one = first if first is not None else at_path(document, 0) if isinstance(document, list) else document
    if not isinstance(one, dict):
        return False
    is_known = any(name.startswith("@iot.") or "@iot." in name for name in one)
    return is_known or {"phenomenonTime", "result"} <= set(one) or {"components", "dataArray"} <= set(one)


def sensorthings_observations(document: Any) -> Iterator[Observation]:
    """Every Observation of a document, wherever it is expanded."""
    yield from _of_entity(document, {}, {})


def sensorthings(
    connection: Connection,
    source: str,
    *,
    table: str,
    site: str | None = None,
    properties: Sequence[str] | None = None,
    observed_property: str | None = None,
    unit: str | None = None,
    pages: str | None = None,
) -> None:
    """Read Observations as received.

    A site is a Thing, by its name; where a document does not say the Thing, `datastream_ID`; where it says neither, `site`.

    Args:
        connection: Where the table is made.
        source: Path of the first page.
        table: Name of the table to create; see `analytics.sensing.readings.COLUMNS`.
        site: The sensor's place where the document names none; the file's name where None.
        properties: Observed properties to read; all where None.
        observed_property: What Observations observe whose Datastream is not expanded.
        unit: Their unit.
        pages: Where the pages that follow are: a folder that holds them by the last part of their links, or the beginning of
            the addresses that may be fetched, such as `https://frost.example/v1.1/`; `first` to read the source alone.
            Relative links count from the source's folder.

    Raises:
        SourceError: A page is missing or no JSON, no page holds Observations, or one has a successor and `pages` is not said.

    Source:
        OGC 18-088, SensorThings API Part 1: Sensing, version 1.1.
    """
    stream = {"ObservedProperty": {"name": observed_property}, "unitOfMeasurement": {"symbol": unit}}

    def observations(document: Any) -> Iterator[Observation]:
        yield from _of_entity(document, {}, stream if observed_property is not None else {})

    found = with_pages(source, documents_of(source, EXPECTED), links_of, pages=pages, expected=EXPECTED)
    given = (connection, source, found, observations)
    read_documents(*given, table=table, expected=EXPECTED, site=site, properties=properties)


def links_of(document: Any) -> Iterator[tuple[str, Any]]:
    """Links to the pages that follow a document, each with what a page of it has to stand in."""
    link = written(at_path(document, NEXT))
    if link:
        yield link, None
    entities = at_path(document, "value")
    for entity in entities if isinstance(entities, list) else [document]:
        streams = at_path(entity, "Datastreams")
        for stream in [entity, *(streams if isinstance(streams, list) else [])]:
            link = written(at_path(stream, STREAM_NEXT))
            if link:
                known = {key: value for key, value in stream.items() if key not in ("Observations", STREAM_NEXT)}
                thing = {"name": at_path(entity, "name")} if stream is not entity else at_path(entity, "Thing")
                yield link, known | {"Thing": thing}


def _of_entity(entity: Any, thing: dict[str, Any], stream: dict[str, Any]) -> Iterator[Observation]:
    """The Observations of an entity, or of a collection of them, with the Thing and the Datastream they belong to."""
    if isinstance(entity, list):
        for one in entity:
            yield from _of_entity(one, thing, stream)
    if not isinstance(entity, dict):
        return
    own = next((entity[name] for name in ("Datastream", "MultiDatastream") if isinstance(entity.get(name), dict)), None)
    stream = stream | own if own is not None else stream
    if "phenomenonTime" in entity and "result" in entity:
        yield from _observed(entity, thing, stream)
        return
    rows, names = entity.get("dataArray"), entity.get("components")
    if isinstance(rows, list) and isinstance(names, list):
        link = written(entity.get("Datastream@iot.navigationLink") or entity.get("MultiDatastream@iot.navigationLink"))
        stream = (
            stream
            if "@iot.id" in stream or not link
            else stream | {"@iot.id": link.rpartition("(")[2].rstrip(")'").lstrip("'")}
        )
        for row in rows:
            fields = dict(zip(map(str, names), row, strict=False)) if isinstance(row, list) else {"result": row}
            yield from _observed(fields, thing, stream)
        return
    if "unitOfMeasurement" in entity or "unitOfMeasurements" in entity:
        stream = {key: value for key, value in entity.items() if key != "Observations"}
    elif "Datastreams" in entity or "MultiDatastreams" in entity:
        thing = {"name": entity.get("name"), "@iot.id": entity.get("@iot.id")}
    for name in ("value", "Observations", "Datastreams", "MultiDatastreams"):
        yield from _of_entity(entity.get(name), thing, stream)


def _observed(one: dict[str, Any], thing: dict[str, Any], stream: dict[str, Any]) -> Iterator[Observation]:
    at, interval_s = interval_of(one.get("phenomenonTime") or one.get("resultTime"))
    units, observed = at_path(stream, "unitOfMeasurements"), at_path(stream, "ObservedProperties")
    result = one.get("result")
    if isinstance(units, list) and isinstance(result, list):
        parts = [
            _value({"unitOfMeasurement": unit, "ObservedProperty": at_path(observed, place), "name": stream.get("name")}, value)
            for place, (unit, value) in enumerate(zip(units, result, strict=False))
        ]
    else:
        parts = [_value(stream, result)]
    flags = None if one.get("resultQuality") in (None, "", [], {}) else f"source_{written(one['resultQuality'])}"
    number = written(stream.get("@iot.id"))
    place = at_path(stream, "Thing", "name") or thing.get("name") or (f"datastream {number}" if number else None)
    yield Observation(written(place), at, parts, interval_s, None, flags)


def _value(stream: dict[str, Any], value: Any) -> tuple[str, Any, str | None]:
    """Observed property, value and unit, by the first name of each that is known here."""
    names = [
        text
        for text in (
            written(at_path(stream, "ObservedProperty", "name")),
            (written(at_path(stream, "ObservedProperty", "definition")) or "").rstrip("/").replace("#", "/").rpartition("/")[2],
            written(stream.get("name")),
        )
        if text
    ]
    known = next((name for name in names if property_of(name) is not None), names[0] if names else "")
    given = tuple(written(at_path(stream, "unitOfMeasurement", key)) for key in ("symbol", "name", "definition"))
    return known, value, unit_of(known, given)


@cache
def unit_of(name: str, given: tuple[str | None, ...]) -> str | None:
    """The first of a unit's names that is a unit of an observed property; the first of all where none is."""
    for unit in given:
        if unit:
            with suppress(SourceError):
                conversion(property_of(name) or name, unit)
                return unit
    return next((unit for unit in given if unit), None)
