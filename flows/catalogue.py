"""What there is: pilots, tasks and contracts, and the gate by hand."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analytics.lake import open_lake
from data_contracts.contract import Contract, contracts, load_contract
from experiments.pilot import PilotError, load_pilot, pilots
from experiments.settings import ROOT, Settings
from experiments.task import load_task, tasks

TEMPLATE = ROOT / "experiments" / "new_pilot.yaml"


def catalogue(settings: Settings) -> dict[str, Any]:
    """Pilots with their last verdict, tasks with the number of their submissions."""
    with open_lake(settings.catalog, settings.lake_files) as connection:
        verdicts = dict(
            connection.execute(
                "SELECT pilot_id, arg_max(json_extract_string(result, '$.verdict'), published_at) FROM lake.runs GROUP BY 1"
            ).fetchall()
        )
        submitted = dict(connection.execute("SELECT task, count(*) FROM lake.submissions GROUP BY 1").fetchall())
    return {
        "pilots": [
            {"pilot": name, "verdict": verdicts.get(name, "not run yet"), "asks": load_pilot(path).asks}
            for name, path in pilots(settings.pilots).items()
        ],
        "tasks": [
            {"task": name, "submissions": submitted.get(name, 0), "asks": load_task(path).asks}
            for name, path in tasks(settings.tasks).items()
        ],
    }


def new_pilot(pilot_id: str, settings: Settings) -> Path:
    """Write a commented pilot file.

    Raises:
        PilotError: The id is not a valid name, or the file is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", pilot_id):
        raise PilotError(f"pilot id '{pilot_id}' is not a name; expected a-z, then a-z, 0-9 and _; choose another")
    path = settings.pilots / f"{pilot_id}.yaml"
    if path.exists():
        raise PilotError(f"{path}: is there already; expected a new name; choose another or edit the file")
    path.write_text(TEMPLATE.read_text(encoding="utf-8").replace("id: new_pilot", f"id: {pilot_id}"), encoding="utf-8")
    return path


def compare_contracts(old: str, new: str) -> dict[str, Any]:
    """What the new version of a contract changes and breaks."""
    from data_contracts.compare import compare

    changes = compare(load_contract(old), load_contract(new))
    return {"old": old, "new": new, "changes": [asdict(change) for change in changes]}


def contract_list() -> dict[str, Any]:
    """Every table of every contract with its version, number of columns and purpose; and what each contract lacks."""
    from data_contracts.lint import lint

    loaded = [load_contract(name) for name in sorted(contracts())]
    found = [table for contract in loaded for table in contract.tables]
    return {
        "contracts": [
            {"contract": c.dataset, "version": c.version, "columns": len(c.column_names), "purpose": _purpose(c)} for c in found
        ],
        "findings": [line for contract in loaded for line in lint(contract)],
    }


def _purpose(contract: Contract) -> str:
    described = contract.document.description
    return str(described.purpose or "") if described is not None else ""
