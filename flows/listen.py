"""Listening to a broker: a process puts messages on disk, and here each batch goes through the gate into the lake."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import yaml
from pydantic import TypeAdapter, ValidationError

from analytics.lake import Connection, memory, open_lake, shut_in
from analytics.sensing.live.batch import Batch, Parser
from analytics.sensing.live.mqtt import broker_of, is_broker, public_name
from analytics.sensing.live.payloads import Meaning, Plain, SensorThings
from analytics.sensing.live.receiver import Receiver
from analytics.sensing.live.spool import SpoolReader
from analytics.sensing.live.store import prepare, store
from analytics.sensing.readings import SourceError, site_id_of
from analytics.sensing.units import conversion
from data_contracts.contract import load_contract
from experiments.faults import wrong_value
from experiments.settings import Settings
from flows.compact import compacted_daily
from flows.stopping import seconds, stopped_by_signals

CONTRACT = "sensor_readings"
BATCH_S = 2.0
"""A batch leaves for the lake so often: the gate and the lake ask as much time for few readings as for many. [s]"""
TOLD_S = 60.0
"""So often it is said how many readings have come. [s]"""
BATCH_MESSAGES = 20_000
"""A batch holds so many messages at most."""
Progress = Callable[[str], None]


@dataclass
class Heard:
    """What came of listening.

    Attributes:
        feed: Name of the feed, such as `mqtt:north`.
        source: Its address, without user and password.
        seconds: How long it was listened to. [s]
        messages: That were read from the spool.
        readings: That are new in the lake.
        duplicates: That the lake had already.
        out_of_order: New ones that came after a later one of their sensor.
        late: New ones that came more than an hour after the end of their interval.
        refused: Rows in quarantine by the first rule they broke.
        unsure: Messages published at QoS 0, which may be lost on their way to the broker.
        connections: How often a connection was made.
        lost: How often it broke, or could not be made.
        forgotten: How often the broker had forgotten the session: what was published meanwhile is lost.
        batches: Transactions of the lake.
    """

    feed: str
    source: str
    seconds: float = 0.0
    messages: int = 0
    readings: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    late: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    unsure: int = 0
    connections: int = 0
    lost: int = 0
    forgotten: int = 0
    batches: int = 0
    why_lost: str = field(default="", repr=False)

    def document(self) -> dict[str, Any]:
        """The document of `testbed listen --json`."""
        return {name: value for name, value in asdict(self).items() if name != "why_lost"}


def load_meaning(path: str) -> SensorThings | Plain:
    """What a feed's messages mean, from a YAML file.

    Raises:
        SourceError: The file cannot be read, or is no mapping; every fault on a line of its own.
    """
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SourceError(f"{path}: found no mapping ({str(error).splitlines()[0]}); expected YAML; correct the file") from None
    return meaning_of(document, path)


def meaning_of(document: object, where: str) -> SensorThings | Plain:
    """What a feed's messages mean, from a mapping that stands in a file or in a pilot.

    Raises:
        SourceError: It is no mapping; every fault on a line of its own, after `where`.
    """
    try:
        found: SensorThings | Plain = TypeAdapter(Meaning).validate_python(document)
    except ValidationError as error:
        faults = (wrong_value(".".join(map(str, one["loc"])) or "mapping", one["input"], one["msg"]) for one in error.errors())
        raise SourceError("\n".join(f"{where}: {fault}" for fault in faults)) from None
    return found


def feed_of(source: str) -> str:
    """Name of a feed, such as `mqtt:north`, by `mqtt:NAME` or by the address of its broker.

    Raises:
        SourceError: It is neither, or the address holds a user or a password, which do not belong into files, command lines
            and logs.
    """
    if is_broker(source):
        parsed = broker_of(source)
        if parsed.username is not None or parsed.password is not None:
            raise SourceError(
                f"source '{public_name(source)}' holds a user or a password; expected neither in a file or a command; write "
                "'mqtt:NAME' and set TESTBED_MQTT_NAME to the address"
            )
        return f"mqtt:{site_id_of(f'{parsed.host} {parsed.port}')}"
    kind, _, name = source.partition(":")
    if kind != "mqtt" or site_id_of(name) != name.lower() or not name:
        raise SourceError(f"{public_name(source)}: found no feed; expected 'mqtt:NAME' or 'mqtt[s]://HOST'; correct the source")
    return f"mqtt:{name.lower()}"


def feed_and_address(source: str, settings: Settings) -> tuple[str, str]:
    """Name of a feed and address of its broker, by `mqtt:NAME` or by the address itself.

    Raises:
        SourceError: It is neither, or no address is set for the name.
    """
    feed = feed_of(source)
    if is_broker(source):
        return feed, source
    name = feed.partition(":")[2]
    address = settings.brokers.get(name)
    if address is None:
        raise SourceError(f"source '{source}' has no address; expected one in the environment; set TESTBED_MQTT_{name.upper()}")
    broker_of(address)
    return feed, address


def listen_to(source: str, mapping: str, settings: Settings, listen_for: str | None, *, progress: Progress) -> dict[str, Any]:
    """The work behind `testbed listen`: until a time is over, or Ctrl-C.

    Args:
        source: `mqtt:NAME` or the address of a broker.
        mapping: Path of the mapping.
        settings: Where everything is kept.
        listen_for: How long, such as `15m`; until Ctrl-C when None.
        progress: Told of connections that were made or lost.

    Returns:
        The document of `testbed listen --json`.

    Raises:
        SourceError: The source, the mapping or the time cannot be used, or the broker refuses.
    """
    meaning, for_s, stop = load_meaning(mapping), seconds(listen_for), Event()
    feed, address = feed_and_address(source, settings)
    import data_contracts.expectations  # noqa: F401  # takes seconds: not when the first readings wait

    with (
        stopped_by_signals(stop),
        open_lake(settings.catalog, settings.lake_files) as connection,
        compacted_daily(connection, progress),
    ):
        heard = listen(connection, feed, address, meaning, settings, for_s=for_s, stop=stop, progress=progress)
    return heard.document()


def listen(
    connection: Connection,
    feed: str,
    address: str,
    meaning: SensorThings | Plain,
    settings: Settings,
    *,
    for_s: float,
    stop: Event,
    progress: Progress,
    on_batch: Callable[[int, float], None] = lambda _row, _at: None,
) -> Heard:
    """Listen to a broker and put what it sends into the lake, batch by batch.

    Args:
        connection: From `open_lake`; used by nobody else meanwhile.
        feed: Name of the feed.
        address: Of the broker.
        meaning: What its messages mean.
        settings: Where the spool is kept.
        for_s: How long. [s]
        stop: When set, as by Ctrl-C, what has come is stored, and listening ends.
        progress: Told of connections that were made or lost.
        on_batch: Called when a batch is in the lake, with its last source row and the time. [s since 1970]

    Raises:
        SourceError: The broker refuses, it was never reached, or another process listens to this feed.
    """
    folder = settings.home / "live" / feed.replace(":", "_")
    heard = Heard(feed, public_name(address))
    with _alone(feed, folder), _gate() as judge:
        spool, parser = SpoolReader(folder, after=(last := prepare(connection, feed))), Parser(meaning)
        was_here = last > 0

        def receive() -> Receiver:
            def note(event: dict[str, Any]) -> None:
                _note(event, heard, progress, was_here=was_here)

            return Receiver(address, meaning.topics(), folder, at_least=last + 1, on_event=note)

        receiver = receive()
        conversion("pm25", "ug/m3")  # loads the library of units beside: not when the first readings wait
        receiver.wait()
        started = told = time.monotonic()

        def batches() -> Iterator[None]:
            while messages := spool.read(BATCH_MESSAGES):
                heard.messages += len(messages)
                accepted, refused, again = judge(parser.batch(messages))
                heard.duplicates += again
                for rules in refused.column("rules").to_pylist():
                    heard.refused[rules[0]] = heard.refused.get(rules[0], 0) + 1
                connection.register("batch_accepted", accepted).register("batch_refused", refused)
                stored = store(connection, feed, accepted="batch_accepted", refused="batch_refused")
                for name in ("readings", "duplicates", "out_of_order", "late"):
                    setattr(heard, name, getattr(heard, name) + getattr(stored, name))
                heard.batches += 1
                spool.forget(messages[-1].number)
                on_batch(messages[-1].number, time.time())
                yield

        try:
            while not stop.is_set() and (left := for_s - (time.monotonic() - started)) > 0:
                if not receiver.is_running:
                    receiver.stop()
                    if receiver.failure is not None or not receiver.has_connected:
                        break
                    progress(f"{feed}: the process that listens was ended by another; it is started again")
                    receiver = receive()
                began = time.monotonic()
                next(batches(), None)
                if began - told > TOLD_S:
                    told = began
                    progress(f"{feed}: {heard.readings} readings, {sum(heard.refused.values())} refused so far")
                stop.wait(min(left, max(0.0, BATCH_S - (time.monotonic() - began))))
        finally:
            receiver.stop()
        for _ in batches():
            continue
        heard.seconds = round(time.monotonic() - started, 3)
    if receiver.failure is not None:
        raise SourceError(f"{feed}: {receiver.failure}")
    if not receiver.has_connected and receiver.was_ended:
        raise SourceError(f"{feed}: the process that listens was ended by another; expected it to go on; try again")
    if not heard.connections and not stop.is_set():
        raise SourceError(
            f"{feed}: no connection to {heard.source} ({heard.why_lost or 'no answer'}); expected a broker; check its address"
        )
    return heard


def _note(event: dict[str, Any], heard: Heard, progress: Progress, *, was_here: bool) -> None:
    if event["event"] == "taken":
        heard.unsure += event["unsure"]
    elif event["event"] == "connected":
        if not event["kept"] and (was_here or heard.connections):
            heard.forgotten += 1
            progress(
                f"{heard.feed}: the broker has forgotten the session: what was published while nobody listened is lost; "
                "let it keep sessions on disk"
            )
        heard.connections += 1
        progress(f"{heard.feed}: connected to {heard.source}")
    elif event["event"] == "lost":
        heard.lost += 1
        if event["reason"] != heard.why_lost:
            progress(f"{heard.feed}: no connection to {heard.source}: {event['reason']}")
        heard.why_lost = event["reason"]
    elif event["event"] == "full":
        progress(f"{heard.feed}: {event['bytes']} bytes wait on disk; nothing more is taken until the lake has caught up")


@contextmanager
def _gate() -> Iterator[Callable[[Batch], tuple[pa.Table, pa.Table, int]]]:
    """The gate for one batch after another: accepted readings, refused rows, and how many came again in the same batch."""
    from data_contracts.gate import check

    contract = load_contract(CONTRACT)
    with memory() as connection:
        shut_in(connection)
        connection.execute(f"CREATE TEMP TABLE nothing ({_ACCEPTED})")

        def judge(batch: Batch) -> tuple[pa.Table, pa.Table, int]:
            unread = [(row, [rule], [reason], came) for row, rule, reason, came in batch.refused]
            rows = [dict(zip(_REFUSED.names, one, strict=True)) for one in unread]
            connection.register("unread", pa.Table.from_pylist(rows, schema=_REFUSED))
            connection.register("read", batch.table())
            connection.register("came", pa.table([batch.rows[0], batch.received_at], schema=_CAME))
            query, again = "SELECT * FROM unread", 0
            if batch.rows[0]:
                check(connection, "read", contract, accepted="accepted", quarantined="quarantined", copied=False)
                query += " UNION ALL BY NAME SELECT source_row, rules, reasons, row::VARCHAR AS row FROM quarantined "
                query += "WHERE rules <> ['duplicate']"
                again = connection.execute("SELECT count(*) FROM quarantined WHERE rules = ['duplicate']").fetchall()[0][0]
            accepted = connection.execute(
                "SELECT a.*, to_timestamp(c.received_at) AS received_at "
                f"FROM {'accepted' if batch.rows[0] else 'nothing'} a JOIN came c USING (source_row)"
            ).to_arrow_table()
            judged_by = f"'{contract.dataset}' AS contract, '{contract.version}' AS version"
            refused = connection.execute(f"SELECT {judged_by}, * FROM ({query}) ORDER BY source_row").to_arrow_table()
            return accepted, refused, int(again)

        yield judge


_ACCEPTED = (
    "source_row BIGINT, site_id VARCHAR, observed_property VARCHAR, interval_start_at TIMESTAMPTZ, interval_s DOUBLE, "
    "value DOUBLE, unit VARCHAR, coverage DOUBLE, flags VARCHAR"
)
_CAME = pa.schema({"source_row": pa.int64(), "received_at": pa.float64()})
_REFUSED = pa.schema(
    {"source_row": pa.int64(), "rules": pa.list_(pa.string()), "reasons": pa.list_(pa.string()), "row": pa.string()}
)


@contextmanager
def _alone(feed: str, folder: Path) -> Iterator[None]:
    """Keep two processes from listening to the same feed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "listening.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SourceError(f"{feed}: another process listens to it; expected one; stop the other first") from None
        yield
