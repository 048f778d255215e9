"""Batches hold whole sites, each once, and change nothing."""

from __future__ import annotations

from functools import partial

import pytest

from analytics.lake import memory
from analytics.sensing.indices import aqi, batches
from analytics.sensing.indices.batches import site_batches
from tests.analytics.sensing.indices.hours import hours, write_hours


def test_batches_hold_whole_sites_in_order() -> None:
    with memory() as connection:
        write_hours(
            connection, [row for site, n in (("c", 3), ("a", 2), ("b", 9), ("d", 1)) for row in hours([1.0] * n, site=site)]
        )
        seen = []
        for number, write in enumerate(site_batches(connection, "hourly", table="batch", rows=4)):
            assert write.startswith("INSERT" if number else "CREATE")
            seen.append(connection.execute("SELECT site_id, count(*) FROM batch GROUP BY ALL ORDER BY ALL").fetchall())
        assert seen == [[("a", 2), ("b", 9)], [("c", 3)], [("d", 1)]]
        write_hours(connection, [])
        assert [write.split()[0] for write in site_batches(connection, "hourly", table="batch")] == ["CREATE"]


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    with memory() as connection:
        write_hours(connection, [row for n in range(5) for row in hours([float(n * 9)] * 30, site=f"s{n}")])
        for rows in (10**6, 40):
            monkeypatch.setattr(aqi, "site_batches", partial(batches.site_batches, rows=rows))
            aqi.air_quality_index(connection, "hourly", table="found", index="us_nowcast_2024", timezone="UTC")
            found.append(connection.execute("FROM found").fetchall())
    assert found[0] == found[1] and len(found[0]) == 5 * 30 * 2
