"""Thresholds: what a pilot changes is merged, versioned, and checked with all faults in one line."""

from __future__ import annotations

import pytest

from analytics.sensing.quality.thresholds import load_thresholds
from analytics.sensing.readings import SourceError


def test_a_change_is_merged_and_part_of_the_version() -> None:
    own, changed = load_thresholds(), load_thresholds({"PM2.5": {"spike": {"suspect": 80}, "flat_line": None}})
    assert changed.of("pm25").spike is not None
    assert (changed.of("pm25").spike.suspect, changed.of("pm25").spike.fail) == (80, 150)
    assert changed.of("pm25").flat_line is None
    assert changed.of("pm10") == own.of("pm10")
    assert changed.version.startswith(own.version + "+")
    assert load_thresholds({"pm25": {"spike": {"suspect": 81}}}).version != changed.version


def test_all_faults_are_told_in_one_line_with_the_valid_names() -> None:
    wrong = {"aether": {}, "pm25": {"spike": {"suspct": 3}, "flat_line": {"tolerance": 0}}, "pm10": {"spikes": {}}}
    with pytest.raises(SourceError) as raised:
        load_thresholds(wrong)
    told = str(raised.value)
    assert "\n" not in told
    assert "'aether' is unknown; expected one of benzene" in told
    assert "pm25.spike.suspct is unknown; expected one of suspect, fail, method" in told
    assert "pm25.flat_line.tolerance is '0'" in told
    assert "pm10.spikes is unknown; expected one of gross_range, spike" in told


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ({"gross_range": {"fail": [0, 10], "suspect": [0, 20]}}, "suspect is wider than fail"),
        ({"flat_line": {"tolerance": 1, "suspect_s": 20, "fail_s": 10}}, "expected the first to be no larger"),
        ({"climatology": {}}, "expected either spans or learn"),
    ],
)
def test_thresholds_that_contradict_each_other_are_refused(test: dict[str, object], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        load_thresholds({"noise_laeq": test})
