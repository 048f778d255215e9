"""What leaves the test bed: open data that passed their own contract, and a page anyone can read."""

from __future__ import annotations

import html
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory, open_lake, retry, transaction
from data_contracts.contract import contracts, load_contract
from data_contracts.gate import check
from data_contracts.privacy.budget import RefusalError, add_noise, book, release_id
from data_contracts.privacy.publishable import publishable, retained
from experiments.pilot import PilotError, find_pilot, load_pilot
from experiments.settings import Settings
from flows.feeds import judge_table, kept, rows_digest

_HOURLY = """
    SELECT site_id, NULL::VARCHAR AS line, road_user, NULL::VARCHAR AS direction,
           (day::TIMESTAMP AT TIME ZONE $zone) AS period_start_at,
           date_diff('second', day::TIMESTAMP AT TIME ZONE $zone, (day + 1)::TIMESTAMP AT TIME ZONE $zone)::INTEGER
               AS period_s,
           sum(crossings)::INTEGER AS crossings, false AS suppressed,
           least(1.0, sum(round(coverage * 3600)::BIGINT) / period_s) AS coverage, $credit AS attribution
    FROM (SELECT *, (interval_start_at AT TIME ZONE $zone)::DATE AS day FROM accepted)
    GROUP BY site_id, road_user, day
"""
_BY_INTERVAL = """
    SELECT site_id, line, road_user, direction, date_trunc('hour', interval_start_at) AS period_start_at,
           3600::INTEGER AS period_s, sum(crossings)::INTEGER AS crossings, false AS suppressed,
           least(1.0, sum(round(uptime * interval_s * 1000)::BIGINT) / 3600000) AS coverage, $credit AS attribution
    FROM accepted WHERE $zone IS NOT NULL GROUP BY ALL
"""
OPEN_DATA = {"counts_hourly": _HOURLY, "counts_by_interval": _BY_INTERVAL}
"""Result contract -> query that makes open data of it: days for hours, hours for shorter intervals."""

COLLECTED = {
    "en": ("What we collect", "What we do not collect"),
    "fr": ("Ce que nous recueillons", "Ce que nous ne recueillons pas"),
    "es": ("Lo que recogemos", "Lo que no recogemos"),
}
"""Words of the page, by language."""


def open_data(result: str, contract: str, timezone: str, credit: str, now: str, key: str, cache_folder: str) -> str:
    """Aggregate accepted rows, suppress small counts, and let the contract `open_counts` judge what would leave."""

    def build(folder: Path) -> None:
        with memory() as connection:
            connection.execute(f"CREATE VIEW accepted AS SELECT * FROM read_parquet('{result}/accepted.parquet')")
            query = OPEN_DATA[contract]
            connection.execute(f"CREATE TEMP TABLE totals AS {query} ORDER BY ALL", {"zone": timezone, "credit": credit})
            publishable(connection, "totals", load_contract("open_counts"), into="open_counts")
            judge_table(connection, "open_counts", "open_counts", folder, now=now)

    return str(kept(Path(cache_folder), key, build))


def publish_pilot(name: str, settings: Settings, *, with_noise: bool = False, now: datetime | None = None) -> dict[str, Any]:
    """Write a pilot's newest published run as open data (CSV with its contract) and a static page.

    What the lake holds is judged once more by the contract, and must be what the gate accepted in the run: rows that were
    changed in the lake are refused.

    Args:
        name: Id of the pilot.
        settings: Where the lake is; files go to `published/<pilot>/` in its home.
        with_noise: Release the counts under `noisy_counts`, with differential privacy, instead of under `open_counts`.
            The first release of a run spends from the pilot's budget, the same release again does not.
        now: The instant that counts as now; rows older than the contract's retention are left out.

    Returns:
        `pilot`, `run_id`, `contract`, `rows`, `too_old` (rows left out for their age), `epsilon` (spent by now; None
        without noise) and `files`.

    Raises:
        PilotError: The pilot does not exist or has no published run.
        RefusalError: The contract says no: rows break it or are not those of the run, or the budget is spent.
    """
    pilot = load_pilot(find_pilot(name, settings.pilots))
    contract = load_contract("noisy_counts" if with_noise else "open_counts")
    spent = None
    with open_lake(settings.catalog, settings.lake_files) as connection:
        row = connection.execute(
            "SELECT run_id, result FROM lake.runs WHERE pilot_id = ? AND status = 'published' ORDER BY published_at DESC "
            "LIMIT 1",
            [pilot.id],
        ).fetchone()
        if row is None:
            raise PilotError(f"pilot '{pilot.id}' has no published run; expected one; run 'testbed run {pilot.id}' first")
        run_id = str(row[0])
        _require_as_accepted(connection, pilot.id, run_id)
        if with_noise:
            _release(connection, pilot.id, run_id, pilot.timezone)
            release = release_id(pilot.id, run_id, contract)
            total = connection.execute(
                "SELECT sum(epsilon) FROM lake.privacy_budget WHERE pilot_id = ? AND contract = ?", [pilot.id, contract.id]
            ).fetchone()
            spent = float(total[0]) if total else 0.0
            columns = "pilot_id, run_id, release_id"
            chosen = f"lake.noisy_counts WHERE release_id = '{release}'"
        else:
            columns, chosen = "pilot_id, run_id", f"lake.open_counts WHERE pilot_id = '{pilot.id}' AND run_id = '{run_id}'"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE in_lake AS SELECT * EXCLUDE ({columns}) FROM {chosen}")
        at = now or datetime.now(UTC)
        too_old = retained(connection, "in_lake", contract, into="leaving", now=at)
        report = check(connection, "leaving", contract, accepted="accepted", quarantined="refused", now=at)
        if report.quarantined or not report.passed:
            broken = "; ".join(f"{rule.rule}: {rule.reason}" for rule in report.rules if rule.status == "failed")
            raise RefusalError(
                f"{pilot.id}: {report.quarantined} rows of run {run_id[:12]} may not be published by {contract.id} "
                f"({broken or 'a rule was skipped'}); expected rows that keep it; run 'testbed run {pilot.id}' again"
            )
        folder = settings.published / pilot.id
        folder.mkdir(parents=True, exist_ok=True)
        data, page, terms = folder / f"{contract.id}.csv", folder / "index.html", folder / f"{contract.id}.odcs.yaml"
        connection.execute(f"COPY (FROM accepted ORDER BY ALL) TO '{data}' (FORMAT csv, HEADER)")
    terms.write_bytes(contracts()[contract.id].read_bytes())
    page.write_text(_page(pilot.model_dump(mode="json"), json.loads(row[1]), contract.id), encoding="utf-8")
    return {
        "pilot": pilot.id,
        "run_id": run_id,
        "contract": contract.id,
        "rows": report.accepted,
        "too_old": too_old,
        "epsilon": spent,
        "files": [str(data), str(terms), str(page)],
    }


def _require_as_accepted(connection: Connection, pilot_id: str, run_id: str) -> None:
    """Refuse open data that are not those the gate accepted when the run was made."""
    checks = connection.execute(
        "SELECT report FROM lake.checks WHERE pilot_id = ? AND run_id = ? AND stage = 'open_data'", [pilot_id, run_id]
    ).fetchall()
    digests = [json.loads(report[0]).get("rows_digest") for report in checks]
    wanted = None if not digests or None in digests else tuple(sum(part) for part in zip(*digests, strict=True))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE in_lake AS SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_counts "
        "WHERE pilot_id = ? AND run_id = ?",
        [pilot_id, run_id],
    )
    if wanted != tuple(rows_digest(connection, "in_lake")):
        raise RefusalError(
            f"{pilot_id}: the open data of run {run_id[:12]} in the lake are not those the gate accepted; "
            f"expected them unchanged; run 'testbed run {pilot_id}' again"
        )


def _release(connection: Connection, pilot_id: str, run_id: str, timezone: str) -> None:
    """Book a release with noise and keep it in the lake, in one transaction; a release that is there already stays."""
    contract = load_contract("noisy_counts")
    release = release_id(pilot_id, run_id, contract)
    known = connection.execute(
        "SELECT any_value(attribution) FROM lake.open_counts WHERE pilot_id = ? AND run_id = ?", [pilot_id, run_id]
    ).fetchone()
    credit = str(known[0]) if known else ""
    parts = []
    for source, query in OPEN_DATA.items():
        mine = f"(SELECT * FROM lake.{source} WHERE pilot_id = '{pilot_id}' AND run_id = '{run_id}')"
        parts.append(f"SELECT * FROM ({query.replace('FROM accepted', 'FROM ' + mine)})")
    values = {"zone": timezone, "credit": credit}
    connection.execute(f"CREATE OR REPLACE TEMP TABLE exact AS {' UNION ALL BY NAME '.join(parts)}", values)

    def work() -> None:
        with transaction(connection):
            if book(connection, pilot_id, run_id, contract):
                add_noise(connection, "exact", contract, into="noisy")
                publishable(connection, "noisy", contract, into="released")
                connection.execute(
                    "INSERT INTO lake.noisy_counts BY NAME SELECT ? AS pilot_id, ? AS run_id, ? AS release_id, * FROM released",
                    [pilot_id, run_id, release],
                )

    retry(work)


def _page(pilot: dict[str, Any], document: dict[str, Any], contract: str) -> str:
    """A page without scripts: question, answer, what was collected and what was not, open data, whom to ask."""
    safe = html.escape
    sections = []
    for language, words in pilot["citizens"].items():
        collected, not_collected = COLLECTED.get(language, COLLECTED["en"])
        sections.append(
            f'<section lang="{safe(language)}"><h1>{safe(pilot["title"].get(language, pilot["id"]))}</h1>'
            f"<h2>{safe(pilot['asks'])}</h2><p><strong>{safe(document['answer'])}</strong></p>"
            f"<p>{safe(words['why'])}</p><dl><dt>{collected}</dt><dd>{safe(words['what_we_collect'])}</dd>"
            f"<dt>{not_collected}</dt><dd>{safe(words['what_we_do_not'])}</dd></dl></section>"
        )
    notes = "".join(f"<li>{safe(note)}</li>" for note in (document["effect"] or {}).get("notes", []))
    first = next(iter(pilot["citizens"]))
    return (
        f'<!DOCTYPE html><html lang="{safe(first)}"><head><meta charset="utf-8"><title>{safe(pilot["id"])}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body{font:1.1rem/1.5 sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}</style></head><body>"
        f"<main>{''.join(sections)}<ul>{notes}</ul>"
        f'<p><a href="{contract}.csv">CSV</a> · <a href="{contract}.odcs.yaml">contract</a></p>'
        f"<p>{safe(pilot['attribution'])}</p>"
        f"<p>{safe(pilot['owner']['team'])}, {safe(pilot['owner']['contact'])}</p>"
        f"<p><small>run {safe(document['run_id'])}, plan {safe(document['plan_hash'])}</small></p></main></body></html>\n"
    )
