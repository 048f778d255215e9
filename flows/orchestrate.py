"""How steps are run: by Prefect, or directly where no orchestration is wanted.

Prefect's temporary server is used unless a server's address is set. Results are cached by the key of the step; a step's
retries are for sources that may be away for a moment.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from experiments.settings import Settings, SettingsError


class Steps(Protocol):
    """Runs the steps of a flow."""

    def run(self, step: Callable[..., Any], /, **arguments: Any) -> Any:
        """Run a step; one whose arguments hold a `key` is cached by it."""

    def report(self, name: str, text: str) -> None:
        """Show a report (Markdown) beside the run."""


@dataclass(frozen=True)
class Directly:
    """Runs each step in this process, without Prefect."""

    def run(self, step: Callable[..., Any], /, **arguments: Any) -> Any:
        """Run a step."""
        return step(**arguments)

    def report(self, name: str, text: str) -> None:
        """Show nothing; the caller has the report."""


@dataclass(frozen=True)
class ByPrefect:
    """Runs each step as a Prefect task inside the current flow run."""

    def run(self, step: Callable[..., Any], /, **arguments: Any) -> Any:
        """Run a step as a task: cached by its `key`, retried twice when its source fails."""
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        name = step.__name__
        if "key" not in arguments:
            return task(name=name, cache_policy=NO_CACHE, persist_result=False)(step)(**arguments)
        key = f"{name}-{arguments['key']}"
        cached = task(
            name=name,
            cache_key_fn=lambda _context, _parameters: key,
            persist_result=True,
            retries=2,
            retry_delay_seconds=[1, 5],
            retry_condition_fn=_may_pass,
        )(step)
        folder = cached.submit(**arguments).result()
        if not Path(folder).is_dir():  # the cache was cleared, Prefect's memory of it was not
            folder = cached.with_options(refresh_cache=True).submit(**arguments).result()
        return folder

    def report(self, name: str, text: str) -> None:
        """Keep the report as a Prefect artifact."""
        from prefect.artifacts import create_markdown_artifact

        create_markdown_artifact(key=name.replace("_", "-"), markdown=text)


def _may_pass(_task: object, _run: object, state: Any) -> bool:
    """Whether a failure may pass by itself: a source that is away, not a user's mistake."""
    return isinstance(state.result(raise_on_failure=False), OSError)


def by_prefect(name: str, work: Callable[[Steps], Any], settings: Settings) -> Any:
    """Run some work as a Prefect flow.

    Args:
        name: Name of the flow run.
        work: Receives the steps; what it returns is returned.
        settings: Chooses the task runner and, by `prefect_api_url`, the server.

    Raises:
        SettingsError: The task runner `dask` is not installed.
    """
    from prefect import flow

    _atomic_results()
    if not settings.prefect_api_url:
        _start_server()

    _WORK[name] = work
    return flow(name=name.replace("_", "-"), task_runner=_runner(settings), persist_result=False)(orchestrated)(name)


def orchestrated(name: str) -> Any:
    """What a flow run executes: the work of that name. Workers elsewhere need the flow, not what the work holds on to."""
    return _WORK.pop(name)(ByPrefect())


_WORK: dict[str, Callable[[Steps], Any]] = {}


def _runner(settings: Settings) -> Any:
    if settings.runner == "threads":
        from prefect.task_runners import ThreadPoolTaskRunner

        return ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1)
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError:
        raise SettingsError(
            "TESTBED_RUNNER: 'dask' was chosen but 'prefect-dask' is not installed; expected it; "
            "install it with pip or choose 'threads'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.WARNING)
    return DaskTaskRunner()


@cache
def _atomic_results() -> None:
    """Make Prefect write its results by rename: half a result of a killed process would break the next one."""
    from prefect.filesystems import LocalFileSystem

    whole = LocalFileSystem.awrite_path

    async def awrite_path(self: LocalFileSystem, path: str, content: bytes) -> str:
        final = Path(path) if Path(path).is_absolute() else Path(str(self.basepath)).expanduser() / path
        unfinished = await whole(self, f"{final}.{os.getpid()}.unfinished", content)
        Path(unfinished).replace(final)
        return str(final)

    LocalFileSystem.awrite_path = awrite_path  # type: ignore[method-assign]  # Prefect offers no other way in


@cache
def _start_server() -> None:
    """Start Prefect's temporary server and have it stopped when this process is gone, however that happens."""
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()

    def begin() -> None:
        with suppress(RuntimeError):  # it did not answer in time: said below, where it can be caught
            server.start()

    starting = threading.Thread(target=begin, daemon=True)  # returns only when the server answers, seconds later
    starting.start()
    while server.server_process is None and starting.is_alive():
        time.sleep(0.01)
    if server.server_process is not None:
        _WATCH.append(
            subprocess.Popen(
                [sys.executable, "-c", _STOP, str(server.server_process.pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
    starting.join()
    server.start()  # does nothing when the server answers; says what is wrong when it does not


_WATCH: list[subprocess.Popen[bytes]] = []
"""Holds the process that outlives this one for a moment: its pipe closes when this process ends."""
_STOP = """
import os, signal, sys, time
server = int(sys.argv[1])
sys.stdin.buffer.read()
try:
    os.kill(server, signal.SIGTERM)
    for _ in range(50):
        time.sleep(0.1)
        os.kill(server, 0)
    os.kill(server, signal.SIGKILL)
except ProcessLookupError:
    pass
"""
