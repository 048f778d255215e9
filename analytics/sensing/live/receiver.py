"""The process that listens: it does nothing else, so that no gate and no lake ever keeps the broker waiting.

It is told what to do by one line of JSON on standard input, tells what happens by lines of JSON on standard output, and ends
when standard input does: with the process that has started it, however that has ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from analytics.sensing.readings import SourceError


class Receiver:
    """A listening process, as the one that starts it sees it.

    Args:
        address: Of the broker; see `mqtt.broker_of`.
        topics: What to subscribe to.
        folder: Where the spool is.
        at_least: Number of the next message, at least.
        on_event: Called, from a thread, with what it tells.
    """

    def __init__(
        self, address: str, topics: Sequence[str], folder: Path, *, at_least: int, on_event: Callable[[dict[str, Any]], None]
    ) -> None:
        self.failure: str | None = None
        """Why it has ended by itself."""
        self.has_connected = False
        """Whether it has been connected to the broker."""
        self.was_ended = False
        """Whether another has ended it."""
        self._told = threading.Event()
        command = [sys.executable, "-m", "analytics.sensing.live.receiver"]
        # a session of its own: Ctrl-C is for the process that has started it
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        order = {"address": address, "topics": list(topics), "folder": str(folder), "at_least": at_least}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        self._reading = threading.Thread(target=self._read, args=(on_event,), name="receiver", daemon=True)
        self._reading.start()

    @property
    def is_running(self) -> bool:
        """Whether the process goes on."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Until it is about to connect, or has failed to start."""
        self._told.wait()

    def stop(self) -> None:
        """End it: what it has taken is in the spool then."""
        assert self._process.stdin is not None
        had_ended = not self.is_running
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._reading.join()
        self.was_ended = had_ended and self.failure is None

    def _read(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as told:
            for line in told:
                event = json.loads(line)
                if event["event"] == "failed":
                    self.failure = event["reason"]
                self.has_connected |= event["event"] == "connected"
                on_event(event)
                self._told.set()
        self._told.set()


def client_id_of(folder: Path) -> str:
    """Name of the session of a feed, made once and kept beside its spool."""
    path = folder / "client_id"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(f"testbed-{secrets.token_hex(6)}", encoding="ascii")
        unfinished.rename(path)
    return path.read_text(encoding="ascii")


def main() -> None:
    """Listen as told on standard input, until it ends."""
    from analytics.sensing.live.mqtt import broker_of, listen
    from analytics.sensing.live.spool import SpoolWriter

    def tell(event: str, **more: object) -> None:
        try:
            print(json.dumps({"event": event, **more}), flush=True)
        except BrokenPipeError:  # nobody listens any more: standard input is about to end as well
            return

    async def work() -> None:
        loop = asyncio.get_running_loop()
        listening = asyncio.create_task(listen(broker, client_id_of(folder), order["topics"], spool, tell=tell))

        def wait() -> None:
            sys.stdin.buffer.read()
            loop.call_soon_threadsafe(listening.cancel)

        threading.Thread(target=wait, daemon=True).start()
        tell("ready")
        try:
            await listening
        except asyncio.CancelledError:
            os._exit(0)  # all that was taken is on disk; the library cannot be torn down while it connects

    order = json.loads(sys.stdin.buffer.readline())
    folder = Path(order["folder"])
    try:
        broker = broker_of(order["address"])
        spool = SpoolWriter(folder, at_least=order["at_least"])
        asyncio.run(work())
    except (SourceError, OSError) as error:
        tell("failed", reason=str(error))


if __name__ == "__main__":
    main()
