"""The pilot's model: what one YAML file says, checked as a whole before anything slow."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from data_contracts.standard.faults import suggest
from experiments.faults import Part, load
from experiments.figures import Figures

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
SiteId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
Period = tuple[date, date]


def _periods(value: object) -> object:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(item, date) for item in value):
        return [value]
    return value


Periods = Annotated[tuple[Period, ...], BeforeValidator(_periods)]


class PilotError(ValueError):
    """A pilot file, or what it names, is wrong; the message lists every fault on a line of its own."""


class Owner(Part):
    """Who answers for the pilot."""

    team: str
    contact: str


class Place(Part):
    """Where a site is: WGS 84 coordinates in degrees."""

    name: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Sites(Part):
    """The sites that get the change and those they are compared with."""

    treated: tuple[SiteId, ...] = Field(min_length=1)
    control: tuple[SiteId, ...] = ()
    places: dict[SiteId, Place] = Field(default_factory=dict)


class Feed(Part):
    """One source and the analytic that turns it into rows of a contract."""

    analytic: str
    source: str | tuple[str, ...]
    reader: str | None = None
    reader_params: dict[str, Any] = Field(default_factory=dict)
    raw_contract: str | None = None
    contract: str
    params: dict[str, Any] = Field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources in the order in which they are tried."""
        return (self.source,) if isinstance(self.source, str) else self.source


class Outcome(Part):
    """The one figure the pilot is judged by."""

    contract: str
    column: str
    where: dict[str, str] = Field(default_factory=dict)
    min_day_coverage: float = Field(0.9, gt=0, le=1)
    min_period_coverage: float = Field(0.75, gt=0, le=1)


class Rule(Part):
    """The rule that decides, written before the data are seen: exactly one bound."""

    relative_effect_above: float | None = None
    relative_effect_below: float | None = None
    uptime_above: float | None = Field(None, ge=0, lt=1)

    @model_validator(mode="after")
    def _one(self) -> Rule:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"{len(given)} bounds are given; expected exactly one of {', '.join(type(self).model_fields)}")
        return self


class Money(Part):
    """A cost or a benefit, as a range in the currency of the price base."""

    name: str
    low: float
    likely: float
    high: float
    year: int = Field(0, ge=0)
    every_year_until: int | None = None
    per: Literal["once", "year", "extra_crossing"] = "once"
    capital: bool = False
    source: str

    @model_validator(mode="after")
    def _ordered(self) -> Money:
        if not self.low <= self.likely <= self.high:
            raise ValueError(
                f"low {self.low}, likely {self.likely}, high {self.high} are not in order; expected low <= likely <= high"
            )
        return self


class PriceBase(Part):
    """The money in which costs and benefits are given."""

    currency: str
    year: int
    horizon_years: int = Field(10, ge=1, le=60)
    discount_rate: float = Field(0.035, ge=0, le=0.2)
    discount_source: str = "Green Book 2026, years 0 to 30"


class Privacy(Part):
    """What the pilot does with people's data."""

    personal_data: bool
    frames_kept: Literal["none"]
    retention_days: int = Field(ge=0)
    legal_basis: str
    small_count: int = Field(10, ge=0)


class Words(Part):
    """What citizens are told, in one language."""

    why: str
    what_we_collect: str
    what_we_do_not: str


class Pilot(Part):
    """One real-world trial, as its YAML file describes it."""

    id: Id
    title: dict[str, str] = Field(min_length=1)
    asks: str
    owner: Owner
    sites: Sites
    timezone: str
    before: Periods = ()
    after: Periods
    feeds: tuple[Feed, ...] = Field(min_length=1)
    outcome: Outcome
    method: Literal["synthetic_control", "diff_in_diff", "descriptive"]
    beside: tuple[Literal["synthetic_control", "diff_in_diff"], ...] = ()
    succeeds_if: Rule
    costs: tuple[Money, ...] = ()
    benefits: tuple[Money, ...] = ()
    prices: PriceBase | None = None
    figures: Figures = Figures()
    privacy: Privacy
    attribution: str = ""
    what_else_happened: tuple[str, ...] = ()
    cannot_separate: str = ""
    citizens: dict[str, Words] = Field(min_length=1)
    seed: int = 7

    @model_validator(mode="after")
    def _consistent(self) -> Pilot:
        faults = []
        periods = [*(("before", p) for p in self.before), *(("after", p) for p in self.after)]
        for name, (first, last) in periods:
            if last < first:
                faults.append(f"{name}: {first} to {last} ends before it starts; expected the first day, then the last")
        ordered = sorted(periods, key=lambda item: item[1])
        for (name_a, a), (name_b, b) in pairwise(ordered):
            if b[0] <= a[1]:
                faults.append(
                    f"{name_a} {a[0]} to {a[1]} and {name_b} {b[0]} to {b[1]} overlap; expected periods without a "
                    "common day; move one"
                )
        if self.before and self.after and min(p[0] for p in self.after) < max(p[1] for p in self.before):
            faults.append("after: a period starts before 'before' has ended; expected it later; move one")
        both = sorted(set(self.sites.treated) & set(self.sites.control))
        if both:
            faults.append(f"sites: {', '.join(repr(s) for s in both)} is treated and control; expected one; remove one")
        if self.method != "descriptive":
            if not self.before:
                faults.append(f"before: missing; expected at least one period for method '{self.method}'; add it")
            if not self.sites.control:
                faults.append(f"sites.control: empty; expected sites to compare with for method '{self.method}'; add some")
        if (self.costs or self.benefits) and self.prices is None:
            faults.append("prices: missing although costs or benefits are given; expected currency and year; add it")
        if faults:
            raise ValueError("\n".join(faults))
        return self


def pilots(folder: Path) -> dict[str, Path]:
    """The pilots of a folder: id -> file, in order of id."""
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def find_pilot(name: str, folder: Path) -> Path:
    """The file of a pilot, named by its id or by a path.

    Raises:
        PilotError: There is no such pilot; the message lists those that exist.
    """
    known = pilots(folder)
    if name in known:
        return known[name]
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        return Path(name)
    raise PilotError(
        f"pilot '{name}' does not exist; expected one of {', '.join(known) or '(none yet)'} or the path of a YAML file"
        f"{suggest(name, known)}"
    )


def load_pilot(path: Path) -> Pilot:
    """Read a pilot file and find every fault that it has by itself.

    What it refers to (analytics, contracts, sites in the data) is checked by the flow that knows those.

    Args:
        path: The YAML file; its stem must be the pilot's id.

    Raises:
        PilotError: The file cannot be read or is not a valid pilot; all faults, one a line.
    """
    pilot = load(path, Pilot, PilotError, start="'testbed new ID'")
    if pilot.id != path.stem:
        raise PilotError(f"{path}: id is '{pilot.id}'; expected '{path.stem}' as the file is named; rename one of the two")
    return pilot
