"""A line of a JSON-lines file that is no record costs no other; a JSON document is read or refused as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from data_contracts.contract import ContractError, parse_contract
from data_contracts.gate import check_file
from data_contracts.rows.files import LINE_RULE, read_file
from data_contracts.rows.records import is_by_line

GOOD = b'{"a": 1, "b": "x"}'
BROKEN = {
    b'{"a": 1, "b': "line 2 is not JSON (Unterminated string starting at its character 10)",
    b'{"a": 1': "line 2 is not JSON (Expecting ',' delimiter at its character 8)",
    b"garbage": "line 2 is not JSON (Expecting value at its character 1)",
    b"[1]": "line 2 is a list",
    b"null": "line 2 is nothing",
    b'"x"': "line 2 is a text",
    b"7": "line 2 is a number",
    b"true": "line 2 is a truth value",
    GOOD + GOOD: "line 2 is not JSON (Extra data at its character 19)",
    b'{"a": NaN, "b": "x"}': "line 2 is not JSON (NaN is no number of JSON)",
    b'{"a": [-Infinity]}': "line 2 is not JSON (-Infinity is no number of JSON)",
    b'{"a": 1, "b": "x",}': "line 2 is not JSON (Expecting property name enclosed in double quotes at its character 19)",
    b'{"a": 1, "a": 2}': "line 2 names 'a' twice",
    b'{"a": 1, "A": 2}': "line 2 names 'A' twice",
    b'{"A": 1, "b": "x"}': "line 2 names 'A' and a line before it 'a'",
    b'{"": 1, "a": 1}': "line 2 has a value without a name",
    b'{"a": "\\ud800"}': "line 2 is not JSON (it holds half a character)",
    b'{"a": "\t"}': "line 2 is not JSON (Invalid control character at its character 8)",
    b'{"a": 01}': "line 2 is not JSON (Expecting ',' delimiter at its character 8)",
    b'{"a": "caf\xe9"}': "line 2 is not UTF-8 at its byte 11",
    b"\xef\xbb\xbf" + GOOD: "line 2 is not JSON (Unexpected UTF-8 BOM",
    b'{"a": ' + b"[" * 101 + b"]" * 101 + b"}": "line 2 is nested deeper than 100 levels",
    b"[" * 300_000: "line 2 is nested deeper than 100 levels",
    b'{"a": "' + b"x" * 2_000_000 + b'"}': "line 2 has 20000",
}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_line_that_is_no_record_costs_no_other(tmp_path: Path, end: bytes, mark: bytes) -> None:
    with duckdb.connect() as connection:
        for bad, said in BROKEN.items():
            for suffix in (".jsonl", ".json"):
                path = tmp_path / f"t{suffix}"
                path.write_bytes(mark + end.join([GOOD, bad, GOOD, b"{}"]) + end)
                assert read_file(connection, path, into="t") == 1, bad[:99]
                rows = connection.execute("SELECT * FROM t").fetchall()
                assert rows == [(1, "1", "x"), (3, "1", "x"), (4, None, None)], bad[:99]
                ((place, fault, row),) = connection.execute("SELECT source_row, fault, row FROM t__lines").fetchall()
                line = 3 if end == b"\n\n" else 2
                assert place == 2 and fault.startswith(said.replace("line 2", f"line {line}")) and "; expected " in fault
                kept = json.loads(row)
                assert kept["line"] == line
                assert kept["text"].startswith(bad[:9].decode("utf-8", "backslashreplace"))


@pytest.mark.parametrize(
    ("record", "values"),
    [
        (b'{"b": "x", "a": {"c": 1, "c": 2}}', ('{"c":1,"c":2}', "x")),  # inside a value, which is the contract's business
        (b'{"a": 1e999, "b": "NaN, inf"}', ("1e999", "NaN, inf")),
        (b'{"a": ' + b"9" * 6_000 + b', "b": ",]"}', ("9" * 6_000, ",]")),
        (b'  {"a": "\\u0000\\ud83d\\ude00", "b": null}  ', ("\0\U0001f600", None)),
        (b'{"a": "' + b"[" * 500 + b'"}', ("[" * 500, None)),
    ],
)
def test_a_record_is_read_alike_beside_a_broken_line_and_alone(
    tmp_path: Path, record: bytes, values: tuple[str | None, str | None]
) -> None:
    path = tmp_path / "t.jsonl"
    with duckdb.connect() as connection:
        for lines in ([GOOD, record], [GOOD, b"{", record]):
            path.write_bytes(b"\n".join(lines))
            assert read_file(connection, path, into="t") == len(lines) - 2
            assert connection.execute("SELECT a, b FROM t").fetchall()[1:] == [values]


def test_refused_lines_are_in_the_gates_report(tmp_path: Path) -> None:
    contract = parse_contract(
        "{apiVersion: v3.1.0, kind: DataContract, id: t, version: 1.0.0, status: active, schema: [{name: t, properties: ["
        "{name: a, logicalType: integer, required: true}, {name: b, logicalType: string}]}]}",
        "t.odcs.yaml",
    )
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join([GOOD, b'{"a": 1', b'{"a": "many"}', GOOD[:-1]]))
    with duckdb.connect() as connection:
        report = check_file(connection, path, contract)
        found = connection.execute("SELECT source_row, rules FROM quarantined ORDER BY ALL").fetchall()
    assert (report.rows, report.accepted, report.quarantined, report.passed) == (4, 1, 3, False)
    assert found == [(2, [LINE_RULE]), (3, ["a.type"]), (4, [LINE_RULE])]
    assert report.rules[-1].reason == "every line of the file is a row: 2 lines are not"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.json", b'[{"a": 1}, {"a"', "the list of records has no end"),
        ("t.jsonl", b'[{"a": 1}, {"a"', "the list of records has no end"),
        ("t.json", b'[{"a": 1}, 5]', "no record of JSON"),
        ("t.json", b'[{"a": NaN}, {"a": 1}]', "no record of JSON"),
        ("t.json", b'[{"a": 1, "a": 2}]', "no record of JSON"),
        ("t.json", b'[{"a": 1}, {"A": 2}]', "no record of JSON"),
        ("t.json", b'\xef\xbb\xbf[{"a": 1}]', "byte order mark"),
        ("t.json", '{"a": 1}\n'.encode("utf-16"), "UTF-16"),
        ("t.jsonl", '{"a": 1}\n'.encode("utf-16"), "holds no records"),
        ("t.jsonl", b"{\n" * 9, "holds no records"),
        ("t.jsonl", b"\n".join(b'{"c%d": 1}' % i for i in range(2_001)), "has 2001 columns"),
        ("t.jsonl", b"{\n" + b"\n".join(b'{"c%d": 1}' % i for i in range(9_000)), "has 2001 columns"),
    ],
)
def test_a_document_is_refused_as_a_whole_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with duckdb.connect() as connection, pytest.raises(ContractError) as raised:
        read_file(connection, path, into="t")
    assert said in str(raised.value) and "; expected " in str(raised.value)
    assert str(raised.value).startswith(f"{path}: ") and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "by_line"),
    [
        ("t.json", b'{"a": 1}', True),
        ("t.json", b'{"a": 1}\n{"a"', True),
        ("t.json", b'{\n "a": 1\n}\n', False),
        ("t.json", b'[\n{"a": 1},\n{"a": 2}\n]', False),
        ("t.jsonl", b'[\n{"a": 1},\n{"a": 2}\n]', False),
        ("t.jsonl", b'[1]\n{"a": 1}\n', True),
        ("t.ndjson", b'{"a"', True),
        ("t.json", b"", False),
    ],
)
def test_what_holds_a_record_a_line_is_told_by_its_lines(tmp_path: Path, name: str, content: bytes, by_line: bool) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert is_by_line(path) == by_line
