"""Several files of readings as one: overlapping downloads of a network, its months, or its sensors, in any order.

A reading that is in several files is kept once. Of readings of one sensor and instant that contradict each other, that of the
file named first stays, and within a file the first. Nothing else depends on the order of the files: a reading came out of order
only where it did so in every file that has it, because a file that was named later did not come later.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from analytics.lake import Connection
from analytics.sensing.readings import COLUMNS, quoted

FILE = 10**12
"""Rows of the first file are numbered from 1, of the second from `FILE` + 1, and so on."""
OUT_OF_ORDER = "out_of_order"


def bring_together(connection: Connection, tables: Sequence[str], *, table: str) -> None:
    """Create one table of several, whose rows are numbered by file and row; numbers and instants stay so where all are.

    Args:
        connection: Holds the tables.
        tables: Names of tables of readings as received, one for each file, in the order of the files; they are dropped.
        table: Name of the table to create.
    """
    rest = ", ".join(name for name in COLUMNS if name != "source_row")
    parts = [
        f"SELECT source_row + {FILE * place} AS source_row, {rest} FROM {quoted(name)}" for place, name in enumerate(tables)
    ]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS {' UNION ALL BY NAME '.join(parts)}")
    for name in tables:
        connection.execute(f"DROP TABLE {quoted(name)}")


def order_by_time(connection: Connection, *, read: str, refused: str, received: str, table: str) -> None:
    """Number accepted readings by their instants; those that came out of order are flagged so.

    Args:
        connection: Holds the tables.
        read: From `bring_together`.
        refused: The rows of it that the gate refused, with the `rules` they broke.
        received: Those it accepted.
        table: Name of the table to create, as `received` is.
    """
    key = "site_id, observed_property, interval_start_at, value"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
        WITH came AS (
            SELECT source_row, {key} FROM {quoted(received)}
            UNION ALL
            SELECT source_row, site_id, observed_property, TRY_CAST(interval_start_at AS TIMESTAMPTZ), TRY_CAST(value AS DOUBLE)
            FROM {quoted(read)}
            WHERE source_row IN (SELECT source_row FROM {quoted(refused)} WHERE list_has_all(['duplicate', 'conflict'], rules))
        ), placed AS (
            SELECT {key}, interval_start_at < max(interval_start_at) OVER (
                       PARTITION BY source_row // {FILE}, site_id, observed_property ORDER BY source_row
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_late
            FROM came
        ), late AS (
            SELECT {key} FROM placed GROUP BY ALL HAVING bool_and(coalesce(is_late, false))
        )
        SELECT r.* REPLACE (row_number() OVER (ORDER BY r.interval_start_at, r.site_id, r.observed_property) AS source_row,
                            CASE WHEN l.value IS NULL THEN r.flags
                                 ELSE concat_ws(',', nullif(r.flags, ''), '{OUT_OF_ORDER}') END AS flags)
        FROM {quoted(received)} r LEFT JOIN late l USING ({key})
        """
    )


def bring_hours_together(connection: Connection, files: Sequence[pa.Table], *, table: str) -> dict[str, int]:
    """Create one table of the hours of several files of hourly counters; an hour that is in several is that of the first.

    Args:
        connection: Where the table is made.
        files: Rows of contract `counts_hourly` of each file, in the order of the files.
        table: Name of the table to create.

    Returns:
        How many hours were left out: `duplicate`, and `conflict` where the count was another.
    """
    parts = []
    for place, hours in enumerate(files):
        connection.register(f"hours_{place}", hours)
        parts.append(f"SELECT * REPLACE (source_row + {FILE * place} AS source_row) FROM hours_{place}")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE hours_came AS SELECT *, interval_start_at IS NOT NULL AND source_row // {FILE} > "
        f"min(source_row // {FILE}) OVER same AS came_again, first_value(crossings) OVER same AS first_crossings "
        f"FROM ({' UNION ALL '.join(parts)}) WINDOW same AS (PARTITION BY site_id, road_user, interval_start_at "
        "ORDER BY source_row)"
    )
    kept = "SELECT * EXCLUDE (came_again, first_crossings) FROM hours_came WHERE NOT came_again ORDER BY source_row, site_id"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS {kept}")
    words = "CASE WHEN crossings IS NOT DISTINCT FROM first_crossings THEN 'duplicate' ELSE 'conflict' END"
    found = connection.execute(
        f"SELECT {words}, count(*) FROM hours_came WHERE came_again GROUP BY 1 ORDER BY 1 DESC"
    ).fetchall()
    connection.execute("DROP TABLE hours_came")
    for place in range(len(files)):
        connection.unregister(f"hours_{place}")
    return {str(word): int(number) for word, number in found}
