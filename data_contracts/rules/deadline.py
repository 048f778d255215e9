"""Hold a contract's own SQL to a time: what is read-only can still run for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from data_contracts.contract import ContractError

SECONDS = 10.0
SECONDS_PER_MILLION_ROWS = 10.0
PAUSE_S = 0.05


def seconds_for(rows: int) -> float:
    """Seconds that the rules of a contract have for a number of rows; a rule that reads them once needs a hundredth."""
    return SECONDS + SECONDS_PER_MILLION_ROWS * rows / 1_000_000


@contextmanager
def deadline(connection: duckdb.DuckDBPyConnection, what: str, seconds: float) -> Iterator[None]:
    """Interrupt a connection's queries once a time is over, until the block ends.

    The time is over when the clock says so and as much processor time was spent: a process that waits for others runs nothing
    for ever.

    Args:
        connection: The connection that the block uses.
        what: What runs in the block, for the message.
        seconds: Time the block has. [s]

    Yields:
        Nothing.

    Raises:
        ContractError: The block failed after its time was over.
    """
    finished, late, spent = threading.Event(), threading.Event(), time.process_time()

    def watch() -> None:
        if finished.wait(seconds):
            return
        while time.process_time() - spent < seconds:
            if finished.wait(PAUSE_S):
                return
        late.set()
        while not finished.wait(PAUSE_S):  # again and again: an interrupt between two queries is forgotten
            connection.interrupt()

    watcher = threading.Thread(target=watch, name="deadline", daemon=True)
    watcher.start()
    try:
        yield
    except (ContractError, duckdb.Error) as error:
        if not late.is_set():
            raise
        expected = "expected SQL that ends; join fewer rows or write it without recursion"
        raise ContractError(f"{what}: its rules were stopped after {seconds:.0f} s; {expected}") from error
    finally:
        finished.set()
        watcher.join()
