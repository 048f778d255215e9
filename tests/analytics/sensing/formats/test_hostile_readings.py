"""Broken files of readings end in one clear line or in quarantine, and no good reading is lost.

Each file goes through recognition and its reader; what was read of all files of a family then goes through the gate together,
because Great Expectations takes a tenth of a second for a judgement of any size, and on to `judge_readings`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from analytics.lake import Connection, memory
from analytics.sensing.formats import READERS
from analytics.sensing.formats.recognise import recognise
from analytics.sensing.judge import judge_readings
from analytics.sensing.readings import COLUMNS, SourceError
from analytics.sensing.units import conversion, known_property
from data_contracts.contract import load_contract
from data_contracts.gate import check
from tests.analytics.sensing.formats.hostile_readings import FAMILIES, Case, case_of, cases

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
APART = 1_000_000
"""Rows of one file are numbered from so many times its seed."""


@contextmanager
def told(name: str, seed: int) -> Iterator[None]:
    """Name the file in whatever goes wrong with it."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the file: case_of({name!r}, {seed})")
        raise


def require_line(error: SourceError) -> None:
    said = str(error)
    assert said.splitlines() == [said] and "; expected " in said and len(said) < 1_000, said


def read(connection: Connection, path: Path, case: Case, seed: int) -> bool:
    """Read a file into `family`, or make sure that it was to be refused."""
    path.write_bytes(case.data)
    try:
        READERS[recognise(str(path))](connection, str(path), table="read")
    except SourceError as error:
        require_line(error)
        assert case.refused, f"good rows are lost: {error}"
        return False
    own = {"interval_s": "interval_s::DOUBLE", "site_id": f"CASE WHEN site_id = '' THEN '' ELSE 'f{seed}_' || site_id END"}
    chosen = ", ".join(f"{own.get(name, f'{name}::VARCHAR')} AS {name}" for name in COLUMNS if name != "source_row")
    connection.execute(f"INSERT INTO family SELECT source_row + {APART * seed}, {chosen} FROM read")
    return True


def require_prepared(connection: Connection, seeds: list[int], cases_: dict[int, Case]) -> None:
    """All accepted readings of known units are prepared; a file with others is refused in one line."""
    known, unknown = [], []
    for name, unit in connection.execute("SELECT DISTINCT observed_property, unit FROM accepted").fetchall():
        try:
            conversion(known_property(name).name, unit)
            known.append(f"{name} {unit}")
        except SourceError:
            unknown.append((name, unit))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE clean AS SELECT * "
        "FROM accepted WHERE observed_property || ' ' || unit IN (SELECT unnest(?))",
        [known],
    )
    judge_readings(connection, "clean", table="prepared", timezone="UTC")
    assert (
        connection.execute("SELECT count(*) FROM prepared").fetchall()
        == connection.execute("SELECT count(*) FROM clean").fetchall()
    )
    for seed in seeds:
        query = (
            f"SELECT * FROM accepted WHERE source_row // {APART} = {seed} AND coalesce(observed_property || ' ' || unit, '')"
        )
        connection.execute(f"CREATE OR REPLACE TEMP TABLE others AS {query} NOT IN (SELECT unnest(?))", [known])
        if connection.execute("SELECT count(*) FROM others").fetchall() != [(0,)]:
            assert not cases_[seed].known, unknown
            with pytest.raises(SourceError) as caught:
                judge_readings(connection, "others", table="prepared", timezone="UTC")
            require_line(caught.value)


def judge(name: str, folder: Path) -> int:
    """Judge all files of a family; returns how many there were."""
    seeds = [seed for family, seed in cases() if family == name]
    with memory() as connection:
        described = ", ".join(f"{column} {'DOUBLE' if column == 'interval_s' else 'VARCHAR'}" for column in list(COLUMNS)[1:])
        connection.execute(f"CREATE TEMP TABLE family (source_row BIGINT, {described})")
        made: dict[int, Case] = {}
        for seed in seeds:
            with told(name, seed):
                case = case_of(name, seed)
                if read(connection, folder / "file", case, seed):
                    made[seed] = case
        rows = connection.execute("SELECT count(*) FROM family").fetchall()[0][0]
        if rows:
            report = check(connection, "family", load_contract("sensor_readings"), accepted="accepted", quarantined="refused")
            assert report.accepted + report.quarantined == report.rows == rows
            assert connection.execute("SELECT count(*) FROM refused WHERE len(reasons) = 0").fetchall() == [(0,)]
            kept: dict[int, set[float]] = {}
            for seed, value in connection.execute(f"SELECT source_row // {APART}, value FROM accepted").fetchall():
                kept.setdefault(int(seed), set()).add(float(value))
            for seed, case in made.items():
                with told(name, seed):
                    lost = {float(value) for value in case.good} - kept.get(seed, set())
                    assert not lost, f"good rows are lost: {sorted(lost)}"
            require_prepared(connection, list(made), made)
    return len(seeds)


@pytest.mark.parametrize("name", FAMILIES)
def test_broken_files_end_in_a_clear_line_or_in_quarantine(tmp_path, name):
    assert judge(name, tmp_path) > 0


def test_there_are_a_thousand_of_them():
    assert len(cases()) >= 1_000


SCRIPT = """
import sys
from pathlib import Path
from tests.analytics.sensing.formats.test_hostile_readings import judge
folder = Path(sys.argv[1])
for name in ("csv oversized", "lines oversized", "json bomb"):
    judge(name, folder)
for line in Path("/proc/self/status").read_text().splitlines():
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's memory")
def test_oversized_files_take_less_than_a_gibibyte(tmp_path):
    done: Any = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 1024, f"{done.stdout} MiB"
