"""Every table loads, cites its source and says whether it was verified; faults are told in one line."""

from __future__ import annotations

from importlib.resources import files

import pytest

from analytics.sensing.indices.tables import (
    IndexTable,
    LimitsTable,
    QualityTable,
    ThresholdsTable,
    parse_table,
    table_of,
    tables,
)
from analytics.sensing.readings import SourceError

EAQI = files("analytics.sensing.indices").joinpath("tables", "eaqi_2024.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", tables())
def test_a_table_says_where_it_is_from(name: str) -> None:
    table = tables()[name]
    assert len(table.source) > 30 and table.version and table.effective_from.year >= 2002


def test_what_was_not_read_again_says_so() -> None:
    assert {name for name, one in tables().items() if not one.verified} == {"noise_end", "noise_who_2018"}
    unread = [one for one in table_of("us_aqi_2024", IndexTable).pollutants if not one.verified]
    assert [(one.observed_property, one.statistic) for one in unread] == [("o3", "max_8h_from_7"), ("so2", "mean_24h")]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[5, 15]", "[6, 15]", "pm25 hour has a band from 6 after one to 5; expected bands without a gap"),
        ("[15, 50], [50, 90]", "[15, 50], null", "pm25 hour has a gap"),
        (", [140, null]]", "]", "pm25 hour has 5 bounds; expected 6, one for each band"),
        ("period: hour", "period: week", "period is 'week'; expected"),
        ("verified: true", "verifeid: true", "verifeid is 'True'; expected"),
        ("unit: ug/m3", "unit: furlong", "unit 'furlong' of pm25 is unknown"),
        ("kind: index", "kind: indices", "found using 'kind'"),
        ("id: eaqi_2024", "id: eaqi", "id is 'eaqi'; expected 'eaqi_2024'"),
        ("bands:", "bands: [", "expected YAML"),
    ],
)
def test_a_fault_is_one_line(before: str, after: str, said: str) -> None:
    assert before in EAQI
    with pytest.raises(SourceError) as raised:
        parse_table(EAQI.replace(before, after, 1), "eaqi_2024.yaml")
    assert said in str(raised.value) and "\n" not in str(raised.value) and str(raised.value).startswith("eaqi_2024.yaml: ")


def test_numbers_of_the_tables() -> None:
    limits = {(one.observed_property, one.statistic, one.level): one for one in table_of("eu_2024_2881", LimitsTable).limits}
    assert limits["pm25", "mean_24h", "limit value"].allowed == 18
    now = {(one.observed_property, one.statistic): one for one in table_of("eu_until_2030", LimitsTable).limits}
    assert (now["pm10", "mean_24h"].allowed, now["no2", "mean_year"].above) == (35, 40)
    who = {(one.observed_property, one.statistic, one.level): one.above for one in table_of("who_2021", LimitsTable).limits}
    assert (who["so2", "mean_24h", "guideline"], who["pm25", "mean_year", "guideline"]) == (40, 5)
    alert = {(one.observed_property, one.level): one for one in table_of("eu_2024_2881_thresholds", ThresholdsTable).thresholds}
    assert (alert["no2", "alert"].above, alert["no2", "alert"].consecutive, alert["o3", "information"].above) == (200, 3, 180)
    assert table_of("eu_2024_2881_quality", QualityTable).coverage.fixed == 0.85
