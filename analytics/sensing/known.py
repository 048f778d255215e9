"""Which readings as received can be kept: those of a known observed property in a unit that it can have."""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.readings import SourceError, quoted
from analytics.sensing.units import conversion, known_property

UNKNOWN_PROPERTY, UNKNOWN_UNIT = "unknown_property", "unknown_unit"
"""Flags of readings that the contract `sensor_readings` refuses."""


def flag_unknown(connection: Connection, table: str, where: str) -> None:
    """Flag the readings of a table whose observed property is not known, or whose unit is missing or none of it.

    Args:
        connection: Holds the table.
        table: Readings as received, with the columns of `readings.COLUMNS`; what is no reading has no property and no flag.
        where: What a message calls the table, such as the path of its file.

    Raises:
        SourceError: Nothing in it can be kept; the message lists what is known.
    """
    pairs = connection.execute(
        f"SELECT observed_property, unit FROM {quoted(table)} WHERE observed_property IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    unknown: dict[str, list[tuple[str, str | None]]] = {UNKNOWN_UNIT: [], UNKNOWN_PROPERTY: []}
    for name, unit in pairs:
        flag = flag_of(name, unit)
        if flag:
            unknown[flag].append((name, unit))
    found = [(*one, flag) for flag, ones in unknown.items() for one in ones]
    if found and len(found) == len(pairs):
        name, unit, _ = found[0]
        try:
            conversion(known_property(name).name, unit)
        except SourceError as error:
            raise SourceError(f"{where}: {error}") from None
    if found:
        names, units, words = zip(*found, strict=True)
        flags = {"names": list(names), "units": list(units), "flags": list(words)}
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE readings_unknown AS "
            "SELECT unnest($names) AS name, unnest($units::VARCHAR[]) AS unit, unnest($flags) AS flag",
            flags,
        )
        connection.execute(
            f"UPDATE {quoted(table)} r SET flags = concat_ws(',', nullif(r.flags, ''), u.flag) FROM readings_unknown u "
            "WHERE r.observed_property = u.name AND r.unit IS NOT DISTINCT FROM u.unit"
        )
        connection.execute("DROP TABLE readings_unknown")


def flag_of(observed_property: str | None, unit: str | None) -> str | None:
    """The flag of a reading, `unknown_property` or `unknown_unit`; None where it can be kept, or has no property.

    Example:
        >>> flag_of("pm25", "ug/m3"), flag_of("pm25", "furlong"), flag_of("smell", "ug/m3")
        (None, 'unknown_unit', 'unknown_property')
    """
    if observed_property is None:
        return None
    try:
        name = known_property(observed_property).name
    except SourceError:
        return UNKNOWN_PROPERTY
    try:
        conversion(name, unit)
    except SourceError:
        return UNKNOWN_UNIT
    return None


def reflagged(flags: str | None, observed_property: str | None, unit: str | None) -> str | None:
    """The flags of a repaired reading: as they were, with what is still unknown.

    Example:
        >>> reflagged("late,unknown_unit", "pm25", "ug/m3")
        'late'
    """
    others = [one for one in (flags or "").split(",") if one and one not in (UNKNOWN_PROPERTY, UNKNOWN_UNIT)]
    flag = flag_of(observed_property, unit)
    return ",".join([*others, *([flag] if flag else [])]) or None
