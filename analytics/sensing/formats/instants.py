"""SQL of the instants that a table's stamps name, whatever clock they were written by."""

from __future__ import annotations

from typing import NamedTuple

from analytics.sensing.formats.mapping import Stamps

DOUBLED, NONEXISTENT = "doubled_hour", "nonexistent_hour"
OFFSET = r"\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$"
EPOCHS = {"epoch_s": 1_000_000.0, "epoch_ms": 1_000.0, "epoch_us": 1.0}
"""Microseconds in one of the units that instants may be counted in since 1970."""
SENSIBLE = "BETWEEN '1900-01-01' AND '2200-01-01'"
"""Instants beyond are left as they are written: sums with them would leave what DuckDB can hold."""
WRITTEN = "strftime(timezone('UTC', {}), '%Y-%m-%dT%H:%M:%S.%fZ')"


class Instants(NamedTuple):
    """SQL over columns `stamp` (text) and, where `length` names it, the interval's length.

    Attributes:
        steps: Selections, each over the one before, that `at` and `flags` are written over; `{}` stands for that relation.
        at: The start of the interval, TIMESTAMPTZ; NULL where it is none.
        flags: Flags of the hours that a clock repeats or leaves out.
        is_as_written: Whether `at` is what the stamp says, so that the stamp itself can stand for it.
    """

    steps: tuple[str, ...]
    at: str
    flags: str
    is_as_written: bool


def instants(stamps: Stamps, timezone: str | None, kind: str) -> Instants:
    """SQL of the start of each interval.

    Args:
        stamps: How instants are written.
        timezone: IANA name of the clock of stamps without an offset; None where there is none.
        kind: DuckDB type of the stamp before it became text.
    """
    shape = stamps.time_format
    naive = "TRY_CAST({} AS TIMESTAMP)" if shape is None else f"TRY_CAST(try_strptime({{}}, {literal(shape)}) AS TIMESTAMP)"
    has_offset = "(suffix(stamp, 'Z') OR (length(stamp) > 16 AND substr(stamp, -6, 1) IN ('+', '-')))"
    if kind == "TIMESTAMP WITH TIME ZONE" or (shape is None and stamps.offset is None):
        zoned = f"CASE WHEN {has_offset if kind == 'VARCHAR' else 'true'} THEN TRY_CAST(stamp AS TIMESTAMPTZ) END"
    else:
        zoned = "NULL::TIMESTAMPTZ"
    if kind.startswith("TIMESTAMP") and kind != "TIMESTAMP WITH TIME ZONE":
        zoned = "NULL::TIMESTAMPTZ"
    flags, steps = "NULL::VARCHAR", []
    if shape in EPOCHS:
        count = f"TRY_CAST(stamp AS DOUBLE) * {EPOCHS[shape]}"
        at = f"CASE WHEN abs({count}) < 8e15 THEN make_timestamptz(CAST({count} AS BIGINT)) END"
    elif stamps.offset is not None:
        bare = f"regexp_replace(stamp, {literal(OFFSET)}, '')"
        steps.append(f"SELECT *, {naive.format(bare)} AS wall FROM {{}}")
        sign, hours, minutes = stamps.offset[0], stamps.offset[1:3], stamps.offset[4:6]
        seconds = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "+" else 1)
        at = f"CASE WHEN wall {SENSIBLE} THEN timezone('UTC', wall + to_seconds({seconds})) END"
    elif timezone is not None:
        zone = literal(timezone)
        steps.append(f"SELECT *, {zoned} AS zoned, CASE WHEN zoned IS NULL THEN {naive.format('stamp')} END AS wall FROM {{}}")
        steps.append(f"SELECT *, CASE WHEN wall {SENSIBLE} THEN timezone({zone}, wall) END AS based FROM {{}}")
        hour = "INTERVAL 1 HOUR"
        steps.append(
            f"SELECT *, timezone({zone}, based) <> wall AS is_skipped, timezone({zone}, based - {hour}) = wall AS is_second, "
            f"timezone({zone}, based + {hour}) = wall AS is_first FROM {{}}"
        )
        first = f"CASE WHEN is_skipped THEN NULL WHEN is_second THEN based - {hour} ELSE based END"
        at = f"coalesce(zoned, {first})"
        flags = f"CASE WHEN is_skipped THEN '{NONEXISTENT}' WHEN is_first OR is_second THEN '{DOUBLED}' END"
    else:
        at = zoned
    if stamps.stamp == "end":
        at = f"CASE WHEN ({at}) {SENSIBLE} THEN ({at}) - to_microseconds(CAST(length * 1000000 AS BIGINT)) END"
    plain = at == zoned and kind == "VARCHAR"
    return Instants(tuple(steps), at, flags, plain)


def literal(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
