"""Files are read without losing or changing a value, or refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb
import pytest

from data_contracts.contract import ContractError
from data_contracts.rows.files import read_file


def read(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        read_file(connection, path, into="t")
        return connection.execute("SELECT * FROM t").fetchall()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_values_stay_text(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f'a{delimiter}b\n007{delimiter}1.50\n{delimiter}"x\ny"\n', encoding="utf-8-sig")
    assert read(path) == [("007", "1.50"), (None, "x\ny")]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "t[1].parquet"
    duckdb.execute(f"COPY (SELECT 1::SMALLINT AS a, 'x' AS b) TO '{path}'")
    assert read(path) == [(1, "x")]


@pytest.mark.parametrize("text", ['[{"a": 1, "b": "x"}, {"a": "abc"}]', '{"a": 1, "b": "x"}\n{"a": "abc"}\n'])
def test_json_values_are_read_as_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text, encoding="utf-8")
    assert read(path) == [("1", "x"), ("abc", None)]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"\n1,2\n", "the first line is empty"),
        ("t.csv", b"a,a\n1,2\n", "column 'a' stands twice"),
        ("t.csv", b"a,caf\xe9\n1,2\n", "not UTF-8"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16-le"), "NUL bytes"),
        ("t.csv", b'a,"b\n1,2\n', "the first line cannot be read"),
        ("t.csv", ",".join(f"c{i}" for i in range(2_001)).encode(), "has 2001 columns"),
        ("t.json", b'{"a":' * 200_000, "nested deeper than 100"),
        ("t.json", b'"\n' + b"]" * 200 + b"[" * 200, "nested deeper than 100"),
        ("t.parquet", b"PAR1 not really", "expected a readable table"),
        ("t.json", b"{", "expected a readable table"),
        ("t.json", b"[1, 2]", "holds no records"),
        ("t.xlsx", b"PK", "named '.xlsx'"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ContractError) as raised:
        read(path)
    assert said in str(raised.value)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for path, said in ((tmp_path / "t.csv", "no such file"), (tmp_path, "not a file"), (pipe, "not a file")):
        with pytest.raises(ContractError, match=said):
            read(path)


def test_a_line_that_is_no_row_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        b'a,b,c\n1,2,3\n\n4,5\n6,7,8,9\n"x\ny",2,3\ncaf\xe9,5,6\n"open,5,6\nok,"o""k",ok\n'
        + b"x" * 2_000_001
        + b",1,2\nlast,1,2\n"
    )
    with duckdb.connect() as connection:
        assert read_file(connection, path, into="t") == 5
        rows = connection.execute("SELECT * FROM t").fetchall()
        lines = connection.execute("SELECT source_row, fault, row FROM t__lines").fetchall()
        assert connection.execute("SELECT count(*) FROM duckdb_types() WHERE NOT internal").fetchall() == [(0,)]
    assert rows == [(1, "1", "2", "3"), (4, "x\ny", "2", "3"), (7, "ok", 'o"k', "ok"), (9, "last", "1", "2")]
    found = {place: (fault, json.loads(row)) for place, fault, row in lines}
    assert found[2] == ("line 4 has 2 fields; expected 3", {"line": 4, "text": "4,5"})
    assert found[3] == ("line 5 has 4 fields; expected 3", {"line": 5, "text": "6,7,8,9"})
    assert found[5] == ("line 8 is not UTF-8 at its byte 4; expected UTF-8", {"line": 8, "text": r"caf\xe9,5,6"})
    assert found[6][1] == {"line": 9, "text": '"open,5,6'}
    assert found[8][0] == "line 11 has 2000005 bytes; expected at most 2000000"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_is_read_where_a_line_is_refused(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(end.join([b"a,b", b"1,2", b"3", b'"4",5']))
    with duckdb.connect() as connection:
        assert read_file(connection, path, into="t") == 1
        assert connection.execute("SELECT * FROM t").fetchall() == [(1, "1", "2"), (3, "4", "5")]


def test_a_name_is_not_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n", encoding="utf-8")
    (tmp_path / "*.csv").write_text("x\n2\n", encoding="utf-8")
    assert read(tmp_path / "*.csv") == [("2",)]
