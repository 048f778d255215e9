"""Broken files of readings, each made from its family and its seed."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = "site_id,observed_property,interval_start_at,value,unit"
JUNK: list[Any] = [None, [], {}, "x", True, "1e999", 10**400, -1, "\ud800", "=1+1", [[[[]]]], {"a": {"b": []}}, "\0", "9" * 300]
FORMULAS = ["=cmd|' /C calc'!A0", "+1+cmd", "@SUM(A1)", "=HYPERLINK(1)", "-2+3"]
NUMBERS = ["NaN", "inf", "-Infinity", "1e999", "1e308", "", "0x1F", "--", "1 000", "٣", "null", "five"]
DATES = [
    "1970-01-01T00:00:00Z",
    "2099-01-01T00:00:00Z",
    "0000-00-00",
    "99999-01-01T00:00:00Z",
    "-5",
    "now",
    "2026-02-30T00:00:00Z",
]
UNITS = ["", "furlong", "degC", "ppm^9", "%s", "ug/m3/m3", "__import__('os')", "1/0", "µ" * 90]


@dataclass
class Case:
    """A broken file.

    Attributes:
        data: Its bytes.
        good: Values, each there once, of the rows that nothing is wrong with.
        refused: Whether the file as a whole may be refused, or must be where nothing is good in it.
        known: Whether all properties and units are known.
    """

    data: bytes
    good: set[str] = field(default_factory=set)
    refused: bool = False
    known: bool = True


Row = list[str]
Family = Callable[[random.Random], Case]


def rows_of(rng: random.Random) -> list[Row]:
    """A sensor's readings, each with a value of its own."""
    first = rng.randrange(20)
    return [
        ["s1", "pm25", f"2026-03-01T{i // 60:02}:{i % 60:02}:00Z", f"{100 + i}.5", "ug/m3"] for i in range(first, first + 9)
    ]


def as_csv(rows: list[Row]) -> str:
    return "\n".join([HEADER, *(",".join(f'"{c}"' if "," in c or "\n" in c else c for c in row) for row in rows)]) + "\n"


def _cells(junk: list[str], column: int) -> Family:
    def made(rng: random.Random) -> Case:
        rows = rows_of(rng)
        hit = set(rng.sample(range(len(rows)), 3))
        for place in hit:
            rows[place][column] = rng.choice(junk)
        good = {row[3] for place, row in enumerate(rows) if place not in hit}
        return Case(as_csv(rows).encode("utf-8"), good, known=column not in (1, 4))

    return made


def csv_cut(rng: random.Random) -> Case:
    rows = rows_of(rng)
    text = as_csv(rows)
    cut = rng.randrange(len(HEADER) + 2, len(text))
    whole = text[:cut].count("\n") - 1
    return Case(text[:cut].encode(), {row[3] for row in rows[:whole]}, known=False)


def csv_mixed_encodings(rng: random.Random) -> Case:
    rows = rows_of(rng)
    hit = rng.sample(range(len(rows)), 3)
    rows[hit[0]][0] = "café"
    lines = as_csv(rows).encode().split(b"\n")
    for place in hit[1:]:
        lines[place + 1] = rng.choice([b"\xff\xfe,", "Straße,".encode("latin-1"), b"\x80,"]) + lines[place + 1]
    return Case(b"\n".join(lines), {row[3] for place, row in enumerate(rows) if place not in hit[1:]})


def csv_ragged(rng: random.Random) -> Case:
    rows = rows_of(rng)
    lines = as_csv(rows).rstrip("\n").split("\n")
    hit = set(rng.sample(range(len(rows)), 3))
    for place in hit:
        line = lines[place + 1]
        lines[place + 1] = rng.choice(
            [line + ",1,2", "", line.replace(",", "", 2), '"' + line, line + '"x"', ",,,", "\0" + line[2:]]
        )
    return Case("\n".join(lines).encode(), {row[3] for place, row in enumerate(rows) if place not in hit}, known=False)


def csv_line_ends(rng: random.Random) -> Case:
    rows = rows_of(rng)
    lines = as_csv(rows).rstrip("\n").split("\n")
    return Case("".join(line + rng.choice(["\n", "\r\n", "\r"]) for line in lines).encode(), {row[3] for row in rows})


def csv_encodings(rng: random.Random) -> Case:
    rows = rows_of(rng)
    rows[0][0] = "Straße"
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
    return Case(as_csv(rows).encode(encoding), {row[3] for row in rows})


def csv_order(rng: random.Random) -> Case:
    rows = rows_of(rng)
    again = rows + rng.sample(rows, 4)
    rng.shuffle(again)
    jumps = rng.sample(["2025-03-01T10:00:00Z", "2026-03-29T02:30:00+01:00", "2027-01-01T00:00:00Z"], 2)
    for row, jump in zip(rng.sample(rows, 2), jumps, strict=True):  # the clock jumps
        row[2] = jump
    return Case(as_csv(again).encode(), {row[3] for row in rows})


def csv_header(rng: random.Random) -> Case:
    rows = rows_of(rng)
    broken = rng.choice([HEADER.replace("value", "v"), "", ",,,,", "a", HEADER.replace("unit", "value"), '"' + HEADER, "\0\1"])
    return Case(as_csv(rows).replace(HEADER, broken).encode(), refused=True)


def csv_oversized(rng: random.Random) -> Case:
    rows = rows_of(rng)
    rows[3][rng.randrange(5)] = rng.choice(["a", "9", "=", "é"]) * rng.choice([3_000, 400_000, 1_500_000, 3_000_000])
    good = {row[3] for place, row in enumerate(rows) if place != 3}
    return Case(as_csv(rows).encode(), good, known=False)


def noise(rng: random.Random) -> Case:
    start = rng.choice([b"", b"{", b"[", b"PAR1", b"PK\x03\x04", b"\xff\xfe", HEADER.encode() + b"\n", b"a,b\n"])
    return Case(start + rng.randbytes(rng.randrange(1, 4_000)), refused=True, known=False)


def parquet(rng: random.Random) -> Case:
    sink = io.BytesIO()
    pq.write_table(pa.table(dict(zip(HEADER.split(","), zip(*rows_of(rng), strict=True), strict=True))), sink)
    data = bytearray(sink.getvalue())
    for _ in range(rng.randrange(1, 40)):
        data[rng.randrange(4, len(data))] ^= rng.randrange(256)
    return Case(bytes(data[: rng.choice([len(data), rng.randrange(5, len(data))])]), refused=True, known=False)


def _openaq(row: Row) -> Any:
    period = {"datetimeFrom": {"utc": row[2]}, "datetimeTo": {"utc": row[2]}}
    return {
        "value": row[3],
        "parameter": {"name": row[1], "units": row[4]},
        "period": period,
        "coverage": {"percentCoverage": 90},
    }


def _thing(row: Row) -> Any:
    stream = {"unitOfMeasurement": {"symbol": row[4]}, "ObservedProperty": {"name": row[1]}, "Thing": {"name": row[0]}}
    return {"phenomenonTime": row[2], "result": row[3], "Datastream": stream}


def _community(row: Row) -> Any:
    values = [{"value_type": "P2", "value": row[3]}]
    return {"timestamp": row[2][:19].replace("T", " "), "location": {"id": 5}, "sensordatavalues": values}


def _telraam(row: Row) -> Any:
    return {"segment_id": 9, "date": row[2], "interval": "hourly", "uptime": 0.7, "car": row[3]}


def _ngsi(row: Row) -> Any:
    return {"id": row[0], "type": "AirQualityObserved", "dateObserved": row[2], "pm25": {"value": row[3], "unitCode": "GQ"}}


def _waggle(row: Row) -> Any:
    return {"name": "env.temperature", "timestamp": row[2], "value": row[3], "meta": {"vsn": row[0]}}


DOCUMENTS: dict[str, tuple[Callable[[Row], Any], Callable[[list[Any]], Any]]] = {
    "openaq": (_openaq, lambda entries: {"meta": {"name": "openaq-api"}, "results": entries}),
    "sensorthings": (_thing, lambda entries: {"@iot.count": len(entries), "value": entries}),
    "sensor_community": (_community, lambda entries: entries),
    "telraam": (_telraam, lambda entries: {"report": entries}),
    "ngsi": (_ngsi, lambda entries: entries),
}
LINES = {"waggle": _waggle, "ngsi": _ngsi, "openaq": lambda row: {"results": [_openaq(row)]}}


def _entries(rng: random.Random) -> tuple[list[Row], list[Any], Callable[[list[Any]], Any]]:
    entry, whole = rng.choice(list(DOCUMENTS.values()))
    rows = rows_of(rng)
    return rows, [entry(row) for row in rows], whole


def json_cut(rng: random.Random) -> Case:
    _, entries, whole = _entries(rng)
    text = json.dumps(whole(entries))
    return Case(text[: rng.randrange(1, len(text) - 1)].encode(), refused=True)


def json_bomb(rng: random.Random) -> Case:
    _, entries, whole = _entries(rng)
    deep = rng.choice([2_000, 100_000])
    bomb = rng.choice(["[" * deep + "]" * deep, '{"value":' * deep + "1" + "}" * deep, "[" * deep])
    return Case(json.dumps(whole([*entries, "BOMB"])).replace('"BOMB"', bomb).encode(), refused=True)


def _somewhere(rng: random.Random, document: Any, junk: Any) -> None:
    """Put junk in the place of something inside a document."""
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = rng.choice(keys)
    if isinstance(document[key], dict | list) and document[key] and rng.random() < 0.7:
        _somewhere(rng, document[key], junk)
    elif isinstance(document, dict) and rng.random() < 0.2:
        del document[key]
    else:
        document[key] = junk


def json_junk(rng: random.Random) -> Case:
    rows, entries, whole = _entries(rng)
    hit = set(rng.sample(range(1, len(rows)), 3))
    for place in hit:
        _somewhere(rng, entries[place], rng.choice(JUNK))
    return Case(json.dumps(whole(entries)).encode(), {row[3] for i, row in enumerate(rows) if i not in hit}, known=False)


def json_values(rng: random.Random) -> Case:
    entry, whole = rng.choice(list(DOCUMENTS.values()))
    rows = rows_of(rng)
    hit = set(rng.sample(range(len(rows)), 4))
    for place in hit:
        column = rng.choice([2, 3])
        rows[place][column] = rng.choice(NUMBERS if column == 3 else DATES)
    text = json.dumps(whole([entry(row) for row in rows])).replace('"NaN"', "NaN").replace('"inf"', "Infinity")
    return Case(text.encode(), {row[3] for place, row in enumerate(rows) if place not in hit})


def json_order(rng: random.Random) -> Case:
    rows, entries, whole = _entries(rng)
    entries = entries + rng.sample(entries, 4)
    rng.shuffle(entries)
    return Case(json.dumps(whole(entries)).encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"])), {row[3] for row in rows})


def json_encodings(rng: random.Random) -> Case:
    _, entries, whole = _entries(rng)
    text = json.dumps(whole([*entries, "BYTES"])).encode()
    return Case(text.replace(b"BYTES", rng.choice([b"\xff", b"\xc3\x28", b"\xe4\xf6"])), refused=True)


def lines_broken(rng: random.Random) -> Case:
    entry, rows = rng.choice(list(LINES.values())), rows_of(rng)
    lines = [json.dumps(entry(row)).encode() for row in rows]
    for _ in range(3):
        deep = rng.choice([3_000, 100_000])
        junk = [
            lines[0][:20],
            b"[" * deep,
            b"\xff\xfe\xfd",
            b"null",
            b"5",
            b'"text"',
            b"{}",
            b"[" * deep + b"]" * deep,
            b"\0\0",
            b"{,}",
        ]
        lines.insert(rng.randrange(1, len(lines)), rng.choice(junk))
    return Case(b"\n".join(lines), {row[3] for row in rows}, known=False)


def lines_oversized(rng: random.Random) -> Case:
    entry, rows = rng.choice(list(LINES.values())), rows_of(rng)
    lines = [json.dumps(entry(row)) for row in rows]
    lines.insert(4, rng.choice(['{"name": "', "[", "x"]) + "é" * rng.choice([900_000, 3_000_000]))
    return Case("\n".join(lines).encode(), {row[3] for row in rows}, known=False)


def lines_order(rng: random.Random) -> Case:
    entry, rows = rng.choice(list(LINES.values())), rows_of(rng)
    again = rows + rng.sample(rows, 4)
    rng.shuffle(again)
    return Case("\r\n".join(json.dumps(entry(row)) for row in again).encode(), {row[3] for row in rows})


FAMILIES: dict[str, Family] = {
    "formulas as sites": _cells(FORMULAS, 0),
    "formulas as values": _cells(FORMULAS, 3),
    "formulas as units": _cells(FORMULAS, 4),
    "other numbers": _cells(NUMBERS, 3),
    "other dates": _cells(DATES, 2),
    "wrong units": _cells(UNITS, 4),
    "wrong properties": _cells([*FORMULAS, "smell", "pm25\npm10"], 1),
    **{
        made.__name__.replace("_", " "): made
        for made in (
            *(csv_cut, csv_mixed_encodings, csv_ragged, csv_line_ends, csv_encodings, csv_order, csv_header, csv_oversized),
            *(noise, parquet, json_cut, json_bomb, json_junk, json_values, json_order, json_encodings),
            *(lines_broken, lines_oversized, lines_order),
        )
    },
}
FEWER = {"csv oversized": 8, "lines oversized": 8}
SEEDS = 44


def cases() -> list[tuple[str, int]]:
    """Family and seed of every file."""
    return [(name, seed) for name in FAMILIES for seed in range(FEWER.get(name, SEEDS))]


def case_of(name: str, seed: int) -> Case:
    return FAMILIES[name](random.Random(f"{name} {seed}"))
