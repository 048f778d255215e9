"""Tables of indices, limits, thresholds and objectives: one versioned and cited YAML file each in `tables/`.

Adding a table is adding a file; its `id` is the file's stem and the name by which it is used.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from analytics.sensing.readings import SourceError
from analytics.sensing.units import conversion

Share = Annotated[float, Field(gt=0, le=1)]
Statistic = Literal["hour", "mean_24h", "max_1h", "max_8h", "max_8h_from_7", "max_15min"]
"""How hours become the value of a period; see `analytics.sensing.indices.averages`."""
Yearly = Literal["mean_year", "peak_season"]


class Part(BaseModel):
    """A part of a table; unknown names are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Band(Part):
    """A band of an index: its name, its first and last number, its colour."""

    name: str
    index: tuple[int, int]
    colour: str = Field(pattern="^#[0-9A-F]{6}$")


class Pollutant(Part):
    """A pollutant's bounds, one pair for each band; None for a band that this statistic does not define."""

    observed_property: str
    statistic: Statistic
    unit: str
    decimals: int = Field(default=9, ge=0, le=9)
    bounds: list[tuple[Decimal, Decimal | None] | None]
    verified: bool = True

    @model_validator(mode="after")
    def _has_unit(self) -> Pollutant:
        conversion(self.observed_property, self.unit)
        return self


class Needs(Part):
    """Pollutants without which a station has no index: of each group one."""

    verified: bool
    traffic: list[list[str]]
    other: list[list[str]]


class Document(Part):
    """What every table says of itself."""

    id: str
    title: str
    version: str
    effective_from: datetime.date
    source: str
    verified: bool
    notes: str = ""


class IndexTable(Document):
    """Bands of an index and each pollutant's bounds."""

    kind: Literal["index"]
    period: Literal["day", "hour"]
    concentrations: Literal["truncated", "rounded", "exact"]
    bands: list[Band] = Field(min_length=1)
    needs: Needs | None = None
    pollutants: list[Pollutant] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> IndexTable:
        for one in self.pollutants:
            name = f"{one.observed_property} {one.statistic}"
            if (one.statistic == "hour") != (self.period == "hour"):
                raise ValueError(f"statistic '{one.statistic}' of {name} was found; expected one for each {self.period}")
            if len(one.bounds) != len(self.bands):
                raise ValueError(f"{name} has {len(one.bounds)} bounds; expected {len(self.bands)}, one for each band")
            if self.concentrations == "exact" and one.decimals != 9:
                raise ValueError(f"{name} has decimals; expected none where concentrations are exact")
            self._follow_each_other(name, one)
        units = {(one.observed_property, one.unit) for one in self.pollutants}
        if len(units) > len({name for name, _ in units}):
            raise ValueError("a pollutant in two units was found; expected one unit for each")
        return self

    def _follow_each_other(self, name: str, one: Pollutant) -> None:
        step = Decimal(0) if self.concentrations == "exact" else Decimal(1).scaleb(-one.decimals)
        found = [pair for pair in one.bounds if pair is not None]
        first, last = one.bounds.index(found[0]), len(one.bounds) - 1 - one.bounds[::-1].index(found[-1])
        if None in one.bounds[first : last + 1]:
            raise ValueError(f"{name} has a gap; expected bounds for bands that follow each other")
        for (_, upper), (lower, _) in pairwise(found):
            if upper is None or lower != upper + step:
                raise ValueError(f"{name} has a band from {lower} after one to {upper}; expected bands without a gap")
        for lower, upper in found:
            if upper is not None and upper <= lower:
                raise ValueError(f"{name} has a band from {lower} to {upper}; expected an upper bound above the lower")


class Cast(Part):
    """How a NowCast weighs the hours of a pollutant."""

    observed_property: str
    statistic: Statistic
    hours: int = Field(ge=1, le=48)
    least_weight: float = Field(ge=0, le=1)
    is_surrogate: bool = False


class NowcastTable(Document):
    """The NowCast of each pollutant, read off the breakpoints of an index."""

    kind: Literal["nowcast"]
    breakpoints: str
    pollutants: list[Cast]


class Limit(Part):
    """A level that a year must keep: a mean, or a number of exceedances, or a percentile."""

    level: str
    observed_property: str
    statistic: Literal["hour", "mean_24h", "max_8h"] | Yearly
    above: Decimal
    unit: str
    allowed: int | None = None
    percentile: int | None = Field(default=None, ge=50, le=99)
    mean_of_years: Literal[1, 3] = 1

    @model_validator(mode="after")
    def _counts_what_it_can(self) -> Limit:
        conversion(self.observed_property, self.unit)
        yearly = self.statistic in ("mean_year", "peak_season")
        if sum((yearly, self.allowed is not None, self.percentile is not None)) != 1:
            raise ValueError(
                f"{self.observed_property} {self.statistic} says {'too much' if yearly or self.allowed else 'too little'}; "
                "expected 'allowed' or 'percentile' for hours and days, and neither for a year"
            )
        return self


class LimitsTable(Document):
    """Limit, target or guideline values."""

    kind: Literal["limits"]
    year_coverage: Share
    limits: list[Limit]


class Threshold(Part):
    """A level above which people are told or warned, after so many consecutive hours or days."""

    level: str
    observed_property: str
    statistic: Literal["hour", "mean_24h"]
    above: Decimal
    unit: str
    consecutive: int = Field(ge=1)

    @model_validator(mode="after")
    def _has_unit(self) -> Threshold:
        conversion(self.observed_property, self.unit)
        return self


class ThresholdsTable(Document):
    """Alert and information thresholds."""

    kind: Literal["thresholds"]
    thresholds: list[Threshold]


class Coverage(Part):
    """Smallest share of a year or a short period that must be measured."""

    fixed: Share
    indicative_year: Share
    indicative_short: Share


class Objective(Part):
    """Largest expanded uncertainty of fixed and of indicative measurements, in percent."""

    observed_property: str
    statistic: Literal["hour", "mean_24h", "max_8h", "mean_year"]
    fixed_percent: float
    indicative_percent: float


class QualityTable(Document):
    """Data quality objectives."""

    kind: Literal["quality"]
    coverage: Coverage
    objectives: list[Objective]


class Levels(Part):
    """Lower bounds of the bands of a noise indicator, in dB."""

    indicator: Literal["lden", "lnight"]
    from_db: list[int] = Field(min_length=1)


class NoiseTable(Document):
    """Bands or guideline levels of noise."""

    kind: Literal["noise"]
    levels: list[Levels]


Table = IndexTable | NowcastTable | LimitsTable | ThresholdsTable | QualityTable | NoiseTable
Kind = TypeVar("Kind", bound=Document)
_ANY: TypeAdapter[Table] = TypeAdapter(Annotated[Table, Field(discriminator="kind")])


def parse_table(text: str, name: str) -> Table:
    """Read a table.

    Args:
        text: YAML.
        name: The file, for errors; its stem is the table's `id`.

    Raises:
        SourceError: It is no YAML, or says something unknown or impossible; all faults in one line.
    """
    try:
        table = _ANY.validate_python(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise SourceError(f"{name}: found '{str(error).splitlines()[0]}'; expected YAML; correct the file") from None
    except ValidationError as error:
        raise SourceError(f"{name}: {' · '.join(_said(fault) for fault in error.errors())}; correct the file") from None
    stem = name.rsplit("/", 1)[-1].removesuffix(".yaml")
    if table.id != stem:
        raise SourceError(f"{name}: id is '{table.id}'; expected '{stem}', as the file is called; correct one of them")
    return table


def _said(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"][1:]) or "table"
    said = str(fault["msg"]).removeprefix("Value error, ")
    found = fault["input"] if isinstance(fault["input"], str | int | float | None) else type(fault["input"]).__name__
    return said if fault["type"] == "value_error" else f"{place} is '{found}'; expected: {said}"


def id_of(name: str, *kinds: type[Kind]) -> str:
    """The id that a short name means: without year or country it is the newest table, so `daqi` is `uk_daqi_2012`.

    Pilots give ids, so that a newer table does not change what they say.

    Args:
        name: An id, or a short name.
        kinds: Kinds of table that will do.

    Returns:
        The id; the name as it is where it means none.
    """
    fitting = [one for one in tables().values() if isinstance(one, kinds)]
    short = [one for one in fitting if one.id != name and re.search(rf"(^|_){re.escape(name)}_\d{{4}}$", one.id)]
    return max(short, key=lambda one: (one.effective_from, one.id)).id if short and name not in tables() else name


@cache
def tables() -> Mapping[str, Table]:
    """Every table by its id."""
    folder = files("analytics.sensing.indices").joinpath("tables")
    found = sorted((one for one in folder.iterdir() if one.name.endswith(".yaml")), key=lambda one: one.name)
    return {table.id: table for one in found if (table := parse_table(one.read_text(encoding="utf-8"), one.name))}


def table_of(name: str, *kinds: type[Kind]) -> Kind:
    """The table of a name.

    Args:
        name: Its id.
        kinds: Kinds of table that will do.

    Raises:
        SourceError: There is none of that name and kind.
    """
    fitting = {key: one for key, one in tables().items() if isinstance(one, kinds)}
    if name not in fitting:
        near = difflib.get_close_matches(name, fitting, n=1)
        raise SourceError(
            f"table '{name}' is unknown; expected one of {', '.join(fitting)}; "
            + (f"did you mean '{near[0]}'?" if near else "correct the name")
        )
    return fitting[name]
