"""Optional differential privacy: counts with geometric noise, and a budget that every release is booked on.

A contract turns it on by `testbed.epsilon`, with `testbed.contribution_bound`, `testbed.privacy_unit` and
`testbed.epsilon_total`. Noise is drawn once for a release and kept: who could have it drawn anew would average it away.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import duckdb

from data_contracts.contract import Contract, ContractError
from data_contracts.rows.casting import identifier, literal, table

OPENED = "opened"
"""Release of the first line of an account; each booking writes it anew, so that two bookings at once cannot both succeed.
It is there before the first booking (`open_account`): two that found no line to write anew would not meet."""
LEDGER = "lake.privacy_budget"
"""The table of bookings."""


class RefusalError(ContractError):
    """A contract said no: what was asked for is understood and may not be done."""


@dataclass(frozen=True)
class Budget:
    """What a contract allows to be told about one unit.

    Attributes:
        epsilon: Spent by one release.
        total: All that may ever be spent by one pilot under the contract.
        bound: Counts that one unit changes by at most in a release.
        unit: Whom the promise is made to, such as `one person on one day`.
    """

    epsilon: float
    total: float
    bound: int
    unit: str


def budget_of(contract: Contract) -> Budget | None:
    """The budget that a contract sets.

    Args:
        contract: The contract.

    Returns:
        The budget; None where the contract asks for no differential privacy.

    Raises:
        ContractError: The contract's properties do not make a budget.
    """
    custom = contract.custom
    if "testbed.epsilon" not in custom:
        return None
    names = ("epsilon", "epsilon_total", "contribution_bound", "privacy_unit")
    epsilon, total, bound, unit = (custom.get(f"testbed.{name}") for name in names)
    faults = [
        f"testbed.{name} is {value!r}; expected {wanted}"
        for name, value, wanted, holds in (
            ("epsilon", epsilon, "a number above 0", _is_number(epsilon) and float(str(epsilon)) > 0),
            ("epsilon_total", total, "a number not below testbed.epsilon", _is_number(total) and _is_number(epsilon)),
            ("contribution_bound", bound, "a whole number above 0", isinstance(bound, int) and bound > 0),
            ("privacy_unit", unit, "words such as 'one person on one day'", isinstance(unit, str) and unit != ""),
        )
        if not holds
    ]
    if not faults and float(str(total)) < float(str(epsilon)):
        faults = [f"testbed.epsilon_total is {total!r}; expected a number not below testbed.epsilon"]
    if faults:
        raise ContractError("\n".join(f"{contract.id}: {fault}; correct the contract" for fault in faults))
    return Budget(float(str(epsilon)), float(str(total)), int(str(bound)), str(unit))


def add_noise(connection: duckdb.DuckDBPyConnection, relation: str, contract: Contract, *, into: str) -> None:
    """Add noise of the two-sided geometric distribution to every measured count, and cut what falls below 0.

    Cutting comes after the noise and costs no privacy; it makes sums a little too large. The noise is drawn by OpenDP from
    the system's source of chance and has no seed.

    Args:
        connection: Connection that sees the table.
        relation: Name of the table, with the contract's count column.
        contract: A contract with a budget.
        into: Name of the temporary table to create, with the same columns.

    Raises:
        ContractError: The contract has no budget, or `opendp` is not installed.

    Source:
        Geometric mechanism, P(Z = z) proportional to exp(-|z| epsilon / bound): Ghosh, Roughgarden and Sundararajan (2009).
    """
    budget = budget_of(contract)
    if budget is None:
        raise ContractError(f"{contract.id}: testbed.epsilon is missing; expected a budget; publish without noise")
    draw = mechanism(budget)
    count = str(contract.custom["testbed.count_column"])
    columns = [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {table(relation)}").fetchall()]
    at = columns.index(count)
    rows = connection.execute(f"SELECT * FROM {table(relation)}").fetchall()
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(into)} AS FROM {table(relation)} LIMIT 0")
    noisy = [[*row[:at], None if row[at] is None else max(0, draw(int(row[at]))), *row[at + 1 :]] for row in rows]
    if noisy:
        connection.executemany(f"INSERT INTO {identifier(into)} VALUES ({', '.join('?' * len(columns))})", noisy)


def mechanism(budget: Budget) -> Any:
    """OpenDP's measurement: a whole number in, the number with noise out; `map(bound)` is the epsilon it spends.

    Args:
        budget: Epsilon and contribution bound.

    Returns:
        The measurement, whose loss was checked against the budget.

    Raises:
        ContractError: `opendp` is not installed.
    """
    try:
        import opendp.prelude as dp
    except ImportError as error:
        raise ContractError(
            "opendp: the package is not installed; expected it for a contract with testbed.epsilon; "
            "run pip install 'city-testbed[dp]'"
        ) from error
    dp.enable_features("contrib")
    found: Any = dp.m.make_geometric(dp.atom_domain(T=int), dp.absolute_distance(T=int), scale=budget.bound / budget.epsilon)
    spent = found.map(budget.bound)
    if spent > budget.epsilon * (1 + 1e-9):
        raise ContractError(f"testbed.epsilon is {budget.epsilon}; OpenDP would spend {spent}; choose another")
    return found


def release_id(pilot_id: str, run_id: str, contract: Contract) -> str:
    """Names one release: the same pilot's run under the same contract is the same release."""
    text = contract.document.model_dump_json()
    return hashlib.sha256("\n".join((pilot_id, run_id, text)).encode()).hexdigest()


def open_account(connection: duckdb.DuckDBPyConnection, pilot_id: str, contract: Contract, *, ledger: str = LEDGER) -> None:
    """Open a pilot's account where there is none; call outside of a transaction, before the first booking.

    Args:
        connection: A connection that is in no transaction.
        pilot_id: The pilot.
        contract: A contract with a budget.
        ledger: The table of bookings, as `book` has it.
    """
    connection.execute(
        f"INSERT INTO {ledger} SELECT ?, '', ?, ?, '{OPENED}', 0.0, '', now() "
        f"WHERE NOT EXISTS (FROM {ledger} WHERE pilot_id = ? AND contract = ? AND release_id = '{OPENED}')",
        [pilot_id, contract.id, contract.version, pilot_id, contract.id],
    )


def book(
    connection: duckdb.DuckDBPyConnection,
    pilot_id: str,
    run_id: str,
    contract: Contract,
    *,
    ledger: str = LEDGER,
) -> bool:
    """Book a release on the pilot's account; call in the transaction that keeps the release.

    Args:
        connection: A connection in a transaction.
        pilot_id: The pilot.
        run_id: The run whose counts are released.
        contract: A contract with a budget; the pilot's account under it is open (`open_account`).
        ledger: The table of bookings: pilot_id, run_id, contract, version, release_id, epsilon, unit, released_at.

    Returns:
        True where the release was booked now, False where it had been before: nothing is spent twice.

    Raises:
        RefusalError: The release would spend more than the contract allows.
        ContractError: The contract has no budget.
    """
    budget = budget_of(contract)
    if budget is None:
        raise ContractError(f"{contract.id}: testbed.epsilon is missing; expected a budget; publish without noise")
    release, account = release_id(pilot_id, run_id, contract), [pilot_id, contract.id]
    query = f"SELECT release_id, epsilon FROM {ledger} WHERE pilot_id = ? AND contract = ?"
    booked = connection.execute(query, account).fetchall()
    if release in {row[0] for row in booked}:
        return False
    spent = sum(float(row[1]) for row in booked)
    if spent + budget.epsilon > budget.total * (1 + 1e-9):
        raise RefusalError(
            f"{pilot_id}: epsilon {spent:g} of {budget.total:g} is spent under {contract.id} and the release needs "
            f"{budget.epsilon:g}; expected a release within the budget; publish what was released before"
        )
    line = f"INSERT INTO {ledger} VALUES (?, ?, ?, ?, ?, ?, {literal(budget.unit)}, now())"
    connection.execute(f"DELETE FROM {ledger} WHERE pilot_id = ? AND contract = ? AND release_id = '{OPENED}'", account)
    connection.execute(line, [pilot_id, "", contract.id, contract.version, OPENED, 0.0])
    connection.execute(line, [pilot_id, run_id, contract.id, contract.version, release, budget.epsilon])
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
