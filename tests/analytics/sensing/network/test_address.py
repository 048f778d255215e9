"""An address says what is rendered; what is wrong with it is said in one line."""

from __future__ import annotations

import pytest

from analytics.sensing.network.address import OBSERVED, Address, read_address
from analytics.sensing.readings import SourceError


def test_what_is_not_given_has_a_default() -> None:
    assert read_address("network:street?seed=3&days=28") == Address(seed=3, days=28)
    assert read_address("network:street?seed=3&days=28&sites=5&interval_s=600").sites == 5
    assert Address(seed=1, days=14).observe.split(",") == list(OBSERVED)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("network:road?seed=1&days=28", "network is 'road'; expected street; write"),
        ("network:street?days=28", "'seed' is 'missing'; expected seed="),
        ("network:street?seed=1", "'days' is 'missing'"),
        ("network:street?seed=1&days=28&site=3", "'site' is unknown; .*did you mean 'sites'"),
        ("network:street?seed=1&days=28&days=30", "'days' is given 'twice'"),
        ("network:street?seed=one&days=28", "'seed' is 'one'; expected a number without decimals"),
        ("network:street?seed=1&days=3", "'days' is '3'; expected 14 or more"),
        ("network:street?seed=1&days=28&sites=3&treated=4", "'treated' is '4'; expected at most the 3 sites"),
        ("network:street?seed=1&days=28&traffic_change=-1.5", "expected -1 .*or more"),
        ("network:street?seed=1&days=28&traffic_change=nan", "'traffic_change' is 'nan'"),
        ("network:street?seed=1&days=28&interval_s=7", "'interval_s' is '7'; expected one of 600"),
        ("network:street?seed=1&days=28&start=monday", "'start' is 'monday'; expected a day such as"),
        ("network:street?seed=1&days=28&observe=pm25,gold", "'observe' is 'pm25,gold'; expected some of pm25"),
        ("network:street?seed=1&days=28&faults=2", "'faults' is '2'; expected 0 or 1"),
    ],
)
def test_a_wrong_address_is_one_line(source: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as raised:
        read_address(source)
    assert len(str(raised.value).splitlines()) == 1
