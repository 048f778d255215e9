"""Readings that are sensed by hand are judged at the time of the call, or at the instant that was asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.sense import sense_files
from tests.flows.conftest import write_counts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.mark.parametrize(("year", "refused"), [(2027, False), (2099, True)])
def test_service_levels_are_judged_at_the_instant(tmp_path, year, refused):
    file, now = str(write_counts(tmp_path / "counts.csv")), datetime(year, 1, 1, tzinfo=UTC)
    found = sense_files([file], "auto", "footfall", timezone="UTC", now=now)
    raw, hours = found["checks"]
    assert (raw["contract"], hours["contract"]) == ("footfall_readings", "counts_hourly")
    assert found["judged_at"] == f"{year}-01-01T00:00:00+00:00"
    assert not any(rule["status"] == "skipped" for rule in hours["rules"])
    assert (hours["accepted"] == 0) == refused == any(rule["rule"] == "sla.retention" for rule in hours["rules"])
