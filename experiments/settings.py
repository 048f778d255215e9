"""Where this test bed keeps its things: the one reader of the environment.

Every setting has a default that works on a fresh clone. An environment variable `TESTBED_<NAME>` changes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

QUIET = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "STREAMLIT_SERVER_HEADLESS": "true",
    "OPENCV_LOG_LEVEL": "ERROR",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
}
"""Telemetry off and libraries quiet; a value the user has set already is kept."""


class SettingsError(ValueError):
    """A setting of the environment cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Paths and addresses of one test bed.

    Attributes:
        home: Folder that holds everything this test bed stores.
        catalog: DuckLake catalog, as DuckLake's ATTACH names it.
        lake_files: Folder (or object-store prefix) of the lake's Parquet files.
        mlflow_uri: Tracking store of MLflow.
        mlflow_url: Where `testbed up` or the city serves MLflow's pages, for links.
        prefect_api_url: Address of a Prefect server; empty means Prefect's temporary server.
        runner: Task runner of the flows, `threads` or `dask`.
        pilots: Folder of the pilot files.
        tasks: Folder of the vendor tasks.
        streams: Addresses of streams, which may hold passwords, by the NAME that pilots call them: `stream:NAME`.
        brokers: Addresses of MQTT brokers, which may hold passwords, by the NAME of the feed: `mqtt:NAME`.
    """

    home: Path
    catalog: str
    lake_files: str
    mlflow_uri: str
    mlflow_url: str
    prefect_api_url: str
    runner: str
    pilots: Path
    tasks: Path
    streams: dict[str, str] = field(default_factory=dict, repr=False)
    brokers: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def cache(self) -> Path:
        """Folder of results kept by content digest."""
        return self.home / "cache"

    @property
    def sources(self) -> Path:
        """Folder of fetched sources, such as the plaza video."""
        return self.home / "sources"

    @property
    def models(self) -> Path:
        """Folder of the installed detection models."""
        return self.home / "models"

    @property
    def submissions(self) -> Path:
        """Folder of the models vendors have submitted, by SHA-256."""
        return self.home / "submissions"

    @property
    def published(self) -> Path:
        """Folder of published pages and open data."""
        return self.home / "published"


def load_settings(environment: Mapping[str, str] | None = None, *, runner: str | None = None) -> Settings:
    """Read the settings and make sure that the home folder can be used.

    Args:
        environment: Variables to read instead of the process's own.
        runner: Task runner to use instead of `TESTBED_RUNNER`.

    Returns:
        The settings; the home folder exists and is writable.

    Raises:
        SettingsError: `TESTBED_HOME` cannot be created, read or written, or `TESTBED_RUNNER` is unknown.
    """
    found = os.environ if environment is None else environment
    home = Path(found.get("TESTBED_HOME", ".testbed")).expanduser().resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
        next(home.iterdir(), None)
    except OSError as error:
        raise SettingsError(
            f"TESTBED_HOME: '{home}' cannot be used ({error.strerror or error}); expected a folder that can be read "
            "and written; set TESTBED_HOME to one"
        ) from None
    runner = runner or found.get("TESTBED_RUNNER", "threads")
    if runner not in ("threads", "dask"):
        raise SettingsError(f"TESTBED_RUNNER: '{runner}' is unknown; expected 'threads' or 'dask'; correct or unset it")
    return Settings(
        home=home,
        catalog=found.get("TESTBED_CATALOG", f"sqlite:{home / 'lake.sqlite'}"),
        lake_files=found.get("TESTBED_LAKE_FILES", str(home / "lake")),
        mlflow_uri=found.get("TESTBED_MLFLOW_URI", f"sqlite:///{home / 'mlflow.db'}"),
        mlflow_url=found.get("TESTBED_MLFLOW_URL", "http://127.0.0.1:5000").rstrip("/"),
        prefect_api_url=found.get("TESTBED_PREFECT_API_URL", ""),
        runner=runner,
        pilots=Path(found.get("TESTBED_PILOTS", ROOT / "experiments" / "pilots")),
        tasks=Path(found.get("TESTBED_TASKS", ROOT / "experiments" / "tasks")),
        streams=_named(found, "TESTBED_STREAM_"),
        brokers=_named(found, "TESTBED_MQTT_"),
    )


def _named(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Variables that begin with a prefix, by what follows it."""
    return {name.removeprefix(prefix).lower(): text for name, text in environment.items() if name.startswith(prefix)}


def quieten(settings: Settings) -> None:
    """Turn telemetry off and point the imposed tools at this test bed; call before they are imported.

    Args:
        settings: Where Prefect and MLflow keep their files.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(settings.home / "prefect"))
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "300")
    if settings.prefect_api_url:
        os.environ["PREFECT_API_URL"] = settings.prefect_api_url
