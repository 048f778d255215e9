"""Pilot files: every fault at once, in words that help."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from experiments.pilot import PilotError, find_pilot, load_pilot, pilots
from experiments.settings import ROOT

FOLDER = ROOT / "experiments" / "pilots"
TEMPLATE = ROOT / "experiments" / "new_pilot.yaml"


def write(folder: Path, **changes) -> Path:
    document = yaml.safe_load(TEMPLATE.read_text())
    for path, value in changes.items():
        *steps, last = path.split("__")
        place = document
        for step in steps:
            place = place[int(step) if step.isdigit() else step]
        if value is None:
            del place[last]
        else:
            place[last] = value
    file = folder / "new_pilot.yaml"
    file.write_text(yaml.safe_dump(copy.deepcopy(document)))
    return file


@pytest.mark.parametrize("file", [*sorted(FOLDER.glob("*.yaml")), TEMPLATE], ids=lambda p: p.stem)
def test_every_pilot_and_the_template_load(file):
    pilot = load_pilot(file)
    assert pilot.asks.strip().endswith("?")
    assert "en" in pilot.title and "en" in pilot.citizens
    assert set(pilot.citizens) <= set(pilot.title)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"asks": None}, "key 'asks' is missing"),
        ({"succes_if": {}}, "key 'succes_if' is unknown; expected one of .*did you mean 'succeeds_if'"),
        ({"sites__tretaed": []}, "key 'sites.tretaed' is unknown; expected one of control, places, treated; .* mean 'treated'"),
        ({"feeds__0__analitic": "x"}, "key 'feeds.0.analitic' is unknown.*did you mean 'analytic'"),
        ({"after": ["2026-05-01", "2026-08-30"]}, "before 2026-03-02 to 2026-05-24 and after 2026-05-01 to 2026-08-30 overlap"),
        ({"after": ["2026-08-30", "2026-06-08"]}, "ends before it starts"),
        ({"after": ["2025-06-08", "2025-08-30"]}, "starts before 'before' has ended"),
        ({"sites__control": ["mill_lane", "oak_road"]}, "'mill_lane' is treated and control"),
        ({"sites__control": []}, "sites.control: empty"),
        ({"before": None}, "before: missing"),
        ({"succeeds_if": {}}, "0 bounds are given; expected exactly one"),
        ({"succeeds_if": {"relative_effect_above": 0.1, "relative_effect_below": 0.0}}, "2 bounds are given"),
        ({"method": "magic"}, "method is 'magic'"),
        ({"costs": [{"name": "x", "low": 3, "likely": 2, "high": 1, "source": "y"}]}, "not in order"),
        ({"privacy__frames_kept": "all"}, "privacy.frames_kept is 'all'"),
        ({"id": "other"}, "id is 'other'; expected 'new_pilot'"),
    ],
)
def test_a_fault_is_said_in_one_line_with_what_is_valid(tmp_path, changes, said):
    file = write(tmp_path, **{k: _dates(v) for k, v in changes.items()})
    with pytest.raises(PilotError, match=said) as caught:
        load_pilot(file)
    assert all(line.startswith(str(file)) for line in str(caught.value).splitlines())


def _dates(value):
    from datetime import date

    if isinstance(value, list) and value and isinstance(value[0], str) and value[0][:2] == "20":
        return [date.fromisoformat(v) for v in value]
    return value


def test_all_faults_are_reported_at_once(tmp_path):
    with pytest.raises(PilotError) as caught:
        load_pilot(write(tmp_path, asks=None, titles={}, method="magic"))
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds nothing"),
        (b"[1, 2]", "holds a list"),
        (b"a: [", "expected valid YAML"),
        (b"\xff\xfe\x00", "not UTF-8 text|not YAML|special characters"),
    ],
)
def test_a_file_that_is_no_pilot(tmp_path, content, said):
    file = tmp_path / "x.yaml"
    file.write_bytes(content)
    with pytest.raises(PilotError, match=said):
        load_pilot(file)


def test_a_pilot_that_does_not_exist_lists_those_that_do():
    said = r"pilot 'k_road_street' does not exist; expected one of k_road_streetscape, .*did you mean"
    with pytest.raises(PilotError, match=said):
        find_pilot("k_road_street", FOLDER)


def test_pilots_are_found_by_name_and_by_path(tmp_path):
    assert find_pilot("plaza_crossings", FOLDER) == pilots(FOLDER)["plaza_crossings"]
    file = write(tmp_path)
    assert find_pilot(str(file), FOLDER) == file
