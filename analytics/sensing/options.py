"""How readings are judged: every choice that judged readings and their hours share, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from analytics.sensing.quality.thresholds import Thresholds, load_thresholds


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """How readings are judged; a pilot file gives each under `params`.

    Attributes:
        thresholds: What differs from `quality/thresholds.yaml`, see `load_thresholds`.
        coordinates: Site -> latitude and longitude, for the neighbour test. [degree]
        groups: Name -> sites that are neighbours of each other.
    """

    thresholds: Mapping[str, Any] = field(default_factory=dict)
    coordinates: Mapping[str, Sequence[float]] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def limits(self) -> Thresholds:
        """The thresholds of all tests.

        Raises:
            SourceError: A name or a value of `thresholds` is wrong.
        """
        return load_thresholds(self.thresholds)


AS_USUAL = JudgeOptions()
