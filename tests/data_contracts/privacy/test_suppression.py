"""No withheld count can be rebuilt from what is published: an independent reader tries by linear programming."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from data_contracts.contract import ContractError, load_contract
from data_contracts.privacy.publishable import Total, publishable, retained
from data_contracts.privacy.suppression import withhold

OPEN = load_contract("open_counts")
SMALL, HALF_A_STEP = 10, 2  # threshold 10 and base 5: METHODS section 7
MARGINS = [("site_id",), ("period_start_at",), ()]


def fill(connection: duckdb.DuckDBPyConnection, counts: list[int | None], sites: int, users: int = 1) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE cells AS SELECT 'site_' || (i % $sites) AS site_id, NULL::VARCHAR AS line, "
        "['car', 'cyclist', 'bus'][i // $sites % $users + 1] AS road_user, NULL::VARCHAR AS direction, "
        "TIMESTAMPTZ '2026-03-02 00:00:00Z' + INTERVAL (i // $sites // $users) HOUR AS period_start_at, 3600 AS period_s, "
        "n AS crossings, 1.0 AS coverage, 'Example City' AS attribution "
        "FROM (SELECT unnest($counts::INTEGER[]) AS n, unnest(range(len($counts::INTEGER[]))) AS i)",
        {"sites": sites, "users": users, "counts": counts},
    )


def ranges(
    published: list[dict], totals: tuple[Total, ...], slack: int, small_totals: tuple[dict, ...] = ()
) -> list[tuple[float, float]]:
    """What a reader of the publication can infer of each withheld cell and small total; numbers may be off by `slack`."""
    measured = [cell for cell in published if cell["crossings"] is not None or cell["suppressed"]]
    bounds = [
        (0, None) if cell["suppressed"] else (max(cell["crossings"] - slack, 0), cell["crossings"] + slack) for cell in measured
    ]
    sides, limits = [], []
    for total in totals:
        if not total.suppressed:
            row = [float(all(cell[k] == v for k, v in total.of.items())) for cell in measured]
            sides += [row, [-x for x in row]]
            limits += [total.count + slack, slack - total.count]
    found = []
    wanted = [[i] for i, cell in enumerate(measured) if cell["suppressed"]]
    wanted += [[i for i, cell in enumerate(measured) if all(cell[k] == v for k, v in of.items())] for of in small_totals]
    for target in wanted:
        if target:
            aim = np.zeros(len(measured))
            aim[target] = 1
            ends = [linprog(s * aim, A_ub=sides or None, b_ub=limits or None, bounds=bounds) for s in (1, -1)]
            assert all(end.status in (0, 3) for end in ends)
            found.append((ends[0].fun, -ends[1].fun if ends[1].status == 0 else np.inf))
    return found


def attack(counts: list[int | None], sites: int, margins: list[tuple[str, ...]], users: int = 1) -> None:
    """Publish and try to rebuild, both from what is published and with every rounded number replaced by the true one."""
    with duckdb.connect() as connection:
        fill(connection, counts, sites, users)
        totals = publishable(connection, "cells", OPEN, into="shown", totals=margins)
        frame = connection.execute("FROM shown").fetchall()
        true = [row[0] for row in connection.execute("SELECT crossings FROM cells").fetchall()]
        cells = connection.execute("FROM shown").description
    names = [column[0] for column in cells]
    published = [dict(zip(names, row, strict=True)) for row in frame]
    exact = [{**c, "crossings": None if c["suppressed"] else t} for c, t in zip(published, true, strict=True)]
    told = tuple(
        Total(
            t.of,
            sum(n or 0 for c, n in zip(published, true, strict=True) if all(c[k] == v for k, v in t.of.items())),
            t.suppressed,
        )
        for t in totals
    )
    small = tuple(t.of for t in told if t.count < SMALL)
    for seen, sums, slack in ((published, totals, HALF_A_STEP), (exact, told, 0)):
        for low, high in ranges(seen, sums, slack, small):
            assert high - low >= SMALL - 1e-6
    for total, honest in zip(totals, told, strict=True):
        assert total.suppressed or (honest.count >= SMALL and abs(total.count - honest.count) <= HALF_A_STEP)
        assert (total.count is None) == total.suppressed


COUNTS = st.lists(st.one_of(st.none(), st.integers(0, 14), st.integers(0, 300)), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, sites=st.integers(1, 5))
def test_nothing_is_rebuilt_from_totals_by_site_by_period_and_the_grand_total(counts: list[int | None], sites: int) -> None:
    attack(counts, sites, MARGINS)


@settings(max_examples=40, deadline=None)
@given(counts=COUNTS, sites=st.integers(1, 3), users=st.integers(1, 3), data=st.data())
def test_nothing_is_rebuilt_from_any_overlapping_totals(counts, sites: int, users: int, data: st.DataObject) -> None:
    columns = ["site_id", "period_start_at", "road_user"]
    every = [tuple(c for i, c in enumerate(columns) if mask >> i & 1) for mask in range(8)]  # up to totals of one cell
    attack(counts, sites, data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=5, unique=True)), users)


@pytest.mark.parametrize("counts", [[3], [3, None], [0, 0], [0, 0, 0, 0], [9, 50], [5, 4, 3], [1, 200, 200, 1]])
@pytest.mark.parametrize("margins", [[()], MARGINS, [("site_id", "period_start_at")]])
def test_nothing_is_rebuilt_where_a_total_has_one_cell_or_only_small_ones(counts, margins) -> None:
    attack(counts, 2, margins)


@settings(max_examples=40, deadline=None)
@given(counts=COUNTS, sites=st.integers(1, 4), coarse=st.sampled_from([(), ("site_id",)]), fine_first=st.booleans())
def test_nothing_is_rebuilt_from_nested_totals(counts, sites: int, coarse: tuple[str, ...], fine_first: bool) -> None:
    fine = ("site_id", "period_start_at") if coarse else ("site_id",)
    attack(counts, sites, [fine, coarse] if fine_first else [coarse, fine], users=3)


def whole_numbers(
    values: np.ndarray, cells: np.ndarray, hidden: tuple[np.ndarray, ...], families: list[np.ndarray]
) -> list[int]:
    """How many whole numbers lie in the range of each withheld cell, for a reader who knows all else exactly."""
    unknown = np.flatnonzero(cells)
    rows = [
        (groups[unknown] == group).astype(float)
        for groups, flags in zip(families, hidden, strict=True)
        for group in np.flatnonzero(~flags)
    ]
    found = []
    for at in range(len(unknown)):
        aim = np.eye(len(unknown))[at]
        sides = np.array(rows).reshape(-1, len(unknown))
        told = LinearConstraint(sides, sides @ values[unknown], sides @ values[unknown])
        ends = [
            milp(sign * aim, integrality=np.ones(len(unknown)), bounds=Bounds(0, 1_000), constraints=told) for sign in (1, -1)
        ]
        assert all(end.status == 0 for end in ends)
        found.append(round(-ends[1].fun - ends[0].fun) + 1)
    return found


SHAPES = st.integers(2, 4).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 40), min_size=n, max_size=n), min_size=2, max_size=4)
)


@settings(max_examples=40, deadline=None)
@given(counts=SHAPES)
def test_counts_are_whole_numbers_and_each_withheld_one_could_still_be_ten_of_them(counts: list[list[int]]) -> None:
    # people are not divided: a range is worth what whole numbers it holds
    values = np.array(counts, dtype=np.int64).ravel()
    index, width = np.arange(len(values)), len(counts[0])
    families = [index // width, index % width, index * 0]
    found = withhold(values, families, SMALL)
    assert all(number >= SMALL for number in whole_numbers(values, found.cells, found.totals, families))


@settings(max_examples=40, deadline=None)
@given(counts=SHAPES, more=SHAPES)
def test_a_release_that_adds_whole_groups_gives_nothing_of_the_last_one_away(counts, more) -> None:
    # what was withheld of the earlier groups is the same, so that the two releases together are the later one
    first = np.array([n for group in counts for n in group], dtype=np.int64)
    both = np.array([n for group in counts + more for n in group], dtype=np.int64)
    groups = np.repeat(np.arange(len(counts + more)), [len(group) for group in counts + more])
    before = withhold(first, [groups[: len(first)]], SMALL)
    after = withhold(both, [groups], SMALL)
    assert (after.cells[: len(first)] == before.cells).all()
    assert (after.totals[0][: len(counts)] == before.totals[0]).all()


def test_what_was_withheld_stays_withheld() -> None:
    with duckdb.connect() as connection:
        fill(connection, [40, 50, 60, None], 1)
        query = "SELECT *, crossings IS DISTINCT FROM 60 AS suppressed FROM cells"
        connection.execute(f"CREATE TEMP TABLE flagged AS {query}")
        publishable(connection, "flagged", OPEN, into="shown")
        found = connection.execute("SELECT crossings, suppressed FROM shown").fetchall()
        assert found == [(None, True), (None, True), (60, False), (None, False)]


def test_two_single_ones_that_share_a_row_do_not_protect_each_other() -> None:
    # one withheld cell too few in the other direction: 3 and its neighbour 5 in a row, alone in their columns
    values = np.array([3, 5, 80, 60, 70, 90], dtype=np.int64)
    rows, columns = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2])
    found = withhold(values, [rows, columns], SMALL)
    assert found.cells[:2].all() and found.cells[3:5].all() and not any(flags.any() for flags in found.totals)


def test_a_table_of_some_thousand_cells_stays_useful() -> None:
    # where small counts are rare, about one more is withheld for each (measured: 22 small)
    draws, sites, days = np.random.default_rng(1), 20, 366
    values = draws.poisson(np.tile(np.linspace(18, 300, sites), days)).astype(np.int64)
    index = np.arange(len(values))
    found = withhold(values, [index % sites, index // sites, index * 0], SMALL)
    assert 0 < (values < SMALL).sum() <= found.cells.sum() <= 3 * (values < SMALL).sum()
    assert not any(flags.any() for flags in found.totals)


def test_rounding_is_unbiased_and_a_tie_goes_to_the_even_multiple() -> None:
    contract = load_contract("open_counts")
    with duckdb.connect() as connection:
        fill(connection, list(range(13, 113)), 1)
        publishable(connection, "cells", contract, into="shown")
        assert connection.execute("SELECT sum(crossings) FROM shown").fetchone() == (sum(range(13, 113)),)
        for entry in contract.document.customProperties or []:
            if entry.property == "testbed.round_to":
                entry.value = 10
        fill(connection, [15, 25, 35, 36, 44], 1)
        publishable(connection, "cells", contract, into="shown")
        assert connection.execute("SELECT list(crossings) FROM shown").fetchone() == ([20, 20, 40, 40, 40],)


def test_a_negative_count_is_refused() -> None:
    with duckdb.connect() as connection:
        fill(connection, [-4, 30], 1)
        with pytest.raises(ContractError, match="crossings is -4; expected 0 or more"):
            publishable(connection, "cells", OPEN, into="shown")


def test_rows_older_than_the_retention_are_left_out() -> None:
    with duckdb.connect() as connection:
        fill(connection, [30, 30, 30], 1)
        now = datetime(2036, 3, 2, 1, tzinfo=UTC)  # ten years after the second hour
        assert retained(connection, "cells", OPEN, into="kept", now=now) == 1
        assert connection.execute("SELECT min(period_start_at), count(*) FROM kept").fetchone()[1] == 2
        contract = load_contract("open_counts")
        contract.sla[0].unit = "fortnight"
        with pytest.raises(ContractError, match="retention is 10 fortnight"):
            retained(connection, "cells", contract, into="kept", now=now)
