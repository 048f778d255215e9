"""Compaction: what followed streams leave in small pieces becomes few files, while others read and write.

An interval of few rows stays in the lake's catalog, one of more rows is a file, and each is a snapshot: a month of minutes
would leave 43,200 of them. DuckLake merges them. Each step is one transaction of its own: whoever is killed leaves a lake
with the same rows, and at worst a merged file that no reader knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analytics.lake import LIVE, Connection, retry, transaction

LIVE_TABLES = ("live_counts", "live_readings", "counts_by_interval", "quarantine")
"""The tables that get rows whenever an interval closes or a batch of readings comes."""
KEPT_S = 3600.0
"""Snapshots of intervals, and files that were merged, stay at least so long: whoever reads them has finished by then. [s]"""


@dataclass(frozen=True)
class Compacted:
    """What a compaction did.

    Attributes:
        rows: Rows written from the catalog to files.
        merged: Files merged into others.
        removed: Files removed that had been merged earlier.
        expired: Snapshots of single intervals that can no longer be looked at.
    """

    rows: int
    merged: int
    removed: int
    expired: int


def compact(connection: Connection, now: datetime, *, kept_s: float = KEPT_S) -> Compacted:
    """Merge what intervals have left in the lake's live tables; all rows and all snapshots of runs stay.

    Args:
        connection: From `open_lake`.
        now: The instant that counts as now.
        kept_s: How long snapshots of intervals and merged files are kept for those who read them. [s]

    Source:
        DuckLake 1.0, maintenance: `flush_inlined_data`, `merge_adjacent_files`, `expire_snapshots`, `cleanup_old_files`.
    """
    before = now.astimezone(UTC) - timedelta(seconds=kept_s)

    def merge() -> tuple[int, int]:
        rows = merged = 0
        for table in LIVE_TABLES:
            with transaction(connection):
                written = connection.execute(f"CALL ducklake_flush_inlined_data('lake', table_name => '{table}')").fetchall()
                connection.execute("CALL lake.set_commit_message('testbed', ?)", [LIVE])
            with transaction(connection):
                files = connection.execute(f"CALL ducklake_merge_adjacent_files('lake', '{table}')").fetchall()
                connection.execute("CALL lake.set_commit_message('testbed', ?)", [LIVE])
            rows += sum(int(row[2]) for row in written)
            merged += sum(int(row[2]) for row in files)
        return rows, merged

    def expire() -> int:
        old = connection.execute(
            "SELECT list(snapshot_id) FROM ducklake_snapshots('lake') WHERE commit_message = ? AND snapshot_time < ? "
            "AND snapshot_id < (SELECT max(snapshot_id) FROM ducklake_snapshots('lake'))",
            [LIVE, before],
        ).fetchone()
        if old is None or not old[0]:
            return 0
        listed = ", ".join(str(int(snapshot)) for snapshot in old[0])
        return len(connection.execute(f"CALL ducklake_expire_snapshots('lake', versions => [{listed}])").fetchall())

    def remove() -> int:
        newest = connection.execute(
            "SELECT max(schedule_start::TIMESTAMPTZ) FROM __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion"
        ).fetchone()
        if newest is None or newest[0] is None or newest[0] > before:  # of a SQLite catalog, older_than compares days alone
            return 0
        query = "CALL ducklake_cleanup_old_files('lake', older_than => ?::TIMESTAMPTZ)"
        return len(connection.execute(query, [before]).fetchall())

    removed = retry(remove)  # what was merged last time, before more joins it
    rows, merged = retry(merge)
    return Compacted(rows, merged, removed, retry(expire))
