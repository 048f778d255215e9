"""Payloads that networks have published are read completely; the counts were taken from the files by other means."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics.lake import memory
from analytics.sensing.formats import READERS
from analytics.sensing.formats.mapping import Cells, Column, Columns, Fixed, Stamps
from analytics.sensing.formats.recognise import recognise

DATA = Path(__file__).parents[5] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no published payloads beside the repository")
TELRAAM = "telraam/sample_device_9000008322_hourly_2026-07.json"


def read(name: str, query: str, **params):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {name} beside the repository")
    with memory() as connection:
        READERS[recognise(str(path))](connection, str(path), table="read", **params)
        return connection.execute(query).fetchall()


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("formats/openaq-v3/responses/measurements.json", [("pm25", "µg/m³", 2, 6.0, 7.5)]),
        (
            "formats/sensor-community/api_v1_sensor_dht22_2021-11-07.json",
            [("humidity", "percent", 2, 79.3, 80.6), ("temperature", "degC", 2, 10.5, 10.5)],
        ),
        (
            "formats/sensor-community/archive_2026-02-22_sds011_sensor_88091_excerpt.csv",
            [("P1", "ug/m3", 5, 47.4, 52.93), ("P2", "ug/m3", 5, 23.7, 25.65)],
        ),
        (
            "formats/sensor-community/push_nrz2016_sds011.json",
            [("pm10", "ug/m3", 1, 11.43, 11.43), ("pm25", "ug/m3", 1, 6.25, 6.25)],
        ),
    ],
)
def test_every_value_is_there(name, rows):
    query = (
        "SELECT observed_property, unit, count(*), min(value::DOUBLE), max(value::DOUBLE) FROM read GROUP BY 1, 2 ORDER BY 1"
    )
    assert read(name, query) == rows


def test_an_hour_without_uptime_is_not_a_count():
    query = "SELECT count(*), count(*) FILTER (coverage = 0), count(*) FILTER (flags = 'uptime_zero') FROM read"
    assert read(TELRAAM, f"{query} WHERE observed_property = 'car'") == [(603, 180, 180)]
    assert read(TELRAAM, "SELECT count(*) FROM read WHERE flags = 'uptime_zero' AND value <> '0'") == [(0,)]


def test_the_reference_whose_stamps_are_not_utc():
    columns = Columns(time="time_stamp", site=Fixed(fixed="a"), values={"PM25": Column(property="pm25", unit="ug/m3")})
    number = "TRY_CAST(value AS DOUBLE)"
    query = f"SELECT count(*), count({number}), min(interval_start_at), round(avg({number}), 3) FROM read"
    name, stamps = "purpleair-vs-deq-virginia/deq_reference_1min.csv", Stamps(offset="-05:00", interval_s=60)
    rows = read(name, query, columns=columns, stamps=stamps)
    assert rows == [(60480, 60413, "2023-06-16T05:00:00.000000Z", 12.637)]


def test_minus_200_is_no_reading():
    columns = Columns(
        time=["Date", "Time"],
        site=Fixed(fixed="roadside"),
        values={"CO(GT)": Column(property="co", unit="mg/m3"), "T": Column(property="temperature", unit="degC")},
    )
    query = "SELECT observed_property, count(*), min(value), max(value) FROM read GROUP BY 1 ORDER BY 1"
    params = {"columns": columns, "cells": Cells(missing=["-200"]), "stamps": Stamps(offset="+01:00")}
    found = read("uci-air-quality/AirQualityUCI.csv", query, **params)
    assert found == [("co", 7674, 0.1, 11.9), ("temperature", 8991, -1.9, 44.6)]


def test_channels_of_a_counter_keep_their_numbers_while_their_labels_change():
    values = {"101035541": Column(property="cyclist", unit="count", site="Neutor in", flags="101035541-status")}
    columns = Columns(time="Datetime", site=Fixed(fixed="x"), values=values)
    query = "SELECT count(*), min(source_row), max(value), sum(value), count(flags) FROM read"
    params = {"columns": columns, "cells": Cells(fine=["0"]), "timezone": "Europe/Berlin"}
    found = read("muenster-bike-counters/sample_100035541_2026-07.csv", query, **params)
    assert found == [(2749, 2, 336.0, 149090.0, 0)]
