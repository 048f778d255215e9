"""The address of a rendered network, such as `network:street?seed=3&days=168&change_day=84`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

from analytics.rendered import read_query
from analytics.sensing.readings import SourceError

OBSERVED = ("pm25", "no2", "noise_laeq", "temperature", "humidity")
"""What the sensors can observe."""
SCHEME = "network:"
_LEAST = {"seed": 0, "days": 14, "sites": 3, "treated": 0, "districts": 1, "change_day": 0}
_MOST = {"days": 3660, "sites": 500, "traffic_change": 10.0}
_CADENCES = (600, 900, 1800, 3600)


@dataclass(frozen=True)
class Address:
    """What is rendered.

    Attributes:
        seed: Of all that is drawn.
        days: How long. [d]
        start: First day, UTC.
        sites: Streets with a low-cost sensor, `street_01` and so on; a reference stands beside the last one.
        treated: So many of them, the first, get the change.
        districts: Streets of one district share a part of their weather.
        change_day: Day on which the change begins, counted from the first; the length for never. [d]
        traffic_change: Change of traffic at the treated streets from then on, -1 to 10.
        interval_s: From one reading to the next. [s]
        observe: Observed properties, separated by commas.
        faults: Whether sensors and their delivery fail: 1, or 0 for a network without any fault.
    """

    seed: int
    days: int
    start: str = "2025-01-06"
    sites: int = 15
    treated: int = 3
    districts: int = 3
    change_day: int = 84
    traffic_change: float = -0.5
    interval_s: int = 3600
    observe: str = ",".join(OBSERVED)
    faults: int = 1


_KINDS = {"int": int, "float": float, "str": str}


def read_address(source: str) -> Address:
    """What an address asks for.

    Args:
        source: `network:street?seed=3&days=168`, and any other attribute of `Address`.

    Raises:
        SourceError: It names another network, lacks the seed or the length, or a parameter is unknown, wrong or there twice.

    Example:
        >>> read_address("network:street?seed=3&days=28&traffic_change=-0.4").traffic_change
        -0.4
    """
    kinds = {field.name: _KINDS[str(field.type)] for field in fields(Address)}
    example = f"{SCHEME}street?seed=3&days=168"
    found = Address(**read_query(source, kinds, needed=("seed", "days"), example=example, error=SourceError))
    for fault in _faults(found):
        raise SourceError(f"{source}: network parameter {fault}; correct it")
    return found


def _faults(found: Address) -> list[str]:
    faults = []
    for key, least in _LEAST.items():
        if getattr(found, key) < least:
            faults.append(f"'{key}' is '{getattr(found, key)}'; expected {least} or more")
    for key, most in _MOST.items():
        if not getattr(found, key) <= most:
            faults.append(f"'{key}' is '{getattr(found, key)}'; expected {most:g} or less")
    if not found.traffic_change >= -1:
        faults.append(f"'traffic_change' is '{found.traffic_change}'; expected -1 (no traffic) or more")
    if found.treated > found.sites:
        faults.append(f"'treated' is '{found.treated}'; expected at most the {found.sites} sites")
    if found.interval_s not in _CADENCES:
        faults.append(f"'interval_s' is '{found.interval_s}'; expected one of {', '.join(map(str, _CADENCES))}")
    if found.faults not in (0, 1):
        faults.append(f"'faults' is '{found.faults}'; expected 0 or 1")
    unknown = [name for name in found.observe.split(",") if name not in OBSERVED]
    if unknown:
        faults.append(f"'observe' is '{found.observe}'; expected some of {','.join(OBSERVED)}")
    try:
        date.fromisoformat(found.start)
    except ValueError:
        faults.append(f"'start' is '{found.start}'; expected a day such as 2025-01-06")
    return faults
