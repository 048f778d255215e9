"""Locking a pilot's plan by its hash, and listing every later deviation.

The plan is the part of the pilot file that decides what the result means: question, sites, periods, feeds, outcome, method
and rule. Titles, contacts and the words for citizens may be improved at any time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from experiments.pilot import Pilot

DECISIVE = (
    "asks",
    "sites",
    "timezone",
    "before",
    "after",
    "feeds",
    "outcome",
    "method",
    "beside",
    "succeeds_if",
    "seed",
)
"""The keys of the pilot file that the hash covers."""


@dataclass(frozen=True)
class Deviation:
    """One place where the pilot file differs from the locked plan.

    Attributes:
        field: Path of the key, such as `succeeds_if.relative_effect_above`.
        locked: Its value when the plan was locked, as JSON; empty when there was none.
        found: Its value now, as JSON; empty when there is none.
    """

    field: str
    locked: str
    found: str


def plan_of(pilot: Pilot) -> dict[str, Any]:
    """The decision-relevant part of a pilot, as plain JSON values. Names and places of sites are left out."""
    document = pilot.model_dump(mode="json", include=set(DECISIVE))
    document["sites"].pop("places")
    return document


def plan_hash(plan: dict[str, Any]) -> str:
    """SHA-256 of a plan's canonical JSON (sorted keys, no spaces).

    Example:
        >>> plan_hash({"b": 1, "a": 2}) == plan_hash({"a": 2, "b": 1})
        True
    """
    canonical = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def deviations(locked: dict[str, Any], found: dict[str, Any]) -> list[Deviation]:
    """Every key whose value differs between the locked plan and the plan found now, in order of the keys."""
    before, now = _leaves(locked), _leaves(found)
    return [
        Deviation(field, before.get(field, ""), now.get(field, ""))
        for field in sorted(before.keys() | now.keys())
        if before.get(field) != now.get(field)
    ]


def _leaves(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
        leaves: dict[str, str] = {}
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            leaves |= _leaves(inner, f"{path}.{key}" if path else str(key))
        return leaves
    return {path: json.dumps(value, ensure_ascii=False, sort_keys=True)}
