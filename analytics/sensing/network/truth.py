"""What the rendered streets were really like: weather, traffic, and the air and noise that come of them.

Concentrations are a background that all streets share plus what a street's own traffic adds; the change works on that traffic
alone, so that the size of its effect on the air is known exactly, for any span of days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from analytics.sensing.network.address import Address

Floats = npt.NDArray[np.float64]

ZONE = ZoneInfo("Europe/Brussels")
"""The local clock of the streets: traffic follows it."""
HOUR_SHAPE = np.array(
    [0.18, 0.12, 0.1, 0.1, 0.15, 0.4, 0.9, 1.7, 2.0, 1.4, 1.1, 1.1, 1.2, 1.2, 1.3, 1.5, 1.9, 2.1, 1.8, 1.3, 0.9, 0.7, 0.5, 0.3]
)
"""Traffic by hour of a working day against its mean."""
WEEKEND = 0.7
"""Traffic of a weekend's hour against the same of a working day."""
EPISODE_DAYS, EPISODE_TIMES = 3, 3.0
"""A pollution episode: how long the background is raised [d], and to what multiple."""


@dataclass(frozen=True)
class Truth:
    """The streets as they were.

    Attributes:
        address: What was rendered.
        site_ids: The streets, length n.
        districts: District of each street, shape `(n,)`.
        at: Start of each interval, UTC, shape `(t,)`.
        values: Observed property -> value at each street in the unit it is kept in, shape `(n, t)`.
        unchanged: The same had there been no change.
        episode: First and last instant of the pollution episode.
    """

    address: Address
    site_ids: tuple[str, ...]
    districts: npt.NDArray[np.int64]
    at: npt.NDArray[np.datetime64]
    values: dict[str, Floats]
    unchanged: dict[str, Floats]
    episode: tuple[datetime, datetime]

    def relative_effect(self, observed_property: str, first: datetime, end: datetime) -> float:
        """Change of the treated streets' mean against what it would have been, from `first` until before `end`."""
        span = (self.at >= _utc64(first)) & (self.at < _utc64(end))
        found, expected = (
            one[observed_property][: self.address.treated, span].mean(axis=0).mean() for one in (self.values, self.unchanged)
        )
        return float(found / expected - 1)


def render_truth(address: Address) -> Truth:
    """The streets that an address asks for; the same address gives the same streets."""
    rng = np.random.default_rng([address.seed, 1])
    n, step_h = address.sites, address.interval_s / 3600
    start = datetime.fromisoformat(address.start).replace(tzinfo=UTC)
    count = round(address.days * 24 / step_h)
    at = _utc64(start) + np.arange(count) * np.timedelta64(address.interval_s, "s")
    day = np.arange(count) * step_h / 24
    hour, weekday = _local(start, at)

    season = np.sin(2 * np.pi * (_day_of_year(at) - 110) / 365.25)
    sun = np.sin(2 * np.pi * (hour - 9) / 24)
    weather = _wander(rng, (1, count), 60 / step_h)[0]
    temperature = 11 + 8 * season + 4 * sun + 2.5 * weather
    humidity = np.clip(74 - 8 * season - 12 * sun + 9 * _wander(rng, (1, count), 30 / step_h)[0], 20, 99)
    stillness = np.exp(0.3 * _wander(rng, (1, count), 24 / step_h)[0] - 0.15 * sun)

    first = rng.integers(address.days // 2, address.days - EPISODE_DAYS)
    episode = start + timedelta(days=int(first)), start + timedelta(days=int(first) + EPISODE_DAYS)
    raised = np.where((day >= first) & (day < first + EPISODE_DAYS), EPISODE_TIMES, 1.0)
    background = 8 * np.exp(0.4 * _wander(rng, (1, count), 48 / step_h)[0]) * raised
    district = np.arange(n) % address.districts
    nearby = np.exp(0.06 * _wander(rng, (address.districts, count), 48 / step_h))[district]

    shape = np.interp(hour, np.arange(25), np.append(HOUR_SHAPE, HOUR_SHAPE[0])) * np.where(weekday >= 5, WEEKEND, 1.0)
    flow = rng.uniform(0.7, 1.3, (n, 1)) * shape * np.exp(0.12 * _wander(rng, (n, count), 6 / step_h))
    after = (day >= address.change_day) & (np.arange(n) < address.treated)[:, None]
    changed = flow * np.where(after, 1 + address.traffic_change, 1.0)
    own = nearby * np.exp(0.1 * _wander(rng, (n, count), 72 / step_h))

    def of(traffic: Floats) -> dict[str, Floats]:
        return {
            "pm25": own * (background + 6 * stillness * traffic),
            "no2": own * (0.9 * background + 18 * stillness * traffic),
            "noise_laeq": 10 * np.log10(10**4.4 + 10**6.3 * traffic),
            "temperature": np.broadcast_to(temperature, (n, count)),
            "humidity": np.broadcast_to(humidity, (n, count)),
        }

    names = tuple(f"street_{number:02d}" for number in range(1, n + 1))
    return Truth(address, names, district, at, of(changed), of(flow), episode)


def _wander(rng: np.random.Generator, shape: tuple[int, int], memory: float) -> Floats:
    """Noise of mean 0 and standard deviation 1 that forgets within `memory` steps, along the last axis."""
    from scipy.signal import lfilter

    keep = np.exp(-1 / memory)
    drawn = rng.standard_normal(shape) * np.sqrt(1 - keep**2)
    drawn[:, 0] /= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], drawn, axis=1))


def _local(start: datetime, at: npt.NDArray[np.datetime64]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Local hour of the day and weekday, Monday 0, of each instant."""
    days = np.unique(at.astype("datetime64[h]"))
    offsets = {hour: datetime.fromtimestamp(int(hour.astype("int64")) * 3600, ZONE).utcoffset() for hour in days}
    shift = np.array([int((offsets[hour] or timedelta()).total_seconds()) for hour in at.astype("datetime64[h]")])
    local = at.astype("datetime64[s]").astype(np.int64) + shift
    return (local % 86_400) / 3600, (local // 86_400 + 3) % 7


def _day_of_year(at: npt.NDArray[np.datetime64]) -> Floats:
    seconds = at.astype("datetime64[s]").astype(np.int64)
    return np.asarray((seconds - at.astype("datetime64[Y]").astype("datetime64[s]").astype(np.int64)) / 86_400)


def _utc64(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "s")
