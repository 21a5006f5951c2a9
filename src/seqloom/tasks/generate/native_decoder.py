"""The compiled decoder of a language model, if there is one for it: packed at first use, and cached."""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import nn

from seqloom.cells.spec import CELLS
from seqloom.decoding import DecodingOptions
from seqloom.decoding.native import native_refusal
from seqloom.kernels.native import library
from seqloom.kernels.native.decoder import Decoder, digest
from seqloom.kernels.selection import requested_kernel
from seqloom.layers.recurrent import LAYER_CLASSES
from seqloom.layers.recurrent.parameters import plain_weights
from seqloom.models.language_model import LanguageModel


class CachedDecoder(NamedTuple):
    """A decoder, and the digest of the weights that were packed into it."""

    digest: tuple[int, ...]
    decoder: Decoder


_decoders: WeakKeyDictionary[nn.Module, dict[str, CachedDecoder]] = WeakKeyDictionary()


def compiled_decoder(model: LanguageModel, options: DecodingOptions, batch_size: int) -> Decoder | None:
    """The compiled decoder for `model`, or None where it must be decoded step by step.

    Its weights are packed once for each precision, and again when they have changed.
    """
    if native_refusal(options, batch_size) is not None or why_not_packed(model) is not None:
        return None
    weights_digest = tuple(digest(weight) for weight in model.parameters())
    by_precision = _decoders.setdefault(model, {})
    cached = by_precision.get(options.precision)
    if cached is None or cached.digest != weights_digest:
        cached = CachedDecoder(weights_digest, pack(model, options.precision))
        by_precision[options.precision] = cached
    return cached.decoder


def pack(model: LanguageModel, precision: str) -> Decoder:
    """Pack the weights of `model`, for which `why_not_packed` is None."""
    cell = str(model.layers[0].cell)
    layers = [plain_weights(layer)[0] for layer in model.layers]
    return Decoder(cell, model.embedding.weight, layers, model.output.weight, model.output.bias, precision)


def why_not_packed(model: nn.Module) -> str | None:
    """Why `model` has no compiled decoder, as half a sentence; None: it has one."""
    if type(model) is not LanguageModel or model.training:
        return "it is made for a LanguageModel in evaluation mode"
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return "hooks need every step"
    for weight in model.parameters():
        if weight.device.type != "cpu" or weight.dtype != torch.float32:
            return f"it takes float32 on the CPU, not {weight.dtype} on {weight.device}"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on"
    if type(model.embedding) is not nn.Embedding or type(model.output) is not nn.Linear:
        return "it takes torch's own embedding and output layer"
    if model.ngrams is not None:
        return "it has no n-gram features"
    for layer in model.layers:
        if type(layer) not in LAYER_CLASSES or layer.cell != model.layers[0].cell:
            return "it takes layers of seqloom, all of one kind"
        if CELLS[str(layer.cell)].native_id is None:
            return f"it has no {layer.cell}"
        if layer.bidirectional or layer.num_layers != 1 or layer.batch_first:
            return "it takes layers of one direction, one by one"
        if layer.layer_norm or layer.zoneout not in (0, (0, 0)) or layer.proj_size:
            return "it has no layer normalization, no zoneout and no projection"
        request = requested_kernel("generate", str(layer.kernel))
        if request.kernel not in ("auto", "native"):
            return request.by
    return library.why_unavailable() or None
