"""Video: count in one source, and the models that may count."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, put, settings_of_run

commands = typer.Typer()
models = typer.Typer(help="Install, list and remove detection models.", no_args_is_help=True)
commands.add_typer(models, name="models")
FORMATS_HELP = "opendatacam_csv, opendatacam_json, otanalytics or supervision, and where to write it."


@commands.command()
def count(
    source: Annotated[str, typer.Argument(help="A video, a folder of images, a stream, or scene:street?seed=7&seconds=60.")],
    line: Annotated[
        list[str] | None, typer.Option(help="NAME=x1,y1,x2,y2[,name_to_right,name_to_left] in pixels of the source.")
    ] = None,
    detector: Annotated[str, typer.Option(help="motion, an installed model, or an ONNX file.")] = "motion",
    road_users: Annotated[str, typer.Option(help="any, or classes such as pedestrian,cyclist.")] = "any",
    frame_rate: Annotated[float | None, typer.Option(help="Frames per second, where the file is wrong.")] = None,
    events: Annotated[str | None, typer.Option(metavar="FILE.csv", help="Write every crossing.")] = None,
    tracks: Annotated[str | None, typer.Option(metavar="FILE.txt", help="Write tracks in MOT Challenge rows.")] = None,
    preview: Annotated[str | None, typer.Option(metavar="FILE.mp4", help="Write boxes and lines on blank ground.")] = None,
    gate: Annotated[str, typer.Option(help="motion: a network looks only where and when something moves; or off.")] = "off",
    tiling: Annotated[int, typer.Option(help="Tiles across, for small and far road users; 1 for none.")] = 1,
    class_agnostic: Annotated[bool, typer.Option(help="Whatever is detected counts as any: for views from above.")] = False,
    as_json: AsJson = False,
    every: Annotated[int | None, typer.Option(metavar="SECONDS", help="Length of a stream's intervals; 60 by default.")] = None,
    follow_for: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long a stream is followed, such as 15m; else until Ctrl-C.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Site that the source shows, for its audit.")] = None,
    lines: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="Lines from 'testbed draw'.")] = None,
    filled: Annotated[bool, typer.Option("--filled", help="Preview: the video with road users painted over.")] = False,
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
    """Count crossings of lines in one video; no picture is kept. A stream's intervals are printed as they close."""
    settings = settings_of_run()
    from analytics.video.onnx.installed import as_file
    from analytics.video.options import CountOptions
    from analytics.video.sources.streams import is_stream
    from flows.count_stream import count_stream
    from flows.count_video import count_video

    options = CountOptions(
        detector=as_file(detector, settings.models),
        road_users=[name.strip() for name in road_users.split(",")],
        frame_rate=frame_rate,
        tracker=tracker,
        anchor=anchor,
        gate=gate,
        tiling=tiling,
        class_agnostic=class_agnostic,
    )
    given = [*(line or []), *([str(lines)] if lines is not None else [])]
    if is_stream(source):
        files = [events, tracks, preview]
        count_stream(source, given, options, every_s=every, follow_for=follow_for, files=files)
        return FINE
    warning = None
    if filled:
        from flows.blur import warning_of

        warning = warning_of(settings, options.detector)
        print(f"warning: {warning}", file=sys.stderr)
    document = count_video(
        source,
        given,
        options,
        events=events,
        tracks=tracks,
        preview=preview,
        progress=sys.stderr.isatty(),
        settings=settings,
        site=site,
        filled=warning,
        models=settings.models,
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


@commands.command()
def audit(
    target: Annotated[str, typer.Argument(help="A pilot that counts video, a video file, or a rendered scene.")],
    line: Annotated[
        list[str] | None, typer.Option(help="NAME=x1,y1,x2,y2[,name_to_right,name_to_left]; a pilot has its own.")
    ] = None,
    lines: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="Lines from 'testbed draw'.")] = None,
    detector: Annotated[str, typer.Option(help="motion, or an ONNX file.")] = "motion",
    road_users: Annotated[str, typer.Option(help="any, or classes such as pedestrian,cyclist.")] = "any",
    frame_rate: Annotated[float | None, typer.Option(help="Frames per second, where the file is wrong.")] = None,
    interval_s: Annotated[int, typer.Option(help="Length of an interval in seconds.")] = 15,
    site: Annotated[str | None, typer.Option(help="Site that the source shows; by default the recording itself.")] = None,
    sample: Annotated[int, typer.Option(help="How many intervals to draw.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 1,
    width: Annotated[float, typer.Option(help="Half width wanted for the total, as a share of it.")] = 0.1,
    published: Annotated[
        bool, typer.Option("--published", help="A pilot's published intervals; its source may be gone.")
    ] = False,
    weather: Annotated[str, typer.Option(help="Weather, for the report.")] = "",
    manual: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Take counts by hand from a file.")] = None,
    count: Annotated[bool, typer.Option("--count", help="Open the page on which a person counts.")] = False,
    annotator: Annotated[str, typer.Option(help="Who counts, as a letter or word that is nobody's name.")] = "a",
    second: Annotated[bool, typer.Option("--second", help="Count, as a second person, some intervals again.")] = False,
    port: Annotated[int, typer.Option(help="Port of the page; 0 for any.")] = 0,
    blur: Annotated[
        Path | None, typer.Option(metavar="TRUTH.txt", help="Measure the filled preview on MOT truth instead.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Draw intervals to count by hand, take the counts in, and say how wrong the automatic counts are."""
    settings = settings_of_run()
    from analytics.video.onnx.installed import as_file
    from flows import audit as work

    detector = as_file(detector, settings.models)
    from flows.audit_subject import subject_of

    if blur is not None:
        from flows.blur import measure_blur

        put(measure_blur(target, blur, settings, detector=detector, frame_rate=frame_rate), as_json, show.blur)
        return FINE
    subject = subject_of(
        target,
        settings,
        lines=[*(line or []), *([str(lines)] if lines is not None else [])],
        detector=detector,
        road_users=[name.strip() for name in road_users.split(",")],
        frame_rate=frame_rate,
        interval_s=interval_s,
        site=site,
        published=published,
    )
    found, said = work.begin(subject, settings, size=sample, seed=seed, weather=weather)
    print(f"{said}; seed {found.seed}", file=sys.stderr)
    if manual is not None:
        print(f"{work.take_in_file(found, manual, settings)} rows taken in", file=sys.stderr)
    if count:
        from flows.audit_page import count_by_hand

        count_by_hand(found, subject, settings, annotator=annotator, second=second, port=port)
    put(work.report(found, settings, width=width), as_json, show.audit)
    return FINE


@commands.command()
def draw(
    source: Annotated[str, typer.Argument(help="A video file, or a rendered scene.")],
    out: Annotated[Path, typer.Option(metavar="FILE.yaml", help="Where to save lines, zones and ground points.")] = Path(
        "lines.yaml"
    ),
    port: Annotated[int, typer.Option(help="Port of the page; 0 for any.")] = 0,
) -> int:
    """Open a page to draw counting lines and zones on the empty street; no picture is kept."""
    settings_of_run()
    from flows.draw import draw_lines

    draw_lines(source, out, port=port)
    return FINE


@models.command("add")
def add(
    model: Annotated[str, typer.Argument(help="A name of `testbed models list`, or an ONNX file with its YAML beside it.")],
    sha256: Annotated[str | None, typer.Option(metavar="HEX", help="What the file's SHA-256 must be.")] = None,
    as_json: AsJson = False,
) -> int:
    """Install a model: fetched and held to its hash, or from a file."""
    settings = settings_of_run()
    from analytics.video.onnx.installed import add_model, describe

    path = add_model(model, settings.models, sha256=sha256)
    put({"models": [{**describe(path), "is_installed": True, "about": ""}]}, as_json, show.models)
    return FINE


@models.command("list")
def list_models(as_json: AsJson = False) -> int:
    """The installed models, and those that can be installed by name."""
    settings = settings_of_run()
    from analytics.video.onnx.installed import catalogue, describe, installed

    offered = catalogue()
    here = installed(settings.models)
    rows = [{**describe(path), "is_installed": True, "about": ""} for path in here.values()]
    for name, model in offered.items():
        if name not in here:
            said = model.sidecar
            about = {"family": said["family"], "licence": said["licence"], "mb": None, "sha256": model.sha256}
            rows.append({"name": name, **about, "is_installed": False, "about": model.about})
    put({"models": rows}, as_json, show.models)
    return FINE


@models.command("remove")
def remove(name: Annotated[str, typer.Argument(help="An installed model.")]) -> int:
    """Remove an installed model."""
    settings = settings_of_run()
    from analytics.video.onnx.installed import remove_model

    remove_model(name, settings.models)
    return FINE
