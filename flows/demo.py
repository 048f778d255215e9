"""Every built-in pilot and one vendor evaluation, end to end, offline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from experiments.pilot import load_pilot, pilots
from experiments.settings import Settings
from flows.evaluate_submission import evaluate_example
from flows.judge import summary
from flows.run_pilot import run_pilot


def run_demo(settings: Settings, *, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Run all there is, in order of name.

    Args:
        settings: Where everything is kept.
        progress: Called with a line for every step.

    Returns:
        `pilots` (one row each), `leaderboard` and `credits`.
    """
    rows, credits = [], []
    for name, path in pilots(settings.pilots).items():
        document = run_pilot(name, settings, progress=progress)
        rows.append(
            {
                "pilot": name,
                "rows": document["rows"],
                "quarantined": document["quarantined"],
                "effect": summary(document),
                "verdict": document["verdict"],
                "answer": document["answer"],
                "source": ", ".join(source["name"] for source in document["sources"]),
                "look": f"testbed dashboard → /?pilot={name}",
            }
        )
        credit = load_pilot(path).attribution
        if credit and credit not in credits:
            credits.append(credit)
    return {"pilots": rows, "leaderboard": evaluate_example(settings, progress=progress), "credits": credits}
