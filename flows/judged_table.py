"""The gate as a step: a table is judged by its contract, and what came of it is left in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from analytics.lake import Connection, shut_in


def judge_table(
    connection: Connection,
    table: str,
    contract_name: str,
    folder: Path,
    repairs: Sequence[dict[str, Any]] = (),
    *,
    now: str | None = None,
    others: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Gate a table; leaves accepted.parquet, quarantined.parquet, judged.parquet, check.json and expectations.json.

    Args:
        connection: Connection from `memory` that holds the table; it can reach nothing outside `folder` afterwards.
        table: The table.
        contract_name: The contract it is judged by.
        folder: Where results are left.
        repairs: Repaired rows that take the place of those they were made from before the table is judged.
        now: Instant at which service levels are judged, ISO 8601 with its offset; those that need one are skipped without.
        others: `contract.table` -> folders of the steps that hold the rows which relationships look up.
    """
    from data_contracts.contract import load_contract
    from data_contracts.gate import check
    from data_contracts.rows.readmit import Repair, apply_repairs

    contract = load_contract(contract_name)
    lost: list[int] = []
    if repairs:
        found = apply_repairs(connection, table, contract, [Repair(**one) for one in repairs], into="repaired")
        table, lost = "repaired", [repair.source_row for repair in found]
    views = {name: f"looked_up_{number}" for number, name in enumerate(others or {})}
    for name, view in views.items():
        files = ", ".join(f"'{place}/accepted.parquet'" for place in (others or {})[name])
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS FROM read_parquet([{files}], union_by_name = true)")
    at = datetime.fromisoformat(now) if now is not None else None
    shut_in(connection, folder, *(place for places in (others or {}).values() for place in places))
    report = check(
        connection, table, contract, accepted="accepted", quarantined="quarantined", now=at, others=views, copied=False
    )
    for name in ("accepted", "quarantined"):
        connection.execute(f"COPY {name} TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    connection.execute(f"COPY {table} TO '{folder}/judged.parquet' (FORMAT parquet, COMPRESSION zstd)")
    document = report.to_dict() | {"repairs": len(repairs), "repairs_not_applied": lost}
    if contract.custom.get("testbed.publication") == "open":
        document["rows_digest"] = rows_digest(connection, "accepted")
    (folder / "check.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "expectations.json").write_text(json.dumps(report.expectations, default=str), encoding="utf-8")


def rows_digest(connection: Connection, table: str) -> list[int]:
    """Digest of a table's rows in any order; the digests of two parts add up to that of the whole.

    It tells whether rows were changed, added or lost since; it does not withstand someone who can write digests as well.
    """
    row = connection.execute(
        "SELECT count(*), coalesce(sum(md5_number_lower(t::VARCHAR)::HUGEINT), 0)::VARCHAR, "
        f"coalesce(sum(md5_number_upper(t::VARCHAR)::HUGEINT), 0)::VARCHAR FROM {table} AS t"
    ).fetchone()
    return [int(part) for part in row or ()]


def report_of(folder: Path) -> dict[str, Any]:
    """The gate's report in a step's folder."""
    return dict(json.loads((folder / "check.json").read_text(encoding="utf-8")))
