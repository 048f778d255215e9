"""Video: count in one source, and the models that may count."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, put, settings_of_run

commands = typer.Typer()
models = typer.Typer(help="Install, list and remove detection models.", no_args_is_help=True)
commands.add_typer(models, name="models")


@commands.command()
def count(
    source: Annotated[str, typer.Argument(help="A video file, or a rendered scene such as scene:street?seed=7&seconds=60.")],
    line: Annotated[list[str], typer.Option(help="NAME=x1,y1,x2,y2[,name_to_right,name_to_left] in pixels of the source.")],
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
) -> int:
    """Count crossings of lines in one video; no picture is kept."""
    settings = settings_of_run()
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
        models=settings.models,
        gate=gate,
        tiling=tiling,
        class_agnostic=class_agnostic,
    )
    put(document, as_json, show.count)
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
