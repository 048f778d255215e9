"""Files are read without losing or changing a value, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from data_contracts.contract import ContractError
from data_contracts.files import read_file


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
        ("t.csv", b"a,b\n1,2,3\n", "expected a readable table"),
        ("t.csv", b"a,b\n1\n", "expected a readable table"),
        ("t.csv", b'a,b\n1,"2\n', "expected a readable table"),
        ("t.csv", b"a,caf\xe9\n1,2\n", "not UTF-8"),
        ("t.csv", b"a,b\n1,caf\xe9\n", "not UTF-8"),
        ("t.csv", b"a,b\n" + b"1,2\n" * 5000 + b"1,caf\xe9\n", "expected a readable table"),
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
    for path in (tmp_path / "t.csv", tmp_path):
        with pytest.raises(ContractError, match="no such file"):
            read(path)


def test_a_name_is_not_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n", encoding="utf-8")
    (tmp_path / "*.csv").write_text("x\n2\n", encoding="utf-8")
    assert read(tmp_path / "*.csv") == [("2",)]
