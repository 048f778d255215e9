"""What sensor networks send becomes readings as it was sent; the payloads are our own, in the shapes that networks publish."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analytics.lake import memory
from analytics.sensing.formats import READERS
from analytics.sensing.formats.documents import LARGEST_DOCUMENT
from analytics.sensing.formats.recognise import SIGNS, recognise
from analytics.sensing.readings import COLUMNS, SourceError

HOUR = {"datetimeFrom": {"utc": "2026-03-01T10:00:00Z"}, "datetimeTo": {"utc": "2026-03-01T11:00:00Z"}}
OPENAQ = {
    "meta": {"name": "openaq-api"},
    "results": [
        {
            "value": 7.50,
            "parameter": {"name": "pm25", "units": "µg/m³"},
            "period": HOUR,
            "coverage": {"percentCoverage": 75.0, "datetimeFrom": {"utc": "2026-03-01T11:00:00Z"}},
            "flagInfo": {"hasFlags": True},
        },
        {"value": None, "parameter": {"name": "o3", "units": "ppm"}, "period": HOUR, "coverage": {"percentCoverage": 120}},
    ],
}
COMMUNITY = [
    {
        "timestamp": "2026-03-01 10:00:07",
        "location": {"id": 42},
        "sensor": {"id": 7},
        "sensordatavalues": [
            {"value_type": "P1", "value": "11.40"},
            {"value_type": "BME280_pressure", "value": "99000.5"},
            {"value_type": "samples", "value": "535701"},
        ],
    }
]
PUSHED = {"esp8266id": "1234", "software_version": "NRZ", "sensordatavalues": [{"value_type": "SDS_P2", "value": "6.25"}]}
TELRAAM = {
    "report": [
        {"segment_id": 9, "date": "2026-03-01T10:00:00.000Z", "interval": "hourly", "uptime": 0.5, "car": 12.5, "v85": 31.0},
        {"segment_id": 9, "date": "2026-03-01T11:00:00.000Z", "interval": "hourly", "uptime": 0, "car": 0, "v85": None},
    ]
}
TELRAAM_DAYS = {"device_id": "9", "days": [{"date": "2026-03-01", "totals": {"hours": 12, "bike": 60, "uptime_avg": 0.5}}]}
NGSI_LD = {
    "id": "urn:ngsi-ld:AirQualityObserved:mill-lane",
    "type": "AirQualityObserved",
    "stationName": {"type": "Property", "value": "Mill Lane"},
    "dateObserved": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-03-01T10:00:00Z/2026-03-01T11:00:00Z"}},
    "no2": {"type": "Property", "value": 22, "unitCode": "GQ"},
    "relativeHumidity": {"type": "Property", "value": 0.54},
    "reliability": {"type": "Property", "value": 0.9},
}
NGSI_V2 = [
    {
        "id": "Noise-1",
        "type": "NoiseLevelObserved",
        "dateObservedFrom": {"type": "DateTime", "value": "2026-03-01T10:00:00Z"},
        "dateObservedTo": {"type": "DateTime", "value": "2026-03-01T10:15:00Z"},
        "LAeq": {"type": "Number", "value": 61.2, "metadata": {"unitCode": {"type": "Text", "value": "2N"}}},
    }
]
NGSI_KEYS = {
    "id": "flow-1",
    "type": "TrafficFlowObserved",
    "dateObserved": "2026-03-01T10:00:00Z",
    "laneId": 2,
    "vehicleType": "car",
    "intensity": 197,
    "averageVehicleSpeed": 52.6,
}
WAGGLE = {
    "name": "env.temperature",
    "timestamp": "2026-03-01T10:00:00.123456789Z",
    "value": 4.5,
    "meta": {"vsn": "W022", "sensor": "bme680"},
}
WAGGLE_NS = {"name": "env.pressure", "timestamp": 1772359200_123456789, "value": 99000, "meta": {"node": "n1"}}
STREAM = {
    "@iot.id": 5,
    "name": "PM at Mill Lane",
    "unitOfMeasurement": {"name": "microgram per cubic metre", "symbol": "ug/m3", "definition": "x"},
    "ObservedProperty": {"name": "PM2.5"},
}
INTERVAL = "2026-03-01T10:00:00Z/2026-03-01T10:10:00Z"
DATASTREAMS = {
    "value": [{**STREAM, "Thing": {"name": "Mill Lane"}, "Observations": [{"phenomenonTime": INTERVAL, "result": 5.25}]}]
}
THING = {
    "@iot.id": 1,
    "name": "Mill Lane",
    "Datastreams": [{**STREAM, "Observations": DATASTREAMS["value"][0]["Observations"]}],
}
ARRAY = {
    "value": [{"Datastream": STREAM, "components": ["id", "phenomenonTime", "result"], "dataArray": [[1, INTERVAL, 5.25]]}]
}
MULTI = {
    "@iot.id": 6,
    "Thing": {"name": "Mill Lane"},
    "unitOfMeasurements": [{"symbol": "degC"}, {"symbol": "%"}],
    "ObservedProperties": [{"name": "Air Temperature"}, {"name": "Relative Humidity"}],
    "Observations": [{"phenomenonTime": "2026-03-01T10:00:00Z", "result": [4.5, 60]}],
}
AT = "2026-03-01T10:00:00Z"


def read(tmp_path, reader: str, *documents: Any, **params) -> list[tuple[Any, ...]]:
    path = tmp_path / "payload"
    path.write_text("\n".join(json.dumps(document) for document in documents), encoding="utf-8")
    assert reader == recognise(str(path))
    with memory() as connection:
        READERS[reader](connection, str(path), table="read", **params)
        return connection.execute(f"SELECT {', '.join(list(COLUMNS)[1:])} FROM read ORDER BY source_row, value").fetchall()


@pytest.mark.parametrize(
    ("reader", "document", "rows"),
    [
        (
            "openaq",
            OPENAQ,
            [
                ("payload", "pm25", AT, 3600.0, "7.5", "µg/m³", 0.75, "source_flagged"),
                ("payload", "o3", AT, 3600.0, None, "ppm", 1.0, None),
            ],
        ),
        (
            "sensor_community",
            COMMUNITY,
            [
                ("42", "pm10", "2026-03-01T10:00:07Z", None, "11.40", "ug/m3", None, None),
                ("42", "pressure", "2026-03-01T10:00:07Z", None, "99000.5", "Pa", None, None),
            ],
        ),
        ("sensor_community", PUSHED, [("1234", "pm25", None, None, "6.25", "ug/m3", None, None)]),
        (
            "telraam",
            TELRAAM,
            [
                ("9", "car", "2026-03-01T10:00:00.000Z", 3600.0, "12.5", "count", 0.5, None),
                ("9", "speed_v85", "2026-03-01T10:00:00.000Z", 3600.0, "31.0", "km/h", 0.5, None),
                ("9", "car", "2026-03-01T11:00:00.000Z", 3600.0, "0", "count", 0.0, "uptime_zero"),
            ],
        ),
        ("telraam", TELRAAM_DAYS, [("9", "cyclist", "2026-03-01T00:00:00Z", 86400.0, "60", "count", 0.25, None)]),
        (
            "ngsi",
            NGSI_LD,
            [
                ("mill_lane", "humidity", AT, 3600.0, "0.54", "1", None, None),
                ("mill_lane", "no2", AT, 3600.0, "22", "GQ", None, None),
            ],
        ),
        ("ngsi", NGSI_V2, [("noise_1", "noise_laeq", AT, 900.0, "61.2", "2N", None, None)]),
        (
            "ngsi",
            NGSI_KEYS,
            [
                ("flow_1_lane_2", "car", AT, None, "197", "count", None, None),
                ("flow_1_lane_2", "speed", AT, None, "52.6", "km/h", None, None),
            ],
        ),
        (
            "waggle",
            WAGGLE,
            [("w022_bme680", "temperature", "2026-03-01T10:00:00.123456Z", None, "4.5", "degC", None, None)],
        ),
        ("waggle", WAGGLE_NS, [("n1", "pressure", "2026-03-01T10:00:00.123456+00:00", None, "99000", "Pa", None, None)]),
        *(
            ("sensorthings", document, [("mill_lane", "pm25", AT, 600.0, "5.25", "ug/m3", None, None)])
            for document in (DATASTREAMS, THING)
        ),
        ("sensorthings", ARRAY, [("datastream_5", "pm25", AT, 600.0, "5.25", "ug/m3", None, None)]),
        (
            "sensorthings",
            MULTI,
            [
                ("mill_lane", "temperature", AT, None, "4.5", "degC", None, None),
                ("mill_lane", "humidity", AT, None, "60", "%", None, None),
            ],
        ),
    ],
)
def test_payloads_are_recognised_and_read_as_they_were_sent(tmp_path, reader, document, rows):
    assert read(tmp_path, reader, document) == rows


def test_a_document_a_line_and_a_broken_line_between(tmp_path):
    path = tmp_path / "lines"
    path.write_text(f'{json.dumps(WAGGLE)}\n{{"name": "env.temp\n\n{json.dumps(WAGGLE_NS)}\n', encoding="utf-8")
    with memory() as connection:
        READERS[recognise(str(path))](connection, str(path), table="read")
        found = connection.execute("SELECT source_row, site_id, flags FROM read ORDER BY 1").fetchall()
    assert found == [(1, "w022_bme680", None), (2, None, "unreadable_line"), (3, "n1", None)]


def test_one_property_may_be_asked_for(tmp_path):
    assert [row[1] for row in read(tmp_path, "telraam", TELRAAM, properties=["speed_v85"])] == ["speed_v85"]


def test_units_of_key_values_are_said_not_guessed(tmp_path):
    keys = {"id": "a", "type": "AirQualityObserved", "dateObserved": AT, "pm25": 5}
    assert read(tmp_path, "ngsi", keys)[0][5] is None
    assert read(tmp_path, "ngsi", keys, units={"pm25": "ug/m3"})[0][5] == "ug/m3"


def test_observations_alone_need_to_be_told_what_they_observe(tmp_path):
    alone = {"value": [{"phenomenonTime": AT, "result": 5.25, "@iot.id": 1}]}
    assert read(tmp_path, "sensorthings", alone)[0][1] is None
    told = {"observed_property": "PM2.5", "unit": "ug/m3", "site": "Mill Lane"}
    assert read(tmp_path, "sensorthings", alone, **told) == [("mill_lane", "pm25", AT, None, "5.25", "ug/m3", None, None)]


@pytest.mark.parametrize("name", SIGNS)
@pytest.mark.parametrize("document", [{}, [], [1], {"value": 3}, {"results": [{}]}, {"type": 3}, {"data": "x"}, 5, None])
def test_other_documents_are_no_format(name, document):
    assert not SIGNS[name](document)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04zip", "this is a ZIP archive"),
        (b'{"a": 1}', r"is of no format known here \(JSON with 'a'\); expected one of wide_hourly_csv, tabular, sensorthings"),
        (b"hello world", "is of no format known here .text beginning with 'hello world'"),
        (b'{"results": [{"value": 1', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (json.dumps(OPENAQ | TELRAAM).encode(), "may be openaq or telraam"),
        (b'{"report": "\xff"}', "is not UTF-8"),
    ],
)
def test_what_cannot_be_recognised_is_one_clear_line(tmp_path, content, said):
    path = tmp_path / "openaq.json"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said) as caught:
        recognise(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_document_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.write(b'{"results": [')
        file.truncate(LARGEST_DOCUMENT + 1)
    with memory() as connection, pytest.raises(SourceError, match="expected at most 16 MiB"):
        READERS["openaq"](connection, str(path), table="read")


def test_a_document_without_readings_is_refused(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('{"meta": {"name": "openaq-api"}, "results": [{"id": 3}]}')
    with memory() as connection, pytest.raises(SourceError, match="holds no readings"):
        READERS["openaq"](connection, str(path), table="read")
