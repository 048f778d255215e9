"""Counting as it happens: the work behind `testbed count` of a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from threading import Event

from analytics.video.formats.drawn import lines_of
from analytics.video.live import follow
from analytics.video.options import AS_USUAL, CountOptions
from analytics.video.source import SourceError
from analytics.video.sources.streams import public_name
from flows.stopping import seconds, stopped_by_signals


def count_stream(
    source: str,
    lines: list[str],
    options: CountOptions = AS_USUAL,
    *,
    every_s: int | None = None,
    follow_for: str | None = None,
    files: Sequence[str | None] = (),
) -> None:
    """Follow a stream and print each closed interval as one line of JSON; Ctrl-C ends it cleanly.

    Args:
        source: Address of a stream, or `camera:0`.
        lines: Lines as `NAME=x1,y1,x2,y2[,name_to_right,name_to_left]`.
        options: Detector, road users, tracker and the like.
        every_s: Length of an interval; 60 by default. [s]
        follow_for: How long, such as `15m`; until Ctrl-C when None.
        files: Files that the user asked for; a stream writes none.

    Raises:
        SourceError: The stream, a line, the detector, a road user or an option cannot be used.
    """
    name = public_name(source)
    if any(files):
        raise SourceError(f"{name}: found 'a file to write'; expected none for a stream; leave it out, or count a recording")
    if not lines:
        raise SourceError(f"{name}: found 'no line'; expected at least one; add --line NAME=x1,y1,x2,y2")
    parsed, stop = lines_of(lines), Event()
    with stopped_by_signals(stop):
        found = follow(
            source,
            parsed,
            options,
            every_s=60 if every_s is None else every_s,
            for_s=seconds(follow_for),
            stop=stop,
        )
        for interval in found:
            cells = interval.crossings.items()
            document = {
                "interval_start_at": interval.start_at.isoformat(),
                "interval_s": interval.interval_s,
                "uptime": interval.uptime,
                "frames": interval.frames,
                "frames_dropped": interval.frames_dropped,
                "late": interval.late,
                "counts": [
                    {"line": line, "direction": way, "road_user": user, "crossings": crossings, "lower": None, "upper": None}
                    for (line, way, user), crossings in cells
                ],
            }
            print(json.dumps(document, ensure_ascii=False), flush=True)
