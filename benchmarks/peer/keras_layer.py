"""Keras on JAX: one GRU or LSTM layer, compiled by XLA; a run, or a training step."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

from collections.abc import Callable
from typing import Any, final

import jax
import keras
import numpy

# Where Keras's gates are in torch's order: GRU z r h of r z n; LSTM has torch's.
ORDER = {"GRU": [1, 0, 2], "LSTM": [0, 1, 2, 3]}


@final
class Compiled:
    """A compiled function and what it is called with."""

    versions = f"Keras {keras.__version__} on JAX {jax.__version__}"

    def __init__(self, function: Callable[..., Any], arguments: list[Any], names: list[str]) -> None:
        self.function, self.arguments, self.names = function, arguments, names

    def __call__(self) -> None:
        jax.block_until_ready(self.function(*self.arguments))

    def outputs(self) -> dict[str, numpy.ndarray]:
        """What it gives, time first."""
        results = jax.tree.leaves(self.function(*self.arguments))
        return {
            name: numpy.asarray(value).swapaxes(0, 1)
            for name, value in zip(self.names, results, strict=False)
        }


def make(arrays: dict[str, numpy.ndarray], *, threads: int, cell: str, training: bool) -> Compiled:  # noqa: ARG001
    """The layer's run, or the gradients of its input and weights; batch first, as Keras has it."""

    def gates(name: str) -> numpy.ndarray:
        blocks = numpy.split(arrays[name], len(ORDER[cell]))
        return numpy.concatenate([blocks[k] for k in ORDER[cell]])

    x, gradient = (jax.numpy.asarray(arrays[name].swapaxes(0, 1)) for name in ("input", "gradient"))
    hidden = arrays["weight_hh_l0"].shape[1]
    layer = getattr(keras.layers, cell)(hidden, return_sequences=True)
    layer.build(x.shape)
    biases = numpy.stack([gates("bias_ih_l0"), gates("bias_hh_l0")])
    layer.set_weights(
        [gates("weight_ih_l0").T, gates("weight_hh_l0").T, biases if cell == "GRU" else biases.sum(0)]
    )
    weights = [variable.value for variable in layer.trainable_variables]
    fixed = [variable.value for variable in layer.non_trainable_variables]

    def run(x: Any, weights: Any) -> Any:
        return layer.stateless_call(weights, fixed, x, training=training)[0]

    def loss(x: Any, weights: Any) -> Any:
        return (run(x, weights) * gradient).sum()

    function = jax.jit(jax.grad(loss, argnums=(0, 1)) if training else run)
    return Compiled(function, [x, weights], ["d_input" if training else "output"])
