"""E-sensing: read sensor files."""

from __future__ import annotations

from typing import Annotated

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, Now, put, settings_of_run

commands = typer.Typer()


@commands.command()
def sense(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files of readings.")],
    read_as: Annotated[str, typer.Option("--format", help="auto, or the name of a reader.")] = "auto",
    observed: Annotated[
        str | None, typer.Option("--property", help="Observed property, such as pm25; all if left out.")
    ] = None,
    mapping: Annotated[str | None, typer.Option(metavar="FILE.yaml", help="Parameters of the reader, as in a pilot.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA name of the clock of times without an offset.")] = None,
    day_starts_at_hour: Annotated[int, typer.Option(help="Hour at which the day of hourly counters begins.")] = 0,
    now: Now = None,
    as_json: AsJson = False,
) -> int:
    """Read sensor files, judge every reading, and list outages."""
    settings_of_run()
    from flows.check_reports import instant_of
    from flows.sense import load_mapping, sense_files

    at = instant_of(now)
    given = {"timezone": timezone, "day_starts_at_hour": day_starts_at_hour, "reader_params": load_mapping(mapping)}
    document = sense_files(files, read_as, observed, now=at, **given)
    put(document, as_json, show.sense)
    return FINE
