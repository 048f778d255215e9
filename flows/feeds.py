"""A feed's way into the test bed: source -> reader -> gate -> analytic -> gate, each step kept by content digest.

Every step takes and leaves files, so that it runs in this process, in a thread or on another machine, and so that a run
that was killed goes on from the last whole step. A step's folder appears by one rename, or not at all.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analytics import ANALYTICS, FOLLOWERS
from analytics.lake import memory
from analytics.sensing.formats import READERS
from analytics.sensing.known import flag_unknown
from analytics.video.sources.folders import folder_digest
from data_contracts.contract import ContractError, contracts
from data_contracts.standard.faults import suggest
from experiments.figures import figure_faults
from experiments.outcome import reading_faults
from experiments.pilot import Feed, Pilot, PilotError
from experiments.settings import ROOT, Settings
from flows.digests import file_digest
from flows.judged_table import judge_table
from flows.parameters import analytic_of, arguments_of, arguments_of_reader, parameters_of
from flows.stream_feeds import heard_faults, is_followed, is_heard, stream_faults

OPEN_CONTRACTS = {"counts_hourly": "open_counts", "counts_by_interval": "open_counts", "hourly_readings": "open_readings"}
"""Result contract -> contract of its open data."""


@dataclass(frozen=True)
class Source:
    """A feed's source, found.

    Attributes:
        name: As the pilot file gives it.
        location: Where it was found: a path, or the name of what is rendered.
        digest: SHA-256 of its bytes, or of its name when it is rendered.
    """

    name: str
    location: str
    digest: str


def find_source(feed: Feed, settings: Settings, where: str) -> Source:
    """The first of a feed's sources that is there.

    A source is a path (relative ones count from the working directory, then from the project's root), `fetched:NAME` in
    the test bed's own sources, `package:NAME/PATH` inside an installed Python package, or `scene:…` and
    `network:…`, which are rendered.

    Raises:
        PilotError: None of them is there.
    """
    tried = []
    for name in feed.sources:
        kind, _, rest = name.partition(":")
        if kind in ("scene", "network"):
            return Source(name, name, hashlib.sha256(name.encode()).hexdigest())
        if kind == "package":
            package, _, inner = rest.partition("/")
            found = importlib.util.find_spec(package)
            places = [Path(found.origin).parent / inner] if found is not None and found.origin else []
        elif kind == "fetched":
            places = [settings.sources / rest]
        else:
            places = [Path(name), ROOT / name]
        for place in places:
            if place.is_file():
                return Source(name, str(place), file_digest(place))
            if place.is_dir() and feed.reader is None:
                return Source(name, str(place), folder_digest(place))
        tried.append(f"'{name}'")
    missing = f"source {tried[0]} was not found" if len(tried) == 1 else f"none of the sources {', '.join(tried)} was found"
    raise PilotError(
        f"{where}: {missing}; expected a path, 'fetched:NAME', 'package:NAME/PATH', 'scene:…' or 'network:…'; "
        "correct the feed or fetch the source"
    )


def resolve(pilot: Pilot, path: Path) -> None:
    """Check all that a pilot names: analytics and their parameters, readers, contracts, the outcome's column.

    Raises:
        PilotError: Something is unknown; every fault on a line of its own.
    """
    faults: list[str] = []

    def known(what: str, name: str, valid: Any) -> bool:
        if name not in valid:
            faults.append(f"{what} '{name}' is unknown; expected one of {', '.join(sorted(valid))}{suggest(name, valid)}")
        return name in valid

    names = contracts()
    for number, feed in enumerate(pilot.feeds):
        if known("contract", feed.contract, names) and feed.contract not in OPEN_CONTRACTS:
            faults.append(
                f"feeds.{number}: contract is '{feed.contract}', of which no open data can be made; expected one of "
                f"{', '.join(OPEN_CONTRACTS)}; choose one"
            )
        if feed.raw_contract is not None:
            known("contract", feed.raw_contract.partition(".")[0], names)
        if feed.reader is not None and known("reader", feed.reader, READERS):
            for name in feed.reader_params:
                known(f"feeds.{number}: reader_params of {feed.reader}", name, parameters_of(READERS[feed.reader]))
            faults.extend(f"feeds.{number}: {fault}" for fault in arguments_of_reader(feed, pilot.timezone)[1])
        if (feed.reader is None) != (feed.raw_contract is None):
            faults.append(f"feeds.{number}: reader and raw_contract go together; expected both or neither; add the other")
        if is_followed(feed):
            faults.extend(f"feeds.{number}: {fault}" for fault in stream_faults(feed))
        if is_heard(feed):
            faults.extend(f"feeds.{number}: {fault}" for fault in heard_faults(feed))
        if known("analytic", feed.analytic, FOLLOWERS if is_followed(feed) else ANALYTICS):
            valid = parameters_of(analytic_of(feed))
            for name in feed.params:
                known(f"feeds.{number}: parameter of {feed.analytic}", name, valid)
            faults.extend(f"feeds.{number}: {fault}" for fault in arguments_of(feed, pilot.timezone)[1])
    faults.extend(reading_faults(pilot))
    faults.extend(figure_faults(pilot.figures, {feed.contract for feed in pilot.feeds}))
    if pilot.outcome.contract not in {feed.contract for feed in pilot.feeds}:
        faults.append(f"outcome.contract is '{pilot.outcome.contract}'; expected the contract of a feed; correct it")
    if faults:
        raise PilotError("\n".join(f"{path}: {fault}" for fault in faults))


def kept(cache_folder: Path, key: str, build: Callable[[Path], None]) -> Path:
    """The folder of a step's results, built when it is not there; it appears whole or not at all.

    Args:
        cache_folder: Where results are kept.
        key: Digest of all that the results depend on.
        build: Fills an empty folder.
    """
    folder = cache_folder / key
    if folder.is_dir():
        return folder
    cache_folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"unfinished-{os.getpid()}-", dir=cache_folder))
    try:
        build(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was faster otherwise
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def sweep(cache_folder: Path) -> None:
    """Remove what killed processes left unfinished."""
    for folder in cache_folder.glob("unfinished-*"):
        process = Path("/proc") / folder.name.split("-")[1]
        if process.parent.is_dir() and not process.exists():
            shutil.rmtree(folder, ignore_errors=True)


def receive(
    feed: dict[str, Any],
    source: dict[str, str],
    key: str,
    cache_folder: str,
    repairs: Sequence[dict[str, Any]] = (),
    now: str | None = None,
    others: dict[str, list[str]] | None = None,
    timezone: str = "UTC",
) -> str:
    """Read a source row by row, put repaired rows in, and let its raw contract judge it; returns the folder of the results."""
    model = Feed.model_validate(feed)
    assert model.reader is not None and model.raw_contract is not None
    arguments, _ = arguments_of_reader(model, timezone)

    def build(folder: Path) -> None:
        with memory() as connection:
            READERS[str(model.reader)](connection, source["location"], table="read", **arguments)
            if str(model.raw_contract) == "sensor_readings":
                flag_unknown(connection, "read", source["location"])
            judge_table(connection, "read", str(model.raw_contract), folder, repairs, now=now, others=others)

    return str(kept(Path(cache_folder), key, build))


def analyse(
    feed: dict[str, Any],
    source: str,
    is_table: bool,
    timezone: str,
    key: str,
    cache_folder: str,
    repairs: Sequence[dict[str, Any]] = (),
    now: str | None = None,
    others: dict[str, list[str]] | None = None,
    audit: dict[str, Any] | None = None,
) -> str:
    """Run a feed's analytic on accepted rows (`is_table`) or on the source itself, and let its contract judge the result.

    What a stream brought was counted when it came: it is only judged. Counts of an audited counter get the ends of their
    intervals from `audit`.
    """
    model = Feed.model_validate(feed)
    arguments, _ = arguments_of(model, timezone)

    def build(folder: Path) -> None:
        with memory() as connection:
            given = source
            if is_followed(model):
                connection.execute("CREATE TEMP TABLE came AS SELECT * FROM read_parquet(?)", [f"{source}/accepted.parquet"])
                judge_table(connection, "came", model.contract, folder, repairs, now=now, others=others)
                return
            if is_table:
                connection.execute(
                    "CREATE TEMP TABLE received AS SELECT * FROM read_parquet(?)", [f"{source}/accepted.parquet"]
                )
                given = "received"
            ANALYTICS[model.analytic](connection, given, table="analysed", **arguments)
            if audit is not None:
                from flows.audited import bound_table

                bound_table(connection, "analysed", audit)
            judge_table(connection, "analysed", model.contract, folder, repairs, now=now, others=others)

    return str(kept(Path(cache_folder), key, build))


def contract_digest(name: str) -> str:
    """SHA-256 of a contract's file.

    Raises:
        ContractError: There is no such contract.
    """
    files, name = contracts(), name.partition(".")[0]
    if name not in files:
        raise ContractError(f"contract '{name}' is unknown; expected one of {', '.join(sorted(files))}")
    return file_digest(files[name])
