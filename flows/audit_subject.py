"""What is audited: a pilot or a recording, and every interval of it with its automatic counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from analytics.lake import Connection
from analytics.video.conditions import Conditions
from analytics.video.count import count_source
from analytics.video.formats.drawn import lines_of
from analytics.video.identity import counter_of
from analytics.video.measures.lines import Line
from analytics.video.options import CountOptions
from analytics.video.source import SourceError, open_source
from analytics.video.sources.streams import public_name
from experiments.audit.records import NO_CLOCK
from experiments.audit.sample import Population
from experiments.pilot import PilotError, find_pilot, load_pilot, pilots
from experiments.settings import Settings
from flows.feeds import find_source, resolve
from flows.parameters import with_model
from flows.stream_feeds import is_followed


@dataclass(frozen=True)
class Subject:
    """What is audited: a counter at a site, and a recording that it counts.

    Attributes:
        site_id: The site; a recording without one is its own.
        source: Path of a video, or a rendered scene; empty where only published counts are there.
        lines: Counting lines.
        detector: `motion`, or the path of a model.
        road_users: Classes that are counted.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]
        interval_s: Length of an interval. [s]
        started_at: Instant of the first frame.
    """

    site_id: str
    source: str
    lines: tuple[Line, ...]
    detector: str = "motion"
    road_users: tuple[str, ...] = ("any",)
    frame_rate: float | None = None
    interval_s: int = 15
    started_at: datetime = NO_CLOCK

    def counter(self) -> dict[str, Any]:
        """What counts."""
        return counter_of(self.detector, self.lines, self.road_users, self.frame_rate)


def recording_site(source: str) -> str:
    """Site of a recording that names none: the recording itself."""
    with open_source(source) as opened:
        return f"video_{opened.digest()[:12]}"


def subject_of(
    target: str,
    settings: Settings,
    *,
    lines: Sequence[str] = (),
    detector: str = "motion",
    road_users: Sequence[str] = ("any",),
    frame_rate: float | None = None,
    interval_s: int = 15,
    site: str | None = None,
    published: bool = False,
) -> Subject:
    """What a user names: a pilot, whose file says all, or a source with its lines.

    With `published`, a pilot's published intervals are audited, and its source need not be there any more.

    Raises:
        PilotError: The pilot is wrong or counts no video.
        SourceError: The source or a line cannot be used.
    """
    if target in pilots(settings.pilots) or target.endswith((".yaml", ".yml")):
        return _subject_of_pilot(target, settings, published=published)
    if not lines:
        raise SourceError(f"{target}: found 'no line'; expected a pilot's id, or a source with --line or --lines; add one")
    return Subject(
        site or recording_site(target),
        target,
        lines_of(lines, target, frame_rate=frame_rate),
        detector,
        tuple(road_users),
        frame_rate,
        interval_s,
    )


def _subject_of_pilot(name: str, settings: Settings, *, published: bool) -> Subject:
    path = find_pilot(name, settings.pilots)
    pilot = load_pilot(path)
    resolve(pilot, path)
    for feed in pilot.feeds:
        if feed.analytic == "count_crossings":
            if is_followed(feed):
                raise PilotError(
                    f"{path}: source '{public_name(feed.sources[0])}' is a stream, of which no picture is kept; expected a "
                    f"recording; audit a recording of the same street with --site {feed.params.get('site_id')}"
                )
            given = with_model(feed, settings).params
            started_at = given["started_at"]
            source = "" if published else find_source(feed, settings, str(path)).location
            return Subject(
                given["site_id"],
                source,
                lines_of(given["lines"], source, frame_rate=given.get("frame_rate")),
                given.get("detector", "motion"),
                tuple(given.get("road_users", ("any",))),
                given.get("frame_rate"),
                given.get("interval_s", 15),
                started_at if isinstance(started_at, datetime) else datetime.fromisoformat(str(started_at)),
            )
    raise PilotError(f"{path}: found 'no feed that counts video'; expected one of count_crossings; audit another pilot")


def count_population(subject: Subject) -> Population:
    """Count a subject's recording and gather the conditions of each interval."""
    conditions = Conditions(subject.interval_s)
    counts = count_source(
        subject.source,
        subject.lines,
        CountOptions(detector=subject.detector, road_users=subject.road_users, frame_rate=subject.frame_rate),
        watch=lambda frame, tracks, _: conditions.see(frame, tracks),
    )
    number = max(1, math.ceil(counts.video_s / subject.interval_s - 1e-9))
    tallies = [counts.tally(i * subject.interval_s, (i + 1) * subject.interval_s) for i in range(number)]
    cells = tuple(counts.cells())
    automatic = np.array([[tally[cell] for tally in tallies] for cell in cells], dtype=np.float64)
    start_s = np.arange(number, dtype=np.float64) * subject.interval_s
    return Population(
        cells, start_s, subject.interval_s, automatic, conditions.brightness(number), conditions.occlusion(number)
    )


def published_population(connection: Connection, subject: Subject) -> Population:
    """The published intervals of a subject's site that were seen; nothing is known of their light and occlusion.

    Raises:
        PilotError: Nothing of these lines and this length of interval is published.
    """
    cells = tuple(
        (line.name, way, user) for line in subject.lines for way in (line.to_right, line.to_left) for user in subject.road_users
    )
    rows = connection.execute(
        "SELECT line, direction, road_user, interval_start_at, crossings FROM lake.counts_by_interval "
        "WHERE site_id = ? AND interval_s = ? AND crossings IS NOT NULL",
        [subject.site_id, subject.interval_s],
    ).fetchall()
    counted = {(row[:3], (row[3] - subject.started_at).total_seconds()): row[4] for row in rows}
    starts = sorted({start for _, start in counted})
    if not starts or any((cell, start) not in counted for cell in cells for start in starts):
        raise PilotError(
            f"{subject.site_id}: found 'no published intervals of these lines'; expected some; run 'testbed run PILOT' first"
        )
    automatic = np.array([[counted[cell, start] for start in starts] for cell in cells], dtype=np.float64)
    unknown = np.full(len(starts), np.nan)
    return Population(cells, np.array(starts, dtype=np.float64), subject.interval_s, automatic, unknown, unknown)
