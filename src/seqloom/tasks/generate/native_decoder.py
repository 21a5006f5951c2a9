"""The compiled decoder of a language model, where it can have one: packed when first wanted, and kept."""

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


class Packed(NamedTuple):
    """A decoder, and what its weights were when they were packed."""

    digest: tuple[int, ...]
    decoder: Decoder


_packed: WeakKeyDictionary[nn.Module, dict[str, Packed]] = WeakKeyDictionary()


def compiled_decoder(model: LanguageModel, options: DecodingOptions, batch_size: int) -> Decoder | None:
    """The compiled decoder for `model`, or None where it must be decoded step by step.

    Its weights are packed once for each precision, and again when they have changed.
    """
    if native_refusal(options, batch_size) is not None or why_not_packed(model) is not None:
        return None
    now = tuple(digest(weight) for weight in model.parameters())
    kept = _packed.setdefault(model, {})
    found = kept.get(options.precision)
    if found is None or found.digest != now:
        found = kept[options.precision] = Packed(now, pack(model, options.precision))
    return found.decoder


def pack(model: LanguageModel, precision: str) -> Decoder:
    """The weights of `model`, to which `why_not_packed` has no objection."""
    cell = str(model.layers[0].cell)
    layers = [plain_weights(layer)[0] for layer in model.layers]
    return Decoder(cell, model.embedding.weight, layers, model.output.weight, model.output.bias, precision)


def why_not_packed(model: nn.Module) -> str | None:
    """Why there is no compiled decoder for `model`, as half a sentence; None: there is one."""
    if type(model) is not LanguageModel or model.training:
        return "it is made for a LanguageModel in evaluation mode"
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return "hooks want to see every step"
    for weight in model.parameters():
        if weight.device.type != "cpu" or weight.dtype != torch.float32:
            return f"it takes float32 on the CPU, not {weight.dtype} on {weight.device}"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on"
    if type(model.embedding) is not nn.Embedding or type(model.output) is not nn.Linear:
        return "it takes torch's own embedding and output layer"
    for layer in model.layers:
        if type(layer) not in LAYER_CLASSES or layer.cell != model.layers[0].cell:
            return "it takes layers of seqloom, all of one kind"
        if CELLS[str(layer.cell)].native_id is None:
            return f"it has no {layer.cell}"
        if layer.bidirectional or layer.num_layers != 1 or layer.batch_first:
            return "it takes layers of one direction, one by one"
        if layer.layer_norm or layer.zoneout not in (0, (0, 0)) or layer.proj_size:
            return "it has no layer normalization, no zoneout and no projection"
        asked = requested_kernel("generate", str(layer.kernel))
        if asked.kernel not in ("auto", "native"):
            return asked.by
    return library.why_unavailable() or None
