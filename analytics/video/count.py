"""Counting in a video: from a source and lines to crossings, also per interval in a table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from analytics.video.counting import check_inside, prime
from analytics.video.counts import Counts
from analytics.video.measures.lines import Crossing, Line
from analytics.video.options import AS_USUAL, CountOptions
from analytics.video.source import SourceError, open_source
from analytics.video.sources.streams import is_stream, public_name

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.lake import Connection
    from analytics.video.detect import Detections
    from analytics.video.source import Frame
    from analytics.video.tracking.track import Track


def count_source(
    source: str,
    lines: Sequence[Line],
    options: CountOptions = AS_USUAL,
    *,
    on_frame: Callable[[int, int | None, Sequence[Track]], None] | None = None,
    preview: str | None = None,
    on_start: Callable[[tuple[int, int]], None] | None = None,
    on_crossing: Callable[[Crossing, Track], None] | None = None,
    watch: Callable[[Frame, Sequence[Track], Detections], None] | None = None,
    filled: str | None = None,
    models: Path | None = None,
) -> Counts:
    """Count the crossings of lines in a video, frame by frame; no frame is kept or written.

    Args:
        source: Path of a video, or a rendered scene (see `source.open_source`).
        lines: Lines with different names.
        options: Detector, road users, tracker and the like.
        on_frame: Called after each frame with its index, the number of frames declared (or None) and the living tracks.
        preview: Path of a video to write, with lines, boxes and paths on blank ground.
        on_start: Called once with the width and height of the frames, before the first is counted. [px]
        on_crossing: Called for each crossing with its track.
        watch: Called after each frame with the frame, the living tracks and all that was found; it must not keep the picture.
        filled: Warning that stands in every picture; with it the preview is the video itself with road users painted over.
        models: Folder of installed models, by whose names the detector may be called.

    Raises:
        SourceError: The source, a line, the detector or a road user cannot be used.
    """
    from analytics.video.blur import FilledWriter
    from analytics.video.privacy import PreviewWriter, forbid_core_dumps

    if is_stream(source):
        raise SourceError(f"{public_name(source)}: found 'a stream'; expected a recording; follow it with an interval instead")
    if filled is not None and preview is None:
        raise SourceError(f"{source}: found 'filled without a preview'; expected a file to write; add --preview FILE.mp4")
    began = time.perf_counter()
    forbid_core_dumps()
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(source, frame_rate=options.frame_rate))
        lines = [line.fit(opened.size) for line in lines]
        for line in lines:
            check_inside(line, opened.size)
        find = options.make_detector(opened.frame_rate, models)
        writer = painter = None
        if preview is not None and filled is not None:
            painter = stack.enter_context(FilledWriter(preview, opened.size, opened.frame_rate, lines, filled))
        elif preview is not None:
            writer = stack.enter_context(PreviewWriter(preview, opened.size, opened.frame_rate, lines))
        prime(find, opened)
        if on_start is not None:
            on_start(opened.size)
        counting = options.counting(find, lines, opened.frame_rate, on_crossing)
        for frame in opened:
            tracks = counting.see(frame)
            if writer is not None:
                writer.write(tracks)
            if painter is not None:
                painter.write(frame, tracks, counting.found)
            if watch is not None:
                watch(frame, tracks, counting.found)
            if on_frame is not None:
                on_frame(frame.index, opened.frames, tracks)
        return Counts(
            source=source,
            lines=tuple(lines),
            road_users=tuple(options.road_users),
            detector=options.detector,
            events=counting.events(),
            frames=opened.frames_read,
            frame_rate=opened.frame_rate,
            video_s=opened.read_s,
            declared_s=max(opened.read_s, opened.declared_s or 0.0),
            wall_s=time.perf_counter() - began,
            uptime=opened.uptime,
            frames_lost=opened.frames_lost,
            losses=opened.losses,
            size=opened.size,
            options=tuple(asdict(options).items()),
        )


def count_crossings(
    connection: Connection,
    source: str,
    *,
    table: str,
    site_id: str,
    started_at: datetime,
    lines: Sequence[str | Mapping[str, object]],
    interval_s: int = 15,
    options: CountOptions = AS_USUAL,
) -> None:
    """Count crossings per interval into a table of the contract `counts_by_interval`.

    Every line, direction, road user and interval has a row, also at 0 crossings. `uptime` is the share of the
    interval that was observed; where it is 0, `crossings` is NULL: nothing measured is not zero. `lower` and `upper`
    are NULL until audited.

    Args:
        connection: Where the table is created; an existing one is replaced.
        source: Path of a video, or a rendered scene.
        table: Name of the table.
        site_id: Site that the camera observes.
        started_at: Instant of the first frame, with a time zone.
        lines: Lines as `NAME=x1,y1,x2,y2[,name_to_right,name_to_left][@WIDTHxHEIGHT]`, as mappings (see
            `lines.read_line`), or YAML files that were drawn.
        interval_s: Length of an interval. Intervals lie on the clock (quarter hours, minutes) where a whole number of
            them makes a day; otherwise the first starts at `started_at`. [s]
        options: Detector, road users, tracker and the like.

    Raises:
        SourceError: A parameter, the source, a line or the detector cannot be used.
    """
    if started_at.tzinfo is None:
        raise SourceError(
            f"{source}: started_at is '{started_at}'; expected an instant with a time zone; add one, such as +00:00"
        )
    if interval_s < 1:
        raise SourceError(f"{source}: interval_s is '{interval_s}'; expected 1 or more; correct it")
    if not lines:
        raise SourceError(f"{source}: lines is '[]'; expected at least 1 line; add NAME=x1,y1,x2,y2")
    from analytics.video.formats.drawn import lines_of

    counts = count_source(source, lines_of(lines), options)
    write_intervals(connection, counts, table=table, site_id=site_id, started_at=started_at, interval_s=interval_s)


def write_intervals(
    connection: Connection, counts: Counts, *, table: str, site_id: str, started_at: datetime, interval_s: int
) -> None:
    """Write counts per interval into a table of the contract `counts_by_interval`, see `count_crossings`."""
    rows = []
    early_s = started_at.timestamp() % interval_s if 86400 % interval_s == 0 else 0.0
    for index in range(max(1, math.ceil((counts.declared_s + early_s) / interval_s - 1e-9))):
        start_s, end_s = index * interval_s - early_s, (index + 1) * interval_s - early_s
        uptime = min(1.0, round(counts.seen_s(start_s, end_s) / interval_s, 9))
        start_at = (started_at + timedelta(seconds=start_s)).astimezone(UTC)
        for (line, direction, road_user), crossings in counts.tally(start_s, end_s).items():
            measured = crossings if uptime > 0 else None
            rows.append((site_id, line, direction, road_user, start_at, interval_s, measured, None, None, uptime))
    write_rows(connection, rows, table=table)


def write_rows(connection: Connection, rows: Sequence[tuple[object, ...]], *, table: str) -> None:
    """Create a table of the contract `counts_by_interval` from its rows; an existing one is replaced."""
    quoted = '"' + table.replace('"', '""') + '"'
    connection.execute(
        f"CREATE OR REPLACE TABLE {quoted} (site_id VARCHAR, line VARCHAR, direction VARCHAR, road_user VARCHAR, "
        "interval_start_at TIMESTAMPTZ, interval_s INTEGER, crossings INTEGER, "
        "lower INTEGER, upper INTEGER, uptime DOUBLE)"
    )
    connection.executemany(f"INSERT INTO {quoted} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
