"""Early warning: judge hours against declared levels, and decide on what is proposed."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from flows import show
from flows.cli.terminal import FINE, AsJson, put, settings_of_run

commands = typer.Typer()


@commands.command()
def warn(
    sources: Annotated[list[str], typer.Argument(metavar="PILOT|FILE…", help="A pilot, or files of hourly_readings.")],
    levels: Annotated[str, typer.Option(help="Built-in levels, or a YAML file; the file may declare districts.")] = "uk_daqi",
    observed: Annotated[
        str, typer.Option("--property", help="Observed property; of a pilot that counts, its road user.")
    ] = "pm25",
    model: Annotated[str, typer.Option(help="A baseline such as persistence, or ridge or boosting.")] = "persistence",
    horizon: Annotated[int, typer.Option(min=1, max=168, help="Hours to forecast.")] = 24,
    interval: Annotated[str, typer.Option(help="Intervals: split, adaptive, or cqr (quantiles).")] = "adaptive",
    inputs: Annotated[str, typer.Option(metavar="NAME,…", help="Other properties of the same sources to learn from.")] = "",
    weather: Annotated[
        list[str] | None, typer.Option(metavar="PILOT|FILE", help="Other hourly readings to learn from.")
    ] = None,
    country: Annotated[str | None, typer.Option(metavar="CODE", help="Whose holidays count, such as NZ.")] = None,
    subdivision: Annotated[str | None, typer.Option(metavar="CODE", help="Its part, such as AUK.")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA name of the local clock; the pilot's own if left out.")] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="Judge as at this instant, without later hours.")] = None,
    is_verified: Annotated[bool, typer.Option("--verify", help="Add the model's skill against persistence.")] = False,
    as_json: AsJson = False,
) -> int:
    """Judge each site's hours against declared levels and propose warnings; a person decides on them."""
    settings = settings_of_run()
    from flows.warn import Outlook
    from flows.warn import warn as work

    outlook = Outlook(
        model, horizon, interval, timezone, country, subdivision, tuple(name for name in inputs.split(",") if name),
        tuple(weather or ()),
    )  # fmt: skip
    document = work(
        sources, settings, levels=levels, observed=observed, outlook=outlook, until=_instant(until),
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


def _instant(text: str | None) -> datetime | None:
    """An instant with its offset from UTC, as `--until` gives it."""
    if text is None:
        return None
    with suppress(ValueError):
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at
    from analytics.sensing.warning.levels import EarlyWarningError

    raise EarlyWarningError(
        f"--until is '{text}'; expected an instant with its offset from UTC, such as 2025-03-19T06:00:00+00:00; correct it"
    )


def _show(document: dict[str, Any]) -> None:
    said = "" if document["levels_verified"] else " (not verified against the original)"
    raised = [f"{one['district']} {one['level']}" for one in document["districts"] if one["level"] != "none"]
    print(f"{document['network']}, {document['observed_property']}: level {document['level']} at {document['until']}; ", end="")
    print(f"{len(raised)} of {len(document['districts'])} raised{': ' if raised else ''}{', '.join(raised)}")
    print(f"levels {document['levels']} {document['levels_version']}{said}; {document['hours']:,} hours, ", end="")
    print(f"{document['missing']:,} values missing; forecast by {document['forecast']['model']}\n")
    changes = [("observed", c) for c in document["transitions"]] + [
        ("forecast", c) for c in document["forecast"]["transitions"]
    ]
    show.table(
        ["at", "district", "from", "to", "based on", "stations"],
        [
            [c["interval_start_at"], c["district"], c["from_level"], c["to_level"], basis, ", ".join(c["stations"])]
            for basis, c in changes
        ],
    )
    if document["skill"]:
        _show_skill(document["skill"])
    print(
        f"\nproposed: {', '.join(document['proposed']) or 'nothing new'}; decide with 'testbed warnings --approve ID --by NAME'"
    )


def _show_skill(rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    print(
        f"\nskill for level {first['level']}, over {first['hours']:,} hours of all sites, {first['events']:,} of them ", end=""
    )
    print(f"events in {first['episodes']} episodes; in brackets, 95 % intervals from blocks of days\n")
    names = ["h", "model", "MAE", "MAE skill", "POD", "FAR (ratio)", "CSI", "lead h", "Brier", "Brier skill", "90 % coverage"]
    show.table(
        names,
        [
            [
                str(row["horizon_h"]), row["model"], f"{row['mae']:.2f}",
                *(_scored(one) for one in (row["mae_skill"], *(row["scores"][key] for key in ("pod", "far_ratio", "csi")))),
                _scored(row["lead_h"]), _scored(row["brier"], 4), _scored(row["brier_skill"]), _scored(row["coverage"]),
            ]
            for row in rows
        ],
    )  # fmt: skip


def _scored(given: list[float | None], digits: int = 2) -> str:
    middle, low, high = ("-" if one is None else f"{one:.{digits}f}" for one in given)
    return middle if low == "-" else f"{middle} ({low} to {high})"


def _list(document: dict[str, Any]) -> None:
    names = ["warning_id", "status", "district", "observed_property", "from_level", "to_level", "based_on"]
    names += ["interval_start_at", "decided_by"]
    show.table(names, [[row[name] or "" for name in names] for row in document["warnings"]])
