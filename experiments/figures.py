"""What a pilot publishes beside its answer: indices, limits, noise indicators and totals. None of them decides anything."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from analytics.sensing.indices.tables import IndexTable, LimitsTable, NowcastTable, ThresholdsTable, table_of
from analytics.sensing.readings import SourceError
from experiments.faults import Part

MADE_OF = {
    "air_quality_index": "hourly_readings",
    "limit_exceedances": "hourly_readings",
    "threshold_episodes": "hourly_readings",
    "noise_indicators": "hourly_readings",
    "footfall_totals": "counts_hourly",
}
"""Contract of figures -> contract of the rows that they are worked out of."""


class Figures(Part):
    """What is worked out of a pilot's accepted rows; tables are named by their id, so that it stays the same table."""

    indices: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    noise: bool = False
    totals: tuple[Literal["day", "week", "year"], ...] = ()
    traffic_sites: tuple[str, ...] = ()
    country: str | None = Field(default=None, description="Whose holidays count for comparable days, as NZ.")
    subdivision: str | None = None

    def contracts(self) -> list[str]:
        """The contracts of what is asked for."""
        limits = [name for name in self.limits if _is_of(name, LimitsTable)]
        asked = {
            "air_quality_index": self.indices,
            "limit_exceedances": limits,
            "threshold_episodes": set(self.limits) - set(limits),
            "noise_indicators": self.noise,
            "footfall_totals": self.totals,
        }
        return [contract for contract, names in asked.items() if names]

    def tables(self) -> list[str]:
        """The tables they are read off, in order."""
        return [*self.indices, *self.limits, *(("noise_end", "noise_who_2018") if self.noise else ())]


def _is_of(name: str, kind: type[LimitsTable] | type[ThresholdsTable]) -> bool:
    try:
        return table_of(name, kind) is not None
    except SourceError:
        return False


def figure_faults(figures: Figures, contracts: set[str]) -> list[str]:
    """What is wrong with the figures that are asked for.

    Args:
        figures: As the pilot file has them.
        contracts: Contracts of the pilot's feeds.
    """
    faults = []
    for field, names, kinds in (
        ("indices", figures.indices, (IndexTable, NowcastTable)),
        ("limits", figures.limits, (LimitsTable, ThresholdsTable)),
    ):
        for name in names:
            try:
                table_of(name, *kinds)
            except SourceError as error:
                faults.append(f"figures.{field}: {error}")
    for contract in figures.contracts() if not faults else ():
        if MADE_OF[contract] not in contracts:
            faults.append(
                f"figures: {contract} is worked out of {MADE_OF[contract]}; expected a feed of that contract; "
                "add one, or leave the figures out"
            )
    return faults
