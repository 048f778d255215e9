"""Data: contracts, what they refuse, and what leaves."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows import show
from flows.cli.terminal import FINE, GATE_SAID_NO, AsJson, Now, put, settings_of_run

commands = typer.Typer()


@commands.command()
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
    settings = settings_of_run()
    from flows.check_reports import check_by_hand, files_by_name, instant_of

    at, given = instant_of(now), files_by_name(others or [])
    document = check_by_hand(
        contract, file, settings, html=html, junit_xml=junit, data_docs=data_docs, now=at, table=table, others=given
    )
    put(document, as_json, show.check)
    return FINE if document["passed"] else GATE_SAID_NO


@commands.command()
def compare(old: str, new: str, as_json: AsJson = False) -> int:
    """Find what a new version of a contract breaks, for producers and for consumers."""
    from flows.catalogue import compare_contracts

    document = compare_contracts(old, new)
    put(document, as_json, show.compare)
    return GATE_SAID_NO if any(c["breaks"] for c in document["changes"]) else FINE


@commands.command(name="contracts")
def list_contracts(as_json: AsJson = False) -> int:
    """List the data contracts."""
    from flows.catalogue import contract_list

    document = contract_list()
    put(document, as_json, show.list_contracts)
    return FINE


@commands.command()
def quarantine(
    pilot: str,
    csv: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Write the rows to repair.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the rows of a pilot's newest run that the gate refused, to be repaired."""
    settings = settings_of_run()
    from flows.quarantine import list_quarantine

    document = list_quarantine(pilot, settings, csv)
    put(document, as_json, partial(show.quarantine, pilot=pilot, csv=csv))
    return FINE


@commands.command()
def readmit(
    pilot: str,
    file: Annotated[Path, typer.Argument(help="Repaired rows, with contract and source_row.")],
    as_json: AsJson = False,
) -> int:
    """Judge repaired rows of a pilot's quarantine again; accepted ones enter its next run."""
    settings = settings_of_run()
    from flows.quarantine import readmit as take_in

    document = take_in(pilot, file, settings)
    put(document, as_json, partial(show.readmit, pilot=pilot))
    return GATE_SAID_NO if document["refused"] else FINE


@commands.command()
def publish(
    pilot: str,
    with_noise: Annotated[bool, typer.Option("--with-noise", help="Release counts with differential privacy.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write a pilot's open data and its page for citizens."""
    settings = settings_of_run()
    from flows.publish import publish_pilot

    document = publish_pilot(pilot, settings, with_noise=with_noise)
    put(document, as_json, show.publish)
    return FINE
