"""The error report: by class, light, weather, occlusion and flow; walking and cycling are never hidden behind cars."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from experiments.audit.errors import agreement, errors
from experiments.audit.records import Audit
from experiments.audit.sample import Population, Sample

CELLS = (("gate", "in", "car"), ("gate", "in", "cyclist"))


def audit(automatic):
    n = len(automatic[0])
    people = Population(
        CELLS, 900.0 * np.arange(n), 900, np.array(automatic, dtype=float), np.array([150.0, 30.0] * (n // 2)), np.zeros(n)
    )
    sample = Sample(np.ones(n, dtype=bool), np.ones(n), ("all",) * n, np.zeros(n, dtype=bool))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Audit("a1", "mill_lane", {}, "x.mp4", "0", at, 1, "", people, sample)


def test_many_cars_do_not_hide_a_few_cyclists():
    found = audit([[100, 100], [1, 0]])
    manual = {(i, "a"): {CELLS[0]: 100, CELLS[1]: 2} for i in range(2)}
    rows = {(row["by"], row["group"]): row for row in errors(found, manual)}
    assert rows["all", "all"]["wape"] == pytest.approx(100 * 3 / 204)
    assert rows["class", "cyclist"]["wape"] == pytest.approx(75)
    assert rows["class", "cyclist"]["bias"] == pytest.approx(-75)
    assert rows["class", "cyclist"]["geh"] is None
    assert rows["class", "car"]["geh"] == 0
    assert rows["class", "pedestrian"]["reason"] == "no sample: the counter does not tell this class"
    assert rows["light", "night"]["intervals"] == rows["light", "day"]["intervals"] == 1
    assert rows["light", "dusk"]["reason"] == "no sample: no interval of this kind was counted by hand"
    assert ("weather", "not given") in rows


def test_geh_is_hourly():
    found = audit([[110, 110, 110, 110], [0, 0, 0, 0]])  # four quarters: 440 against 400 in an hour
    manual = {(i, "a"): {CELLS[0]: 100, CELLS[1]: 0} for i in range(4)}
    rows = {(row["by"], row["group"]): row for row in errors(found, manual)}
    assert rows["class", "car"]["geh"] == pytest.approx((2 * 40**2 / 840) ** 0.5)  # METHODS.md 1.1
    assert rows["class", "cyclist"]["reason"].startswith("no sample: nobody of this kind crossed")


def test_annotators_are_compared_with_their_mean():
    manual = {(0, "a"): {CELLS[0]: 9}, (0, "b"): {CELLS[0]: 11}, (1, "a"): {CELLS[0]: 5}}
    assert agreement(manual) == {"intervals": 1, "wape": 20.0, "reason": ""}
    assert agreement({(1, "a"): {CELLS[0]: 5}})["wape"] is None


def test_an_audit_comes_back_from_its_text():
    found = audit([[1, 2], [3, 4]])
    back = Audit.from_json("a1", found.to_json())
    assert back.to_json() == found.to_json()
    assert (back.population.automatic == found.population.automatic).all() and back.started_at == found.started_at
