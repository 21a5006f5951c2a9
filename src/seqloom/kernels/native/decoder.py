"""The compiled decoder (csrc/include/decoder_api.h): embedding, recurrent layers, output layer and sampling,
many tokens in one call.

A token needs every weight once, whatever the batch size, so the time is that of reading the weights from
memory. They are packed once, in the order of reading, in float32, bfloat16 or int8, and the embedding is
multiplied by the first layer's input matrix in advance. Sums (exact for int8) and everything but products are
float32.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from seqloom.cells.projections import Weights
from seqloom.errors import ConfigError, DataError
from seqloom.kernels.native import library
from seqloom.kernels.native.abi import NATIVE_CELLS
from seqloom.kernels.native.openmp import num_threads
from seqloom.kernels.native.weight_packing import PRECISIONS, Arena, Layout, Matrix, in_blocks, pack
from seqloom.state import State, tensors_of, with_tensors

MAX_ROWS = 64
"""The largest batch of a call. Larger ones are faster with full matrix products."""

MAX_THREADS = 16
"""All threads meet at a barrier after every product, which takes longer than the work with more of them."""

CALLS_UNTIL_RETRY = 16
"""Calls with fewer threads, after which more are tried again."""

BYTES_PER_THREAD = 1 << 16
"""With fewer weights a thread would mostly wait for the others."""

TABLE_BYTES = 1 << 26
"""The maximum size of the embedding times the input matrix; above, it is computed for every token."""


class Layer(ctypes.Structure):
    """`DecoderLayer` of csrc/include/decoder_api.h."""

    _fields_ = [
        *(("input", Matrix), ("recurrent", Matrix), ("hidden", ctypes.c_int64)),
        *(("h", ctypes.c_void_p), ("c", ctypes.c_void_p)),
    ]


class Decoding(ctypes.Structure):
    """`Decoding` of csrc/include/decoder_api.h."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("cell", "precision", "width", "layers", "batch", "threads")),
        *((name, ctypes.c_int64) for name in ("vocabulary", "embedding_size", "steps")),
        *(("table", ctypes.c_void_p), ("embedding", ctypes.c_void_p), ("layer", ctypes.POINTER(Layer))),
        *(("output", Matrix), ("logits", ctypes.c_void_p), ("given", ctypes.c_void_p)),
        *(("nats", ctypes.c_void_p), ("uniforms", ctypes.c_void_p)),
        *(("temperature", ctypes.c_double), ("top_p", ctypes.c_double), ("top_k", ctypes.c_int64)),
        *(("stops", ctypes.c_void_p), ("stop_count", ctypes.c_int64), ("tokens", ctypes.c_void_p)),
        *(("finished", ctypes.c_void_p), ("done", ctypes.c_int64), ("waited", ctypes.c_double)),
        *(("wrong", ctypes.c_int32), ("reserved", ctypes.c_int32)),
    ]


class TokenSelection(NamedTuple):
    """How tokens are chosen; the options are those of `seqloom.decoding.DecodingOptions`."""

    uniforms: Tensor | None
    """(B, T) float64 in [0, 1), a number for each row and step to sample with; None: greedy"""
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    stop_tokens: tuple[int, ...] = ()


class DecodeResult(NamedTuple):
    """The results of `Decoder.generate`."""

    tokens: Tensor
    """(B, T) int64: -1 after a row's end; T is smaller than requested if all rows have ended"""
    finished: Tensor
    """(B,) bool: rows that have ended"""
    logits: Tensor
    """(B, V) float32: the logits of the next token"""
    state: State
    """The state after all `tokens`; undefined for rows that have ended"""
    wrong: bool
    """Whether NaN or inf among `logits` ended the call before a token was chosen from them"""


@final
class Decoder:
    """The weights of a language model, packed for decoding.

    Args:
        cell: one of `NATIVE_CELLS`.
        embedding: (V, E) float32.
        layers: the weights of each layer, from the lowest: weight_ih, weight_hh and the biases, float32.
        output_weight: (V, H) float32.
        output_bias: (V,) float32, or None.
        precision: the type of the packed weights: "float32", "bfloat16" or "int8". int8 has a scale for each
            row of a matrix; activations are quantized to int8 too, with a scale for each vector.

    Raises:
        ConfigError: an unknown cell or precision; the compiled library is missing.
        DataError: a shape, a type or a device that does not fit.

    Source: int8 as in Jacob et al., 2018, arXiv:1712.05877, symmetric and dynamic.
    """

    def __init__(
        self,
        cell: str,
        embedding: Tensor,
        layers: Sequence[Weights],
        output_weight: Tensor,
        output_bias: Tensor | None = None,
        precision: str = "float32",
    ) -> None:
        if cell not in NATIVE_CELLS:
            raise ConfigError("Decoder", f"cell must be one of {', '.join(NATIVE_CELLS)}", got=cell)
        if precision not in PRECISIONS:
            raise ConfigError("Decoder", f"precision must be one of {', '.join(PRECISIONS)}", got=precision)
        _check_weights(cell, embedding, layers, output_weight, output_bias)
        loaded = _library()
        self.cell, self.precision = cell, precision
        self.vocabulary_size, self.embedding_size = embedding.shape
        self.hidden_sizes = tuple(w.weight_hh.shape[1] for w in layers)
        self._width = loaded.seqloom_decoder_width()
        layout = Layout(precision, self._width, NATIVE_CELLS[cell].num_gates)
        with torch.no_grad():
            self._pack(layout, embedding, layers, output_weight, output_bias)

    def _pack(
        self,
        layout: Layout,
        embedding: Tensor,
        layers: Sequence[Weights],
        output_weight: Tensor,
        output_bias: Tensor | None,
    ) -> None:
        arena = Arena()
        rows = in_blocks(torch.empty(len(layers[0].weight_hh), 0, device="cpu"), layout).shape[0]
        self._table = self._embedding = None
        if self.vocabulary_size * rows * 4 <= TABLE_BYTES:
            first, _ = _biases(self.cell, layers[0])
            table = torch.addmm(first, embedding, layers[0].weight_ih.t())
            self._table = in_blocks(table.t(), layout).t().contiguous()
        else:
            self._embedding = embedding.contiguous()
        self._packed: list[tuple[Matrix, Matrix]] = []
        for number, w in enumerate(layers):
            input_bias, hidden_bias = (
                in_blocks(bias.unsqueeze(1), layout).squeeze(1) for bias in _biases(self.cell, w)
            )
            below = Matrix()
            if number or self._table is None:
                below = pack(arena, in_blocks(w.weight_ih, layout), input_bias, layout, layout.panel)
            recurrent = pack(arena, in_blocks(w.weight_hh, layout), hidden_bias, layout, layout.panel)
            self._packed.append((below, recurrent))
        bias = output_weight.new_zeros(len(output_weight)) if output_bias is None else output_bias
        missing = -len(output_weight) % (2 * layout.width)
        weight = torch.cat([output_weight, output_weight.new_zeros(missing, output_weight.shape[1])])
        bias = torch.cat([bias, bias.new_full((missing,), -torch.inf)])
        self._output = pack(arena, weight, bias, layout, 2)
        self._arena = arena
        self.weight_bytes = arena.close()
        self._threads, self._calls = MAX_THREADS, 0

    def generate(
        self, logits: Tensor, state: State, steps: int, choice: TokenSelection, finished: Tensor | None = None
    ) -> DecodeResult:
        """Choose up to `steps` tokens for every row.

        Args:
            logits: (B, V) float32, from which the first token is chosen.
            state: the state with those logits: h (1, B, H) of each layer; of an LSTM h and c.
            steps: the maximum number of tokens.
            choice: how they are chosen.
            finished: (B,) bool, rows that have ended already; None: none.

        Raises:
            ConfigError: the instruction set has changed since the weights were packed.
            DataError: a shape, a type or a value that does not fit.
        """
        batch = self._check(logits, state)
        ended = (
            torch.zeros(batch, dtype=torch.int32, device="cpu")
            if finished is None
            else finished.to(torch.int32)
        )
        _check_tensor("finished", ended, (batch,), torch.int32)
        tokens = torch.full((batch, max(steps, 0)), -1, dtype=torch.int64, device="cpu")
        call = self._call(batch, steps)
        if choice.uniforms is not None:
            _check_tensor("uniforms", choice.uniforms, (batch, steps), torch.float64)
            uniforms = choice.uniforms.contiguous()
            call.uniforms = uniforms.data_ptr()
        if not choice.temperature > 0:
            raise DataError("Decoder", "temperature must be above 0", got=choice.temperature)
        call.temperature, call.top_p, call.top_k = choice.temperature, choice.top_p, max(choice.top_k, 0)
        stops = torch.tensor(choice.stop_tokens, dtype=torch.int64, device="cpu")
        call.stops, call.stop_count = stops.data_ptr(), len(stops)
        call.tokens, call.finished = tokens.data_ptr(), ended.data_ptr()
        logits, state = self._run(call, logits, state)
        return DecodeResult(tokens[:, : call.done], ended.bool(), logits, state, bool(call.wrong))

    def read(self, tokens: Tensor, logits: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Run over given tokens instead of choosing any.

        Args:
            tokens: (B, T) int64.
            logits, state: as for `generate`.

        Returns:
            nats (B, T) float64, -log of the probability of each token; then the logits and state after the
            last.
        """
        batch = self._check(logits, state)
        if tokens.dim() != 2:
            raise DataError("Decoder", "tokens must be (B, T)", got=f"shape {tuple(tokens.shape)}")
        _check_tensor("tokens", tokens, (batch, tokens.shape[1]), torch.int64)
        tokens = tokens.contiguous()
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.vocabulary_size:
            got = f"{int(tokens.min())} to {int(tokens.max())}"
            raise DataError("Decoder", f"tokens must be 0 to {self.vocabulary_size - 1}", got=got)
        nats = torch.empty(tokens.shape, dtype=torch.float64, device="cpu")
        call = self._call(batch, tokens.shape[1])
        call.given, call.nats = tokens.data_ptr(), nats.data_ptr()
        return nats, *self._run(call, logits, state)

    def nats(self, tokens: Tensor, state: State | None = None) -> Tensor:
        """-log of the probability of every token but the first, given those before it.

        Args:
            tokens: (B, T) int64.
            state: the state before the first; None: zeros.

        Returns:
            (B, T - 1) float64.
        """
        logits = torch.zeros(len(tokens), self.vocabulary_size, device="cpu")
        state = self.initial_state(len(tokens)) if state is None else state
        return self.read(tokens, logits, state)[0][:, 1:]

    def initial_state(self, batch_size: int) -> State:
        """Zeros: h (1, B, H) of each layer; of an LSTM a pair of those."""
        parts = [torch.zeros(1, batch_size, size, device="cpu") for size in self.hidden_sizes]
        return (
            tuple((h, torch.zeros_like(h)) for h in parts)
            if NATIVE_CELLS[self.cell].has_cell_state
            else tuple(parts)
        )

    def seconds_to_read(self, times: int = 16) -> float:
        """The time in which the threads read the packed weights once: the least for a token."""
        threads = self._call(1, 0).threads
        return _library().seqloom_read(self._arena.address, self.weight_bytes, threads, times)

    def _check(self, logits: Tensor, state: State) -> int:
        batch = len(logits) if logits.dim() else 0
        if not 1 <= batch <= MAX_ROWS:
            raise DataError("Decoder", f"a batch must have 1 to {MAX_ROWS} rows", got=batch)
        _check_tensor("logits", logits, (batch, self.vocabulary_size), torch.float32)
        parts_per_layer = 2 if NATIVE_CELLS[self.cell].has_cell_state else 1
        parts = tensors_of(state)
        if len(parts) != parts_per_layer * len(self.hidden_sizes):
            expected = (
                f"the state must have {parts_per_layer} tensors for each of {len(self.hidden_sizes)} layers"
            )
            raise DataError("Decoder", expected, got=len(parts))
        for number, part in enumerate(parts):
            _check_tensor(
                "state", part, (1, batch, self.hidden_sizes[number // parts_per_layer]), torch.float32
            )
        return batch

    def _call(self, batch: int, steps: int) -> Decoding:
        if steps < 0:
            raise DataError("Decoder", "steps must be an int >= 0", got=steps)
        call = Decoding()
        call.cell, call.precision = NATIVE_CELLS[self.cell].native_id, PRECISIONS.index(self.precision)
        call.width, call.layers, call.batch = self._width, len(self.hidden_sizes), batch
        call.threads = min(num_threads(), self._threads, 1 + self.weight_bytes // BYTES_PER_THREAD)
        call.vocabulary, call.embedding_size, call.steps = self.vocabulary_size, self.embedding_size, steps
        call.table = None if self._table is None else self._table.data_ptr()
        call.embedding = None if self._embedding is None else self._embedding.data_ptr()
        call.output = self._output
        return call

    def _run(self, call: Decoding, logits: Tensor, state: State) -> tuple[Tensor, State]:
        parts_per_layer = 2 if NATIVE_CELLS[self.cell].has_cell_state else 1
        logits = logits.clone(memory_format=torch.contiguous_format)
        parts = [part.clone(memory_format=torch.contiguous_format) for part in tensors_of(state)]
        layers = (Layer * len(self._packed))()
        for number, (layer, (below, recurrent)) in enumerate(zip(layers, self._packed, strict=True)):
            layer.input, layer.recurrent, layer.hidden = below, recurrent, self.hidden_sizes[number]
            layer.h = parts[parts_per_layer * number].data_ptr()
            layer.c = parts[parts_per_layer * number + 1].data_ptr() if parts_per_layer == 2 else None
        call.layer, call.logits = layers, logits.data_ptr()
        status = _library().seqloom_decode(ctypes.byref(call))
        if status == 1:
            raise MemoryError("Decoder: no memory for the working space of a call.")
        if status == 2:
            hint = "Make a new Decoder"
            raise ConfigError("Decoder", "the weights are packed for another instruction set", hint=hint)
        self._adapt(call)
        return logits, with_tensors(state, parts)

    def _adapt(self, call: Decoding) -> None:
        """Halve the threads if they waited more than half of the time, for cores that other processes use.

        Their number has no effect on results.
        """
        self._calls += 1
        if call.waited > 0.5:
            self._threads, self._calls = max(1, call.threads // 2), 0
        elif self._calls == CALLS_UNTIL_RETRY:
            self._threads, self._calls = min(MAX_THREADS, 2 * self._threads), 0


def digest(weight: Tensor) -> int:
    """A hash of the values of `weight`, float32 on the CPU."""
    weight = weight.detach().contiguous()
    return _library().seqloom_digest(weight.data_ptr(), weight.numel(), num_threads())


def _check_weights(
    cell: str, embedding: Tensor, layers: Sequence[Weights], output_weight: Tensor, output_bias: Tensor | None
) -> None:
    if embedding.dim() != 2 or 0 in embedding.shape or not layers:
        got = f"{len(layers)} layers, an embedding of shape {tuple(embedding.shape)}"
        raise DataError("Decoder", "there must be a layer, and the embedding (V, E)", got=got)
    V, E = embedding.shape
    _check_tensor("embedding", embedding, (V, E), torch.float32)
    sizes = [E, *(w.weight_hh.shape[-1] for w in layers)]
    for w, (below, hidden) in zip(layers, pairwise(sizes), strict=True):
        G = NATIVE_CELLS[cell].num_gates * hidden
        if any(part is not None for part in w[4:]):
            raise DataError("Decoder", "a layer must have no projection and no normalization")
        shapes = ((G, below), (G, hidden), (G,), (G,))
        for name, tensor, shape in zip(Weights._fields, w[:4], shapes, strict=False):
            if tensor is not None:
                _check_tensor(name, tensor, shape, torch.float32)
    _check_tensor("output_weight", output_weight, (V, sizes[-1]), torch.float32)
    if output_bias is not None:
        _check_tensor("output_bias", output_bias, (V,), torch.float32)


def _biases(cell: str, w: Weights) -> tuple[Tensor, Tensor]:
    """The biases to add to the input product and to the hidden product (b_hn of a GRU)."""
    zeros = w.weight_hh.new_zeros(len(w.weight_hh))
    input_bias = zeros if w.bias_ih is None else w.bias_ih
    if w.bias_hh is None:
        return input_bias, zeros
    spec = NATIVE_CELLS[cell]
    if not spec.separate_bias:
        return input_bias + w.bias_hh, zeros
    gates = torch.tensor(
        [name in spec.separate_bias for name in spec.gates._fields[: spec.num_gates]], device="cpu"
    )
    separate = gates.repeat_interleave(len(zeros) // spec.num_gates)
    return input_bias + w.bias_hh.masked_fill(separate, 0.0), w.bias_hh.masked_fill(~separate, 0.0)


def _check_tensor(name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if tensor.shape != shape or tensor.dtype != dtype or not tensor.is_cpu:
        got = f"{tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
        raise DataError("Decoder", f"{name} must be {dtype} {shape} on the CPU", got=got)


@cache
def _library() -> Any:
    if not library.available():
        raise ConfigError("Decoder", f"there is none: {library.why_unavailable()}")
    loaded = ctypes.CDLL(str(library.find()))  # the same handle as in library.py
    loaded.seqloom_decode.argtypes, loaded.seqloom_decode.restype = [ctypes.c_void_p], ctypes.c_int32
    loaded.seqloom_digest.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32]
    loaded.seqloom_digest.restype = ctypes.c_uint64
    loaded.seqloom_read.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_int32]
    loaded.seqloom_read.restype = ctypes.c_double
    return loaded
