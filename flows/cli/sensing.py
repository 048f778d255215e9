"""E-sensing: read sensor files."""

from __future__ import annotations

import sys
from pathlib import Path
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
    index: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Air quality index, such as us_aqi, us_nowcast, eaqi or daqi.")
    ] = None,
    limits: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Limits or thresholds, such as who_2021 or eu_2024_2881.")
    ] = None,
    noise: Annotated[bool, typer.Option("--noise", help="Noise indicators: LAeq, Lden, Lnight, L10, L50, L90.")] = False,
    totals: Annotated[
        list[str] | None, typer.Option(metavar="PERIOD", help="Totals of counters: day, week or year, with intervals.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write each row of these as CSV.")] = None,
    now: Now = None,
    as_json: AsJson = False,
) -> int:
    """Read sensor files, judge every reading, and list outages; with indices, limits, noise indicators and totals."""
    settings_of_run()
    from flows import show_sensing
    from flows.check_reports import instant_of
    from flows.sense import load_mapping, sense_files
    from flows.sense_figures import asked_figures

    at = instant_of(now)
    figures = asked_figures(index or [], limits or [], totals or [], noise=noise)
    params = load_mapping(mapping)
    document = sense_files(
        *(files, read_as, observed),
        timezone=timezone,
        day_starts_at_hour=day_starts_at_hour,
        now=at,
        reader_params=params,
        figures=figures,
        out=out,
    )
    put(document, as_json, show_sensing.sense)
    return FINE


Beside = Annotated[list[str], typer.Argument(metavar="SENSOR_FILES…", help="Files of the units; one may hold several.")]
Reference = Annotated[str, typer.Option("--reference", metavar="FILE", help="File of the reference beside them.")]
Sides = Annotated[str | None, typer.Option("--mapping", metavar="FILE.yaml", help="Reader's parameters: sensors, reference.")]
Zone = Annotated[str | None, typer.Option("--timezone", help="IANA name of the clock of times without an offset.")]
Coverage = Annotated[float, typer.Option("--coverage", help="Share of an hour, and of a day, that must be measured.")]
Moved = Annotated[
    int | None, typer.Option("--reference-shift", metavar="H", help="Hours to add to the reference's stamps; 0: as they are.")
]


@commands.command(name="audit-sensor")
def audit_sensor(
    files: Beside,
    reference: Reference,
    observed: Annotated[str, typer.Option("--property", help="Observed property, such as pm25.")],
    mapping: Sides = None,
    calibration: Annotated[
        str | None, typer.Option(metavar="NAME[@VERSION]", help="Calibration or published correction to apply first.")
    ] = None,
    interval: Annotated[str | None, typer.Option(help="hour or day; as the targets have it if left out.")] = None,
    reference_shift: Moved = None,
    coverage: Coverage = 0.75,
    day_offset: Annotated[int, typer.Option(metavar="H", help="Offset from UTC of the clock whose days are meant.")] = 0,
    of_reference: Annotated[float, typer.Option(help="Random standard uncertainty of the reference, in its unit.")] = 0.0,
    timezone: Zone = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as one page.")] = None,
    as_json: AsJson = False,
) -> int:
    """Hold sensors beside a reference against published targets: metrics with intervals, and a verdict."""
    settings = settings_of_run()
    from flows import collocated, show_sensing
    from flows.audit_sensor import audit_files
    from flows.sensor_page import write_page

    sides = collocated.Sides(tuple(files), reference, mapping, timezone, coverage, day_offset, reference_shift)
    document, pairs = audit_files(
        sides, observed, settings, calibration=calibration, interval=interval, of_reference=of_reference
    )
    if html is not None:
        write_page(document, pairs, html)
    put(document, as_json, show_sensing.audit_sensor)
    return FINE


@commands.command()
def calibrate(
    files: Beside,
    reference: Reference,
    observed: Annotated[str, typer.Option("--property", help="What the reference observes, such as pm25.")],
    name: Annotated[str, typer.Option(help="Name under which the calibration is registered.")],
    mapping: Sides = None,
    sensor_property: Annotated[str | None, typer.Option("--from", help="What the units give, such as signal.")] = None,
    terms: Annotated[str, typer.Option(help="Terms of the fit, such as sensor,humidity,sensor*humidity.")] = "sensor",
    method: Annotated[str, typer.Option(help="ols, huber or theil_sen.")] = "ols",
    first_days: Annotated[int, typer.Option(help="Days before the first origin of the evaluation.")] = 14,
    step_days: Annotated[int, typer.Option(help="Days between origins.")] = 7,
    horizon_days: Annotated[int, typer.Option(help="Days judged after each origin.")] = 7,
    reference_shift: Moved = None,
    coverage: Coverage = 0.75,
    timezone: Zone = None,
    as_json: AsJson = False,
) -> int:
    """Fit a calibration beside a reference, judge it on what came later, and register it with a version."""
    settings = settings_of_run()
    from flows import collocated, show_sensing
    from flows.audit_sensor import calibrate_files, terms_of

    sides = collocated.Sides(tuple(files), reference, mapping, timezone, coverage, 0, reference_shift)
    days = {"first_days": first_days, "step_days": step_days, "horizon_days": horizon_days}
    document = calibrate_files(
        sides, observed, settings, name=name, sensor_property=sensor_property, terms=terms_of(terms), method=method, **days
    )
    put(document, as_json, show_sensing.calibrate)
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
