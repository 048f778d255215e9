"""Opening an ONNX file in ONNX Runtime, on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analytics.video.source import SourceError
from analytics.video.sources.ahead import cores

if TYPE_CHECKING:
    import onnx
    import onnxruntime

_MOST_THREADS = 4  # small networks gain nothing from more


def usable_threads() -> int:
    """Processors that this process may use, at most 4: a small network gains nothing from more."""
    return min(_MOST_THREADS, cores())


def load_graph(path: Path) -> onnx.ModelProto:
    """Read a model; weights listed as inputs are made constants, which the runtime would otherwise complain about.

    Args:
        path: The ONNX file; one that keeps weights in other files is refused when it is opened.

    Raises:
        SourceError: The file is missing, or is no ONNX model with inputs and outputs.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise SourceError(f"{path}: found 'no such file'; expected an ONNX model; check the path")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError:
        raise SourceError(f"{path}: found 'no ONNX in it'; {_HINT}") from None
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in weights]
    if not inputs or not model.graph.output:
        raise SourceError(f"{path}: found 'a graph without inputs or outputs'; {_HINT}")
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model


def open_session(model: onnx.ModelProto, path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Make a model ready to run.

    Args:
        model: The model.
        path: Its file, for errors.
        threads: Threads of the runtime.

    Raises:
        SourceError: The runtime cannot use it.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # A thread that spins while it waits takes the processor from decoding and tracking.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except (
        state.Fail,
        state.InvalidGraph,
        state.InvalidArgument,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    ) as error:
        cause = str(error).splitlines()[0][:160]
        raise SourceError(f"{path}: the runtime found '{cause}'; {_HINT}") from None


_HINT = "expected an ONNX model in one file; export it again"
