"""The lake is compacted beside the following of streams, at the end of each day."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from analytics.lake import QueryError
from flows import compact as beside
from flows.compact import AFTER_S, compacted_daily, left_of_day_s
from tests.analytics.test_compaction import MANY, append, files, held
from tests.analytics.test_lake import lake


def days(*lengths_s: float):
    """Lengths of days: these, and then one that lasts."""
    given = iter(lengths_s)
    return lambda _: next(given, 3600.0)


def test_a_closed_day_is_compacted_while_intervals_go_on(tmp_path):
    connection, told, done = lake(tmp_path), [], threading.Event()

    def progress(text: str) -> None:
        told.append(text)
        done.set()

    for minute in range(3):
        append(connection, minute, MANY)
    with compacted_daily(connection, progress, wait_s=days(0.0)):
        append(connection, 3, MANY)
        assert done.wait(60)
    assert told[0].startswith("lake: ") and "files merged, 0 files removed" in told[0]
    assert held(connection)[0] == held(connection)[1] == (4 * MANY, 4, MANY * 6)
    merged = connection.execute("SELECT sum(file_count) FROM ducklake_table_info('lake')").fetchone()[0]
    assert merged < files(tmp_path)
    assert not [thread for thread in threading.enumerate() if thread.name == "compaction"]
    connection.close()


def test_a_compaction_that_fails_ends_nothing_and_is_tried_again(tmp_path, monkeypatch):
    connection, told, tried, again = lake(tmp_path), [], [], threading.Event()

    def broken(*_: object) -> None:
        tried.append(1)
        if len(tried) == 2:
            again.set()
        raise QueryError("the disk is full\nand more")

    monkeypatch.setattr(beside, "compact", broken)
    with compacted_daily(connection, told.append, wait_s=days(0.0, 0.0)):
        assert again.wait(60)
        append(connection, 0, MANY)
    assert told[0] == "lake: not compacted today: the disk is full"
    connection.close()


@pytest.mark.parametrize(
    ("hour", "minute", "second", "left_s"), [(0, 0, 0, AFTER_S), (0, 0, AFTER_S, 86400), (12, 0, 0, 43200 + AFTER_S)]
)
def test_a_day_is_over_shortly_after_midnight(hour, minute, second, left_s):
    assert left_of_day_s(datetime(2026, 3, 1, hour, minute, int(second), tzinfo=UTC)) == left_s
