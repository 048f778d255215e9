"""Observed properties and their units: what networks call them, and how readings come to the one unit they are kept in.

Conversion is the library Pint's; nothing is guessed: a unit that is missing, unknown or of another kind is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from analytics.lake import Connection
from analytics.sensing.readings import SourceError, named, quoted

if TYPE_CHECKING:
    from pint import Unit, UnitRegistry

MOLAR_VOLUME = 8.314462618 * 293.15 / 101_325
"""Volume of a mole of gas at 20 degC and 101.325 kPa, the conditions of Directive (EU) 2024/2881. [m3/mol]"""
SPELLINGS = {
    **dict.fromkeys(("°C", "C", "Celsius", "degree Celsius", "deg C", "Cel", "CEL"), "degC"),
    **dict.fromkeys(("°F", "F", "Fahrenheit"), "degF"),
    **dict.fromkeys(("%", "% RH", "%RH", "RH", "P1"), "percent"),
    **dict.fromkeys(("dB", "dB(A)", "dB A", "dB[A]", "decibel", "2N"), "dBA"),
    **dict.fromkeys(("mbar", "hectopascal"), "hPa"),
    **dict.fromkeys(("°", "deg", "DD"), "degree"),
    **dict.fromkeys(("count", "counts", "#", "people", "pedestrians", "bikes", "vehicles", "C62"), "passage"),
    "1": "dimensionless", "GQ": "ug/m3", "GP": "mg/m3", "59": "ppm", "61": "ppb", "KMH": "km/h", "MTS": "m/s", "KEL": "K",
}  # fmt: skip
"""Spellings that Pint does not know, or reads as something else; the codes are those of UN/CEFACT, used by NGSI-LD."""
FACTOR = re.compile(r"((?:^|\s*[/*·]\s*|\s+per\s+|\s+))([A-Za-zµ_]+)((?:\^|\*\*)?-?[1-3](?![0-9]))?")
"""One factor of a unit: the sign before it, its name, its power."""
SHOWN = (
    "ug/m3", "mg/m3", "ng/m3", "ppb", "ppm", "degC", "degF", "K", "percent", "dimensionless", "hPa", "Pa", "kPa", "m/s",
    "km/h", "knot", "mile/h", "degree", "mm", "dBA", "count",
)  # fmt: skip
"""Units that an error message lists, where they fit."""


@dataclass(frozen=True)
class Property:
    """What a sensor observes.

    Attributes:
        name: Its name here, such as `pm25`.
        unit: The unit its readings are kept in.
        molar_mass: Of a gas; None for others. [g/mol]
        hourly: How readings become an hour: `mean`, `sum`, `energy` (levels in dB), `direction`, `max` or `min`.
    """

    name: str
    unit: str
    molar_mass: float | None = None
    hourly: str = "mean"


@dataclass(frozen=True)
class Conversion:
    """How a value comes to the unit it is kept in: value * factor + offset.

    Attributes:
        factor: Of the value.
        offset: Added afterwards, in the unit it is kept in.
        unit: The unit it is kept in.
    """

    factor: float
    offset: float
    unit: str


def _bare(name: str) -> str:
    return "".join(character for character in name.lower() if character not in " ._-")


@cache
def properties() -> Mapping[str, Property]:
    """Every observed property by its name."""
    document = yaml.safe_load(files("analytics.sensing").joinpath("properties.yaml").read_text(encoding="utf-8"))
    return {
        name: Property(name, one["unit"], one.get("molar_mass"), one.get("hourly", "mean")) for name, one in document.items()
    }


@cache
def _names() -> Mapping[str, str]:
    document = yaml.safe_load(files("analytics.sensing").joinpath("properties.yaml").read_text(encoding="utf-8"))
    return {_bare(str(given)): name for name, one in document.items() for given in (name, *one["names"])}


def property_of(name: str) -> str | None:
    """The name here of what a network calls otherwise, or None where it is not known.

    Example:
        >>> property_of("PM2.5"), property_of("aether")
        ('pm25', None)
    """
    return _names().get(_bare(name))


def known_property(name: str) -> Property:
    """The observed property of a name.

    Raises:
        SourceError: It is not known; the message lists those that are.
    """
    found = property_of(name)
    if found is None:
        raise SourceError(
            f"observed property '{named(name)}' is unknown; expected one of {', '.join(sorted(properties()))}; "
            "correct the name or map it to one of these"
        )
    return properties()[found]


@cache
def _registry() -> UnitRegistry[Any]:
    from pint import UnitRegistry

    registry: UnitRegistry[Any] = UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=None)
    for definition in ("dBA = [a_weighted_level]", "passage = [number_of_road_users]", "ppb = 1e-9"):
        registry.define(definition)
    return registry


@cache
def conversion(observed_property: str, unit: str | None) -> Conversion:
    """How readings of a property in some unit come to the unit they are kept in.

    Args:
        observed_property: A name of `properties`.
        unit: As a source writes it.

    Raises:
        SourceError: The unit is missing, unknown, or of another kind; the message lists what is known.

    Example:
        >>> round(conversion("no2", "ppb").factor, 3)
        1.913
    """
    of = known_property(observed_property)
    found = _factor_and_offset(of, unit) if unit is not None and unit.strip() else None
    if found is None:
        known = ", ".join(one for one in SHOWN if _factor_and_offset(of, one) is not None)
        what = (
            f"unit '{named(unit or '')}' of {of.name} is unknown or of another kind"
            if unit and unit.strip()
            else f"{of.name} has no unit"
        )
        raise SourceError(f"{what}; expected one of {known}; correct the source, or say the unit in its mapping")
    return Conversion(*found, of.unit)


def _factor_and_offset(of: Property, unit: str) -> tuple[float, float] | None:
    given, kept = _parsed(unit), _parsed(of.unit)
    if given is None or kept is None:
        return None
    quantity = _registry().Quantity
    if of.molar_mass is not None and given.dimensionality != kept.dimensionality:
        if given.is_compatible_with("g/m**3") == kept.is_compatible_with("g/m**3"):
            return None
        per_part = quantity(of.molar_mass / MOLAR_VOLUME, "g/m**3") ** (-1 if kept.dimensionless else 1)
        product = quantity(1.0, given) * per_part
        return (float(product.to(kept).magnitude), 0.0) if product.is_compatible_with(kept) else None
    if not given.is_compatible_with(kept):
        return None
    zero = float(quantity(0.0, given).to(kept).magnitude)
    return float(quantity(1.0, given).to(kept).magnitude) - zero, zero


def _parsed(unit: str) -> Unit | None:
    """A unit as Pint understands it; only products of named units with small powers are handed to its parser."""
    text = SPELLINGS.get(unit.strip(), unit.strip()).replace("μ", "µ").replace("³", "3").replace("²", "2")
    factors = FACTOR.findall(text)
    if not factors or "".join("".join(factor) for factor in factors) != text or len(text) > 60:
        return None
    expression = "".join(
        ("/" if "/" in sign or "per" in sign else "*" if place else "") + name + (f"**{power.lstrip('^*')}" if power else "")
        for place, (sign, name, power) in enumerate(factors)
    )
    from pint.errors import PintError

    try:
        return _registry().Unit(expression)
    except PintError:
        return None


def convert(connection: Connection, readings: str, *, table: str) -> None:
    """Bring the values of accepted readings to the units they are kept in.

    Args:
        connection: Holds the readings.
        readings: Table with `observed_property`, `value` (a number) and `unit`.
        table: View to create: the same columns with `value` and `unit` as kept, `observed_property` by its name here, and
            `raw_value` and `raw_unit` as received.

    Raises:
        SourceError: A property or a unit is unknown.
    """
    pairs = connection.execute(f"SELECT DISTINCT observed_property, unit FROM {quoted(readings)} ORDER BY ALL").fetchall()
    found = [(name, unit, known_property(name).name, conversion(known_property(name).name, unit)) for name, unit in pairs]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {quoted(table + '_units')} "
        "(given VARCHAR, raw_unit VARCHAR, observed_property VARCHAR, factor DOUBLE, zero DOUBLE, unit VARCHAR)"
    )
    if found:
        connection.executemany(
            f"INSERT INTO {quoted(table + '_units')} VALUES (?, ?, ?, ?, ?, ?)",
            [(name, unit, kept, how.factor, how.offset, how.unit) for name, unit, kept, how in found],
        )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {quoted(table)} AS SELECT r.* REPLACE (u.observed_property AS observed_property, "
        f"r.value * u.factor + u.zero AS value, u.unit AS unit), r.value AS raw_value, r.unit AS raw_unit "
        f"FROM {quoted(readings)} r JOIN {quoted(table + '_units')} u ON u.given = r.observed_property "
        "AND u.raw_unit = r.unit"
    )
