"""onnxruntime: a model of embedding, LSTMs and output layer, run one symbol at a time to decode."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import final

import numpy
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx_layer import attributes, model_of, operator_weights, session
from onnxruntime.quantization import QuantType, quantize_dynamic


@final
class Decoder:
    """The loop: a symbol and the states in, logits and states out, and the next symbol drawn from them."""

    versions = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, run: onnxruntime.InferenceSession, hidden: int, vocabulary: int) -> None:
        self.session, self.random = run, numpy.random.default_rng(0)
        self.token, self.logits = _value((1, 1), numpy.int64), _value((1, 1, vocabulary))
        (_, *inputs), (_, *outputs) = run.get_inputs(), run.get_outputs()
        # States go to and fro between two places, so that none is copied from step to step.
        places = [[_value((1, 1, hidden)) for _ in inputs] for _ in range(2)]
        self.first, self.bindings, self.tokens = places[0], [], []
        for old, new in (places, places[::-1]):
            binding = run.io_binding()
            binding.bind_ortvalue_input("token", self.token)
            binding.bind_ortvalue_output("logits", self.logits)
            for known, value in zip(inputs, old, strict=True):
                binding.bind_ortvalue_input(known.name, value)
            for given, value in zip(outputs, new, strict=True):
                binding.bind_ortvalue_output(given.name, value)
            self.bindings.append(binding)

    def __call__(self, *, tokens: int, temperature: float = 1.0) -> None:
        """Decode from zero states and symbol 0.

        Args:
            tokens: how many.
            temperature: of sampling; 0 takes the likeliest.
        """
        self._begin()
        token, self.tokens = 0, []
        for place, draw in enumerate(self.random.random(tokens)):
            logits = self._step(place, token)
            if temperature == 0:
                token = int(logits.argmax())
            else:
                shares = numpy.exp((logits - logits.max()) * (1 / temperature)).cumsum()
                token = min(int(shares.searchsorted(draw * shares[-1])), len(shares) - 1)
            self.tokens.append(token)

    def _begin(self) -> None:
        for value in self.first:
            value.update_inplace(numpy.zeros(value.shape(), numpy.float32))

    def _step(self, place: int, token: int) -> numpy.ndarray:
        self.token.update_inplace(numpy.array([[token]]))
        self.session.run_with_iobinding(self.bindings[place % 2])
        return self.logits.numpy()[0, 0]

    def outputs(self) -> dict[str, numpy.ndarray]:
        """Logits (8, V) of the symbols 0 to 7, one after another; the 32 likeliest symbols from 0."""
        self._begin()
        logits = numpy.stack([self._step(token, token).copy() for token in range(8)])
        self(tokens=32, temperature=0)
        return {"logits": logits, "tokens": numpy.array(self.tokens)}


def _value(shape: tuple[int, ...], dtype: type = numpy.float32) -> onnxruntime.OrtValue:
    return onnxruntime.OrtValue.ortvalue_from_numpy(numpy.zeros(shape, dtype))


def make(arrays: dict[str, numpy.ndarray], *, threads: int, layers: int, int8: bool) -> Decoder:
    """The decoder; its weights dynamically quantized where `int8`."""
    hidden = arrays["weight_hh_l0"].shape[1]
    nodes = [helper.make_node("Gather", ["embedding", "token"], ["x0"])]
    initializers = {
        "embedding": arrays["embedding.weight"],
        "output_weight": arrays["output.weight"].T.copy(),
    }
    initializers["output_bias"] = arrays["output.bias"]
    states = [f"{state}{layer}" for layer in range(layers) for state in "hc"]
    for layer in range(layers):
        names = [f"{part}{layer}" for part in "WRB"]
        initializers |= zip(names, operator_weights("LSTM", arrays, layer), strict=True)
        inputs = [f"x{layer}", *names, "", f"h{layer}", f"c{layer}"]
        # The last h (1, B, H) is the output of a sequence of one step.
        outputs = ["", f"x{layer + 1}", f"new_c{layer}"]
        nodes.append(helper.make_node("LSTM", inputs, outputs, **attributes("LSTM", hidden)))
    nodes.append(helper.make_node("MatMul", [f"x{layers}", "output_weight"], ["product"]))
    nodes.append(helper.make_node("Add", ["product", "output_bias"], ["logits"]))
    new = [f"x{layer + 1}" if state == "h" else f"new_c{layer}" for layer in range(layers) for state in "hc"]

    def values(names: list[str]) -> list:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, hidden]) for name in names]

    vocabulary = len(arrays["output.bias"])
    graph = helper.make_graph(
        nodes,
        "decoder",
        [helper.make_tensor_value_info("token", TensorProto.INT64, [1, 1]), *values(states)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, vocabulary]), *values(new)],
        [numpy_helper.from_array(value, name) for name, value in initializers.items()],
    )
    model = model_of(graph)
    if not int8:
        return Decoder(session(model, threads), hidden, vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "int8.onnx")
        quantize_dynamic(model, path, weight_type=QuantType.QInt8)
        return Decoder(session(path, threads), hidden, vocabulary)
