"""Indices hold METHODS' golden values, agree with the published text on any value, and say what they stand on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.lake import Connection, memory
from analytics.sensing.indices.aqi import air_quality_index, indices_of
from analytics.sensing.indices.tables import IndexTable, table_of, tables
from analytics.sensing.readings import SourceError
from tests.analytics.sensing.indices.hours import Hour, hours, write_hours

US = "us_aqi_2024"


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with memory() as one:
        yield one


def index_rows(connection: Connection, rows: list[Hour], index: str = US, timezone: str = "UTC", **more: object) -> list[dict]:
    write_hours(connection, rows)
    air_quality_index(connection, "hourly", table="found", index=index, timezone=timezone, **more)
    columns = [column[0] for column in connection.execute("FROM found").description]
    return [dict(zip(columns, row, strict=True)) for row in connection.execute("FROM found").fetchall()]


def by_site(connection: Connection, values: list[float], observed: str, unit: str, index: str = US) -> list[int | None]:
    """The index of a day of each value, each at a site of its own."""
    span = 40 if observed == "o3" else 24
    rows = [row for n, value in enumerate(values) for row in hours([value] * span, observed, unit, site=f"s{n:04}")]
    found = [one for one in index_rows(connection, rows, index) if one["observed_property"] == observed]
    return [one["index_value"] for one in found if one["interval_start_at"].day == 2 and one["interval_start_at"].hour == 0]


def test_golden_values_of_particles(connection: Connection) -> None:
    values = [9.04, 9.09, 9.1, 12.0, 35.49, 35.5, 55.4, 125.4, 225.5, 325.4]  # METHODS section 10
    assert by_site(connection, values, "pm25", "ug/m3") == [50, 50, 51, 56, 100, 101, 150, 200, 301, 500]


def test_golden_values_of_ozone(connection: Connection) -> None:
    assert by_site(connection, [0.0549, 0.070, 0.0709, 0.0785], "o3", "ppm") == [50, 100, 100, 126]  # METHODS section 10


UPPER = {  # EPA-454/B-24-002, Table 6: last value of each band in the unit and decimals in which it is printed
    ("pm25", "ug/m3", 1): ["9.0", "35.4", "55.4", "125.4", "225.4", "325.4"],
    ("pm10", "ug/m3", 0): ["54", "154", "254", "354", "424", "604"],
    ("no2", "ppb", 0): ["53", "100", "360", "649", "1249", "2049"],
    ("co", "ppm", 1): ["4.4", "9.4", "12.4", "15.4", "30.4", "50.4"],
}
TOPS = [50, 100, 150, 200, 300, 500]


def published(value: float, upper: list[str], decimals: int) -> int:
    """The index by the words of the document, in fractions; independent of the code under test."""
    step = Decimal(1).scaleb(-decimals)
    c = Decimal(repr(value)).quantize(step, ROUND_DOWN)
    low, low_index = Decimal(0), 0
    for high, high_index in zip(map(Decimal, upper), TOPS, strict=True):
        if c <= high:
            exact = Fraction(high_index - low_index) / Fraction(high - low) * Fraction(c - low) + low_index
            return int((Decimal(exact.numerator) / exact.denominator).quantize(Decimal(1), ROUND_HALF_UP))
        low, low_index = high + step, high_index + 1
    return 500


@pytest.mark.parametrize(("observed", "unit", "decimals"), UPPER)
def test_every_breakpoint_and_its_neighbours(connection: Connection, observed: str, unit: str, decimals: int) -> None:
    upper = UPPER[observed, unit, decimals]
    step = Decimal(1).scaleb(-decimals)
    values = [float(Decimal(edge) + add) for edge in upper for add in (-step, 0, step * Decimal("0.999"), step)]
    expected = [published(value, upper, decimals) for value in values]
    assert by_site(connection, values, observed, unit) == expected
    assert expected[1::4] == TOPS and expected[2:20:4] == TOPS[:5] and expected[3:20:4] == [51, 101, 151, 201, 301]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.decimals(0, 400, places=3), min_size=30, max_size=60))
def test_any_value_has_the_published_index(connection: Connection, values: list[Decimal]) -> None:
    floats = [float(value) for value in values]
    expected = [published(value, UPPER["pm25", "ug/m3", 1], 1) for value in floats]
    assert by_site(connection, floats, "pm25", "ug/m3") == expected


def test_truncation_is_not_left_to_the_luck_of_floats(connection: Connection) -> None:
    tenths = [n / 10 for n in range(1, 600, 7)]
    assert any(sum([value] * 24) / 24 < value for value in tenths)  # what binary fractions would do
    assert by_site(connection, tenths, "pm25", "ug/m3") == [published(value, UPPER["pm25", "ug/m3", 1], 1) for value in tenths]


def test_a_mixing_ratio_comes_back_from_the_mass_it_was_kept_as(connection: Connection) -> None:
    kept = [ppb * 46.0055 / (8.314462618 * 293.15 / 101_325) / 1000 for ppb in (53, 100, 360, 649)]  # NO2 at 20 degC
    assert by_site(connection, kept, "no2", "ug/m3") == [50, 100, 150, 200]


def test_sulphur_dioxide_from_201_on_is_judged_by_its_day(connection: Connection) -> None:
    short, long = [400.0] + [0.0] * 23, [400.0] * 24
    rows = [*hours(short, "so2", "ppb", site="short"), *hours(long, "so2", "ppb", site="long")]
    found = {row["site_id"]: row for row in index_rows(connection, rows) if row["observed_property"] == "so2"}
    assert (found["short"]["index_value"], found["short"]["flags"]) == (200, "top_of_scale")
    assert (found["long"]["statistic"], found["long"]["flags"]) == ("mean_24h", "unverified_rule")
    assert found["long"]["index_value"] == 232  # 201 + 99 * 95 / 299 = 232.45


def test_ozone_takes_the_higher_of_eight_hours_and_one(connection: Connection) -> None:
    spike = [0.03] * 14 + [0.3] + [0.03] * 25
    found = [row for row in index_rows(connection, hours(spike, "o3", "ppm")) if row["observed_property"] == "o3"]
    assert (found[0]["statistic"], found[0]["index_value"]) == ("max_1h", 248)  # 201 + 99 * 95 / 199 = 248.26


def test_beyond_the_index_is_500_and_flagged(connection: Connection) -> None:
    row = index_rows(connection, hours([400.0] * 24))[0]
    assert (row["observed_property"], row["index_value"], row["band"], row["flags"]) == (
        "all",
        500,
        "Hazardous",
        "beyond_index",
    )


def test_a_day_needs_three_quarters_of_its_hours(connection: Connection) -> None:
    rows = [*hours([20.0] * 18, site="enough"), *hours([20.0] * 17, site="short")]
    enough, short = (row for row in index_rows(connection, rows) if row["observed_property"] == "pm25")
    assert (enough["index_value"], enough["coverage"], enough["flags"]) == (71, 0.75, None)
    assert (short["index_value"], short["value"], short["flags"]) == (None, None, "too_little_data")


def test_an_hour_measured_for_too_short_is_missing(connection: Connection) -> None:
    rows = [(*row[:5], 0.5 if n == 0 else 1.0, "suspect" if n == 1 else None) for n, row in enumerate(hours([5.0] * 18))]
    row = index_rows(connection, rows)[1]
    assert (row["index_value"], row["flags"]) == (None, "suspect,too_little_data")


def test_days_are_days_of_the_local_clock(connection: Connection) -> None:
    rows = hours([10.0] * (24 * 28 - 1))  # to the end of 29 March, when clocks go forward in London
    days = [row for row in index_rows(connection, rows, timezone="Europe/London") if row["observed_property"] == "pm25"]
    assert (days[-1]["interval_s"], days[-1]["coverage"]) == (23 * 3600, 1.0)
    auckland = index_rows(connection, hours([10.0] * 24), timezone="Pacific/Auckland")
    assert [row["interval_start_at"].hour for row in auckland] == [11, 11, 11, 11]


def test_the_site_has_the_worst_of_its_pollutants_and_says_which(connection: Connection) -> None:
    rows = [*hours([20.0] * 24), *hours([30.0] * 24, "no2"), *hours([99.0] * 3, "pm10")]
    row = index_rows(connection, rows)[0]
    assert (row["critical_pollutant"], row["pollutants"], row["flags"]) == ("pm25", "no2,pm25", "pollutant_left_out")
    assert row["index_version"] == "2024-05-06"


@pytest.mark.parametrize(
    ("observed", "value", "level"),
    [
        ("pm25", 5, 1),
        ("pm25", 5.1, 2),
        ("pm25", 140, 5),
        ("pm25", 140.01, 6),
        ("no2", 10, 1),
        ("no2", 150.5, 6),
        ("o3", 180, 5),
    ],
)
def test_a_european_upper_bound_belongs_to_its_band(connection: Connection, observed: str, value: float, level: int) -> None:
    row = index_rows(connection, hours([value], observed), "eaqi_2024")[1]
    assert (row["index_value"], row["interval_s"], row["index_version"]) == (level, 3600, "2024")


def test_a_european_station_needs_its_pollutants(connection: Connection) -> None:
    rows = [row for site in ("kerb", "park") for row in (*hours([30.0], "no2", site=site), *hours([30.0], site=site))]
    kerb, park = (
        row for row in index_rows(connection, rows, "eaqi_2024", traffic_sites=["kerb"]) if row["observed_property"] == "all"
    )
    assert (kerb["index_value"], kerb["band"]) == (3, "Moderate")
    assert (park["index_value"], park["flags"]) == (None, "missing_pollutants,unverified_rule")


@pytest.mark.parametrize(("value", "level"), [(11.4, 1), (11.5, 2), (23, 2), (24, 3), (53.49, 6), (70.4, 9), (70.5, 10)])
def test_british_levels(connection: Connection, value: float, level: int) -> None:
    assert by_site(connection, [value], "pm25", "ug/m3", "uk_daqi_2012") == [level]


def test_what_hours_cannot_tell_is_said(connection: Connection) -> None:
    row = index_rows(connection, hours([500.0] * 24, "so2"), "uk_daqi_2012")[1]
    assert (row["index_value"], row["flags"]) == (None, "needs_15min_means,too_little_data")


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.one_of(st.none(), st.integers(0, 2000)), min_size=24, max_size=48))
def test_eight_hour_means_follow_the_published_rule(connection: Connection, values: list[int | None]) -> None:
    """Daily maximum of 8-hour means that end in the day, 6 of 8 hours, 18 of 24 means; Directive's rule, in fractions."""
    found = {
        row["interval_start_at"].day: row["value"]
        for row in index_rows(connection, hours(values, "o3"), "uk_daqi_2012")
        if row["observed_property"] == "o3"
    }
    for day in (2, 3):
        means = []
        for last in range((day - 2) * 24, (day - 1) * 24):
            window = [values[n] for n in range(max(0, last - 7), last + 1) if n < len(values) and values[n] is not None]
            if len(window) >= 6:
                means.append(Fraction(sum(window), len(window)))
        rounded = (max(means) + Fraction(1, 2)).__floor__() if len(means) >= 18 else None
        assert found.get(day) == rounded


def test_an_unknown_index_and_zone_are_refused(connection: Connection) -> None:
    with pytest.raises(
        SourceError, match=r"table 'us_aqi' is unknown; expected one of eaqi_2024, .*did you mean 'us_aqi_2024'"
    ):
        index_rows(connection, hours([1.0]), "us_aqi")
    with pytest.raises(SourceError, match="timezone 'Mars/Base' is unknown"):
        index_rows(connection, hours([1.0]), timezone="Mars/Base")


def test_no_hours_are_no_rows(connection: Connection) -> None:
    assert index_rows(connection, []) == [] and index_rows(connection, hours([1.0], "noise_laeq", "dBA")) == []


def test_the_short_form_names_newest_and_highest(connection: Connection) -> None:
    write_hours(connection, hours([8.0] * 24 + [100.0] * 24 + [20.0] * 24))
    found = {(row["index_id"], row["observed_property"]): row for row in indices_of(connection, "hourly", timezone="UTC")}
    day = found[US, "all"]
    assert (day["periods"], day["bands"]) == (3, {"Good": 1, "Moderate": 1, "Unhealthy": 1})
    assert (day["newest"]["index_value"], day["highest"]["index_value"]) == (71, 182)
    assert day["highest"]["interval_start_at"] == "2026-03-03T00:00:00Z"
    assert found["eaqi_2024", "all"]["newest"] is None  # a station needs other pollutants, too
    assert {key[0] for key in found} == {name for name, one in tables().items() if one.kind in ("index", "nowcast")}


def test_published_tables_stand_as_printed() -> None:
    table = table_of(US, IndexTable)
    for one in table.pollutants:
        for band, pair in zip(UPPER.get((one.observed_property, one.unit, one.decimals), []), one.bounds, strict=False):
            assert pair is not None and pair[1] == Decimal(band).quantize(Decimal(1).scaleb(-one.decimals), ROUND_FLOOR)
