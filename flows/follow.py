"""Following a pilot's streams and listening to its brokers, until it is told to stop.

Each closed interval of a stream, and each batch of readings from a broker, goes through the gate into the lake.

What came is kept in the lake's table `live_counts`, refused rows too: it is what later runs judge. What the gate accepts is in
`counts_by_interval` at once, under the run `live`, until a run takes its place.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from typing import Any

from analytics import FOLLOWERS
from analytics.compaction import compact
from analytics.lake import Connection, append_live, memory
from analytics.video.count import write_rows
from analytics.video.sources.streams import public_name
from experiments.pilot import Feed, Pilot, PilotError
from experiments.plan import Deviation
from experiments.settings import Settings
from flows.compact import compacted_daily
from flows.context import plan_end
from flows.digests import digest_of
from flows.feeds import Source, kept
from flows.heard import Ear, ears_of
from flows.judged_table import judge_table, report_of
from flows.listen import Heard, listen
from flows.parameters import arguments_of, with_model
from flows.stopping import stopped_by_signals
from flows.stream_feeds import is_followed

Rows = list[tuple[object, ...]]
_LOOK_S = 0.2


@dataclass(frozen=True)
class Brought:
    """What a following brought.

    Attributes:
        intervals: How many intervals of streams went into the lake.
        readings: How many readings of brokers went into the lake.
        told_to_stop: Whether it was told to stop, as by Ctrl-C, before its time was over.
    """

    intervals: int
    readings: int
    told_to_stop: bool


@dataclass(frozen=True)
class _Over:
    """One feed has come to its end; carries what went wrong, if anything did."""

    error: BaseException | None = None


def address_of(name: str, settings: Settings, where: str) -> str:
    """Address of a feed's stream, as given or by `stream:NAME`.

    Raises:
        PilotError: No address is set for the name.
    """
    kind, _, rest = name.partition(":")
    if kind != "stream":
        return name
    if rest.lower() not in settings.streams:
        raise PilotError(
            f"{where}: source '{name}' has no address; expected one in the environment; set TESTBED_STREAM_{rest.upper()}"
        )
    return settings.streams[rest.lower()]


def follow_pilot(
    connection: Connection,
    pilot: Pilot,
    settings: Settings,
    where: str,
    *,
    for_s: float,
    stop: threading.Event,
    progress: Callable[[str], None],
) -> Brought:
    """Follow all streams of a pilot and listen to its brokers, at most to the end of its plan.

    Args:
        connection: From `open_lake`.
        pilot: The pilot, resolved.
        settings: Where the lake is, and addresses of streams and brokers.
        where: The pilot's file, for messages.
        for_s: How long to follow. [s]
        stop: When set, as by Ctrl-C, what has come is counted and published, and following ends.
        progress: Called with a line for each interval, and with what becomes of connections to brokers.

    Raises:
        PilotError: A stream or a broker has no address, or another process follows this pilot.
        SourceError: A stream or a broker cannot be used.
    """
    streams = [(number, feed) for number, feed in enumerate(pilot.feeds) if is_followed(feed)]
    addresses = {number: address_of(feed.sources[0], settings, where) for number, feed in streams}
    ears = [(ear, connection.cursor()) for ear in ears_of(pilot, settings, where)]
    came: Queue[tuple[int, Rows | Heard | _Over]] = Queue()
    until = plan_end(pilot)
    for_s = min(for_s, (until - datetime.now(UTC)).total_seconds())

    def watch(number: int, feed: Feed) -> None:
        over = _Over()
        try:
            arguments, _ = arguments_of(with_model(feed, settings), pilot.timezone)
            for rows in FOLLOWERS[feed.analytic](addresses[number], **arguments, for_s=for_s, stop=stop):
                came.put((number, rows))
        except BaseException as error:  # raised again by the thread that started this one
            over = _Over(error)
        came.put((number, over))

    def hear(ear: Ear, own: Connection) -> None:
        over = _Over()
        try:
            with closing(own):
                heard = listen(own, ear.name, ear.address, ear.meaning, settings, for_s=for_s, stop=stop, progress=progress)
            came.put((-1, heard))
        except BaseException as error:  # raised again by the thread that started this one
            over = _Over(error)
        came.put((-1, over))

    with _alone(pilot.id, settings.home), stopped_by_signals(stop), compacted_daily(connection, progress):
        import data_contracts.expectations  # noqa: F401  # takes seconds: not when the first interval waits

        threads = [threading.Thread(target=watch, args=one, name=f"feed {one[0]}", daemon=True) for one in streams]
        threads += [threading.Thread(target=hear, args=one, name=one[0].name, daemon=True) for one in ears]
        for thread in threads:
            thread.start()
        published, readings, running, failed = 0, 0, len(threads), None
        try:
            while running:
                try:
                    number, item = came.get(timeout=_LOOK_S)
                except Empty:
                    continue
                if isinstance(item, _Over):
                    running -= 1
                    failed = failed or item.error
                    if item.error is not None:
                        stop.set()
                elif isinstance(item, Heard):
                    readings += item.readings
                elif _starts_at(item) < until and _let_in(connection, pilot, number, item):
                    published += 1
                    progress(f"{pilot.id}: interval {_starts_at(item)} of {public_name(pilot.feeds[number].sources[0])}")
            told_to_stop = stop.is_set()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    if failed is not None:
        raise failed
    if not told_to_stop:
        compact(connection, datetime.now(UTC))
    return Brought(published, readings, told_to_stop)


def followed(pilot: Pilot, locked: str, changes: list[Deviation], brought: Brought) -> dict[str, Any]:
    """What a run says that was told to stop while it followed: nothing is lost, and nothing is judged yet.

    Args:
        pilot: The pilot.
        locked: Hash of its locked plan.
        changes: What has changed since.
        brought: What went into the lake.
    """
    parts = (f"{brought.intervals} intervals", brought.intervals), (f"{brought.readings} readings", brought.readings)
    went = " and ".join(text for text, number in parts if number) or "nothing"
    return {
        **dict.fromkeys(("run_id", "snapshot_id", "mlflow_run_id", "effect")),
        "pilot": pilot.id,
        "plan_hash": locked,
        "rows": 0,
        "quarantined": 0,
        "verdict": "not judged yet",
        "deviations": [asdict(change) for change in changes],
        "status": "followed",
        "title": pilot.title,
        "answer": f"Stopped while following; {went} went into the lake. "
        f"'testbed run {pilot.id} --for 0' judges all that came so far.",
        "reused": False,
    }


def collected(connection: Connection, pilot: Pilot, number: int, settings: Settings, where: str) -> Source:
    """All that has come from a feed's stream so far, as a source that a run can judge.

    Raises:
        PilotError: Nothing has come yet.
    """
    name = public_name(pilot.feeds[number].sources[0])
    query = (
        "SELECT * EXCLUDE (pilot_id, feed) FROM lake.live_counts WHERE pilot_id = ? AND feed = ? "
        "ORDER BY interval_start_at, site_id, line, direction, road_user"
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE followed AS {query}", [pilot.id, number])
    rows = connection.execute("SELECT * FROM followed").fetchall()
    if not rows:
        raise PilotError(f"{where}: source '{name}' has brought nothing yet; expected an interval; follow it for longer")
    digest = digest_of(name, rows)

    def build(folder: Path) -> None:
        connection.execute(f"COPY followed TO '{folder}/accepted.parquet' (FORMAT parquet, COMPRESSION zstd)")

    return Source(name, str(kept(settings.cache, digest, build)), digest)


def _starts_at(rows: Rows) -> datetime:
    start_at = rows[0][4]
    assert isinstance(start_at, datetime)
    return start_at


def _let_in(connection: Connection, pilot: Pilot, number: int, rows: Rows) -> bool:
    """Let the gate judge one interval and put it into the lake, once; False when it is there already."""
    contract = pilot.feeds[number].contract
    with TemporaryDirectory() as name, memory() as judging:
        folder = Path(name)
        write_rows(judging, rows, table="closed")
        judge_table(judging, "closed", contract, folder)
        report: dict[str, Any] = report_of(folder)
        return append_live(
            connection,
            pilot.id,
            number,
            came=f"read_parquet('{folder}/judged.parquet')",
            accepted=f"read_parquet('{folder}/accepted.parquet')" if report["passed"] else None,
            refused=f"SELECT '{contract}' AS contract, '{report['version']}' AS version, * "
            f"FROM read_parquet('{folder}/quarantined.parquet')",
        )


@contextmanager
def _alone(pilot_id: str, home: Path) -> Iterator[None]:
    """Keep two processes from following the same pilot."""
    with (home / f"following-{pilot_id}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PilotError(f"pilot '{pilot_id}' is followed by another process; expected one; stop the other first") from None
        yield
