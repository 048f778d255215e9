"""An audit as the lake keeps it: what was drawn, of which counter, and what was counted by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from analytics.lake import Connection, retry, transaction
from experiments.audit.bounds import LEAST_INTERVALS, Fit, Floats, fit
from experiments.audit.sample import Population, Sample
from experiments.metrics import ScoringError

NO_CLOCK = datetime(1970, 1, 1, tzinfo=UTC)
"""What the seconds of a recording without a clock are counted from."""
Manual = dict[tuple[int, str], dict[tuple[str, str, str], int]]
"""Interval and annotator -> line, direction and road user -> crossings counted by hand."""


@dataclass(frozen=True)
class Audit:
    """A sample of one counter's intervals.

    Attributes:
        audit_id: Digest of all below.
        site_id: Site that is counted.
        counter: What counted (see `analytics.video.identity`).
        source: Source of the frames; empty where published counts were drawn from.
        source_digest: SHA-256 of the source.
        started_at: Instant of the first frame.
        seed: Seed of the draw.
        weather: Weather as given by the user; empty where nobody said.
        population: Every interval with its automatic counts and conditions.
        sample: The intervals drawn.
    """

    audit_id: str
    site_id: str
    counter: dict[str, Any]
    source: str
    source_digest: str
    started_at: datetime
    seed: int
    weather: str
    population: Population
    sample: Sample

    def start_at(self, index: int) -> datetime:
        """Instant at which an interval starts."""
        return self.started_at + timedelta(seconds=float(self.population.start_s[index]))

    def index_of(self, at: datetime) -> int | None:
        """The interval that starts at an instant."""
        found = np.flatnonzero(np.abs(self.population.start_s - (at - self.started_at).total_seconds()) < 1e-3)
        return int(found[0]) if len(found) else None

    def matrix(self, manual: Manual) -> Floats:
        """Counts by hand of every cell and interval, NaN where there are none; several annotators' counts are averaged."""
        found = np.full(self.population.automatic.shape, np.nan)
        for number, cell in enumerate(self.population.cells):
            for index in {index for index, _ in manual}:
                said = [counts[cell] for (i, _), counts in manual.items() if i == index and cell in counts]
                if said:
                    found[number, index] = sum(said) / len(said)
        return found

    def to_json(self) -> str:
        """Everything as text."""
        people, sample = self.population, self.sample

        def plain(values: Floats) -> list[float | None]:
            return [None if np.isnan(value) else float(value) for value in values]

        return json.dumps(
            {
                **{name: getattr(self, name) for name in ("site_id", "counter", "source", "source_digest", "seed", "weather")},
                "started_at": self.started_at.isoformat(),
                "cells": people.cells,
                "interval_s": people.interval_s,
                "start_s": people.start_s.tolist(),
                "automatic": people.automatic.tolist(),
                "brightness": plain(people.brightness),
                "occlusion": plain(people.occlusion),
                "drawn": sample.drawn.tolist(),
                "inclusion": sample.inclusion.tolist(),
                "strata": sample.strata,
                "twice": sample.twice.tolist(),
            }
        )

    @staticmethod
    def from_json(audit_id: str, text: str) -> Audit:
        """Read what `to_json` wrote."""
        found = json.loads(text)

        def floats(name: str) -> Floats:
            return np.array(found[name], dtype=np.float64)

        cells = tuple((str(line), str(way), str(user)) for line, way, user in found["cells"])
        automatic = floats("automatic").reshape(len(cells), -1)
        return Audit(
            audit_id,
            found["site_id"],
            found["counter"],
            found["source"],
            found["source_digest"],
            datetime.fromisoformat(found["started_at"]),
            found["seed"],
            found["weather"],
            Population(cells, floats("start_s"), found["interval_s"], automatic, floats("brightness"), floats("occlusion")),
            Sample(
                np.array(found["drawn"], dtype=bool),
                floats("inclusion"),
                tuple(found["strata"]),
                np.array(found["twice"], dtype=bool),
            ),
        )


def keep_audit(connection: Connection, audit: Audit, hashes: tuple[str, str], now: datetime) -> None:
    """Put an audit into the lake; the same one is not written twice.

    Args:
        connection: From `open_lake`.
        audit: The audit.
        hashes: Digest of its counter and of its lines.
        now: The instant that counts as now.
    """

    def work() -> None:
        with transaction(connection):
            connection.execute("DELETE FROM lake.audits WHERE audit_id = ?", [audit.audit_id])
            connection.execute(
                "INSERT INTO lake.audits VALUES (?, ?, ?, ?, ?, ?, ?)",
                [audit.audit_id, audit.site_id, *hashes, audit.source_digest, audit.to_json(), now],
            )

    retry(work)


def find_audit(connection: Connection, site_id: str, counter_hash: str) -> Audit | None:
    """The newest audit of a counter at a site that holds counts by hand, else its newest; None where there is none."""
    row = connection.execute(
        "SELECT audit_id, document FROM lake.audits AS a WHERE site_id = ? AND counter_hash = ? ORDER BY "
        "(SELECT count(*) FROM lake.counts_manual AS m WHERE m.audit_id = a.audit_id) > 0 DESC, drawn_at DESC LIMIT 1",
        [site_id, counter_hash],
    ).fetchone()
    return Audit.from_json(str(row[0]), str(row[1])) if row is not None else None


def other_audits(connection: Connection, site_id: str, counter_hash: str) -> list[tuple[str, str, str, Audit]]:
    """Audits of other counters at a site with counts by hand, newest first: id, lines' digest, source's digest, audit."""
    rows = connection.execute(
        "SELECT audit_id, lines_hash, source_digest, document FROM lake.audits WHERE site_id = ? AND counter_hash <> ? "
        "AND audit_id IN (SELECT audit_id FROM lake.counts_manual) ORDER BY drawn_at DESC",
        [site_id, counter_hash],
    ).fetchall()
    return [(row[0], row[1], row[2], Audit.from_json(row[0], row[3])) for row in rows]


def keep_manual(connection: Connection, audit_id: str, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    """Put counts by hand into the lake; an annotator's new count of an interval takes the place of the old one.

    Args:
        connection: From `open_lake`.
        audit_id: The audit they belong to.
        rows: Rows of the contract `counts_manual`, judged already.
        now: The instant that counts as now.
    """
    columns = ("site_id", "line", "direction", "road_user", "interval_start_at", "interval_s", "annotator", "crossings")
    key = " AND ".join(f"m.{name} = g.{name}" for name in columns if name not in ("interval_s", "crossings"))

    def work() -> None:
        # one statement for all rows: each statement on the lake costs tens of milliseconds
        connection.execute("CREATE OR REPLACE TEMP TABLE given_by_hand AS SELECT * FROM lake.counts_manual LIMIT 0")
        connection.executemany(
            f"INSERT INTO given_by_hand (audit_id, {', '.join(columns)}, counted_at) VALUES ({', '.join('?' * 10)})",
            [[audit_id, *(row[name] for name in columns), now] for row in rows],
        )
        with transaction(connection):
            connection.execute(
                "DELETE FROM lake.counts_manual AS m WHERE audit_id = ? AND EXISTS "
                f"(SELECT 1 FROM given_by_hand AS g WHERE {key})",
                [audit_id],
            )
            connection.execute("INSERT INTO lake.counts_manual BY NAME SELECT * FROM given_by_hand")

    if rows:
        retry(work)


def manual_of(connection: Connection, audit: Audit) -> Manual:
    """Counts by hand of an audit's intervals."""
    rows = connection.execute(
        "SELECT interval_start_at, annotator, line, direction, road_user, crossings FROM lake.counts_manual "
        "WHERE audit_id = ? ORDER BY ALL",
        [audit.audit_id],
    ).fetchall()
    found: Manual = {}
    for at, annotator, line, direction, road_user, crossings in rows:
        index = audit.index_of(at)
        if index is not None and audit.sample.drawn[index]:
            found.setdefault((index, annotator), {})[line, direction, road_user] = int(crossings)
    return found


@dataclass(frozen=True)
class Bounds:
    """Intervals of counts from an audit.

    Attributes:
        fitted: Ratio and dispersion of every cell, with the counts they are for.
        first: Intervals before this one are the audit's own and were put in front of the counts asked for.
    """

    fitted: Fit
    first: int = 0


def bounds(audit: Audit, manual: Manual, start_s: Floats, automatic: Floats, *, same_source: bool) -> Bounds:
    """Intervals for counts of the audited counter.

    Args:
        audit: The audit.
        manual: Its counts by hand.
        start_s: Start of each interval after the start of its source, shape `(intervals,)`. [s]
        automatic: Automatic counts of the audit's cells, shape `(cells, intervals)`.
        same_source: Whether these are the audited recording's own intervals; otherwise nothing is known of their light,
            and the audit's intervals lend their error, not their counts.

    Raises:
        ScoringError: Too few intervals were counted by hand.
    """
    counted = audit.matrix(manual)
    taken = int((~np.isnan(counted)).any(axis=0).sum())
    if taken < LEAST_INTERVALS:
        raise ScoringError(
            f"not audited: '{taken}' of {int(audit.sample.drawn.sum())} drawn intervals were counted by hand; expected at "
            f"least {LEAST_INTERVALS}; go on with 'testbed audit'"
        )
    people, sample = audit.population, audit.sample
    inclusion = np.where(sample.inclusion > 0, sample.inclusion, 1.0)
    inclusion = inclusion * taken / max(1, int(sample.drawn.sum()))  # what was drawn and not counted by hand is missing evenly
    if same_source and len(start_s) == len(people.start_s) and np.allclose(start_s, people.start_s):
        return Bounds(fit(automatic, counted, inclusion, people.light()))
    own = (~np.isnan(counted)).any(axis=0)
    both = np.concatenate([people.automatic[:, own], automatic], axis=1)
    known = np.concatenate([counted[:, own], np.full(automatic.shape, np.nan)], axis=1)
    weight = np.concatenate([inclusion[own], np.ones(automatic.shape[1])])
    return Bounds(fit(both, known, weight), int(own.sum()))


def again(earlier: Audit, audit_id: str, counter: dict[str, Any], population: Population) -> Audit:
    """The same intervals for another counter: what was counted by hand of the same recording and lines stays true."""
    return replace(earlier, audit_id=audit_id, counter=counter, population=population)
