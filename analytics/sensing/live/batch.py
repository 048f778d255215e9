"""From messages to a batch: readings as received in columns, and what was refused with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from analytics.sensing.live.payloads import MAX_READINGS, Document, Plain, Refused, SensorThings, require_offset, text_of
from analytics.sensing.live.spool import Message
from analytics.sensing.readings import COLUMNS, SourceError, site_id_of
from analytics.sensing.units import conversion, known_property

MAX_PAYLOAD = 256 << 10
"""A larger payload is refused. [bytes]"""
SHOWN_BYTES = 200
"""Bytes of a refused payload that are kept."""
_REMEMBERED = 100_000
_MAX_WRONG_UNITS = 1000


@dataclass
class Batch:
    """Readings of some messages, and what was refused.

    Attributes:
        rows: Columns of `readings.COLUMNS`, in order; `source_row` is message number * 1000 + place in the message.
        received_at: When each came. [s since 1970, UTC]
        refused: source row, rule, reason and a JSON text of what came.
    """

    rows: tuple[list[Any], ...] = field(default_factory=lambda: tuple([] for _ in COLUMNS))
    received_at: list[float] = field(default_factory=list)
    refused: list[tuple[int, str, str, str]] = field(default_factory=list)

    def table(self) -> pa.Table:
        """The readings, with `received_at` beside them."""
        arrays = [pa.array(column, type=kind) for column, kind in zip(self.rows, COLUMNS.values(), strict=True)]
        return pa.Table.from_arrays(arrays, names=list(COLUMNS))

    def refuse(self, message: Message, place: int, refusal: Refused) -> None:
        """Keep what was refused, with its reason."""
        shown = message.payload[:SHOWN_BYTES].decode("utf-8", "backslashreplace").replace("\0", "\\0")
        row = json.dumps({"topic": message.topic[:1000], "payload": shown, "bytes": message.size})
        self.refused.append((message.number * MAX_READINGS + place, refusal.rule, str(refusal), row))


class Parser:
    """Makes batches of messages, as a mapping says.

    Args:
        mapping: What the messages mean.
    """

    def __init__(self, mapping: SensorThings | Plain) -> None:
        self._mapping = mapping
        self._document = Document.strict()
        self._topics: dict[str, dict[str, Any]] = {}
        self._sites: dict[str, str] = {}
        self._judged: dict[tuple[str | None, str | None], str | None] = {}

    def batch(self, messages: Sequence[Message]) -> Batch:
        """The readings of some messages."""
        found = Batch()
        for message in messages:
            place = 0
            try:
                if message.size > len(message.payload):
                    raise Refused("message.size", f"the message has {message.size} bytes; expected {MAX_PAYLOAD} at most")
                given = self._given(message.topic)
                for place, record in enumerate(self._mapping.records(self._document.read(message.payload))):
                    if place == MAX_READINGS:
                        place = MAX_READINGS - 1
                        raise Refused("message.readings", f"more than {MAX_READINGS} readings in a message")
                    try:
                        self._add(found, message, place, given | record)
                    except Refused as refusal:
                        found.refuse(message, place, refusal)
            except Refused as refusal:
                found.refuse(message, place, refusal)
        return found

    def _given(self, topic: str) -> dict[str, Any]:
        known = self._topics.get(topic)
        if known is None:
            known = self._mapping.topic_columns(topic)
            if len(self._topics) < _REMEMBERED:
                self._topics[topic] = known
        return known

    def _add(self, batch: Batch, message: Message, place: int, columns: dict[str, Any]) -> None:
        start_at, unit, observed = (text_of(columns[name]) for name in ("interval_start_at", "unit", "observed_property"))
        site_id, value = text_of(columns["site_id"]), text_of(columns["value"])
        require_offset(start_at)
        self._require_known(observed, unit)
        try:
            interval_s = float(columns.get("interval_s") or 0)
        except (TypeError, ValueError):
            raise Refused(
                "interval_s.number", f"interval_s is '{str(columns['interval_s'])[:40]}'; expected a number"
            ) from None
        number = message.number * MAX_READINGS + place
        row = (number, site_id and self._site_of(site_id), observed, start_at, interval_s, value, unit, None, None)
        for column, one in zip(batch.rows, row, strict=True):
            column.append(one)
        batch.received_at.append(message.received_at)

    def _site_of(self, name: str) -> str:
        known = self._sites.get(name)
        if known is None:
            known = site_id_of(name)
            if len(self._sites) < _REMEMBERED:
                self._sites[name] = known
        return known

    def _require_known(self, observed: str | None, unit: str | None) -> None:
        """Refuse a property or unit that readings could not be kept in; each pair is looked up once."""
        pair = (observed, unit)
        if pair not in self._judged:
            if len(self._judged) >= _MAX_WRONG_UNITS:
                raise Refused("unit.known", f"more than {_MAX_WRONG_UNITS} pairs of property and unit; expected few in a feed")
            try:
                conversion(known_property(observed or "").name, unit)
                self._judged[pair] = None
            except SourceError as error:
                self._judged[pair] = str(error)
        wrong = self._judged[pair]
        if wrong is not None:
            raise Refused("unit.known", wrong)
