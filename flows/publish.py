"""What leaves the test bed: open data that passed their own contract, and a page anyone can read."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from analytics.lake import memory, open_lake
from data_contracts.contract import load_contract
from data_contracts.privacy import publishable
from experiments.pilot import PilotError, find_pilot, load_pilot
from experiments.settings import Settings
from flows.feeds import judge_table, kept

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


def open_data(result: str, contract: str, timezone: str, credit: str, key: str, cache_folder: str) -> str:
    """Aggregate accepted rows, suppress small counts, and let the contract `open_counts` judge what would leave."""

    def build(folder: Path) -> None:
        with memory() as connection:
            connection.execute(f"CREATE VIEW accepted AS SELECT * FROM read_parquet('{result}/accepted.parquet')")
            query = OPEN_DATA[contract]
            connection.execute(f"CREATE TEMP TABLE totals AS {query} ORDER BY ALL", {"zone": timezone, "credit": credit})
            publishable(connection, "totals", load_contract("open_counts"), into="open_counts")
            judge_table(connection, "open_counts", "open_counts", folder)

    return str(kept(Path(cache_folder), key, build))


def publish_pilot(name: str, settings: Settings) -> dict[str, Any]:
    """Write a pilot's newest published run as open data (CSV with its contract) and a static page.

    Args:
        name: Id of the pilot.
        settings: Where the lake is; files go to `published/<pilot>/` in its home.

    Returns:
        `pilot`, `run_id` and `files`.

    Raises:
        PilotError: The pilot does not exist or has no published run.
    """
    pilot = load_pilot(find_pilot(name, settings.pilots))
    with open_lake(settings.catalog, settings.lake_files) as connection:
        row = connection.execute(
            "SELECT run_id, result FROM lake.runs WHERE pilot_id = ? AND status = 'published' ORDER BY published_at DESC "
            "LIMIT 1",
            [pilot.id],
        ).fetchone()
        if row is None:
            raise PilotError(f"pilot '{pilot.id}' has no published run; expected one; run 'testbed run {pilot.id}' first")
        folder = settings.published / pilot.id
        folder.mkdir(parents=True, exist_ok=True)
        data, page, contract = folder / "open_counts.csv", folder / "index.html", folder / "open_counts.odcs.yaml"
        connection.execute(
            "COPY (SELECT * EXCLUDE (pilot_id, run_id) FROM lake.open_counts WHERE pilot_id = "
            f"'{pilot.id}' AND run_id = '{row[0]}' ORDER BY ALL) TO '{data}' (FORMAT csv, HEADER)"
        )
    from data_contracts.contract import contracts

    contract.write_bytes(contracts()["open_counts"].read_bytes())
    page.write_text(_page(pilot.model_dump(mode="json"), json.loads(row[1])), encoding="utf-8")
    return {"pilot": pilot.id, "run_id": row[0], "files": [str(data), str(contract), str(page)]}


def _page(pilot: dict[str, Any], document: dict[str, Any]) -> str:
    """A page without scripts: question, answer, what was collected and what was not, open data, whom to ask."""
    safe = html.escape
    sections = []
    for language, words in pilot["citizens"].items():
        sections.append(
            f'<section lang="{safe(language)}"><h1>{safe(pilot["title"].get(language, pilot["id"]))}</h1>'
            f"<h2>{safe(pilot['asks'])}</h2><p><strong>{safe(document['answer'])}</strong></p>"
            f"<p>{safe(words['why'])}</p><dl><dt>+</dt><dd>{safe(words['what_we_collect'])}</dd>"
            f"<dt>&minus;</dt><dd>{safe(words['what_we_do_not'])}</dd></dl></section>"
        )
    notes = "".join(f"<li>{safe(note)}</li>" for note in (document["effect"] or {}).get("notes", []))
    first = next(iter(pilot["citizens"]))
    return (
        f'<!DOCTYPE html><html lang="{safe(first)}"><head><meta charset="utf-8"><title>{safe(pilot["id"])}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body{font:1.1rem/1.5 sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}</style></head><body>"
        f"<main>{''.join(sections)}<ul>{notes}</ul>"
        f'<p><a href="open_counts.csv">CSV</a> · <a href="open_counts.odcs.yaml">contract</a></p>'
        f"<p>{safe(pilot['attribution'])}</p>"
        f"<p>{safe(pilot['owner']['team'])}, {safe(pilot['owner']['contact'])}</p>"
        f"<p><small>run {safe(document['run_id'])}, plan {safe(document['plan_hash'])}</small></p></main></body></html>\n"
    )
