"""Readers turn a source into rows, and judge nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.lake import memory
from analytics.sensing.formats.wide_hourly import wide_hourly_csv
from analytics.sensing.readings import SourceError, site_id_of


def read(tmp_path, text: str | bytes):
    path = tmp_path / "counts.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with memory() as connection:
        wide_hourly_csv(connection, str(path), table="read")
        return connection.execute("SELECT * FROM read ORDER BY source_row, site_id").fetchall()


def test_every_cell_is_a_row_with_its_line_and_its_labels_as_written(tmp_path):
    rows = read(
        tmp_path, "date,hour,year,150 K Road,8 Darby (EW)\n2024-01-01,6:00-6:59,2024,17.0,\n2024-01-01,7:00-7:59,2024,x,3\n"
    )
    assert rows == [
        (2, "150_k_road", "2024-01-01", "6:00-6:59", "17.0"),
        (2, "8_darby_ew", "2024-01-01", "6:00-6:59", None),
        (3, "150_k_road", "2024-01-01", "7:00-7:59", "x"),
        (3, "8_darby_ew", "2024-01-01", "7:00-7:59", "3"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("date,150 K Road\n2024-01-01,3\n", "column 'hour' is missing"),
        ("date,hour,year\n2024-01-01,6:00-6:59,2024\n", "any sensor"),
        ("date,hour,A B,a-b\n2024-01-01,6:00-6:59,1,2\n", "share a name"),
        (b"date,hour,A\n2024-01-01,6:00,\xff\xfe\x00\n", "not a readable CSV file"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path, text, said):
    with pytest.raises(SourceError, match=said) as caught:
        read(tmp_path, text)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_is_one_clear_line(tmp_path):
    with memory() as connection, pytest.raises(SourceError, match="was not found; expected a CSV file"):
        wide_hourly_csv(connection, str(tmp_path / "nothing.csv"), table="read")


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_site_ids_have_only_plain_characters_and_do_not_change_twice(name):
    once = site_id_of(name)
    assert all(c.isalnum() or c == "_" for c in once)
    assert site_id_of(once) == once
