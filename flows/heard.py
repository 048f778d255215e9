"""What a listener has brought so far, as a source that a pilot can judge: `source: mqtt:NAME`, `reader: live_readings`."""

from __future__ import annotations

from pathlib import Path

from analytics.lake import Connection
from analytics.sensing.live.store import digest_of
from experiments.pilot import Feed, PilotError
from experiments.settings import Settings
from flows.feeds import Source, kept


def is_heard(feed: Feed) -> bool:
    """Whether a feed's source is a broker that `testbed listen` listens to."""
    return any(name.startswith("mqtt:") for name in feed.sources)


def heard_so_far(connection: Connection, feed: Feed, settings: Settings, where: str) -> Source:
    """All accepted readings of a feed so far.

    Args:
        connection: From `open_lake`.
        feed: Its only source is `mqtt:NAME`.
        settings: Where sources are kept.
        where: The pilot's file, for messages.

    Raises:
        PilotError: The feed cannot be used so, or nothing has come yet.
    """
    name = feed.sources[0].lower()
    if len(feed.sources) > 1 or feed.reader != "live_readings":
        raise PilotError(
            f"{where}: source '{name}' has {len(feed.sources)} sources and reader '{feed.reader}'; expected it alone, with "
            "reader 'live_readings'; correct the feed"
        )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE heard AS SELECT * EXCLUDE (feed, received_at) FROM lake.live_readings WHERE feed = ? "
        "ORDER BY source_row",
        [name],
    )
    digest = digest_of(connection, "heard", name)
    if digest is None:
        raise PilotError(
            f"{where}: source '{name}' has brought nothing yet; expected readings; "
            f"listen first: 'testbed listen {name} --mapping FILE.yaml'"
        )

    def build(folder: Path) -> None:
        connection.execute(f"COPY heard TO '{folder}/readings.parquet' (FORMAT parquet, COMPRESSION zstd)")

    return Source(name, str(kept(settings.cache, digest, build) / "readings.parquet"), digest)
