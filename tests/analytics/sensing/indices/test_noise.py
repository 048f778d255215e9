"""Noise indicators hold METHODS' golden values, average energy and never decibels, and say what they stand on."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.lake import Connection, memory
from analytics.sensing.indices.noise import noise_indicators
from analytics.sensing.readings import SourceError
from tests.analytics.sensing.indices.hours import hours, write_hours


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with memory() as one:
        yield one


def day_of(levels: tuple[float, float, float]) -> list[float | None]:
    """Hours from midnight of two days, of which the first acoustic day from 07:00 has these levels in its three periods."""
    day, evening, night = levels
    return [*[None] * 7, *[day] * 12, *[evening] * 4, *[night] * 8]


def indicators(connection: Connection, levels: list[float | None], period: str = "day", **periods: object) -> dict[str, tuple]:
    write_hours(connection, hours(levels, "noise_laeq", "dBA"))
    noise_indicators(connection, "hourly", table="found", timezone="UTC", **periods)
    return {
        row[0]: row[1:]
        for row in connection.execute(
            "SELECT indicator, value, name, coverage, band, is_above_guideline, flags FROM found WHERE period = ?", [period]
        ).fetchall()
    }


@pytest.mark.parametrize(
    ("levels", "lden"),
    [((65, 60, 55), 65.000), ((60, 60, 60), 66.395), ((65, 63, 57), 66.338)],  # METHODS section 10
)
def test_golden_values(connection: Connection, levels: tuple[float, float, float], lden: float) -> None:
    found = indicators(connection, day_of(levels))
    assert found["lden"][0] == pytest.approx(lden, abs=5e-4)
    assert [found[name][0] for name in ("lday", "levening", "lnight")] == pytest.approx(levels)
    assert found["lden"][1:3] == ("Lden (period)", 1.0)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(levels=st.lists(st.floats(30, 100), min_size=24, max_size=24))
def test_any_day_follows_the_directive(connection: Connection, levels: list[float]) -> None:
    found = indicators(connection, [*[None] * 7, *levels])
    energy = [10 ** (level / 10) for level in levels]
    assert found["laeq"][0] == pytest.approx(10 * math.log10(sum(energy) / 24))
    weighted = sum(energy[:12]) + sum(energy[12:16]) * 10**0.5 + sum(energy[16:]) * 10
    assert found["lden"][0] == pytest.approx(10 * math.log10(weighted / 24))
    assert found["laeq"][0] >= sum(levels) / 24 - 1e-9  # an energy mean is never below the mean of decibels


def test_a_member_state_may_shift_and_shorten_the_evening(connection: Connection) -> None:
    levels = [*[None] * 6, *[65.0] * 14, *[60.0] * 2, *[55.0] * 8]  # 06-20, 20-22, 22-06
    found = indicators(connection, levels, day_starts_at_hour=6, evening_starts_at_hour=20, night_starts_at_hour=22)
    assert found["lden"][0] == pytest.approx(65.0) and found["lden"][2] == 1.0
    with pytest.raises(SourceError, match="noise periods from 7, 18 and 23 o'clock were found; expected an evening of 2 to 4"):
        indicators(connection, levels, evening_starts_at_hour=18)


def test_a_night_belongs_to_the_day_on_which_it_begins(connection: Connection) -> None:
    found = indicators(connection, [40.0] * 7)  # 00 to 07 of 2 March: 7 of the 8 hours of the night of 1 March
    assert found["lnight"][0] == pytest.approx(40) and found["lnight"][2] == pytest.approx(7 / 8)
    assert connection.execute("SELECT DISTINCT day(interval_start_at) FROM found").fetchall() == [(1,)]
    assert found["lden"][0] is None and found["lden"][5] == "too_little_data"  # no day, no evening


def test_a_year_is_named_lden_and_banded(connection: Connection) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE year AS SELECT 'a' AS site_id, 'noise_laeq' AS observed_property, interval_start_at, "
        "60.0 AS value, 1.0 AS coverage, '' AS flags FROM range(TIMESTAMPTZ '2025-01-01 07:00:00+00', "
        "TIMESTAMPTZ '2026-01-01 07:00:00+00', INTERVAL 1 HOUR) t(interval_start_at)"
    )
    noise_indicators(connection, "year", table="found", timezone="UTC")
    query = "SELECT name, round(value, 3), band, is_above_guideline, flags FROM found WHERE period = 'year' AND indicator = ?"
    assert connection.execute(query, ["lden"]).fetchone() == ("Lden", 66.395, "65-69", True, "unverified_rule")
    assert connection.execute(query, ["lnight"]).fetchone() == ("Lnight", 60, "60-64", True, "unverified_rule")
    connection.execute("DELETE FROM year WHERE interval_start_at >= TIMESTAMPTZ '2025-12-31 07:00:00+00'")
    noise_indicators(connection, "year", table="found", timezone="UTC")
    assert connection.execute(query, ["lden"]).fetchone()[0] == "Lden (period)"


def seconds(connection: Connection, levels: list[float], flags: str | None = None) -> dict[str, float | None]:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE seconds AS SELECT 'a' AS site_id, 'noise_laeq' AS observed_property, "
        "TIMESTAMPTZ '2026-03-02 07:00:00+00' + to_seconds(n) AS interval_start_at, 1.0 AS interval_s, level AS value, "
        "1.0 AS coverage, 1 AS qc, ? AS flags FROM (SELECT unnest(?) AS level, generate_subscripts(?, 1) - 1 AS n)",
        [flags, levels, levels],
    )
    noise_indicators(connection, "seconds", table="found", timezone="UTC")
    return dict(connection.execute("SELECT indicator, value FROM found WHERE period = 'day'").fetchall())


def test_l10_is_exceeded_for_a_tenth_of_the_time(connection: Connection) -> None:
    found = seconds(connection, [40 + (n % 1001) / 50 for n in range(86_400)])  # 40 to 60 dB, evenly
    assert [found[name] for name in ("l10", "l50", "l90", "noise_climate")] == pytest.approx([58, 50, 42, 16], abs=0.05)
    assert found["l10"] > found["l50"] > found["l90"]  # type: ignore[operator]


def test_an_event_is_loud_for_three_seconds(connection: Connection) -> None:
    levels = [45.0] * 86_400
    for start, length in ((100, 2), (200, 3), (3599, 4), (9000, 40)):
        levels[start : start + length] = [61.0] * length
    levels[20_000:20_010] = [59.9] * 10
    assert seconds(connection, levels)["events"] == 3


def test_hours_tell_no_share_of_time(connection: Connection) -> None:
    found = indicators(connection, day_of((60, 60, 60)))
    assert found["l90"][0] is None and found["l90"][5] == "needs_1s_levels"


def test_failed_levels_are_left_out_and_other_properties_too(connection: Connection) -> None:
    seconds(connection, [50.0] * 10)
    connection.execute("UPDATE seconds SET qc = 4")
    noise_indicators(connection, "seconds", table="found", timezone="UTC")
    assert connection.execute("SELECT count(*) FROM found").fetchone() == (0,)
