"""One difference between two versions of a contract, as those who send and those who use the data meet it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from open_data_contract_standard.model import Relationship

Side = Literal["consumer", "producer"]


@dataclass(frozen=True, order=True)
class Change:
    """One difference between two versions, seen from one side.

    Attributes:
        where: `column '<name>'`, `rule '<name>'` or the key that changed.
        what: What changed, old and new value quoted.
        side: Who meets it: the `producer` sends data under the contract, the `consumer` uses them.
        breaks: Whether what worked under the old version can fail under the new one.
    """

    where: str
    what: str
    side: Side
    breaks: bool

    def __str__(self) -> str:
        """The change as one line."""
        return f"{self.side}: {self.where}: {self.what}; {'breaks' if self.breaks else 'does not break'}"


def both(where: str, what: str, *, producer: bool, consumer: bool) -> Iterator[Change]:
    """The change as each side meets it."""
    yield Change(where, what, "consumer", consumer)
    yield Change(where, what, "producer", producer)


def listed(where: str, old: Sequence[Any], new: Sequence[Any], *, gone: str, come: str, allows: bool) -> Iterator[Change]:
    """What left a list and what came to it: a list that allows breaks producers when it shrinks, one that asks, consumers."""
    for items, others, words, shrinks in ((old, new, gone, True), (new, old, come, False)):
        for item in items:
            if item not in others:
                yield from both(where, words.format(item), producer=shrinks == allows, consumer=shrinks != allows)


def links(where: str, old: tuple[Relationship, ...], new: tuple[Relationship, ...]) -> Iterator[Change]:
    """Relationships that came and went."""
    then, now = ([f"{link.from_ or ''} to {link.to}".strip() for link in links] for links in (old, new))
    yield from listed(where, then, now, gone="relationship {} removed", come="relationship {} added", allows=False)


def said(value: Any) -> str:
    """A value as a change words it."""
    return "not stated" if value in (None, {}) else str(value)
