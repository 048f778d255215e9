"""Video: count in one source."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, put, settings_of_run

commands = typer.Typer()


@commands.command()
def count(
    source: Annotated[str, typer.Argument(help="A video, a folder of images, a stream, or scene:street?seed=7&seconds=60.")],
    line: Annotated[list[str], typer.Option(help="NAME=x1,y1,x2,y2[,name_to_right,name_to_left] in pixels of the source.")],
    detector: Annotated[str, typer.Option(help="motion, or an ONNX file.")] = "motion",
    road_users: Annotated[str, typer.Option(help="any, or classes such as pedestrian,cyclist.")] = "any",
    frame_rate: Annotated[float | None, typer.Option(help="Frames per second, where the file is wrong.")] = None,
    events: Annotated[str | None, typer.Option(metavar="FILE.csv", help="Write every crossing.")] = None,
    tracks: Annotated[str | None, typer.Option(metavar="FILE.txt", help="Write tracks in MOT Challenge rows.")] = None,
    preview: Annotated[str | None, typer.Option(metavar="FILE.mp4", help="Write boxes and lines on blank ground.")] = None,
    as_json: AsJson = False,
    every: Annotated[int | None, typer.Option(metavar="SECONDS", help="Length of a stream's intervals; 60 by default.")] = None,
    follow_for: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long a stream is followed, such as 15m; else until Ctrl-C.")
    ] = None,
) -> int:
    """Count crossings of lines in one video; no picture is kept. A stream's intervals are printed as they close."""
    settings_of_run()
    from analytics.video.sources.streams import is_stream
    from flows.count_video import count_stream, count_video

    users = [name.strip() for name in road_users.split(",")]
    if is_stream(source):
        files = [events, tracks, preview]
        count_stream(source, line, every_s=every, follow_for=follow_for, files=files, detector=detector,
                     road_users=users, frame_rate=frame_rate)  # fmt: skip
        return FINE
    document = count_video(
        source,
        line,
        detector=detector,
        road_users=users,
        frame_rate=frame_rate,
        events=events,
        tracks=tracks,
        preview=preview,
        progress=sys.stderr.isatty(),
    )
    put(document, as_json, show.count)
    return FINE
