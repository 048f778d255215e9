"""Families of broken JSON and Parquet files, and of files that are no table; see `hostile_csv`."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from tests.data_contracts.hostile_csv import Case, Family, good_rows


def no_table(draw: random.Random) -> Case:
    packed = gzip.compress(bytes(1_000_000))
    drawn = bytes(draw.randrange(256) for _ in range(500))
    suffix = draw.choice([".csv", ".json", ".parquet", ".jsonl"])
    contents = [
        b"",
        b"\n\n\n",
        b" ",
        b"\0" * 99,
        packed,
        b"\x89PNG\r\n\x1a\n" + drawn,
        drawn,
        b"%PDF-1.7",
        b"PK\3\4" + drawn,
        b'"',
    ]
    return Case(draw.choice(contents), suffix=suffix, refused="")


def parquet(select: str) -> bytes:
    path = Path(os.environ.get("TMPDIR", "/tmp"), f"hostile_{os.getpid()}.parquet")
    duckdb.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    content = path.read_bytes()
    path.unlink()
    return content


TYPED = (
    "SELECT 'site_' || i AS site_id, TIMESTAMPTZ '2026-03-02 00:00:00Z' + INTERVAL (i) HOUR AS counted_at, "
    "i::INTEGER AS crossings, 0.5::DOUBLE AS coverage FROM range(20) r(i)"
)


def broken_parquet(draw: random.Random) -> Case:
    content = parquet(TYPED)
    return Case(content[: draw.randint(1, len(content) - 1)], suffix=".parquet", refused="expected a readable table")


def odd_parquet(draw: random.Random) -> Case:
    columns = {
        "site_id": ["'site_' || i", "i", "['a', 'b']", "{'a': i}", "NULL", "'x'::BLOB"],
        "counted_at": [
            "TIMESTAMPTZ '2026-03-02 00:00:00Z'",
            "TIMESTAMP '1970-01-01'",
            "DATE '2099-01-01'",
            "'now'",
            "NULL",
            "i",
        ],
        "crossings": [
            "i",
            "i::HUGEINT * 10::HUGEINT ** 30",
            "'nan'::DOUBLE",
            "'-inf'::FLOAT",
            "true",
            "{'a': [1]}",
            "'9' || i",
        ],
        "coverage": ["0.5", "'inf'::DOUBLE", "[0.5]", "MAP {'a': 1}", "'x'", "INTERVAL 1 DAY", "uuid()"],
    }
    drawn = ", ".join(f"{draw.choice(values)} AS {name}" for name, values in columns.items())
    return Case(parquet(f"SELECT {drawn} FROM range(9) r(i)"), rows=9, suffix=".parquet")


def records(draw: random.Random) -> list[dict[str, Any]]:
    return [
        {"site_id": row[0], "counted_at": row[1], "crossings": int(row[2]), "coverage": float(row[3])}
        for row in good_rows(draw)
    ]


def broken_json(draw: random.Random) -> Case:
    content = json.dumps(records(draw)).encode()
    return Case(content[: draw.randint(1, len(content) - 1)], suffix=draw.choice([".json", ".jsonl"]), refused="")


def odd_json(draw: random.Random) -> Case:
    rows = records(draw)
    touched = set(draw.sample(range(len(rows)), draw.randint(1, len(rows) - 1)))
    odd: list[Any] = [
        {"a": {"b": [1, None]}},
        [[[]]],
        "x",
        True,
        "\u0000",
        1e300,
        10**40,
        -1,
        "\ud800".encode("utf-8", "replace").decode(),
    ]
    for i in touched:
        rows[i]["crossings"] = draw.choice(odd)
    text = json.dumps(rows) if draw.random() < 0.5 else "\n".join(json.dumps(row) for row in rows)
    return Case(text.encode(), untouched_of(rows, touched), len(rows), suffix=".json")


def hostile_json(draw: random.Random) -> Case:
    depth = draw.choice([101, 5_000, 200_000, 2_000_000])
    good = json.dumps(records(draw)[0])
    texts = [
        '{"site_id":' * depth + "1" + "}" * depth,
        "[" * depth + "]" * depth,
        "]" * depth + "[" * depth,
        '"\n' + "[" * depth,
        '{"site_id": "\\\\"}\n' + '{"a":' * depth,
        good[:-1] + ', "crossings": 7}',
        f"{{broken\n{{broken\n{good}",
        f"[{good},",
        f"[{good}\n{good}",
        "[1, 2]",
        "null",
        '"text"',
        "[{}, {}]",
        '{"site_id": NaN}',
        '{"": 1}',
        '{"site_id": 1, "SITE_ID": 2}',
        json.dumps({f"c{i}": i for i in range(3_000)}),
    ]
    return Case(draw.choice(texts).encode(), suffix=".json", refused="")


def untouched_of(rows: list[dict[str, Any]], touched: set[int]) -> frozenset[tuple[str, str]]:
    return frozenset((str(row["site_id"]), str(row["crossings"])) for i, row in enumerate(rows) if i not in touched)


def broken_lines(change: Callable[[random.Random, bytes], bytes], encoding: str = "utf-8") -> Family:
    """Some lines of a JSON-lines file are no records."""

    def family(draw: random.Random) -> Case:
        rows = records(draw)
        touched = set(draw.sample(range(len(rows)), draw.randint(1, len(rows) - 1)))
        lines = [json.dumps(row).encode() for row in rows]
        for i in touched:
            lines[i] = change(draw, lines[i])
        content = draw.choice([b"\n", b"\r\n"]).join(lines) + draw.choice([b"", b"\n"])
        mark = b"\xef\xbb\xbf" if encoding == "utf-8-sig" else b""
        return Case(mark + content, untouched_of(rows, touched), len(rows), suffix=draw.choice([".jsonl", ".ndjson"]))

    return family


def flipped(draw: random.Random, line: bytes) -> bytes:
    changed = bytearray(line)
    for _ in range(draw.randint(1, 3)):
        changed[draw.randrange(len(changed))] = draw.randint(128, 255)
    return bytes(changed)


def no_record(draw: random.Random, line: bytes) -> bytes:
    return draw.choice([b"null", b"[]", b"[%s]" % line, b"%s%s" % (line, line), b"1", b'"x"', b"{", b"}", b"<br>", line[1:]])


def loose_json(draw: random.Random, line: bytes) -> bytes:
    return draw.choice(
        [
            line[:-1] + b",}",
            line.replace(b'"crossings": ', b'"crossings": 0'),
            line.replace(b'"', b"'"),
            line[:-1] + b', "crossings": 7}',
            line[:-1] + b', "Site_Id": 7}',
            line.replace(b'"coverage": ', b'"coverage": -'),
            line.replace(b'"coverage": 0', draw.choice([b'"coverage": NaN, "x": 0', b'"coverage": -Infinity, "x": 0'])),
            line + b" // why",
            line.replace(b"site_", b"\\ud800"),
            line.replace(b"site_", b"\\x"),
            line.replace(b"site_", b"\t"),
        ]
    )


def huge_line(draw: random.Random) -> Case:
    rows = records(draw)
    i = draw.randrange(len(rows))
    lines = [json.dumps(row).encode() for row in rows]
    nines, many = b"9" * draw.randint(2_000_000, 5_000_000), draw.randint(101, 400_000)
    lines[i] = draw.choice([lines[i][:-2] + nines + b"}", b'{"site_id":' + b"[" * many, b'{"a": "' + nines, b"[" * many])
    return Case(b"\n".join(lines), untouched_of(rows, {i}), len(rows), suffix=".jsonl")


def odd_records(draw: random.Random) -> Case:
    """Records lack a name or hold something else under it; a name that is not the contract's refuses the whole file."""
    rows = records(draw)
    touched = set(draw.sample(range(len(rows)), draw.randint(1, len(rows) - 1)))
    for i in touched:
        name = draw.choice(["site_id", "counted_at", "crossings"])
        if draw.random() < 0.5:
            del rows[i][name]
        else:
            rows[i][name] = draw.choice([None, [], {}, {"a": [1]}, [None], "" if name != "site_id" else None])
    lines = [json.dumps(row) for row in rows]
    return Case("\n".join(lines).encode(), untouched_of(rows, touched), len(rows), suffix=draw.choice([".jsonl", ".json"]))


def extra_name(draw: random.Random) -> Case:
    rows = records(draw)
    draw.choice(rows)[draw.choice(["track_id", "x y", "'", '"', "\u202e", "\n", "); DROP TABLE kept; --"])] = draw.random()
    return Case("\n".join(map(json.dumps, rows)).encode(), suffix=".jsonl", refused="is not in things")


def truncated_lines(draw: random.Random) -> Case:
    rows = records(draw)
    whole = "\n".join(map(json.dumps, rows)).encode()
    content = whole[: draw.randint(len(json.dumps(rows[0])), len(whole) - 2)]
    complete = content.count(b"\n")
    return Case(content, untouched_of(rows[:complete], set()), suffix=draw.choice([".jsonl", ".json"]))


DOCUMENTS: dict[str, Family] = {
    "no table": no_table,
    "broken Parquet": broken_parquet,
    "odd Parquet": odd_parquet,
    "broken JSON": broken_json,
    "odd JSON": odd_json,
    "hostile JSON": hostile_json,
    "truncated JSON lines": truncated_lines,
    "cut JSON lines": broken_lines(lambda draw, line: line[: draw.randint(1, len(line) - 1)]),
    "JSON lines of another encoding": broken_lines(flipped),
    "JSON lines with a mark": broken_lines(no_record, "utf-8-sig"),
    "lines that are no records": broken_lines(no_record),
    "loose JSON lines": broken_lines(loose_json),
    "huge JSON lines": huge_line,
    "odd records": odd_records,
    "name too many": extra_name,
}
