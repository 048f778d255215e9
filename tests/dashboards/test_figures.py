"""Figures as pages read and word them: nothing withheld is shown, and what is missing says why."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from analytics.sensing.indices.tables import IndexTable, LimitsTable, ThresholdsTable, tables
from dashboards import figure_queries, figures
from dashboards.language import LANGUAGES, words

RUN, ZONE, NOW = "a" * 64, "Pacific/Auckland", datetime(2026, 1, 1, tzinfo=UTC)


def test_a_course_has_the_worst_newest_index_and_says_what_is_missing(snapshot):
    (course,) = figure_queries.courses(snapshot, RUN, ZONE)
    assert (course.index_id, course.version, course.is_of_site) == ("us_aqi_2024", "2024-05-06", True)
    assert len(course.days) == 3 and (course.without, course.periods, course.why) == (1, 4, {"too_little_data": 1})
    newest = figures.newest(course)
    assert newest is not None and (newest["site_id"], newest["index_value"], newest["day"]) == (
        "150_k_road",
        154,
        date(2025, 3, 3),
    )
    assert figures.told(newest, words("fr")) == "154 · Mauvais pour la santé"
    assert course.bands[0] == ("Good", "#00E400", 50)


def test_limits_are_told_with_what_is_allowed(snapshot):
    (row,) = figure_queries.limits(snapshot, RUN)
    assert (row["exceedances"], row["allowed"], row["exceeded"], row["worst_site"]) == (21, 3, 1, "150_k_road")
    assert figures.limit_words(row, words("en")) == ("Guideline: Fine particles (PM2.5), days above (24-hour mean), 15 µg/m³")
    assert figures.judged(row, words("es")) == "superado en 1 sitios"


def test_a_withheld_total_is_not_shown(snapshot):
    rows = figure_queries.totals(snapshot, RUN, ZONE, NOW)
    assert {row["day"] for row in rows if row["period"] == "week"} == {date(2025, 3, 3), date(2025, 3, 10)}
    told = [figures.total_row(row, words("en")) for row in rows]
    assert [one["Total"] for one in told] == ["10,000", "70,000", "withheld (small)", "too little measured"]
    assert told[1]["90% interval"] == "68,000 to 72,000"
    assert not figure_queries.totals(snapshot, RUN, ZONE, datetime(2036, 1, 1, tzinfo=UTC))  # older than the contract allows


def test_episodes_begin_and_end_by_the_local_clock(snapshot):
    (row,) = figure_queries.episodes(snapshot, RUN, ZONE)
    assert (row["start_at"].hour, row["end_at"].hour) == (0, 0) and figure_queries.has_checked(
        snapshot, RUN, "threshold_episodes"
    )
    assert not figure_queries.has_checked(snapshot, "b" * 64, "threshold_episodes")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_a_table_is_known(language):
    say = words(language)
    for name, table in tables().items():
        if isinstance(table, IndexTable):
            assert {f"band_{band.name}" for band in table.bands} <= say.texts.keys()
        if isinstance(table, LimitsTable | ThresholdsTable):
            rules = table.limits if isinstance(table, LimitsTable) else table.thresholds
            assert {f"statistic_{rule.statistic}" for rule in rules} | {
                f"level_{rule.level}" for rule in rules
            } <= say.texts.keys()
        if isinstance(table, IndexTable | LimitsTable | ThresholdsTable):
            assert f"table_{name}" in say.texts
