"""When the lake is compacted: beside the following of streams, whenever a day is over, and where a following ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from analytics.compaction import compact
from analytics.lake import Connection, QueryError

AFTER_S = 30.0
"""How long after midnight (UTC): by then the day's last interval has left, and no interval of a minute is leaving. [s]"""


def left_of_day_s(now: datetime) -> float:
    """How long until a day has passed by `AFTER_S`. [s].

    Example:
        >>> left_of_day_s(datetime(2026, 1, 1, 23, 59, 50, tzinfo=UTC))
        40.0
    """
    over = now.astimezone(UTC) - timedelta(seconds=AFTER_S)
    return ((over + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) - over).total_seconds()


@contextmanager
def compacted_daily(
    connection: Connection, progress: Callable[[str], None], *, wait_s: Callable[[datetime], float] = left_of_day_s
) -> Iterator[None]:
    """Compact the lake in the background, in transactions of its own, whenever a day is over.

    Args:
        connection: From `open_lake`; it may be used meanwhile.
        progress: Told what was done, and why a compaction failed: the next one does all that was left.
        wait_s: From the time of the day to how long until the next compaction. [s]
    """
    over, own = threading.Event(), connection.cursor()

    def work() -> None:
        while not over.wait(wait_s(datetime.now(UTC))):
            try:
                done = compact(own, datetime.now(UTC))
                progress(f"lake: {done.rows} rows and {done.merged} files merged, {done.removed} files removed")
            except QueryError as error:
                progress(f"lake: not compacted today: {str(error).splitlines()[0]}")

    thread = threading.Thread(target=work, name="compaction", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        own.close()
