"""Open data keep their small counts from everything else that is published of the same rows."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from analytics.lake import Connection, memory, open_lake
from experiments.pilot import Pilot
from flows import publish
from flows.open_data import aggregate, open_data, open_data_terms
from tests.flows.conftest import pilot_document

PILOT = Pilot.model_validate(pilot_document(Path("counts.csv")))
TERMS = open_data_terms(PILOT)
NOW = "2026-11-21T00:00:00+00:00"
FIRST = date(2024, 1, 1)  # a Monday
COLUMNS = "site_id, road_user, interval_start_at, crossings, coverage, flags"


def write(connection: Connection, folder: Path, quiet: dict[int, int], coverage: dict[int, float] | None = None) -> None:
    """Three weeks of one site: 480 people a day; on `quiet` days so many at noon and nobody else."""
    values = ", ".join(f"({day}, {count})" for day, count in quiet.items())
    shares = ", ".join(f"({day}, {share})" for day, share in (coverage or {-1: 1.0}).items())
    folder.mkdir()
    connection.execute(
        f"COPY (SELECT 'mill_lane' AS site_id, 'pedestrian' AS road_user, "
        f"TIMESTAMPTZ '{FIRST} 00:00:00Z' + INTERVAL (n) HOUR AS interval_start_at, "
        "CASE WHEN q.c IS NULL THEN 20 + n // 24 WHEN n % 24 = 12 THEN q.c ELSE 0 END::BIGINT AS crossings, "
        f"coalesce(s.c, 1.0)::DOUBLE AS coverage, NULL::VARCHAR AS flags FROM range({21 * 24}) t(n) "
        f"LEFT JOIN (VALUES {values}) q(d, c) ON q.d = n // 24 LEFT JOIN (VALUES {shares}) s(d, c) ON s.d = n // 24) "
        f"TO '{folder}/accepted.parquet' (FORMAT parquet)"
    )


def withheld(connection: Connection, result: Path, tmp_path: Path, **terms) -> list[int]:
    """Days of which the open data withhold the count."""
    key, cache = f"key_of_{result.name}", {"cache_folder": str(tmp_path / "cache")}
    leaving = open_data(str(result), "counts_hourly", **{**TERMS, **terms}, now=NOW, key=key, **cache)
    rows = connection.execute(
        f"SELECT date_diff('day', DATE '{FIRST}', period_start_at) FROM read_parquet('{leaving}/accepted.parquet') "
        "WHERE suppressed ORDER BY 1"
    ).fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("quiet", "coverage", "expected"),
    [
        ({9: 4}, {}, [7, 9]),  # the smallest of the same week beside it: the week's outcome would give it away
        ({9: 4, 10: 3}, {}, [7, 9, 10]),  # two that add up to less than may be published
        ({9: 6, 10: 8}, {}, [9, 10]),  # two that protect each other
        ({9: 4}, {7: 0.5}, [8, 9]),  # a day that is hardly measured is no part of the week's outcome, and protects nothing
        ({9: 4}, {9: 0.5}, [9]),  # nor can it be given away
    ],
)
def test_a_small_day_is_not_given_away_by_the_outcome_of_its_week(tmp_path, quiet, coverage, expected) -> None:
    with memory() as connection:
        write(connection, tmp_path / "result", quiet, coverage)
        assert withheld(connection, tmp_path / "result", tmp_path) == expected


def test_further_weeks_change_nothing_of_what_was_withheld(tmp_path) -> None:
    with memory() as connection:
        write(connection, tmp_path / "whole", {2: 4, 9: 4, 16: 4})
        (tmp_path / "first").mkdir()
        source = f"FROM read_parquet('{tmp_path}/whole/accepted.parquet')"
        two = f"{source} WHERE interval_start_at < TIMESTAMPTZ '2024-01-15 00:00:00Z'"
        connection.execute(f"COPY ({two}) TO '{tmp_path}/first/accepted.parquet' (FORMAT parquet)")
        assert withheld(connection, tmp_path / "first", tmp_path) == [0, 2, 7, 9]
        assert withheld(connection, tmp_path / "whole", tmp_path) == [0, 2, 7, 9, 14, 16]


def test_a_pilot_without_periods_has_open_data_all_the_same(tmp_path) -> None:
    with memory() as connection:
        write(connection, tmp_path / "result", {9: 4})
        assert withheld(connection, tmp_path / "result", tmp_path, days=[]) == [9]


def test_a_complement_that_was_shown_after_all_is_found_out(tmp_path) -> None:
    with memory() as connection:
        write(connection, tmp_path / "result", {9: 4})
        withheld(connection, tmp_path / "result", tmp_path)
    leaving = tmp_path / "cache" / "key_of_result" / "accepted.parquet"
    home = f"sqlite:{tmp_path / 'lake.sqlite'}"
    with open_lake(home, str(tmp_path / "files")) as connection:
        for name, file in (("counts_hourly", tmp_path / "result" / "accepted.parquet"), ("open_counts", leaving)):
            connection.execute(f"INSERT INTO lake.{name} BY NAME SELECT 'small' AS pilot_id, 'r' AS run_id, * FROM '{file}'")
        connection.execute("CREATE TEMP TABLE in_lake AS SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_counts")
        assert publish._is_made_anew(connection, PILOT, "r")
        # day 7 holds 24 x 27 people: shown and rightly rounded, it keeps every rule of the contract
        shown = (
            "UPDATE in_lake SET crossings = 650, suppressed = false WHERE period_start_at = TIMESTAMPTZ '2024-01-08 00:00:00Z'"
        )
        assert connection.execute(shown).fetchone() == (1,)
        assert not publish._is_made_anew(connection, PILOT, "r")
    shutil.rmtree(tmp_path / "files")


def test_short_intervals_grow_to_hours_that_the_hour_of_a_line_does_not_give_away(tmp_path) -> None:
    with memory() as connection:
        (tmp_path / "result").mkdir()
        connection.execute(
            "COPY (SELECT 'plaza' AS site_id, 'west' AS line, way AS direction, 'any' AS road_user, "
            "TIMESTAMPTZ '2024-01-01 12:00:00Z' AS interval_start_at, 60 AS interval_s, n::INTEGER AS crossings, 1.0 AS uptime "
            f"FROM (VALUES ('up', 4), ('down', 40), ('over', 80)) t(way, n)) TO '{tmp_path}/result/accepted.parquet'"
        )
        terms = {name: value for name, value in TERMS.items() if name != "small_count"}
        rows = f"read_parquet('{tmp_path}/result/accepted.parquet')"
        aggregate(connection, rows, "counts_by_interval", **terms, into="cells")
        assert connection.execute("SELECT count(*), sum(crossings), any_value(period_s) FROM cells").fetchone() == (
            3,
            124,
            3600,
        )
        options = {"now": NOW, "key": "k", "cache_folder": str(tmp_path / "cache")}
        leaving = open_data(str(tmp_path / "result"), "counts_by_interval", **TERMS, **options)
        query = f"SELECT direction, crossings FROM '{leaving}/accepted.parquet' ORDER BY crossings"
        assert connection.execute(query).fetchall() == [("over", 80), ("down", None), ("up", None)]
