"""A feed's way into the test bed: source -> reader -> gate -> analytic -> gate, each step kept by content digest.

Every step takes and leaves files, so that it runs in this process, in a thread or on another machine, and so that a run
that was killed goes on from the last whole step. A step's folder appears by one rename, or not at all.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from analytics import ANALYTICS, FOLLOWERS
from analytics.lake import Connection, memory, shut_in
from analytics.sensing.formats import READERS
from analytics.video.formats.drawn import is_drawn
from analytics.video.onnx.installed import as_file
from analytics.video.sources.folders import folder_digest
from data_contracts.contract import ContractError, contracts
from data_contracts.standard.faults import suggest
from experiments.faults import wrong_value
from experiments.pilot import Feed, Pilot, PilotError
from experiments.settings import ROOT, Settings
from flows.stream_feeds import is_followed, stream_faults

CODE = ("analytics", "data_contracts", "experiments", "flows")


@dataclass(frozen=True)
class Source:
    """A feed's source, found.

    Attributes:
        name: As the pilot file gives it.
        location: Where it was found: a path, or the name of a rendered scene.
        digest: SHA-256 of its bytes, or of its name when it is rendered.
    """

    name: str
    location: str
    digest: str


@cache
def code_version() -> str:
    """Version of the package and a digest of its code, such as `0.1.0+4f1c09b2a8d3`."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for file in sorted(file for folder in CODE for file in (ROOT / folder).rglob("*.py")):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return f"{version('city-testbed')}+{digest.hexdigest()[:12]}"


def digest_of(*parts: object) -> str:
    """SHA-256 of some plain values, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def with_model(feed: Feed, settings: Settings) -> Feed:
    """The feed with its detector's file where the pilot names an installed model, and the document of its calibration."""
    if "calibration" in feed.params:
        from flows.collocated import with_calibration

        feed = feed.model_copy(update={"params": with_calibration(feed.params, settings, feed.analytic)})
    named = feed.params.get("detector")
    if not isinstance(named, str) or (file := as_file(named, settings.models)) == named:
        return feed
    return feed.model_copy(update={"params": {**feed.params, "detector": file}})


def named_files(feed: Feed) -> list[str]:
    """SHA-256 of each file that a feed's parameters name, drawn lines, a model, a calibration: another gives other rows."""
    texts = [str(text) for text in feed.params.get("lines", ()) if is_drawn(str(text))]
    texts += [str(feed.params.get("detector", ""))]
    given = feed.params.get("calibration")
    calibration = [digest_of(given)] if isinstance(given, dict) else []
    return [file_digest(Path(text)) for text in texts if Path(text).is_file()] + calibration


def find_source(feed: Feed, settings: Settings, where: str) -> Source:
    """The first of a feed's sources that is there.

    A source is a path (relative ones count from the working directory, then from the project's root), `fetched:NAME` in
    the test bed's own sources, `package:NAME/PATH` inside an installed Python package, or `scene:…`, which is rendered.

    Raises:
        PilotError: None of them is there.
    """
    tried = []
    for name in feed.sources:
        kind, _, rest = name.partition(":")
        if kind == "scene":
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
        f"{where}: {missing}; expected a path, 'fetched:NAME', 'package:NAME/PATH' or 'scene:…'; "
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
        known("contract", feed.contract, names)
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
        if known("analytic", feed.analytic, FOLLOWERS if is_followed(feed) else ANALYTICS):
            valid = parameters_of(_analytic(feed))
            for name in feed.params:
                known(f"feeds.{number}: parameter of {feed.analytic}", name, valid)
            faults.extend(f"feeds.{number}: {fault}" for fault in arguments_of(feed, pilot.timezone)[1])
    if pilot.outcome.contract not in {feed.contract for feed in pilot.feeds}:
        faults.append(f"outcome.contract is '{pilot.outcome.contract}'; expected the contract of a feed; correct it")
    if faults:
        raise PilotError("\n".join(f"{path}: {fault}" for fault in faults))


def _analytic(feed: Feed) -> Callable[..., Any]:
    return FOLLOWERS[feed.analytic] if is_followed(feed) else ANALYTICS[feed.analytic]


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of an analytic or a reader that a pilot file may give."""
    ours = ("table", "for_s", "stop")
    found = inspect.signature(function).parameters
    return {name: one for name, one in found.items() if one.kind is one.KEYWORD_ONLY and name not in ours}


def arguments_of(feed: Feed, timezone: str) -> tuple[dict[str, Any], list[str]]:
    """A feed's parameters as its analytic wants them, and what is wrong with them; the time zone is the pilot's."""
    return _arguments(_analytic(feed), feed.analytic, feed.params, timezone)


def arguments_of_reader(feed: Feed, timezone: str) -> tuple[dict[str, Any], list[str]]:
    """A feed's parameters as its reader wants them, and what is wrong with them; the time zone is the pilot's."""
    return reader_arguments(str(feed.reader), feed.reader_params, timezone)


def reader_arguments(reader: str, given: Mapping[str, Any], timezone: str | None) -> tuple[dict[str, Any], list[str]]:
    """Parameters as a reader wants them, and what is wrong with them; `timezone` is that of the clock, where it is known."""
    return _arguments(READERS[reader], reader, given, timezone)


def _arguments(
    function: Callable[..., Any], called: str, given: Mapping[str, Any], timezone: str | None
) -> tuple[dict[str, Any], list[str]]:
    arguments: dict[str, Any] = {}
    faults = []
    for name, parameter in parameters_of(function).items():
        if name not in given:
            if name == "timezone":
                arguments[name] = timezone
            elif parameter.default is parameter.empty:
                faults.append(f"parameter '{name}' of {called} is missing; add it to the feed's parameters")
            continue
        try:
            arguments[name] = TypeAdapter(_hint(function, parameter)).validate_python(given[name])
        except ValidationError as error:
            fault = error.errors()[0]
            faults.append(wrong_value(f"parameter '{name}' of {called}", fault["input"], fault["msg"]))
    return arguments, faults


def _hint(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The type of one parameter; the others' types need not be importable here."""
    alone = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    return get_type_hints(alone, globalns=inspect.unwrap(function).__globals__)[parameter.name]


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


def judge_table(
    connection: Connection,
    table: str,
    contract_name: str,
    folder: Path,
    repairs: Sequence[dict[str, Any]] = (),
    *,
    now: str | None = None,
    others: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Gate a table; leaves accepted.parquet, quarantined.parquet, judged.parquet, check.json and expectations.json.

    Args:
        connection: Connection from `memory` that holds the table; it can reach nothing outside `folder` afterwards.
        table: The table.
        contract_name: The contract it is judged by.
        folder: Where results are left.
        repairs: Repaired rows that take the place of those they were made from before the table is judged.
        now: Instant at which service levels are judged, ISO 8601 with its offset; those that need one are skipped without.
        others: `contract.table` -> folders of the steps that hold the rows which relationships look up.
    """
    from data_contracts.contract import load_contract
    from data_contracts.gate import check
    from data_contracts.rows.readmit import Repair, apply_repairs

    contract = load_contract(contract_name)
    lost: list[int] = []
    if repairs:
        found = apply_repairs(connection, table, contract, [Repair(**one) for one in repairs], into="repaired")
        table, lost = "repaired", [repair.source_row for repair in found]
    views = {name: f"looked_up_{number}" for number, name in enumerate(others or {})}
    for name, view in views.items():
        files = ", ".join(f"'{place}/accepted.parquet'" for place in (others or {})[name])
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS FROM read_parquet([{files}], union_by_name = true)")
    at = datetime.fromisoformat(now) if now is not None else None
    shut_in(connection, folder, *(place for places in (others or {}).values() for place in places))
    report = check(
        connection, table, contract, accepted="accepted", quarantined="quarantined", now=at, others=views, copied=False
    )
    for name in ("accepted", "quarantined"):
        connection.execute(f"COPY {name} TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    connection.execute(f"COPY {table} TO '{folder}/judged.parquet' (FORMAT parquet, COMPRESSION zstd)")
    document = report.to_dict() | {"repairs": len(repairs), "repairs_not_applied": lost}
    if contract.custom.get("testbed.publication") == "open":
        document["rows_digest"] = rows_digest(connection, "accepted")
    (folder / "check.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "expectations.json").write_text(json.dumps(report.expectations, default=str), encoding="utf-8")


def rows_digest(connection: Connection, table: str) -> list[int]:
    """Digest of a table's rows in any order; the digests of two parts add up to that of the whole.

    It tells whether rows were changed, added or lost since; it does not withstand someone who can write digests as well.
    """
    row = connection.execute(
        "SELECT count(*), coalesce(sum(md5_number_lower(t::VARCHAR)::HUGEINT), 0)::VARCHAR, "
        f"coalesce(sum(md5_number_upper(t::VARCHAR)::HUGEINT), 0)::VARCHAR FROM {table} AS t"
    ).fetchone()
    return [int(part) for part in row or ()]


def contract_digest(name: str) -> str:
    """SHA-256 of a contract's file.

    Raises:
        ContractError: There is no such contract.
    """
    files, name = contracts(), name.partition(".")[0]
    if name not in files:
        raise ContractError(f"contract '{name}' is unknown; expected one of {', '.join(sorted(files))}")
    return file_digest(files[name])


def report_of(folder: Path) -> dict[str, Any]:
    """The gate's report in a step's folder."""
    return dict(json.loads((folder / "check.json").read_text(encoding="utf-8")))
