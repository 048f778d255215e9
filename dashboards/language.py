"""The words of the interface in each language, and numbers and days as its readers write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

LANGUAGES = {"en": "English", "fr": "Français", "es": "Español"}
"""Language code -> its own name."""
FALLBACK = "en"
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
THIN = "\N{NARROW NO-BREAK SPACE}"
UNITS = {"ug/m3": "µg/m³", "mg/m3": "mg/m³", "percent": "%"}
"""Units as readers know them; others are written as they are kept."""
SEPARATORS = {"en": (",", "."), "fr": (THIN, ","), "es": (".", ",")}
"""Language -> what separates thousands and decimals."""


@dataclass(frozen=True)
class Words:
    """The interface in one language.

    Attributes:
        language: Its code.
        texts: Key -> text with `{placeholders}`.
    """

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of a key with its placeholders filled in."""
        return self.texts[key].format(**values)

    def get(self, key: str, default: str) -> str:
        """The text of a key, or the default where there is none."""
        return self.texts.get(key, default)

    def number(self, value: float, digits: int = 0, *, signed: bool = False) -> str:
        """A number with separators of thousands.

        Example:
            >>> words("en").number(1234.5, 1, signed=True)
            '+1,234.5'
        """
        if not math.isfinite(value):
            return "∞" if value > 0 else f"{MINUS}∞"
        thousands, decimal = SEPARATORS[self.language]
        text = f"{abs(value):,.{digits}f}".translate({ord(","): thousands, ord("."): decimal})
        is_zero = not any(c in "123456789" for c in text)
        return f"{'' if is_zero else MINUS if value < 0 else '+' if signed else ''}{text}"

    def percent(self, share: float, digits: int = 0, *, signed: bool = False) -> str:
        """A share as a percentage.

        Example:
            >>> words("en").percent(0.0801, signed=True)
            '+8%'
        """
        return f"{self.number(100 * share, digits, signed=signed)}{'' if self.language == 'en' else SPACE}%"

    def day(self, value: date) -> str:
        """A day in words."""
        return self("day", day=value.day, month=self(f"month_{value.month}"), year=value.year)

    def month(self, value: date) -> str:
        """A month, short."""
        return f"{self(f'month_{value.month}_short')}{SPACE}{value.year}"

    def span(self, low: str, high: str) -> str:
        """An interval in words."""
        return self("interval", low=low, high=high)

    def tight(self, low: str, high: str) -> str:
        """An interval in words that no line break divides."""
        return self.span(low, high).replace(" ", SPACE)

    def join(self, items: list[str]) -> str:
        """Items as a list within a sentence."""
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {self('and')} {items[-1]}" if items else ""


@cache
def words(language: str) -> Words:
    """The interface in a language; English where there is no such language."""
    code = language if language in LANGUAGES else FALLBACK
    text = (Path(__file__).with_name("locales") / f"{code}.yaml").read_text(encoding="utf-8")
    return Words(code, yaml.safe_load(text))


def choose(given: Mapping[str, Any], language: str) -> tuple[Any, str]:
    """What is said in a language, and the language in which it is: that one, else English, else the first there is."""
    code = next((code for code in (language, FALLBACK) if code in given), None) or next(iter(given))
    return given[code], code


def observed(document: Mapping[str, Any], say: Words) -> tuple[str, str, str] | None:
    """What the sensors of a run observe, in words, its unit, and the key of what a day is; None where people are counted."""
    found = document.get("observed")
    if not found:
        return None
    name, unit = found["observed_property"], found["unit"]
    return say.get(f"property_{name}", name), UNITS.get(unit, unit), f"fact_{found['day']}_day"


def answer(document: Mapping[str, Any], say: Words) -> tuple[str, str]:
    """The plain-language answer of a run and the language in which it is.

    English is the run's own sentence. Other languages are put together from the same figures, where the sentence has a
    known form; otherwise the run's own sentence is given.
    """
    own = (str(document["answer"]), FALLBACK)
    effect, verdict = document["effect"], document["verdict"]
    if say.language == FALLBACK or effect is None or f"answer_{verdict}" not in say.texts:
        return own
    level = say.percent(effect["level"])
    if effect["relative"] is not None and effect["is_conclusive"]:
        low, high = (say.percent(effect[f"relative_{end}"], signed=True) for end in ("lower", "upper"))
        found = say("answer_relative", found=say.percent(effect["relative"], signed=True), low=low, high=high, level=level)
        rendered = any(source["name"].startswith("network:") for source in document.get("sources", ()))
        note = f" {say('answer_rendered_sensors')}" if rendered else ""
        return f"{say(f'answer_{verdict}')} {found}{note}", say.language
    if effect["relative"] is None and document["uptime"] is not None:
        low, high = (say.number(effect[end], 1) for end in ("lower", "upper"))
        audits = document.get("audits", [])
        is_audited = bool(audits) and all(one["status"] == "audited" for one in audits)
        key = "answer_flow_audited" if is_audited else "answer_flow"
        flow = say(key, found=say.number(effect["estimate"], 1), low=low, high=high, level=level)
        uptime = say("answer_uptime", uptime=say.percent(document["uptime"], 1))
        return f"{say(f'answer_{verdict}')} {uptime} {flow}", say.language
    return own


def rule(given: Mapping[str, Any], own: str, say: Words) -> tuple[str, str]:
    """The rule that decides, in words, and the language in which it is.

    Args:
        given: `succeeds_if` of the locked plan.
        own: The rule as the run worded it.
        say: The interface.
    """
    for name, value in given.items():
        if value is not None and f"rule_{name}" in say.texts:
            return say(f"rule_{name}", bound=say.percent(float(value), signed=name != "uptime_above")), say.language
    return own, FALLBACK
