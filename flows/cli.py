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
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer

from experiments.settings import Settings, SettingsError, load_settings, quieten

FINE, WRONG_INPUT, GATE_SAID_NO, RUN_FAILED = 0, 1, 2, 3
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]

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
        print(error, file=sys.stderr)
        code = WRONG_INPUT
    sys.exit(code or FINE)


def _unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, trace)
    sys.stderr.flush()
    os._exit(RUN_FAILED)


def _settings(runner: str | None = None) -> Settings:
    settings = load_settings(runner=runner)
    quieten(settings)
    return settings


def _print(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


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


def _table(header: list[str], rows: list[list[object]]) -> None:
    """Print a table in plain columns; numbers to the right."""
    cells = [header, *([f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(isinstance(row[i], int) for row in rows) and bool(rows) for i in range(len(header))]
    for number, row in enumerate(cells):
        print("  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * w for w in widths))


@app.command()
def demo(as_json: AsJson = False) -> int:
    """Run every built-in pilot and one vendor evaluation, offline, and say where to look."""
    settings = _settings()
    from flows.demo import run_demo

    with _progress(14) as step:
        document = run_demo(settings, progress=step)
    if as_json:
        _print(document)
    else:
        _table(
            ["pilot", "accepted", "quarantined", "effect [interval]", "verdict", "where to look"],
            [[p["pilot"], p["rows"], p["quarantined"], p["effect"], p["verdict"], p["look"]] for p in document["pilots"]],
        )
        print()
        for pilot in document["pilots"]:
            print(f"{pilot['pilot']}: {pilot['answer']} (source: {pilot['source']})")
        print()
        _leaderboard(document["leaderboard"])
        print(f"\nEverything is in {settings.home}. To look at it: testbed dashboard")
        print("\n".join(document["credits"]))
    return GATE_SAID_NO if any(p["verdict"] == "stopped" for p in document["pilots"]) else FINE


@app.command(name="list")
def list_all(as_json: AsJson = False) -> int:
    """List pilots and vendor tasks, with the last verdict of each pilot."""
    settings = _settings()
    from flows.catalogue import catalogue

    document = catalogue(settings)
    if as_json:
        _print(document)
        return FINE
    _table(["pilot", "verdict", "asks"], [[p["pilot"], p["verdict"], p["asks"]] for p in document["pilots"]])
    print()
    _table(["task", "submissions", "asks"], [[t["task"], t["submissions"], t["asks"]] for t in document["tasks"]])
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
    from flows.judge import summary
    from flows.run_pilot import run_pilot

    with _progress(6) as step:
        document = run_pilot(pilot, settings, progress=step)
    if as_json:
        _print(document)
    else:
        print(f"{document['pilot']}: {document['verdict']}\n{document['answer']}")
        print(f"rows accepted {document['rows']:,}, quarantined {document['quarantined']:,}; effect {summary(document)}")
        for change in document["deviations"]:
            print(f"deviation from the locked plan: {change['field']} was {change['locked']}, is {change['found']}")
        print(f"source {', '.join(source['name'] for source in document['sources'])}")
        print(f"run {document['run_id'][:12]}, plan {document['plan_hash'][:12]}, snapshot {document['snapshot_id']}")
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
    if as_json:
        _print(document)
    else:
        names = ["line", "direction", "road_user", "crossings"]
        _table(names, [[row[name] for name in names] for row in document["counts"]])
        print(f"{document['frames']} frames at {document['frame_rate']:g}/s, uptime {document['uptime']:.1%}, not audited")
    return FINE


@app.command()
def sense(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files of readings.")],
    read_as: Annotated[str, typer.Option("--format", help="auto, or the name of a reader.")] = "auto",
    observed: Annotated[str, typer.Option("--property", help="Observed property.")] = "footfall",
    timezone: Annotated[str, typer.Option(help="IANA name of the clock the labels were written by.")] = "UTC",
    day_starts_at_hour: Annotated[int, typer.Option(help="Hour at which the file's day begins.")] = 0,
    as_json: AsJson = False,
) -> int:
    """Read sensor files, judge every reading, and list outages."""
    _settings()
    from flows.sense import sense_files

    document = sense_files(files, read_as, observed, timezone=timezone, day_starts_at_hour=day_starts_at_hour)
    if as_json:
        _print(document)
    else:
        print(f"{document['rows']:,} readings of {len(document['sites'])} sites, read as {document['format']}")
        _table(["flag", "rows"], [[flag, rows] for flag, rows in document["flags"].items()])
        print()
        rows = [[o["site_id"], o["start_at"], o["end_at"], o["reason"]] for o in document["outages"]]
        _table(["site", "outage from", "to", "reason"], rows)
    return FINE


@app.command()
def check(
    contract: Annotated[str, typer.Argument(help="Name or file of a contract.")],
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON file.")],
    as_json: AsJson = False,
) -> int:
    """Judge a file by a contract."""
    _settings()
    from flows.catalogue import check_by_hand

    document = check_by_hand(contract, file)
    if as_json:
        _print(document)
    else:
        names = ["rule", "severity", "status", "failed_rows", "reason"]
        _table(names, [["-" if row[n] is None else row[n] for n in names] for row in document["rules"]])
        said = "passed" if document["passed"] else "failed"
        print(f"\n{document['contract']} {document['version']}: {said}; {document['rows']:,} rows, ", end="")
        print(f"{document['accepted']:,} accepted, {document['quarantined']:,} quarantined")
    return FINE if document["passed"] else GATE_SAID_NO


@app.command()
def compare(old: str, new: str, as_json: AsJson = False) -> int:
    """Find what a new version of a contract breaks, for producers and for consumers."""
    from flows.catalogue import compare_contracts

    document = compare_contracts(old, new)
    if as_json:
        _print(document)
    else:
        _table(["breaks", "for", "what"], [["yes" if c["breaks"] else "no", c["side"], c["what"]] for c in document["changes"]])
    return GATE_SAID_NO if any(c["breaks"] for c in document["changes"]) else FINE


@app.command(name="contracts")
def list_contracts(as_json: AsJson = False) -> int:
    """List the data contracts."""
    from flows.catalogue import contract_list

    document = contract_list()
    if as_json:
        _print(document)
    else:
        _table(["contract", "version", "columns", "purpose"], [list(c.values()) for c in document["contracts"]])
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
    if as_json:
        _print(document)
    else:
        print(f"submission {document['submission']}: {document['status']}")
        for reason in document["reasons"]:
            print(f"- {reason}")
    return FINE if document["status"] == "accepted" else GATE_SAID_NO


@app.command()
def evaluate(submission: str, as_json: AsJson = False) -> int:
    """Evaluate a submission on sealed truth, in the sandbox."""
    settings = _settings()
    from flows.evaluate_submission import evaluate_submission

    with _progress(8) as step:
        document = evaluate_submission(submission, settings, progress=step)
    if as_json:
        _print(document)
    else:
        _scores(document)
    return FINE


@app.command(name="try")
def try_model(task: str, model: Annotated[Path, typer.Argument(metavar="MODEL.onnx")], as_json: AsJson = False) -> int:
    """Check and score a model at home, as the city would, on the open split."""
    settings = _settings()
    from flows.evaluate_submission import try_at_home

    with _progress(8) as step:
        document = try_at_home(task, model, settings, progress=step)
    if as_json:
        _print(document)
    else:
        _scores(document)
    return FINE


@app.command()
def leaderboard(task: str, as_json: AsJson = False) -> int:
    """Show a task's leaderboard; ties are shown as ties."""
    settings = _settings()
    from flows.evaluate_submission import leaderboard_of

    document = leaderboard_of(task, settings)
    if as_json:
        _print(document)
    else:
        _leaderboard(document)
    return FINE


def _scores(document: dict[str, Any]) -> None:
    rows = [[m, f"{s['value']:.3f}", f"{s['lower']:.3f} to {s['upper']:.3f}"] for m, s in document["metrics"].items()]
    _table(["metric", "value", "95 % interval"], rows)
    print(f"{document['split']} split, sandbox level {document['sandbox_level']}")


def _leaderboard(document: dict[str, Any]) -> None:
    metrics = list(document["rows"][0]["metrics"]) if document["rows"] else []
    rows: list[list[object]] = [
        [
            str(row["rank"]) + ("=" if sum(other["tie_group"] == row["tie_group"] for other in document["rows"]) > 1 else ""),
            row["name"],
            *(f"{s['value']:.3f} [{s['lower']:.3f}, {s['upper']:.3f}]" for s in (row["metrics"][m] for m in metrics)),
            row["sandbox_level"],
        ]
        for row in document["rows"]
    ]
    _table([f"rank in {document['task']}", "name", *metrics, "sandbox"], rows)


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
def publish(pilot: str, as_json: AsJson = False) -> int:
    """Write a pilot's open data and its page for citizens."""
    settings = _settings()
    from flows.publish import publish_pilot

    document = publish_pilot(pilot, settings)
    if as_json:
        _print(document)
    else:
        print("\n".join(document["files"]))
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
