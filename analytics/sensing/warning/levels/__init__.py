"""Declared levels of warning as data: one YAML file each, with version, source, and whether it was verified.

How long a level is kept, and at how many stations it must be reached, stands in the file beside the thresholds, so that
nothing about a declaration is hidden in code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

NONE = "none"
"""The name of no warning at all."""


class EarlyWarningError(ValueError):
    """Levels, a forecast or a decision on a warning cannot be used."""


class Level(BaseModel):
    """One level: `at_least` a value, or `above` it, in `raise_after` steps in a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    at_least: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    above: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    raise_after: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _one_threshold(self) -> Level:
        if (self.at_least is None) == (self.above is None):
            raise ValueError("expected exactly one of at_least and above")
        return self

    @property
    def threshold(self) -> float:
        """The number that is compared with."""
        return self.at_least if self.at_least is not None else self.above or 0.0


class Rule(BaseModel):
    """How the levels of one observed property are raised and lowered.

    Attributes:
        observed_property: A name of `analytics.sensing.properties`, or any other of a city's own levels.
        unit: Unit of the thresholds.
        step: What is judged: hours, or local days.
        mean_over: Hours whose running mean is an hour's value; 1 for the hour itself. [h]
        min_share: Share of those hours, or of the day, that must have been measured.
        needs_interval_s: Length of readings the rule is about, where hours cannot tell. [s]
        levels: From the lowest to the highest.
        stations: At how many stations of the district a level must be reached.
        lower_after: Steps in a row below the lower threshold after which a level is lowered.
        hysteresis: Share of the threshold by which the lower threshold lies below it.
        keep_at_least: Steps for which a level is kept after the rule for raising it last held.
        silent_after: Steps without a value after which a station no longer keeps a level up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    observed_property: str
    unit: str
    step: Literal["hour", "day"] = "hour"
    mean_over: int = Field(default=1, ge=1, le=8760)
    min_share: float = Field(default=0.75, gt=0, le=1)
    needs_interval_s: int = Field(default=3600, ge=1)
    levels: tuple[Level, ...] = Field(min_length=1)
    stations: int = Field(default=1, ge=1)
    lower_after: int = Field(default=1, ge=1)
    hysteresis: float = Field(default=0.1, ge=0, lt=1)
    keep_at_least: int = Field(default=1, ge=1)
    silent_after: int = Field(default=24, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Rule:
        thresholds = [level.threshold for level in self.levels]
        if thresholds != sorted(thresholds):
            raise ValueError(f"thresholds {thresholds} are out of order; expected the lowest level first")
        names = [level.name for level in self.levels]
        if NONE in names or len(set(names)) < len(names):
            raise ValueError(f"levels {names} are ambiguous; expected different names, none of them '{NONE}'")
        if self.step == "day" and self.mean_over != 1:
            raise ValueError("mean_over is for hours; expected it to be left out where step is day")
        return self


class Levels(BaseModel):
    """A table of levels as it was published, with the rules by which this test bed declares them.

    A city's own file may name `districts`: sites whose levels are judged together. Any other site is judged by itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    version: str
    effective_at: date
    verified: bool
    source: str
    note: str = ""
    rules: tuple[Rule, ...] = Field(min_length=1)
    districts: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_district_each(self) -> Levels:
        for name, sites in self.districts.items():
            if not sites or len(set(sites)) < len(sites):
                raise ValueError(f"district '{name}' has sites {list(sites)}; expected one or more, each once")
        often = Counter(site for sites in self.districts.values() for site in sites)
        if twice := [site for site, count in often.items() if count > 1]:
            raise ValueError(f"site '{twice[0]}' is in several districts; expected one")
        return self

    def districts_of(self, sites: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What is judged as one: declared districts, as far as their sites are there, and every other site by itself.

        Raises:
            EarlyWarningError: A site that belongs to no district bears the name of one.
        """
        there = set(sites)
        found = {name: tuple(site for site in inside if site in there) for name, inside in self.districts.items()}
        taken = {site for inside in found.values() for site in inside}
        declared = {name: inside for name, inside in found.items() if inside}
        alone = {site: (site,) for site in sites if site not in taken}
        if both := sorted(alone.keys() & declared.keys()):
            raise EarlyWarningError(
                f"{self.id}: '{both[0]}' is a site and a district; expected different names; rename the district"
            )
        return declared | alone

    def rule_for(self, observed_property: str) -> Rule:
        """The rule of an observed property.

        Raises:
            EarlyWarningError: There is none.
        """
        found = next((rule for rule in self.rules if rule.observed_property == observed_property), None)
        if found is None:
            raise EarlyWarningError(
                f"{self.id}: property '{observed_property}' has no levels; expected one of "
                f"{', '.join(rule.observed_property for rule in self.rules)}; choose other levels or another property"
            )
        return found


def built_in() -> dict[str, Path]:
    """The files of levels that come with the test bed, by name."""
    folder = Path(str(files(__name__)))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_levels(name: str) -> Levels:
    """Levels by name, or from a file of a city's own.

    Args:
        name: A built-in name, or the path of a YAML file.

    Raises:
        EarlyWarningError: Unknown or faulty; every fault of the file is named.
    """
    path = built_in().get(name, Path(name))
    if not path.is_file():
        known = ", ".join(built_in())
        raise EarlyWarningError(f"levels '{name}' were not found; expected one of {known} or a YAML file; correct --levels")
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Levels.model_validate(document)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise EarlyWarningError(f"{path}: this is no YAML ({told}); expected a table of levels; correct it") from None
    except ValidationError as error:
        faults = [
            f"{path}: {'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}; expected a table of levels as "
            "uk_daqi has it; correct it"
            for fault in error.errors()
        ]
        raise EarlyWarningError("\n".join(faults)) from None
