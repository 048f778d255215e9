"""Thresholds of the quality tests: the project's own, and what a pilot changes of them.

A pilot gives only what differs, such as `{pm25: {spike: {suspect: 80}}}`; null switches a test off. What was changed is part
of the thresholds' version, so that every judged reading tells by what it was judged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from analytics.sensing.readings import SourceError
from analytics.sensing.units import properties, property_of

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Span = tuple[Number, Number]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _ordered(name: str, span: Span | None) -> None:
    if span is not None and span[0] > span[1]:
        raise ValueError(f"{name} is [{span[0]:g}, {span[1]:g}]; expected the lowest first")


def _rising(low: float | None, high: float | None, names: str) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"{names} are {low:g} and {high:g}; expected the first to be no larger")


class GrossRange(_Strict):
    """Which values are possible.

    Attributes:
        fail: Lowest and highest value the sensor can give; outside is 4.
        suspect: Lowest and highest value to be expected; outside is 3.
    """

    fail: Span
    suspect: Span | None = None

    @model_validator(mode="after")
    def _nested(self) -> GrossRange:
        _ordered("fail", self.fail)
        _ordered("suspect", self.suspect)
        if self.suspect is not None and not self.fail[0] <= self.suspect[0] <= self.suspect[1] <= self.fail[1]:
            raise ValueError("suspect is wider than fail; expected it to lie within")
        return self


class Spike(_Strict):
    """How far a value may stand out from those before and after it.

    Attributes:
        suspect: More is 3.
        fail: More is 4.
        method: `average` of both neighbours, or `differential`: the smaller of two steps in opposite directions.
    """

    suspect: Positive | None = None
    fail: Positive | None = None
    method: Literal["average", "differential"] = "average"

    @model_validator(mode="after")
    def _one(self) -> Spike:
        if self.suspect is None and self.fail is None:
            raise ValueError("neither suspect nor fail is given; expected one of them")
        _rising(self.suspect, self.fail, "suspect and fail")
        return self


class RateOfChange(_Strict):
    """How fast a value may change.

    Attributes:
        suspect: More is 3. [1/s]
        fail: More is 4. [1/s]
    """

    suspect: Positive
    fail: Positive | None = None

    @model_validator(mode="after")
    def _order(self) -> RateOfChange:
        _rising(self.suspect, self.fail, "suspect and fail")
        return self


class FlatLine(_Strict):
    """How long a value may stay the same.

    Attributes:
        tolerance: A range of values below this is flat. With 0 nothing ever is, so that it must be more.
        suspect_s: Flat for so long is 3. [s]
        fail_s: Flat for so long is 4. [s]
    """

    tolerance: Positive
    suspect_s: Positive
    fail_s: Positive

    @model_validator(mode="after")
    def _order(self) -> FlatLine:
        _rising(self.suspect_s, self.fail_s, "suspect_s and fail_s")
        return self


class AttenuatedSignal(_Strict):
    """How little a value may vary.

    Attributes:
        suspect: Less variation is 3.
        fail: Less variation is 4.
        check: Variation is the standard deviation `std` or the `range`.
        window_s: Within so long. [s]
        min_s: With readings of less than this it is not evaluated; half of `window_s` where not given. [s]
    """

    suspect: Positive
    fail: Positive | None = None
    check: Literal["std", "range"] = "std"
    window_s: Positive
    min_s: Positive | None = None

    @model_validator(mode="after")
    def _order(self) -> AttenuatedSignal:
        _rising(self.fail, self.suspect, "fail and suspect")
        _rising(self.min_s, self.window_s, "min_s and window_s")
        return self


class Usual(_Strict):
    """What is usual in some months and hours of the day.

    Attributes:
        months: First and last month; from 11 to 2 is over the turn of the year.
        hours: First and last hour of the local day; from 22 to 5 is over midnight.
        suspect: Lowest and highest usual value; outside is 3.
        fail: Lowest and highest possible value; outside is 4.
    """

    months: tuple[Annotated[int, Field(ge=1, le=12)], Annotated[int, Field(ge=1, le=12)]] = (1, 12)
    hours: tuple[Annotated[int, Field(ge=0, le=23)], Annotated[int, Field(ge=0, le=23)]] = (0, 23)
    suspect: Span
    fail: Span | None = None

    @model_validator(mode="after")
    def _order(self) -> Usual:
        _ordered("suspect", self.suspect)
        _ordered("fail", self.fail)
        return self

    def covers(self, month: int, hour: int) -> bool:
        """Whether it holds in an hour of a month."""
        return _within(month, self.months) and _within(hour, self.hours)


def _within(value: int, span: tuple[int, int]) -> bool:
    first, last = span
    return first <= value <= last if first <= last else value >= first or value <= last


class Climatology(_Strict):
    """What is usual for the month and the hour of the day.

    Attributes:
        spans: As given; where several fit, the last decides.
        learn: Or as learned: these quantiles of the sensor's own possible values of the same month and hour.
        min_readings: Fewer values teach nothing.
    """

    spans: tuple[Usual, ...] = ()
    learn: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]] | None = None
    min_readings: Annotated[int, Field(ge=2)] = 1000

    @model_validator(mode="after")
    def _one(self) -> Climatology:
        if bool(self.spans) == (self.learn is not None):
            raise ValueError("expected either spans or learn")
        return self


class Neighbour(_Strict):
    """How far a value may be from those of sensors nearby.

    Attributes:
        k: So many of the nearest are asked.
        at_least: With fewer that measured it is not evaluated.
        times: A difference from their median of more than this multiple of 1.4826 * MAD is 3; never 4, since it may be real.
        floor: A smaller difference is never suspect.
        align_s: What was measured within the same so many seconds is compared. [s]
    """

    k: Annotated[int, Field(ge=1)] = 5
    at_least: Annotated[int, Field(ge=1)] = 3
    times: Positive = 4.0
    floor: Annotated[float, Field(ge=0)] = 0.0
    align_s: Annotated[int, Field(ge=1)] = 3600


class Tests(_Strict):
    """The thresholds of one observed property; a test that is None is not evaluated."""

    gross_range: GrossRange | None = None
    spike: Spike | None = None
    rate_of_change: RateOfChange | None = None
    flat_line: FlatLine | None = None
    attenuated_signal: AttenuatedSignal | None = None
    climatology: Climatology | None = None
    neighbour: Neighbour | None = None


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of all tests.

    Attributes:
        version: Of the project's own, and a digest of what a pilot changed: `2026-11-22` or `2026-11-22+1f2e3d4c`.
        tests: Of each observed property; one that is not there has none.
    """

    version: str
    tests: Mapping[str, Tests]

    def of(self, observed_property: str) -> Tests:
        """The thresholds of one observed property."""
        return self.tests.get(observed_property, Tests())


@cache
def _document() -> Mapping[str, Any]:
    text = files("analytics.sensing.quality").joinpath("thresholds.yaml").read_text(encoding="utf-8")
    return MappingProxyType(yaml.safe_load(text))


def load_thresholds(changed: Mapping[str, Any] | None = None) -> Thresholds:
    """The project's thresholds with what a pilot changes of them.

    Args:
        changed: Observed property -> test -> threshold -> value; null switches a test, or all of a property, off.

    Raises:
        SourceError: A name or a value is wrong; all faults in one line.

    Example:
        >>> load_thresholds({"pm25": {"spike": {"suspect": 80}}}).of("pm25").spike
        Spike(suspect=80.0, fail=150.0, method='average')
    """
    given: dict[str, Any] = {name: dict(tests) for name, tests in _document()["properties"].items()}
    faults: list[str] = []
    for called, tests in (changed or {}).items():
        name = property_of(str(called))
        if name is None:
            faults.append(f"'{called}' is unknown; expected one of {', '.join(sorted(properties()))}")
        elif tests is None:
            given[name] = {}
        elif not isinstance(tests, Mapping):
            faults.append(f"{called} is '{tests}'; expected tests, such as {{spike: {{suspect: 80}}}}, or null")
        else:
            given[name] = _changed(given.get(name, {}), tests)
    read = {}
    for name, tests in given.items():
        try:
            read[name] = Tests.model_validate(tests)
        except ValidationError as error:
            faults += [_fault(name, dict(one)) for one in error.errors()]
    if faults:
        raise SourceError(f"thresholds: {'; '.join(faults)}; correct the pilot")
    version = str(_document()["version"])
    if changed:
        digest = hashlib.sha256(json.dumps(changed, sort_keys=True, default=str).encode()).hexdigest()
        version += f"+{digest[:8]}"
    return Thresholds(version, MappingProxyType(read))


def _changed(tests: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(tests)
    for test, change in changes.items():
        both = isinstance(change, Mapping) and isinstance(merged.get(test), Mapping)
        merged[test] = {**merged[test], **change} if both else change
    return merged


def _fault(name: str, error: Mapping[str, Any]) -> str:
    """What is wrong with one threshold, and which names there are where a name is."""
    place = [str(part) for part in error["loc"]]
    where = ".".join([name, *place])
    if error["type"] != "extra_forbidden":
        what = str(error["msg"]).removeprefix("Value error, ")
        return f"{where}: {what}" if "expected" in what else f"{where} is '{error['input']}': {what}"
    model: type[BaseModel] = Tests
    for part in place[:-1]:
        model = _MODELS.get(part, model)
    return f"{where} is unknown; expected one of {', '.join(model.model_fields)}"


_MODELS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "gross_range": GrossRange,
        "spike": Spike,
        "rate_of_change": RateOfChange,
        "flat_line": FlatLine,
        "attenuated_signal": AttenuatedSignal,
        "climatology": Climatology,
        "neighbour": Neighbour,
        "spans": Usual,
    }
)
