"""Gather one feed of a pilot: through its reader, its analytic and three gates, each a step that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from data_contracts.contract import load_contract
from experiments.pilot import Pilot
from experiments.settings import Settings
from flows.context import Others, full_name, others_of
from flows.digests import code_version, digest_of
from flows.feeds import OPEN_CONTRACTS, Source, analyse, contract_digest, receive
from flows.judged_table import report_of
from flows.open_data import open_data, open_data_terms
from flows.orchestrate import Steps
from flows.parameters import named_files, with_model

Progress = Callable[[str], None]
Repairs = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Gathered:
    """What one feed brought.

    Attributes:
        source: Where it came from.
        raw: Folder of the raw contract's check; None when the feed has no reader.
        result: Folder of the result contract's check.
        open_data: Folder of the open-data contract's check.
    """

    source: Source
    raw: Path | None
    result: Path
    open_data: Path

    def checks(self) -> list[tuple[str, Path, dict[str, Any]]]:
        """Stage, folder and report of each check that was made, in order."""
        stages = [("raw", self.raw), ("result", self.result), ("open_data", self.open_data)]
        return [(stage, folder, report_of(folder)) for stage, folder in stages if folder is not None]


def gather(
    steps: Steps,
    pilot: Pilot,
    number: int,
    source: Source,
    settings: Settings,
    progress: Progress,
    repairs: Repairs,
    at: datetime,
    given_rows: Others,
    audit: tuple[dict[str, Any] | None, dict[str, Any]] | None,
) -> Gathered:
    """Bring in one feed; its accepted rows are added to `given_rows`, for the relationships of those that follow."""
    feed, now = with_model(pilot.feeds[number], settings), at.isoformat()
    described = feed.model_dump(mode="json")
    cache_folder = str(settings.cache)
    raw = None
    given, key = source.location, digest_of(source.digest, code_version())
    if feed.reader is not None and feed.raw_contract is not None:
        progress(f"{pilot.id}: reading {source.name}")
        mended = repairs.get(feed.raw_contract, [])
        others = others_of(feed.raw_contract, given_rows)
        key = digest_of(
            key,
            feed.reader,
            feed.reader_params,
            pilot.timezone,
            contract_digest(feed.raw_contract),
            mended,
            now,
            step_names(others),
        )
        asked = {**described, "params": {}, "source": source.name, "contract": ""}
        judged = {"repairs": mended, "now": now, "others": others, "timezone": pilot.timezone}
        folder = steps.run(receive, feed=asked, source=asdict(source), key=key, cache_folder=cache_folder, **judged)
        raw = Path(folder)
        given_rows.setdefault(full_name(load_contract(feed.raw_contract)), []).append(folder)
        given = str(raw)
    progress(f"{pilot.id}: {feed.analytic}")
    mended = repairs.get(feed.contract, [])
    others = others_of(feed.contract, given_rows)
    asked_of = contract_digest(feed.contract), mended, now, step_names(others), audit and audit[0], named_files(feed)
    key = digest_of(key, feed.analytic, pilot.feeds[number].params, pilot.timezone, *asked_of)
    folder = steps.run(
        analyse,
        feed=described,
        source=given,
        is_table=raw is not None,
        timezone=pilot.timezone,
        key=key,
        cache_folder=cache_folder,
        repairs=mended,
        now=now,
        others=others,
        audit=audit[0] if audit else None,
    )
    given_rows.setdefault(full_name(load_contract(feed.contract)), []).append(folder)
    asked = {"contract": feed.contract, **open_data_terms(pilot), "now": now}
    key = digest_of(key, "open_data", asked, contract_digest(OPEN_CONTRACTS[feed.contract]))
    leaving = steps.run(open_data, result=folder, **asked, key=key, cache_folder=cache_folder)
    return Gathered(source, raw, Path(folder), Path(leaving))


def step_names(others: Others) -> dict[str, list[str]]:
    """A step's folder is named after all that its rows depend on."""
    return {name: [Path(folder).name for folder in folders] for name, folders in sorted(others.items())}
