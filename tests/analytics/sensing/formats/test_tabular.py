"""Tables of any layout become readings; what cannot be read stays as it was written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from analytics.lake import memory
from analytics.sensing.formats.mapping import Cells, Column, Columns, Fixed, Stamps
from analytics.sensing.formats.tabular import tabular
from analytics.sensing.readings import SourceError

PM25 = {"pm": Column(property="pm25", unit="ug/m3")}
WIDE = Columns(time="at", site=Fixed(fixed="Mill Lane"), values=PM25)


def read(tmp_path, text: str | bytes, query: str = "FROM read ORDER BY ALL", **params):
    path = tmp_path / "readings"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with memory() as connection:
        tabular(connection, str(path), table="read", **params)
        return connection.execute(query).fetchall()


def starts(tmp_path, text: str, **params):
    rows = read(tmp_path, text, "SELECT source_row, interval_start_at, flags FROM read ORDER BY ALL", **params)
    return [(row, at.astimezone(UTC).isoformat() if isinstance(at, datetime) else at, flags) for row, at, flags in rows]


def test_a_long_table_in_our_own_shape_needs_no_mapping(tmp_path):
    text = (
        "site_id,observed_property,interval_start_at,interval_s,value,unit,coverage,flags\n"
        "Mill Lane,pm25,2026-03-01T10:00:00+01:00,60,5.5,ug/m3,0.5,wet\n"
    )
    assert read(tmp_path, text) == [
        (2, "mill_lane", "pm25", datetime(2026, 3, 1, 9, tzinfo=UTC), 60.0, 5.5, "ug/m3", 0.5, "source_wet")
    ]


def test_what_is_no_number_keeps_the_text_and_costs_no_other_row(tmp_path):
    rows = read(tmp_path, "at,pm\n2026-03-01T10:00:00Z,=1+1\n2026-03-01T10:01:00Z,7\nyesterday,8\n", columns=WIDE)
    assert [(row[0], row[3], row[5]) for row in rows] == [
        (2, "2026-03-01T10:00:00Z", "=1+1"),
        (3, "2026-03-01T10:01:00Z", "7"),
        (4, "yesterday", "8"),
    ]


@pytest.mark.parametrize(
    "line", ["2026-03-01T10:01:00Z,1,2,3", "nothing", '2026-03-01T10:01:00Z,"7', "2026-03-01T10:01:00Z,\xff"]
)
def test_a_line_that_is_no_row_costs_no_other(tmp_path, line):
    text = f"at,pm\n2026-03-01T10:00:00Z,6\n{line}\n2026-03-01T10:02:00Z,8\ncafé,9\n"
    broken = line.encode("latin-1")
    rows = read(tmp_path, text.encode().replace(line.encode(), broken), columns=WIDE)
    good = [(row[0], row[5]) for row in rows if row[1] is not None]
    assert good == [(2, "6"), (4, "8"), (5, "9")]
    assert [(row[0], row[8]) for row in rows if row[1] is None] == [(3, "unreadable_line")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters_are_told_by_content(tmp_path, encoding, delimiter):
    text = "at,größe\n2026-03-01T10:00:00Z,5\n".replace(",", delimiter)
    columns = Columns(time="at", site=Fixed(fixed="a"), values={"größe": Column(property="pm25", unit="ug/m3")})
    rows = read(tmp_path, text.encode(encoding), columns=columns)
    assert [(row[0], float(row[5])) for row in rows] == [(2, 5.0)]


def test_decimal_commas_and_missing_codes(tmp_path):
    text = "at;pm\n2026-03-01T10:00:00Z;2,5\n2026-03-01T10:01:00Z;-200,0\n2026-03-01T10:02:00Z;\n2026-03-01T10:03:00Z;1.234\n"
    rows = read(tmp_path, text, columns=WIDE, cells=Cells(decimal=",", missing=["-200"]))
    assert [(row[0], row[5]) for row in rows] == [(2, "2.5"), (5, "1.234 (a point where decimal commas are expected)")]


def test_columns_of_a_wide_table_have_sites_and_flags(tmp_path):
    text = "time,10 (North),20 (South),10-status\n2026-03-01 10:00,3,4,0\n2026-03-01 10:15,5,,7\n"
    values = {
        "10": Column(property="cyclist", unit="count", site="North Lane", flags="10-status"),
        "20": Column(property="cyclist", unit="count", site="South Lane"),
    }
    params = {"columns": Columns(time="time", site=Fixed(fixed="x"), values=values), "timezone": "Europe/Berlin"}
    rows = read(tmp_path, text, cells=Cells(fine=["0"]), **params)
    assert [(row[0], row[1], row[5], row[8]) for row in rows] == [
        (2, "north_lane", 3.0, None),
        (2, "south_lane", 4.0, None),
        (3, "north_lane", 5.0, "source_7"),
    ]


def test_the_hour_that_a_clock_repeats_is_told_by_the_order_of_rows(tmp_path):
    text = "at,pm\n2026-10-25 01:00,1\n2026-10-25 02:00,2\n2026-10-25 02:00,3\n2026-10-25 03:00,4\n"
    assert starts(tmp_path, text, columns=WIDE, timezone="Europe/Berlin") == [
        (2, "2026-10-24T23:00:00+00:00", None),
        (3, "2026-10-25T00:00:00+00:00", "doubled_hour"),
        (4, "2026-10-25T01:00:00+00:00", "doubled_hour"),
        (5, "2026-10-25T02:00:00+00:00", None),
    ]


def test_the_repeated_hour_is_told_among_text_as_well(tmp_path):
    text = "at,pm\n2026-10-25 02:00,2\n2026-10-25 02:00,x\n"
    found = starts(tmp_path, text, columns=WIDE, timezone="Europe/Berlin")
    assert [at[:13] for _, at, _ in found] == ["2026-10-25T00", "2026-10-25T01"]


def test_the_hour_that_a_clock_leaves_out_stays_as_written(tmp_path):
    text = "at,pm\n2026-03-29 01:00,1\n2026-03-29 02:00,2\n2026-03-29 03:00,3\n"
    found = starts(tmp_path, text, columns=WIDE, timezone="Europe/Berlin")
    assert [(at, flags) for _, at, flags in found] == [
        ("2026-03-29T00:00:00.000000Z", None),
        ("2026-03-29 02:00", "nonexistent_hour"),
        ("2026-03-29T01:00:00.000000Z", None),
    ]


def test_an_instant_without_an_offset_is_not_guessed(tmp_path):
    assert starts(tmp_path, "at,pm\n2026-03-29 02:00,2\n", columns=WIDE) == [(2, "2026-03-29 02:00", None)]


@pytest.mark.parametrize(
    ("stamp", "stamps", "expected"),
    [
        ("2026-03-01T10:00:00Z", Stamps(offset="-05:00"), "2026-03-01T15:00:00+00:00"),
        ("2026-03-01T10:00:00", Stamps(offset="+05:30"), "2026-03-01T04:30:00+00:00"),
        ("2026-03-01T10:00:00Z", Stamps(stamp="end", interval_s=3600), "2026-03-01T09:00:00+00:00"),
        ("01.03.2026 10:00", Stamps(offset="+01:00", time_format="%d.%m.%Y %H:%M"), "2026-03-01T09:00:00+00:00"),
        ("1772359200", Stamps(time_format="epoch_s"), "2026-03-01T10:00:00+00:00"),
        ("1772359200000", Stamps(time_format="epoch_ms"), "2026-03-01T10:00:00+00:00"),
    ],
)
def test_stamps_are_read_as_the_mapping_says(tmp_path, stamp, stamps, expected):
    assert starts(tmp_path, f"at,pm\n{stamp},2\n", columns=WIDE, stamps=stamps) == [(2, expected, None)]


def test_parquet_keeps_its_numbers_and_instants(tmp_path):
    path = tmp_path / "readings.bin"
    with memory() as connection:
        connection.execute(f"COPY (SELECT TIMESTAMPTZ '2026-03-01 10:00:00Z' AS at, 5 AS pm) TO '{path}' (FORMAT parquet)")
        tabular(connection, str(path), table="read", columns=WIDE)
        rows = connection.execute("SELECT source_row, interval_start_at, value, typeof(value) FROM read").fetchall()
    assert rows == [(1, datetime(2026, 3, 1, 10, tzinfo=UTC), 5.0, "DOUBLE")]


@pytest.mark.parametrize(
    ("text", "params", "said"),
    [
        ("", {}, "the file is empty"),
        ("at,pm\n", {}, "'interval_start_at', 'site_id', 'value', 'observed_property', 'unit' is not among at, pm"),
        ("at,pm\n1,2\n", {"columns": WIDE, "stamps": Stamps(stamp="end")}, "unknown length; expected interval_s"),
        ("at,pm\n1,2\n", {"columns": WIDE, "timezone": "Mars/Base"}, "timezone 'Mars/Base' is unknown"),
        (b"PAR1 and nothing else", {"columns": WIDE}, "not a readable Parquet file"),
        (b"\x00\x01\x02\x03", {"columns": WIDE}, "expected the names of the columns"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path, text, params, said):
    with pytest.raises(SourceError) as caught:
        read(tmp_path, text, **params)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1
