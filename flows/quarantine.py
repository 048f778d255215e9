"""The way back for refused rows: list them, take repaired ones in, and give them to the pilot's next run.

Nothing is lost on the way: the lake keeps the original row, its reasons, run and line beside what was made of it.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory, open_lake, retry, transaction
from analytics.sensing.known import reflagged
from data_contracts.contract import ContractError, load_contract
from data_contracts.rows.files import read_file
from data_contracts.rows.readmit import Repair, judge_repairs
from experiments.pilot import PilotError, find_pilot, load_pilot
from experiments.settings import Settings

QUARANTINE_ID = "md5(concat_ws(chr(10), contract, source_row::VARCHAR, row::VARCHAR))"
"""SQL of the name of a refused row: the same line with the same values has the same name in every run."""
LEADING = ("contract", "source_row", "quarantine_id", "reasons")
SAME_ROW = "one line may hold several readings"


def list_quarantine(name: str, settings: Settings, path: Path | None = None) -> dict[str, Any]:
    """The refused rows of a pilot's newest run, as a table to be repaired and handed to `readmit`.

    Args:
        name: Id of the pilot.
        settings: Where the lake is.
        path: CSV file to write; None writes none.

    Returns:
        `pilot`, `run_id`, `rows` and `file`.

    Raises:
        PilotError: The pilot does not exist or never ran, or the file cannot be written.
    """
    pilot = load_pilot(find_pilot(name, settings.pilots)).id
    with open_lake(settings.catalog, settings.lake_files) as connection:
        newest = connection.execute(
            "SELECT run_id FROM lake.runs WHERE pilot_id = ? ORDER BY published_at DESC LIMIT 1", [pilot]
        ).fetchone()
        if newest is None:
            raise PilotError(f"pilot '{pilot}' has not been run; expected a run; run 'testbed run {pilot}' first")
        rows = connection.execute(
            f"SELECT contract, source_row, {QUARANTINE_ID}, reasons, row::VARCHAR FROM lake.quarantine "
            "WHERE pilot_id = ? AND run_id = ? ORDER BY contract, source_row, row::VARCHAR",
            [pilot, newest[0]],
        ).fetchall()
    if path is not None:
        values = [json.loads(row[-1]) for row in rows]
        columns = [*LEADING, *(name for name in dict.fromkeys(n for value in values for n in value) if name not in LEADING)]
        try:
            with path.open("w", encoding="utf-8", newline="") as file:
                table = csv.DictWriter(file, columns, restval="")
                table.writeheader()
                for (contract, line, key, why, _), value in zip(rows, values, strict=True):
                    leading = {"contract": contract, "source_row": line, "quarantine_id": key, "reasons": "; ".join(why)}
                    table.writerow({**value, **leading})
        except OSError as error:
            raise PilotError(f"{path}: cannot be written ({error.strerror}); expected a file; choose another") from error
    return {"pilot": pilot, "run_id": newest[0], "rows": len(rows), "file": str(path) if path else None}


def readmit(name: str, path: Path, settings: Settings) -> dict[str, Any]:
    """Judge repaired rows again; those accepted enter the pilot's next run in the place of the rows they were made from.

    Args:
        name: Id of the pilot.
        path: CSV, JSON or Parquet file with `contract`, `source_row` and the contract's columns; `quarantine_id`, as
            `list_quarantine` writes it, tells rows of the same line apart.
        settings: Where the lake is.

    Returns:
        `pilot`, `rows`, `readmitted` (kept now), `already` (kept before, unchanged) and `refused`: contract, source_row and
        reasons of each row that was refused again.

    Raises:
        PilotError: The pilot does not exist.
        ContractError: The file cannot be read, or names a row that is not in the pilot's quarantine.
    """
    pilot = load_pilot(find_pilot(name, settings.pilots)).id
    rows = _read(path)
    for row in rows:
        if row["contract"] == "sensor_readings" and {"flags", "observed_property", "unit"} <= set(row):
            row["flags"] = reflagged(row["flags"], row["observed_property"], row["unit"])
    with open_lake(settings.catalog, settings.lake_files) as connection:
        originals = _originals(connection, pilot)
        faults, found = [], []
        for number, row in enumerate(rows, start=1):
            matches = _matches(row, originals)
            if len(matches) == 1:
                found.append((row, matches[0]))
                continue
            said = f"{path}: row {number}, contract '{row.get('contract')}', source_row {row.get('source_row')!r} "
            what = "is not in the quarantine of" if not matches else f"is {len(matches)} rows ({SAME_ROW}) in the quarantine of"
            faults.append(f"{said}{what} {pilot}; expected one; give the quarantine_id of 'testbed quarantine {pilot}'")
        if faults:
            raise ContractError("\n".join(faults))
        done, already, refused = 0, 0, []
        for contract in sorted({original["contract"] for _, original in found}):
            mine = [(row, original) for row, original in found if original["contract"] == contract]
            with memory() as plain:
                judged, report = judge_repairs(plain, load_contract(contract), [row for row, _ in mine])
            kept = [(original, str(one.repaired)) for (_, original), one in zip(mine, judged, strict=True) if one.repaired]
            new = retry(partial(_keep, connection, pilot, kept, report))
            done, already = done + new, already + len(kept) - new
            refused += [
                {"contract": contract, "source_row": original["source_row"], "reasons": list(one.reasons)}
                for (_, original), one in zip(mine, judged, strict=True)
                if one.repaired is None
            ]
    return {"pilot": pilot, "rows": len(rows), "readmitted": done, "already": already, "refused": refused}


def repairs_of(connection: Connection, pilot: str) -> dict[str, list[dict[str, Any]]]:
    """The repaired rows that wait for a pilot's runs, by contract: the newest repair of each row, as plain values."""
    rows = connection.execute(
        "SELECT contract, source_row, original::VARCHAR, repaired::VARCHAR FROM lake.readmitted WHERE pilot_id = ? "
        "QUALIFY row_number() OVER (PARTITION BY contract, quarantine_id ORDER BY readmitted_at DESC, repaired::VARCHAR) = 1 "
        "ORDER BY contract, source_row, original::VARCHAR",
        [pilot],
    ).fetchall()
    found: dict[str, list[dict[str, Any]]] = {}
    for contract, *parts in rows:
        found.setdefault(contract, []).append(asdict(Repair(*parts)))
    return found


def _read(path: Path) -> list[dict[str, str | None]]:
    with memory() as connection:
        read_file(connection, path, into="repaired")
        names = [str(row[0]) for row in connection.execute("DESCRIBE repaired").fetchall()]
        missing = [name for name in ("contract", "source_row") if name not in names]
        if missing:
            raise ContractError(f"{path}: column '{missing[0]}' is missing; expected contract and source_row; add it")
        chosen = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"::VARCHAR' for name in names)
        rows = connection.execute(f"SELECT {chosen} FROM repaired").fetchall()
    if not rows:
        raise ContractError(f"{path}: holds no rows; expected repaired rows; add them")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _originals(connection: Connection, pilot: str) -> list[dict[str, Any]]:
    """Every row of the pilot that was ever refused and is known still, with the newest run that refused it."""
    columns = ["contract", "version", "source_row", "quarantine_id", "rules", "reasons", "row", "run_id"]
    rows = connection.execute(
        f"SELECT contract, version, source_row, {QUARANTINE_ID}, rules, reasons, row::VARCHAR, q.run_id FROM lake.quarantine q "
        "LEFT JOIN lake.runs r USING (run_id) WHERE q.pilot_id = $pilot "
        "QUALIFY row_number() OVER (PARTITION BY contract, source_row, row::VARCHAR ORDER BY r.published_at DESC) = 1 "
        "UNION SELECT contract, version, source_row, quarantine_id, rules, reasons, original::VARCHAR, run_id "
        f"FROM lake.readmitted WHERE pilot_id = $pilot AND quarantine_id NOT IN (SELECT {QUARANTINE_ID} FROM lake.quarantine "
        "WHERE pilot_id = $pilot)",
        {"pilot": pilot},
    ).fetchall()
    unique = {row[3]: dict(zip(columns, row, strict=True)) for row in rows}
    return list(unique.values())


def _matches(row: dict[str, str | None], originals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The refused rows that a repaired row may have been made from."""
    mine = [o for o in originals if o["contract"] == row["contract"] and str(o["source_row"]) == row["source_row"]]
    if row.get("quarantine_id"):
        return [original for original in mine if original["quarantine_id"] == row["quarantine_id"]]
    if len(mine) > 1:
        key = [name for name in load_contract(str(row["contract"])).primary_key if name != "source_row"]
        same = [o for o in mine if key and all(_text(json.loads(o["row"]).get(name)) == row.get(name) for name in key)]
        return same or mine
    return mine


def _keep(connection: Connection, pilot: str, kept: list[tuple[dict[str, Any], str]], report: dict[str, Any]) -> int:
    """Write accepted repairs that the lake does not hold yet; returns how many."""
    new = 0
    with transaction(connection):
        for original, repaired in kept:
            known = connection.execute(
                "SELECT repaired::VARCHAR FROM lake.readmitted WHERE pilot_id = ? AND quarantine_id = ? "
                "ORDER BY readmitted_at DESC LIMIT 1",
                [pilot, original["quarantine_id"]],
            ).fetchone()
            if known is not None and known[0] == repaired:
                continue
            names = ("run_id", "contract", "version", "source_row", "quarantine_id", "rules", "reasons", "row")
            values = [pilot, *(original[name] for name in names), repaired, json.dumps(report)]
            connection.execute(f"INSERT INTO lake.readmitted VALUES ({', '.join('?' * len(values))}, now())", values)
            new += 1
    return new


def _text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)
