"""What leaves the test bed: open data that passed their own contract, and a page anyone can read."""

from __future__ import annotations

import html
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from analytics.lake import Connection, open_lake, retry, transaction
from data_contracts.contract import Contract, contracts, load_contract
from data_contracts.gate import check
from data_contracts.privacy.budget import RefusalError, add_noise, book, budget_of, open_account, release_id
from data_contracts.privacy.publishable import publishable, retained
from data_contracts.rows.casting import literal
from experiments.pilot import Pilot, PilotError, find_pilot, load_pilot
from experiments.settings import Settings
from flows.feeds import OPEN_CONTRACTS
from flows.figures import open_kinds, remake
from flows.judged_table import rows_digest
from flows.open_data import OPEN_DATA, TOTALS, aggregate, open_data_terms, open_hours
from flows.public_page import public_page, published_figures

_SAME_CELL = " AND ".join(
    f"o.{name} IS NOT DISTINCT FROM c.{name}"
    for name in ("site_id", "line", "road_user", "direction", "period_start_at", "period_s")
)
SPENT = {
    "en": "The counts of {contract} carry random noise, so that nobody can tell from them whether {unit} was counted. Each "
    "release tells a little all the same. What it may tell is limited: of a privacy budget (epsilon) of {total}, {spent} is "
    "spent and {left} is left; when nothing is left, no more counts are released.",
    "fr": "Les comptages de {contract} portent un bruit aléatoire : personne ne peut en déduire si {unit} a été compté. "
    "Chaque publication révèle pourtant un peu. Cela est limité : sur un budget de confidentialité (epsilon) de {total}, "
    "{spent} est dépensé et {left} est disponible ; quand tout est dépensé, plus aucun comptage n'est publié.",
    "es": "Los recuentos de {contract} llevan un ruido aleatorio: nadie puede deducir de ellos si {unit} fue contado. Aun así, "
    "cada publicación revela un poco. Eso está limitado: de un presupuesto de privacidad (épsilon) de {total} se ha gastado "
    "{spent} y queda {left}; cuando no quede nada, no se publicarán más recuentos.",
}
"""Words of the page, by language."""
UNITS = {
    "fr": {"one person on one day": "une personne, un jour donné,"},
    "es": {"one person on one day": "una persona, un día dado,"},
}
"""What a budget protects, by language; as the contract says it where it is not here."""


def publish_pilot(name: str, settings: Settings, *, with_noise: bool = False, now: datetime | None = None) -> dict[str, Any]:
    """Write a pilot's newest published run as open data (a CSV with its contract for each kind) and a static page.

    What the lake holds is read once, must be what the gate accepted in the run, is made anew from the run's accepted rows, and
    is judged once more by the contract: rows that were changed in the lake are refused, also where the record of the gate
    was changed with them. Who changes the accepted rows themselves is not found out, nor who changes noise that was drawn.

    Args:
        name: Id of the pilot.
        settings: Where the lake is; files go to `published/<pilot>/` in its home.
        with_noise: Release the counts under `noisy_counts`, with differential privacy, instead of under `open_counts`.
            The first release of a run spends from the pilot's budget, the same release again does not.
        now: The instant that counts as now; rows older than the contract's retention are left out.

    Returns:
        `pilot`, `run_id`, `contract` (of the outcome's data), `rows`, `too_old` (rows left out for their age), `epsilon`
        (spent by now; None without noise) and `files`.

    Raises:
        PilotError: The pilot does not exist or has no published run, or noise is asked for where nobody is counted.
        RefusalError: The contract says no: rows break it or are not those of the run, or the budget is spent.
    """
    pilot = load_pilot(find_pilot(name, settings.pilots))
    kinds = sorted({OPEN_CONTRACTS[feed.contract] for feed in pilot.feeds})
    if with_noise and "open_counts" not in kinds:
        raise PilotError(f"pilot '{pilot.id}' counts nobody; expected counts to add noise to; publish it without noise")
    names = ["noisy_counts"] if with_noise else [*kinds, *open_kinds(pilot)]
    main = names[0] if with_noise else OPEN_CONTRACTS[pilot.outcome.contract]
    with open_lake(settings.catalog, settings.lake_files) as connection:
        row = connection.execute(
            "SELECT run_id, result FROM lake.runs WHERE pilot_id = ? AND status = 'published' ORDER BY published_at DESC "
            "LIMIT 1",
            [pilot.id],
        ).fetchone()
        if row is None:
            raise PilotError(f"pilot '{pilot.id}' has no published run; expected one; run 'testbed run {pilot.id}' first")
        run_id = str(row[0])
        at, counted = now or datetime.now(UTC), {}
        for kind in names:
            _require_as_accepted(connection, pilot, run_id, "open_counts" if with_noise else kind)
            if with_noise:
                _release(connection, pilot, run_id)
                columns, release = "pilot_id, run_id, release_id", release_id(pilot.id, run_id, load_contract(kind))
                chosen = f"SELECT * EXCLUDE ({columns}) FROM lake.noisy_counts WHERE release_id = '{release}'"
                connection.execute(f"CREATE OR REPLACE TEMP TABLE in_lake AS {chosen}")
            counted[kind] = _leave(connection, pilot, run_id, load_contract(kind), at, settings.published / pilot.id)
        spent = _spent(connection, pilot.id)
        found = published_figures(connection, pilot, run_id)
    folder = settings.published / pilot.id
    for kind in names:
        (folder / f"{kind}.csv.partial").replace(folder / f"{kind}.csv")
        (folder / f"{kind}.odcs.yaml").write_bytes(contracts()[kind].read_bytes())
    page = folder / "index.html"
    told = {language: _budget_told(language, spent) for language in pilot.citizens}
    page.write_text(public_page(pilot, json.loads(row[1]), [main, *names], told, found), encoding="utf-8")
    return {
        "pilot": pilot.id,
        "run_id": run_id,
        "contract": main,
        "rows": sum(rows for rows, _ in counted.values()),
        "too_old": sum(too_old for _, too_old in counted.values()),
        "epsilon": spent if with_noise else None,
        "files": [str(folder / f"{kind}.{end}") for kind in names for end in ("csv", "odcs.yaml")] + [str(page)],
    }


def _leave(
    connection: Connection, pilot: Pilot, run_id: str, contract: Contract, at: datetime, folder: Path
) -> tuple[int, int]:
    """Write what of `in_lake` may leave as a partial CSV; returns its rows and how many are too old."""
    too_old = retained(connection, "in_lake", contract, into="leaving", now=at)
    report = check(connection, "leaving", contract, accepted="accepted", quarantined="refused", now=at)
    if report.quarantined or not report.passed:
        broken = "; ".join(f"{rule.rule}: {rule.reason}" for rule in report.rules if rule.status == "failed")
        raise RefusalError(
            f"{pilot.id}: {report.quarantined} rows of run {run_id[:12]} may not be published by {contract.id} "
            f"({broken or 'a rule was skipped'}); expected rows that keep it; run 'testbed run {pilot.id}' again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{contract.id}.csv.partial"
    connection.execute(f"COPY (FROM accepted ORDER BY ALL) TO {literal(str(partial))} (FORMAT csv, HEADER)")
    return report.accepted, too_old


def _require_as_accepted(connection: Connection, pilot: Pilot, run_id: str, kind: str) -> None:
    """Refuse open data that are not those the gate accepted when the run was made; leaves them in `in_lake`."""
    checks = connection.execute(
        "SELECT report FROM lake.checks WHERE pilot_id = ? AND run_id = ? AND stage = 'open_data' AND contract = ?",
        [pilot.id, run_id, kind],
    ).fetchall()
    digests = [json.loads(report[0]).get("rows_digest") for report in checks]
    wanted = None if not digests or None in digests else tuple(sum(part) for part in zip(*digests, strict=True))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE in_lake AS SELECT * EXCLUDE (pilot_id, run_id) "
        f"FROM lake.{kind} WHERE pilot_id = ? AND run_id = ?",
        [pilot.id, run_id],
    )
    if wanted != tuple(rows_digest(connection, "in_lake")) or not _is_made_anew(connection, pilot, run_id, kind):
        raise RefusalError(
            f"{pilot.id}: the open data of run {run_id[:12]} in the lake are not those the gate accepted; "
            f"expected them unchanged; run 'testbed run {pilot.id}' again"
        )


def _is_made_anew(connection: Connection, pilot: Pilot, run_id: str, kind: str = "open_counts") -> bool:
    """Whether `in_lake` is what the run's accepted rows give when small counts are suppressed once more."""
    terms, parts = load_contract("open_counts"), list[str]()
    if kind in open_kinds(pilot):
        parts.append("remade_figures")
        mine = partial(_mine, pilot=pilot, run_id=run_id)
        remake(connection, pilot, kind, mine, pilot.attribution or pilot.owner.team, into=parts[-1])
    for source in (name for name, leaves_as in OPEN_CONTRACTS.items() if leaves_as == kind):
        if source not in OPEN_DATA:
            parts.append(f"remade_{source}")
            open_hours(connection, _mine(source, pilot, run_id), _credit(connection), into=parts[-1])
            continue
        _exact(connection, pilot, run_id, source)
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE again AS SELECT c.* REPLACE (coalesce(o.suppressed, false) AS suppressed) "
            f"FROM exact c LEFT JOIN in_lake o ON {_SAME_CELL}"
        )
        parts.append(f"remade_{source}")
        totals, small = TOTALS[source], pilot.privacy.small_count
        publishable(connection, "again", terms, into=parts[-1], totals=totals, small_count=small)
    remade = " UNION ALL ".join(f"SELECT * FROM {part}" for part in parts)
    found = connection.execute(
        f"SELECT count(*) FROM (((FROM in_lake) EXCEPT ALL ({remade})) UNION ALL (({remade}) EXCEPT ALL (FROM in_lake)))"
    ).fetchone()
    return found == (0,)


def _exact(connection: Connection, pilot: Pilot, run_id: str, source: str) -> None:
    """The cells of a run's open data from one lake table of accepted rows, before anything is withheld, in `exact`."""
    terms = open_data_terms(pilot)
    del terms["small_count"]
    terms["credit"] = _credit(connection)
    aggregate(connection, _mine(source, pilot, run_id), source, **terms, into="exact")


def _mine(source: str, pilot: Pilot, run_id: str) -> str:
    """SQL of a run's accepted rows in a lake table."""
    ours = f"pilot_id = {literal(pilot.id)} AND run_id = {literal(run_id)}"
    return f"(SELECT * EXCLUDE (pilot_id, run_id) FROM lake.{source} WHERE {ours})"


def _credit(connection: Connection) -> str:
    """How the rows of `in_lake` name their source."""
    known = connection.execute("SELECT any_value(attribution) FROM in_lake").fetchone()
    return str(known[0]) if known else ""


def _spent(connection: Connection, pilot_id: str) -> float | None:
    """Epsilon that a pilot has spent on noisy counts; None where it released none."""
    row = connection.execute(
        "SELECT sum(epsilon) FROM lake.privacy_budget WHERE pilot_id = ? AND contract = 'noisy_counts'", [pilot_id]
    ).fetchone()
    return float(row[0]) if row and row[0] else None


def _release(connection: Connection, pilot: Pilot, run_id: str) -> None:
    """Book a release with noise and keep it in the lake, in one transaction; a release that is there already stays."""
    contract = load_contract("noisy_counts")
    release = release_id(pilot.id, run_id, contract)
    for source in OPEN_DATA:
        _exact(connection, pilot, run_id, source)
        first = source == next(iter(OPEN_DATA))
        connection.execute(
            f"{'CREATE OR REPLACE TEMP TABLE to_release AS' if first else 'INSERT INTO to_release'} "
            "SELECT * EXCLUDE (total_of) FROM exact"
        )
    retry(lambda: open_account(connection, pilot.id, contract))

    def work() -> None:
        with transaction(connection):
            if book(connection, pilot.id, run_id, contract):
                add_noise(connection, "to_release", contract, into="noisy")
                publishable(connection, "noisy", contract, into="released")
                connection.execute(
                    "INSERT INTO lake.noisy_counts BY NAME SELECT ? AS pilot_id, ? AS run_id, ? AS release_id, * FROM released",
                    [pilot.id, run_id, release],
                )

    retry(work)


def _budget_told(language: str, spent: float | None) -> str:
    """What was spent of a pilot's privacy budget, in words; nothing where it never released counts with noise."""
    contract = load_contract("noisy_counts")
    budget = budget_of(contract)
    if spent is None or budget is None:
        return ""
    code = language if language in SPENT else "en"
    unit = UNITS.get(code, {}).get(budget.unit, budget.unit)
    figures = {name: f"{value:g}" for name, value in (("spent", spent), ("total", budget.total))}
    left = f"{max(0.0, budget.total - spent):g}"
    told = SPENT[code].format(contract=contract.document.name or contract.id, unit=unit, left=left, **figures)
    return f'<p class="budget"{"" if code == language else f" lang={code}"}>{html.escape(told)}</p>'
