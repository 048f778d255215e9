"""One-off video counting: the work behind `testbed count`."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from analytics.video.count import count_source
from analytics.video.counts import Counts
from analytics.video.formats.detections import count_detections
from analytics.video.formats.drawn import lines_of
from analytics.video.measures.survey import Survey
from analytics.video.options import AS_USUAL, CountOptions
from analytics.video.source import SourceError, open_source
from flows.export_counts import Export

if TYPE_CHECKING:
    from analytics.video.tracking.track import Track
    from experiments.settings import Settings


def count_video(
    source: str,
    lines: list[str],
    options: CountOptions = AS_USUAL,
    *,
    events: str | None = None,
    tracks: str | None = None,
    preview: str | None = None,
    progress: bool = False,
    settings: Settings | None = None,
    site: str | None = None,
    filled: str | None = None,
    models: Path | None = None,
    zones: Sequence[str] = (),
    turning: bool = False,
    speed: Sequence[str] = (),
    ground: Sequence[str] = (),
    heatmap: str | None = None,
    small_count: int = 5,
    exports: Sequence[str] = (),
    started_at: str | None = None,
    detections: str | None = None,
    size: str | None = None,
) -> dict[str, Any]:
    """Count crossings of lines in one video.

    Args:
        source: Path of a video, or a rendered scene such as `scene:street?seed=7&seconds=120`.
        lines: Lines as `NAME=x1,y1,x2,y2[,name_to_right,name_to_left]`, or a YAML file that was drawn.
        options: Detector, road users, tracker and the like; the detector may be the name of an installed model.
        events: Path of a CSV file to write, one row for each crossing.
        tracks: Path of a text file to write, in MOT Challenge rows.
        preview: Path of an MP4 file to write: lines, boxes and paths on blank ground.
        progress: Show a progress bar on standard error.
        settings: Where audits are kept; without them nothing is said of audits.
        site: Site that the source shows; by default the recording is its own site.
        filled: Warning that stands in every picture of the preview, which then is the video with road users painted over.
        models: Folder of installed models.
        zones: Zones as `NAME=x1,y1,x2,y2,x3,y3,...[@WIDTHxHEIGHT]`.
        turning: Whether to count movements from line to line.
        speed: Pairs of lines as `LINE,LINE,METRES[,ERROR_METRES]`.
        ground: Four or more points as `x,y,X,Y`, in pixels and metres, for the speed at each line.
        heatmap: Path of a CSV file to write: how many road users passed each cell of the picture.
        small_count: Cells of the heat map below this are withheld.
        exports: Files to write as `FORMAT=FILE`, see `flows.export_counts.FORMATS`.
        started_at: Instant of the first frame, in ISO 8601 with its zone; some exports need it.
        detections: Path of detections to count instead of a video, see `analytics.video.formats.detections`.
        size: Width and height of the picture in which the detections lie, as `WIDTHxHEIGHT`.

    Returns:
        The document that `testbed count --json` prints.

    Raises:
        SourceError: The source, a line, the detector, a road user or an output path cannot be used.
    """
    if not lines:
        raise SourceError(f"{source}: found 'no line'; expected at least one; add --line NAME=x1,y1,x2,y2")
    parsed = lines_of(lines)
    survey = Survey(parsed, zones=zones, turning=turning, stretches=speed, ground=ground, heatmap=heatmap is not None)
    export = Export(exports, started_at)
    _check_outputs(source, events, tracks, preview, heatmap, *export.paths)
    with ExitStack() as stack:
        track_file = stack.enter_context(Path(f"{tracks}.part").open("w", encoding="utf-8")) if tracks else None
        if track_file is not None:
            stack.callback(Path(track_file.name).unlink, missing_ok=True)
        stack.enter_context(export)

        def on_frame(index: int, frames: int | None, living: Sequence[Track]) -> None:
            if track_file is not None:
                _write_tracks(track_file, index, living)
            survey.see(living, index)
            export.see(living, index)
            if progress and (index + 1 == frames or index % 50 == 49):
                _show(index + 1, frames)

        if detections is None:
            counts = count_source(
                source,
                parsed,
                options,
                on_frame=on_frame,
                preview=preview,
                on_start=survey.start,
                on_crossing=survey.crossed,
                filled=filled,
                models=models,
            )
        else:
            picture = _size(size)
            survey.start(picture)
            counts = count_detections(
                detections,
                parsed,
                size=picture,
                frame_rate=options.frame_rate or 0.0,
                road_users=options.road_users,
                tracker=options.tracker,
                anchor=options.anchor,
                on_frame=on_frame,
                on_crossing=survey.crossed,
            )
        export.write(counts)
        if progress:
            print(file=sys.stderr)
        if track_file is not None and tracks is not None:
            track_file.flush()
            Path(track_file.name).replace(tracks)
    if events is not None:
        _write_events(events, counts)
    if heatmap is not None:
        _write_heat(heatmap, survey, small_count)
    ends: dict[tuple[str, str, str], tuple[int, int]] = {}
    audit = {}
    if settings is not None and detections is None:
        from flows.audited import of_count

        with open_source(source, frame_rate=options.frame_rate) as opened:
            digest = opened.digest()
        ends, audit["audit"] = of_count(counts, site or f"video_{digest[:12]}", digest, options.frame_rate, settings)
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
                "lower": ends.get((line, direction, road_user), (None, None))[0],
                "upper": ends.get((line, direction, road_user), (None, None))[1],
            }
            for (line, direction, road_user), crossings in counts.tally().items()
        ],
        "frames_lost": counts.frames_lost,
        "losses": [asdict(loss) for loss in counts.losses],
        **audit,
        **survey.document(counts),
    }


def _size(text: str | None) -> tuple[int, int]:
    """The size of the picture in which given detections lie."""
    width, _, height = (text or "").partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) > 0 and int(height) > 0):
        raise SourceError(f"size is '{text}'; expected WIDTHxHEIGHT of the picture in which the boxes lie; add --size")
    return int(width), int(height)


def _write_heat(path: str, survey: Survey, small_count: int) -> None:
    """One row for each cell; a withheld count is empty."""
    partial = Path(f"{path}.part")
    with partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["x1", "y1", "x2", "y2", "road_users"])
        for cell in survey.cells(small_count):
            number = "" if cell.road_users is None else cell.road_users
            writer.writerow([f"{cell.x1:g}", f"{cell.y1:g}", f"{cell.x2:g}", f"{cell.y2:g}", number])
    partial.replace(path)


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
