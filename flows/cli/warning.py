"""Early warning: judge hours against declared levels, and decide on what is proposed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, put, settings_of_run

commands = typer.Typer()


@commands.command()
def warn(
    sources: Annotated[list[str], typer.Argument(metavar="PILOT|FILE…", help="A pilot, or files of hourly_readings.")],
    levels: Annotated[str, typer.Option(help="Built-in levels, or a YAML file.")] = "uk_daqi",
    observed: Annotated[
        str, typer.Option("--property", help="Observed property; of a pilot that counts, its road user.")
    ] = "pm25",
    model: Annotated[str, typer.Option(help="A baseline such as persistence, or ridge or boosting.")] = "persistence",
    horizon: Annotated[int, typer.Option(min=1, max=168, help="Hours to forecast.")] = 24,
    timezone: Annotated[str, typer.Option(help="IANA name of the local clock.")] = "UTC",
    is_verified: Annotated[bool, typer.Option("--skill", help="Add the model's skill against persistence.")] = False,
    as_json: AsJson = False,
) -> int:
    """Judge a district's hours against declared levels and propose warnings; a person decides on them."""
    settings = settings_of_run()
    from flows.warn import warn as work

    document = work(
        sources, settings, levels=levels, observed=observed, model=model, horizon=horizon, timezone=timezone,
        is_verified=is_verified,
    )  # fmt: skip
    put(document, as_json, _show)
    return FINE


@commands.command()
def warnings(
    approve: Annotated[str | None, typer.Option(metavar="ID", help="Approve this warning.")] = None,
    reject: Annotated[str | None, typer.Option(metavar="ID", help="Reject this warning.")] = None,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who decides.")] = "",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    as_json: AsJson = False,
) -> int:
    """List the queue of warnings, or decide on one."""
    settings = settings_of_run()
    from datetime import UTC, datetime

    from analytics.sensing.warning.levels import EarlyWarningError
    from flows.warnings_queue import decide, queue

    if approve and reject:
        raise EarlyWarningError("--approve and --reject were both given; expected one; decide one warning at a time")
    if (chosen := approve or reject) is not None:
        rows = [decide(settings, chosen, is_approved=bool(approve), by=by, now=datetime.now(UTC), note=note)]
    else:
        rows = queue(settings)
    put({"warnings": rows}, as_json, _list)
    return FINE


def _show(document: dict[str, Any]) -> None:
    said = "" if document["levels_verified"] else " (not verified against the original)"
    print(f"{document['district']}, {document['observed_property']}: level {document['level']} at {document['until']}")
    print(f"levels {document['levels']} {document['levels_version']}{said}; {document['hours']:,} hours, ", end="")
    print(f"{document['missing']:,} values missing; forecast by {document['forecast']['model']}\n")
    changes = [("observed", c) for c in document["transitions"]] + [
        ("forecast", c) for c in document["forecast"]["transitions"]
    ]
    show.table(
        ["at", "from", "to", "based on", "stations"],
        [[c["interval_start_at"], c["from_level"], c["to_level"], basis, ", ".join(c["stations"])] for basis, c in changes],
    )
    for row in document["skill"]:
        print(
            f"{row['station']}, {row['model']} at {row['horizon_h']} h: MAE {row['mae']:.2f}, events {row['events']}, ", end=""
        )
        print(f"skill against persistence {row['mae_skill'][0]:.2f}, CSI {row['scores']['csi'][0]}")
    print(
        f"\nproposed: {', '.join(document['proposed']) or 'nothing new'}; decide with 'testbed warnings --approve ID --by NAME'"
    )


def _list(document: dict[str, Any]) -> None:
    names = ["warning_id", "status", "district", "observed_property", "from_level", "to_level", "based_on"]
    names += ["interval_start_at", "decided_by"]
    show.table(names, [[row[name] or "" for name in names] for row in document["warnings"]])
