import itertools
import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import charts
from dashboards.language import LANGUAGES, words


def week(day, *, after=False):
    figures = {"treated": 1500.0, "counterfactual": 1400.0, "lower": 900.0, "upper": 2500.0}
    return {"period_start": day, "is_after": after, **figures}


START = date(2019, 2, 4)
WEEKS = [week(START + timedelta(weeks=n)) for n in range(3)] + [
    week(date(2023, 2, 6) + timedelta(weeks=n), after=True) for n in (0, 1, 9)
]


def values(chart):
    """All values that are written into a chart, and nothing that is fetched."""
    document = chart.to_dict()
    assert "url" not in json.dumps({key: value for key, value in document.items() if key != "$schema"})
    return [row for rows in document.get("datasets", {}).values() for row in rows] or [
        row for layer in [document, *document.get("layer", [])] for row in layer.get("data", {}).get("values", [])
    ]


def test_a_break_ends_a_stretch():
    assert [len(part) for part in charts.parts(WEEKS)] == [3, 2, 1]


@given(st.lists(st.integers(1, 60), max_size=30))
def test_stretches_keep_every_week_in_order(gaps):
    days = [START]
    for gap in gaps:
        days.append(days[-1] + timedelta(days=gap))
    rows = [week(day) for day in days]
    stretches = charts.parts(rows)
    assert [row for part in stretches for row in part] == rows
    for part in stretches:
        assert all((b["period_start"] - a["period_start"]).days <= charts.GAP_DAYS for a, b in itertools.pairwise(part))


@pytest.mark.parametrize("code", LANGUAGES)
def test_weeks_of_different_stretches_are_not_connected(code):
    points = [row for row in values(charts.over_time(WEEKS, words(code))) if "part" in row]
    assert {(row["part"], row["after"]) for row in points} == {(0, False), (1, True), (2, True)}
    lines = [
        layer for layer in charts.over_time(WEEKS, words(code)).to_dict()["layer"] if layer["mark"]["type"] in ("line", "area")
    ]
    assert len(lines) == 2 and all(layer["encoding"]["detail"]["field"] == "part" for layer in lines)


def test_years_between_periods_take_no_room():
    points = [row["x"] for row in values(charts.over_time(WEEKS, words("en"))) if "part" in row]
    assert max(points) < 20


def test_an_interval_says_its_figures():
    rows = [charts.Band("Own", 0.08, -0.42, 1.02), charts.Band("Other", 0.1, -0.2, 0.4, "other")]
    said = charts.summary(rows, words("en"))
    assert said == "Own: +8%, \N{MINUS SIGN}42% to +102%; Other: +10%, \N{MINUS SIGN}20% to +40%"
    drawn = [row for row in values(charts.intervals(rows, words("en"))) if "name" in row]
    assert [row["kind"] for row in drawn] == ["own", "other"]


def test_a_withheld_count_is_not_drawn_as_zero():
    counts = [
        {"line": "west", "start": "12:00", "crossings": 20, "suppressed": False},
        {"line": "west", "start": "12:01", "crossings": None, "suppressed": True},
        {"line": "west", "start": "12:02", "crossings": None, "suppressed": False},
    ]
    drawn = {row["start"]: row for row in values(charts.columns(counts, words("en")))}
    assert drawn["12:01"]["height"] is None and drawn["12:01"]["mark"] == "?"
    assert drawn["12:01"]["said"] == "withheld (small)"
    assert drawn["12:02"]["said"] == "not measured"


def test_bars_and_shares_hold_their_values():
    assert [row["value"] for row in values(charts.bars([("a", 5), ("b", 2)], words("en")))] == [5, 2]
    drawn = values(charts.shares([{"start": "12:00", "uptime": 0.5}], words("fr")))
    assert drawn[0]["uptime"] == 0.5 and drawn[0]["said"].startswith("50")


def test_the_table_has_no_interval_before_the_change():
    rows = charts.weeks_table(WEEKS)
    assert rows[0]["lower"] is None and rows[-1]["upper"] == 2500.0
    assert rows[0]["week"] == "2019-02-04"
