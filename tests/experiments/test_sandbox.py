from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from experiments import sandbox
from experiments.sandbox import Answer, Level, Probe, SubmissionError, choose_level, command, inspect_model, probe, run_model

HEIGHT, WIDTH = 24, 32
LEVELS: tuple[Level, ...] = ("L1", "L2", "L3")

needs_bubblewrap = pytest.mark.skipif(
    probe().level != "L3" and os.environ.get("CI") != "true", reason=f"no bubblewrap: {dict(probe().reasons)}"
)


def model(folder: Path, boxes: Any, *, labels: int = 0, nodes: list[onnx.NodeProto] | None = None, name: str = "boxes") -> Path:
    """A model that answers every frame with the same boxes, after running some nodes."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    constants = {
        name: boxes,
        "scores": np.full(len(boxes), 0.5, np.float32),
        "labels": np.full(len(boxes), labels, np.int64),
    }
    made = [helper.make_node("Constant", [], [key], value=numpy_helper.from_array(value)) for key, value in constants.items()]
    if nodes:  # the boxes depend on them
        made[0].output[0] = "fixed"
        made += [*nodes, helper.make_node("Add", ["fixed", "extra"], [name])]
    graph = helper.make_graph(
        made,
        "fixed",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, [2, 3, HEIGHT, WIDTH])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["k", 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["k"]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, ["k"]),
        ],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    built.ir_version = 8
    path = folder / "model.onnx"
    path.write_bytes(built.SerializeToString())
    return path


def endless() -> list[onnx.NodeProto]:
    """A loop of 2^62 rounds."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["sum"], ["out"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("out", TensorProto.FLOAT, [1]),
        ],
    )
    values = {"rounds": np.array(1 << 62, np.int64), "start": np.array(True), "none": np.zeros(1, np.float32)}
    made = [helper.make_node("Constant", [], [key], value=numpy_helper.from_array(value)) for key, value in values.items()]
    return [*made, helper.make_node("Loop", ["rounds", "start", "none"], ["extra"], body=body)]


def frames(count: int = 3) -> Iterator[np.ndarray]:
    for _ in range(count):
        yield np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def run(path: Path, *, count: int = 3, level: Level | None = None, **limits: Any) -> list[Answer]:
    options = {"road_users": 1, "max_boxes": 20, "wall_s": 20.0, "memory_mb": 1024, "trusted": True, **limits}
    return list(run_model(path, frames(count), level=level, **options))


def inside(level: Level, code: str) -> str:
    """What Python code prints inside the sandbox."""
    done = subprocess.run(command(level, ["-c", code]), capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout + done.stderr).strip()


def left_over(path: Path) -> list[str]:
    """Processes that still have a path on their command line two seconds later."""
    found: list[str] = []
    for _ in range(40):
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(path).encode() in entry.read_bytes():
                    found.append(entry.parent.name)
        if not found:
            break
        time.sleep(0.05)
    return found


@needs_bubblewrap
def test_bubblewrap_is_found() -> None:
    assert probe().level == "L3"


@needs_bubblewrap
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_gives_the_same_answers(tmp_path: Path, level: Level) -> None:
    answers = run(model(tmp_path, [[1, 2, 3, 4], [5, 6, 99, 99]]), count=4, level=level)
    assert len(answers) == 4
    np.testing.assert_array_equal(answers[3].boxes, [[1, 2, 3, 4], [5, 6, WIDTH, HEIGHT]])
    assert answers[3].labels.tolist() == [0, 0]
    assert answers[3].model_s > 0


def test_no_boxes_and_no_frames_are_fine(tmp_path: Path) -> None:
    path = model(tmp_path, [])
    assert [len(answer.boxes) for answer in run(path, count=2)] == [0, 0]
    assert run(path, count=0) == []


@needs_bubblewrap
def test_the_network_is_out_of_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('reached')"
        assert inside("L1", code) == "reached"
        assert "Error" in inside("L2", code)
        assert "Error" in inside("L3", code)
    interfaces = inside("L3", "print([line.split(':')[0].strip() for line in open('/proc/net/dev')][2:])")
    assert interfaces == "['lo']"


@needs_bubblewrap
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


def test_an_endless_loop_is_killed_with_all_its_processes(tmp_path: Path) -> None:
    path = model(tmp_path, [[0, 0, 1, 1]], nodes=endless())
    with pytest.raises(SubmissionError, match=r"model.onnx: not done after '1' s; expected every frame"):
        run(path, wall_s=1.0)
    assert left_over(path) == []


def test_a_memory_bomb_hurts_nobody(tmp_path: Path) -> None:
    shape = numpy_helper.from_array(np.array([1 << 17, 1 << 17], np.int64))
    axes = numpy_helper.from_array(np.array([0, 1], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("Constant", [], ["axes"], value=axes),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge", "axes"], ["extra"], keepdims=0),
    ]
    with pytest.raises(SubmissionError, match=r"model.onnx: out of memory \('.+'\); expected at most 1024 MB"):
        run(model(tmp_path, [[0, 0, 1, 1]], nodes=nodes))


@pytest.mark.parametrize(
    ("boxes", "labels", "message"),
    [
        ([[0, 0, np.nan, 1]], 0, "frame 0: output boxes holds 'nan'; expected finite numbers"),
        ([[0, 0, np.inf, 1]], 0, "frame 0: output boxes holds 'inf'"),
        ([[5, 0, 1, 1]], 0, "frame 0: box .* is inside out"),
        ([[0, 0, 1, 1]], 7, "frame 0: label '7' is unknown; expected 0 to 0"),
        ([[0, 0, 1, 1]] * 21, 0, r"output 'boxes has the shape \[21, 4\]'"),
    ],
)
def test_answers_that_are_not_believed(tmp_path: Path, boxes: list[list[float]], labels: int, message: str) -> None:
    with pytest.raises(SubmissionError, match=message):
        run(model(tmp_path, boxes, labels=labels))


def test_a_flood_of_boxes_is_stopped_inside(tmp_path: Path) -> None:
    rows = numpy_helper.from_array(np.array([1 << 22, 1], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["rows"], value=rows),
        helper.make_node("ConstantOfShape", ["rows"], ["extra"]),
    ]
    with pytest.raises(SubmissionError, match=r"output 'boxes has the shape \[4194304, 4\]'"):
        run(model(tmp_path, [[0, 0, 1, 1]], nodes=nodes))


def test_missing_outputs_and_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="the model failed with"):
        run(model(tmp_path, [[0, 0, 1, 1]], name="boxen"))
    path = tmp_path / "text.onnx"
    path.write_text("not a model")
    with pytest.raises(SubmissionError, match=r"text.onnx: the model failed with"):
        run(path)
    assert "unreadable" in inspect_model(path, trusted=True)


READY = """import sys, struct, os, time
say = lambda b: (sys.stdout.buffer.write(struct.pack('<I', len(b)) + b), sys.stdout.flush())
say(b'{"unlimited": []}'); say(b'{"ready": true}')
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.stdout.buffer.write(b'\\xff' * 4000); sys.stdout.flush(); time.sleep(30)", "an answer is '4294967295' bytes"),
        ("while True: say(b'x' * 4000)", r"an answer is '\d+' bytes long|an answer is 'x+'"),
        ("say(b'hello'); time.sleep(30)", "an answer is 'hello'; expected a JSON object"),
        ("say(b'[1]'); time.sleep(30)", r"an answer is '\[1\]'"),
        ("say(b'{}'); time.sleep(30)", "frame 0: output 'boxes' is missing"),
        ('say(b\'{"boxes": [[1]], "scores": "a", "labels": {}, "model_s": 1}\')', "expected boxes"),
        ('say(b\'{"boxes": [[0,0,1,1]], "scores": [], "labels": [0], "model_s": 1}\')', "'0' scores"),
        ("os.kill(os.getpid(), 11)", "crashed with 'SIGSEGV"),
        ("sys.exit('it broke \\x1b[31m')", r"crashed with 'exit code 1: it broke  \[31m'"),
        ("time.sleep(30)", "not done after '1' s"),
        ("while True: sys.stderr.write('x' * 65536)", "not done after '1' s"),
    ],
)
def test_the_host_believes_nothing_that_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    """Even with the runner itself in a vendor's hands."""
    runner = tmp_path / "hostile.py"
    runner.write_text(READY + code)
    monkeypatch.setattr(sandbox, "RUNNER", runner)
    path = model(tmp_path, [])
    with pytest.raises(SubmissionError, match=message):
        run(path, wall_s=1.0, count=50)
    assert left_over(path) == []


def test_leaving_early_leaves_nothing_behind(tmp_path: Path) -> None:
    path = model(tmp_path, [[0, 0, 1, 1]])
    answers = run_model(path, frames(50), road_users=1, max_boxes=5, wall_s=9, memory_mb=1024, trusted=True)
    next(answers)
    answers.close()
    assert left_over(path) == []


def test_no_vendor_code_at_level_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "probe", lambda: Probe("L1", {"L3": "bwrap is not installed"}))
    path = model(tmp_path, [])
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
