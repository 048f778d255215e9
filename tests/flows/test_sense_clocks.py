"""Doubled, contradicting, late and reordered rows, time zones and changes of the clock, in every format that is read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics.lake import memory
from analytics.sensing.formats.recognise import recognise
from flows import show
from flows.feeds import receive
from flows.sense import sense_files

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
BRUSSELS = ZoneInfo("Europe/Brussels")
NIGHT = datetime(2026, 10, 24, 20, tzinfo=UTC)
"""Some hours before the clocks go back: each half hour from 02:00 to 03:00 is there twice on the wall."""
HALF_HOURS = 40
Rows = list[tuple[datetime, float]]


def local(at: datetime) -> str:
    return at.astimezone(BRUSSELS).isoformat()


def utc(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def table(rows: Rows) -> dict[str, list[Any]]:
    names = {"site_id": "mill", "observed_property": "pm25", "unit": "ug/m3"}
    return {
        **{name: [word] * len(rows) for name, word in names.items()},
        "interval_start_at": [local(at) for at, _ in rows],
        "value": [value for _, value in rows],
    }


def csv_file(rows: Rows) -> bytes:
    columns = table(rows)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines).encode()


def parquet_file(rows: Rows) -> bytes:
    columns, sink = table(rows), io.BytesIO()
    pq.write_table(pa.table({**columns, "interval_start_at": [at.astimezone(BRUSSELS) for at, _ in rows]}), sink)
    return sink.getvalue()


def sensorthings_file(rows: Rows) -> bytes:
    stream = {"unitOfMeasurement": {"symbol": "ug/m3"}, "ObservedProperty": {"name": "pm25"}, "Thing": {"name": "mill"}}
    return json.dumps(
        {"value": [{"phenomenonTime": local(at), "result": value, "Datastream": stream} for at, value in rows]}
    ).encode()


def openaq_file(rows: Rows) -> bytes:
    def one(at: datetime, value: float) -> dict[str, Any]:
        period = {"datetimeFrom": {"utc": utc(at), "local": local(at)}, "datetimeTo": {"utc": utc(at + timedelta(minutes=30))}}
        return {"value": value, "parameter": {"name": "pm25", "units": "µg/m³"}, "period": period}

    return json.dumps({"meta": {"name": "openaq-api"}, "results": [one(*row) for row in rows]}).encode()


def sensor_community_file(rows: Rows) -> bytes:
    return json.dumps(
        [
            {
                "timestamp": at.strftime("%Y-%m-%d %H:%M:%S"),
                "location": {"id": 5},
                "sensordatavalues": [{"value_type": "P2", "value": str(value)}],
            }
            for at, value in rows
        ]
    ).encode()


def sensor_community_archive(rows: Rows) -> bytes:
    lines = [f"1;SDS011;5;50.8;4.3;{at.strftime('%Y-%m-%dT%H:%M:%S')};9.5;{value}" for at, value in rows]
    return "\n".join(["sensor_id;sensor_type;location;lat;lon;timestamp;P1;P2", *lines]).encode()


def telraam_file(rows: Rows) -> bytes:
    hourly = {"segment_id": 9, "interval": "quarterly", "uptime": 0.9}
    return json.dumps({"report": [hourly | {"date": local(at), "car": value} for at, value in rows]}).encode()


def ngsi_file(rows: Rows) -> bytes:
    entity = {"id": "mill", "type": "AirQualityObserved"}
    return json.dumps(
        [entity | {"dateObserved": local(at), "pm25": {"value": value, "unitCode": "GQ"}} for at, value in rows]
    ).encode()


def waggle_file(rows: Rows) -> bytes:
    record = {"name": "env.temperature", "meta": {"vsn": "w1"}}
    stamps = [at.strftime("%Y-%m-%dT%H:%M:%S.000000000Z") for at, _ in rows]
    lines = [json.dumps(record | {"timestamp": at, "value": row[1]}) for at, row in zip(stamps, rows, strict=True)]
    return "\n".join(lines).encode()


FORMATS: dict[str, tuple[str, Callable[[Rows], bytes]]] = {
    "csv": ("tabular", csv_file),
    "parquet": ("tabular", parquet_file),
    "sensorthings": ("sensorthings", sensorthings_file),
    "openaq": ("openaq", openaq_file),
    "sensor_community": ("sensor_community", sensor_community_file),
    "sensor_community archive": ("sensor_community", sensor_community_archive),
    "telraam": ("telraam", telraam_file),
    "ngsi": ("ngsi", ngsi_file),
    "waggle": ("waggle", waggle_file),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_reading_counts_once_through_a_change_of_the_clock(tmp_path, name, capsys):
    kind, write = FORMATS[name]
    rows = [(NIGHT + timedelta(minutes=30 * i), 10 + i % 7 / 4) for i in range(HALF_HOURS)]
    rows[12], rows[13] = rows[13], rows[12]  # one came late, in the hour that is there twice
    came = [*rows, rows[3], (rows[5][0], 11.75 if rows[5][1] != 11.75 else 11.5)]  # one came again, one with another value
    path = tmp_path / "readings"
    path.write_bytes(write(came))
    assert recognise(str(path)) == kind
    feed = {"analytic": "judge_readings", "source": "x", "contract": "judged_readings", "reader": kind}
    folder = receive(
        feed | {"raw_contract": "sensor_readings"},
        {"location": str(path)},
        "key",
        str(tmp_path / "kept"),
        timezone="Europe/Brussels",
    )
    with memory() as connection:
        query = f"SELECT interval_start_at, value FROM read_parquet('{folder}/accepted.parquet')"
        kept = connection.execute(f"{query} WHERE observed_property <> 'P1' ORDER BY 1").fetchall()
    assert [(at.astimezone(UTC), value) for at, value in kept] == sorted(rows)
    found = sense_files([str(path)], "auto", timezone="Europe/Brussels")
    wide = 2 if "archive" in name else 1  # of its two columns one has the same value all the time
    assert found["flags"]["duplicate"] == (3 if wide == 2 else 1) and found["flags"]["conflict"] == 1
    assert found["rows"] == wide * len(came) and found["flags"]["out_of_order"] == wide and found["checks"][0]["passed"]
    show.sense(found)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("duplicate", "conflict", "out_of_order", "refused"))


@pytest.mark.parametrize(
    ("first", "flag", "accepted"), [("2026-03-29 00:00", "nonexistent_hour", 5), ("2026-10-25 00:00", "doubled_hour", 7)]
)
def test_a_clock_without_an_offset_is_counted_where_it_jumps(tmp_path, first, flag, accepted):
    start = datetime.fromisoformat(first)
    hours = [start + timedelta(hours=hour) for hour in range(6)]
    if flag == "doubled_hour":
        hours.insert(3, hours[2])
    path = tmp_path / "readings.csv"
    lines = [f"mill,pm25,{at:%Y-%m-%d %H:%M},{10 + place},ug/m3" for place, at in enumerate(hours)]
    path.write_text("\n".join(["site_id,observed_property,interval_start_at,value,unit", *lines]))
    found = sense_files([str(path)], "auto", timezone="Europe/Brussels")
    assert found["flags"][flag] == (1 if flag == "nonexistent_hour" else 2)
    assert found["checks"][0]["accepted"] == accepted and "duplicate" not in found["flags"] and "conflict" not in found["flags"]
    naive = sense_files(
        [str(path)], "auto", timezone="UTC"
    )  # in UTC no hour is left out, and the same hour twice is a conflict
    assert naive["flags"].get("conflict", 0) == (flag == "doubled_hour")


@pytest.mark.parametrize("name", ["sensorthings", "telraam", "ngsi"])
def test_an_instant_without_an_offset_is_refused_with_its_reason(tmp_path, name):
    rows = [(NIGHT + timedelta(minutes=30 * i), 10 + i % 7 / 4) for i in range(HALF_HOURS)]
    path = tmp_path / "readings"
    text = FORMATS[name][1](rows).decode()
    path.write_text(text.replace(local(rows[7][0]), local(rows[7][0])[:19], 1))
    found = sense_files([str(path)], "auto")
    assert (found["flags"]["refused"], found["checks"][0]["accepted"]) == (1, HALF_HOURS - 1)
    assert found["checks"][0]["passed"]
