"""Serving the pages, and beside them MLflow and Prefect, on this machine only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from experiments.settings import ROOT, Settings


def commands(settings: Settings, ports: dict[str, int]) -> dict[str, list[str]]:
    """The command of each server asked for.

    Args:
        settings: Where MLflow keeps its runs.
        ports: Server (`dashboard`, `mlflow`, `prefect`) -> port.
    """
    python = [sys.executable, "-m"]
    known = {
        "dashboard": [
            *python,
            "streamlit",
            "run",
            str(ROOT / "dashboards" / "app.py"),
            "--server.address=127.0.0.1",
            f"--server.port={ports.get('dashboard')}",
            "--server.headless=true",
            "--browser.gatherUsageStats=false",
            "--client.toolbarMode=viewer",
            "--theme.primaryColor=#0072B2",
            "--server.fileWatcherType=none",
        ],
        "mlflow": [
            *python,
            "mlflow",
            "server",
            f"--backend-store-uri={settings.mlflow_uri}",
            "--host=127.0.0.1",
            f"--port={ports.get('mlflow')}",
            "--workers=1",
        ],
        "prefect": [*python, "prefect", "server", "start", "--host=127.0.0.1", f"--port={ports.get('prefect')}"],
    }
    return {name: known[name] for name in ports}


def serve(settings: Settings, ports: dict[str, int]) -> int:
    """Start servers and wait until one ends or the user stops them; none outlives this process's end by signal.

    Returns:
        0 when stopped by the user, else 3.
    """
    environment = {**os.environ, "TESTBED_HOME": str(settings.home)}
    running = {n: subprocess.Popen(c, env=environment, cwd=ROOT) for n, c in commands(settings, ports).items()}
    for name, port in ports.items():
        print(f"{name}: http://127.0.0.1:{port}", file=sys.stderr)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while all(process.poll() is None for process in running.values()):
            time.sleep(0.2)
        ended = next(name for name, process in running.items() if process.poll() is not None)
        print(f"{ended}: ended by itself with code {running[ended].returncode}; is its port free?", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 0
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
