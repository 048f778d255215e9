"""Damaged Parquet files: each ends in one line or in rows, and never ends the process.

The files are read in a process of their own, so that a crash would be seen as one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FLIPS = 250
ROWS = 300
READ = """
import json, random, sys
from pathlib import Path
import duckdb
from data_contracts.contract import ContractError
from data_contracts.rows.files import read_file
flips, rows, path = int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[1], "file.parquet")
typed = (
    "SELECT 'site_' || (i %% 7) AS site_id, TIMESTAMPTZ '2026-03-02 00:00:00Z' + INTERVAL (i) HOUR AS counted_at, "
    "i::INTEGER AS crossings, i / 7 AS coverage, [i, NULL] AS parts, {'a': 'x' || i} AS whole FROM range(%d) r(i)" % rows
)
said, counts = [], {"refused": 0, "read": 0}
with duckdb.connect(config={"memory_limit": "400MiB"}) as connection:
    for compression in ("uncompressed", "snappy", "zstd"):
        connection.execute(
            f"COPY ({typed}) TO '{path}' (FORMAT parquet, COMPRESSION {compression}, ROW_GROUP_SIZE 128)"
        )
        good = path.read_bytes()
        footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
        for seed in range(flips):
            draw = random.Random(f"{compression} {seed}")
            damaged = bytearray(good)
            kind = draw.choice(["bit", "bit", "footer", "block", "swap", "length", "cut", "grown"])
            at = draw.randrange(footer, len(good)) if kind == "footer" else draw.randrange(len(good))
            if kind in ("bit", "footer"):
                damaged[at] ^= 1 << draw.randrange(8)
            elif kind == "block":
                damaged[at : at + 30] = draw.randbytes(30)
            elif kind == "swap":
                damaged[4:footer] = damaged[4:footer][::-1]
                damaged[at] ^= 255
            elif kind == "length":
                damaged[-8:-4] = draw.choice([0, 1, 2**31, 2**32 - 1, len(good), draw.randrange(2**16)]).to_bytes(4, "little")
            elif kind == "cut":
                del damaged[at : at + draw.randint(1, 200)]
            else:
                damaged[at:at] = draw.randbytes(draw.randint(1, 200))
            path.write_bytes(damaged)
            print(compression, seed, kind, file=sys.stderr, flush=True)  # the last one tells what ended the process
            try:
                read_file(connection, path, into="t")
                connection.execute("SELECT count(*), max(hash(COLUMNS(*))) FROM t").fetchall()
                counts["read"] += 1
            except ContractError as error:
                said.append(str(error))
                counts["refused"] += 1
    for content in (b"PAR1", b"PAR1PAR1", b"PAR1" + bytes(4) + b"PAR1", b"PARE" + bytes(9) + b"PARE", bytes(99), b"x"):
        path.write_bytes(content)
        try:
            read_file(connection, path, into="t")
            counts["read"] += 1
        except ContractError as error:
            said.append(str(error))
            counts["refused"] += 1
status = Path("/proc/self/status").read_text()  # the usual figure starts at that of the process which began this one
peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
print(json.dumps({**counts, "said": said, "mib": peak}))
"""


def test_a_damaged_parquet_file_ends_in_one_line_or_in_rows(tmp_path: Path) -> None:
    command = [sys.executable, "-c", READ, str(tmp_path), str(FLIPS), str(ROWS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    found = json.loads(done.stdout)
    assert found["refused"] + found["read"] == 3 * FLIPS + 6
    assert min(found["refused"], found["read"]) > 100
    for said in found["said"]:
        assert said.startswith(f"{tmp_path}/file.parquet: ") and "; expected " in said and len(said.splitlines()) == 1, said
    assert found["mib"] < 1024
