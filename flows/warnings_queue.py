"""The queue of warnings: proposed by the machine, approved or rejected by a person with a name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from analytics.lake import open_lake, retry, transaction
from analytics.sensing.warning.levels import EarlyWarningError
from experiments.settings import Settings

PROPOSED, APPROVED, REJECTED = "proposed", "approved", "rejected"


@dataclass(frozen=True)
class Proposal:
    """A change of level as the queue holds it; the evidence is a JSON document of data, forecast and model version.

    The pilot and whether the level went up stand in the evidence; they are here for the id.
    """

    district: str
    observed_property: str
    levels: str
    levels_version: str
    from_level: str
    to_level: str
    based_on: str
    interval_start_at: datetime
    evidence: str
    pilot_id: str
    is_raise: bool

    @property
    def warning_id(self) -> str:
        """The same change is the same warning; of forecasts, one a level, direction and day, however often they are made."""
        at = self.interval_start_at.astimezone(UTC)
        told = [self.pilot_id, self.district, self.observed_property, self.levels, self.levels_version, self.based_on]
        if self.based_on == "forecast":
            told += [self.to_level, str(self.is_raise), f"{at:%Y-%m-%d}"]
        else:
            told += [self.from_level, self.to_level, at.isoformat()]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]

    @property
    def row(self) -> tuple[object, ...]:
        """Its columns of the queue, from the id to when it was decided, but for when it was proposed."""
        return (self.warning_id, self.district, self.observed_property, self.levels, self.levels_version, self.from_level,
                self.to_level, self.based_on, self.interval_start_at, self.evidence, PROPOSED)  # fmt: skip


def propose(settings: Settings, proposals: list[Proposal], now: datetime) -> list[str]:
    """Put proposals into the queue, each once.

    Returns:
        The ids of those that were not there yet.
    """
    if not proposals:
        return []
    with open_lake(settings.catalog, settings.lake_files) as connection:

        def work() -> list[str]:
            with transaction(connection):
                known = {row[0] for row in connection.execute("SELECT warning_id FROM lake.warnings_queue").fetchall()}
                fresh = dict[str, Proposal]()
                for one in proposals:
                    if one.warning_id not in known:
                        fresh.setdefault(one.warning_id, one)
                if fresh:
                    line = f"({', '.join('?' * 12)}, NULL, NULL, NULL)"
                    connection.execute(
                        f"INSERT INTO lake.warnings_queue VALUES {', '.join([line] * len(fresh))}",
                        [cell for one in fresh.values() for cell in (*one.row, now)],
                    )
            return list(fresh)

        return retry(work)


def queue(settings: Settings, status: str | None = None) -> list[dict[str, Any]]:
    """The warnings of the queue, newest first, of one status or all."""
    with open_lake(settings.catalog, settings.lake_files) as connection:
        found = connection.execute(
            # two calls at the same moment may both put a warning in; a decision on it is one on both
            "FROM (SELECT DISTINCT ON (warning_id) * FROM lake.warnings_queue WHERE ? IS NULL OR status = ? "
            "ORDER BY warning_id, proposed_at) ORDER BY interval_start_at DESC, district, warning_id",
            [status, status],
        )
        names = [column[0] for column in found.description or ()]
        return [
            {n: v.astimezone(UTC).isoformat() if isinstance(v, datetime) else v for n, v in zip(names, row, strict=True)}
            for row in found.fetchall()
        ]


def decide(settings: Settings, warning_id: str, *, is_approved: bool, by: str, now: datetime, note: str = "") -> dict[str, Any]:
    """Approve or reject a warning, once.

    Args:
        settings: Where the lake is.
        warning_id: As `queue` has it.
        is_approved: Approved, else rejected.
        by: Who decides.
        now: When.
        note: Why, in the words of who decides.

    Returns:
        The warning as it now is.

    Raises:
        EarlyWarningError: Nobody is named, the warning is unknown, or it was decided before.
    """
    if not by.strip():
        raise EarlyWarningError(f"warning {warning_id}: nobody is named; expected who decides; add --by NAME")
    with open_lake(settings.catalog, settings.lake_files) as connection:

        def work() -> None:
            with transaction(connection):
                row = connection.execute(
                    "SELECT status, decided_by FROM lake.warnings_queue WHERE warning_id = ?", [warning_id]
                ).fetchone()
                if row is None:
                    raise EarlyWarningError(
                        f"warning '{warning_id}' was not found; expected one that 'testbed warnings' lists; correct the id"
                    )
                if row[0] != PROPOSED:
                    raise EarlyWarningError(
                        f"warning {warning_id} was {row[0]} by {row[1]}; expected one that is still proposed; "
                        "a decision is not changed"
                    )
                connection.execute(
                    "UPDATE lake.warnings_queue SET status = ?, decided_by = ?, decided_at = ?, note = ? WHERE warning_id = ?",
                    [APPROVED if is_approved else REJECTED, by.strip(), now, note, warning_id],
                )

        retry(work)
    return next(one for one in queue(settings) if one["warning_id"] == warning_id)
