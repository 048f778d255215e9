"""The program inside the sandbox: the only place where a vendor's model is parsed or run.

It stands alone (the sandbox holds nothing else of this project) and is trusted; the model it loads is not. The order comes as
one JSON argument, frames come on standard input, answers leave on standard output: each a length (4 bytes, little endian) and
that many bytes. Frames are raw unsigned bytes, answers are JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

SHORT = 120
MANY = 20
TOO_MANY_NODES = 1_000_000
CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
ELEMENT_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2}
MEMORY_SIGNS = ("bad_alloc", "bad allocation", "failed to allocate", "memoryerror", "out of memory", "cannot allocate")


class Refused(Exception):
    """The model cannot be run, or its answer cannot be used; `kind` says which."""

    def __init__(self, kind: str, text: str) -> None:
        """Keep the kind and the text."""
        super().__init__(text)
        self.kind = kind
        self.text = text


def limit(limits: dict[str, int]) -> list[str]:
    """Lower the limits of this process for good; returns those the system would not take."""
    refused = []
    for name, value in limits.items():
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (AttributeError, ValueError, OSError):
            refused.append(name)
    return refused


def inspect_model(path: str) -> dict[str, Any]:
    """Read what the static checks need to know about a model, without running any of it."""
    import onnx

    data = Path(path).read_bytes()
    try:
        model = onnx.ModelProto.FromString(data)
    except importlib.import_module("google.protobuf.message").DecodeError as error:
        return {"unreadable": str(error)[:SHORT] or "not protobuf"}
    found: dict[str, Any] = {"nodes": 0, "initialiser_bytes": 0}
    domains: set[str] = set()
    control_flow: set[str] = set()
    external: list[str] = []

    def weigh(tensor: onnx.TensorProto) -> None:
        declared = ELEMENT_BYTES.get(tensor.data_type, 8)
        for size in tensor.dims:
            declared *= max(0, size)
        # A tensor is as big as it says or as big as it is: whichever is worse.
        found["initialiser_bytes"] += max(declared, tensor.ByteSize())
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            external.append(tensor.name[:SHORT])

    graphs = [model.graph, *(g for info in model.training_info for g in (info.initialization, info.algorithm))]
    groups = [function.node for function in model.functions]
    while graphs or groups:
        if graphs:
            graph = graphs.pop()
            for tensor in graph.initializer:
                weigh(tensor)
            sparse = list(graph.sparse_initializer)
            nodes = graph.node
        else:
            sparse, nodes = [], groups.pop()
        found["nodes"] += len(nodes)
        if found["nodes"] > TOO_MANY_NODES:
            return {"unreadable": f"more than {TOO_MANY_NODES} nodes"}
        for node in nodes:
            domains.add(node.domain[:SHORT])
            if node.op_type in CONTROL_FLOW:
                control_flow.add(node.op_type)
            for attribute in node.attribute:
                for tensor in (attribute.t, *attribute.tensors):
                    weigh(tensor)
                sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
                if attribute.HasField("g"):
                    graphs.append(attribute.g)
                graphs += attribute.graphs
        for pair in sparse:
            weigh(pair.values)
            weigh(pair.indices)

    def shapes(values: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": value.name[:SHORT],
                "type": value.type.tensor_type.elem_type,
                "shape": [
                    dim.dim_value if dim.HasField("dim_value") else dim.dim_param[:SHORT]
                    for dim in value.type.tensor_type.shape.dim[:MANY]
                ],
            }
            for value in values[:MANY]
        ]

    constants = {tensor.name for tensor in model.graph.initializer}
    found.update(
        external=sorted(external)[:MANY],
        domains=sorted(domains)[:MANY],
        control_flow=sorted(control_flow),
        functions=len(model.functions),
        training_info=len(model.training_info),
        opsets={item.domain[:SHORT]: item.version for item in model.opset_import[:MANY]},
        inputs=shapes([value for value in model.graph.input if value.name not in constants]),
        outputs=shapes(model.graph.output),
        invalid="",
    )
    if not external:  # the checker would look for the files
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            found["invalid"] = " ".join(str(error).split())[:SHORT] or "refused by onnx.checker"
    return found


def open_model(order: dict[str, Any]) -> tuple[Callable[[Any], Any], Any]:
    """Load the model; returns the function that runs it on one input, and the input's type."""
    import numpy as np
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = "Fail RuntimeException InvalidArgument InvalidGraph InvalidProtobuf NoSuchFile NotImplemented NoModel EPFail"
    failures = (*(getattr(state, name) for name in names.split()), RuntimeError, MemoryError)

    def guarded(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except failures as error:
            text = " ".join((str(error) or type(error).__name__).split())
            short_of_memory = any(sign in f"{type(error).__name__} {text}".lower() for sign in MEMORY_SIGNS)
            raise Refused("memory" if short_of_memory else "model", text[-SHORT:]) from None

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    # Always named: the wheel also offers a provider that can call the network.
    providers = ["CPUExecutionProvider"]
    session = guarded(lambda: onnxruntime.InferenceSession(order["model"], options, providers=providers))
    name = session.get_inputs()[0].name
    dtype = np.uint8 if "uint8" in session.get_inputs()[0].type else np.float32
    return (lambda value: guarded(lambda: session.run(order["outputs"], {name: value}))), dtype


def answer_frames(order: dict[str, Any], frames: BinaryIO, say: Callable[[dict[str, Any]], None]) -> None:
    """Answer every frame with the boxes, scores and labels that the model finds."""
    import numpy as np

    run, dtype = open_model(order)
    say({"ready": True})
    size = order["height"] * order["width"] * 3
    value: Any = None
    while True:
        head = frames.read(4)
        if len(head) < 4 or struct.unpack("<I", head)[0] != size:
            return
        image = np.frombuffer(frames.read(size), np.uint8).reshape(order["height"], order["width"], 3).transpose(2, 0, 1)
        if value is None:
            value = np.stack([image, image]).astype(dtype)
        value[0], value[1] = value[1], image
        started = time.perf_counter()
        outputs = run(value)
        model_s = time.perf_counter() - started
        for name, output in zip(order["outputs"], outputs, strict=True):
            if not isinstance(output, np.ndarray):
                raise Refused("output", f"{name} is a {type(output).__name__}, not a tensor")
            if output.ndim == 0 or len(output) > order["max_boxes"]:
                raise Refused("output", f"{name} has the shape {list(output.shape)}")
        say({**{name: out.tolist() for name, out in zip(order["outputs"], outputs, strict=True)}, "model_s": model_s})


def main() -> int:
    """Carry out one order: `inspect` a model, or `run` it on frames."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    sys.path += order["packages"]
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # nothing that native code prints may reach the answers

        def say(message: dict[str, Any]) -> None:
            data = json.dumps(message).encode()
            out.write(struct.pack("<I", len(data)) + data)
            out.flush()

        say({"unlimited": limit(order["limits"])})
        try:
            if order["do"] == "inspect":
                say(inspect_model(order["model"]))
            else:
                answer_frames(order, sys.stdin.buffer, say)
        except Refused as refused:
            say({"error": refused.kind, "text": refused.text})
        except MemoryError:
            say({"error": "memory", "text": "out of memory"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
