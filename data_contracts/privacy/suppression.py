"""Withhold small counts, and as many others as it takes that no published total gives a small one away.

Whoever reads a publication may subtract: a total less its published cells leaves the sum of the withheld ones. Here the
reader is granted more than the publication holds, every published count and total before it was rounded, and must still
be left with a range of possible values at least as wide as the smallest count that may be published.

That holds for all that is published at one time, and for all releases together where a later one only adds groups of cells
that share no total with earlier ones, such as further weeks beside totals of a week. It does not hold where counts change
between releases or a group grows, and it is no defence against knowledge from elsewhere or of how complements are chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

TOLERANCE = 1e-6
IDLE = 3
"""Drawn searches without a finding after which each target is looked at alone."""


@dataclass(frozen=True)
class Withheld:
    """What must not be published.

    Attributes:
        cells: Whether each cell is withheld, shape `(n,)`.
        totals: For each family of totals, whether the total of each group is withheld.
    """

    cells: Flags
    totals: tuple[Flags, ...]


def withhold(values: Counts, families: Sequence[Counts], small: int, *, before: Flags | None = None) -> Withheld:
    """Choose what is withheld.

    Counts and totals below `small` are withheld (primary suppression). Where the rest would leave a withheld cell or a
    small total with a range narrower than `small`, the smallest published cell beside it is withheld too, and where there
    is none, the smallest of its totals (complementary suppression), until nothing can be rebuilt.

    Args:
        values: Measured counts, shape `(n,)`, 0 or more.
        families: For each family of published totals, the group of every cell, shape `(n,)`, numbered from 0.
        small: Smallest count that may be published, and the least width of what a reader can infer.
        before: Cells that are withheld in any case, shape `(n,)`.

    Returns:
        What is withheld.

    Source:
        The feasibility interval of statistical disclosure control: Willenborg and de Waal, Elements of Statistical
        Disclosure Control (2001), chapter 8; solved by linear programming.
    """
    cells = values < small if before is None else (values < small) | before
    sums = [np.bincount(groups, weights=values).astype(np.int64) for groups in families]
    hidden = tuple(total < small for total in sums)
    members = [_members(groups) for groups in families]
    nested = _nested(families)
    while True:
        _settle_groups(values, cells, hidden, members, small)
        if nested is not None:
            if _settle_nested(cells, hidden, families, members, sums, nested, small):
                continue
            return Withheld(cells, hidden)
        exposed = list(_exposed(values, cells, hidden, families, sums, small)) if len(families) > 1 else []
        if not exposed:
            return Withheld(cells, hidden)
        for one in exposed:
            _protect(one, values, cells, hidden, families, members, sums)


def _members(groups: Counts) -> list[Counts]:
    """Indices of the cells of each group."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(1, int(groups.max()) + 1 if len(groups) else 0))
    return [part.astype(np.int64) for part in np.split(order, starts)] if len(groups) else []


def _settle_groups(values: Counts, cells: Flags, hidden: tuple[Flags, ...], members: list[list[Counts]], small: int) -> None:
    """See to each total by itself: no withheld cell, or two and more whose sum leaves the range that is asked for."""
    changed = True
    while changed:
        changed = False
        for number, groups in enumerate(members):
            for group in np.flatnonzero(~hidden[number]):
                inside = groups[group]
                withheld, shown = inside[cells[inside]], inside[~cells[inside]]
                left, count = int(values[withheld].sum()), len(withheld)
                for index in shown[np.argsort(values[shown], kind="stable")]:
                    if not count or (count > 1 and left >= small):
                        break
                    cells[index], left, count, changed = True, left + int(values[index]), count + 1, True
                if count and not (count > 1 and left >= small):
                    hidden[number][group] = changed = True


def _nested(families: Sequence[Counts]) -> tuple[int, int] | None:
    """The finer and the coarser of two families, where each group of the one lies in one group of the other."""
    if len(families) != 2 or not len(families[0]):
        return None
    pairs = len(np.unique(np.column_stack(families), axis=0))
    return next(((fine, 1 - fine) for fine in (0, 1) if pairs == len(np.unique(families[fine]))), None)


def _settle_nested(
    cells: Flags,
    hidden: tuple[Flags, ...],
    families: Sequence[Counts],
    members: list[list[Counts]],
    sums: list[Counts],
    nested: tuple[int, int],
    small: int,
) -> bool:
    """See to each coarser total: no finer total withheld in it, or two and more whose sum leaves the range asked for.

    Of nested totals nothing else can be inferred, so that no linear program is needed. What a reader cannot be left with is
    mended by withholding the smallest finer group as a whole. Returns whether anything was withheld.
    """
    fine, coarse = nested
    above = np.full(len(sums[fine]), -1)
    above[families[fine]] = families[coarse]
    changed = False
    for group in np.flatnonzero(~hidden[coarse]):
        inside = np.flatnonzero(above == group)
        secret, told = inside[hidden[fine][inside]], inside[~hidden[fine][inside]]
        left, count = int(sums[fine][secret].sum()), len(secret)
        for one in told[np.argsort(sums[fine][told], kind="stable")]:
            if not count or (count > 1 and left >= small):
                break
            cells[members[fine][one]] = hidden[fine][one] = changed = True
            left, count = left + int(sums[fine][one]), count + 1
        if count and not (count > 1 and left >= small):
            hidden[coarse][group] = changed = True
    return changed


def _exposed(
    values: Counts, cells: Flags, hidden: tuple[Flags, ...], families: Sequence[Counts], sums: list[Counts], small: int
) -> Iterator[Counts]:
    """Withheld cells, and cells of small totals, whose value or sum a reader can infer too closely."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    unknown = np.flatnonzero(cells)
    rows, columns, sides, wanted = [], [], 0, [np.array([i]) for i in range(len(unknown))]
    for number, groups in enumerate(families):
        mine = groups[unknown]
        told = ~hidden[number][mine]
        _, equation = np.unique(mine[told], return_inverse=True)
        rows.append(equation + sides)
        columns.append(np.flatnonzero(told))
        sides += int(equation.max()) + 1 if len(equation) else 0
        for group in np.flatnonzero(hidden[number] & (sums[number] < small)):
            wanted.append(np.flatnonzero(mine == group))
    row, column = np.concatenate(rows), np.concatenate(columns)
    free = np.ones(len(unknown), dtype=bool)
    free[column] = False  # a cell of no published total can be anything
    targets = [target for target in wanted if len(target) and not free[target].any()]
    if not sides or not targets:
        return
    sums_asked = [target for target in targets if len(target) > 1]  # a small total joins the parts that it adds up
    joining = np.repeat(np.arange(len(sums_asked)), [len(target) for target in sums_asked]) + sides
    one_side = np.concatenate([row, joining])
    other_side = np.concatenate([column, *sums_asked]) + sides + len(sums_asked)
    links = coo_array((np.ones(len(one_side)), (one_side, other_side)), shape=(sides + len(sums_asked) + len(unknown),) * 2)
    part = connected_components(links, directed=False)[1][sides + len(sums_asked) :]
    equations = coo_array((np.ones(len(row)), (row, column)), shape=(sides, len(unknown))).tocsc()
    whole = values[unknown].astype(np.float64)
    for label in np.unique(part[np.concatenate(targets)]):
        inside = np.flatnonzero(part == label)
        place = {int(index): at for at, index in enumerate(inside)}
        asked = [np.array([place[int(i)] for i in t]) for t in targets if int(t[0]) in place]
        block = equations[:, inside].tocsr()
        block = block[np.flatnonzero(np.diff(block.indptr))]
        for target in _narrow(block, whole[inside], asked, float(small)):
            yield unknown[inside[target]]


def _narrow(equations: Any, values: Floats, targets: list[Counts], width: float) -> Iterator[Counts]:
    """Targets whose sum has a range narrower than `width` over all values of 0 or more that fulfil the equations."""
    from scipy.optimize import linprog

    right = equations @ values
    least = np.array([values[target].sum() for target in targets])
    most = least.copy()

    def search(direction: Floats) -> None:
        found = linprog(direction, A_eq=equations, b_eq=right, bounds=(0, None), method="highs")
        if found.status != 0:  # the true values fulfil the equations and every cell is bounded by a total
            raise ArithmeticError(f"the range of withheld counts was not found: {found.message}")
        for at, target in enumerate(targets):
            value = float(np.asarray(found.x)[target].sum())
            least[at], most[at] = min(least[at], value), max(most[at], value)

    draws = np.random.default_rng(0)
    idle, open_before = 0, len(targets)
    while open_before > IDLE and idle < IDLE:  # one search in a drawn direction shows many targets at once to be safe
        direction = np.zeros(len(values))
        for at in np.flatnonzero(most - least < width - TOLERANCE):
            direction[targets[at]] = draws.choice([-1.0, 1.0])
        search(direction)
        search(-direction)
        still = int((most - least < width - TOLERANCE).sum())
        idle, open_before = (0 if still < open_before else idle + 1), still
    for number, target in enumerate(targets):
        direction = np.zeros(len(values))
        direction[target] = 1.0
        for sign in (1.0, -1.0):
            if most[number] - least[number] < width - TOLERANCE:
                search(sign * direction)
        if most[number] - least[number] < width - TOLERANCE:
            yield target


def _protect(
    target: Counts,
    values: Counts,
    cells: Flags,
    hidden: tuple[Flags, ...],
    families: Sequence[Counts],
    members: list[list[Counts]],
    sums: list[Counts],
) -> None:
    """Withhold the smallest published cell that shares a published total with the target; else the smallest such total."""
    told = sorted(
        {
            (int(sums[number][groups[index]]), number, int(groups[index]))
            for number, groups in enumerate(families)
            for index in target
            if not hidden[number][groups[index]]
        }
    )
    beside = [index for _, number, group in told for index in members[number][group] if not cells[index]]
    if beside:
        cells[min(beside, key=lambda index: (values[index], index))] = True
    elif told:
        hidden[told[0][1]][told[0][2]] = True
