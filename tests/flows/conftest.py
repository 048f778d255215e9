"""A small pilot on invented streets, for tests of flows."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from experiments.settings import load_settings

FIRST, CHANGE, LAST = date(2024, 1, 1), date(2024, 4, 29), date(2024, 8, 25)
SITES = ("mill_lane", "oak_road", "park_avenue", "river_walk", "west_gate")


def write_counts(path: Path, *, effect: float = 0.5, seed: int = 1, dead: str = "", columns: int = len(SITES)) -> Path:
    """Hourly counts of invented streets, one column each; `mill_lane` changes by `effect`, `dead` reads zero in April."""
    rng = np.random.default_rng(seed)
    days = (LAST - FIRST).days + 1
    hours = np.arange(days * 24)
    shape = 5 + 200 * np.exp(-((((hours % 24) - 13) / 4) ** 2))
    wave = np.exp(0.1 * np.sin(hours / 24 / 20))
    lines = ["date,hour," + ",".join(SITES[:columns])]
    counts = []
    for site in SITES[:columns]:
        level = shape * wave * rng.uniform(0.5, 2)
        if site == "mill_lane":
            level = np.where(hours >= (CHANGE - FIRST).days * 24, level * (1 + effect), level)
        drawn = rng.poisson(level)
        if site == dead:
            drawn[90 * 24 : 110 * 24] = 0
        counts.append(drawn)
    start = datetime(FIRST.year, FIRST.month, FIRST.day)
    for i, values in enumerate(zip(*counts, strict=True)):
        at = start + timedelta(hours=i)
        lines.append(f"{at:%Y-%m-%d},{at.hour}:00-{at.hour}:59," + ",".join(map(str, values)))
    path.write_text("\n".join(lines) + "\n")
    return path


def pilot_document(source: Path) -> dict:
    """A pilot on those streets."""
    return {
        "id": "small",
        "title": {"en": "A small pilot"},
        "asks": "Do more people walk on Mill Lane?",
        "owner": {"team": "Test", "contact": "test@city.example"},
        "sites": {"treated": ["mill_lane"], "control": [*SITES[1:]]},
        "timezone": "UTC",
        "before": [FIRST, CHANGE - timedelta(days=1)],
        "after": [CHANGE, LAST],
        "feeds": [
            {
                "analytic": "count_footfall",
                "source": str(source),
                "reader": "wide_hourly_csv",
                "raw_contract": "footfall_readings",
                "contract": "counts_hourly",
                "params": {},
            }
        ],
        "outcome": {"contract": "counts_hourly", "column": "crossings", "where": {"road_user": "pedestrian"}},
        "method": "diff_in_diff",
        "beside": ["synthetic_control"],
        "succeeds_if": {"relative_effect_above": 0.1},
        "privacy": {"personal_data": False, "frames_kept": "none", "retention_days": 1, "legal_basis": "none"},
        "citizens": {"en": {"why": "a", "what_we_collect": "b", "what_we_do_not": "c"}},
    }


class Bed:
    """A test bed in a temporary folder with the small pilot in it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.pilots = folder / "pilots"
        self.pilots.mkdir(exist_ok=True)
        self.counts = write_counts(folder / "counts.csv")
        self.document = pilot_document(self.counts)
        self.settings = load_settings({"TESTBED_HOME": str(home), "TESTBED_PILOTS": str(self.pilots)})
        self.write()

    def write(self, **changes) -> Path:
        """Write the pilot's file, with changed keys."""
        self.document.update(changes)
        path = self.pilots / "small.yaml"
        path.write_text(yaml.safe_dump(self.document))
        return path

    def run(self) -> dict:
        """Run the pilot without Prefect."""
        from flows.run_pilot import run_pilot

        return run_pilot("small", self.settings, orchestrated=False)


@pytest.fixture(scope="session")
def new_store(tmp_path_factory):
    """An empty MLflow store: building its tables takes seconds, copying it does not."""
    from experiments.tracking import client

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    client(f"sqlite:///{path}")
    return path


@pytest.fixture
def bed(tmp_path, new_store):
    found = Bed(tmp_path, tmp_path / "home")
    shutil.copyfile(new_store, found.settings.home / "mlflow.db")
    return found
