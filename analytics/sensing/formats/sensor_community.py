"""sensor.community (luftdaten.info): answers of its API, what a sensor pushes, and the CSV files of its archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from analytics.lake import Connection
from analytics.sensing.formats.documents import Observation, at_path, documents_of, is_json, read_documents, written
from analytics.sensing.formats.mapping import Cells, Column, Columns, Fixed, Stamps
from analytics.sensing.formats.rows import header_of
from analytics.sensing.formats.tabular import tabular
from analytics.sensing.formats.texts import require_file
from analytics.sensing.readings import SourceError
from analytics.sensing.units import property_of

EXPECTED = "sensor.community JSON with 'sensordatavalues', or a CSV file of its archive"
UNITS = {
    "P0": "ug/m3", "P1": "ug/m3", "P2": "ug/m3", "temperature": "degC", "humidity": "percent", "pressure": "Pa",
    "pressure_at_sealevel": "Pa", "noise_LAeq": "dBA", "noise_LA_max": "dBA", "noise_LA_min": "dBA",
    "noise_LA01": "dBA", "noise_LA95": "dBA",
}  # fmt: skip
"""Units, which the network fixes and does not send."""
ABOUT_THE_SENSOR = {
    "samples", "min_micro", "max_micro", "interval", "signal", "lat", "lon", "height", "date", "time", "timestamp",
    "durP1", "ratioP1", "durP2", "ratioP2", "altitude",
}  # fmt: skip
"""What sensors send about themselves: no readings."""
ARCHIVE = {"sensor_id", "sensor_type", "location", "timestamp"}


def looks_like_sensor_community(document: Any) -> bool:
    """Whether a document is sensor.community's."""
    first = document[0] if isinstance(document, list) and document else document
    return isinstance(at_path(first, "sensordatavalues"), list)


def sensor_community_observations(document: Any) -> Iterator[Observation]:
    """The measurements of a document."""
    for one in document if isinstance(document, list) else [document]:
        found = at_path(one, "sensordatavalues")
        if not isinstance(found, list):
            continue
        values = []
        for value in found:
            name = _bare(written(at_path(value, "value_type")) or "")
            if name not in ABOUT_THE_SENSOR:
                values.append((name, at_path(value, "value"), UNITS.get(name)))
        stamp = written(one.get("timestamp"))
        at = f"{stamp.replace(' ', 'T')}Z" if stamp and len(stamp) == len("2026-03-01 10:00:00") else stamp
        place = at_path(one, "location", "id") or at_path(one, "sensor", "id") or at_path(one, "esp8266id")
        yield Observation(written(place), at, values)


def sensor_community(
    connection: Connection, source: str, *, table: str, site: str | None = None, properties: Sequence[str] | None = None
) -> None:
    """Read sensor.community's measurements as received; its stamps are UTC.

    A site is a location, in which sensors of several kinds hang side by side. What a sensor pushes bears no time: a row
    without an instant, which the contract refuses.

    Args:
        connection: Where the table is made.
        source: Path of the JSON or CSV file.
        table: Name of the table to create; see `analytics.sensing.readings.COLUMNS`.
        site: The sensor's place where the file names none; the file's name where None.
        properties: Observed properties to read; all where None.

    Raises:
        SourceError: The file is missing, or neither.

    Source:
        github.com/opendata-stuttgart/meta, "APIs"; archive.sensor.community.
    """
    path = require_file(source, EXPECTED)
    if is_json(path):
        found = documents_of(source, EXPECTED)
        given = (connection, source, found, sensor_community_observations)
        read_documents(*given, table=table, expected=EXPECTED, site=site, properties=properties)
        return
    names = header_of(path, Cells(), whole=False).names
    wanted = None if properties is None else {property_of(name) or name for name in properties}
    values = {
        name: Column(property=name, unit=UNITS[name])
        for name in names
        if name in UNITS and (wanted is None or property_of(name) in wanted)
    }
    if not set(names) >= ARCHIVE or not values:
        found_names = ", ".join(names[:8])
        raise SourceError(f"{source}: the columns are {found_names}; expected {EXPECTED}; choose another format")
    columns = Columns(site="location" if site is None else Fixed(fixed=site), time="timestamp", values=values)
    tabular(connection, source, table=table, columns=columns, stamps=Stamps(offset="+00:00"))


def _bare(name: str) -> str:
    """A value's name without the sensor before it, as firmware pushes it: `SDS_P1` is `P1`."""
    _, _, rest = name.partition("_")
    return rest if rest in UNITS and name not in UNITS else name
