"""Live readings over MQTT: 500 sensors at 10 readings a second each for 60 s, from a publisher to the lake.

`python tests/benchmarks/bench_mqtt.py`; `BENCH_SECONDS` shortens it. A real mosquitto and the publisher are processes of their
own on this machine. Nothing may be lost, nothing doubled, and of all readings 95 in 100 must be in the lake within 5 s of
being published: each carries the time at which it was published, and a batch is in the lake when its transaction has ended.
Processor seconds are told apart: of the process that takes messages from the broker (`receiver_cpu_s`), of the one that judges
and stores them (`lake_cpu_s`), of the publisher and of the broker.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
SENSORS, RATE, LIMIT_S = 500, 10, 5.0
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))


def publish(port: int) -> None:
    """Publish at QoS 1 and at an even rate; ends when the broker has acknowledged everything."""
    connection, acknowledged = socket.create_connection(("127.0.0.1", port)), 0
    body = _text("MQTT") + b"\x04\x02\x00\x3c" + _text("publisher")
    connection.sendall(b"\x10" + bytes([len(body)]) + body)
    assert connection.recv(4)[3] == 0
    total, sent, started = int(SENSORS * RATE * SECONDS), 0, time.time()
    done = threading.Event()

    def read() -> None:
        nonlocal acknowledged
        while acknowledged < 4 * total:
            acknowledged += len(connection.recv(1 << 16))
        done.set()

    threading.Thread(target=read, daemon=True).start()
    while sent < total:
        out = bytearray()
        for number in range(sent, min(total, int((time.time() - started) * SENSORS * RATE))):
            payload = f'{{"time":{time.time():.6f},"value":{number % 97},"unit":"ug/m3"}}'.encode()
            frame = _text(f"city/site_{number % SENSORS}/pm25") + struct.pack(">H", number % 65535 + 1) + payload
            out += b"\x32" + bytes([len(frame)]) + frame
            sent += 1
        connection.sendall(out)
        time.sleep(0.02)
    assert done.wait(120)
    print(json.dumps({"sent": sent, "seconds": time.time() - started, "cpu_s": time.process_time()}))


def _used(who: int = resource.RUSAGE_SELF) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def main() -> None:
    """Start the broker, listen, publish, and look at what is in the lake."""
    import data_contracts.expectations  # noqa: F401  # its import takes seconds that are not the lake's
    from analytics.lake import open_lake
    from analytics.sensing.live.payloads import MAX_READINGS, Plain
    from experiments.settings import load_settings
    from flows.listen import listen
    from tests.analytics.sensing.live.broker import mosquitto

    fields = {"interval_start_at": "time", "value": "value", "unit": "unit"}
    mapping = Plain(format="plain", topic="city/{site_id}/{observed_property}", fields=fields, time="unix_s")
    total, stop, batches, told = int(SENSORS * RATE * SECONDS), threading.Event(), [(0, 0.0)], []
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder) / "broker") as broker:
        settings = load_settings({"TESTBED_HOME": f"{folder}/home"})

        def begin(text: str) -> None:
            print(text, file=sys.stderr)
            if not told:
                told.append(subprocess.Popen([sys.executable, __file__, str(broker.port)], stdout=subprocess.PIPE))

        def note(number: int, at: float) -> None:
            batches.append((number, at))
            if number >= total:
                stop.set()

        with open_lake(settings.catalog, settings.lake_files) as connection:
            limits = {"for_s": 2 * SECONDS + 60, "stop": stop, "progress": begin, "on_batch": note}
            before = _used()
            heard = listen(connection, "mqtt:bench", broker.address, mapping, settings, **limits)
            lake_s, receiver_s = _used() - before, _used(resource.RUSAGE_CHILDREN)
            published = json.loads(told[0].communicate()[0])
            query = "SELECT source_row, epoch(interval_start_at) AS published_s, site_id, value FROM lake.live_readings"
            rows, at, *_ = connection.execute(query).fetchnumpy().values()
            ((keys,),) = connection.execute(f"SELECT count(DISTINCT (site_id, published_s, value)) FROM ({query})").fetchall()
        broker_s = -_used(resource.RUSAGE_CHILDREN)
        broker.end()
        broker_s += _used(resource.RUSAGE_CHILDREN)
    last, seen = np.array(batches).T
    delays = seen[np.searchsorted(last, rows // MAX_READINGS)] - at
    p50, p95, worst = np.percentile(delays, (50, 95, 100))
    line = {
        "name": "live_mqtt",
        "messages": total,
        "published_per_s": round(published["sent"] / published["seconds"]),
        "lost": total - keys,
        "doubled": len(rows) - keys,
        "p50_s": round(p50, 2),
        "p95_s": round(p95, 2),
        "worst_s": round(worst, 2),
        "receiver_cpu_s": round(receiver_s, 2),
        "lake_cpu_s": round(lake_s, 2),
        "publisher_cpu_s": round(published["cpu_s"], 2),
        "broker_cpu_s": round(broker_s, 2),
        "batches": heard.batches,
        "refused": sum(heard.refused.values()),
        "rival": f"{LIMIT_S:g} s",
        "ratio": round(p95 / LIMIT_S, 3),
        "target": 1.0,
        "met": bool(keys == len(rows) == total and p95 <= LIMIT_S),
        "runs": 1,
        "load": os.getloadavg()[0],
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    publish(int(sys.argv[1])) if sys.argv[1:] else main()
