"""The `testbed` command: parse, call one flow or function, print.

Exit codes: 0 fine, 1 the user's input is wrong, 2 a contract or a gate said no, 3 the run failed. With `--json` standard
output holds one JSON document and nothing else; messages and progress go to standard error.
"""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

import typer

from experiments.settings import SettingsError
from flows.cli import data, footfall, pilots, sensing, serving, vendors, video, warning
from flows.cli.terminal import FINE, GATE_SAID_NO, RUN_FAILED, WRONG_INPUT

app = typer.Typer(
    help="City Testbed: describe a pilot in one YAML file, run it, and see honestly whether it works.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (pilots, video, sensing, footfall, warning, data, vendors, serving):  # in the order of `testbed --help`
    app.add_typer(group.commands)


def user_errors() -> tuple[type[ValueError], ...]:
    """The errors that are a user's to mend: one line each, no traceback."""
    from analytics.lake import LakeError
    from analytics.sensing import readings
    from analytics.sensing.warning.levels import EarlyWarningError
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
        readings.SourceError,
        EarlyWarningError,
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
