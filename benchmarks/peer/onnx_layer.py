"""onnxruntime: one RNN, GRU or LSTM operator over whole sequences, forward only."""

from __future__ import annotations

from typing import Any, final

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

# Where ONNX's gates are in torch's order: LSTM i o f c of i f g o, GRU z r h of r z n.
ORDER = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}


def operator_weights(cell: str, arrays: dict[str, numpy.ndarray], layer: int = 0) -> list[numpy.ndarray]:
    """W, R and B of an operator from the parameters of torch.nn's layer by their names."""

    def gates(name: str) -> numpy.ndarray:
        blocks = numpy.split(arrays[f"{name}_l{layer}"], len(ORDER[cell]))
        return numpy.concatenate([blocks[k] for k in ORDER[cell]])

    biases = numpy.concatenate([gates("bias_ih"), gates("bias_hh")])
    return [part[None] for part in (gates("weight_ih"), gates("weight_hh"), biases)]


def attributes(cell: str, hidden: int) -> dict[str, Any]:
    """Of the operator; torch's GRU has its reset gate after the product."""
    return {"hidden_size": hidden, **({"linear_before_reset": 1} if cell == "GRU" else {})}


def session(model: onnx.ModelProto | str, threads: int) -> onnxruntime.InferenceSession:
    """A session on so many threads, which stop when a run is done: others want the cores then."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    content = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def model_of(graph: onnx.GraphProto) -> onnx.ModelProto:
    """A checked model, of versions that onnxruntime knows."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model


@final
class Layer:
    """A layer with zero initial state, and the input that it is timed with (T, B, I)."""

    versions = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, run: onnxruntime.InferenceSession, input: numpy.ndarray) -> None:
        self.binding, self.session = run.io_binding(), run
        self.input = onnxruntime.OrtValue.ortvalue_from_numpy(input)
        self.binding.bind_ortvalue_input("input", self.input)
        self.binding.bind_output("output")

    def __call__(self) -> None:
        self.session.run_with_iobinding(self.binding)

    def outputs(self) -> dict[str, numpy.ndarray]:
        """The output (T, B, H)."""
        self()
        return {"output": self.binding.copy_outputs_to_cpu()[0][:, 0]}


def make(arrays: dict[str, numpy.ndarray], *, threads: int, cell: str, training: bool) -> Layer:
    """The layer."""
    assert not training, "onnxruntime is for inference"
    weights = operator_weights(cell, arrays)
    hidden = weights[1].shape[2]
    steps, batch, _ = arrays["input"].shape
    node = helper.make_node(cell, ["input", "W", "R", "B"], ["output"], **attributes(cell, hidden))
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, arrays["input"].shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [steps, 1, batch, hidden])],
        [numpy_helper.from_array(value, name) for name, value in zip("WRB", weights, strict=True)],
    )
    return Layer(session(model_of(graph), threads), arrays["input"])
