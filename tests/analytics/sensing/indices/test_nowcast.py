"""The NowCast holds METHODS' golden values and agrees with EPA's words on any hours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.lake import Connection, memory
from analytics.sensing.indices.aqi import air_quality_index
from tests.analytics.sensing.indices.hours import hours, write_hours


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with memory() as one:
        yield one


def cast(connection: Connection, newest_first: list[float | None], observed: str = "pm25", unit: str = "ug/m3") -> tuple:
    """Value, index and flags of the newest hour."""
    newest_last = newest_first[::-1]
    rows = [*hours(newest_last, observed, unit), *hours([*[None] * (len(newest_last) - 1), 1.0], "pm10", site="clock")]
    write_hours(connection, rows)
    air_quality_index(connection, "hourly", table="found", index="us_nowcast_2024", timezone="UTC")
    found = connection.execute(
        "SELECT value, index_value, flags FROM found WHERE site_id = 'a' AND observed_property = ? "
        "AND interval_start_at = (SELECT max(interval_start_at) FROM hourly)",
        [observed],
    ).fetchone()
    return found or (None, None, None)


@pytest.mark.parametrize(
    ("newest_first", "expected"),  # METHODS section 10
    [
        ([13, 16, 10, 21, 74, 64, 53, 82, 90, 75, 80, 50], 17.4),  # 17.41
        ([50, 40, 30, *[20] * 9], 41.2),  # 41.255
        ([None, 16, 10, *[20] * 9], 15.4),  # 15.498
        ([None, None, 10, *[20] * 9], None),
    ],
)
def test_golden_values(connection: Connection, newest_first: list[float | None], expected: float | None) -> None:
    assert cast(connection, newest_first)[0] == expected


def test_untruncated_golden_value_is_not_far(connection: Connection) -> None:
    """41.255 and 17.41, by hours a thousand times as high, which PM10 truncates to whole numbers."""
    assert cast(connection, [n * 1000 for n in (50, 40, 30, *[20] * 9)], "pm10")[0] == pytest.approx(41_255, abs=1)
    assert cast(connection, [n * 1000 for n in (13, 16, 10, 21, 74, 64, 53, 82, 90, 75, 80, 50)], "pm10")[0] // 10 == 1741


def by_the_words(newest_first: list[int | None]) -> float | None:
    """EPA's rule in plain Python; independent of the code under test."""
    if sum(value is not None for value in newest_first[:3]) < 2:
        return None
    known = [(n, value) for n, value in enumerate(newest_first[:12]) if value is not None]
    values = [value for _, value in known]
    weight = 1.0 if max(values) == 0 else max(0.5, min(values) / max(values))
    return sum(weight**n * value for n, value in known) / sum(weight**n for n, _ in known)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(newest_first=st.lists(st.one_of(st.none(), st.integers(0, 400)), min_size=1, max_size=14))
def test_any_hours_follow_the_published_rule(connection: Connection, newest_first: list[int | None]) -> None:
    value, index, _ = cast(connection, newest_first)  # type: ignore[arg-type]
    expected = by_the_words(newest_first)
    assert (value is None) == (index is None) == (expected is None)
    if expected is not None:
        assert value <= expected + 1e-9 and value > expected - 0.1 - 1e-9


def test_constant_hours_are_their_own_nowcast(connection: Connection) -> None:
    assert cast(connection, [9.1] * 12)[:2] == (9.1, 51)  # binary fractions would truncate to 9.0


def test_zeros_and_negative_hours_are_clean_air(connection: Connection) -> None:
    assert cast(connection, [0.0] * 12)[:2] == (0, 0)
    assert cast(connection, [-3.0] * 12)[:2] == (0, 0)


def test_ozone_is_a_labelled_surrogate(connection: Connection) -> None:
    assert cast(connection, [0.07] * 8, "o3", "ppm") == (0.07, 100, "surrogate")
    value, _, flags = cast(connection, [0.08, 0.0, 0.0, 0.0], "o3", "ppm")  # no floor: the newest hour has all the weight
    assert (value, flags) == (0.08, "surrogate")
