"""The panel: only what was measured enough, and the same to the last digit however it is computed."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from analytics.lake import memory
from experiments.equity import benjamini_hochberg, by_hours
from experiments.outcome import panel
from experiments.pilot import load_pilot
from experiments.settings import ROOT

TEMPLATE = load_pilot(ROOT / "experiments" / "new_pilot.yaml")
BEFORE, AFTER = (date(2024, 1, 1), date(2024, 3, 31)), (date(2024, 4, 29), date(2024, 7, 28))


def pilot(**changes):
    return TEMPLATE.model_copy(update={"before": (BEFORE,), "after": (AFTER,), "timezone": "Europe/London", **changes})


def fill(connection, rows_of):
    """Hourly counts of three sites, 100 an hour unless `rows_of(site, hour number)` says otherwise (None: no row)."""
    connection.execute(
        "CREATE TABLE counts (site_id VARCHAR, road_user VARCHAR, interval_start_at TIMESTAMPTZ, crossings BIGINT, "
        "coverage DOUBLE)"
    )
    hours = (AFTER[1] - BEFORE[0] + timedelta(days=1)).days * 24
    for site in ("mill_lane", "oak_road", "park_avenue"):
        values = [rows_of(site, i) for i in range(hours)]
        connection.execute(
            "INSERT INTO counts SELECT ?, 'pedestrian', TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_hours(i), v, 1.0 FROM "
            "(SELECT unnest(?) AS i, unnest(?) AS v) WHERE v IS NOT NULL",
            [site, list(range(hours)), values],
        )


def test_whole_days_have_whole_totals_also_when_the_clock_changes():
    with memory() as connection:
        fill(connection, lambda _site, _i: 100)
        found = panel(connection, "counts", pilot(before=((date(2024, 1, 1), date(2024, 4, 7)),)))
        assert all(site.is_used and site.coverage == 1 for site in found.sites)
        # the week of 31 March has a day of 23 hours
        assert sorted(set(found.treated.round(6))) == [pytest.approx(2400 - 100 / 7), 2400.0]
        assert found.weeks_dropped == 0


def test_a_day_with_missing_hours_is_scaled_or_left_out():
    with memory() as connection:
        fill(connection, lambda site, i: None if site == "mill_lane" and i // 24 == 10 and i % 24 < 2 else 100)
        assert set(panel(connection, "counts", pilot(timezone="UTC")).treated.round(6)) == {2400.0}
    with memory() as connection:
        fill(connection, lambda site, i: (1 if i % 24 < 12 else None) if site == "mill_lane" and i // 24 == 10 else 100)
        assert set(panel(connection, "counts", pilot(timezone="UTC")).treated.round(6)) == {2400.0}  # half a day is not a day


def test_a_site_measured_too_seldom_is_not_used_and_the_reason_is_said():
    with memory() as connection:
        fill(connection, lambda site, i: None if site == "oak_road" and i // 24 % 3 == 0 else 100)
        found = panel(connection, "counts", pilot())
        lost = next(site for site in found.sites if site.site_id == "oak_road")
        assert not lost.is_used and lost.coverage < 0.75
        assert "at least 75% is needed" in lost.reason
        assert found.control_ids == ("park_avenue",)


def test_without_any_treated_site_there_is_no_panel():
    with memory() as connection:
        fill(connection, lambda site, _i: None if site == "mill_lane" else 100)
        found = panel(connection, "counts", pilot())
        assert len(found.treated) == 0
        assert found.sites[0].reason == "no accepted row at all"


def test_a_week_that_one_used_site_misses_is_dropped_for_all():
    with memory() as connection:
        fill(connection, lambda site, i: None if site == "oak_road" and 28 <= i // 24 < 35 else 100)
        found = panel(connection, "counts", pilot())
        assert found.weeks_dropped == 1
        assert np.datetime64("2024-01-29") not in found.weeks
        assert len(found.treated) == len(found.controls) == len(found.weeks)


def test_figures_do_not_depend_on_the_order_of_rows_or_on_threads():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 500, size=(3, 300 * 24)).tolist()
    names = ("mill_lane", "oak_road", "park_avenue")
    results = []
    for order, threads in (("i", 1), ("hash(i)", 2), ("-i", 4)):
        with memory() as connection:
            connection.execute(f"SET threads = {threads}")
            fill(connection, lambda site, i: values[names.index(site)][i])
            numbered = "SELECT *, row_number() OVER () AS i FROM counts"
            connection.execute(f"CREATE TABLE mixed AS SELECT * FROM ({numbered}) ORDER BY {order}")
            results.append(panel(connection, "mixed", pilot()))
    assert all((r.treated == results[0].treated).all() and (r.controls == results[0].controls).all() for r in results)


def test_groups_of_hours_show_who_gains():
    def flow(site: str, i: int) -> int:
        night = i % 24 >= 20 or i % 24 < 6
        after = i // 24 >= 119
        wave = 100 + (i // 24 // 7) % 5 + (7 if site == "oak_road" else 0)
        return wave * 2 if site == "mill_lane" and night and after else wave

    with memory() as connection:
        fill(connection, flow)
        day, night = by_hours(connection, "counts", pilot(timezone="UTC"))
        assert abs(day.relative) < 0.02
        assert night.relative == pytest.approx(1.0, abs=0.02)
        assert day.share + night.share == pytest.approx(1)


def test_a_group_that_was_not_measured_is_none_not_zero():
    with memory() as connection:
        fill(connection, lambda _site, i: 100 if 6 <= i % 24 < 20 else None)
        day, night = by_hours(connection, "counts", pilot(timezone="UTC"))
        assert day.relative == pytest.approx(0.0, abs=1e-9)
        assert (night.relative, night.p_adjusted) == (None, None)


def test_benjamini_hochberg_agrees_with_its_definition():
    # Benjamini and Hochberg (1995), the example of their section 3.1: at q = 0.05 the first four are rejected
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    adjusted = benjamini_hochberg({f"h{i}": value for i, value in enumerate(p)})
    assert [name for name, value in adjusted.items() if value <= 0.05] == ["h0", "h1", "h2", "h3"]
