"""Pairs of sensors and a reference: values of common hours or days, and whether both clocks agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analytics.lake import Connection
from analytics.sensing.calibration.channels import ALONE, DISAGREE
from analytics.sensing.calibration.clock import Shift, clock_shift
from analytics.sensing.calibration.corrections import Correction
from analytics.sensing.calibration.fits import Calibration
from analytics.sensing.readings import SourceError, quoted
from analytics.sensing.units import known_property

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Sides = dict[str, tuple[Integers, Floats]]

HOUR_S, DAY_S = 3600, 86_400
COVERAGE = 0.75
"""Share of an hour, and of a day's hours, that must be measured, as the EPA's base test has it."""
HOURLY = {
    "mean": "sum(value * share) / sum(share)",
    "energy": "10 * log10(sum(pow(10, value / 10) * share) / sum(share))",
    "sum": "sum(value)",
}
"""How readings become an interval, by `Property.hourly`: SQL over `value` and `share`, how much each stands for."""
UNUSED = ("duplicate", "conflict", DISAGREE, ALONE)
"""Flags of readings that are not paired."""


@dataclass(frozen=True)
class Collocation:
    """Units of one type beside a reference, interval by interval.

    Attributes:
        observed_property: What the reference observes.
        sensor_property: What the units observe; another one where they give a raw signal.
        unit: Unit of the reference.
        interval_s: 3600 or 86400. [s]
        start_s: Start of each interval, seconds since 1970, in order, shape `(n,)`. [s]
        reference: Reference values, finite, shape `(n,)`.
        names: Of the units.
        sensors: Values, NaN where a unit has none, shape `(units, n)`; each interval has at least one.
        covariates: Other properties the units observe, by name, same shape.
        expected: Intervals from the first to the last, measured or not.
        present: Of these, how many each unit has, whether the reference has them or not; shape `(units,)`.
        shift: What correlation says about the clocks; None where it could not tell.
        moved_h: Hours that were added to the reference's stamps. [h]
        unpaired: Intervals that only one side has.
    """

    observed_property: str
    sensor_property: str
    unit: str
    interval_s: int
    start_s: Integers
    reference: Floats
    names: tuple[str, ...]
    sensors: Floats
    covariates: Mapping[str, Floats]
    expected: int
    present: tuple[int, ...]
    shift: Shift | None = None
    moved_h: int = 0
    unpaired: int = 0

    @property
    def uptime(self) -> list[float]:
        """Share of the intervals from the first to the last that each unit has, 0 to 1."""
        return [number / self.expected for number in self.present]

    @property
    def per_day(self) -> int:
        """Intervals of a day."""
        return DAY_S // self.interval_s

    def part(self, chosen: npt.NDArray[np.bool_]) -> Collocation:
        """The collocation at some of its intervals, shape `(n,)`; its uptime stays."""
        return replace(
            self,
            start_s=self.start_s[chosen],
            reference=self.reference[chosen],
            sensors=self.sensors[:, chosen],
            covariates={name: values[:, chosen] for name, values in self.covariates.items()},
        )

    def with_sensors(self, sensors: Floats) -> Collocation:
        """The collocation with other values of its units, such as calibrated ones; intervals without any are left out."""
        found = replace(self, sensors=sensors, sensor_property=self.observed_property)
        return found.part(np.asarray(np.isfinite(sensors).any(axis=0)))


def collocate(
    connection: Connection,
    sensors: str,
    reference: str,
    *,
    observed_property: str,
    sensor_property: str | None = None,
    covariates: Sequence[str] = (),
    by: Calibration | Correction | None = None,
    interval_s: int = HOUR_S,
    coverage: float = COVERAGE,
    day_offset_h: int = 0,
    reference_shift_h: int | None = None,
) -> Collocation:
    """Pair sensors with a reference on the hours, or days, that both measured.

    Readings of whatever spacing become hours first and days from these, each with its coverage rule. Concentrations are
    averaged, levels in dB by their energy. Counts are added, and no part of their hour or day may be missing.

    Args:
        connection: Holds both tables.
        sensors: Table of readings as `analytics.sensing.judge.prepare` leaves them; each `site_id` is a unit.
        reference: The same of the reference, one `site_id`.
        observed_property: What is audited.
        sensor_property: What the units give where it is another property, such as a raw signal.
        covariates: Further properties of the units that are wanted, such as `humidity`.
        by: Calibration of the units' hours, before days are made of them; `sensor_property` and `covariates` are then its.
        interval_s: 3600 or 86400. [s]
        coverage: Share of an hour, and of a day's hours, that must be measured, 0 to 1.
        day_offset_h: Offset of the clock whose days are meant, from UTC. [h]
        reference_shift_h: Hours to add to the reference's stamps. None has the clock checked: where whole hours improve
            correlation decisively, that is an error. 0 takes the stamps as they are. [h]

    Raises:
        SourceError: A side has no readings or no common interval, readings are further apart than hours, the reference is
            several sites, its clock is wrong, or the calibration is of another property or lacks a covariate.
    """
    if by is not None:
        sensor_property, covariates = by.sensor_property, by.covariates
    of_reference, of_sensors = known_property(observed_property), known_property(sensor_property or observed_property)
    kind = of_reference.hourly
    if kind not in HOURLY:
        raise SourceError(
            f"property '{observed_property}' is a {kind} of its interval; expected one that is a {', '.join(HOURLY)}; "
            "audit another property"
        )
    rule = 1.0 if kind == "sum" else coverage
    found = _hours(connection, reference, of_reference.name, kind, coverage, "reference")
    if len(found) > 1:
        raise SourceError(
            f"reference: found sites {', '.join(sorted(found))}; expected one; give a file with one reference, or map its site"
        )
    hours_r, values_r = next(iter(found.values()))
    units = _hours(connection, sensors, of_sensors.name, of_sensors.hourly, coverage, "sensors")
    others = {
        name: _hours(connection, sensors, known_property(name).name, "mean", coverage, "sensors", optional=True)
        for name in covariates
    }
    shift = clock_shift(hours_r, values_r, *_mean_of_units(units))
    if reference_shift_h is None and shift is not None and shift.is_decisive:
        raise SourceError(
            f"reference: its clock is {abs(shift.hours)} h {'behind' if shift.hours > 0 else 'ahead of'} the sensors' "
            f"(correlation {shift.correlation:.3f} when {shift.hours:+d} h are added to its stamps, "
            f"{shift.correlation_as_is:.3f} as they are); expected the same clock; correct the stamps or give "
            f"--reference-shift {shift.hours}"
        )
    if by is not None:
        units = _calibrated(by, units, others, of_reference.name)
        of_sensors, others = of_reference, {}
    moved = reference_shift_h or 0
    hours_r = hours_r + moved
    if interval_s == DAY_S:
        hours_r, values_r = _days(hours_r, values_r, kind, rule, day_offset_h)
        units = {name: _days(*one, kind, rule, day_offset_h) for name, one in units.items()}
        others = {
            key: {name: _days(*one, "mean", coverage, day_offset_h) for name, one in each.items()}
            for key, each in others.items()
        }
    names = tuple(sorted(units))
    either = np.unique(np.concatenate([hours for hours, _ in units.values()]))
    common = np.intersect1d(hours_r, either)
    if not len(common):
        raise SourceError(
            f"{observed_property}: sensors and reference have no {'hour' if interval_s == HOUR_S else 'day'} in common that "
            f"is {rule:.0%} measured; expected some; give files of the same time, or lower --coverage"
        )
    return Collocation(
        of_reference.name,
        of_sensors.name,
        of_reference.unit,
        interval_s,
        common * HOUR_S,
        _at(common, hours_r, values_r),
        names,
        np.array([_at(common, *units[name]) for name in names]),
        {key: np.array([_at(common, *each.get(name, _NONE)) for name in names]) for key, each in others.items()},
        int((common[-1] - common[0]) * HOUR_S // interval_s) + 1,
        tuple(int(((hours >= common[0]) & (hours <= common[-1])).sum()) for hours, _ in map(units.__getitem__, names)),
        shift,
        moved,
        len(hours_r) + len(either) - 2 * len(common),
    )


_NONE: tuple[Integers, Floats] = (np.empty(0, dtype=np.int64), np.empty(0))


def _calibrated(by: Calibration | Correction, units: Sides, others: Mapping[str, Sides], wanted: str) -> Sides:
    """Calibrated hours of each unit; an hour without a covariate is none."""
    if by.observed_property != wanted:
        raise SourceError(
            f"calibration: it gives '{by.observed_property}'; expected '{wanted}', as the reference; choose another"
        )
    missing = [name for name, each in others.items() if not each]
    if missing:
        raise SourceError(
            f"calibration: it needs '{missing[0]}', which no unit gives; expected it in the files; map its column"
        )
    found = {}
    for name, (hours, values) in units.items():
        given = {key: _at(hours, *each.get(name, _NONE)) for key, each in others.items()}
        values = by.apply(values, given)
        found[name] = hours[np.isfinite(values)], values[np.isfinite(values)]
    return found


def _hours(
    connection: Connection, table: str, name: str, kind: str, coverage: float, side: str, *, optional: bool = False
) -> Sides:
    """Hours and values of each site; an hour is there where readings stand for enough of it."""
    if kind not in HOURLY:
        kind = "mean"
    rows = connection.execute(
        f"""
        WITH given AS (
            SELECT site_id, interval_start_at AS began, value, coverage, nullif(interval_s, 0) AS said,
                   date_diff('second', lag(interval_start_at) OVER (PARTITION BY site_id ORDER BY interval_start_at),
                             interval_start_at) AS gap
            FROM {quoted(table)}
            WHERE observed_property = $name AND isfinite(value) AND interval_start_at IS NOT NULL
              AND NOT list_has_any(string_split(coalesce(flags, ''), ','), $unused)
              AND (NOT $added OR coalesce(coverage, 1) >= $coverage)
        ), spaced AS (SELECT site_id, coalesce(median(said), median(gap)) AS spacing FROM given GROUP BY site_id),
        shared AS (
            SELECT site_id, epoch(time_bucket(INTERVAL 1 HOUR, began))::BIGINT // {HOUR_S} AS hour, value, spacing,
                   CASE WHEN $added THEN 1 ELSE coalesce(coverage, 1) END * spacing / {HOUR_S} AS share
            FROM given JOIN spaced USING (site_id)
        )
        SELECT site_id, hour, {HOURLY[kind]} AS value, max(spacing) AS spacing FROM shared WHERE share > 0
        GROUP BY site_id, hour
        HAVING sum(share) >= CASE WHEN $added THEN 1 ELSE $coverage END - 1e-9
               OR max(spacing) > {HOUR_S}
        ORDER BY site_id, hour
        """,
        {"name": name, "coverage": coverage, "added": kind == "sum", "unused": list(UNUSED)},
    ).fetchnumpy()
    if not len(rows["hour"]):
        if optional:
            return {}
        raise SourceError(
            f"{side}: no hour of '{name}' is {coverage:.0%} measured; expected readings of it; correct the "
            "property or the mapping"
        )
    if float(np.max(rows["spacing"])) > HOUR_S:
        raise SourceError(
            f"{side}: readings of '{name}' are {np.max(rows['spacing']):g} s apart; expected {HOUR_S} s or less; "
            "give hourly readings"
        )
    sites = np.asarray(rows["site_id"], dtype=str)
    return {
        str(site): (
            np.asarray(rows["hour"][sites == site], dtype=np.int64),
            np.asarray(rows["value"][sites == site], dtype=np.float64),
        )
        for site in np.unique(sites)
    }


def _days(hours: Integers, values: Floats, kind: str, coverage: float, offset_h: int) -> tuple[Integers, Floats]:
    """Days from hours, as the hour since 1970 at which each begins."""
    days, place, number = np.unique((hours + offset_h) // 24, return_inverse=True, return_counts=True)
    whole = np.zeros(len(days))
    np.add.at(whole, place, 10 ** (values / 10) if kind == "energy" else values)
    found = whole if kind == "sum" else whole / number
    if kind == "energy":
        found = 10 * np.log10(found)
    enough = number >= 24 * coverage - 1e-9
    return days[enough] * 24 - offset_h, found[enough]


def _mean_of_units(units: Mapping[str, tuple[Integers, Floats]]) -> tuple[Integers, Floats]:
    hours, place = np.unique(np.concatenate([one for one, _ in units.values()]), return_inverse=True)
    values = np.concatenate([one for _, one in units.values()])
    return hours, np.bincount(place, values) / np.bincount(place)


def _at(wanted: Integers, hours: Integers, values: Floats) -> Floats:
    """Values at some hours, NaN where there are none."""
    found = np.full(len(wanted), np.nan)
    _, into, out = np.intersect1d(wanted, hours, return_indices=True)
    found[into] = values[out]
    return found
