"""NGSI-LD and NGSI-v2 entities of the Smart Data Models, normalised or as key-values: air, weather, noise, traffic, crowds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analytics.lake import Connection
from analytics.sensing.formats.documents import (
    Observation,
    at_path,
    documents_of,
    interval_of,
    length_of,
    read_documents,
    written,
)  # fmt: skip
from analytics.sensing.units import property_of

EXPECTED = "NGSI entities of AirQualityObserved, NoiseLevelObserved, TrafficFlowObserved, CrowdFlowObserved or WeatherObserved"
MODELS = ("AirQualityObserved", "NoiseLevelObserved", "TrafficFlowObserved", "CrowdFlowObserved", "WeatherObserved")
FIXED = {
    "temperature": ("temperature", "degC"),
    "relativeHumidity": ("humidity", "1"),
    "atmosphericPressure": ("pressure", "hPa"),
    "precipitation": ("precipitation", "mm"),
    "windSpeed": ("wind_speed", "m/s"),
    "windDirection": ("wind_direction", "degree"),
    "LAeq": ("noise_laeq", "dBA"),
    "LAmax": ("noise_lamax", "dBA"),
    "averageVehicleSpeed": ("speed", "km/h"),
    "occupancy": ("occupancy", "1"),
    "intensity": ("vehicle", "count"),
    "peopleCount": ("pedestrian", "count"),
}
"""Attributes whose unit the Smart Data Models fix, where an entity gives no `unitCode`; humidity and occupancy are 0 to 1."""
VEHICLES = {
    "car": "car",
    "bicycle": "cyclist",
    "lorry": "heavy_vehicle",
    "heavyvehicle": "heavy_vehicle",
    "truck": "heavy_vehicle",
}
"""`vehicleType` of TrafficFlowObserved in the words used here; of any other the property is `vehicle`."""
NAMES = ("stationCode", "stationName", "refDevice", "refRoadSegment", "name", "id")
"""Attributes that may name a site, the first that is there."""


def looks_like_ngsi(document: Any) -> bool:
    """Whether a document is of NGSI entities."""
    return any(_model(one) is not None for one in _entities(document))


def ngsi_observations(document: Any, units: Mapping[str, str] | None = None) -> Iterator[Observation]:
    """What the entities of a document observed; the unit of attributes that give none is that of `units`."""
    for one in _entities(document):
        if _model(one) is None:
            continue
        start, end = (_plain(one.get(name)) for name in ("dateObservedFrom", "dateObservedTo"))
        at, interval_s = interval_of(_plain(one.get("dateObserved")))
        if start is not None:
            at, interval_s = written(start), length_of(start, end)
        values = []
        kind = written(_plain(one.get("vehicleType"))) or ""
        for name, attribute in one.items():
            fixed, fixed_unit = FIXED.get(name, (name, None))
            if property_of(fixed) is None or name in NAMES:
                continue
            if name == "intensity":
                fixed = VEHICLES.get(kind.lower(), fixed)
            unit = written(at_path(attribute, "unitCode") or _plain(at_path(attribute, "metadata", "unitCode")))
            values.append((fixed, _plain(attribute), unit or (units or {}).get(name) or fixed_unit))
        site = next((text for name in NAMES if (text := written(_plain(one.get(name))))), None)
        lane = written(_plain(one.get("laneId")))
        yield Observation(f"{site} lane {lane}" if site and lane else site, at, values, interval_s)


def ngsi(
    connection: Connection,
    source: str,
    *,
    table: str,
    site: str | None = None,
    properties: Sequence[str] | None = None,
    units: dict[str, str] | None = None,
) -> None:
    """Read what NGSI entities observed, as received. Attributes that are no observed property are left out.

    Args:
        connection: Where the table is made.
        source: Path of the file: an entity, a list of entities, a notification with `data`, or one of them a line.
        table: Name of the table to create; see `analytics.sensing.readings.COLUMNS`.
        site: The sensor's place where an entity names none; the file's name where None.
        properties: Observed properties to read; all where None.
        units: Unit of attributes for which entities give no `unitCode`, such as `{pm25: ug/m3}`.

    Raises:
        SourceError: The file is missing, no JSON, or holds no such entity.

    Source:
        ETSI GS CIM 009 (NGSI-LD), FIWARE NGSI-v2, smartdatamodels.org.
    """
    found = documents_of(source, EXPECTED)

    def observations(document: Any) -> Iterator[Observation]:
        return ngsi_observations(document, units)

    given = (connection, source, found, observations)
    read_documents(*given, table=table, expected=EXPECTED, site=site, properties=properties)


def _entities(document: Any) -> list[dict[str, Any]]:
    inside = at_path(document, "data")
    found = document if isinstance(document, list) else inside if isinstance(inside, list) else [document]
    return [one for one in found if isinstance(one, dict)]


def _model(entity: dict[str, Any]) -> str | None:
    kind = entity.get("type")
    names = kind if isinstance(kind, list) else [kind]
    short = (name.replace("#", "/").rpartition("/")[2] for name in names if isinstance(name, str))
    return next((name for name in short if name in MODELS), None)


def _plain(attribute: Any) -> Any:
    """The value of an attribute, whichever way it is written."""
    for name in ("value", "@value", "object"):
        while isinstance(attribute, dict) and name in attribute:
            attribute = attribute[name]
    return attribute
