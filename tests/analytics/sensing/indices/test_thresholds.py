"""Years are judged by the rule of each limit, and only where enough was measured to tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from analytics.lake import Connection, memory
from analytics.sensing.indices.thresholds import limit_exceedances, threshold_episodes
from tests.analytics.sensing.indices.hours import hours, write_hours


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with memory() as one:
        yield one


def write_year(connection: Connection, observed: str, daily: str, years: int = 1) -> None:
    """Hours of whole years from 2025 on; `daily` is SQL of the value, where `d` counts days and `h` hours."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE hourly AS SELECT 'a' AS site_id, '{observed}' AS observed_property, at_hour AS "
        f"interval_start_at, ({daily})::DOUBLE AS value, 'ug/m3' AS unit, 1.0 AS coverage, NULL::VARCHAR AS flags FROM ("
        "SELECT at_hour, date_diff('day', TIMESTAMPTZ '2025-01-01 00:00:00+00', at_hour) AS d, hour(at_hour) AS h FROM range("
        f"TIMESTAMPTZ '2025-01-01 00:00:00+00', TIMESTAMPTZ '{2025 + years}-01-01 00:00:00+00', INTERVAL 1 HOUR) t(at_hour))"
    )


def judged(connection: Connection, limits: str, *keys: str) -> list[tuple]:
    limit_exceedances(connection, "hourly", table="found", limits=limits, timezone="UTC")
    return connection.execute(
        "SELECT value, exceedances, allowed, is_exceeded, flags FROM found "
        "WHERE level = ? AND observed_property = ? AND statistic = ? ORDER BY year",
        list(keys),
    ).fetchall()


@pytest.mark.parametrize(("days", "is_exceeded"), [(18, False), (19, True)])
def test_so_many_days_may_be_above(connection: Connection, days: int, is_exceeded: bool) -> None:
    write_year(connection, "pm25", f"CASE WHEN d < {days} THEN 25.1 ELSE 9 END")
    assert judged(connection, "eu_2024_2881", "limit value", "pm25", "mean_24h") == [(25.1, days, 18, is_exceeded, None)]
    assert judged(connection, "eu_2024_2881", "limit value", "pm25", "mean_year")[0][1:] == (None, None, False, None)


@pytest.mark.parametrize(("value", "is_exceeded"), [(10, False), (10.1, True)])
def test_a_limit_itself_is_kept(connection: Connection, value: float, is_exceeded: bool) -> None:
    write_year(connection, "pm25", str(value))
    assert judged(connection, "eu_2024_2881", "limit value", "pm25", "mean_year") == [(value, None, None, is_exceeded, None)]


@pytest.mark.parametrize(("days", "is_exceeded"), [(3, False), (4, True)])
def test_who_levels_hold_for_99_of_100_days(connection: Connection, days: int, is_exceeded: bool) -> None:
    write_year(connection, "pm25", f"CASE WHEN d < {days} THEN 16 ELSE 4 END")
    value = 16 if is_exceeded else 4
    assert judged(connection, "who_2021", "guideline", "pm25", "mean_24h") == [(value, days, 3, is_exceeded, None)]


def test_too_little_of_a_year_is_judged_only_where_more_could_not_help(connection: Connection) -> None:
    write_year(connection, "pm25", "CASE WHEN d < 10 THEN 26 ELSE 4 END")
    connection.execute("DELETE FROM hourly WHERE interval_start_at >= TIMESTAMPTZ '2025-06-01 00:00:00+00'")
    assert judged(connection, "eu_2024_2881", "limit value", "pm25", "mean_24h")[0][3:] == (None, "too_little_data")
    assert judged(connection, "eu_2024_2881", "limit value", "pm25", "mean_year")[0][3] is None
    assert judged(connection, "who_2021", "guideline", "pm25", "mean_24h")[0][3:] == (True, "too_little_data")


def test_hours_above_are_counted(connection: Connection) -> None:
    write_year(connection, "no2", "CASE WHEN d < 4 AND h = 8 THEN 201 ELSE 15 END")
    assert judged(connection, "eu_2024_2881", "limit value", "no2", "hour") == [(201, 4, 3, True, None)]
    assert judged(connection, "eu_until_2030", "limit value", "no2", "hour") == [(201, 4, 18, False, None)]


def test_ozone_is_counted_over_three_years_and_has_a_season(connection: Connection) -> None:
    write_year(connection, "o3", "CASE WHEN d % 365 < 30 AND d > 365 THEN 121 WHEN d % 365 < 150 THEN 50 ELSE 80 END", years=2)
    found = judged(connection, "eu_2024_2881", "target value", "o3", "max_8h")
    assert [row[1] for row in found] == [0, 29] and [row[3] for row in found] == [False, False]  # a mean of 14.5
    assert [row[4] for row in found] == ["mean_of_1_years", "mean_of_2_years"]
    season = judged(connection, "who_2021", "guideline", "o3", "peak_season")
    assert season[0][0] == pytest.approx(80) and season[0][3] is True  # July to December


def test_an_alert_needs_three_hours_in_a_row(connection: Connection) -> None:
    levels = [50.0, 210, 210, 50, 210, 210, 210, 150.5, 50]
    write_hours(connection, hours(levels, "no2"))
    threshold_episodes(connection, "hourly", table="found", thresholds="eu_2024_2881_thresholds", timezone="UTC")
    rows = connection.execute("SELECT level, hour(start_at), hour(end_at), periods, highest FROM found ORDER BY ALL").fetchall()
    assert rows == [("alert", 4, 7, 3, 210.0), ("information", 1, 3, 2, 210.0), ("information", 4, 8, 4, 210.0)]


def test_particles_are_judged_by_days(connection: Connection) -> None:
    write_hours(connection, hours([60.0] * 48 + [20.0] * 24))
    threshold_episodes(connection, "hourly", table="found", thresholds="eu_2024_2881_thresholds", timezone="UTC")
    rows = connection.execute("SELECT level, periods, threshold, index_version FROM found ORDER BY ALL").fetchall()
    assert rows == [("alert", 2, 50.0, "2024/2881"), ("information", 2, 50.0, "2024/2881")]
