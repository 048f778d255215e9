"""Compaction: few files for many intervals, the same rows for every reader, whatever happens meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analytics import compaction
from analytics.compaction import compact
from analytics.lake import append_live, publish
from tests.analytics.test_lake import lake, row

INTERVALS = 6
HOURS = timedelta(hours=2)
FEW, MANY = 4, 12  # rows of one interval: DuckLake keeps fewer than ten in the catalog and writes a file for more


def append(connection, minute: int, rows: int) -> None:
    """One closed interval, as a followed stream leaves it."""
    came = (
        "(SELECT 'plaza' AS site_id, 'line' || r AS line, 'north' AS direction, 'any' AS road_user, "
        f"TIMESTAMPTZ '2026-01-01 00:00:00Z' + INTERVAL {minute} MINUTE AS interval_start_at, 60 AS interval_s, "
        f"{minute} AS crossings, 1.0 AS uptime FROM range({rows}) t(r))"
    )
    refused = "SELECT 'c' AS contract, '1' AS version, 1 AS source_row, [] AS rules, [] AS reasons, '{}' AS row WHERE false"
    assert append_live(connection, "p", 0, came=came, accepted=came, refused=refused)


def held(connection) -> list[tuple]:
    """What a reader sees of both tables."""
    return [
        connection.execute(f"SELECT count(*), count(DISTINCT interval_start_at), sum(crossings) FROM lake.{name}").fetchone()
        for name in ("live_counts", "counts_by_interval")
    ]


def files(folder: Path) -> int:
    return len(list((folder / "files").rglob("*.parquet")))


def snapshots(connection) -> int:
    return connection.execute("SELECT count(*) FROM ducklake_snapshots('lake')").fetchone()[0]


@pytest.mark.parametrize("rows", [FEW, MANY])
def test_many_intervals_become_one_file_of_each_table_and_every_row_stays(tmp_path, rows):
    connection = lake(tmp_path)
    for minute in range(INTERVALS):
        append(connection, minute, rows)
    before, now = held(connection), datetime.now(UTC)
    assert before[0] == (INTERVALS * rows, INTERVALS, rows * sum(range(INTERVALS)))
    assert files(tmp_path) == (0 if rows == FEW else 2 * INTERVALS)
    first = compact(connection, now)
    assert (first.rows, first.merged) == ((2 * INTERVALS * rows, 0) if rows == FEW else (0, 2 * INTERVALS))
    assert (first.removed, first.expired) == (0, 0)  # someone may be reading them
    assert held(connection) == before
    append(connection, INTERVALS, rows)
    later = compact(connection, now + HOURS)
    assert later.expired >= INTERVALS
    compact(connection, now + 2 * HOURS)
    assert files(tmp_path) == 2
    assert snapshots(connection) <= 4
    assert held(connection)[0][:2] == ((INTERVALS + 1) * rows, INTERVALS + 1)
    connection.close()


def test_nothing_to_do_writes_nothing(tmp_path):
    connection = lake(tmp_path)
    append(connection, 0, MANY)
    compact(connection, datetime.now(UTC) + HOURS)
    known = snapshots(connection)
    again = compact(connection, datetime.now(UTC) + HOURS)
    assert (again.rows, again.merged) == (0, 0)
    assert snapshots(connection) <= known
    connection.close()


def test_the_snapshots_of_runs_stay_and_show_what_they_showed(tmp_path):
    connection = lake(tmp_path)
    runs = []
    for minute, run_id in enumerate("ab"):
        append(connection, minute, MANY)
        connection.execute("CREATE OR REPLACE TEMP TABLE judged AS SELECT * EXCLUDE (pilot_id, feed) FROM lake.live_counts")
        runs.append(publish(connection, row(run_id), {"counts_by_interval": "FROM judged"}))
    query = "SELECT count(*), any_value(run_id), sum(crossings) FROM lake.counts_by_interval AT (VERSION => {})"
    before = [connection.execute(query.format(run)).fetchone() for run in runs]
    for hours in (2, 4, 6):
        compact(connection, datetime.now(UTC) + timedelta(hours=hours))
    assert [connection.execute(query.format(run)).fetchone() for run in runs] == before
    assert [one[:2] for one in before] == [(MANY, "a"), (2 * MANY, "b")]
    connection.close()


def test_intervals_that_close_meanwhile_are_neither_lost_nor_doubled(tmp_path):
    connection = lake(tmp_path)
    for minute in range(INTERVALS):
        append(connection, minute, MANY if minute % 2 else FEW)
    over = threading.Event()

    def follow() -> None:
        with lake(tmp_path) as own:
            for minute in range(INTERVALS, 3 * INTERVALS):
                append(own, minute, MANY if minute % 2 else FEW)
        over.set()

    thread = threading.Thread(target=follow)
    thread.start()
    rounds = 0
    while not over.is_set() or rounds < 2:
        compact(connection, datetime.now(UTC) + rounds * HOURS)
        rounds += 1
    thread.join()
    minutes = 3 * INTERVALS
    assert held(connection)[0][:2] == (minutes // 2 * (MANY + FEW), minutes)
    assert held(connection)[0] == held(connection)[1]
    connection.close()


def _compact_and_die(folder: str, step: int) -> None:
    """Compact, and end without a word before the step of that number is committed."""
    connection = lake(Path(folder))
    done = [0]
    whole = compaction.transaction

    class Dying:
        def __init__(self, given) -> None:
            self.inner = whole(given)

        def __enter__(self) -> None:
            self.inner.__enter__()

        def __exit__(self, *error) -> None:
            done[0] += 1
            if done[0] == step:
                os._exit(9)  # its files are written, its transaction is not committed
            self.inner.__exit__(*error)

    compaction.transaction = Dying
    compact(connection, datetime.now(UTC) + HOURS)
    os._exit(0)


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_compaction_that_is_killed_loses_nothing_and_the_next_one_does_it(tmp_path, step):
    connection = lake(tmp_path)
    for minute in range(INTERVALS):
        append(connection, minute, MANY if minute % 2 else FEW)
    before = held(connection)
    connection.close()
    process = multiprocessing.get_context("spawn").Process(target=_compact_and_die, args=(str(tmp_path), step))
    process.start()
    process.join()
    assert process.exitcode == 9
    connection = lake(tmp_path)
    assert held(connection) == before
    compact(connection, datetime.now(UTC) + HOURS)
    assert held(connection) == before
    known = connection.execute("SELECT sum(file_count) FROM ducklake_table_info('lake')").fetchone()
    assert known == (2,)
    connection.close()
