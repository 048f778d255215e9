"""E-sensing: read sensor files."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, Now, put, settings_of_run

commands = typer.Typer()


@commands.command()
def sense(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files of readings.")],
    read_as: Annotated[str, typer.Option("--format", help="auto, or the name of a reader.")] = "auto",
    observed: Annotated[str, typer.Option("--property", help="Observed property.")] = "footfall",
    timezone: Annotated[str, typer.Option(help="IANA name of the clock the labels were written by.")] = "UTC",
    day_starts_at_hour: Annotated[int, typer.Option(help="Hour at which the file's day begins.")] = 0,
    now: Now = None,
    as_json: AsJson = False,
) -> int:
    """Read sensor files, judge every reading, and list outages."""
    settings_of_run()
    from flows.check_reports import instant_of
    from flows.sense import sense_files

    at = instant_of(now)
    document = sense_files(files, read_as, observed, timezone=timezone, day_starts_at_hour=day_starts_at_hour, now=at)
    put(document, as_json, show.sense)
    return FINE


@commands.command()
def listen(
    source: Annotated[str, typer.Argument(help="mqtt:NAME, with its address in TESTBED_MQTT_NAME, or mqtt[s]://HOST.")],
    mapping: Annotated[str, typer.Option(metavar="FILE.yaml", help="What the messages mean.")],
    listen_for: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Such as 15m; until Ctrl-C otherwise.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Listen to an MQTT broker: readings go through the gate into the lake, each once, until stopped."""
    settings = settings_of_run()
    from flows.listen import listen_to

    document = listen_to(source, mapping, settings, listen_for, progress=lambda text: print(text, file=sys.stderr))
    put(document, as_json, show.heard)
    return FINE
