"""Accepted readings of a feed into the lake, each once: what is there already is counted, not stored."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.lake import LIVE, Connection, retry, transaction
from analytics.sensing.live.payloads import MAX_READINGS
from analytics.sensing.readings import quoted

LATE_S = 3600.0
"""A reading that came so long after the end of what it measured is counted as late. [s]"""
_RANGES = 48
_SAME = "site_id, observed_property, interval_start_at, value"


@dataclass(frozen=True)
class Stored:
    """What became of a batch of accepted readings.

    Attributes:
        readings: How many are new.
        duplicates: How many the lake, or the batch, had already: same site, property, instant and value.
        out_of_order: New ones that came after a later one of their sensor.
        late: New ones that came more than `LATE_S` after the end of their interval.
    """

    readings: int
    duplicates: int
    out_of_order: int
    late: int


def prepare(connection: Connection, feed: str) -> int:
    """Make ready to store readings of a feed: the newest instant of each sensor is looked up once.

    Args:
        connection: From `open_lake`; good for one feed at a time.
        feed: Name of the feed, such as `mqtt:north`.

    Returns:
        Number of the last message that the lake holds anything of; 0 when there is none.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE newest AS SELECT site_id, observed_property, max(interval_start_at) AS newest_at "
        "FROM lake.live_readings WHERE feed = ? GROUP BY ALL",
        [feed],
    )
    last = connection.execute(
        "SELECT coalesce(max(source_row), 0) FROM (SELECT source_row FROM lake.live_readings WHERE feed = $feed UNION ALL "
        "SELECT source_row FROM lake.quarantine WHERE pilot_id = $feed)",
        {"feed": feed},
    ).fetchone()
    assert last is not None
    return int(last[0]) // MAX_READINGS


def store(connection: Connection, feed: str, *, accepted: str, refused: str) -> Stored:
    """Put a batch into the lake in one transaction: all of it or nothing.

    Args:
        connection: From `open_lake`, after `prepare`.
        feed: Name of the feed.
        accepted: Relation of accepted readings: columns of `live_readings` less `feed`.
        refused: Relation of refused ones: columns of `quarantine` less `pilot_id` and `run_id`.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE came AS FROM {accepted} "
        f"QUALIFY row_number() OVER (PARTITION BY {_SAME} ORDER BY source_row) = 1"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE fresh AS FROM came ANTI JOIN ({_known(connection)}) USING ({_SAME})", [feed]
    )
    counts = connection.execute(
        f"""
        SELECT count(*), (SELECT count(*) FROM {accepted}) - count(*),
               count(*) FILTER (interval_start_at < greatest(before, newest_at)),
               count(*) FILTER (epoch(received_at) - epoch(interval_start_at) - interval_s > {LATE_S})
        FROM (SELECT fresh.*, newest_at, max(interval_start_at) OVER (PARTITION BY site_id, observed_property
                     ORDER BY source_row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
              FROM fresh LEFT JOIN newest USING (site_id, observed_property))
        """
    ).fetchone()
    assert counts is not None

    def work() -> None:
        with transaction(connection):
            connection.execute("INSERT INTO lake.live_readings BY NAME SELECT ? AS feed, * FROM fresh", [feed])
            connection.execute(
                f"INSERT INTO lake.quarantine BY NAME SELECT ? AS pilot_id, ? AS run_id, * FROM {refused}", [feed, LIVE]
            )
            connection.execute("CALL lake.set_commit_message('testbed', ?)", [LIVE])

    retry(work)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE newest AS SELECT site_id, observed_property, max(newest_at) AS newest_at FROM "
        "(FROM newest UNION ALL SELECT site_id, observed_property, interval_start_at FROM fresh) GROUP BY ALL"
    )
    return Stored(*(int(count) for count in counts))


def digest_of(connection: Connection, table: str, name: str) -> str | None:
    """Digest of a table's rows in any order, and of the name of the feed they came from; None when there are none."""
    row = connection.execute(
        "SELECT count(*), md5(concat_ws(',', ?, count(*), sum(md5_number_lower(t::VARCHAR)::HUGEINT)::VARCHAR, "
        f"sum(md5_number_upper(t::VARCHAR)::HUGEINT)::VARCHAR)) FROM {quoted(table)} AS t",
        [name],
    ).fetchone()
    return str(row[1]) if row is not None and row[0] else None


def _known(connection: Connection) -> str:
    """Query of what the lake may hold of the batch: one narrow range per hour, so that only files of those hours are read."""
    hours = "SELECT min(interval_start_at)::VARCHAR, max(interval_start_at)::VARCHAR FROM came"
    ranges = connection.execute(f"{hours} GROUP BY date_trunc('hour', interval_start_at) LIMIT {_RANGES + 1}").fetchall()
    if len(ranges) > _RANGES or not ranges:
        ranges = connection.execute(hours).fetchall()
    return " UNION ALL ".join(
        f"SELECT {_SAME} FROM lake.live_readings WHERE feed = $1 AND interval_start_at "
        f"BETWEEN TIMESTAMPTZ '{first or 'epoch'}' AND TIMESTAMPTZ '{last or 'epoch'}'"
        for first, last in ranges
    )
