"""The decision, by the rule that was written down before the data were seen, in words a citizen understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from experiments.impact import Effect
from experiments.pilot import Rule

NOT_AUDITED = "The counts have not been audited against a count by hand."
Word = Literal["succeeded", "not succeeded", "inconclusive", "not measured"]


@dataclass(frozen=True)
class Verdict:
    """What the rule says of the effect.

    Attributes:
        word: `succeeded`, `not succeeded`, `inconclusive` or `not measured`.
        rule: The rule in words.
        answer: The plain-language answer with its uncertainty.
    """

    word: Word
    rule: str
    answer: str


def decide(rule: Rule, effect: Effect | None, *, uptime: float | None = None, missing: str = "", audited: str = "") -> Verdict:
    """Apply a pilot's rule.

    A rule about the effect is met when the whole interval lies on the good side of the bound, not met when the whole
    interval lies on the bad side, and open otherwise. An effect whose method decides nothing is open, whatever it says.

    Args:
        rule: The rule of the locked plan.
        effect: What the pilot's method found; None when nothing could be measured.
        uptime: Share of the observed time in which the source delivered, 0 to 1.
        missing: Why there is no effect, as a sentence.
        audited: What an audit says of the counts, as a sentence.
    """
    if rule.uptime_above is not None:
        return _by_uptime(rule.uptime_above, uptime, effect, audited)
    wants_more = rule.relative_effect_above is not None
    bound = rule.relative_effect_above if rule.relative_effect_above is not None else rule.relative_effect_below
    assert bound is not None
    words = f"the change against what would have been expected is {'above' if wants_more else 'below'} {bound:+.0%}"
    if effect is None or effect.relative is None or effect.relative_lower is None or effect.relative_upper is None:
        return Verdict("not measured", words, missing or "Too little was measured to say anything.")
    low, high = effect.relative_lower, effect.relative_upper
    sentence = (
        f"We found {effect.relative:+.0%} against what would have been expected; the data fit anything from {low:+.0%} "
        f"to {high:+.0%} ({effect.level:.0%} interval)."
    )
    if not effect.is_conclusive:
        return Verdict("inconclusive", words, f"We cannot tell. {sentence} {effect.notes[-1]}")
    good, bad = (low > bound, high <= bound) if wants_more else (high < bound, low >= bound)
    if good:
        return Verdict("succeeded", words, f"Yes. {sentence}")
    if bad:
        return Verdict("not succeeded", words, f"No. {sentence}")
    ruled_out = f"A fall of more than {-low:.0%} and a rise of more than {high:.0%} are ruled out at that level."
    return Verdict("inconclusive", words, f"We cannot tell. {sentence} {ruled_out if low < 0 < high else ''}".strip())


def _by_uptime(bound: float, uptime: float | None, effect: Effect | None, audited: str) -> Verdict:
    words = f"the camera's picture could be counted for more than {bound:.0%} of the time"
    if uptime is None:
        return Verdict("not measured", words, "The camera delivered nothing that could be counted.")
    flow = ""
    if effect is not None:
        flow = (
            f" People crossed the lines {effect.estimate:.1f} times a minute ({effect.lower:.1f} to {effect.upper:.1f}, "
            f"{effect.level:.0%} interval). {audited or NOT_AUDITED}"
        )
    met = uptime > bound
    return Verdict(
        "succeeded" if met else "not succeeded",
        words,
        f"{'Yes' if met else 'No'}. The camera's picture could be counted for {uptime:.1%} of the time.{flow}",
    )
