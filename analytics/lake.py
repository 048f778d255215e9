"""The lakehouse: DuckLake on DuckDB, Parquet files plus a catalog that many processes share.

The tables of a run are written in one transaction, so that a reader sees all of a run or nothing of it.
"""

from __future__ import annotations

import importlib.util
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb

T = TypeVar("T")

Connection = duckdb.DuckDBPyConnection
QueryError = duckdb.Error

TABLES = {
    "runs": "pilot_id VARCHAR, run_id VARCHAR, status VARCHAR, plan_hash VARCHAR, code_version VARCHAR, "
    "mlflow_run_id VARCHAR, source VARCHAR, result VARCHAR, started_at TIMESTAMPTZ, published_at TIMESTAMPTZ",
    "plans": "pilot_id VARCHAR, plan_hash VARCHAR, plan VARCHAR, locked_at TIMESTAMPTZ",
    "deviations": "pilot_id VARCHAR, run_id VARCHAR, field VARCHAR, locked VARCHAR, found VARCHAR",
    "checks": "pilot_id VARCHAR, run_id VARCHAR, stage VARCHAR, contract VARCHAR, version VARCHAR, rows BIGINT, "
    "accepted BIGINT, quarantined BIGINT, passed BOOLEAN, report VARCHAR",
    "quarantine": "pilot_id VARCHAR, run_id VARCHAR, contract VARCHAR, version VARCHAR, source_row BIGINT, "
    "rules VARCHAR[], reasons VARCHAR[], row JSON",
    "counts_hourly": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, road_user VARCHAR, "
    "interval_start_at TIMESTAMPTZ, crossings BIGINT, coverage DOUBLE, flags VARCHAR",
    "hourly_readings": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, observed_property VARCHAR, "
    "interval_start_at TIMESTAMPTZ, value DOUBLE, unit VARCHAR, readings INTEGER, coverage DOUBLE, flags VARCHAR, "
    "thresholds_version VARCHAR",
    "counts_by_interval": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, line VARCHAR, direction VARCHAR, "
    "road_user VARCHAR, interval_start_at TIMESTAMPTZ, interval_s INTEGER, crossings INTEGER, lower INTEGER, "
    "upper INTEGER, uptime DOUBLE",
    "live_counts": "pilot_id VARCHAR, feed INTEGER, site_id VARCHAR, line VARCHAR, direction VARCHAR, road_user VARCHAR, "
    "interval_start_at TIMESTAMPTZ, interval_s INTEGER, crossings INTEGER, lower INTEGER, upper INTEGER, uptime DOUBLE",
    "live_readings": "feed VARCHAR, source_row BIGINT, site_id VARCHAR, observed_property VARCHAR, "
    "interval_start_at TIMESTAMPTZ, interval_s DOUBLE, value DOUBLE, unit VARCHAR, coverage DOUBLE, flags VARCHAR, "
    "received_at TIMESTAMPTZ",
    "open_counts": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, line VARCHAR, road_user VARCHAR, "
    "direction VARCHAR, period_start_at TIMESTAMPTZ, period_s INTEGER, crossings INTEGER, suppressed BOOLEAN, "
    "coverage DOUBLE, attribution VARCHAR",
    "open_readings": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, observed_property VARCHAR, "
    "period_start_at TIMESTAMPTZ, period_s INTEGER, value DOUBLE, unit VARCHAR, coverage DOUBLE, flags VARCHAR, "
    "attribution VARCHAR",
    "air_quality_index": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, index_id VARCHAR, index_version VARCHAR, "
    "interval_start_at TIMESTAMPTZ, interval_s INTEGER, observed_property VARCHAR, index_value INTEGER, band VARCHAR, "
    "critical_pollutant VARCHAR, pollutants VARCHAR, statistic VARCHAR, value DOUBLE, unit VARCHAR, coverage DOUBLE, "
    "flags VARCHAR",
    "limit_exceedances": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, index_id VARCHAR, index_version VARCHAR, "
    "level VARCHAR, observed_property VARCHAR, statistic VARCHAR, year BIGINT, limit_value DOUBLE, unit VARCHAR, "
    "value DOUBLE, exceedances BIGINT, allowed BIGINT, periods BIGINT, coverage DOUBLE, is_exceeded BOOLEAN, flags VARCHAR",
    "threshold_episodes": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, index_id VARCHAR, index_version VARCHAR, "
    "level VARCHAR, observed_property VARCHAR, statistic VARCHAR, threshold DOUBLE, unit VARCHAR, start_at TIMESTAMPTZ, "
    "end_at TIMESTAMPTZ, periods BIGINT, highest DOUBLE",
    "noise_indicators": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, indicator VARCHAR, period VARCHAR, "
    "name VARCHAR, interval_start_at TIMESTAMPTZ, interval_s INTEGER, value DOUBLE, unit VARCHAR, coverage DOUBLE, "
    "band VARCHAR, is_above_guideline BOOLEAN, index_version VARCHAR, flags VARCHAR",
    "footfall_totals": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, road_user VARCHAR, period VARCHAR, "
    "period_start DATE, measured DOUBLE, estimate DOUBLE, lower DOUBLE, upper DOUBLE, coverage DOUBLE",
    "open_totals": "pilot_id VARCHAR, run_id VARCHAR, site_id VARCHAR, road_user VARCHAR, period VARCHAR, "
    "period_start_at TIMESTAMPTZ, estimate BIGINT, lower BIGINT, upper BIGINT, suppressed BOOLEAN, coverage DOUBLE, "
    "attribution VARCHAR",
    "readmitted": "pilot_id VARCHAR, run_id VARCHAR, contract VARCHAR, version VARCHAR, source_row BIGINT, "
    "quarantine_id VARCHAR, rules VARCHAR[], reasons VARCHAR[], original JSON, repaired JSON, report VARCHAR, "
    "readmitted_at TIMESTAMPTZ",
    "privacy_budget": "pilot_id VARCHAR, run_id VARCHAR, contract VARCHAR, version VARCHAR, release_id VARCHAR, "
    "epsilon DOUBLE, unit VARCHAR, released_at TIMESTAMPTZ",
    "noisy_counts": "pilot_id VARCHAR, run_id VARCHAR, release_id VARCHAR, site_id VARCHAR, line VARCHAR, "
    "road_user VARCHAR, direction VARCHAR, period_start_at TIMESTAMPTZ, period_s INTEGER, crossings INTEGER, "
    "suppressed BOOLEAN, coverage DOUBLE, attribution VARCHAR",
    "outcomes": "pilot_id VARCHAR, run_id VARCHAR, period_start DATE, treated DOUBLE, counterfactual DOUBLE, "
    "lower DOUBLE, upper DOUBLE, is_after BOOLEAN",
    "audits": "audit_id VARCHAR, site_id VARCHAR, counter_hash VARCHAR, lines_hash VARCHAR, source_digest VARCHAR, "
    "document VARCHAR, drawn_at TIMESTAMPTZ",
    "counts_manual": "audit_id VARCHAR, site_id VARCHAR, line VARCHAR, direction VARCHAR, road_user VARCHAR, "
    "interval_start_at TIMESTAMPTZ, interval_s INTEGER, annotator VARCHAR, crossings INTEGER, counted_at TIMESTAMPTZ",
    "submissions": "submission_id VARCHAR, task VARCHAR, name VARCHAR, vendor VARCHAR, sha256 VARCHAR, "
    "status VARCHAR, reason VARCHAR, card VARCHAR, submitted_at TIMESTAMPTZ",
    "evaluations": "submission_id VARCHAR, task VARCHAR, split VARCHAR, sandbox_level VARCHAR, "
    "mlflow_run_id VARCHAR, gates VARCHAR, result VARCHAR, evaluated_at TIMESTAMPTZ",
    "scores": "submission_id VARCHAR, task VARCHAR, split VARCHAR, metric VARCHAR, value DOUBLE, lower DOUBLE, "
    "upper DOUBLE, items BIGINT",
    "warnings_queue": "warning_id VARCHAR, district VARCHAR, observed_property VARCHAR, levels VARCHAR, "
    "levels_version VARCHAR, from_level VARCHAR, to_level VARCHAR, based_on VARCHAR, interval_start_at TIMESTAMPTZ, "
    "evidence VARCHAR, status VARCHAR, proposed_at TIMESTAMPTZ, decided_by VARCHAR, decided_at TIMESTAMPTZ, note VARCHAR",
}
"""Every table of the lake with its columns; instants are UTC."""

OUTLIVE_RUNS = ("readmitted", "privacy_budget", "noisy_counts")
"""What a later run never takes the place of: repaired rows, spent privacy, and noise that must not be drawn again."""

PILOT_TABLES = tuple(
    name
    for name, columns in TABLES.items()
    if "run_id VARCHAR" in columns and "pilot_id" in columns and name not in OUTLIVE_RUNS
)
"""The tables whose rows belong to one pilot's run; `plans`, `live_counts` and `live_readings` outlive runs."""

LIVE = "live"
"""The run of what a stream brought and the gate accepted, until a run that judges the pilot takes its place."""

MEMORY_LIMIT = "700MiB"

_BUSY = ("database is locked", "Transaction conflict", "conflict", "Failed to commit DuckLake transaction")


class LakeError(ValueError):
    """The lake cannot be opened or written."""


def load_extension(connection: Connection, name: str) -> None:
    """Load a DuckDB extension from its Python package; without the package, install it from DuckDB's repository.

    Args:
        connection: The connection that needs the extension.
        name: The extension's name, such as `ducklake`.

    Raises:
        LakeError: The extension is in no package and cannot be installed.
    """
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    if found is not None and found.origin is not None:
        folder = Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}"
        for file in folder.glob("*.duckdb_extension"):
            connection.load_extension(str(file))
            return
    try:
        connection.install_extension(name)
        connection.load_extension(name)
    except QueryError as error:
        raise LakeError(
            f"lake: DuckDB extension '{name}' was not found ({error}); expected the package 'duckdb-extension-"
            f"{name.replace('_', '-')}' {duckdb.__version__}; install it with pip"
        ) from None


@contextmanager
def memory(limit: str = MEMORY_LIMIT) -> Iterator[Connection]:
    """A DuckDB connection whose tables live in memory, in UTC, closed at the end; it draws no progress bars.

    Args:
        limit: The most memory it may take; beyond it, it spills to the system's folder of temporary files (`TMPDIR`). The
            default leaves room for Python's own memory within 1.5 GiB, whatever the size of the data.
    """
    with tempfile.TemporaryDirectory(prefix="testbed-spill-", ignore_cleanup_errors=True) as folder:
        connection = duckdb.connect(config={"memory_limit": limit, "temp_directory": folder})
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET preserve_insertion_order = true")
        try:
            yield connection
        finally:
            connection.close()


def shut_in(connection: Connection, *places: str | Path) -> None:
    """Switch off a connection's access to files and networks for good, but for some places.

    Args:
        connection: From `memory`.
        places: Files and folders that may still be read and written.
    """
    found = [place for given in places for place in (Path(given), Path(given).resolve())]
    folders, files = ([str(place) for place in found if place.is_dir() is wanted] for wanted in (True, False))
    for setting, allowed in (("allowed_directories", folders), ("allowed_paths", files)):
        quoted = ", ".join("'" + place.replace("'", "''") + "'" for place in allowed)
        connection.execute(f"SET {setting} = [{quoted}]")
    connection.execute("SET enable_external_access = false")


def open_lake(catalog: str, files: str, *, read_only: bool = False) -> Connection:
    """Open the lake, attached as `lake`, in a DuckDB connection whose own tables live in memory.

    Args:
        catalog: What follows `ducklake:` in ATTACH, such as `sqlite:/srv/testbed/lake.sqlite`.
        files: Folder or object-store prefix of the Parquet files.
        read_only: Attach without the right to write; the tables must exist.

    Returns:
        A connection in UTC with the lake attached.

    Raises:
        LakeError: The catalog cannot be opened.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    for name in ("ducklake", "sqlite_scanner" if catalog.startswith("sqlite:") else "postgres_scanner"):
        load_extension(connection, name)
    # the catalog names files relative to its data path: a home that was moved or copied goes on working
    options = f"DATA_PATH '{files}', OVERRIDE_DATA_PATH true" + (", READ_ONLY" if read_only else "")
    if not read_only and catalog.startswith("sqlite:"):
        # write-ahead logging: a reader that looks at the lake does not keep a writer waiting, nor the other way round. DuckDB
        # sets it: Python's own SQLite would drop the locks that DuckDB's holds in this process when it closes the file
        options += ", META_JOURNAL_MODE 'WAL'"

    def attach() -> None:
        connection.execute(f"ATTACH 'ducklake:{catalog}' AS lake ({options})")
        if not read_only:
            with transaction(connection):
                for name, columns in TABLES.items():
                    connection.execute(f"CREATE TABLE IF NOT EXISTS lake.{name} ({columns})")

    try:
        retry(attach, undo=lambda: connection.execute("DETACH DATABASE IF EXISTS lake"))
    except QueryError as error:
        connection.close()
        first = str(error).splitlines()[0]
        raise LakeError(
            f"{catalog}: the lake's catalog cannot be opened ({first}); expected a DuckLake catalog; "
            "point TESTBED_HOME or TESTBED_CATALOG at a valid one"
        ) from None
    return connection


def retry(work: Callable[[], T], *, undo: Callable[[], object] | None = None, wait_s: float = 60.0) -> T:
    """Do some work again while another process holds the catalog.

    Args:
        work: What to do; it is repeated as a whole.
        undo: What clears up after a failed try.
        wait_s: How long to go on trying. [s]

    Returns:
        What `work` returns.

    Raises:
        QueryError: Any other failure, or the catalog stayed busy for `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return work()
        except QueryError as error:
            if undo is not None:
                undo()
            if not any(sign in str(error) for sign in _BUSY) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.02, 0.2))


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Commit all that happens inside, or nothing of it."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(QueryError):  # a failed COMMIT has already rolled back
            connection.execute("ROLLBACK")
        raise


@dataclass(frozen=True)
class Snapshot:
    """A run as the lake holds it.

    Attributes:
        status: `published` or `stopped`.
        result: The run's result document, JSON.
        snapshot_id: The snapshot it came with.
    """

    status: str
    result: str
    snapshot_id: int


def published(connection: Connection, pilot_id: str, run_id: str) -> Snapshot | None:
    """What the lake holds of a run; None when it is not there or not the pilot's newest."""
    row = connection.execute(
        "SELECT run_id, status, result FROM lake.runs WHERE pilot_id = ? ORDER BY published_at DESC LIMIT 1", [pilot_id]
    ).fetchone()
    if row is None or row[0] != run_id:
        return None
    found = connection.execute(
        "SELECT max(snapshot_id) FROM ducklake_snapshots('lake') WHERE commit_message = ?", [run_id]
    ).fetchone()
    assert found is not None
    return Snapshot(str(row[1]), str(row[2]), int(found[0]))


def publish(connection: Connection, run: dict[str, object], tables: dict[str, str]) -> int:
    """Put one run into the lake in a single transaction.

    A published run takes the place of the pilot's earlier rows in the newest snapshot; older snapshots still show
    them. A stopped run replaces nothing. A run that is the pilot's newest already is not written again.

    Args:
        connection: From `open_lake`.
        run: The row of `runs`; `published_at` is filled in.
        tables: Lake table -> query whose columns are the lake table's, less `pilot_id` and `run_id`, by name.

    Returns:
        The snapshot that holds the run.
    """
    pilot_id, run_id = str(run["pilot_id"]), str(run["run_id"])

    def work() -> int:
        done = published(connection, pilot_id, run_id)
        if done is not None:
            return done.snapshot_id
        with transaction(connection):
            for name in PILOT_TABLES:
                if name == "runs":
                    connection.execute("DELETE FROM lake.runs WHERE run_id = ?", [run_id])
                elif run["status"] == "published":
                    connection.execute(f"DELETE FROM lake.{name} WHERE pilot_id = ?", [pilot_id])
                else:
                    connection.execute(f"DELETE FROM lake.{name} WHERE run_id = ?", [run_id])
            for name, query in tables.items():
                connection.execute(
                    f"INSERT INTO lake.{name} BY NAME SELECT ? AS pilot_id, ? AS run_id, * FROM ({query})",
                    [pilot_id, run_id],
                )
            columns = ", ".join([*run, "published_at"])
            marks = ", ".join(["?"] * len(run) + ["now()"])
            connection.execute(f"INSERT INTO lake.runs ({columns}) VALUES ({marks})", list(run.values()))
            connection.execute("CALL lake.set_commit_message('testbed', ?)", [run_id])
        done = published(connection, pilot_id, run_id)
        assert done is not None
        return done.snapshot_id

    return retry(work)


def append_live(connection: Connection, pilot_id: str, feed: int, *, came: str, accepted: str | None, refused: str) -> bool:
    """Put one closed interval of a followed stream into the lake in a single transaction, once.

    Args:
        connection: From `open_lake`.
        pilot_id: The pilot.
        feed: Number of the pilot's feed.
        came: Relation of all rows of the interval, with the columns of `live_counts`.
        accepted: Relation of those the gate accepted; None when it stopped the interval.
        refused: Query of those in quarantine, with the columns of `quarantine`.

    Returns:
        False when rows of this interval are there already: of the same interval, cut by a restart.
    """

    def work() -> bool:
        with transaction(connection):
            known = connection.execute(
                "SELECT count(*) FROM lake.live_counts WHERE pilot_id = ? AND feed = ? "
                f"AND interval_start_at IN (SELECT interval_start_at FROM {came})",
                [pilot_id, feed],
            ).fetchone()
            if known is None or known[0]:
                return False
            connection.execute(
                f"INSERT INTO lake.live_counts BY NAME SELECT ? AS pilot_id, ? AS feed, * FROM {came}", [pilot_id, feed]
            )
            into = "INSERT INTO lake.{} BY NAME SELECT ? AS pilot_id, ? AS run_id, * FROM {}"
            if accepted is not None:
                connection.execute(into.format("counts_by_interval", accepted), [pilot_id, LIVE])
            connection.execute(into.format("quarantine", f"({refused})"), [pilot_id, LIVE])
            connection.execute("CALL lake.set_commit_message('testbed', ?)", [LIVE])
        return True

    return retry(work)
