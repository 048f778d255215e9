"""Footfall: a period against a base period."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, put, settings_of_run

commands = typer.Typer()


@commands.command()
def recovery(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files of counters.")],
    base: Annotated[str, typer.Option(metavar="FIRST:LAST", help="Base period, as 2019-01-01:2019-12-31.")],
    period: Annotated[str, typer.Option(metavar="FIRST:LAST", help="The period that is held against it.")],
    country: Annotated[str | None, typer.Option(metavar="CODE", help="Whose holidays count, such as NZ.")] = None,
    subdivision: Annotated[str | None, typer.Option(metavar="CODE", help="Its part, such as AUK.")] = None,
    school_free: Annotated[
        list[str] | None, typer.Option("--school-free", metavar="FIRST:LAST", help="School holidays; may be repeated.")
    ] = None,
    weather: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Hours of contract hourly_readings; days are moved to its average.")
    ] = None,
    read_as: Annotated[str, typer.Option("--format", help="auto, or the name of a reader.")] = "auto",
    mapping: Annotated[str | None, typer.Option(metavar="FILE.yaml", help="Parameters of the reader, as in a pilot.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA name of the clock of times without an offset.")] = None,
    day_starts_at_hour: Annotated[int, typer.Option(help="Hour at which the day of hourly counters begins.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write each day and what is usual of it.")] = None,
    as_json: AsJson = False,
) -> int:
    """How much of a base period's footfall a period has, comparable day for comparable day, with an interval."""
    settings_of_run()
    from flows.recovery import Comparison, recover_files, span_of
    from flows.sense import load_mapping

    comparison = Comparison(
        base=span_of(base, "--base"),
        period=span_of(period, "--period"),
        country=country,
        subdivision=subdivision,
        school_free=tuple(span_of(one, "--school-free") for one in school_free or ()),
        weather=tuple(weather or ()),
        day_starts_at_hour=day_starts_at_hour,
    )
    document = recover_files(files, read_as, comparison, timezone=timezone, reader_params=load_mapping(mapping), out=out)
    put(document, as_json, _show)
    return FINE


def _show(document: dict[str, Any]) -> None:
    """The index of each counter, or why there is none."""
    base, period = (" to ".join(document[name]) for name in ("base", "period"))
    adjusted = f", at average {' and '.join(document['weather'])}" if document["weather"] else ""
    print(f"{period} against {base} (100){adjusted}; days measured less than {document['measured_from']:.0%} are left out")
    show.table(
        ["site", "of", "index", "95 % interval", "days", "left out", "doubts"],
        [
            [
                *(row["site_id"], row["road_user"]),
                "-" if row["index"] is None else f"{row['index']:.1f}",
                "-" if row["index"] is None else f"{row['lower']:.1f} to {row['upper']:.1f}",
                *("-" if row[name] is None else f"{row[name]:,}" for name in ("days", "left_out")),
                row["not_evaluated"] or "; ".join(row["doubts"]),
            ]
            for row in document["sites"]
        ],
    )
