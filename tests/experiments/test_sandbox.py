from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import sandbox
from experiments.answers import Answer
from experiments.sandbox import Level, Probe, SubmissionError, choose_level, command, probe


def inside(level: Level, code: str) -> str:
    """What Python code prints inside the sandbox."""
    done = subprocess.run(command(level, ["-c", code]), capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout + done.stderr).strip()


@pytest.mark.usefixtures("bubblewrap")
def test_bubblewrap_is_found() -> None:
    assert probe().level == "L3"


@pytest.mark.usefixtures("bubblewrap")
def test_the_network_is_out_of_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('reached')"
        assert inside("L1", code) == "reached"
        assert "Error" in inside("L2", code)
        assert "Error" in inside("L3", code)
    interfaces = inside("L3", "print([line.split(':')[0].strip() for line in open('/proc/net/dev')][2:])")
    assert interfaces == "['lo']"


@pytest.mark.usefixtures("bubblewrap")
def test_the_host_is_out_of_sight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "truth.csv"
    secret.write_text("truth")
    code = f"import os; print([os.path.exists(p) for p in ({str(secret)!r}, '/etc/passwd', {str(sandbox.RUNNER)!r})])"
    assert inside("L1", code) == "[True, True, True]"
    assert inside("L3", code) == "[False, False, False]"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "xyz")
    assert "xyz" not in inside("L3", "import os; print(dict(os.environ))")
    assert inside("L3", "import os; print(len([p for p in os.listdir('/proc') if p.isdigit()]) < 5)") == "True"
    assert "Read-only" in inside("L3", "open('/evil', 'w')")
    assert "Read-only" in inside("L3", "open('/usr/evil', 'w')")
    assert inside("L3", "import os; print(os.getuid())") == "65534"


def test_no_vendor_code_at_level_1(
    monkeypatch: pytest.MonkeyPatch, model: Callable[..., Path], run: Callable[..., list[Answer]]
) -> None:
    monkeypatch.setattr(sandbox, "probe", lambda: Probe("L1", {"L3": "bwrap is not installed"}))
    path = model([])
    with pytest.raises(SubmissionError, match=r"level 'L1' isolates too little .*bwrap is not installed"):
        run(path, trusted=False)
    with pytest.raises(SubmissionError, match="level 'L3' does not work here"):
        choose_level("L3")
    assert choose_level(trusted=True) == "L1"
    assert len(run(path)) == 3


def test_a_program_that_is_there_but_does_not_work_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bwrap", "unshare"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'no permission' >&2\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    probe.cache_clear()
    try:
        found = probe()
    finally:
        probe.cache_clear()
    assert found == Probe("L1", {"L3": "no permission", "L2": "no permission"})
