"""A pilot's feeds from brokers: listening to them, and what they have brought so far, as a source that a run can judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analytics.lake import Connection
from analytics.sensing.live.payloads import Plain, SensorThings
from analytics.sensing.live.store import digest_of
from analytics.sensing.readings import SourceError
from experiments.pilot import Feed, Pilot, PilotError
from experiments.settings import Settings
from flows.feeds import Source, kept
from flows.listen import feed_and_address, feed_of, meaning_of
from flows.stream_feeds import is_heard


@dataclass(frozen=True)
class Ear:
    """One broker that a pilot listens to, for one or more of its feeds.

    Attributes:
        name: Name of the feed, such as `mqtt:north`.
        address: Of the broker; it may hold a password.
        meaning: What its messages mean.
    """

    name: str
    address: str
    meaning: SensorThings | Plain


def ears_of(pilot: Pilot, settings: Settings, where: str) -> list[Ear]:
    """The brokers a pilot listens to by itself: those whose feeds say what messages mean, in `reader_params.mapping`.

    Args:
        pilot: The pilot, resolved.
        settings: Holds the addresses of brokers.
        where: The pilot's file, for messages.

    Raises:
        PilotError: No address is set for a name, or feeds of one broker have different mappings.
    """
    found: dict[str, Ear] = {}
    for number, feed in enumerate(pilot.feeds):
        if not is_heard(feed) or "mapping" not in feed.reader_params:
            continue
        try:
            name, address = feed_and_address(feed.sources[0], settings)
        except SourceError as error:
            raise PilotError(f"{where}: feeds.{number}: {error}") from None
        ear = Ear(name, address, meaning_of(feed.reader_params["mapping"], where))
        if found.setdefault(name, ear) != ear:
            raise PilotError(
                f"{where}: feeds.{number}: source '{name}' has another mapping than in a feed before; expected the same; "
                "give it once"
            )
    return list(found.values())


def heard_so_far(connection: Connection, feed: Feed, settings: Settings, where: str) -> Source:
    """All accepted readings of a feed so far.

    Args:
        connection: From `open_lake`.
        feed: Its only source is a broker.
        settings: Where sources are kept.
        where: The pilot's file, for messages.

    Raises:
        PilotError: Nothing has come yet.
    """
    name = feed_of(feed.sources[0])
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE heard AS SELECT * EXCLUDE (feed, received_at) FROM lake.live_readings WHERE feed = ? "
        "ORDER BY source_row",
        [name],
    )
    digest = digest_of(connection, "heard", name)
    if digest is None:
        raise PilotError(
            f"{where}: source '{name}' has brought nothing yet; expected readings; give its mapping in reader_params and run "
            f"for longer, or listen beside: 'testbed listen {name} --mapping FILE.yaml'"
        )

    def build(folder: Path) -> None:
        connection.execute(f"COPY heard TO '{folder}/readings.parquet' (FORMAT parquet, COMPRESSION zstd)")

    return Source(name, str(kept(settings.cache, digest, build) / "readings.parquet"), digest)
