"""How often a sensor audit's intervals hold the truth: invented collocations whose truth is known, and windows of real ones.

`python tests/benchmarks/coverage_collocation.py [REPEATS]`: PM2.5 beside a reference, whose level and errors last, by hours
and by days, over 30 and 90 days; then, where `../shared` is there, windows of real collocations against the whole of them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from analytics.sensing.calibration.agreement import intervals, pooled
from analytics.sensing.calibration.precision import precision, precision_intervals

REPEATS = 400
UNITS = 3
SHOWN = ("slope", "intercept", "R2", "RMSE", "NRMSE", "MB", "MGE", "NMB", "NMGE", "SD", "CV")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Air:
    """Air and sensors.

    Attributes:
        level_h: How long the level lasts (time in which correlation falls to 1/e). [h]
        level: Standard deviation of the level's logarithm.
        error_h: How long errors last. [h]
        error: Standard deviation of the units' common relative error; each has half of it on its own.
        noise: Standard deviation of errors that do not grow with the level. [ug/m3]
        smoke: Height of episodes. [ug/m3]
    """

    level_h: float
    level: float
    error_h: float
    error: float
    noise: float
    smoke: float = 0.0


KINDS = {
    "common": Air(24, 0.5, 6, 0.15, 0.5),
    "errors of single hours": Air(24, 0.5, 0, 0.15, 1.0),
    "errors of two days": Air(48, 0.7, 48, 0.20, 1.0),
    "smoke": Air(72, 0.9, 48, 0.25, 1.0, 60.0),
}


def lasting(rng: np.random.Generator, shape: tuple[int, ...], hours: float) -> np.ndarray:
    """Standard normal series whose correlation falls to 1/e in some hours, shape `shape`."""
    keep = np.exp(-1 / hours) if hours else 0.0
    steps = rng.normal(0, np.sqrt(1 - keep**2), shape)
    steps[..., 0] = rng.normal(size=shape[:-1])
    return lfilter([1], [1, -keep], steps, axis=-1)


def invented(rng: np.random.Generator, days: int, air: Air) -> tuple[np.ndarray, np.ndarray]:
    """Hours of a reference, shape `(n,)`, and of units that read 1 + 1.3 of it, shape `(UNITS, n)`."""
    n = 24 * days
    hour = 2 * np.pi * (np.arange(n) + rng.integers(24)) / 24
    x = np.exp(2.3 + air.level * lasting(rng, (n,), air.level_h) + 0.25 * np.cos(hour))
    x += air.smoke * np.maximum(lasting(rng, (n,), 36) - 1.8, 0)
    gain = air.error * lasting(rng, (n,), air.error_h) + 0.08 * np.cos(hour + 1.6)
    gain = gain + air.error / 2 * lasting(rng, (UNITS, n), air.error_h)
    noise = air.noise * lasting(rng, (UNITS, n), air.error_h) + rng.normal(0, 0.4, (UNITS, n))
    return x, 1 + 1.3 * x * (1 + gain) + noise


def daily(values: np.ndarray) -> np.ndarray:
    return values.reshape(*values.shape[:-1], -1, 24).mean(axis=-1)


def measured(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    found = precision(y)
    return pooled(x, y) | {"SD": found.SD or np.nan, "CV": found.CV or np.nan}


def reached(x: np.ndarray, y: np.ndarray, per_day: int) -> dict[str, tuple[float, float]]:
    return intervals(x, y, per_day=per_day) | precision_intervals(y, per_day=per_day)


def put(name: str, held: dict[str, list[bool]], wide: dict[str, list[float]]) -> None:
    cells = (f"{100 * np.mean(held[one]):6.1f} ({np.median(wide[one]):.2g})" if one in held else "-" for one in SHOWN)
    print(f"{name:42}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


def simulated(name: str, air: Air, days: int, by_day: bool, repeats: int) -> None:
    """Print the share of intervals that hold what many years would have shown."""
    rng = np.random.default_rng(7)
    long = [invented(rng, 4000, air) for _ in range(30)]
    xs, ys = np.concatenate([one for one, _ in long]), np.concatenate([one for _, one in long], axis=1)
    truth = measured(daily(xs), daily(ys)) if by_day else measured(xs, ys)
    held, wide = {one: [] for one in SHOWN}, {one: [] for one in SHOWN}
    for _ in range(repeats):
        x, y = invented(rng, days, air)
        x, y = (daily(x), daily(y)) if by_day else (x, y)
        found = reached(x, y, 1 if by_day else 24)
        for one in SHOWN:
            lower, upper = found[one]
            held[one].append(lower <= truth[one] <= upper)
            wide[one].append(upper - lower)
    put(f"{name}, {days} days, {'days' if by_day else 'hours'}", held, wide)


def windows(name: str, x: np.ndarray, y: np.ndarray, days: int, step_days: int = 1) -> None:
    """Print the share of windows whose interval holds the whole, narrowed since a window is a part of it."""
    truth, n = measured(x, y), len(x)
    held, wide = {}, {}
    for first in range(0, n - 24 * days + 1, 24 * step_days):
        part = slice(first, first + 24 * days)
        at, found = measured(x[part], y[:, part]), reached(x[part], y[:, part], 24)
        narrow = np.sqrt(1 - 24 * days / n)
        for one in found.keys() & set(SHOWN):
            lower, upper = (at[one] + narrow * (end - at[one]) for end in found[one])
            held.setdefault(one, []).append(lower <= truth[one] <= upper)
            wide.setdefault(one, []).append(upper - lower)
    put(f"{name}, {days} of {n // 24} days, {len(held['MB'])} windows", held, wide)


def virginia() -> tuple[np.ndarray, np.ndarray]:
    """Hours of three PurpleAir units beside a reference, whose stamps are five hours behind."""
    import pandas as pd

    def hours(frame: pd.DataFrame, column: str) -> pd.Series:
        series = pd.Series(pd.to_numeric(frame[column], errors="coerce").array, pd.to_datetime(frame["time_stamp"], utc=True))
        return series.resample("1h").mean()

    folder = DATA / "purpleair-vs-deq-virginia"
    units = [hours(pd.read_csv(one), "pm2.5_cf_1") for one in sorted(folder.glob("purpleair_raw_*.csv"))]
    reference = hours(pd.read_csv(folder / "deq_reference_1min.csv"), "PM25")
    reference.index = reference.index + pd.Timedelta(hours=5)
    table = pd.concat([reference, *units], axis=1).dropna().to_numpy()
    return table[:, 0], table[:, 1:].T


def gases(signal: str, truth: str) -> tuple[np.ndarray, np.ndarray]:
    """Hours of a metal-oxide sensor, brought to the analyser's unit by one fit to all hours with the temperature."""
    import pandas as pd

    table = pd.read_csv(DATA / "uci-air-quality" / "AirQualityUCI.csv")[[truth, signal, "T"]]
    table = table[(table > -200).all(axis=1)].to_numpy(dtype=np.float64)
    terms = np.column_stack([np.ones(len(table)), table[:, 1:]])
    return table[:, 0], (terms @ np.linalg.lstsq(terms, table[:, 0], rcond=None)[0])[None]


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    print(f"share of 95 % intervals that hold the truth, % (median width); {repeats} series each")
    print(" " * 42 + "".join(f"{one:>14}" for one in SHOWN))
    for (name, air), days, by_day in product(KINDS.items(), (30, 90), (False, True)):
        simulated(name, air, days, by_day, repeats)
    if DATA.is_dir():
        for days in (10, 20, 30):
            windows("Virginia, PM2.5", *virginia(), days)
        for signal, truth in (("PT08.S1(CO)", "CO(GT)"), ("PT08.S4(NO2)", "NO2(GT)"), ("PT08.S3(NOx)", "NOx(GT)")):
            windows(f"UCI, {truth}", *gases(signal, truth), 30, 5)


if __name__ == "__main__":
    main()
