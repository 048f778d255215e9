"""ioos_qc beside our own tests: the same series, the same thresholds, flag by flag."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from ioos_qc import qartod

from analytics.lake import memory
from analytics.sensing.judge import judge_readings
from analytics.sensing.options import JudgeOptions
from analytics.sensing.quality.thresholds import Tests, load_thresholds

Series = tuple[npt.NDArray[Any], npt.NDArray[np.float64]]
"""Instants (whole microseconds, rising) and values (nan where missing)."""
SHARED = ("gross_range", "spike", "rate_of_change", "flat_line", "attenuated_signal")
"""Tests that both run."""


def ours(series: Mapping[str, Series], observed: str, unit: str, thresholds: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Our flags: name of the series -> test -> flags in order of time."""
    tables = [
        pa.table(
            {
                "source_row": np.arange(1, len(values) + 1),
                "site_id": [name] * len(values),
                "observed_property": [observed] * len(values),
                "interval_start_at": pa.array(instants.astype("datetime64[us]")).cast(pa.timestamp("us", tz="UTC")),
                "value": pa.array(values, mask=np.isnan(values)),
                "unit": [unit] * len(values),
            }
        )
        for name, (instants, values) in series.items()
    ]
    with memory() as connection:
        connection.register("given", pa.concat_tables(tables))
        connection.execute("CREATE TABLE received AS FROM given")
        options = JudgeOptions(thresholds={observed: thresholds})
        judge_readings(connection, "received", table="judged", timezone="UTC", options=options)
        return {
            name: connection.execute(
                f"SELECT {', '.join((*SHARED, 'climatology', 'qc'))} FROM judged WHERE site_id = ? ORDER BY source_row", [name]
            ).fetchnumpy()
            for name in series
        }


def theirs(series: Series, tests: Tests) -> dict[str, npt.NDArray[np.int64]]:
    """The flags of ioos_qc, by test."""
    instants, values = series[0].astype("datetime64[ns]"), series[1]
    gross, spike, rate, flat, vary = (getattr(tests, name) for name in SHARED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flags = {
            "gross_range": qartod.gross_range_test(values, gross.fail, gross.suspect),
            "spike": qartod.spike_test(values, spike.suspect, spike.fail, method=spike.method),
            "rate_of_change": qartod.rate_of_change_test(values, instants, rate.suspect, rate.fail),
            "flat_line": qartod.flat_line_test(values, instants, int(flat.suspect_s), int(flat.fail_s), flat.tolerance),
            "attenuated_signal": qartod.attenuated_signal_test(
                values,
                instants,
                vary.suspect,
                -1 if vary.fail is None else vary.fail,
                test_period=int(vary.window_s),
                min_period=vary.window_s / 2 if vary.min_s is None else vary.min_s,
                check_type=vary.check,
            ),
        }
    return {name: np.ma.getdata(found).astype(np.int64) for name, found in flags.items()}


def differences(
    series: Mapping[str, Series], thresholds: dict[str, Any], *, observed: str = "pm25", unit: str = "ug/m3"
) -> list[tuple[str, str, int, int, int]]:
    """Readings that are flagged otherwise: series, test, place, flag of ioos_qc, our flag.

    A standard deviation that equals a threshold to the last digits falls on either side of it in sums of another order: such
    readings are no difference.
    """
    tests = load_thresholds({observed: thresholds}).of(observed)
    found = ours(series, observed, unit, {**thresholds})
    different = []
    for name, one in series.items():
        for test, flags in theirs(one, tests).items():
            for place in np.flatnonzero(flags != found[name][test].astype(np.int64)):
                if test != "attenuated_signal" or not _on_threshold(one, tests, int(place)):
                    different.append((name, test, int(place), int(flags[place]), int(found[name][test][place])))
    return different


def _on_threshold(series: Series, tests: Tests, place: int) -> bool:
    vary = tests.attenuated_signal
    assert vary is not None
    past = pd.Series(series[1], index=pd.DatetimeIndex(series[0]))[: place + 1]
    window = past[past.index > past.index[-1] - pd.Timedelta(seconds=vary.window_s)]
    return vary.check == "std" and any(
        one is not None and bool(np.isclose(window.std(ddof=0), one, rtol=1e-9, atol=0)) for one in (vary.suspect, vary.fail)
    )
