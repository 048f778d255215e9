"""What a pilot may publish beside its answer, and what is refused in a line that says what is valid."""

from __future__ import annotations

import pytest

from experiments.figures import MADE_OF, Figures, figure_faults

AIR = {"hourly_readings"}


def test_figures_are_named_by_contract_and_table():
    figures = Figures(indices=("us_aqi_2024",), limits=("who_2021", "eu_2024_2881_thresholds"), noise=True, totals=("day",))
    assert figures.contracts() == list(MADE_OF)
    assert figures.tables() == ["us_aqi_2024", "who_2021", "eu_2024_2881_thresholds", "noise_end", "noise_who_2018"]
    assert figure_faults(figures, {"hourly_readings", "counts_hourly"}) == []
    assert Figures().contracts() == [] and figure_faults(Figures(), set()) == []


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"indices": ["us_aqi"]}, "figures.indices: table 'us_aqi' is unknown; expected one of eaqi_2024"),
        ({"indices": ["who_2021"]}, "figures.indices: table 'who_2021' is unknown"),
        ({"limits": ["eaqi_2024"]}, "figures.limits: table 'eaqi_2024' is unknown; expected one of eu_2024_2881"),
        ({"totals": ["day"]}, "footfall_totals is worked out of counts_hourly; expected a feed of that contract"),
    ],
)
def test_what_cannot_be_worked_out_is_refused(figures, said):
    faults = figure_faults(Figures.model_validate(figures), AIR)
    assert len(faults) == 1 and said in faults[0]


def test_unknown_periods_are_refused():
    with pytest.raises(ValueError, match="'day', 'week' or 'year'"):
        Figures.model_validate({"totals": ["month"]})
