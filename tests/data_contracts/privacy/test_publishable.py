"""No small count leaves, and what leaves is rounded."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract import ContractError, load_contract
from data_contracts.gate import check
from data_contracts.privacy.publishable import publishable

OPEN = load_contract("open_counts")


def cells(connection: duckdb.DuckDBPyConnection, counts: list[int | None], sites: int = 1) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE cells (site_id VARCHAR, line VARCHAR, road_user VARCHAR, direction VARCHAR, "
        "period_start_at TIMESTAMPTZ, period_s INTEGER, crossings INTEGER, coverage DOUBLE, attribution VARCHAR)"
    )
    connection.execute(
        "INSERT INTO cells SELECT 'site_' || (i % ?), NULL, 'car', NULL, "
        "TIMESTAMPTZ '2026-03-02 00:00:00Z' + INTERVAL (i // ?) HOUR, "
        "3600, n, 1.0, 'Example City' FROM (SELECT unnest(?::INTEGER[]) AS n, unnest(range(len(?::INTEGER[]))) AS i)",
        [sites, sites, counts, counts],
    )


def published(
    counts: list[int | None], totals: tuple[tuple[str, ...], ...] = (), sites: int = 1
) -> list[tuple[int | None, bool]]:
    with duckdb.connect() as connection:
        cells(connection, counts, sites)
        publishable(connection, "cells", OPEN, into="out", totals=totals)
        return connection.execute("SELECT crossings, suppressed FROM out").fetchall()


def test_small_counts_are_withheld_and_others_rounded() -> None:
    # threshold 10 and base 5: METHODS section 7
    found = published([0, 9, 10, 12, 13, 17, 18, None])
    assert found == [(None, True), (None, True), (10, False), (10, False), (15, False), (15, False), (20, False), (None, False)]


def test_what_publishable_makes_passes_the_gate_and_what_it_got_does_not() -> None:
    with duckdb.connect() as connection:
        cells(connection, [3, 11, 250, None])
        publishable(connection, "cells", OPEN, into="out")
        assert check(connection, "out", OPEN, accepted="good", quarantined="bad").passed
        connection.execute("CREATE TEMP TABLE naked AS SELECT *, false AS suppressed FROM cells")
        report = check(connection, "naked", OPEN, accepted="good", quarantined="bad")
        rules = dict(connection.execute("SELECT source_row, rules FROM bad").fetchall())
    assert not report.passed
    assert rules == {1: ["privacy.small_count", "privacy.round_to"], 2: ["privacy.round_to"]}


def test_a_withheld_count_must_not_be_there() -> None:
    with duckdb.connect() as connection:
        cells(connection, [15])
        connection.execute("CREATE TEMP TABLE bare AS SELECT *, true AS suppressed FROM cells")
        report = check(connection, "bare", OPEN, accepted="good", quarantined="bad")
        assert connection.execute("SELECT rules FROM bad").fetchall() == [(["suppressed_is_empty"],)]
    assert not report.passed


def test_a_cell_is_there_once_also_without_line_and_direction() -> None:
    with duckdb.connect() as connection:
        cells(connection, [15])
        publishable(connection, "cells", OPEN, into="out")
        connection.execute("INSERT INTO out SELECT * FROM out")
        check(connection, "out", OPEN, accepted="good", quarantined="bad")
        assert connection.execute("SELECT source_row, rules FROM bad").fetchall() == [(2, ["one_row_per_cell"])]


def test_a_published_total_withholds_a_second_cell() -> None:
    assert [withheld for _, withheld in published([3, 40, 20, 80])] == [True, False, False, False]
    assert [withheld for _, withheld in published([3, 40, 20, 80], totals=(("site_id",),))] == [True, False, True, False]


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.one_of(st.none(), st.integers(0, 60)), min_size=1, max_size=24), sites=st.integers(1, 4))
def test_no_group_of_a_total_has_a_single_withheld_cell(counts: list[int | None], sites: int) -> None:
    found = published(counts, (("site_id",), ("period_start_at",)), sites)
    for group in (lambda i: i % sites, lambda i: i // sites):
        groups: dict[int, list[bool]] = {}
        for i, (count, (_, withheld)) in enumerate(zip(counts, found, strict=True)):
            if count is not None:
                groups.setdefault(group(i), []).append(withheld)
        assert all(sum(flags) != 1 or len(flags) == 1 for flags in groups.values())
    for count, (shown, withheld) in zip(counts, found, strict=True):
        assert not (withheld and shown is not None)
        assert withheld or count is None or (count >= 10 and shown is not None and shown % 5 == 0 and abs(shown - count) <= 2)
        assert count is not None or (shown is None and not withheld)


def test_forbidden_and_missing_columns_are_refused() -> None:
    with duckdb.connect() as connection:
        cells(connection, [20])
        connection.execute("ALTER TABLE cells ADD COLUMN track_id INTEGER; ALTER TABLE cells DROP COLUMN attribution")
        with pytest.raises(ContractError, match="column 'track_id' is forbidden; column 'attribution' is missing"):
            publishable(connection, "cells", OPEN, into="out")
        cells(connection, [20])
        with pytest.raises(ContractError, match="totals name columns"):
            publishable(connection, "cells", OPEN, into="out", totals=(("nothing",),))
        with pytest.raises(ContractError, match="expected privacy rules"):
            publishable(connection, "cells", load_contract("counts_hourly"), into="out")


def test_a_threshold_between_two_multiples_is_never_undercut() -> None:
    contract = load_contract("open_counts")
    for entry in contract.document.customProperties or []:
        if entry.property == "testbed.small_count":
            entry.value = 12
    with duckdb.connect() as connection:
        cells(connection, [11, 12, 17])
        publishable(connection, "cells", contract, into="out")
        assert connection.execute("SELECT crossings FROM out").fetchall() == [(None,), (15,), (15,)]
        assert check(connection, "out", contract, accepted="good", quarantined="bad").passed
