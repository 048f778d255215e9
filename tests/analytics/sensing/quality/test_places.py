"""Climatology and neighbours, which compare with other hours and other places."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytics.lake import memory
from analytics.sensing.judge import judge_readings
from analytics.sensing.options import JudgeOptions


def judged(query: str, columns: str, timezone: str = "UTC", **params: Any) -> list[tuple[Any, ...]]:
    with memory() as connection:
        connection.execute(f"CREATE TABLE received AS {query}")
        judge_readings(connection, "received", table="judged", timezone=timezone, options=JudgeOptions(**params))
        return connection.execute(f"SELECT {columns} FROM judged ORDER BY source_row").fetchall()


HOURS = (
    "SELECT i + 1 AS source_row, 'a' AS site_id, 'pm25' AS observed_property, TIMESTAMPTZ '2026-06-30T20:00:00Z' + to_hours(i) "
    "AS interval_start_at, [5, 5, 30, 90, NULL, 5][i + 1] AS value, 'ug/m3' AS unit FROM range(6) r(i)"
)


def test_the_last_span_of_the_local_month_and_hour_decides() -> None:
    spans = [{"suspect": [0, 50], "fail": [0, 80]}, {"months": [7, 7], "hours": [23, 0], "suspect": [10, 20]}]
    climatology = {"pm25": {"climatology": {"spans": spans}}}
    assert [row[0] for row in judged(HOURS, "climatology", thresholds=climatology)] == [1, 1, 1, 4, 9, 1]
    # in Auckland it is 08:00 of 1 July there; nothing is between 23:00 and 00:59
    auckland = judged(HOURS, "climatology", timezone="Pacific/Auckland", thresholds=climatology)
    assert [row[0] for row in auckland] == [1, 1, 1, 4, 9, 1]
    # in Helsinki it is 23:00 of 30 June, then 00:00 of 1 July
    helsinki = judged(HOURS, "climatology", timezone="Europe/Helsinki", thresholds=climatology)
    assert [row[0] for row in helsinki] == [1, 3, 1, 4, 9, 1]


def test_an_outlier_among_neighbours_is_suspect_and_no_more() -> None:
    values = np.array([[10.0, 11.0, 12.0, 13.0, 60.0], [10.0, 11.0, 12.0, 13.0, 14.0]])
    rows = " UNION ALL ".join(
        f"SELECT {hour * 5 + site + 1} AS source_row, 's{site}' AS site_id, 'pm25' AS observed_property, "
        f"TIMESTAMPTZ '2026-01-01T0{hour}:00:00Z' AS interval_start_at, {value}::DOUBLE AS value, 'ug/m3' AS unit"
        for (hour, site), value in np.ndenumerate(values)
    )
    expected = []
    for row in values:
        for site, value in enumerate(row):
            others = np.delete(row, site)
            deviation = np.median(abs(others - np.median(others)))
            expected.append(3 if abs(value - np.median(others)) > max(4 * 1.4826 * deviation, 5) else 1)
    assert expected == [1, 1, 1, 1, 3, 1, 1, 1, 1, 1]
    places = {f"s{site}": [60.0, 24.0 + site / 100] for site in range(5)}
    assert [row[0] for row in judged(rows, "neighbour", coordinates=places)] == expected
    assert [row[0] for row in judged(rows, "neighbour", groups={"street": list(places)})] == expected
    assert {row[0] for row in judged(rows, "neighbour", groups={"street": ["s0", "s1", "s4"]})} == {2}
