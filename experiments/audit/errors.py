"""How wrong the counts were where somebody counted by hand: overall, by class, light, weather, occlusion, flow and cell."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.audit.bounds import Bools
from experiments.audit.records import Audit, Manual
from experiments.audit.sample import FLOWS, LIGHTS, OCCLUSIONS
from experiments.metrics import ScoringError, bias, geh, wape

VEHICLES = ("car", "van", "lorry", "truck", "bus", "motorcycle")
"""Road users for which GEH is meant."""
ALWAYS = ("pedestrian", "cyclist")
"""Road users that have a row of their own whatever was counted."""

Row = dict[str, Any]


def errors(audit: Audit, manual: Manual) -> list[Row]:
    """Error rows: `by`, `group`, `intervals`, `manual`, `automatic`, `wape`, `bias`, `geh` and `reason`.

    Errors are None where they cannot be had, with the reason. Walking and cycling always have a row.
    """
    people = audit.population
    counted = audit.matrix(manual)
    taken: Bools = np.asarray((~np.isnan(counted)).any(axis=0))
    users = [cell[2] for cell in people.cells]
    everyone: Bools = np.array([user == "any" for user in users]) if "any" in users else np.ones(len(users), dtype=bool)

    def row(by: str, group: str, cells: Bools, intervals: Bools, note: str = "") -> Row:
        chosen = np.ix_(cells, intervals & taken)
        return _row(by, group, people.automatic[chosen], counted[chosen], people.interval_s, note)

    every: Bools = np.ones(taken.size, dtype=np.bool_)
    found = [row("all", "all", everyone, every)]
    for user in (*ALWAYS, *(user for user in dict.fromkeys(users) if user not in ALWAYS)):
        note = "" if user in users else "no sample: the counter does not tell this class"
        found.append(row("class", user, np.array([name == user for name in users]), every, note))
    found += _groups("light", LIGHTS, people.light(), lambda kind: row("light", LIGHTS[kind], everyone, people.light() == kind))
    found.append(row("weather", audit.weather or "not given", everyone, every))
    hidden = people.hidden()
    found += _groups("occlusion", OCCLUSIONS, hidden, lambda kind: row("occlusion", OCCLUSIONS[kind], everyone, hidden == kind))
    flow = people.flow()
    found += _groups("flow", FLOWS, flow, lambda kind: row("flow", FLOWS[kind], everyone, flow == kind))
    for number, cell in enumerate(people.cells):
        found.append(row("cell", " ".join(cell), np.arange(len(users)) == number, every))
    return found


def _groups(by: str, names: tuple[str, ...], kinds: npt.NDArray[np.int64], row: Any) -> Iterable[Row]:
    return [row(kind) for kind in range(len(names)) if (kinds == kind).any() or names[kind] != "not known"]


def _row(by: str, group: str, automatic: Any, counted: Any, interval_s: int, note: str) -> Row:
    found: Row = {
        "by": by,
        "group": group,
        "intervals": int(automatic.shape[1]) if automatic.shape[0] else 0,
        "manual": float(counted.sum()),
        "automatic": float(automatic.sum()),
        "wape": None,
        "bias": None,
        "geh": None,
        "reason": note,
    }
    if note:
        return found
    if not automatic.size:
        return {**found, "reason": "no sample: no interval of this kind was counted by hand"}
    try:
        found |= {"wape": wape(automatic, counted), "bias": bias(automatic, counted)}
    except ScoringError:
        found["reason"] = "no sample: nobody of this kind crossed in the intervals counted by hand"
    if by == "class" and group in VEHICLES:
        hours = automatic.shape[1] * interval_s / 3600
        found["geh"] = float(geh(automatic.sum(axis=1) / hours, counted.sum(axis=1) / hours).mean())
    return found


def agreement(manual: Manual) -> dict[str, Any]:
    """How far annotators agree in the intervals that two of them counted: `intervals`, `wape` and `reason`.

    The error of each pair is taken against the pair's mean, so that neither counts as the truth.
    """
    one, two = [], []
    intervals = set()
    for (index, first), (other, second) in combinations(sorted(manual), 2):
        if index == other and first != second:
            intervals.add(index)
            for cell in manual[index, first].keys() & manual[other, second].keys():
                one.append(manual[index, first][cell])
                two.append(manual[other, second][cell])
    if not intervals:
        return {"intervals": 0, "wape": None, "reason": "no interval was counted by a second annotator"}
    mean = (np.array(one) + np.array(two)) / 2
    if mean.sum() == 0:
        return {"intervals": len(intervals), "wape": None, "reason": "nobody crossed in them"}
    error = 100.0 * float(np.abs(np.array(one) - np.array(two)).sum() / mean.sum())
    return {"intervals": len(intervals), "wape": error, "reason": ""}
