"""One-off video counting: the work behind `testbed count`."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import IO, TYPE_CHECKING, Any

from analytics.video.count import Counts, count_source, parse_line
from analytics.video.live import follow
from analytics.video.source import SourceError
from analytics.video.sources.streams import public_name
from flows.stopping import seconds, stopped_by_signals

if TYPE_CHECKING:
    from analytics.video.track import Track


def count_video(
    source: str,
    lines: list[str],
    *,
    detector: str = "motion",
    road_users: Sequence[str] = ("any",),
    frame_rate: float | None = None,
    events: str | None = None,
    tracks: str | None = None,
    preview: str | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Count crossings of lines in one video.

    Args:
        source: Path of a video, or a rendered scene such as `scene:street?seed=7&seconds=120`.
        lines: Lines as `NAME=x1,y1,x2,y2[,name_to_right,name_to_left]`.
        detector: `motion`, or the path of an ONNX model.
        road_users: Classes to count; `motion` knows only `any`.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]
        events: Path of a CSV file to write, one row for each crossing.
        tracks: Path of a text file to write, in MOT Challenge rows.
        preview: Path of an MP4 file to write: lines, boxes and paths on blank ground.
        progress: Show a progress bar on standard error.

    Returns:
        The document that `testbed count --json` prints.

    Raises:
        SourceError: The source, a line, the detector, a road user or an output path cannot be used.
    """
    if not lines:
        raise SourceError(f"{source}: found 'no line'; expected at least one; add --line NAME=x1,y1,x2,y2")
    parsed = [parse_line(line) for line in lines]
    _check_outputs(source, events, tracks, preview)
    with ExitStack() as stack:
        track_file = stack.enter_context(Path(f"{tracks}.part").open("w", encoding="utf-8")) if tracks else None
        if track_file is not None:
            stack.callback(Path(track_file.name).unlink, missing_ok=True)

        def on_frame(index: int, frames: int | None, living: Sequence[Track]) -> None:
            if track_file is not None:
                _write_tracks(track_file, index, living)
            if progress and (index + 1 == frames or index % 50 == 49):
                _show(index + 1, frames)

        counts = count_source(
            source,
            parsed,
            detector=detector,
            road_users=road_users,
            frame_rate=frame_rate,
            on_frame=on_frame,
            preview=preview,
        )
        if progress:
            print(file=sys.stderr)
        if track_file is not None and tracks is not None:
            track_file.flush()
            Path(track_file.name).replace(tracks)
    if events is not None:
        _write_events(events, counts)
    return {
        "source": source,
        "frames": counts.frames,
        "frame_rate": counts.frame_rate,
        "video_s": counts.video_s,
        "wall_s": counts.wall_s,
        "uptime": counts.uptime,
        "detector": counts.detector,
        "counts": [
            {
                "line": line,
                "direction": direction,
                "road_user": road_user,
                "crossings": crossings,
                "lower": None,
                "upper": None,
            }
            for (line, direction, road_user), crossings in counts.tally().items()
        ],
        "frames_lost": counts.frames_lost,
        "losses": [asdict(loss) for loss in counts.losses],
    }


def count_stream(
    source: str,
    lines: list[str],
    *,
    every_s: int | None = None,
    follow_for: str | None = None,
    files: Sequence[str | None] = (),
    detector: str = "motion",
    road_users: Sequence[str] = ("any",),
    frame_rate: float | None = None,
) -> None:
    """Follow a stream and print each closed interval as one line of JSON; Ctrl-C ends it cleanly.

    Args:
        source: Address of a stream, or `camera:0`.
        lines: Lines as `NAME=x1,y1,x2,y2[,name_to_right,name_to_left]`.
        every_s: Length of an interval; 60 by default. [s]
        follow_for: How long, such as `15m`; until Ctrl-C when None.
        files: Files that the user asked for; a stream writes none.
        detector: `motion`, or the path of an ONNX model.
        road_users: Classes to count.
        frame_rate: Frames per second, where it should not be measured. [1/s]

    Raises:
        SourceError: The stream, a line, the detector, a road user or an option cannot be used.
    """
    name = public_name(source)
    if any(files):
        raise SourceError(f"{name}: found 'a file to write'; expected none for a stream; leave it out, or count a recording")
    if not lines:
        raise SourceError(f"{name}: found 'no line'; expected at least one; add --line NAME=x1,y1,x2,y2")
    parsed, stop = [parse_line(line) for line in lines], Event()
    with stopped_by_signals(stop):
        found = follow(
            source,
            parsed,
            every_s=60 if every_s is None else every_s,
            detector=detector,
            road_users=road_users,
            frame_rate=frame_rate,
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


def _check_outputs(source: str, *outputs: str | None) -> None:
    """Refuse an output that would overwrite the source or another output, or that has no folder."""
    taken = {Path(source).resolve()}
    for output in outputs:
        if output is None:
            continue
        path = Path(output)
        if path.resolve() in taken:
            raise SourceError(f"{output}: found 'the name of another file of this count'; expected a new name; choose another")
        if not path.parent.is_dir() or path.is_dir() or not os.access(path.parent, os.W_OK):
            raise SourceError(
                f"{output}: found 'no place to write'; expected a file in an existing folder; choose another path"
            )
        taken.add(path.resolve())


def _write_tracks(stream: IO[str], index: int, tracks: Sequence[Track]) -> None:
    """One MOT Challenge row for each track that is seen in this frame; frames start at 1."""
    for track in tracks:
        if track.missed_s == 0:
            x1, y1, x2, y2 = track.box
            stream.write(f"{index + 1},{track.id},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},1,-1,-1,-1\n")


def _write_events(path: str, counts: Counts) -> None:
    """One row for each crossing; written beside and then moved, so that no half file is left."""
    partial = Path(f"{path}.part")
    with partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["time_s", "frame", "line", "direction", "road_user", "track_id"])
        for event in counts.events:
            row = (f"{event.time_s:.3f}", event.frame, event.line, event.direction, event.road_user, event.track_id)
            writer.writerow(row)
    partial.replace(path)


def _show(done: int, frames: int | None) -> None:
    """Draw the progress bar."""
    if frames is None:
        print(f"\r{done} frames", end="", file=sys.stderr, flush=True)
        return
    share = min(1.0, done / frames)
    bar = "#" * round(30 * share)
    print(f"\r[{bar:<30}] {share:4.0%} of {frames} frames", end="", file=sys.stderr, flush=True)
