"""Sites in batches: what is worked out for each site alone needs no more memory for many sites than for a few."""

from __future__ import annotations

from collections.abc import Iterator

from analytics.lake import Connection
from analytics.sensing.readings import quoted

BATCH_ROWS = 500_000
"""Rows that are worked on at once, unless one site has more."""


def site_batches(connection: Connection, readings: str, *, table: str, rows: int = BATCH_ROWS) -> Iterator[str]:
    """Go through readings by whole sites, in order of their ids.

    Args:
        connection: Holds the readings.
        readings: Table with `site_id`.
        table: Table that holds one batch after the other, with the columns of `readings`; it is gone afterwards.
        rows: So many rows make a batch full.

    Yields:
        How to begin a statement that writes what comes of the batch: `CREATE …` for the first batch, which comes also
        where there are no readings, else `INSERT …`; it has a place for the name of the table to write.
    """
    batches = connection.execute(
        f"""
        SELECT list(site_id ORDER BY site_id) FROM (
            SELECT site_id, (sum(rows) OVER (ORDER BY site_id) - rows) // ? AS batch
            FROM (SELECT site_id, count(*) AS rows FROM {quoted(readings)} GROUP BY site_id)
        ) GROUP BY batch ORDER BY batch
        """,
        [rows],
    ).fetchall()
    for number, (sites,) in enumerate(batches or [([],)]):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS FROM {quoted(readings)} "
            "WHERE list_contains(?::VARCHAR[], site_id)",
            [sites],
        )
        yield "INSERT INTO {}" if number else "CREATE OR REPLACE TEMP TABLE {} AS"
    connection.execute(f"DROP TABLE {quoted(table)}")
