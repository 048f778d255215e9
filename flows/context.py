"""What a pilot's rows are judged against beside their contract: an instant, and the rows that relationships look up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from zoneinfo import ZoneInfo

from analytics.lake import PILOT_TABLES, Connection
from data_contracts.contract import Contract, contracts, load_contract
from data_contracts.rows.casting import identifier, literal
from data_contracts.rules.relationships import Target, targets_of
from experiments.pilot import Feed, Pilot, PilotError
from flows.digests import digest_of
from flows.feeds import kept
from flows.judged_table import rows_digest

Others = dict[str, list[str]]
"""`contract.table` -> folders of the steps whose `accepted.parquet` hold its rows."""


def plan_end(pilot: Pilot) -> datetime:
    """Midnight after the last day of a pilot's plan, on the pilot's clock, in UTC; the end of time where it has no periods."""
    ends = [last for _, last in (*pilot.before, *pilot.after)]
    if not ends:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.combine(max(ends) + timedelta(days=1), time(), ZoneInfo(pilot.timezone)).astimezone(UTC)


def judged_at(pilot: Pilot, started: datetime) -> datetime:
    """The instant at which the service levels of a pilot's feeds are judged.

    It is the end of the pilot's plan, so that a run of the same inputs gives the same figures on any later day. Before the
    plan has ended it is the beginning of the day of the run, so that data cannot be late that are not yet due.

    Args:
        pilot: The pilot.
        started: When the run was started.

    Returns:
        Midnight after the plan's last day, on the pilot's clock, or midnight (UTC) before `started` if that is earlier; UTC.
    """
    today = started.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return min(today, plan_end(pilot))


def full_name(contract: Contract) -> str:
    """`contract.table`, as relationships find it."""
    return f"{contract.id}.{contract.table_name}"


def order_of(pilot: Pilot) -> list[int]:
    """The feeds in an order in which each finds the rows that its contracts' relationships look up.

    Args:
        pilot: The pilot.

    Returns:
        Numbers of the feeds; in the pilot file's order where nothing else is asked for.

    Raises:
        PilotError: Feeds wait for each other.
        ContractError: A contract is faulty.
    """
    held = [[load_contract(name) for name in _names(feed)] for feed in pilot.feeds]
    needs: dict[int, set[int]] = {}
    for number, own in enumerate(held):
        targets = [target for contract in own for target in targets_of(contract)]
        others = [i for i in range(len(held)) if i != number]
        needs[number] = {i for i in others if any(_means(target, other) for target in targets for other in held[i])}
    try:
        return list(TopologicalSorter(needs).static_order()) if any(needs.values()) else list(needs)
    except CycleError as error:
        ring = ", ".join(pilot.feeds[i].contract for i in error.args[1][1:])
        raise PilotError(
            f"{pilot.id}: the feeds of {ring} look up keys in each other; expected one that comes first; "
            "remove a relationship of their contracts"
        ) from error


def others_of(name: str, gathered: Mapping[str, list[str]]) -> Others:
    """What is at hand for the relationships of a contract.

    Args:
        name: Name of the contract.
        gathered: Folders of steps by `contract.table`: feeds that were judged already, and tables of the lake.

    Returns:
        Those that its relationships point to.
    """
    targets = targets_of(load_contract(name))
    return {key: list(folders) for key, folders in gathered.items() if any(_points(target, key) for target in targets)}


def published_for(connection: Connection, pilot: Pilot, cache_folder: Path) -> Others:
    """Keys from the lake, for relationships that point to a contract which no feed of the pilot brings.

    What the pilot itself published earlier is left out: this run takes its place.

    Args:
        connection: From `open_lake`.
        pilot: The pilot.
        cache_folder: Where the keys are kept, under the digest of what they are.

    Returns:
        Folders by `contract.table`.
    """
    own = [load_contract(name) for feed in pilot.feeds for name in _names(feed)]
    asked = [target for contract in own for target in targets_of(contract)]
    wanted = [target for target in asked if not any(_means(target, contract) for contract in own)]
    found: Others = {}
    for name in sorted(set(contracts()) & set(PILOT_TABLES)) if wanted else ():
        contract = load_contract(name)
        named = {column for target in wanted if _means(target, contract) for column in target.columns}
        columns = ", ".join(identifier(column) for column in contract.column_names if column in named)
        if columns:
            found[full_name(contract)] = [str(_keys_of(connection, pilot.id, name, columns, cache_folder))]
    return found


def _keys_of(connection: Connection, pilot_id: str, name: str, columns: str, cache_folder: Path) -> Path:
    chosen = f"SELECT DISTINCT {columns} FROM lake.{identifier(name)} WHERE pilot_id <> {literal(pilot_id)}"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE looked_up AS {chosen} ORDER BY ALL")
    key = digest_of("looked up", name, columns, rows_digest(connection, "looked_up"))

    def build(folder: Path) -> None:
        connection.execute(f"COPY looked_up TO '{folder}/accepted.parquet' (FORMAT parquet, COMPRESSION zstd)")

    return kept(cache_folder, key, build)


def _names(feed: Feed) -> Iterator[str]:
    yield from (name for name in (feed.raw_contract, feed.contract) if name)


def _means(target: Target, contract: Contract) -> bool:
    return _points(target, full_name(contract))


def _points(target: Target, key: str) -> bool:
    """Whether a relationship points to `contract.table`: of a reference that names a file, the contract has to be the same."""
    return bool(target.best_of([key])) and target.contract in (None, key.partition(".")[0])
