"""The lake: one transaction per run, many processes at once, snapshots."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from analytics.lake import LakeError, QueryError, memory, open_lake, publish, published, shut_in, transaction


def lake(folder: Path, **options: bool):
    return open_lake(f"sqlite:{folder / 'lake.sqlite'}", str(folder / "files"), **options)


def row(run_id: str, status: str = "published", pilot: str = "p") -> dict[str, object]:
    return {"pilot_id": pilot, "run_id": run_id, "status": status, "result": "{}"}


OUTCOMES = (
    "SELECT DATE '2024-01-01' + i::INTEGER AS period_start, i::DOUBLE AS treated, 1.0 AS counterfactual, 0.0 AS lower, "
    "2.0 AS upper, i > 2 AS is_after FROM range({n}) t(i)"
)


def count(connection, table: str, where: str = "true") -> int:
    return connection.execute(f"SELECT count(*) FROM lake.{table} WHERE {where}").fetchone()[0]


def test_a_run_takes_the_place_of_the_pilots_earlier_rows_and_older_snapshots_keep_them(tmp_path):
    connection = lake(tmp_path)
    first = publish(connection, row("a"), {"outcomes": OUTCOMES.format(n=5)})
    second = publish(connection, row("b"), {"outcomes": OUTCOMES.format(n=3)})
    assert second > first
    assert count(connection, "outcomes") == 3
    old = connection.execute(f"SELECT count(*), any_value(run_id) FROM lake.outcomes AT (VERSION => {first})").fetchone()
    assert old == (5, "a")
    assert count(connection, "runs") == 2
    connection.close()


def test_the_newest_run_is_not_published_again_but_an_older_one_is(tmp_path):
    connection = lake(tmp_path)
    first = publish(connection, row("a"), {"outcomes": OUTCOMES.format(n=5)})
    assert publish(connection, row("a"), {"outcomes": OUTCOMES.format(n=5)}) == first
    publish(connection, row("b"), {"outcomes": OUTCOMES.format(n=3)})
    assert published(connection, "p", "a") is None
    again = publish(connection, row("a"), {"outcomes": OUTCOMES.format(n=5)})
    assert again > first
    assert count(connection, "outcomes", "run_id = 'a'") == 5
    assert count(connection, "runs", "run_id = 'a'") == 1
    connection.close()


def test_a_stopped_run_replaces_nothing(tmp_path):
    connection = lake(tmp_path)
    publish(connection, row("a"), {"outcomes": OUTCOMES.format(n=5)})
    publish(connection, row("b", "stopped"), {})
    assert count(connection, "outcomes", "run_id = 'a'") == 5
    found = published(connection, "p", "b")
    assert found is not None and found.status == "stopped"
    connection.close()


def test_a_failing_table_leaves_the_lake_as_it_was(tmp_path):
    connection = lake(tmp_path)
    publish(connection, row("a"), {"outcomes": OUTCOMES.format(n=5)})
    with pytest.raises(Exception, match="no_such_table"):
        publish(connection, row("b"), {"outcomes": OUTCOMES.format(n=3), "open_counts": "SELECT * FROM no_such_table"})
    assert count(connection, "outcomes", "run_id = 'a'") == 5
    assert count(connection, "runs") == 1
    connection.close()


def test_a_reader_sees_all_of_a_run_or_nothing_while_another_connection_writes(tmp_path):
    writer = lake(tmp_path)
    publish(writer, row("a"), {"outcomes": OUTCOMES.format(n=5)})
    reader = lake(tmp_path, read_only=True)
    with transaction(writer):
        writer.execute("DELETE FROM lake.outcomes")
        assert count(reader, "outcomes") == 5
    assert count(reader, "outcomes") == 0
    with pytest.raises(Exception, match="read-only"):
        reader.execute("DELETE FROM lake.runs")
    reader.close()
    writer.close()


def _write(folder: str, name: str) -> None:
    connection = lake(Path(folder))
    for i in range(5):
        publish(connection, row(f"{name}{i}", pilot=name), {"outcomes": OUTCOMES.format(n=4)})
    connection.close()


def test_processes_that_write_at_the_same_time_lose_nothing(tmp_path):
    lake(tmp_path).close()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(str(tmp_path), f"w{i}")) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    connection = lake(tmp_path)
    assert count(connection, "runs") == 15
    assert count(connection, "outcomes") == 12
    connection.close()


def test_a_home_that_was_moved_goes_on_working(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    connection = lake(first)
    publish(connection, row("a"), {"outcomes": OUTCOMES.format(n=5)})
    connection.close()
    first.rename(second)
    connection = lake(second)
    assert count(connection, "outcomes") == 5
    publish(connection, row("b"), {"outcomes": OUTCOMES.format(n=3)})
    assert count(connection, "outcomes") == 3
    connection.close()


def test_a_catalog_that_is_not_one_is_an_error_of_one_line(tmp_path):
    (tmp_path / "lake.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(LakeError, match=r"cannot be opened .*expected a DuckLake catalog") as caught:
        lake(tmp_path)
    assert "\n" not in str(caught.value)


def test_instants_are_utc():
    with memory() as connection:
        assert connection.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


@pytest.fixture
def postgres(tmp_path_factory):
    """A PostgreSQL server of this test's own, on a free port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(p).parent for p in [shutil.which("initdb")] if p]
    if not found:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="lake-postgres-"))
    as_owner = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_owner = ["runuser", "-u", "postgres", "--"]

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_owner, str(found[-1] / program), *arguments], check=True, capture_output=True, cwd=folder)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, log = str(folder / "data"), str(folder / "log")
    run("initdb", "-D", data, "-U", "testbed", "--auth=trust")
    run("pg_ctl", "-D", data, "-l", log, "-w", "-o", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1", "start")
    yield f"postgres:host=127.0.0.1 port={port} user=testbed dbname=postgres"
    run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


def test_one_setting_moves_the_catalog_to_postgresql(postgres, tmp_path):
    connection = open_lake(postgres, str(tmp_path))
    snapshot = publish(connection, row("a"), {"outcomes": OUTCOMES.format(n=5)})
    reader = open_lake(postgres, str(tmp_path), read_only=True)
    assert count(reader, "outcomes") == 5
    found = published(reader, "p", "a")
    assert found is not None and found.snapshot_id == snapshot
    reader.close()
    connection.close()


def test_a_table_larger_than_memory_spills_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with memory() as connection:
        assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [("700.0 MiB",)]
    with memory("60MiB") as connection:
        connection.execute("CREATE TABLE large AS SELECT hash(range) AS i FROM range(10_000_000)")  # 80 MB
        assert connection.execute("SELECT count(*) FROM large").fetchall() == [(10_000_000,)]
        assert sum(file.stat().st_size for file in tmp_path.rglob("*.tmp")) > 10_000_000
    assert not list(tmp_path.iterdir())


def test_a_connection_that_is_shut_in_reaches_its_own_places_only(tmp_path):
    inside, outside = tmp_path / "in'side", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "rows.csv").write_text("a\n1\n", encoding="utf-8")
    with memory() as connection:
        shut_in(connection, inside)
        assert connection.execute("SELECT * FROM read_csv(?)", [str(inside / "rows.csv")]).fetchall() == [(1,)]
        for refused in (
            f"COPY (SELECT 1) TO '{outside}/new.csv'",
            f"FROM '{outside}/rows.csv'",
            "SET enable_external_access = true",
        ):
            with pytest.raises(QueryError):
                connection.execute(refused)
    assert [file.name for file in outside.iterdir()] == ["rows.csv"]
