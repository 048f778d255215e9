"""Video: count in one source."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, put, settings_of_run

commands = typer.Typer()
FORMATS_HELP = "opendatacam_csv, opendatacam_json, otanalytics or supervision, and where to write it."


@commands.command()
def count(
    source: Annotated[str, typer.Argument(help="A video file, or a rendered scene such as scene:street?seed=7&seconds=60.")],
    line: Annotated[list[str], typer.Option(help="NAME=x1,y1,x2,y2[,name_to_right,name_to_left] in pixels of the source.")],
    detector: Annotated[str, typer.Option(help="motion, or an ONNX file.")] = "motion",
    road_users: Annotated[str, typer.Option(help="any, or classes such as pedestrian,cyclist.")] = "any",
    frame_rate: Annotated[float | None, typer.Option(help="Frames per second, where the file is wrong.")] = None,
    events: Annotated[str | None, typer.Option(metavar="FILE.csv", help="Write every crossing.")] = None,
    tracks: Annotated[str | None, typer.Option(metavar="FILE.txt", help="Write tracks in MOT Challenge rows.")] = None,
    preview: Annotated[str | None, typer.Option(metavar="FILE.mp4", help="Write boxes and lines on blank ground.")] = None,
    as_json: AsJson = False,
    tracker: Annotated[str, typer.Option(help="own, or bytetrack, ocsort or botsort of the library trackers.")] = "own",
    anchor: Annotated[str, typer.Option(help="Point of a box that is counted: foot or centre.")] = "foot",
    zone: Annotated[list[str] | None, typer.Option(help="NAME=x1,y1,x2,y2,x3,y3,...: entries, exits, occupancy.")] = None,
    turning: Annotated[bool, typer.Option("--turning", help="Count movements from line to line.")] = False,
    speed: Annotated[list[str] | None, typer.Option(help="LINE,LINE,METRES[,ERROR_METRES]: speed between two lines.")] = None,
    ground: Annotated[list[str] | None, typer.Option(help="x,y,X,Y, four times or more: speed at each line.")] = None,
    heatmap: Annotated[str | None, typer.Option(metavar="FILE.csv", help="Write road users per cell.")] = None,
    small_count: Annotated[int, typer.Option(help="Cells of the heat map below this are withheld.")] = 5,
    export: Annotated[list[str] | None, typer.Option(metavar="FORMAT=FILE", help=FORMATS_HELP)] = None,
    started_at: Annotated[str | None, typer.Option(help="Instant of the first frame, with its zone.")] = None,
    detections: Annotated[bool, typer.Option("--detections", help="SOURCE is a file of detections.")] = False,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT of the picture in which detections lie.")] = None,
) -> int:
    """Count crossings of lines in one video; no picture is kept."""
    settings_of_run()
    from flows.count_video import count_video

    document = count_video(
        source,
        line,
        detector=detector,
        road_users=[name.strip() for name in road_users.split(",")],
        frame_rate=frame_rate,
        events=events,
        tracks=tracks,
        preview=preview,
        progress=sys.stderr.isatty(),
        tracker=tracker,
        anchor=anchor,
        zones=zone or (),
        turning=turning,
        speed=speed or (),
        ground=ground or (),
        heatmap=heatmap,
        small_count=small_count,
        exports=export or (),
        started_at=started_at,
        detections=source if detections else None,
        size=size,
    )
    put(document, as_json, show.count)
    return FINE
