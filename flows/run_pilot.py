"""Run one pilot: load, lock the plan, gather the feeds through the gate, judge, record, publish.

The run's id is a digest of everything that decides its figures: the pilot file, the bytes of its sources, the contracts,
the instant they are judged at, the keys looked up in the lake, and the code. The same inputs are the same run, and a run that
is the pilot's newest is not published again.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from threading import Event
from typing import Any

from analytics.lake import Connection, Snapshot, open_lake, published, retry, transaction
from experiments.pilot import Pilot, find_pilot, load_pilot
from experiments.plan import Deviation, deviations, plan_hash, plan_of
from experiments.settings import Settings
from experiments.tracking import finish
from flows.audited import of_feed
from flows.context import Others, judged_at, order_of, plan_end, published_for
from flows.digests import code_version, digest_of
from flows.feeds import OPEN_CONTRACTS, Source, contract_digest, find_source, resolve, sweep
from flows.figures import figure_digests, figured
from flows.follow import collected, follow_pilot, followed
from flows.gather import Progress, Repairs, gather, step_names
from flows.heard import heard_so_far
from flows.judge import judge
from flows.orchestrate import Directly, Steps, by_prefect
from flows.parameters import named_files, with_model
from flows.quarantine import repairs_of
from flows.record import record_run
from flows.stream_feeds import is_followed, is_heard, refuse_twins


def run_pilot(
    name: str,
    settings: Settings,
    *,
    orchestrated: bool = True,
    now: datetime | None = None,
    progress: Progress = lambda _: None,
    for_s: float = 0.0,
    stop: Event | None = None,
) -> dict[str, Any]:
    """Run a pilot and publish what came out.

    Args:
        name: Id of the pilot, or the path of its file.
        settings: Where everything is kept.
        orchestrated: By Prefect; otherwise each step runs directly in this process.
        now: The instant that counts as now.
        progress: Called with a line for every step.
        for_s: How long streams are followed, and brokers listened to, before what they brought so far is judged, at most to the
            end of the plan; 0 for not at all. [s]
        stop: Ends the following when set, as Ctrl-C does; nothing is judged then.

    Returns:
        The document of `testbed run --json`, with `status` `published`, `stopped` by the gate, or `followed` where it was
        told to stop while it followed a stream, and `title`, `answer`, `reused` and the like beside its keys.

    Raises:
        PilotError: The pilot does not exist or its file is wrong.
        ContractError, SourceError: A contract or a source cannot be used.
    """
    path = find_pilot(name, settings.pilots)
    pilot = load_pilot(path)
    resolve(pilot, path)
    order = order_of(pilot)
    read = {
        i: find_source(feed, settings, str(path))
        for i, feed in enumerate(pilot.feeds)
        if not (is_followed(feed) or is_heard(feed))
    }
    refuse_twins(pilot, {i: (source.name, source.digest) for i, source in read.items()}, str(path))
    started = now or datetime.now(UTC)
    with open_lake(settings.catalog, settings.lake_files) as connection:
        if len(read) < len(pilot.feeds) and for_s > 0 and started < plan_end(pilot):
            locked, changes = _lock(connection, pilot, started)
            brought = follow_pilot(connection, pilot, settings, str(path), for_s=for_s, stop=stop or Event(), progress=progress)
            if brought.told_to_stop:
                return followed(pilot, locked, changes, brought)
        sources = [read.get(i) or _brought(connection, pilot, i, settings, str(path)) for i in range(len(pilot.feeds))]
        repairs = repairs_of(connection, pilot.id)
        at, looked_up = judged_at(pilot, started), published_for(connection, pilot, settings.cache)
        feeds = [with_model(feed, settings) for feed in pilot.feeds]
        audits = [
            of_feed(connection, feed.params, source.location) if feed.analytic == "count_crossings" else None
            for feed, source in zip(feeds, sources, strict=True)
        ]
        asked = {"audits": [audit[0] if audit else None for audit in audits], "files": [named_files(feed) for feed in feeds]}
        asked["figures"] = figure_digests(pilot)
        run_id = _run_id(pilot, sources, repairs, at, looked_up, asked)
        done = published(connection, pilot.id, run_id)
        if done is not None:
            progress(f"{pilot.id}: nothing has changed since run {run_id[:8]}")
            document = _document(done)
            finish(settings.mlflow_uri, document["mlflow_run_id"], {"lake_snapshot": str(done.snapshot_id)})
            return {**document, "reused": True}
        sweep(settings.cache)
        locked, changes = _lock(connection, pilot, started)

        def work(steps: Steps) -> dict[str, Any]:
            given = {name: list(folders) for name, folders in looked_up.items()}
            brought = {i: gather(steps, pilot, i, sources[i], settings, progress, repairs, at, given, audits[i]) for i in order}
            gathered = [brought[i] for i in range(len(sources))]
            extra = figured(steps, pilot, gathered, settings, at, progress)
            progress(f"{pilot.id}: judging")
            said = [audit[1] for audit in audits if audit]
            judgement = judge(pilot, [g.result for g in gathered], said)
            progress(f"{pilot.id}: recording and publishing")
            return record_run(connection, steps, pilot, gathered, extra, judgement, run_id, locked, changes, started, settings)

        return by_prefect(pilot.id, work, settings) if orchestrated else work(Directly())


def _brought(connection: Connection, pilot: Pilot, number: int, settings: Settings, where: str) -> Source:
    """What has come so far of a feed that is followed, or listened to."""
    feed = pilot.feeds[number]
    if is_heard(feed):
        return heard_so_far(connection, feed, settings, where)
    return collected(connection, pilot, number, settings, where)


def _run_id(
    pilot: Pilot,
    sources: list[Source],
    repairs: Repairs,
    at: datetime,
    looked_up: Others,
    asked: dict[str, Any],
) -> str:
    feeds = pilot.feeds
    names = {n for feed in feeds for n in (feed.raw_contract, feed.contract, OPEN_CONTRACTS[feed.contract]) if n}
    digests = {name: contract_digest(name) for name in sorted(names)}
    given = [s.digest for s in sources], digests, code_version(), repairs, at.isoformat(), step_names(looked_up)
    return digest_of(pilot.model_dump(mode="json"), *given, asked)


def _document(done: Snapshot) -> dict[str, Any]:
    return {**json.loads(done.result), "snapshot_id": done.snapshot_id}


def _lock(connection: Connection, pilot: Pilot, now: datetime) -> tuple[str, list[Deviation]]:
    """Lock the plan at the first run; later, list what has changed since. Returns the locked plan's hash."""
    plan = plan_of(pilot)

    def work() -> tuple[str, str]:
        with transaction(connection):
            query = "SELECT plan_hash, plan FROM lake.plans WHERE pilot_id = ? ORDER BY locked_at LIMIT 1"
            row = connection.execute(query, [pilot.id]).fetchone()
            if row is None:
                row = (plan_hash(plan), json.dumps(plan, sort_keys=True))
                connection.execute("INSERT INTO lake.plans VALUES (?, ?, ?, ?)", [pilot.id, *row, now])
        return str(row[0]), str(row[1])

    locked_hash, locked = retry(work)
    return locked_hash, deviations(json.loads(locked), plan)
