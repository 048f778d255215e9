"""Pilots: describe, run, list."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from experiments.settings import load_settings
from flows import show
from flows.cli.terminal import FINE, GATE_SAID_NO, AsJson, progress_bar, put, settings_of_run

commands = typer.Typer()


@commands.command()
def demo(as_json: AsJson = False) -> int:
    """Run every built-in pilot and one vendor evaluation, offline, and say where to look."""
    settings = settings_of_run()
    from flows.demo import run_demo

    with progress_bar(14) as step:
        document = run_demo(settings, progress=step)
    put(document, as_json, partial(show.demo, home=settings.home))
    return GATE_SAID_NO if any(p["verdict"] == "stopped" for p in document["pilots"]) else FINE


@commands.command(name="list")
def list_all(as_json: AsJson = False) -> int:
    """List pilots and vendor tasks, with the last verdict of each pilot."""
    settings = settings_of_run()
    from flows.catalogue import catalogue

    document = catalogue(settings)
    put(document, as_json, show.list_all)
    return FINE


@commands.command()
def new(pilot_id: Annotated[str, typer.Argument(metavar="ID", help="Name of the pilot: a-z, 0-9 and _.")]) -> int:
    """Write a commented pilot file to start from."""
    from flows.catalogue import new_pilot

    path = new_pilot(pilot_id, load_settings())
    print(f"{path}: edit it, then run 'testbed run {pilot_id}'")
    return FINE


@commands.command()
def run(
    pilot: Annotated[str, typer.Argument(help="Id of a pilot, or the path of its file.")],
    runner: Annotated[str | None, typer.Option(help="Where steps run: threads or dask.")] = None,
    follow_for: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="How long streams and brokers are followed, such as 15m or 0."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Run one pilot: gate, count, judge, record, publish. Streams and brokers are followed first, until TIME or Ctrl-C."""
    settings = settings_of_run(runner)
    from flows.run_pilot import run_pilot
    from flows.stopping import seconds

    with progress_bar(6) as step:
        document = run_pilot(pilot, settings, progress=step, for_s=seconds(follow_for))
    put(document, as_json, show.run)
    return GATE_SAID_NO if document["status"] == "stopped" else FINE


@commands.command()
def fetch(
    what: Annotated[str, typer.Argument(help="plaza")],
    path: Annotated[Path | None, typer.Option("--from", help="Take it from this file.")] = None,
) -> int:
    """Get a source that is not part of the package, such as the plaza's real video."""
    from flows.fetch import fetch_source

    print(fetch_source(what, path, load_settings()))
    return FINE
