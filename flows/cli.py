"""The `testbed` command: parse, call one flow or function, print.

Exit codes: 0 fine, 1 the user's input is wrong, 2 a contract or a gate said no, 3 the run failed. With `--json` standard
output holds one JSON document and nothing else; messages and progress go to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer

from experiments.settings import Settings, SettingsError, load_settings, quieten
from flows import show

FINE, WRONG_INPUT, GATE_SAID_NO, RUN_FAILED = 0, 1, 2, 3
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Now = Annotated[str | None, typer.Option("--now", metavar="INSTANT", help="Judge service levels at this instant, not now.")]

app = typer.Typer(
    help="City Testbed: describe a pilot in one YAML file, run it, and see honestly whether it works.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def user_errors() -> tuple[type[ValueError], ...]:
    """The errors that are a user's to mend: one line each, no traceback."""
    from analytics.lake import LakeError
    from analytics.sensing import readers
    from analytics.video import source
    from data_contracts.contract import ContractError
    from experiments.metrics import ScoringError
    from experiments.pilot import PilotError
    from experiments.sandbox import SubmissionError
    from experiments.task import TaskError

    return (
        SettingsError,
        LakeError,
        PilotError,
        ContractError,
        readers.SourceError,
        source.SourceError,
        TaskError,
        SubmissionError,
        ScoringError,
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    sys.excepthook = _unforeseen
    try:
        code = typer.main.get_command(app)(args=arguments, prog_name="testbed", standalone_mode=False)
    except typer.TyperException as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        print(f"testbed: {said}; run 'testbed --help' or 'testbed COMMAND --help'", file=sys.stderr)
        code = WRONG_INPUT
    except (typer.Abort, KeyboardInterrupt):
        print("testbed: stopped", file=sys.stderr)
        code = RUN_FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FINE
    except ValueError as error:
        if not isinstance(error, user_errors()):
            raise
        from data_contracts.privacy.budget import RefusalError

        print(error, file=sys.stderr)
        code = GATE_SAID_NO if isinstance(error, RefusalError) else WRONG_INPUT
    sys.exit(code or FINE)


def _unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, trace)
    sys.stderr.flush()
    os._exit(RUN_FAILED)


def _settings(runner: str | None = None) -> Settings:
    settings = load_settings(runner=runner)
    quieten(settings)
    return settings


def _show(document: dict[str, Any], as_json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    """Print a document: as JSON and nothing else, or for people."""
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        show(document)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on standard error, where someone is looking; nothing where it is piped."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=total)

        def step(text: str) -> None:
            bar.update(task, advance=1, description=text)

        yield step


@app.command()
def demo(as_json: AsJson = False) -> int:
    """Run every built-in pilot and one vendor evaluation, offline, and say where to look."""
    settings = _settings()
    from flows.demo import run_demo

    with _progress(14) as step:
        document = run_demo(settings, progress=step)
    _show(document, as_json, partial(show.demo, home=settings.home))
    return GATE_SAID_NO if any(p["verdict"] == "stopped" for p in document["pilots"]) else FINE


@app.command(name="list")
def list_all(as_json: AsJson = False) -> int:
    """List pilots and vendor tasks, with the last verdict of each pilot."""
    settings = _settings()
    from flows.catalogue import catalogue

    document = catalogue(settings)
    _show(document, as_json, show.list_all)
    return FINE


@app.command()
def new(pilot_id: Annotated[str, typer.Argument(metavar="ID", help="Name of the pilot: a-z, 0-9 and _.")]) -> int:
    """Write a commented pilot file to start from."""
    from flows.catalogue import new_pilot

    path = new_pilot(pilot_id, load_settings())
    print(f"{path}: edit it, then run 'testbed run {pilot_id}'")
    return FINE


@app.command()
def run(
    pilot: Annotated[str, typer.Argument(help="Id of a pilot, or the path of its file.")],
    runner: Annotated[str | None, typer.Option(help="Where steps run: threads or dask.")] = None,
    as_json: AsJson = False,
) -> int:
    """Run one pilot: gate, count, judge, record, publish."""
    settings = _settings(runner)
    from flows.run_pilot import run_pilot

    with _progress(6) as step:
        document = run_pilot(pilot, settings, progress=step)
    _show(document, as_json, show.run)
    return GATE_SAID_NO if document["status"] == "stopped" else FINE


@app.command()
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
) -> int:
    """Count crossings of lines in one video; no picture is kept."""
    _settings()
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
    )
    _show(document, as_json, show.count)
    return FINE


@app.command()
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
    _settings()
    from flows.check_reports import instant_of
    from flows.sense import sense_files

    at = instant_of(now)
    document = sense_files(files, read_as, observed, timezone=timezone, day_starts_at_hour=day_starts_at_hour, now=at)
    _show(document, as_json, show.sense)
    return FINE


@app.command()
def check(
    contract: Annotated[str, typer.Argument(help="Name or file of a contract.")],
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON file.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a page for those who sent the data.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE.xml", help="Write JUnit XML.")] = None,
    data_docs: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write Great Expectations' Data Docs.")] = None,
    table: Annotated[str | None, typer.Option(help="The table that FILE holds, of a contract with several.")] = None,
    others: Annotated[list[str] | None, typer.Option("--with", metavar="NAME=FILE", help="A table to look keys up in.")] = None,
    now: Now = None,
    as_json: AsJson = False,
) -> int:
    """Judge a file by a contract."""
    settings = _settings()
    from flows.check_reports import check_by_hand, files_by_name, instant_of

    at, given = instant_of(now), files_by_name(others or [])
    document = check_by_hand(
        contract, file, settings, html=html, junit_xml=junit, data_docs=data_docs, now=at, table=table, others=given
    )
    _show(document, as_json, show.check)
    return FINE if document["passed"] else GATE_SAID_NO


@app.command()
def compare(old: str, new: str, as_json: AsJson = False) -> int:
    """Find what a new version of a contract breaks, for producers and for consumers."""
    from flows.catalogue import compare_contracts

    document = compare_contracts(old, new)
    _show(document, as_json, show.compare)
    return GATE_SAID_NO if any(c["breaks"] for c in document["changes"]) else FINE


@app.command(name="contracts")
def list_contracts(as_json: AsJson = False) -> int:
    """List the data contracts."""
    from flows.catalogue import contract_list

    document = contract_list()
    _show(document, as_json, show.list_contracts)
    return FINE


@app.command()
def submit(
    task: str,
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx")],
    card: Annotated[Path, typer.Option(help="The model's card, YAML.")],
    as_json: AsJson = False,
) -> int:
    """Submit a vendor's model: it is vetted and stored, or refused with every reason."""
    settings = _settings()
    from flows.evaluate_submission import submit_model

    document = submit_model(task, model, card, settings)
    _show(document, as_json, show.submit)
    return FINE if document["status"] == "accepted" else GATE_SAID_NO


@app.command()
def evaluate(submission: str, as_json: AsJson = False) -> int:
    """Evaluate a submission on sealed truth, in the sandbox."""
    settings = _settings()
    from flows.evaluate_submission import evaluate_submission

    with _progress(8) as step:
        document = evaluate_submission(submission, settings, progress=step)
    _show(document, as_json, show.evaluate)
    return FINE


@app.command(name="try")
def try_model(task: str, model: Annotated[Path, typer.Argument(metavar="MODEL.onnx")], as_json: AsJson = False) -> int:
    """Check and score a model at home, as the city would, on the open split."""
    settings = _settings()
    from flows.evaluate_submission import try_at_home

    with _progress(8) as step:
        document = try_at_home(task, model, settings, progress=step)
    _show(document, as_json, show.evaluate)
    return FINE


@app.command()
def leaderboard(task: str, as_json: AsJson = False) -> int:
    """Show a task's leaderboard; ties are shown as ties."""
    settings = _settings()
    from flows.evaluate_submission import leaderboard_of

    document = leaderboard_of(task, settings)
    _show(document, as_json, show.leaderboard)
    return FINE


@app.command()
def fetch(
    what: Annotated[str, typer.Argument(help="plaza")],
    path: Annotated[Path | None, typer.Option("--from", help="Take it from this file.")] = None,
) -> int:
    """Get a source that is not part of the package, such as the plaza's real video."""
    from flows.fetch import fetch_source

    print(fetch_source(what, path, load_settings()))
    return FINE


@app.command()
def quarantine(
    pilot: str,
    csv: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the rows to repair.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the rows of a pilot's newest run that the gate refused, to be repaired."""
    settings = _settings()
    from flows.quarantine import list_quarantine

    document = list_quarantine(pilot, settings, csv)
    _show(document, as_json, partial(show.quarantine, pilot=pilot, csv=csv))
    return FINE


@app.command()
def readmit(
    pilot: str,
    file: Annotated[Path, typer.Argument(help="Repaired rows, with contract and source_row.")],
    as_json: AsJson = False,
) -> int:
    """Judge repaired rows of a pilot's quarantine again; accepted ones enter its next run."""
    settings = _settings()
    from flows.quarantine import readmit as take_in

    document = take_in(pilot, file, settings)
    _show(document, as_json, partial(show.readmit, pilot=pilot))
    return GATE_SAID_NO if document["refused"] else FINE


@app.command()
def publish(
    pilot: str,
    with_noise: Annotated[bool, typer.Option("--with-noise", help="Release counts with differential privacy.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write a pilot's open data and its page for citizens."""
    settings = _settings()
    from flows.publish import publish_pilot

    document = publish_pilot(pilot, settings, with_noise=with_noise)
    _show(document, as_json, show.publish)
    return FINE


@app.command()
def dashboard(port: Annotated[int, typer.Option(help="Port to listen on, on this machine only.")] = 8501) -> int:
    """Open the pages for citizens, city and vendors."""
    settings = _settings()
    from flows.serve import serve

    return serve(settings, {"dashboard": port})


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port of the pages.")] = 8501,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow.")] = 5000,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect.")] = 4200,
) -> int:
    """Serve the pages, MLflow and Prefect together."""
    settings = _settings()
    from flows.serve import serve

    return serve(settings, {"dashboard": port, "mlflow": mlflow_port, "prefect": prefect_port})
