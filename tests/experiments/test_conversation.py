from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from experiments import sandbox
from experiments.answers import Answer
from experiments.sandbox import SubmissionError


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


def test_an_endless_loop_is_killed_with_all_its_processes(
    model: Callable[..., Path], run: Callable[..., list[Answer]], left_over: Callable[[Path], list[str]]
) -> None:
    path = model([[0, 0, 1, 1]], nodes=endless())
    with pytest.raises(SubmissionError, match=r"model.onnx: not done after '1' s; expected every frame"):
        run(path, wall_s=1.0)
    assert left_over(path) == []


def test_a_memory_bomb_hurts_nobody(model: Callable[..., Path], run: Callable[..., list[Answer]]) -> None:
    shape = numpy_helper.from_array(np.array([1 << 17, 1 << 17], np.int64))
    axes = numpy_helper.from_array(np.array([0, 1], np.int64))
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("Constant", [], ["axes"], value=axes),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge", "axes"], ["extra"], keepdims=0),
    ]
    with pytest.raises(SubmissionError, match=r"model.onnx: out of memory \('.+'\); expected at most 1024 MB"):
        run(model([[0, 0, 1, 1]], nodes=nodes))


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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    message: str,
    model: Callable[..., Path],
    run: Callable[..., list[Answer]],
    left_over: Callable[[Path], list[str]],
) -> None:
    """Even with the runner itself in a vendor's hands."""
    runner = tmp_path / "hostile.py"
    runner.write_text(READY + code)
    monkeypatch.setattr(sandbox, "RUNNER", runner)
    path = model([])
    with pytest.raises(SubmissionError, match=message):
        run(path, wall_s=1.0, count=50)
    assert left_over(path) == []
