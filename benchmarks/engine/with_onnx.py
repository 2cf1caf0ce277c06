"""ONNX Runtime as a contestant: the network as a model of Gemm and Tanh nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import workloads
from onnx import TensorProto, helper, numpy_helper


def predict(spec: dict[str, Any]) -> Any:
    """The outputs, from and to NumPy."""
    kind = TensorProto.DOUBLE if spec["dtype"] == "float64" else TensorProto.FLOAT
    nodes, numbers, above = [], [], "y0"
    w, b = workloads.weights(spec)
    for i, (w_i, b_i) in enumerate(zip(w, b, strict=True), 1):
        numbers += [numpy_helper.from_array(w_i, f"w{i}"), numpy_helper.from_array(b_i, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [above, f"w{i}", f"b{i}"], [f"x{i}"], transB=1))
        above = f"x{i}"
        if i < len(w):
            nodes.append(helper.make_node("Tanh", [above], [f"y{i}"]))
            above = f"y{i}"
    sizes = spec["sizes"]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("y0", kind, ["patterns", sizes[0]])],
        [helper.make_tensor_value_info(above, kind, ["patterns", sizes[-1]])],
        numbers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = spec["threads"], 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    inputs, _ = workloads.patterns(spec)

    def run(calls: int) -> None:
        for _ in range(calls):
            session.run(None, {"y0": inputs})

    return run, float(np.sum(session.run(None, {"y0": inputs})[0], dtype=np.float64))
