"""Simulated networks of street counters: clean unless a fault is put in."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from analytics.sensing.quality.grid import Series

START = datetime(2023, 1, 1, tzinfo=UTC)


def network(seed: int, *, sites: int = 6, days: int = 200, zone: str = "UTC", start: datetime = START) -> Series:
    """Hourly counts whose level wanders, with weather and feasts that all share, quiet nights, Sundays and seasons."""
    random = np.random.default_rng(seed)
    steps = days * 24
    at = int(start.timestamp()) + np.arange(steps) * 3600
    offset = [int(datetime.fromtimestamp(int(s), ZoneInfo(zone)).utcoffset().total_seconds()) for s in at]
    local = at + np.array(offset)
    hour, day = local % 86_400 / 3600, (local // 86_400 - local[0] // 86_400).astype(int)
    weekend = (local // 86_400 + 3) % 7 >= 5
    shared_day = np.exp(random.normal(0, 0.15, day[-1] + 1))[day] * (1 + 0.2 * np.sin(2 * np.pi * day / 365))
    shared_hour = np.exp(0.2 * _wandering(random, steps, 0.8))
    rows = []
    for _ in range(sites):
        peak, width, evening = random.uniform(11, 15), random.uniform(2.5, 4), random.uniform(0.1, 0.7)
        course = np.exp(-(((hour - peak) / width) ** 2)) + evening * np.exp(-(((hour - 18.5) / 2) ** 2)) + 0.01
        level = random.uniform(60, 800) * np.where(weekend, random.uniform(0.5, 1.2), 1.0)
        own = np.exp(0.12 * _wandering(random, steps, 0.7) + 0.1 * _wandering(random, day[-1] + 1, 0.9)[day])
        rows.append(random.poisson(level * course * shared_day * shared_hour * own))
    values = np.array(rows, float)
    names = tuple(f"street_{number}" for number in range(sites))
    unknown = np.full(values.shape, np.nan)
    return Series("pedestrian", True, 3600, names, at, local, values, np.ones(values.shape), np.ones(sites), unknown, zone)


def _wandering(random: np.random.Generator, number: int, memory: float) -> np.ndarray:
    noise = random.normal(size=number) * np.sqrt(1 - memory**2)
    for at in range(1, number):
        noise[at] += memory * noise[at - 1]
    return noise
