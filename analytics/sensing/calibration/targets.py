"""Published targets for sensors, from `targets.yaml`, and whether metrics meet them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

Range = tuple[float | None, float | None]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Conditions(_Part):
    """What a collocation must be for its audit to count.

    Attributes:
        units: Identical units.
        days: From the first to the last interval. [d]
        completeness: Share of intervals that are paired, 0 to 1.
        reaches: The reference's largest value is at least this, in the table's unit.
    """

    units: int | None = None
    days: int | None = None
    completeness: float | None = None
    reaches: float | None = None


class Table(_Part):
    """One table of targets.

    Attributes:
        id: Its name.
        title: For people.
        observed_properties: What it is for.
        unit: Unit of its targets.
        interval_s: Intervals its metrics are of. [s]
        effective: Since when.
        source: Where it was published.
        verified: Whether it was checked at its source.
        metrics: Targets; of several metrics in one, one suffices.
        conditions: What the collocation must be.
        unchecked: Conditions that one collocation cannot show.
    """

    id: str
    title: str
    observed_properties: list[str]
    unit: str
    interval_s: int
    effective: str
    source: str
    verified: bool
    metrics: Annotated[list[dict[str, Range]], Field(min_length=1)]
    conditions: Conditions = Conditions()
    unchecked: list[str] = []


class Limit(_Part):
    """What expanded uncertainty a sensor is held to at a limit value.

    Attributes:
        limit: The limit value.
        unit: Its unit.
        of: What the limit value is a mean of.
        interval_s: Intervals that are compared. [s]
        hours: Hours of these that a mean is made of before the uncertainty is computed. [h]
        fixed: Objective for fixed measurements. [%]
        indicative: Objective for indicative measurements. [%]
        classes: Objectives of classes 1, 2 and 3. [%]
    """

    limit: float
    unit: str
    of: str
    interval_s: int
    hours: int = 1
    fixed: float
    indicative: float
    classes: tuple[float, float, float]


class Objectives(_Part):
    """Objectives of uncertainty.

    Attributes:
        source: Where they were published.
        verified: Whether they were checked there.
        limits: By observed property.
    """

    source: str
    verified: bool
    limits: dict[str, Limit]


class Targets(_Part):
    """All tables.

    Attributes:
        version: Of the file.
        tables: Tables of targets.
        uncertainty: Objectives of uncertainty.
    """

    version: str
    tables: list[Table]
    uncertainty: Objectives


@dataclass(frozen=True)
class Judged:
    """One target and what was found.

    Attributes:
        metrics: The metrics of which one suffices.
        wanted: The target in words.
        passed: Whether one of them is within its range; None where none of them could be had.
        is_sure: Whether the intervals leave no doubt: one wholly within its range where passed, all wholly outside otherwise.
    """

    metrics: tuple[str, ...]
    wanted: str
    passed: bool | None
    is_sure: bool


@cache
def targets() -> Targets:
    """The targets that are shipped."""
    text = files("analytics.sensing.calibration").joinpath("targets.yaml").read_text(encoding="utf-8")
    return Targets.model_validate(yaml.safe_load(text))


def table_for(observed_property: str) -> Table | None:
    """The table for an observed property; None where there is none."""
    return next((table for table in targets().tables if observed_property in table.observed_properties), None)


def judge(table: Table, metrics: Mapping[str, Mapping[str, float | None]]) -> list[Judged]:
    """Hold metrics against a table.

    Args:
        table: The targets.
        metrics: Name -> `value`, `lower` and `upper`, each None where it cannot be had.
    """
    return [_judged(target, metrics) for target in table.metrics]


def _judged(target: Mapping[str, Range], metrics: Mapping[str, Mapping[str, float | None]]) -> Judged:
    inside, sure_in, sure_out, known = False, False, True, False
    for name, (low, high) in target.items():
        found = metrics.get(name, {})
        value, lower, upper = found.get("value"), found.get("lower"), found.get("upper")
        if value is None:
            continue
        known = True
        inside |= _within(value, low, high)
        if lower is None or upper is None:
            sure_out = False
            continue
        sure_in |= _within(lower, low, high) and _within(upper, low, high)
        sure_out &= (low is not None and upper < low) or (high is not None and lower > high)
    wanted = " or ".join(f"{name} {_words(low, high)}" for name, (low, high) in target.items())
    return Judged(tuple(target), wanted, inside if known else None, known and (sure_in if inside else sure_out))


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _words(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
