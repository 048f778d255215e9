"""One-off video counting: the work behind `testbed count`."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from analytics.video.count import Counts, count_source, parse_line
from analytics.video.source import SourceError

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
    models: Path | None = None,
    gate: str = "off",
    tiling: int = 1,
    class_agnostic: bool = False,
) -> dict[str, Any]:
    """Count crossings of lines in one video.

    Args:
        source: Path of a video, or a rendered scene such as `scene:street?seed=7&seconds=120`.
        lines: Lines as `NAME=x1,y1,x2,y2[,name_to_right,name_to_left]`.
        detector: `motion`, the name of an installed model, or the path of an ONNX model.
        road_users: Classes to count; `motion` knows only `any`.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]
        events: Path of a CSV file to write, one row for each crossing.
        tracks: Path of a text file to write, in MOT Challenge rows.
        preview: Path of an MP4 file to write: lines, boxes and paths on blank ground.
        progress: Show a progress bar on standard error.
        models: Folder of installed models.
        gate: `motion` lets a network look only where and when something moves.
        tiling: Tiles across the frame at which a network looks besides the whole; 1 for none.
        class_agnostic: Take whatever a network detects as a road user of class `any`.

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
            models=models,
            gate=gate,
            tiling=tiling,
            class_agnostic=class_agnostic,
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
    }


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
