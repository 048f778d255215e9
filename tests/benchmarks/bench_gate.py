"""The gate against a hand-written scan, Great Expectations on pandas, datacontract-cli and pandera on polars; and its memory.

    python tests/benchmarks/bench_gate.py [NAME ...] [--rows N] [--runs N]

Each contender works in a process of its own, two at a time and in turn. Rivals that need libraries other than the project's
run with the interpreter that `BENCH_PYTHON` names; `make bench` makes one from `rivals.txt`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from gate_rivals import CONDITIONS, USERS, Work, contract, serve
from ratio import report

ROOT = Path(__file__).parents[2]
OWN_RULES = """
      - type: custom
        name: measured
        engine: greatExpectations
        implementation:
          type: unexpected_rows_expectation
          kwargs: {unexpected_rows_query: "SELECT * FROM {batch} WHERE coverage = 0 AND crossings > 0"}
"""
RULES = (*CONDITIONS, "primary_key")
MEMORY_ROWS, MEMORY_LIMIT_MIB = 100_000_000, 1536


def gate(data: Path, *, copied: bool, memory_limit: str | None = None) -> Work:
    """The gate over a DuckDB file: accepted rows as a view of it, or copied, and quarantine."""
    sys.path.insert(0, str(ROOT))
    import duckdb

    import data_contracts.expectations  # noqa: F401 - not on the clock, as the rivals' libraries
    from data_contracts.contract import parse_contract
    from data_contracts.gate import check

    judged_by = parse_contract(contract(rules=OWN_RULES, is_keyed=True), "counts")
    connection = duckdb.connect(config={"temp_directory": str(data.parent / "spilled")})
    if memory_limit:
        connection.execute(f"SET memory_limit = '{memory_limit}'")
    connection.execute(f"ATTACH '{data}' AS data (READ_ONLY); USE data")

    def work() -> dict[str, int]:
        done = check(connection, "counts", judged_by, accepted="accepted", quarantined="quarantined", copied=copied)
        found = {rule.rule: int(rule.failed_rows or 0) for rule in done.rules if rule.rule in RULES}
        return {**found, "rows": done.rows, "quarantined": done.quarantined}

    return work


def make_data(data: Path, rows: int, one_in: int, *, parquet: bool) -> None:
    """Hourly counts of eight kinds of road users; one row in `one_in` is faulty, each twelfth of those under another rule."""
    import duckdb

    kinds = ", ".join(f"'{user}'" for user in USERS)
    fault = f"CASE WHEN i % {one_in} = {one_in // 2} THEN (i // {one_in}) % 12 ELSE -1 END" if one_in else "-1"
    connection = duckdb.connect(str(data))
    connection.execute(
        f"""
        CREATE TABLE counts AS
        SELECT i + 1 AS source_row,
            CASE fault WHEN 0 THEN NULL WHEN 1 THEN 'Site ' || site ELSE 'site_' || lpad(site::VARCHAR, 4, '0') END AS site_id,
            CASE fault WHEN 2 THEN NULL WHEN 3 THEN 'ghost' ELSE [{kinds}][1 + key % 8] END AS road_user,
            CASE WHEN fault <> 4 THEN TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_hours(key // 8 % 8760) END AS interval_start_at,
            CASE fault WHEN 5 THEN NULL WHEN 6 THEN -1 WHEN 7 THEN 30000 ELSE 1 + hash(i) % 900 END::INTEGER AS crossings,
            CASE fault WHEN 8 THEN 'nan' WHEN 9 THEN 1.5 WHEN 10 THEN 0 ELSE 0.5 + hash(i + 7) % 501 / 1000 END::DOUBLE
                AS coverage
        FROM (
            SELECT i, fault, CASE fault WHEN 11 THEN i - 1 ELSE i END AS key, key // 70080 AS site
            FROM (SELECT i, {fault} AS fault FROM range({rows}) AS r(i))
        )
        """
    )
    if parquet:
        connection.execute(f"COPY counts TO '{data.with_suffix('.parquet')}' (FORMAT parquet)")
    connection.close()


class Worker:
    """A contender in its own process."""

    def __init__(self, arguments: list[str], python: str = sys.executable) -> None:
        here = Path(__file__).parent
        command = [python, str(here / arguments[0]), *arguments[1:]]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, cwd=here)
        self.ready = self._answer()

    def run(self) -> dict[str, Any]:
        """One run."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self.process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return dict(json.loads(line)) if line else {"skipped": "its process ended without an answer"}


def duel(
    name: str, data: Path, rival: str, words: str, *, target: float, memory_target: float | None, runs: int, way: str = "view"
) -> None:
    """Run the gate and a rival in turn and print the line agreed on."""
    theirs = Worker(
        ["gate_rivals.py", rival, str(data)],
        os.environ.get("BENCH_PYTHON", sys.executable) if rival in ("datacontract", "pandera") else sys.executable,
    )
    if "skipped" in theirs.ready:
        print(json.dumps({"name": name, "rival": words, "skipped": theirs.ready["skipped"]}), flush=True)
        return
    ours = Worker(["bench_gate.py", "--serve", str(data), way])
    done = [(ours.run(), theirs.run()) for _ in range(runs + 1)]
    ours.close()
    theirs.close()
    failed = next((answer["skipped"] for pair in done for answer in pair if "skipped" in answer), None)
    if failed is not None:
        print(json.dumps({"name": name, "rival": words, "skipped": failed}), flush=True)
        return
    our_s, their_s = (statistics.median(pair[i]["seconds"] for pair in done[1:]) for i in (0, 1))
    our_mib, their_mib = (pair["peak_mib"] for pair in done[-1])
    mine, other = (pair["found"] for pair in done[-1])
    extra: dict[str, Any] = {"ours_mib": round(our_mib), "rival_mib": round(their_mib)}
    if memory_target is not None:
        ratio = our_mib / their_mib
        extra |= {"memory_ratio": round(ratio, 3), "memory_target": memory_target, "memory_met": ratio <= memory_target}
    differs = {rule: [mine[rule], other[rule]] for rule in RULES if rule in other and mine[rule] != other[rule]}
    extra |= {"differs": differs} if any(rule in other for rule in RULES) else {"rival_found": other}
    report(name, our_s, words, their_s, target=target, runs=runs, extra=extra)


def memory(folder: Path) -> None:
    """Peak memory of a process that judges 100 million rows of a DuckDB file: unlimited, and as the test bed limits it."""
    sys.path.insert(0, str(ROOT))
    from analytics.lake import MEMORY_LIMIT

    data = folder / "large.duckdb"
    subprocess.run([sys.executable, __file__, "--make", str(data), str(MEMORY_ROWS)], check=True)
    for name, options in (("gate_memory_100m", ()), ("gate_memory_100m_limited", ("--memory-limit", MEMORY_LIMIT))):
        worker = Worker(["bench_gate.py", "--serve", str(data), "view", *options])
        answer = worker.run()
        worker.close()
        if "skipped" in answer:
            raise SystemExit(f"the gate of {MEMORY_ROWS} rows gave no answer")
        mib, seconds = answer["peak_mib"], round(answer["seconds"], 1)
        line = {"name": name, "ours_mib": round(mib), "rival": "limit", "rival_mib": MEMORY_LIMIT_MIB}
        line |= {"ratio": round(mib / MEMORY_LIMIT_MIB, 3), "met": mib < MEMORY_LIMIT_MIB, "ours_s": seconds}
        print(json.dumps({**line, "found": answer["found"]}), flush=True)
    data.unlink()


def main() -> None:
    """Time what is named, or all: scan, clean, dirty, copied, gx, datacontract, pandera, memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--serve", nargs=2, metavar=("DATA", "WAY"))
    parser.add_argument("--make", nargs=2, metavar=("DATA", "ROWS"))
    parser.add_argument("--memory-limit")
    given = parser.parse_args()
    if given.serve:
        serve(partial(gate, Path(given.serve[0]), copied=given.serve[1] == "table", memory_limit=given.memory_limit))
        return
    if given.make:
        make_data(Path(given.make[0]), int(given.make[1]), 1000, parquet=False)
        return
    with tempfile.TemporaryDirectory(prefix="bench-gate-", dir=os.environ.get("BENCH_FOLDER")) as folder:
        run_named(given.names, Path(folder), given.rows, given.runs)


def run_named(names: list[str], folder: Path, rows: int, runs: int) -> None:
    """Make the data and run the duels."""
    scan, size = "one hand-written DuckDB scan", f"{rows // 1_000_000}m"
    shares = {"clean": 0, "faulty_0.1_percent": 1000, "faulty_5_percent": 20}
    files = {share: folder / f"{share}.duckdb" for share in shares}

    def wanted(name: str) -> bool:
        return not names or name in names

    if any(wanted(name) for name in ("scan", "clean", "dirty", "copied", "gx", "datacontract", "pandera")):
        for share, one_in in shares.items():
            make_data(files[share], rows, one_in, parquet=share == "faulty_0.1_percent")
    few = files["faulty_0.1_percent"]
    for name, share, way in (
        ("scan", "faulty_0.1_percent", "view"),
        ("clean", "clean", "view"),
        ("dirty", "faulty_5_percent", "view"),
        ("copied", "faulty_0.1_percent", "table"),
    ):
        if wanted(name):
            title = f"gate_{size}_{share}" + ("_copied" if way == "table" else "")
            duel(title, files[share], "hand", scan, target=1.5, memory_target=None, runs=runs, way=way)
    if wanted("gx"):
        words = "Great Expectations on pandas, copy included"
        duel(f"gate_{size}_gx", few, "great_expectations", words, target=1 / 1.5, memory_target=0.25, runs=runs)
    if wanted("datacontract"):
        duel(f"gate_{size}_cli", few, "datacontract", "datacontract-cli", target=1, memory_target=None, runs=runs)
    if wanted("pandera"):
        duel(f"gate_{size}_pandera", few, "pandera", "pandera on polars", target=1, memory_target=None, runs=runs)
    if wanted("memory"):
        memory(folder)


if __name__ == "__main__":
    main()
