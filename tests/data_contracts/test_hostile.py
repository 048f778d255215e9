"""Broken files: each ends in one clear line per fault or in quarantine, no good row is lost, and the database stays as it was.

Every case is made from its family and its seed. A case says which rows its fault leaves untouched: those must be accepted.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data_contracts.contract import ContractError, parse_contract
from data_contracts.gate import check_file

CONTRACT = parse_contract(
    """
apiVersion: v3.1.0
kind: DataContract
id: things
version: 1.0.0
status: active
schema:
  - name: things
    properties:
      - {name: site_id, logicalType: string, required: true, logicalTypeOptions: {maxLength: 100}}
      - name: counted_at
        logicalType: timestamp
        required: true
        logicalTypeOptions: {minimum: "2000-01-01T00:00:00Z", maximum: "2090-01-01T00:00:00Z"}
      - {name: crossings, logicalType: integer, physicalType: INTEGER, required: true, logicalTypeOptions: {minimum: 0}}
      - {name: coverage, logicalType: number}
""",
    "things.odcs.yaml",
)
HEADER = "site_id,counted_at,crossings,coverage"
SEEDS = range(8)


@dataclass(frozen=True)
class Case:
    """A broken file: its bytes, the rows that must be accepted, how many it has where that is known, why it is refused."""

    content: bytes
    untouched: frozenset[str] = frozenset()
    rows: int | None = None
    suffix: str = ".csv"
    refused: str | None = None


Family = Callable[[random.Random], Case]


def good_rows(draw: random.Random, least: int = 3, most: int = 40) -> list[list[str]]:
    names = [f"site_{i}" for i in range(draw.randint(least, most))]
    hours = [f"2026-03-{draw.randint(1, 28):02}T{draw.randint(0, 23):02}:00:00Z" for _ in names]
    return [[name, hour, str(draw.randint(0, 999)), f"{draw.random():.3f}"] for name, hour in zip(names, hours, strict=True)]


def text_of(rows: list[list[str]], delimiter: str = ",", header: str = HEADER, end: str = "\n") -> bytes:
    lines = [header.replace(",", delimiter), *(delimiter.join(row) for row in rows)]
    return (end.join(lines) + end).encode()


def others(rows: list[list[str]], touched: set[int]) -> frozenset[str]:
    return frozenset(row[0] for i, row in enumerate(rows) if i not in touched)


def some(draw: random.Random, rows: list[list[str]]) -> set[int]:
    return set(draw.sample(range(len(rows)), draw.randint(1, len(rows))))


def changed_cells(column: int, *values: str) -> Family:
    """Some rows get a value in a column that the contract refuses."""

    def family(draw: random.Random) -> Case:
        rows = good_rows(draw)
        touched = some(draw, rows)
        for i in touched:
            rows[i][column] = draw.choice(values)
        return Case(text_of(rows), others(rows, touched), len(rows))

    return family


def changed_lines(change: Callable[[random.Random, bytes], bytes], adds: int = 0) -> Family:
    """Some lines are changed so that they are no rows."""

    def family(draw: random.Random) -> Case:
        rows = good_rows(draw)
        touched = some(draw, rows)
        lines = text_of(rows).split(b"\n")
        for i in touched:
            lines[i + 1] = change(draw, lines[i + 1])
        return Case(b"\n".join(lines), others(rows, touched), len(rows) + adds)

    return family


def truncated(draw: random.Random) -> Case:
    rows = good_rows(draw)
    whole = text_of(rows)
    content = whole[: draw.randint(1, len(whole) - 2)]
    complete = max(0, content.count(b"\n") - 1)
    return Case(content, others(rows[:complete], set()), None)


def one_stray_quote(draw: random.Random) -> Case:
    rows = good_rows(draw)
    i, column = draw.randrange(len(rows)), draw.randrange(4)
    rows[i][column] = '"' + rows[i][column]
    return Case(text_of(rows), others(rows, {i}), len(rows))


def quotes_everywhere(draw: random.Random) -> Case:
    rows = good_rows(draw)
    for _ in range(draw.randint(2, 9)):
        row = draw.choice(rows)
        column = draw.randrange(1, 4)
        cut = draw.randint(0, len(row[column]))
        row[column] = row[column][:cut] + draw.choice(['"', '""', '"\n"', '\\"']) + row[column][cut:]
    return Case(text_of(rows))


def flipped_bytes(draw: random.Random) -> Case:
    rows = good_rows(draw)
    lines = text_of(rows).split(b"\n")
    touched = some(draw, rows)
    for i in touched:
        line = bytearray(lines[i + 1])
        for _ in range(draw.randint(1, 4)):
            line[draw.randrange(len(line))] = draw.choice([byte for byte in range(256) if byte not in b'"\r\n'])
        lines[i + 1] = bytes(line)
    return Case(b"\n".join(lines), others(rows, touched), len(rows))


def encoded(encoding: str, refused: str | None, mark: bytes = b"") -> Family:
    def family(draw: random.Random) -> Case:
        rows = good_rows(draw)
        touched = some(draw, rows)
        for i in touched:
            rows[i][0] = f"caf\xe9_{i}"
        content = mark + text_of(rows).decode().encode(encoding)
        accepted = others(rows, set() if encoding.startswith("utf-8") else touched)
        return Case(content, frozenset() if refused else accepted, len(rows), refused=refused)

    return family


def header(change: Callable[[random.Random, list[str]], list[str]], refused: str) -> Family:
    def family(draw: random.Random) -> Case:
        names = change(draw, HEADER.split(","))
        rows = [[*row, *["x"] * 9][: len(names)] for row in good_rows(draw)]
        return Case(text_of(rows, header=",".join(names)), refused=refused)

    return family


def reordered(draw: random.Random) -> Case:
    rows = good_rows(draw)
    order = draw.sample(range(4), 4)
    names = HEADER.split(",")
    content = text_of([[row[i] for i in order] for row in rows], header=",".join(names[i] for i in order))
    return Case(content, others(rows, set()), len(rows))


def other_ends(draw: random.Random) -> Case:
    rows = good_rows(draw)
    content = b"".join(line + draw.choice([b"\n", b"\r\n", b"\n\n"]) for line in text_of(rows).splitlines())
    return Case(content, others(rows, set()), len(rows))


def texts_over_lines(draw: random.Random) -> Case:
    rows = good_rows(draw)
    end = draw.choice(["\n", "\r\n"])
    names = []
    for i, row in enumerate(rows):
        if draw.random() < 0.5:
            row[0] = f'{row[0]}{end}says ""{i}"", twice'
        names.append(row[0].replace('""', '"'))
        row[0] = f'"{row[0]}"'
    broken = draw.randrange(len(rows))
    rows[broken] = rows[broken][:2]
    return Case(text_of(rows, end=end), frozenset(names) - {names[broken]}, len(rows))


def wrong_delimiter(draw: random.Random) -> Case:
    rows = good_rows(draw)
    return Case(text_of(rows, ",", HEADER.replace(",", draw.choice([";", "\t", "|"]))), rows=len(rows))


def only_a_header(draw: random.Random) -> Case:
    return Case(HEADER.encode() + draw.choice([b"", b"\n", b"\r\n", b"\n\n\n"]), rows=0)


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


def many_columns(draw: random.Random) -> Case:
    count = draw.choice([2_001, 5_000, 30_000, 400_000])
    names = ",".join(f"c{i}" for i in range(count))
    return Case(f"{names}\n".encode(), refused="columns" if count < 100_000 else "1000000 bytes")


def huge_field(draw: random.Random) -> Case:
    rows = good_rows(draw)
    i, column = draw.randrange(len(rows)), draw.randrange(4)
    rows[i][column] = draw.choice(["x", "1", "9."]) * 5_000_000
    return Case(text_of(rows), others(rows, {i}), len(rows))


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
    return Case(content[: draw.randint(1, len(content) - 1)], suffix=".json", refused="")


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
    untouched = frozenset(str(row["site_id"]) for i, row in enumerate(rows) if i not in touched)
    return Case(text.encode(), untouched, len(rows), suffix=".json")


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
        f"{good}\n{{broken\n{good}",
        f"{good}\n[1]\n{good}",
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


CSV: dict[str, Family] = {
    "truncated": truncated,
    "one stray quote": one_stray_quote,
    "quotes everywhere": quotes_everywhere,
    "flipped bytes": flipped_bytes,
    "latin-1": encoded("latin-1", None),
    "utf-8 with a mark": encoded("utf-8", None, b"\xef\xbb\xbf"),
    "utf-16": encoded("utf-16", "not UTF-8"),
    "utf-16 without a mark": encoded("utf-16-le", "NUL bytes"),
    "latin-1 line": changed_lines(lambda draw, line: line.replace(b"site_", draw.choice([b"caf\xe9_", b"\xff\xfe", b"\xc3"]))),
    "too few fields": changed_lines(lambda draw, line: line.rsplit(b",", draw.randint(1, 3))[0]),
    "too many fields": changed_lines(lambda draw, line: line + b",1" * draw.randint(1, 9)),
    "trailing delimiters": changed_lines(lambda draw, line: line + b"," * draw.randint(1, 3)),
    "other delimiter in a line": changed_lines(lambda draw, line: line.replace(b",", draw.choice([b";", b"\t", b"|"]))),
    "decimal comma": changed_lines(lambda draw, line: line.replace(b".", b",")),
    "text where a number was": changed_cells(2, "abc", "1.5", "12x", "0x1F", "1e99", "--", "3000000000", "NaN", "\u0663x"),
    "empty where a value must be": changed_cells(2, "", '""'),
    "NaN and infinities": changed_cells(3, "nan", "NaN", "inf", "-inf", "Infinity", "1e999"),
    "1970 and 2099": changed_cells(1, "1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
    "local times": changed_cells(1, "2026-03-02T07:00:00", "2026-03-02 07:00", "2026-03-02", "02/03/2026 07:00", "07:00Z"),
    "no times": changed_cells(
        1, "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "epoch", "now", "today", "infinity", "1772434800"
    ),
    "negative counts": changed_cells(2, "-1", "-2147483648"),
    "long names": changed_cells(0, "x" * 101, "y" * 100_000),
    "reordered columns": reordered,
    "line ends of two kinds": other_ends,
    "texts over lines": texts_over_lines,
    "wrong delimiter": wrong_delimiter,
    "only a header": only_a_header,
    "missing column": header(lambda draw, names: draw.sample(names, draw.randint(1, 3)), "is missing"),
    "extra column": header(
        lambda draw, names: [*names, draw.choice(["track_id", "x y", "'", '"a""b"', "\u202e", ";"])], "is not in"
    ),
    "duplicated column": header(lambda draw, names: [*names, draw.choice(names)], "stands twice"),
    "other case": header(lambda draw, names: [draw.choice([name.upper(), name.title()]) for name in names], "is missing"),
    "no table": no_table,
    "many columns": many_columns,
    "broken Parquet": broken_parquet,
    "odd Parquet": odd_parquet,
    "broken JSON": broken_json,
    "odd JSON": odd_json,
    "hostile JSON": hostile_json,
}


def state(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    """Everything a caller could miss: catalogs, contents, settings, secrets."""
    queries = [
        "SELECT database_name, schema_name, table_name, temporary, sql FROM duckdb_tables() ORDER BY ALL",
        "SELECT database_name, schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
        "SELECT function_name, macro_definition FROM duckdb_functions() WHERE NOT internal ORDER BY ALL",
        "SELECT sequence_name, last_value FROM duckdb_sequences() ORDER BY ALL",
        "SELECT type_name FROM duckdb_types() WHERE NOT internal ORDER BY ALL",
        "SELECT index_name FROM duckdb_indexes() ORDER BY ALL",
        "SELECT schema_name, database_name FROM duckdb_schemas() ORDER BY ALL",
        "SELECT database_name, path FROM duckdb_databases() ORDER BY ALL",
        "SELECT name, value FROM duckdb_settings() ORDER BY ALL",
        "SELECT name FROM duckdb_secrets() ORDER BY ALL",
        "SELECT * FROM kept ORDER BY ALL",
        "SELECT * FROM seen ORDER BY ALL",
    ]
    return [connection.execute(query).fetchall() for query in queries]


@pytest.fixture
def connection() -> Any:
    with duckdb.connect(config={"memory_limit": "700MiB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        connection.execute(
            "CREATE TABLE kept AS SELECT i, 'secret_' || i AS s FROM range(99) r(i); CREATE VIEW seen AS FROM kept"
        )
        connection.execute("CREATE SEQUENCE counter; CREATE MACRO twice(x) AS x * 2; CREATE TYPE mood AS ENUM ('good')")
        yield connection


def judge(connection: duckdb.DuckDBPyConnection, path: Path, case: Case) -> str:
    """Judge a case's file and check what must hold for each; the outcome in a word."""
    try:
        report = check_file(connection, path, CONTRACT)
    except ContractError as error:
        faults = str(error).splitlines()
        assert faults and all(fault.startswith(f"{path}: ") and "; expected " in fault for fault in faults), faults
        assert not case.untouched, f"good rows are lost: {faults}"
        assert case.refused is None or case.refused in faults[0], faults
        return "refused"
    assert not case.refused, "the file was to be refused"
    accepted = {row[0] for row in connection.execute("SELECT site_id FROM accepted").fetchall()}
    counted = connection.execute("SELECT (SELECT count(*) FROM accepted), (SELECT count(*) FROM quarantined)").fetchall()
    assert counted == [(report.accepted, report.quarantined)]
    assert report.accepted + report.quarantined == report.rows
    assert case.rows in (None, report.rows)
    assert case.untouched <= accepted, case.untouched - accepted
    refused = connection.execute("SELECT rules, reasons, row FROM quarantined").fetchall()
    assert all(rules and len(rules) == len(reasons) and all(reasons) and json.loads(row) for rules, reasons, row in refused)
    connection.execute("DROP TABLE accepted; DROP TABLE quarantined")
    return "quarantined" if refused else "accepted"


@pytest.mark.parametrize("name", CSV)
def test_a_broken_file_ends_in_one_line_or_in_quarantine(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    before = state(connection)
    for seed in SEEDS:
        case = CSV[name](random.Random(f"{name} {seed}"))
        path = tmp_path / f"file_{seed}{case.suffix}"
        path.write_bytes(case.content)
        judge(connection, path, case)
        assert path.read_bytes() == case.content
        path.unlink()
    assert state(connection) == before
    assert not list(tmp_path.iterdir())
