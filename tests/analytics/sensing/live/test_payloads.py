"""What messages mean: SensorThings and plain JSON, and mappings that cannot be."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from analytics.sensing.live.batch import Batch, Parser
from analytics.sensing.live.payloads import Meaning
from analytics.sensing.live.spool import Message

PLAIN = {
    "format": "plain",
    "topic": "city/{site_id}/{observed_property}",
    "fields": {"interval_start_at": "time", "value": "value", "unit": "unit"},
}
THINGS = {
    "format": "sensorthings",
    "datastreams": {"1": {"site_id": "mill_lane", "observed_property": "pm25", "unit": "ug/m3", "interval_s": 60}},
}
AT = "2026-03-02T08:00:00Z"


def read(mapping: dict, *messages: tuple[str, str | bytes]) -> Batch:
    payloads = [(topic, text.encode() if isinstance(text, str) else text) for topic, text in messages]
    given = [Message(number, topic, text, len(text), 0.0) for number, (topic, text) in enumerate(payloads, 1)]
    return Parser(TypeAdapter(Meaning).validate_python(mapping)).batch(given)


def rows(batch: Batch) -> list[tuple]:
    return [row[:7] for row in zip(*batch.rows, strict=True)]


def test_a_plain_message_is_a_reading_whose_numbers_stay_as_written():
    batch = read(PLAIN, ("city/Mill Lane/PM2.5", f'{{"time": "{AT}", "value": 11.40, "unit": "µg/m³"}}'))
    assert rows(batch) == [(1000, "mill_lane", "PM2.5", AT, 0.0, "11.40", "µg/m³")]
    assert batch.refused == []
    assert batch.table().column("value").to_pylist() == ["11.40"]


def test_lists_fields_within_constants_and_several_values():
    mapping = {
        "format": "plain",
        "topic": "net/+/up/#",
        "fields": {"site_id": "device.name", "interval_start_at": "at"},
        "constants": {"interval_s": "60"},
        "values": {
            "d.p2": {"observed_property": "pm25", "unit": "ug/m3"},
            "t": {"observed_property": "temperature", "unit": "C"},
        },
        "time": "unix_ms",
    }
    one = '{"device": {"name": "A 1"}, "at": 1772438400500, "d": {"p2": 3}, "t": -1}'
    other = '{"device": {"name": "B"}, "at": 0, "t": null}'
    batch = read(mapping, ("net/x/up/1/2", f"[{one}, {other}]"))
    assert rows(batch) == [
        (1000, "a_1", "pm25", "2026-03-02T08:00:00.500000Z", 60.0, "3", "ug/m3"),
        (1001, "a_1", "temperature", "2026-03-02T08:00:00.500000Z", 60.0, "-1", "C"),
        (1002, "b", "temperature", "1970-01-01T00:00:00Z", 60.0, None, "C"),
    ]


def test_an_observation_of_sensorthings_with_an_instant_or_an_interval():
    topic = "v1.1/Datastreams(1)/Observations"
    batch = read(
        THINGS,
        (topic, f'{{"phenomenonTime": "{AT}", "result": 7.5, "@iot.id": 3}}'),
        (topic, '{"phenomenonTime": "2026-03-02T08:00:00Z/2026-03-02T09:00:00Z", "result": 8}'),
        ("v1.1/Datastreams(2)/Observations", "{}"),
    )
    assert rows(batch) == [
        (1000, "mill_lane", "pm25", AT, 60.0, "7.5", "ug/m3"),
        (2000, "mill_lane", "pm25", AT, 3600.0, "8", "ug/m3"),
    ]
    assert [(row, rule) for row, rule, *_ in batch.refused] == [(3000, "topic.known")]


@pytest.mark.parametrize(
    ("topic", "payload", "rule"),
    [
        ("city/a/pm25", "{", "message.json"),
        ("city/a/pm25", '{"time": "x", "time": "y"}', "message.json"),
        ("city/a/pm25", f'{{"time": "{AT}", "value": NaN, "unit": "ug/m3"}}', "message.json"),
        ("city/a/pm25", "[" * 100_000, "message.json"),
        ("city/a/pm25", b"\xff\xfe{\0", "message.encoding"),
        ("city/a/pm25", "7", "message.object"),
        ("city/a/pm25", "{}", "message.fields"),
        ("city/a/pm25", f'{{"time": "{AT}", "value": {{"a": 1}}, "unit": "ug/m3"}}', "message.fields"),
        ("city/a/pm25", f'{{"time": "{AT}", "value": 1, "unit": null}}', "unit.known"),
        ("city/a/pm25", f'{{"time": "{AT}", "value": 1, "unit": "degC"}}', "unit.known"),
        ("city/a/aether", f'{{"time": "{AT}", "value": 1, "unit": "ug/m3"}}', "unit.known"),
        ("city/a/pm25", '{"time": "2026-03-02T08:00:00", "value": 1, "unit": "ug/m3"}', "instant.offset"),
        ("town/a/pm25", "{}", "topic.known"),
        ("city/a/pm25/x", "{}", "topic.known"),
        ("city/a/pm25", "[" + ",".join([f'{{"time": "{AT}", "value": 1, "unit": "ug/m3"}}'] * 1001) + "]", "message.readings"),
    ],
)  # fmt: skip
def test_what_is_no_reading_is_refused_with_its_rule(topic, payload, rule):
    batch = read(PLAIN, (topic, payload))
    assert [one[1] for one in batch.refused] == [rule]
    assert all(one[2] and one[3] for one in batch.refused)


def test_hostile_texts_can_be_stored():
    values = ['"\\ud800"', '"a\\u0000b"', '"' + "9" * 5000 + '"', "1" * 5000, "true", '"=cmd()"']
    text = "[" + ",".join(f'{{"time": "{AT}", "value": {value}, "unit": "ug/m3"}}' for value in values) + "]"
    batch = read(PLAIN, ("city/a/pm25", text))
    found = batch.table().column("value").to_pylist()
    assert found[0] == "\\ud800" and found[2].endswith("9…") and found[3].endswith("1…") and found[4] == "true"
    assert len(found) == 6 and not batch.refused


def test_a_flood_of_units_is_looked_up_only_so_often(monkeypatch):
    from analytics.sensing.live import batch as module

    monkeypatch.setattr(module, "_MAX_WRONG_UNITS", 3)
    units = ["ug/m3", "w1", "w2", "w3", "w4", "ug/m3"]
    texts = [f'{{"time": "{AT}", "value": 1, "unit": "{unit}"}}' for unit in units]
    batch = read(PLAIN, *(("city/a/pm25", text) for text in texts))
    assert len(rows(batch)) == 2
    assert sum("more than 3 pairs" in reason for _, _, reason, _ in batch.refused) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fields": {"value": "v", "unit": "u"}}, "column 'interval_start_at' is given 0 times"),
        ({"constants": {"unit": "C"}}, "column 'unit' is given 2 times"),
        ({"topic": "city/{value}/{site_id}"}, "'{value}' cannot be a level"),
        ({"topic": "city/x{site_id}/{observed_property}"}, "is no column"),
        ({"color": 1}, "Extra inputs"),
        ({"format": "xml"}, "expected tags"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Meaning).validate_python(PLAIN | change)


def test_topics_to_subscribe_to():
    assert TypeAdapter(Meaning).validate_python(PLAIN).topics() == ["city/+/+"]
    assert TypeAdapter(Meaning).validate_python(THINGS).topics() == ["v1.1/Datastreams(1)/Observations"]
