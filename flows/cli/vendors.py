"""Vendors: submit, evaluate, rank."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import show
from flows.cli.terminal import FINE, GATE_SAID_NO, AsJson, progress_bar, put, settings_of_run

commands = typer.Typer()


@commands.command()
def submit(
    task: str,
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx")],
    card: Annotated[Path, typer.Option(help="The model's card, YAML.")],
    as_json: AsJson = False,
) -> int:
    """Submit a vendor's model: it is vetted and stored, or refused with every reason."""
    settings = settings_of_run()
    from flows.evaluate_submission import submit_model

    document = submit_model(task, model, card, settings)
    put(document, as_json, show.submit)
    return FINE if document["status"] == "accepted" else GATE_SAID_NO


@commands.command()
def evaluate(submission: str, as_json: AsJson = False) -> int:
    """Evaluate a submission on sealed truth, in the sandbox."""
    settings = settings_of_run()
    from flows.evaluate_submission import evaluate_submission

    with progress_bar(8) as step:
        document = evaluate_submission(submission, settings, progress=step)
    put(document, as_json, show.evaluate)
    return FINE


@commands.command(name="try")
def try_model(task: str, model: Annotated[Path, typer.Argument(metavar="MODEL.onnx")], as_json: AsJson = False) -> int:
    """Check and score a model at home, as the city would, on the open split."""
    settings = settings_of_run()
    from flows.evaluate_submission import try_at_home

    with progress_bar(8) as step:
        document = try_at_home(task, model, settings, progress=step)
    put(document, as_json, show.evaluate)
    return FINE


@commands.command()
def leaderboard(task: str, as_json: AsJson = False) -> int:
    """Show a task's leaderboard; ties are shown as ties."""
    settings = settings_of_run()
    from flows.evaluate_submission import leaderboard_of

    document = leaderboard_of(task, settings)
    put(document, as_json, show.leaderboard)
    return FINE
