"""Noise has the distribution that was promised, and no release spends beyond the budget or twice."""

from __future__ import annotations

import math
from collections.abc import Iterator

import duckdb
import numpy as np
import pytest

from data_contracts.contract import Contract, ContractError, load_contract
from data_contracts.privacy.budget import RefusalError, add_noise, book, budget_of, mechanism, release_id

LEDGER = (
    "CREATE TABLE ledger (pilot_id VARCHAR, run_id VARCHAR, contract VARCHAR, version VARCHAR, release_id VARCHAR, "
    "epsilon DOUBLE, unit VARCHAR, released_at TIMESTAMPTZ)"
)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        found.execute(LEDGER)
        yield found


def with_values(**values: object) -> Contract:
    contract = load_contract("noisy_counts")
    for entry in contract.document.customProperties or []:
        name = str(entry.property).removeprefix("testbed.")
        if name in values:
            entry.value = values[name]
    return contract


@pytest.mark.parametrize(("epsilon", "deviation"), [(0.5, 2.80), (1, 1.36), (2, 0.60)])
def test_noise_has_the_geometric_distribution(epsilon: float, deviation: float) -> None:
    # standard deviations at contribution bound 1: METHODS section 7; 20,000 draws, so 5 standard errors are below 4 percent
    pytest.importorskip("opendp")
    budget = budget_of(with_values(epsilon=epsilon, contribution_bound=1))
    assert budget is not None
    measure = mechanism(budget)
    assert measure.map(1) == pytest.approx(epsilon)
    drawn = np.array([measure(100) - 100 for _ in range(20_000)])
    assert drawn.std() == pytest.approx(deviation, rel=0.04)
    assert abs(drawn.mean()) < 5 * deviation / math.sqrt(len(drawn))


def test_noise_keeps_what_was_not_measured_empty_and_nothing_below_zero(connection: duckdb.DuckDBPyConnection) -> None:
    pytest.importorskip("opendp")
    connection.execute(
        "CREATE TABLE cells AS SELECT range AS site, CASE WHEN range % 2 = 0 THEN 0 END::INTEGER AS crossings FROM range(200)"
    )
    add_noise(connection, "cells", load_contract("noisy_counts"), into="noisy")
    rows = connection.execute("SELECT site, crossings FROM noisy ORDER BY site").fetchall()
    assert [site for site, _ in rows] == list(range(200))
    assert all((count is None) == (site % 2 == 1) and (count is None or count >= 0) for site, count in rows)
    assert len({count for _, count in rows}) > 3


def test_a_release_is_booked_once_and_none_beyond_the_budget(connection: duckdb.DuckDBPyConnection) -> None:
    contract = with_values(epsilon=0.5, epsilon_total=1.0)
    assert [book(connection, "a", run, contract, ledger="ledger") for run in ("1", "1", "2", "1", "2")] == [
        True,
        False,
        True,
        False,
        False,
    ]
    with pytest.raises(RefusalError, match=r"a: epsilon 1 of 1 is spent under noisy_counts and the release needs 0.5"):
        book(connection, "a", "3", contract, ledger="ledger")
    assert book(connection, "b", "3", contract, ledger="ledger")  # another pilot has an account of its own
    assert connection.execute("SELECT pilot_id, sum(epsilon) FROM ledger GROUP BY 1 ORDER BY 1").fetchall() == [
        ("a", 1.0),
        ("b", 0.5),
    ]


def test_another_epsilon_is_another_release() -> None:
    assert release_id("a", "1", with_values(epsilon=0.5)) == release_id("a", "1", with_values(epsilon=0.5))
    assert release_id("a", "1", with_values(epsilon=0.5)) != release_id("a", "1", with_values(epsilon=0.4))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epsilon": 0}, "testbed.epsilon is 0; expected a number above 0"),
        ({"epsilon": True}, "testbed.epsilon is True"),
        ({"epsilon_total": 0.1}, "testbed.epsilon_total is 0.1; expected a number not below testbed.epsilon"),
        ({"contribution_bound": 1.5}, "testbed.contribution_bound is 1.5; expected a whole number above 0"),
        ({"privacy_unit": ""}, "testbed.privacy_unit is ''"),
    ],
)
def test_a_budget_that_is_none_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        budget_of(with_values(**values))


def test_a_contract_without_epsilon_has_no_budget(connection: duckdb.DuckDBPyConnection) -> None:
    assert budget_of(load_contract("open_counts")) is None
    with pytest.raises(ContractError, match=r"testbed.epsilon is missing"):
        book(connection, "a", "1", load_contract("open_counts"), ledger="ledger")


def test_two_bookings_at_once_do_not_both_succeed(tmp_path) -> None:
    from analytics.lake import QueryError, open_lake

    # the last release that the budget has room for, asked for by two at the same time
    contract = with_values(epsilon=0.5, epsilon_total=1.0)
    catalog, files = f"sqlite:{tmp_path / 'lake.sqlite'}", str(tmp_path / "files")
    with open_lake(catalog, files) as one, open_lake(catalog, files) as other:
        one.execute("BEGIN")
        book(one, "a", "1", contract)
        one.execute("COMMIT")
        one.execute("BEGIN")
        other.execute("BEGIN")
        assert book(one, "a", "2", contract) and book(other, "a", "3", contract)
        one.execute("COMMIT")
        with pytest.raises(QueryError):
            other.execute("COMMIT")
        assert one.execute("SELECT sum(epsilon) FROM lake.privacy_budget").fetchone() == (1.0,)
