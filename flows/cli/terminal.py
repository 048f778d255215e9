"""What every command shares: exit codes, `--json`, and how a document and progress are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from experiments.settings import Settings, load_settings, quieten

FINE, WRONG_INPUT, GATE_SAID_NO, RUN_FAILED = 0, 1, 2, 3
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Now = Annotated[str | None, typer.Option("--now", metavar="INSTANT", help="Judge service levels at this instant, not now.")]


def settings_of_run(runner: str | None = None) -> Settings:
    """Where this test bed keeps its things, with the libraries told to be quiet."""
    settings = load_settings(runner=runner)
    quieten(settings)
    return settings


def put(document: dict[str, Any], as_json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    """Print a document: as JSON and nothing else, or for people."""
    if as_json:
        print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        show(document)


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[str], None]]:
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
