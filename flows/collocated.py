"""Files of sensors and of a reference beside them -> pairs; and calibrations by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory, shut_in
from analytics.sensing.calibration.channels import join_channels
from analytics.sensing.calibration.collocation import COVERAGE, HOUR_S, Collocation, collocate
from analytics.sensing.calibration.corrections import CORRECTIONS, Correction
from analytics.sensing.calibration.fits import Calibration, calibration_of
from analytics.sensing.formats import READERS
from analytics.sensing.formats.recognise import recognise
from analytics.sensing.judge import judge_readings
from analytics.sensing.readings import SourceError, site_id_of
from analytics.sensing.units import known_property, property_of
from data_contracts.contract import load_contract
from data_contracts.gate import check
from experiments.settings import Settings
from flows.digests import file_digest
from flows.sense import HOURLY_COUNTERS, load_mapping, reader_params_of

SIDES = ("sensors", "reference")
NAMED = re.compile(r"([a-z][a-z0-9_]{0,99})(?:@([1-9][0-9]{0,8}))?")
"""`NAME` or `NAME@VERSION`."""


@dataclass(frozen=True)
class Sides:
    """Files of both sides and how they are read.

    Attributes:
        sensors: Files of the units; one file may hold several.
        reference: File of the reference.
        mapping: YAML file with `sensors:` and `reference:`, each the parameters of its reader and, where it is not told by
            content, `reader:`. A side whose devices hold two sensors names the columns of both: `channels: [A, B]`.
        timezone: IANA name of the clock of times without an offset.
        coverage: See `collocate`.
        day_offset_h: See `collocate`. [h]
        reference_shift_h: See `collocate`. [h]
    """

    sensors: tuple[str, ...]
    reference: str
    mapping: str | None = None
    timezone: str | None = None
    coverage: float = COVERAGE
    day_offset_h: int = 0
    reference_shift_h: int | None = None


@dataclass
class Read:
    """What was read of each file: SHA-256, rows, how many the contract refused, which rules it broke, how channels agreed."""

    digests: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    channels: dict[str, dict[str, int]] = field(default_factory=dict)


def pair_files(
    sides: Sides,
    observed: str,
    *,
    sensor_property: str | None = None,
    covariates: Sequence[str] = (),
    by: Calibration | Correction | None = None,
    interval_s: int = HOUR_S,
) -> tuple[Collocation, Read]:
    """Read both sides under contract `sensor_readings` and pair them.

    Raises:
        SourceError: A file cannot be read, its mapping is wrong, or the sides cannot be paired.
    """
    if not 0 < sides.coverage <= 1:
        raise SourceError(f"--coverage: found '{sides.coverage:g}'; expected above 0 and up to 1; correct it")
    name = known_property(observed).name
    given = by.sensor_property if by is not None else known_property(sensor_property or observed).name
    covariates = by.covariates if by is not None else covariates
    maps = _sides_of(sides.mapping)
    found = Read()
    with memory() as connection:
        _read(connection, sides.sensors, maps["sensors"], sides.timezone, {given, *covariates}, "sensors", found)
        _read(connection, (sides.reference,), maps["reference"], sides.timezone, {name}, "reference", found)
        pairs = collocate(
            connection,
            "sensors",
            "reference",
            observed_property=name,
            sensor_property=given,
            covariates=covariates,
            by=by,
            interval_s=interval_s,
            coverage=sides.coverage,
            day_offset_h=sides.day_offset_h,
            reference_shift_h=sides.reference_shift_h,
        )
    return pairs, found


def _sides_of(path: str | None) -> dict[str, dict[str, Any]]:
    """The parameters of each side's reader."""
    document = load_mapping(path)
    wrong = [key for key in document if key not in SIDES]
    if wrong or not all(isinstance(value, dict) for value in document.values()):
        what = f"'{wrong[0]}' is unknown" if wrong else "a side holds no parameters"
        raise SourceError(f"{path}: {what}; expected {' and '.join(SIDES)}, each with its reader's parameters; correct it")
    return {side: dict(document.get(side, {})) for side in SIDES}


def _read(
    connection: Connection,
    files: Sequence[str],
    given: Mapping[str, Any],
    timezone: str | None,
    wanted: set[str],
    side: str,
    found: Read,
) -> None:
    """Readings of the wanted properties of some files, judged, converted and told from repeated ones, as table `side`."""
    for number, file in enumerate(files):
        if not Path(file).is_file():
            raise SourceError(f"{file}: the file was not found; expected a file of readings; correct the path")
        params = dict(given)
        reader = str(params.pop("reader", None) or ("tabular" if "columns" in params else recognise(file)))
        if reader not in READERS or reader == HOURLY_COUNTERS:
            valid = ", ".join(one for one in READERS if one != HOURLY_COUNTERS)
            raise SourceError(
                f"{file}: reader '{reader}' gives no readings to pair; expected one of {valid}; name it in --mapping"
            )
        columns = params.get("columns")
        if isinstance(columns, dict) and "site" not in columns:
            params["columns"] = {**columns, "site": {"fixed": site_id_of(Path(file).stem)}}
        key = f"{side}: {Path(file).name}"
        found.digests[key] = file_digest(Path(file))
        channels = _channels_of(params.pop("channels", None), params.get("columns"), wanted)
        with memory() as joined:
            for name, values in channels.items():
                only = params if values is None else {**params, "columns": {**params["columns"], "values": values}}
                rows = _judged(file, reader, reader_params_of(reader, only, timezone), wanted, key, found)
                joined.register("one_channel", rows)
                joined.execute(f"CREATE TEMP TABLE {name} AS FROM one_channel")
                joined.unregister("one_channel")
            if len(channels) > 1:
                found.channels[key] = asdict(
                    join_channels(joined, "channel_a", "channel_b", observed_property="pm25", table="judged")
                )
            rows = joined.execute("FROM judged").to_arrow_table()
        connection.register("one_file", rows)
        into = f"INSERT INTO {side} BY NAME" if number else f"CREATE TEMP TABLE {side} AS"
        connection.execute(f"{into} SELECT * FROM one_file")
        connection.unregister("one_file")


def _channels_of(named: Any, columns: Any, wanted: set[str]) -> dict[str, dict[str, Any] | None]:
    """Table -> columns of values to read into it: one table of all, or one for each channel.

    Raises:
        SourceError: The channels are not two columns of PM2.5.
    """
    if named is None or "pm25" not in wanted:
        return {"judged": None}
    values = columns.get("values") if isinstance(columns, dict) else None
    two = []
    if isinstance(values, dict) and isinstance(named, list) and len(named) == len(set(map(str, named))) == 2:
        two = [one for name in map(str, named) if isinstance(one := values.get(name), dict)]
    if len(two) != 2 or two[0] != two[1] or property_of(str(two[0].get("property"))) != "pm25":
        raise SourceError(
            f"channels {named!r}: found no two columns of PM2.5; expected the names of two columns among `values`, both of "
            "property pm25 in the same unit; correct --mapping"
        )
    assert isinstance(values, dict)
    return {
        "channel_a": {name: one for name, one in values.items() if name != named[1]},
        "channel_b": {named[1]: values[named[1]]},
    }


def _judged(file: str, reader: str, params: dict[str, Any], wanted: set[str], key: str, found: Read) -> Any:
    """Judged readings of the wanted properties of one file, as an Arrow table; adds to what was found of it."""
    with memory() as alone:
        READERS[reader](alone, file, table="read", **params)
        names = [str(row[0]) for row in alone.execute("SELECT DISTINCT observed_property FROM read").fetchall()]
        kept = [one for one in names if property_of(one) in wanted]
        alone.execute("CREATE TEMP TABLE asked AS SELECT * FROM read WHERE observed_property IN (SELECT unnest(?))", [kept])
        shut_in(alone)
        report = check(
            alone, "asked", load_contract("sensor_readings"), accepted="received", quarantined="refused", copied=False
        )
        try:
            judge_readings(alone, "received", table="judged", timezone="UTC")
        except SourceError as error:
            raise SourceError(f"{file}: {error}") from None
        rows = alone.execute("FROM judged").to_arrow_table()
    found.rows[key] = found.rows.get(key, 0) + report.rows
    found.refused[key] = found.refused.get(key, 0) + report.quarantined
    found.reasons[key] = found.reasons.get(key, []) + [
        f"{rule.rule}: {rule.reason}" for rule in report.rules if rule.failed_rows or rule.status == "failed"
    ]
    return rows


def named_calibration(name: str, settings: Settings) -> tuple[str, Calibration | Correction]:
    """A published correction, or a calibration of the registry, by `NAME` (the newest) or `NAME@VERSION`.

    Returns:
        Its full name with the version, and the calibration.

    Raises:
        SourceError: There is none.
    """
    if name in CORRECTIONS:
        return name, CORRECTIONS[name]
    matched = NAMED.fullmatch(name)
    if matched is None:
        raise SourceError(
            f"calibration '{name}' is no name; expected {', '.join(CORRECTIONS)} or NAME@VERSION of a-z, 0-9 and _; correct it"
        )
    import json

    from experiments.tracking import registered

    found = registered(settings.mlflow_uri, matched[1], int(matched[2]) if matched[2] else None)
    if isinstance(found, list):
        raise SourceError(
            f"calibration '{name}' is unknown; expected one of {', '.join((*CORRECTIONS, *found))}; "
            "fit it with 'testbed calibrate'"
        )
    version, document = found
    return f"{matched[1]}@{version}", calibration_of(json.loads(document))


def with_calibration(params: Mapping[str, Any], settings: Settings, where: str) -> dict[str, Any]:
    """A feed's parameters with the document of a calibration in place of its `NAME@VERSION`.

    Raises:
        SourceError: There is none, or the version is not said: the newest of today is not that of tomorrow.
    """
    name = params.get("calibration")
    if not isinstance(name, str) or name in CORRECTIONS:
        return dict(params)
    if "@" not in name:
        raise SourceError(f"{where}: calibration '{name}' has no version; expected NAME@VERSION, such as {name}@1; add it")
    _, found = named_calibration(name, settings)
    assert isinstance(found, Calibration)
    return {**params, "calibration": found.model_dump(mode="json")}
